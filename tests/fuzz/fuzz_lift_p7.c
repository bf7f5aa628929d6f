#include "common/crypto/der.h"
#include "common/lift/lift.h"

/*
 * Any bytes as the certificates (data[0] even) or the revocation lists (odd) of PKCS#7 signed data,
 * behind the frame that a fuzzer breaks more often than it gets through.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t oid_signed[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
static const uint8_t oid_data[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
static const uint8_t version_1[] = {0x02, 0x01, 0x01};
static const uint8_t empty_set[] = {0x31, 0x00};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = BUF_INIT(LIMIT_IMPORT_FILE);
	struct der d = DER_INIT(&file);
	struct pbe_budget budget = {30000, INT64_C(5000000000)};
	struct lift_params params = {NULL, 0, &budget};
	struct lift *l = lift_new(&params);

	if (size > 0) {
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, SPAN_OF(oid_signed));
		der_begin(&d, DER_CONTEXT_CONS(0));
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, SPAN_OF(version_1));
		der_put_raw(&d, SPAN_OF(empty_set));
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, SPAN_OF(oid_data));
		der_end(&d);
		der_begin(&d, DER_CONTEXT_CONS(data[0] & 1));
		der_put_raw(&d, SPAN(data + 1, size - 1));
		der_end(&d);
		der_put_raw(&d, SPAN_OF(empty_set));
		der_end(&d);
		der_end(&d);
		der_end(&d);
	}
	if (size > 0 && file.error == 0) {
		lift_add(l, "input", buf_span(&file));
		lift_match(l);
		/* Whatever it was, something is said of it: a find, or why there is none. */
		CHECK(lift_count(l) > 0);
		for (size_t i = 0; i < lift_count(l); i++)
			CHECK(
			    (lift_at(l, i)->kind == LIFT_PROBLEM) == (lift_at(l, i)->text != NULL));
	}
	lift_free(l);
	buf_fini(&file);
	return 0;
}
