#include "tests/sim/sim_op.h"

#include "common/crypto/sign.h"
#include "common/tls/tls_priv.h"

#include <string.h>

#define SAMPLE_PPM 80000 /* of the records, after each delta */
#define SLACK_MS 2000    /* from an answer to the state that it makes */

/* Nobody is fresh by what he has heard before. */
static void
check_freshness(struct sim_follower *f, const struct follow_status *status)
{
	uint64_t silent = f->sim->clock.now_ms - f->heard_ms;

	if (status->freshness == FRESH && silent > FOLLOW_STALE_MS + SLACK_MS)
		sim_fail(f->sim, "%s is fresh, and has heard nothing new for %llu ms", f->name,
		    (unsigned long long)silent);
}

void
check_heard(struct sim_follower *f, const struct buf *body)
{
	struct follow_status status;
	struct reply reply;
	struct head head;
	int newer;

	if (f->state != SIM_UP || wire_reply_decode(buf_span(body), &reply, NULL) < 0)
		return;
	if (reply.answer == ANSWER_DELTA && reply.delta.has_head &&
	    oracle_has_signed(&f->sim->oracle, reply.delta.head.body) &&
	    wire_head_decode(reply.delta.head.body, &head, NULL) == 0) {
		follow_status(f->follow, &status);
		newer = position_compare(head_position(&head), status.at);
		if (newer > 0 || (newer == 0 && head.beat > status.beat) ||
		    status.freshness == FRESH_UNKNOWN)
			f->heard_ms = f->sim->clock.now_ms;
	}
	reply_fini(&reply);
}

void
check_step(struct sim *s)
{
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];
		struct follow_status status;

		if (f->state != SIM_UP)
			continue;
		follow_status(f->follow, &status);
		check_freshness(f, &status);
		/* Nothing is known before the store has been read. */
		if (position_compare(status.at, (struct position){0, 0}) == 0)
			continue;
		if (position_compare(status.at, f->shown) < 0)
			sim_fail(s, "%s falls from seq %llu back to %llu", f->name,
			    (unsigned long long)f->shown.seq, (unsigned long long)status.at.seq);
		if (position_compare(status.at, f->shown) == 0 && status.beat < f->shown_beat)
			sim_fail(s, "%s falls from beat %llu back to %llu", f->name,
			    (unsigned long long)f->shown_beat, (unsigned long long)status.beat);
		if (position_compare(status.at, f->kept) < 0)
			sim_fail(s, "%s was at seq %llu when it was killed, and is at %llu",
			    f->name, (unsigned long long)f->kept.seq,
			    (unsigned long long)status.at.seq);
		f->shown = status.at;
		f->shown_beat = status.beat;
	}
}

/* --- the digest ----------------------------------------------------------------------------------
 */

struct mirroring {
	struct digest *digest;
	size_t seen, designations;
};

static int
mirror_one(const struct stored_record *stored, void *arg, struct err *err)
{
	struct mirroring *m = arg;
	const struct hash *held = digest_get(m->digest, &stored->id);

	(void)err;
	m->seen++;
	m->designations += stored->kind == KIND_DESIGNATION;
	if (held == NULL || !hash_equal(held, &stored->hash))
		digest_set(m->digest, &stored->id, &stored->hash);
	return 0;
}

/* The digest of what lies in the store, worked out without the follower. */
static int
mirror(struct sim_follower *f, struct hash *root, size_t *designations, struct err *err)
{
	struct mirroring m = {.digest = f->mirror};
	int r = store_each(f->store, STORE_ALL_KINDS, false, mirror_one, &m, err);

	if (r == 0 && m.seen != digest_count(f->mirror)) {
		digest_clear(f->mirror);
		m.designations = 0;
		r = store_each(f->store, STORE_ALL_KINDS, false, mirror_one, &m, err);
	}
	digest_root(f->mirror, root);
	*designations = m.designations;
	return r;
}

void
check_applied(struct sim_follower *f, struct position at)
{
	struct sim *s = f->sim;
	size_t designations = 0;
	struct hash root;
	struct err err;

	if (mirror(f, &root, &designations, &err) < 0)
		sim_trace(s, "%s cannot read its store: %s", f->name, err.text);
	else if (!oracle_knows(&s->oracle, at, &root))
		sim_fail(s, "%s shows seq %llu with a digest that no head has", f->name,
		    (unsigned long long)at.seq);
	if (designations > f->designations)
		f->sure = at;
	f->designations = designations;
	/* A network that lies may still show it what it was allowed to see before. */
	if (f->removed && f->refused && !f->tampered)
		sim_fail(s, "%s applies, and was refused as no member", f->name);
}

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

/* --- agreement -----------------------------------------------------------------------------------
 */

static bool
agrees(struct sim_follower *f, const struct head *head)
{
	struct follow_status status;
	size_t designations;
	struct hash root;

	if (f->state != SIM_UP)
		return false;
	follow_status(f->follow, &status);
	return position_compare(status.at, head_position(head)) == 0 && status.freshness == FRESH &&
	    mirror(f, &root, &designations, NULL) == 0 && hash_equal(&root, &head->digest);
}

bool
check_agreement(struct sim *s)
{
	const struct head *head;

	if (s->manager.state != SIM_UP || !s->manager.bootstrapped || s->ops > 0)
		return false;
	head = commit_head(s->manager.commit, NULL);
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];

		if (f->joined && !f->removed && !agrees(f, head))
			return false;
		if (f->removed && f->state == SIM_UP && !f->refused)
			return false;
	}
	return head != NULL;
}
