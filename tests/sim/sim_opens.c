#include "tests/sim/sim_op.h"

#include "common/crypto/sign.h"
#include "common/tls/tls_priv.h"

#include <string.h>

#define SAMPLE_PPM 80000 /* of the records, after each delta */

/* --- who opens what ------------------------------------------------------------------------------
 */

struct opening {
	struct sim_follower *f;
	bool all;
	size_t opened, refused;
};

/* By its own name, or by a live membership in its own state. */
static bool
is_recipient(struct sim_follower *f, const struct record *r)
{
	if (r->kind == KIND_MEMBERSHIP) {
		struct membership_public p;
		bool own;

		CHECK(wire_membership_public_decode(r->public_part, &p, NULL) == 0);
		own = id_equal(&p.node, &f->node);
		membership_public_fini(&p);
		return own;
	}
	if (r->kind != KIND_GENERATION)
		return false;
	for (size_t i = 0; i < r->access_count; i++) {
		struct id membership = wire_membership_id(&r->access[i], &f->node);
		AUTO(store_records_freep)
		struct store_records *list = NULL;

		if (id_equal(&r->access[i], &f->node))
			return true;
		if (store_get(f->store, &membership, &list, NULL) == 0 && !list->items[0].removed)
			return true;
	}
	return false;
}

static int
open_record(struct sim_follower *f, const struct record *r, struct err *err)
{
	AUTO(secret_freep)
	struct secret *plain = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct generation_public p;
	int code;

	if (r->kind != KIND_GENERATION)
		return keyring_open(f->keyring, r, &plain, err);
	/* A key that opens must be the one of the certificate. */
	CHECK(wire_generation_public_decode(r->public_part, &p, NULL) == 0);
	code = keyring_open_key(f->keyring, r, p.key, &key, err);
	generation_public_fini(&p);
	return code;
}

static int
try_opening(const struct stored_record *stored, void *arg, struct err *err)
{
	struct opening *o = arg;
	struct sim *s = o->f->sim;
	char hex[ID_HEX_MAX];
	struct record r;
	bool recipient;
	int code, expected = 0;

	if (stored->removed || (!o->all && !sim_chance(&s->chance, SAMPLE_PPM)))
		return 0;
	code = wire_record_decode(stored->body, &r, err);
	if (code < 0 || r.sealed.len == 0)
		return code;
	code = open_record(o->f, &r, err);
	recipient = is_recipient(o->f, &r);
	if (recipient && odd_of(s, &r.id) == ODD_SEALED)
		expected = ERR_CRYPTO;
	else if (!recipient)
		expected = ERR_NOTFOUND;
	if (code != expected)
		sim_fail(s, "%s, %s %s %s (version %llu): %d %s", o->f->name,
		    recipient ? "a recipient of" : "no recipient of", kind_name(r.kind),
		    id_hex(&r.id, hex), (unsigned long long)r.version, code,
		    code < 0 ? err->text : "it opens");
	if (code == 0)
		o->opened++;
	else
		o->refused++;
	return 0;
}

void
check_opening(struct sim_follower *f, bool all)
{
	struct opening o = {.f = f, .all = all};
	struct err err;

	if (store_each(f->store, STORE_ALL_KINDS, true, try_opening, &o, &err) < 0)
		sim_trace(f->sim, "%s cannot read its store: %s", f->name, err.text);
	else if (all)
		sim_trace(f->sim, "%s opens %zu and is refused %zu", f->name, o.opened, o.refused);
}

static int
try_removed(const struct stored_record *stored, void *arg, struct err *err)
{
	struct sim_follower *f = arg;
	char hex[ID_HEX_MAX];
	struct record r;
	int code;

	if (stored->removed || position_compare(stored->at, f->removed_at) < 0)
		return 0;
	code = wire_record_decode(stored->body, &r, err);
	if (code == 0 && r.sealed.len > 0 && open_record(f, &r, NULL) == 0)
		sim_fail(f->sim, "%s was removed at seq %llu, and opens %s %s of seq %llu", f->name,
		    (unsigned long long)f->removed_at.seq, kind_name(r.kind), id_hex(&r.id, hex),
		    (unsigned long long)r.seq);
	return code;
}

void
check_removed(struct sim_follower *f)
{
	struct err err;

	if (store_each(f->sim->manager.store, STORE_ALL_KINDS, true, try_removed, f, &err) < 0)
		sim_fail(f->sim, "the manager's store cannot be read: %s", err.text);
}

