#include "server/signer/core_priv.h"

#include "common/base/str.h"

#include <inttypes.h>
#include <stdio.h>

/* Every operation that there is; anything else ends the signer. */
static const struct {
	op_fn *fn;
	bool needs_start;
	enum signer_lane lane;
} ops[] = {
    [SIGNER_NOTHING] = {NULL, true, SIGNER_GENERAL},
    [SIGNER_START] = {do_start, false, SIGNER_INLINE},
    [SIGNER_LEARN] = {do_learn, true, SIGNER_INLINE},
    [SIGNER_SIGN_BATCH] = {do_sign_batch, true, SIGNER_SIGN},
    [SIGNER_SIGN_HEAD] = {do_sign_head, true, SIGNER_SIGN},
    [SIGNER_ISSUE] = {do_issue, true, SIGNER_GENERAL},
    [SIGNER_MAKE_CA] = {do_make_ca, true, SIGNER_GENERAL},
    [SIGNER_RESEAL] = {do_reseal, true, SIGNER_GENERAL},
    [SIGNER_ISSUE_IDENTITY] = {do_issue_identity, true, SIGNER_GENERAL},
    [SIGNER_MAKE_GROUP] = {do_make_group, true, SIGNER_GENERAL},
    [SIGNER_MAKE_MEMBERSHIP] = {do_make_membership, true, SIGNER_GENERAL},
    [SIGNER_SEAL] = {do_seal, true, SIGNER_GENERAL},
    [SIGNER_MAKE_REQUEST] = {do_make_request, true, SIGNER_GENERAL},
    [SIGNER_TAKE_KEY] = {do_take_key, true, SIGNER_GENERAL},
    [SIGNER_EXPORT] = {do_export, true, SIGNER_SLOW},
    [SIGNER_SIGN_CRL] = {do_sign_crl, true, SIGNER_GENERAL},
    [SIGNER_RENEW_CA] = {do_renew_ca, true, SIGNER_GENERAL},
};
_Static_assert(ARRAY_LEN(ops) == SIGNER__COUNT, "every operation stands in the table");

const char *
term_key_name(uint64_t term, char out[static TERM_KEY_NAME_MAX])
{
	snprintf(out, TERM_KEY_NAME_MAX, "term-%016" PRIx64, term);
	return out;
}

static int
find_key(const struct keyfile *keys, const char *name, const struct pkey **out, struct err *err)
{
	enum key_type type;

	*out = keyfile_find(keys, name);
	if (*out == NULL)
		return err_set(err, ERR_INVALID, "the signer's key file has no key '%s'", name);
	if (pkey_type(*out, &type, NULL) < 0 || type != KEY_EC_P256)
		return err_set(
		    err, ERR_INVALID, "the signer's key '%s' is not of type ec-p256", name);
	return 0;
}

int
signer_core_new(struct keyfile *keys, struct signer_core **out, struct err *err)
{
	struct signer_core *c = mem_zalloc(sizeof(*c));
	bool has_term_key = false;
	int r;

	c->keys = *keys;
	*keys = (struct keyfile){0};
	c->beliefs = beliefs_new();
	c->cas = ca_cache_new();
	c->tries = tries_new();
	CHECK(pthread_mutex_init(&c->sign_lock, NULL) == 0);
	for (size_t i = 0; i < c->keys.count; i++)
		has_term_key |= str_starts(c->keys.entries[i].name, "term-");
	r = find_key(&c->keys, "sealing", &c->sealing, err);
	if (r == 0)
		r = find_key(&c->keys, "manager", &c->manager, err);
	if (r == 0 && !has_term_key)
		r = err_set(err, ERR_INVALID, "the signer's key file has no key 'term-...'");
	if (r < 0) {
		signer_core_free(c);
		return r;
	}
	*out = c;
	return 0;
}

