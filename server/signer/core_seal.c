/* Opening and sealing for all operations, and the Micro CAs that are kept open. */

#include "server/signer/core_priv.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"

#include <string.h>

#define CA_CACHE_MAX 16

struct ca_cache {
	pthread_mutex_t lock;
	struct open_ca *items[CA_CACHE_MAX];
	uint64_t clock;
};

struct sealed_part
sealed_part_of(const struct record *r)
{
	return (struct sealed_part){{r->id, r->version}, r->kind, r->public_part, r->sealed};
}

static struct seal_binding
binding_of(const struct signer_core *c, const struct sealed_part *part)
{
	return (struct seal_binding){.domain = *trust_domain(c->trust),
	    .record = part->ref.id,
	    .version = part->ref.version,
	    .kind = part->kind,
	    .public_part = part->public_part};
}

int
core_take_record(const struct signer_core *c, const struct signed_bytes *s, uint32_t kind,
    struct record *out, struct err *err)
{
	int r = wire_record_decode(s->body, out, err);

	if (r == 0)
		r = trust_verify_record(c->trust, out, s->body, s->signature, err);
	if (r < 0)
		return r;
	if (kind != KIND_UNKNOWN && out->kind != kind)
		return err_set(err, ERR_INVALID, "the record is a %s where a %s is needed",
		    kind_name(out->kind), kind_name(kind));
	if (out->removed)
		return err_set(
		    err, ERR_NOTFOUND, "the %s '%s' was removed", kind_name(out->kind), out->name);
	return 0;
}

int
core_open(
    struct signer_core *c, const struct sealed_part *part, struct secret **out, struct err *err)
{
	const struct seal_binding binding = binding_of(c, part);
	struct key_id ids[LIMIT_RECIPIENTS];
	size_t count = 0;
	int r;

	r = envelope_recipients(part->sealed, ids, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		AUTO(pkey_unrefp)
		struct pkey *key = beliefs_private(c->beliefs, &ids[i]);

		if (key != NULL)
			return envelope_open(&binding, part->sealed, key, out, err);
	}
	if (r == 0)
		r = err_set(err, ERR_DENIED, "this server holds no key that the %s is sealed to",
		    kind_name(part->kind));
	return r;
}

int
core_seal(struct signer_core *c, const struct sealed_part *part, const struct secret *payload,
    const struct audience *to, struct buf *out, struct err *err)
{
	const struct seal_binding binding = binding_of(c, part);

	return envelope_seal(
	    &binding, payload, (const struct pkey *const *)to->keys, to->count, out, err);
}

int
core_seal_key(struct signer_core *c, const struct sealed_part *part, const struct pkey *key,
    const struct audience *to, struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL, *payload = NULL;
	int r = pkey_to_pkcs8(key, &pkcs8, err);

	if (r == 0)
		r = wire_private_key_encode(pkcs8, &payload, err);
	return r < 0 ? r : core_seal(c, part, payload, to, out, err);
}

int
core_open_key(struct signer_core *c, const struct sealed_part *part, struct span spki,
    struct pkey **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *payload = NULL, *pkcs8 = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	int r = core_open(c, part, &payload, err);

	if (r == 0)
		r = wire_private_key_decode(payload, &pkcs8, err);
	if (r == 0)
		r = pkey_from_pkcs8(secret_span(pkcs8), &key, err);
	if (r < 0)
		return r;
	if (!span_equal(pkey_spki(key), spki))
		return err_set(err, ERR_CRYPTO,
		    "the private key in the %s does not belong to its public part",
		    kind_name(part->kind));
	*out = MOVE(key);
	return 0;
}

struct ca_cache *
ca_cache_new(void)
{
	struct ca_cache *cache = mem_zalloc(sizeof(*cache));

	CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
	return cache;
}

void
ca_cache_free(struct ca_cache *cache)
{
	for (size_t i = 0; i < CA_CACHE_MAX; i++)
		open_ca_unref(cache->items[i]);
	pthread_mutex_destroy(&cache->lock);
	mem_free(cache);
}

