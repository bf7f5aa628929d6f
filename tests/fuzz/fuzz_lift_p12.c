#include "common/crypto/der.h"
#include "common/lift/lift.h"

/*
 * Any bytes as the bags of a PKCS#12 file: behind its integrity code and its encryption, which a
 * fuzzer does not get through, but whoever knows the password of a file that he made himself.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t version_3[] = {0x02, 0x01, 0x03};
static const uint8_t oid_data[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};

static void
begin_data(struct der *d)
{
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, SPAN_OF(oid_data));
	der_begin(d, DER_CONTEXT_CONS(0));
	der_begin(d, DER_OCTET_STRING);
}

static void
end_data(struct der *d)
{
	der_end(d);
	der_end(d);
	der_end(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = BUF_INIT(LIMIT_IMPORT_FILE);
	struct der d = DER_INIT(&file);
	struct pbe_budget budget = {30000, INT64_C(5000000000)};
	struct lift_params params = {NULL, 0, &budget};
	struct lift *l = lift_new(&params);

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(version_3));
	begin_data(&d);
	der_begin(&d, DER_SEQUENCE);
	begin_data(&d);
	der_put_raw(&d, SPAN(data, size));
	end_data(&d);
	der_end(&d);
	end_data(&d);
	der_end(&d);
	if (file.error == 0) {
		lift_add(l, "input", buf_span(&file));
		lift_match(l);
		/* That there is no integrity code is always said. */
		CHECK(lift_count(l) > 0 && lift_at(l, 0)->why == LIFT_UNVERIFIED);
	}
	lift_free(l);
	buf_fini(&file);
	return 0;
}
