#include "common/crypto/cert.h"

#include <string.h>

/*
 * Parses any bytes as a certificate, and as PEM text; whatever is accepted goes through every
 * getter and through the verification under itself as root. PEM that is written is read back.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_name(void *arg, const char *name)
{
	size_t len = strlen(name);

	CHECK(len > 0 && len <= LIMIT_NAME);
	++*(size_t *)arg;
}

/* The key is decoded later, and nothing else is different. */
static void
look_at_late(const struct cert *c, const struct pkey *key)
{
	AUTO(cert_unrefp)
	struct cert *late = NULL;
	struct err err;

	CHECK(cert_has_key(c, key));
	CHECK(cert_parse_of(cert_der(c), key, &late, &err) == 0);
	CHECK(cert_has_key(late, key));
	CHECK(cert_not_after(late) == cert_not_after(c) && cert_is_ca(late) == cert_is_ca(c));
}

static void
look_at(const struct cert *c)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	AUTO(buf_freep)
	struct buf *text = buf_new(8 * LIMIT_CERT);
	struct cert *chain[LIMIT_CHAIN];
	struct domain_id domain;
	struct hash fingerprint;
	size_t names = 0, count;
	struct id node;
	struct err err;

	cert_put_serial(c, text);
	cert_put_subject(c, text);
	cert_put_issuer(c, text);
	cert_fingerprint(c, &fingerprint);
	CHECK(cert_each_name(c, on_name, &names) == names);
	if (cert_key(c, &key, &err) == 0)
		look_at_late(c, key);
	if (cert_identity(c, &domain, &node, &err) == 0)
		CHECK(!cert_is_ca(c));
	if (cert_root_domain(c, &domain, &err) == 0)
		CHECK(cert_identity(c, &domain, &node, &err) == ERR_PARSE);
	/* Its own root: for a certificate that is no CA this must not be enough to be a member. */
	for (int i = 0; i < 2; i++)
		if (cert_verify_identity(c, &c, 1, c, cert_not_before(c), i == 1, &err) == 0)
			CHECK(!cert_is_ca(c));
	buf_clear(text);
	cert_put_pem(cert_der(c), text);
	CHECK(cert_parse_pem_chain(buf_span(text), chain, &count, &err) == 0 && count == 1);
	CHECK(span_equal(cert_der(chain[0]), cert_der(c)));
	CHECK(cert_not_after(chain[0]) == cert_not_after(c));
	cert_unref(chain[0]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(cert_unrefp)
	struct cert *c = NULL;
	struct cert *chain[LIMIT_CHAIN];
	size_t count;
	struct err err;

	if (cert_parse(SPAN(data, size), &c, &err) == 0)
		look_at(c);
	if (cert_parse_pem_chain(SPAN(data, size), chain, &count, &err) < 0)
		return 0;
	CHECK(count > 0 && count <= LIMIT_CHAIN);
	while (count > 0) {
		look_at(chain[--count]);
		cert_unref(chain[count]);
	}
	return 0;
}