void
signer_core_free(struct signer_core *c)
{
	if (c == NULL)
		return;
	keyfile_fini(&c->keys);
	trust_free(c->trust);
	beliefs_free(c->beliefs);
	ca_cache_free(c->cas);
	tries_free(c->tries);
	pthread_mutex_destroy(&c->sign_lock);
	mem_free(c);
}

static bool
makes_rsa(const char *key_type)
{
	return key_type != NULL && str_starts(key_type, "rsa-");
}

/* The rounds of a password take as long as an RSA key. */
static bool
makes_export(const struct signer_request *r)
{
	if (r->op == SIGNER_ISSUE)
		return r->issue.export.password.len > 0;
	if (r->op == SIGNER_MAKE_REQUEST)
		return r->make_request.export.password.len > 0;
	return r->op == SIGNER_TAKE_KEY && r->take_key.export.password.len > 0;
}

enum signer_lane
signer_core_lane(const struct signer_request *r)
{
	if ((size_t)r->op >= ARRAY_LEN(ops))
		return SIGNER_GENERAL;
	if (makes_export(r))
		return SIGNER_SLOW;
	if (r->op == SIGNER_ISSUE && !r->issue.keep_key && makes_rsa(r->issue.key_type))
		return SIGNER_SLOW;
	if (r->op == SIGNER_MAKE_REQUEST && !r->make_request.keep_key &&
	    makes_rsa(r->make_request.key_type))
		return SIGNER_SLOW;
	if (r->op == SIGNER_MAKE_CA && makes_rsa(r->make_ca.key_type))
		return SIGNER_SLOW;
	return ops[r->op].lane;
}

int
signer_core_check(
    const struct signer_core *c, const struct signer_request *request, struct err *err)
{
	if ((size_t)request->op >= ARRAY_LEN(ops) || ops[request->op].fn == NULL)
		return err_set(err, ERR_PROTO, "a request for an operation that there is not");
	if (ops[request->op].needs_start && !atomic_load(&c->started))
		return err_set(
		    err, ERR_PROTO, "a request to %s before start", signer_op_name(request->op));
	if (request->op == SIGNER_START && atomic_load(&c->started))
		return err_set(err, ERR_PROTO, "a second start");
	return 0;
}

static void
op_out_fini(struct op_out *out)
{
	buf_fini(&out->public_part);
	buf_fini(&out->sealed);
	buf_fini(&out->bytes);
	buf_fini(&out->export_public);
	buf_fini(&out->export_sealed);
	mem_free(out->signatures);
}

int
signer_core_execute(
    struct signer_core *c, const struct signer_request *request, struct buf *reply, struct err *err)
{
	struct op_out out = {.public_part = BUF_INIT(LIMIT_PUBLIC_CRL),
	    .sealed = BUF_INIT(LIMIT_SEALED),
	    .bytes = BUF_INIT(LIMIT_SIGNER_FRAME),
	    .export_public = BUF_INIT(LIMIT_PUBLIC),
	    .export_sealed = BUF_INIT(LIMIT_SEALED)};
	struct buf done = BUF_INIT(LIMIT_SIGNER_FRAME);
	struct signer_reply r = {.id = request->id, .text = ""};
	struct err why = {0};
	int rc;

	rc = signer_core_check(c, request, err);
	if (rc < 0)
		return rc;
	r.code = ops[request->op].fn(c, request, &out, &why);
	out.done.public_part = buf_span(&out.public_part);
	out.done.sealed = buf_span(&out.sealed);
	if (r.code == 0)
		r.code = wire_signer_done_encode(request->op, &out.done, &done, &why);
	if (r.code < 0)
		r.text = why.text;
	else
		r.done = buf_span(&done);
	rc = wire_signer_reply_encode(&r, reply, &why);
	if (rc < 0) {
		/* What is done and does not fit into a reply was not done. */
		buf_clear(reply);
		r = (struct signer_reply){.id = request->id, .code = rc, .text = why.text};
		rc = wire_signer_reply_encode(&r, reply, err);
	}
	op_out_fini(&out);
	buf_fini(&done);
	return rc;
}
