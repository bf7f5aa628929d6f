/* Certificates from outside, second half: what the CA has answered comes into force. */

#include "common/crypto/cert.h"
#include "common/crypto/sign.h"
#include "common/model/names.h"
#include "common/model/state.h"
#include "common/wire/public_wire.h"
#include "server/flow/answer.h"
#include "server/flow/export.h"
#include "server/flow/flow_priv.h"

#include <string.h>

/* So many are looked at on the loop: a few milliseconds. */
/* --- which of them, and for which generation --- */

static int
key_hash(const struct cert *c, struct hash *out)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	int rc = cert_key(c, &key, NULL);

	if (rc == 0)
		hash_of(pkey_spki(key), out);
	return rc;
}

/* Of several leaves for one key the one that was made last. */
static bool
find_leaf(const struct flow_op *op, const struct hash *key, size_t *out)
{
	bool found = false;

	for (size_t i = 0; i < op->in.cert_count; i++) {
		const struct cert *c = op->in.certs[i];
		struct hash hash;

		if (key_hash(c, &hash) < 0 || !hash_equal(&hash, key))
			continue;
		if (!found || cert_not_before(c) > cert_not_before(op->in.certs[*out]))
			*out = i;
		found = true;
	}
	return found;
}

struct search {
	struct flow_op *op;
	const struct index_record *credential;
	const struct id *pending;
	const struct index_record *target, *newest;
	size_t leaf;
};

/* The one that waits goes first, then the newest. */
static bool
on_candidate(void *arg, const struct index_record *r)
{
	struct search *s = arg;
	bool waits = s->pending != NULL && id_equal(&r->id, s->pending);

	if (s->newest == NULL || waits)
		s->newest = r;
	if (r->generation->revoked || r->generation->withdrawn ||
	    retire_is_lost(s->op->flow->index, s->credential, &r->generation->key))
		return true;
	if ((s->target == NULL || waits) && find_leaf(s->op, &r->generation->key, &s->leaf))
		s->target = r;
	return !waits || s->target != r;
}

static int
refuse_foreign_key(const struct flow_op *op, const char *name, const struct index_record *expected,
    struct err *err)
{
	const char *hint = expected->generation->waits ? "'certherd cert csr' prints the CSR"
						       : "'certherd cert submit' makes a new CSR";
	char want[HASH_HEX_MAX], got[HASH_HEX_MAX] = "of an unknown type";
	struct hash hash;

	if (key_hash(op->in.certs[0], &hash) == 0)
		hash_hex(&hash, got);
	return err_set(err, ERR_INVALID,
	    "no certificate is for the key of '%.100s': its SHA-256 is %.16s..., that of the first "
	    "certificate %.16s...; %s",
	    name, hash_hex(&expected->generation->key, want), got, hint);
}

static int
check_leaf(struct flow_op *op, const struct index_record *c, struct err *err)
{
	const struct cert *leaf = op->in.certs[op->leaf];
	const struct index_record *twin;

	if (cert_is_ca(leaf))
		return err_set(err, ERR_INVALID,
		    "the certificate for the key of '%.120s' is one of a CA: have the CSR signed "
		    "for "
		    "a server",
		    c->name);
	twin = answer_twin(op, &c->id, leaf);
	if (twin != NULL)
		return err_set(err, ERR_INVALID,
		    "the certificate is that of generation %llu of '%.120s' already; issuers that "
		    "came later: 'certherd trust add', then 'certherd cert chain --complete'",
		    (unsigned long long)twin->generation->number, c->name);
	return 0;
}

