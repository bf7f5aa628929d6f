/* What a CA outside has answered: its chain, and what an administrator should know of it. */

#include "common/base/str.h"
#include "common/chain/chain.h"
#include "common/model/names.h"
#include "server/flow/flow_priv.h"

#include <string.h>

struct compared {
	struct texts wanted;
	bool found[LIMIT_NAMES];
	struct buf others; /* names of the leaf that nobody asked for, as a list */
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

	if (!answer_name(name, normal))
		return;
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
	struct compared c = {.wanted = names, .others = BUF_INIT(ERR_TEXT_MAX)};
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
	buf_fini(&missing);
	buf_fini(&c.others);
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
	    .purpose = p->purpose};

	flow_trust_init(trust, op->flow->index, p->credential);
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
		int rc = cert_parse(certificates.items[i], &op->in.certs[op->in.cert_count], err);

		if (rc < 0)
			return err_wrap(err, "certificate %zu", i + 1);
		op->in.cert_count++;
	}
	return 0;
}
