/* Start and Learn, and the signatures over the log. */

#include "server/signer/core_priv.h"

#include "common/crypto/sign.h"

#include <inttypes.h>
#include <string.h>

/* That this server is the manager of the newest term, and has the key that signs in it. */
static int
check_term(struct signer_core *c, const struct trust *trust, const struct id *node, struct err *err)
{
	uint64_t term = trust_current_term(trust);
	char name[TERM_KEY_NAME_MAX], text[TERM_TEXT_MAX];
	const struct pkey *key;

	if (term == 0)
		return err_set(err, ERR_DENIED, "no designation names a manager");
	if (!id_equal(trust_manager(trust), node))
		return err_set(err, ERR_DENIED, "another node is the manager of term %s",
		    term_text(term, text));
	key = keyfile_find(&c->keys, term_key_name(term, name));
	if (key == NULL || !pkey_same_public(key, trust_term_key(trust)))
		return err_set(err, ERR_DENIED,
		    "the key file holds no key '%s' as term %s names it", name,
		    term_text(term, text));
	c->term = term;
	c->term_key = key;
	return 0;
}

int
do_start(struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_start *s = &r->start;
	AUTO(trust_freep)
	struct trust *trust = NULL;
	int rc = trust_new(s->root_certificate, &s->root_fingerprint, &trust, err);

	if (rc < 0)
		return rc;
	if (memcmp(trust_domain(trust), &s->domain, sizeof(s->domain)) != 0)
		return err_set(err, ERR_DENIED, "the root certificate is that of another domain");
	for (size_t i = 0; i < s->designations.count; i++) {
		rc = trust_add_designation(trust, &s->designations.items[i], err);
		if (rc < 0)
			return rc;
	}
	rc = check_term(c, trust, &s->node, err);
	if (rc < 0)
		return rc;
	c->node = s->node;
	c->trust = MOVE(trust);
	out->done.sealing_key = pkey_spki(c->sealing);
	out->done.manager_key = pkey_spki(c->manager);
	atomic_store(&c->started, true);
	return 0;
}

static int
learn_one(struct signer_core *c, const struct signed_bytes *s, struct err *err)
{
	struct record record;
	char hex[ID_HEX_MAX];
	int r = wire_record_decode(s->body, &record, err);

	if (r < 0)
		return r;
	r = trust_verify_record(c->trust, &record, s->body, s->signature, err);
	if (r == 0)
		r = beliefs_learn(c->beliefs, c, &record, err);
	if (r < 0)
		err_wrap(err, "%s %s", kind_name(record.kind), id_hex(&record.id, hex));
	return r;
}

int
do_learn(struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	for (size_t i = 0; i < r->learn.records.count; i++) {
		int taken = learn_one(c, &r->learn.records.items[i], err);

		if (taken < 0)
			return taken;
		out->done.taken += (uint32_t)taken;
	}
	return 0;
}

/* What may be signed next; seqs and beats once judged are used up, whatever follows. */
static int
check_body(struct signer_core *c, struct span body, struct err *err)
{
	struct record record;
	int r = wire_record_decode(body, &record, err);

	if (r < 0)
		return r;
	if (record.term != c->term)
		return err_set(err, ERR_DENIED,
		    "a record of term %" PRIx64 " is not signed in term %" PRIx64, record.term,
		    c->term);
	if (record.seq <= c->last_seq)
		return err_set(err, ERR_DENIED,
		    "seq %" PRIu64 " is not above %" PRIu64 ", which was signed already",
		    record.seq, c->last_seq);
	c->last_seq = record.seq;
	return 0;
}

static int
check_head(struct signer_core *c, struct span body, struct err *err)
{
	struct head head;
	int r = wire_head_decode(body, &head, err);

	if (r < 0)
		return r;
	if (head.term != c->term)
		return err_set(err, ERR_DENIED,
		    "a head of term %" PRIx64 " is not signed in term %" PRIx64, head.term,
		    c->term);
	if (head.beat <= c->last_beat)
		return err_set(err, ERR_DENIED,
		    "beat %" PRIu64 " is not above %" PRIu64 ", which was signed already",
		    head.beat, c->last_beat);
	c->last_beat = head.beat;
	return 0;
}

static int
sign(struct signer_core *c, enum sign_type type, struct span body, struct op_out *out, size_t *len,
    struct err *err)
{
	size_t before = out->bytes.len;
	int r = sign_put(c->term_key, type, trust_domain(c->trust), body, &out->bytes, err);

	*len = out->bytes.len - before;
	return r;
}

/* Signatures stand one behind the other in out->bytes, which must not move any more. */
static void
spread(struct op_out *out, const size_t *lens, size_t count, bool head)
{
	const uint8_t *at = out->bytes.data;

	for (size_t i = 0; i < count; i++) {
		out->signatures[i] = SPAN(at, lens[i]);
		at += lens[i];
	}
	out->done.signatures = (struct spans){out->signatures, count};
	if (head)
		out->done.head_signature = SPAN(at, lens[count]);
}

static int
sign_all(struct signer_core *c, struct spans bodies, struct span head, struct op_out *out,
    struct err *err)
{
	size_t lens[LIMIT_SIGN_BATCH + 1] = {0};
	int r = 0;

	if (bodies.count > LIMIT_SIGN_BATCH)
		return err_set(err, ERR_LIMIT, "a batch of %zu records; %d at the most",
		    bodies.count, LIMIT_SIGN_BATCH);
	out->signatures = mem_array(bodies.count, sizeof(*out->signatures));
	CHECK(pthread_mutex_lock(&c->sign_lock) == 0);
	for (size_t i = 0; r == 0 && i < bodies.count; i++)
		r = check_body(c, bodies.items[i], err);
	if (r == 0 && head.len > 0)
		r = check_head(c, head, err);
	pthread_mutex_unlock(&c->sign_lock);
	for (size_t i = 0; r == 0 && i < bodies.count; i++)
		r = sign(c, SIGN_RECORD, bodies.items[i], out, &lens[i], err);
	if (r == 0 && head.len > 0)
		r = sign(c, SIGN_HEAD, head, out, &lens[bodies.count], err);
	if (r == 0)
		spread(out, lens, bodies.count, head.len > 0);
	return r;
}

int
do_sign_batch(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	return sign_all(c, r->sign_batch.bodies, r->sign_batch.head, out, err);
}

int
do_sign_head(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	if (r->sign_head.head.len == 0)
		return err_set(err, ERR_INVALID, "an empty head");
	return sign_all(c, (struct spans){NULL, 0}, r->sign_head.head, out, err);
}
