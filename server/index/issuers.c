/* The issuers that stand in the chains of generations, each list of them once. */

#include "common/crypto/cert.h"
#include "common/crypto/sign.h"
#include "server/index/index_priv.h"

#include <string.h>

/* Immutable and counted: all leaves of a CA share one. */
struct index_issuers {
	struct map *all; /* that holds it, by key */
	struct hash key;
	bool has_signer;
	struct hash signer; /* SHA-256 of the key of the first, SubjectPublicKeyInfo */
	size_t refs;
	size_t count;
	struct span certs[LIMIT_CHAIN]; /* in bytes */
	uint8_t bytes[];
};

/* What cannot be read is no CA of this domain. */
static bool
find_signer(struct span certificate, struct hash *out)
{
	AUTO(cert_unrefp)
	struct cert *c = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;

	if (cert_parse(certificate, &c, NULL) < 0 || cert_key(c, &key, NULL) < 0)
		return false;
	hash_of(pkey_spki(key), out);
	return true;
}

bool
issuers_key(const struct index_issuers *s, struct hash *out)
{
	if (s == NULL || !s->has_signer)
		return false;
	*out = s->signer;
	return true;
}

static struct index_issuers *
issuers_new(const struct span *certs, size_t count)
{
	struct index_issuers *s;
	size_t len = 0;

	for (size_t i = 0; i < count; i++)
		len += certs[i].len;
	s = mem_zalloc(sizeof(*s) + len);
	len = 0;
	for (size_t i = 0; i < count; i++) {
		memcpy(s->bytes + len, certs[i].data, certs[i].len);
		s->certs[i] = SPAN(s->bytes + len, certs[i].len);
		len += certs[i].len;
	}
	s->count = count;
	s->has_signer = find_signer(s->certs[0], &s->signer);
	return s;
}

struct index_issuers *
issuers_ref(struct map *all, struct spans chain)
{
	struct index_issuers *s;
	struct hash key;

	if (chain.count < 2 || chain.count - 1 > LIMIT_CHAIN)
		return NULL;
	/* Certificates say themselves how long they are, so that no two lists run together alike.
	 */
	hash_of_parts(chain.items + 1, chain.count - 1, &key);
	s = map_get(all, key.bytes, sizeof(key.bytes));
	if (s == NULL) {
		s = issuers_new(chain.items + 1, chain.count - 1);
		s->all = all;
		s->key = key;
		map_put(all, key.bytes, sizeof(key.bytes), s);
	}
	s->refs++;
	return s;
}

void
issuers_unref(struct index_issuers *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	map_del(s->all, s->key.bytes, sizeof(s->key.bytes));
	mem_free(s);
}

struct spans
index_issuers_of(const struct index_record *generation)
{
	const struct index_issuers *s = generation->generation->issuers;

	return s != NULL ? (struct spans){s->certs, s->count} : (struct spans){NULL, 0};
}

void
index_each_issuer(const struct index *ix, index_issuer_cb *cb, void *arg)
{
	size_t at = 0;
	void *value;

	while (map_next(ix->issuers, &at, NULL, &value)) {
		const struct index_issuers *s = value;

		for (size_t i = 0; i < s->count; i++)
			if (!cb(arg, s->certs[i]))
				return;
	}
}