static int
look_target(struct flow_op *op, const struct index_record *c, struct err *err)
{
	struct search s = {.op = op,
	    .credential = c,
	    .pending = c->credential->has_pending ? &c->credential->pending : NULL};
	int rc;

	index_generations(op->flow->index, &c->id, on_candidate, &s);
	if (s.newest == NULL)
		return err_set(err, ERR_CONFLICT,
		    "credential '%.120s' has no CSR yet: 'certherd cert submit' makes one",
		    c->name);
	if (s.target == NULL)
		return refuse_foreign_key(op, c->name, s.newest, err);
	op->leaf = s.leaf;
	rc = check_leaf(op, c, err);
	if (rc < 0)
		return rc;
	op->fetches = true;
	op->fetch = s.target->id;
	/* A further certificate for a key that has one gets a generation of its own. */
	if (s.target->generation->waits) {
		op->generation = s.target->id;
		op->number = s.target->generation->number;
	} else {
		new_id(op->flow, &op->generation);
		op->number = c->credential->generations + 1;
	}
	return 0;
}

static int
look_paste(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	if (c->credential->issuer != ISSUER_MANUAL)
		return err_set(err, ERR_INVALID,
		    "the certificates of '%.120s' come from its issuer '%s'; only for issuer "
		    "manual "
		    "they are pasted",
		    c->name, issuer_type_name(c->credential->issuer));
	rc = credential_may(c->credential, c->name, CREDENTIAL_ISSUE, err);
	if (rc == 0)
		rc = look_target(op, c, err);
	if (rc < 0)
		return rc;
	look_access(op, c->access);
	look_readers(op);
	op->not_after = cert_not_after(op->in.certs[op->leaf]);
	op->calls = 1;
	return 0;
}

/* --- the new public part --- */

static int
write_public(struct flow_op *op, const struct index_record *c,
    const struct generation_public *before, struct err *err)
{
	const struct answer_public_params params = {.credential = before->credential,
	    .key = before->key,
	    .names = c->credential->names,
	    .profile = before->profile[0] != '\0' ? before->profile : c->credential->profile,
	    .record = c,
	    .leaf = op->leaf};

	return answer_public(op, &params, err);
}

static bool
is_new(const struct flow_op *op)
{
	return !id_equal(&op->generation, &op->fetch);
}

static int
request_paste(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	struct generation_public before = {0};
	const struct index_record *c;
	struct record_ref to;
	int rc = draft_current(op, &c, err);

	if (rc == 0)
		rc = wire_generation_public_decode(op->fetched->public_part, &before, err);
	if (rc == 0)
		rc = write_public(op, c, &before, err);
	generation_public_fini(&before);
	if (rc < 0)
		return rc;
	to = (struct record_ref){op->generation, is_new(op) ? 1 : op->fetched->version + 1};
	return request_reseal_as(op, call, &to, buf_span(op->public_part), out, err);
}

static int
mutation_paste(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	p = *c->credential;
	if (p.has_pending && id_equal(&p.pending, &op->generation))
		p.has_pending = false;
	p.has_active = true;
	p.active = op->generation;
	if (is_new(op))
		p.generations = op->number;
	/* While another CSR waits, that is what it is about. */
	rc = p.has_pending ? 0 : credential_move(&p, c->name, CREDENTIAL_ISSUE, err);
	if (rc == 0)
		rc = export_draft(op, m, &p, 0, err);
	if (rc == 0)
		rc = draft_credential(op, m, c->name, &p, err);
	if (rc == 0)
		rc = draft_answered(op, m, is_new(op) ? 0 : op->fetched->version, 0, err);
	if (rc < 0)
		return rc;
	draft_superseded(op, m, c);
	op->flow->stats.issued++;
	return 0;
}

const struct flow_op_type flow_op_credential_paste = {
    "cert.paste", look_paste, request_paste, mutation_paste};

int
flow_credential_paste(struct flow *f, const char *name, struct spans certificates,
    const char *author, flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	op = flow_op_new(f, &flow_op_credential_paste, done, arg);
	rc = answer_take(op, certificates, err);
	if (rc < 0) {
		flow_op_free(op);
		return rc;
	}
	op->in.name = flow_op_text(op, name);
	op->in.author = flow_op_text(op, author);
	flow_op_start(op);
	return 0;
}
