/* What a CA outside has answered: its chain, and what an administrator should know of it. */

#include "common/base/str.h"
#include "common/chain/chain.h"
#include "common/crypto/sign.h"
#include "common/model/names.h"
#include "common/wire/public_wire.h"
#include "server/flow/answer.h"
#include "server/flow/flow_trust.h"

#include <string.h>

struct compared {
	struct texts wanted;
	bool found[LIMIT_NAMES];
	struct buf others;     /* names of the leaf that nobody asked for, as a list */
	struct buf impossible; /* names of the leaf that no host has */
};

static void
put_listed(struct buf *list, const char *name)
{
	buf_putf(list, "%s%s", list->len > 0 ? ", " : "", name);
}

bool
answer_name(const char *name, char out[static NAME_TEXT_MAX])
{
	enum name_type type;

	return (name_is_email(name) ? email_normalise(name, out, NULL)
				    : name_normalise(name, out, &type, NULL)) == 0;
}

static void
on_name(void *arg, const char *name)
{
	struct compared *c = arg;
	char normal[NAME_TEXT_MAX];

	if (!answer_name(name, normal)) {
		put_listed(&c->impossible, name);
		return;
	}
	for (size_t i = 0; i < c->wanted.count; i++) {
		if (str_equal(c->wanted.items[i], normal)) {
			c->found[i] = true;
			return;
		}
	}
	put_listed(&c->others, normal);
}

static void
warn_names(struct flow_op *op, const struct cert *leaf, struct texts names)
{
	struct compared c = {.wanted = names,
	    .others = BUF_INIT(ERR_TEXT_MAX),
	    .impossible = BUF_INIT(ERR_TEXT_MAX)};
	struct buf missing = BUF_INIT(ERR_TEXT_MAX);

	if (c.wanted.count > LIMIT_NAMES)
		c.wanted.count = LIMIT_NAMES;
	cert_each_name(leaf, on_name, &c);
	for (size_t i = 0; i < c.wanted.count; i++)
		if (!c.found[i])
			put_listed(&missing, c.wanted.items[i]);
	/* A list that is too long is cut where it is full. */
	if (missing.len > 0)
		flow_op_warn(op,
		    "the certificate lacks names of the credential: %s; clients that ask for them "
		    "will refuse it",
		    buf_str(&missing));
	if (c.others.len > 0)
		flow_op_warn(op, "the certificate has names that the credential has not: %s",
		    buf_str(&c.others));
	if (c.impossible.len > 0)
		flow_op_warn(op,
		    "the certificate has names that are none of a host or person, and left out: %s",
		    buf_str(&c.impossible));
	if (names.count == 0)
		flow_op_warn(op,
		    "the certificate has no alternative name: it is served to nobody by its name, "
		    "only as the fallback of a port");
	buf_fini(&missing);
	buf_fini(&c.others);
	buf_fini(&c.impossible);
}

/*
 * A root is no news for who has asked its CA and trusts none here; names are compared with those of
 * the credential.
 */
static bool
is_worth_saying(const struct flow_trust *trust, const struct chain_reason *r)
{
	return r->code == CHAIN_ROOT_UNTRUSTED ? trust->trusted > 0 : r->code != CHAIN_NO_NAMES;
}

void
answer_chain(struct flow_op *op, const struct answer_params *p, struct chain *out)
{
	struct flow_trust *trust = mem_zalloc(sizeof(*trust));
	struct chain_params params = {.leaf = p->leaf,
	    .given = p->given,
	    .now = runtime_wall_s(op->flow->rt),
	    .purpose = p->purpose,
	    .preferred = p->credential != NULL ? p->credential->credential->preferred_root : NULL};

	flow_trust_init(trust, &op->flow->cache, op->flow->index, p->credential);
	params.known = (struct certs){trust->known, trust->known_count};
	params.roots = (struct certs){trust->roots, trust->root_count};
	chain_find(&params, out);
	warn_names(op, p->leaf, p->names);
	for (size_t i = 0; i < out->reason_count; i++)
		if (is_worth_saying(trust, &out->reasons[i]))
			flow_op_warn(op, "%s", out->reasons[i].text);
	flow_trust_fini(trust);
	mem_free(trust);
}

/* --- what comes from outside --- */

