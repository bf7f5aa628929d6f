#include "replica/cache/facts.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "common/wire/public_wire.h"

#include <string.h>

void
facts_init(struct facts *f)
{
	f->credentials = map_new();
	f->generations = map_new();
}

/* Puts next in its place, or nothing. */
static void
replace_credential(struct facts *f, const struct id *id, struct credential_fact *next)
{
	struct credential_fact *old = next != NULL
	    ? map_put(f->credentials, id->bytes, ID_LEN, next)
	    : map_del(f->credentials, id->bytes, ID_LEN);

	f->with_stale_after += next != NULL && next->stale_after > 0;
	f->with_stale_after -= old != NULL && old->stale_after > 0;
	mem_free(old);
}

static void
generation_free(struct generation_fact *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->name_count; i++)
		mem_free(g->names[i]);
	mem_free(g->names);
	mem_free(g->access);
	mem_free(g);
}

void
facts_fini(struct facts *f)
{
	size_t at = 0;
	void *value;

	if (f->credentials == NULL)
		return;
	while (map_next(f->credentials, &at, NULL, &value))
		mem_free(value);
	at = 0;
	while (map_next(f->generations, &at, NULL, &value))
		generation_free(value);
	map_free(f->credentials);
	map_free(f->generations);
	*f = (struct facts){NULL, NULL, 0};
}

struct credential_fact *
facts_credential(const struct facts *f, const struct id *id)
{
	return map_get(f->credentials, id->bytes, ID_LEN);
}

const struct generation_fact *
facts_generation(const struct facts *f, const struct id *id)
{
	return map_get(f->generations, id->bytes, ID_LEN);
}

static int
learn_credential(struct facts *f, const struct record *record, struct err *err)
{
	struct credential_public p;
	struct credential_fact *c, *old = facts_credential(f, &record->id);
	int r = wire_credential_public_decode(record->public_part, &p, err);

	if (r < 0)
		return r;
	c = mem_zalloc(sizeof(*c));
	c->id = record->id;
	c->told_error = old != NULL && old->told_error;
	c->active = p.active;
	c->has_active = p.has_active;
	c->archived = p.archived;
	c->serves = profile_serves(p.profile);
	c->revoked = p.state == CREDENTIAL_REVOKED;
	c->stale_after = p.stale_after > 0 ? p.stale_after : 0;
	credential_public_fini(&p);
	replace_credential(f, &record->id, c);
	return 0;
}

/* A certificate ends in its signature, so that its end tells it apart without hashing it. */
static uint64_t
mark_of(struct spans chain)
{
	uint64_t mark = chain.count;

	for (size_t i = 0; i < chain.count; i++) {
		struct span s = chain.items[i];
		uint64_t end = 0;
		size_t n = s.len < sizeof(end) ? s.len : sizeof(end);

		memcpy(&end, s.data + s.len - n, n);
		mark = mark * 31 + end;
	}
	return mark;
}

static int
learn_generation(
    struct facts *f, const struct record *record, struct id *credential, struct err *err)
{
	struct generation_public p;
	struct generation_fact *g;
	int r = wire_generation_public_decode(record->public_part, &p, err);

	if (r < 0)
		return r;
	g = mem_zalloc(sizeof(*g));
	g->id = record->id;
	g->credential = p.credential;
	g->names = mem_array(p.names.count, sizeof(char *));
	for (size_t i = 0; i < p.names.count; i++)
		g->names[i] = mem_strdup(p.names.items[i]);
	g->name_count = p.names.count;
	spki_describe(p.key, g->key_type);
	g->says_profile = p.profile[0] != '\0';
	g->serves = g->says_profile && profile_serves(p.profile);
	g->access = mem_dup(record->access, record->access_count * sizeof(struct id));
	g->access_count = record->access_count;
	g->not_before = p.not_before;
	g->not_after = p.not_after;
	g->activated_at_ms = p.activated_at_ms;
	g->withdrawn = p.withdrawn || p.revoked || p.chain.count == 0;
	if (p.chain.count > 0)
		hash_of(p.chain.items[0], &g->fingerprint);
	g->chain_mark = mark_of(p.chain);
	*credential = p.credential;
	generation_public_fini(&p);
	generation_free(map_put(f->generations, g->id.bytes, ID_LEN, g));
	return 0;
}

int
facts_forget(struct facts *f, uint32_t kind, const struct id *id, struct id *credential)
{
	if (kind == KIND_CREDENTIAL) {
		*credential = *id;
		replace_credential(f, id, NULL);
		return 0;
	}
	if (kind == KIND_GENERATION) {
		struct generation_fact *g = map_del(f->generations, id->bytes, ID_LEN);

		if (g == NULL)
			return ERR_NOTFOUND;
		*credential = g->credential;
		generation_free(g);
		return 0;
	}
	return ERR_NOTFOUND;
}

int
facts_learn(struct facts *f, const struct record *record, struct id *credential, struct err *err)
{
	int r = 0;

	if (record->kind != KIND_CREDENTIAL && record->kind != KIND_GENERATION)
		return ERR_NOTFOUND;
	if (record->removed)
		return facts_forget(f, record->kind, &record->id, credential);
	*credential = record->id;
	if (record->kind == KIND_CREDENTIAL)
		r = learn_credential(f, record, err);
	else
		r = learn_generation(f, record, credential, err);
	if (r < 0 && facts_forget(f, record->kind, &record->id, credential) < 0)
		*credential = record->id;
	return r;
}

const struct generation_fact *
facts_active(const struct facts *f, const struct credential_fact *credential)
{
	const struct generation_fact *g;

	if (credential == NULL || !credential->has_active || credential->archived ||
	    credential->revoked)
		return NULL;
	g = facts_generation(f, &credential->active);
	if (g == NULL || g->withdrawn || !id_equal(&g->credential, &credential->id))
		return NULL;
	return (g->says_profile ? g->serves : credential->serves) ? g : NULL;
}