/* --- what is served ------------------------------------------------------------------------------
 */

/* The generation that this node should serve by its own records; false: none. */
static bool
should_serve(struct sim_follower *f, const struct credential_public *p, struct hash *leaf)
{
	AUTO(store_records_freep)
	struct store_records *list = NULL;
	struct generation_public g;
	struct record r;
	bool serve;

	if (p->archived || !p->has_active || store_get(f->store, &p->active, &list, NULL) < 0 ||
	    list->items[0].removed || wire_record_decode(list->items[0].body, &r, NULL) < 0)
		return false;
	CHECK(wire_generation_public_decode(r.public_part, &g, NULL) == 0);
	serve = !g.withdrawn && !g.revoked && g.chain.count > 0 && is_recipient(f, &r);
	if (serve)
		hash_of(g.chain.items[0], leaf);
	generation_public_fini(&g);
	return serve;
}

/* As a handshake proves it. */
static bool
has_key(const struct sim *s, const struct tls_identity *identity)
{
	AUTO(pkey_unrefp)
	struct pkey *of_leaf = NULL;
	struct buf signature = BUF_INIT(SIGNATURE_MAX);
	struct span text = SPAN("hello", 5);
	bool good =
	    sign_put(identity->key, SIGN_RECORD, &s->manager.domain, text, &signature, NULL) == 0 &&
	    cert_key(identity->leaf, &of_leaf, NULL) == 0 &&
	    sign_verify(
		of_leaf, SIGN_RECORD, &s->manager.domain, text, buf_span(&signature), NULL) == 0;

	buf_fini(&signature);
	return good;
}

/*
 * What a handshake would get for the name, if it is opened: this generation and this leaf, and the
 * key of it? Of a generation that does not fit together, whatever else there is.
 */
static bool
is_leaf(
    struct sim_follower *f, const char *name, const struct id *generation, const struct hash *leaf)
{
	struct cache_found found;
	struct serving_wait wait = {0};
	enum cache_answer answer = cache_find(f->cache, name, NULL, 0, &wait, &found);
	struct hash served;
	bool same;

	if (answer != CACHE_READY) {
		cache_wait_cancel(f->cache, &wait);
		return answer == CACHE_WAIT || odd_of(f->sim, generation) != ODD_NOT;
	}
	cert_fingerprint(tls_identity_leaf(found.identity), &served);
	same = id_equal(&found.generation, generation) && hash_equal(&served, leaf);
	if (odd_of(f->sim, generation) != ODD_NOT)
		same = !id_equal(&found.generation, generation);
	if (!has_key(f->sim, found.identity))
		sim_fail(f->sim, "%s serves '%s' with another key", f->name, name);
	tls_identity_unref(found.identity);
	return same;
}

static int
check_credential(const struct stored_record *stored, void *arg, struct err *err)
{
	struct sim_follower *f = arg;
	struct credential_public p = {0};
	struct record r;
	struct hash leaf;
	bool serve = false;
	int code = wire_record_decode(stored->body, &r, err);

	if (code < 0)
		return code;
	if (!r.removed) {
		CHECK(wire_credential_public_decode(r.public_part, &p, NULL) == 0);
		serve = should_serve(f, &p, &leaf);
	}
	if (serve && odd_of(f->sim, &p.active) == ODD_NOT &&
	    !cache_serves(f->cache, r.name, &r.id, &p.active))
		sim_fail(f->sim, "%s does not serve '%s' as it should", f->name, r.name);
	else if (serve && !is_leaf(f, r.name, &p.active, &leaf))
		sim_fail(f->sim, "%s serves something else for '%s'", f->name, r.name);
	else if (!serve && cache_knows(f->cache, r.name))
		sim_fail(f->sim, "%s serves '%s' and must not", f->name, r.name);
	credential_public_fini(&p);
	return 0;
}

static void
check_served(struct sim_follower *f)
{
	struct err err;

	if (store_each(f->store, KIND_CREDENTIAL, true, check_credential, f, &err) < 0)
		sim_trace(f->sim, "%s cannot read its store: %s", f->name, err.text);
}

bool
check_settled(struct sim_follower *f)
{
	/*
	 * A job that has run but is not done may have put a newer state into the store than the
	 * cache has been told of.
	 */
	if (f->rt.ran || f->load_failed)
		return false;
	check_opening(f, false);
	check_served(f);
	return true;
}
