/* Chains that are stored: judged by what is trusted now, and completed when a root came later. */

#include "common/wire/public_wire.h"
#include "server/flow/answer.h"
#include "server/flow/flow_priv.h"
#include "server/flow/flow_trust.h"

#include <string.h>

/* --- what is known --- */

#define OWN_CAS_MAX 64 /* of parsed; what is left is for issuers */

/* A reference that lives as long as t; NULL when it cannot be read, or there are too many. */
static const struct cert *
parse(struct flow_trust *t, struct span der)
{
	struct cert *c = NULL;

	if (t->parsed_count == TRUST_PARSED_MAX || cert_cache_parse(t->cache, der, &c, NULL) < 0)
		return NULL;
	t->parsed[t->parsed_count++] = c;
	return c;
}

static bool
on_ca(void *arg, const struct index_record *r)
{
	struct flow_trust *t = arg;
	struct spans chain = r->ca->chain;
	const struct cert *c = chain.count > 0 ? parse(t, chain.items[chain.count - 1]) : NULL;

	if (c != NULL)
		t->roots[t->root_count++] = c;
	return t->parsed_count < OWN_CAS_MAX;
}

static bool
add_known(void *arg, struct span certificate)
{
	struct flow_trust *t = arg;
	const struct cert *c;

	for (size_t i = 0; i < t->known_count; i++)
		if (span_equal(cert_der(t->known[i]), certificate))
			return true;
	c = parse(t, certificate);
	if (c != NULL)
		t->known[t->known_count++] = c;
	return t->parsed_count < TRUST_PARSED_MAX;
}

static void
init_roots(struct flow_trust *t, struct cert_cache *cache, const struct index *ix)
{
	memset(t, 0, sizeof(*t));
	t->cache = cache;
	t->trusted = index_roots(ix, TRUST_COMPLETION, t->roots);
	t->root_count = t->trusted;
	/* The domain's own CAs: who uses them has decided to trust them. */
	index_each(ix, KIND_CA, on_ca, t);
}

void
flow_trust_init(struct flow_trust *t, struct cert_cache *cache, const struct index *ix,
    const struct index_record *credential)
{
	const struct index_record *active =
	    credential != NULL ? index_active(ix, credential) : NULL;

	init_roots(t, cache, ix);
	t->known_count = index_roots(ix, TRUST_INTERMEDIATE, t->known);
	/* Those of the certificate in force first, then those of all other credentials. */
	for (size_t i = 0; active != NULL && i < index_issuers_of(active).count; i++)
		(void)add_known(t, index_issuers_of(active).items[i]);
	index_each_issuer(ix, add_known, t);
}

void
flow_trust_fini(struct flow_trust *t)
{
	while (t->parsed_count > 0)
		cert_unref(t->parsed[--t->parsed_count]);
}

/* --- judging --- */

/* wish: what is wanted of the chain; the certificates come here. */
static void
find(const struct flow_trust *t, const struct chain_params *wish, bool complete, struct chain *out)
{
	struct chain_params p = *wish;

	p.known = (struct certs){t->known, complete ? t->known_count : 0};
	p.roots = (struct certs){t->roots, t->root_count};
	chain_find(&p, out);
}

/* What the chains of a credential, which may be gone, are for. */
static struct chain_params
wish_of(const struct index_record *c, const struct generation_public *g, int64_t now)
{
	struct chain_params p = {.now = now, .purpose = LEAF_SERVER};

	if (c == NULL)
		return p;
	if (g->profile != NULL && *g->profile != '\0')
		(void)!leaf_profile_parse(g->profile, &p.purpose, NULL);
	else
		(void)!leaf_profile_parse(
		    c->credential->profile != NULL ? c->credential->profile : "", &p.purpose, NULL);
	p.preferred = c->credential->preferred_root;
	return p;
}

static bool
is_same(const struct chain *c, struct spans stored)
{
	if (c->count != stored.count)
		return false;
	for (size_t i = 0; i < c->count; i++)
		if (!span_equal(cert_der(c->path[i]), stored.items[i]))
			return false;
	return true;
}

/*
 * A Micro CA gives its leaves all that they need, and after a new key also its certificate by the
 * key of before, for clients that trust only that: a chain that leaves it out is no better one.
 */
static bool
is_of_own_ca(const struct flow_trust *t, const struct chain *best, struct spans stored)
{
	bool own = false;

	for (size_t i = t->trusted; best->count > 0 && i < t->root_count; i++)
		own =
		    own || span_equal(cert_der(t->roots[i]), cert_der(best->path[best->count - 1]));
	for (size_t i = 0; own && i < best->count; i++) {
		own = false;
		for (size_t k = 0; k < stored.count; k++)
			own = own || span_equal(cert_der(best->path[i]), stored.items[k]);
	}
	return own;
}

int
flow_chain_judge(const struct index *ix, int64_t now, const struct generation_public *g,
    struct chain_health *out, struct err *err)
{
	const struct index_record *c = index_of_kind(ix, KIND_CREDENTIAL, &g->credential);
	struct flow_trust *trust;
	struct cert *stored[LIMIT_CHAIN];
	const struct cert *const *list = (const struct cert *const *)stored;
	struct chain_params wish = wish_of(c, g, now);
	size_t count = 0;
	int rc = 0;