void
open_ca_unref(struct open_ca *ca)
{
	if (ca == NULL || atomic_fetch_sub(&ca->refs, 1) != 1)
		return;
	pkey_unref(ca->key);
	cert_unref(ca->cert);
	ca_public_fini(&ca->public);
	mem_free(ca);
}

static struct open_ca *
cache_find(struct ca_cache *cache, const struct hash *record)
{
	struct open_ca *found = NULL;

	CHECK(pthread_mutex_lock(&cache->lock) == 0);
	for (size_t i = 0; i < CA_CACHE_MAX && found == NULL; i++) {
		if (cache->items[i] != NULL && hash_equal(&cache->items[i]->record, record)) {
			found = cache->items[i];
			found->used = ++cache->clock;
			atomic_fetch_add(&found->refs, 1);
		}
	}
	pthread_mutex_unlock(&cache->lock);
	return found;
}

/* In place of the one that was not used for the longest time. */
static void
cache_put(struct ca_cache *cache, struct open_ca *ca)
{
	struct open_ca *old;
	size_t place = 0;

	CHECK(pthread_mutex_lock(&cache->lock) == 0);
	for (size_t i = 0; i < CA_CACHE_MAX && cache->items[place] != NULL; i++)
		if (cache->items[i] == NULL || cache->items[i]->used < cache->items[place]->used)
			place = i;
	old = cache->items[place];
	atomic_fetch_add(&ca->refs, 1);
	ca->used = ++cache->clock;
	cache->items[place] = ca;
	pthread_mutex_unlock(&cache->lock);
	open_ca_unref(old);
}

static int
check_enabled(const struct open_ca *ca, bool issues, struct err *err)
{
	return ca->public.enabled || !issues ? 0 : err_set(err, ERR_DENIED, "it is not enabled");
}

static int
open_ca(struct signer_core *c, const struct signed_bytes *s, bool issues, struct open_ca *ca,
    struct err *err)
{
	struct sealed_part part;
	struct record record;
	int r = core_take_record(c, s, KIND_CA, &record, err);

	if (r == 0)
		r = wire_ca_public_decode(record.public_part, &ca->public, err);
	if (r < 0)
		return r;
	ca->ref = (struct record_ref){record.id, record.version};
	r = check_enabled(ca, issues, err);
	if (r < 0)
		return err_wrap(err, "Micro CA '%s'", record.name);
	part = sealed_part_of(&record);
	r = core_open_key(c, &part, ca->public.key, &ca->key, err);
	if (r == 0)
		r = cert_parse(ca->public.chain.items[0], &ca->cert, err);
	if (r == 0 && !cert_has_key(ca->cert, ca->key))
		r = err_set(err, ERR_CRYPTO, "the key is not that of the CA's certificate");
	if (r < 0)
		err_wrap(err, "Micro CA '%s'", record.name);
	return r;
}

bool
open_ca_urls(const struct open_ca *ca, struct ca_urls *out)
{
	char address[LIMIT_CA_ADDRESS + 1];

	/* Whatever main has put there: what is no address is in no certificate. */
	if (ca->public.address == NULL || ca->public.address[0] == '\0' ||
	    ca_address_check(ca->public.address, address, NULL) < 0)
		return false;
	ca_crl_url(address, &ca->ref.id, out->crl);
	ca_certificate_url(address, &ca->ref.id, out->certificate);
	return true;
}

int
core_open_ca(struct signer_core *c, const struct signed_bytes *record, bool issues,
    struct open_ca **out, struct err *err)
{
	AUTO(open_ca_unrefp)
	struct open_ca *ca = NULL;
	struct hash hash;
	int r;

	/* The very same signed bytes were verified before. */
	hash_of_parts((const struct span[]){record->body, record->signature}, 2, &hash);
	ca = cache_find(c->cas, &hash);
	if (ca == NULL) {
		ca = mem_zalloc(sizeof(*ca));
		atomic_init(&ca->refs, 1);
		ca->record = hash;
		r = open_ca(c, record, issues, ca, err);
		if (r < 0)
			return r;
		cache_put(c->cas, ca);
	}
	r = check_enabled(ca, issues, err);
	if (r == 0)
		*out = MOVE(ca);
	return r;
}