int
answer_take(struct flow_op *op, struct spans certificates, struct err *err)
{
	if (certificates.count == 0)
		return err_set(err, ERR_INVALID, "there is no certificate in the answer");
	if (certificates.count > FLOW_PASTE_MOST)
		return err_set(err, ERR_LIMIT, "%zu certificates in one answer; at most %d",
		    certificates.count, FLOW_PASTE_MOST);
	op->in.certs = mem_array(certificates.count, sizeof(*op->in.certs));
	for (size_t i = 0; i < certificates.count; i++) {
		struct cert **out = &op->in.certs[op->in.cert_count];
		struct cert_cache *cache = i > 0 ? &op->flow->cache : NULL;
		int rc = cert_cache_parse(cache, certificates.items[i], out, err);

		if (rc < 0)
			return err_wrap(err, "certificate %zu", i + 1);
		op->in.cert_count++;
	}
	return 0;
}

void
cert_cache_fini(struct cert_cache *c)
{
	for (size_t i = 0; i < CERT_CACHE_MOST; i++)
		cert_unref(c->certs[i]);
	*c = (struct cert_cache){.next = 0};
}

/* Parsing takes longer than all else that is done with an issuer. */
int
cert_cache_parse(struct cert_cache *c, struct span der, struct cert **out, struct err *err)
{
	struct hash hash;
	int rc;

	if (c == NULL)
		return cert_parse(der, out, err);
	hash_of(der, &hash);
	for (size_t i = 0; i < CERT_CACHE_MOST; i++) {
		if (c->certs[i] != NULL && hash_equal(&c->hashes[i], &hash)) {
			*out = cert_ref(c->certs[i]);
			return 0;
		}
	}
	rc = cert_parse(der, out, err);
	if (rc < 0)
		return rc;
	cert_unref(c->certs[c->next]);
	c->certs[c->next] = cert_ref(*out);
	c->hashes[c->next] = hash;
	c->next = (c->next + 1) % CERT_CACHE_MOST;
	return 0;
}

struct twin {
	struct hash fingerprint;
	const struct index_record *found;
};

static bool
on_twin(void *arg, const struct index_record *r)
{
	struct twin *t = arg;

	if (!r->generation->waits && hash_equal(&r->generation->fingerprint, &t->fingerprint))
		t->found = r;
	return t->found == NULL;
}

const struct index_record *
answer_twin(struct flow_op *op, const struct id *credential, const struct cert *leaf)
{
	struct twin twin = {.found = NULL};

	cert_fingerprint(leaf, &twin.fingerprint);
	index_generations(op->flow->index, credential, on_twin, &twin);
	return twin.found;
}

/* --- the new public part --- */

struct name_list {
	struct flow_op *op;
	const char **items;
	size_t count;
};

static void
on_leaf_name(void *arg, const char *name)
{
	struct name_list *l = arg;
	char normal[NAME_TEXT_MAX];

	if (l->count < LIMIT_NAMES && answer_name(name, normal))
		l->items[l->count++] = flow_op_text(l->op, normal);
}

int
answer_names(struct flow_op *op, const struct cert *leaf, struct texts *out, struct err *err)
{
	struct name_list names = {
	    .op = op, .items = arena_array(op->memory, LIMIT_NAMES, sizeof(*names.items))};

	if (names.items == NULL)
		return err_set(err, ERR_NOMEM, "no memory for the names of a certificate");
	cert_each_name(leaf, on_leaf_name, &names);
	*out = (struct texts){names.items, names.count};
	return 0;
}

int
answer_public(struct flow_op *op, const struct answer_public_params *p, struct err *err)
{
	const struct cert *leaf = op->in.certs[p->leaf];
	struct span ders[LIMIT_CHAIN];
	struct answer_params params = {.leaf = leaf,
	    .given = {(const struct cert *const *)op->in.certs, op->in.cert_count},
	    .credential = p->record,
	    .names = p->names};
	struct generation_public after = {.credential = p->credential,
	    .number = op->number,
	    .key = p->key,
	    .not_before = cert_not_before(leaf),
	    .not_after = cert_not_after(leaf),
	    .activated_at_ms = runtime_wall_ms(op->flow->rt)};
	struct chain chain;
	int rc = leaf_profile_parse(p->profile != NULL ? p->profile : "", &params.purpose, err);

	if (rc == 0)
		rc = answer_names(op, leaf, &after.names, err);
	if (rc < 0)
		return rc;
	/* One without any is for those that were asked for, though most clients refuse it. */
	if (after.names.count == 0)
		after.names = p->names;
	after.profile = leaf_profile_name(params.purpose);
	answer_chain(op, &params, &chain);
	for (size_t i = 0; i < chain.count; i++)
		ders[i] = cert_der(chain.path[i]);
	after.chain = (struct spans){ders, chain.count};
	op->public_part = buf_new(LIMIT_PUBLIC);
	rc = wire_generation_public_encode(&after, op->public_part, err);
	chain_fini(&chain);
	return rc;
}