	if (g->chain.count == 0)
		return err_set(err, ERR_NOTFOUND, "the generation has no certificate yet");
	for (; rc == 0 && count < g->chain.count && count < LIMIT_CHAIN; count++)
		rc = cert_parse(g->chain.items[count], &stored[count], err);
	if (rc == 0) {
		wish.leaf = list[0];
		wish.given = (struct certs){list + 1, count - 1};
		trust = mem_zalloc(sizeof(*trust));
		flow_trust_init(trust, NULL, ix, c);
		find(trust, &wish, false, &out->stored);
		find(trust, &wish, true, &out->best);
		out->can_complete = !is_same(&out->best, g->chain) &&
		    out->best.grade <= out->stored.grade &&
		    !is_of_own_ca(trust, &out->best, g->chain);
		flow_trust_fini(trust);
		mem_free(trust);
	} else {
		count--;
	}
	while (count > 0)
		cert_unref(stored[--count]);
	return rc;
}

void
flow_chain_of(struct flow *f, struct certs list, enum leaf_profile purpose, const struct pkey *key,
    const char *preferred, struct chain *out)
{
	struct flow_trust *trust = mem_zalloc(sizeof(*trust));
	struct chain_params p = {.leaf = list.list[0],
	    .given = {list.list + 1, list.count - 1},
	    .now = runtime_wall_s(f->rt),
	    .purpose = purpose,
	    .key = key,
	    .preferred = preferred};

	init_roots(trust, &f->cache, f->index);
	p.roots = (struct certs){trust->roots, trust->root_count};
	chain_find(&p, out);
	flow_trust_fini(trust);
	mem_free(trust);
}

void
chain_health_fini(struct chain_health *h)
{
	chain_fini(&h->stored);
	chain_fini(&h->best);
}

/* --- completing --- */

static int
look_complete(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *active;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	active = index_active(op->flow->index, c);
	if (active == NULL)
		return err_set(
		    err, ERR_CONFLICT, "credential '%.150s' has no certificate yet", c->name);
	look_access(op, active->access);
	op->fetches = true;
	op->fetch = active->id;
	op->number = active->generation->number;
	op->not_after = active->generation->not_after;
	op->calls = 1;
	return 0;
}

static int
write_completed(struct flow_op *op, struct generation_public *g, struct err *err)
{
	struct span ders[LIMIT_CHAIN];
	struct chain_health h;
	int rc = flow_chain_judge(op->flow->index, runtime_wall_s(op->flow->rt), g, &h, err);

	if (rc < 0)
		return rc;
	if (h.can_complete) {
		for (size_t i = 0; i < h.best.count; i++)
			ders[i] = cert_der(h.best.path[i]);
		g->chain = (struct spans){ders, h.best.count};
		/* What was in the chain before and is not now is no news. */
		for (size_t i = 0; i < h.best.reason_count; i++)
			if (h.best.reasons[i].code != CHAIN_SURPLUS)
				flow_op_warn(op, "%s", h.best.reasons[i].text);
		op->public_part = buf_new(LIMIT_PUBLIC);
		rc = wire_generation_public_encode(g, op->public_part, err);
	} else {
		rc = err_set(err, ERR_INVALID,
		    "the chain of '%.80s' cannot be made any better from what is stored%s%.100s",
		    op->in.name, h.stored.reason_count > 0 ? ": " : "",
		    h.stored.reason_count > 0 ? h.stored.reasons[0].text : "");
	}
	chain_health_fini(&h);
	return rc;
}

/* The seal covers the public part: it is made anew for the same servers. */
static int
request_complete(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct record_ref to = {op->fetched->id, op->fetched->version + 1};
	struct generation_public g = {0};
	int rc = wire_generation_public_decode(op->fetched->public_part, &g, err);

	if (rc == 0)
		rc = write_completed(op, &g, err);
	generation_public_fini(&g);
	if (rc < 0)
		return rc;
	return request_reseal_as(op, call, &to, buf_span(op->public_part), out, err);
}

static int
mutation_complete(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	mutation_expect(m, &c->id, c->version);
	op->generation = op->fetched->id;
	return draft_answered(op, m, op->fetched->version, 0, err);
}

const struct flow_op_type flow_op_credential_complete = {
    "cert.complete-chain", look_complete, request_complete, mutation_complete};

int
flow_credential_complete(struct flow *f, const char *name, const char *author, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;

	return flow_start_named(f, &flow_op_credential_complete, name, author, done, arg, &op, err);
}

/* --- the preferred root --- */

static int
mutation_prefer(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	p = *c->credential;
	p.preferred_root = op->in.label;
	return draft_credential(op, m, c->name, &p, err);
}

const struct flow_op_type flow_op_credential_prefer_root = {
    "cert.prefer-root", look_only, NULL, mutation_prefer};

/* Part of a subject, or a fingerprint: what can be compared with either. */
static int
check_root(const char *root, struct err *err)
{
	if (strlen(root) > LIMIT_NAME)
		return err_set(err, ERR_INVALID,
		    "the preferred root is its SHA-256 or a part of its subject, of at most %d "
		    "bytes",
		    LIMIT_NAME);
	for (size_t i = 0; root[i] != '\0'; i++)
		if ((unsigned char)root[i] < 0x20 || root[i] == 0x7f)
			return err_set(err, ERR_INVALID,
			    "the preferred root: character %zu is a control character", i + 1);
	return 0;
}

int
flow_credential_prefer_root(struct flow *f, const char *name, const char *root, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = check_root(root, err);

	if (rc == 0)
		rc = flow_start_named(
		    f, &flow_op_credential_prefer_root, name, author, done, arg, &op, err);
	if (rc == 0)
		op->in.label = flow_op_text(op, root);
	return rc;
}
