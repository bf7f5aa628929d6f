#include "common/base/limits.h"
#include "common/crypto/der.h"
#include "common/crypto/pkey.h"

#include <string.h>

/* Private keys in the forms of others, put into the one form that pkey_from_pkcs8 reads. */

static const uint8_t rsa_algorithm[] = {
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
static const uint8_t ec_oid[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t version_0[] = {0x02, 0x01, 0x00};

static int
check_len(struct span der, struct err *err)
{
	if (der.len <= LIMIT_KEY)
		return 0;
	return err_set(
	    err, ERR_LIMIT, "a private key of %zu bytes; %d at the most", der.len, LIMIT_KEY);
}

/* PrivateKeyInfo of an algorithm (content of its SEQUENCE) and a key. A buf wipes what it held. */
static int
read_rebuilt(struct span algorithm, struct span key, struct pkey **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_KEY + 128);
	struct der d = DER_INIT(der);
	int r;

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(version_0));
	der_put(&d, DER_SEQUENCE, algorithm);
	der_put(&d, DER_OCTET_STRING, key);
	der_end(&d);
	r = buf_error(der, "private key", err);
	return r < 0 ? r : pkey_from_pkcs8(buf_span(der), out, err);
}

int
pkey_from_foreign_pkcs8(struct span der, struct pkey **out, struct err *err)
{
	struct der_reader r = DER_READER(der);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	uint32_t version = der_take_small(&whole);
	struct span algorithm = der_take(&whole, DER_SEQUENCE);
	struct span key = der_take(&whole, DER_OCTET_STRING);
	int rc = check_len(der, err);

	if (rc < 0)
		return rc;
	if (whole.failed || !der_done(&r) || version > 1)
		return err_set(err, ERR_PARSE, "not a private key in PKCS#8");
	return read_rebuilt(algorithm, key, out, err);
}

int
pkey_from_pkcs1(struct span der, struct pkey **out, struct err *err)
{
	int rc = check_len(der, err);

	if (rc < 0)
		return rc;
	return read_rebuilt(SPAN(rsa_algorithm + 2, sizeof(rsa_algorithm) - 2), der, out, err);
}

int
pkey_from_sec1(struct span der, struct span curve, struct pkey **out, struct err *err)
{
	uint8_t algorithm[sizeof(ec_oid) + 64];
	struct der_reader r = DER_READER(der);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	int rc = check_len(der, err);

	if (rc < 0)
		return rc;
	(void)der_take_small(&whole);
	(void)der_take(&whole, DER_OCTET_STRING);
	if (whole.rest.len > 0 && whole.rest.data[0] == DER_CONTEXT_CONS(0))
		curve = der_take(&whole, DER_CONTEXT_CONS(0));
	if (whole.failed || !der_done(&r))
		return err_set(err, ERR_PARSE, "not an EC private key");
	if (curve.len == 0)
		return err_set(err, ERR_INVALID, "an EC private key that does not name its curve");
	if (curve.data[0] != DER_OID || curve.len > sizeof(algorithm) - sizeof(ec_oid))
		return err_set(err, ERR_INVALID, "an EC private key without a named curve");
	memcpy(algorithm, ec_oid, sizeof(ec_oid));
	memcpy(algorithm + sizeof(ec_oid), curve.data, curve.len);
	return read_rebuilt(SPAN(algorithm, sizeof(ec_oid) + curve.len), der, out, err);
}
