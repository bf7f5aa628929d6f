/* What a CA outside has answered: the chain in it, and what an administrator should know of it. */

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/model/names.h"
#include "server/flow/flow_priv.h"

#include <string.h>

static bool
is_in(const struct cert *c, const struct cert *const *chain, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_equal(cert_der(c), cert_der(chain[i])))
			return true;
	return false;
}

static bool
is_valid(const struct cert *c, int64_t now)
{
	return cert_not_before(c) <= now && now <= cert_not_after(c);
}

/* Of several issuers (renewed under the same name and key, crossed) the one that holds longest. */
static const struct cert *
find_issuer(const struct cert *c, struct cert *const *pool, size_t count,
    const struct cert *const *chain, size_t chain_count, int64_t now)
{
	const struct cert *best = NULL;

	for (size_t i = 0; i < count; i++) {
		bool better = best == NULL || is_valid(pool[i], now) > is_valid(best, now) ||
		    (is_valid(pool[i], now) == is_valid(best, now) &&
			cert_not_after(pool[i]) > cert_not_after(best));

		if (better && !is_in(pool[i], chain, chain_count) && cert_is_issued_by(c, pool[i]))
			best = pool[i];
	}
	return best;
}

size_t
answer_chain(const struct cert *leaf, struct cert *const *pool, size_t count, int64_t now,
    const struct cert *out[static LIMIT_CHAIN], bool *complete)
{
	const struct cert *at = leaf;
	size_t n = 0;

	while (at != NULL && n < LIMIT_CHAIN) {
		out[n++] = at;
		/* A root issues itself: nothing comes behind it. */
		*complete = cert_is_issued_by(at, at);
		if (*complete)
			return n;
		at = find_issuer(at, pool, count, out, n, now);
	}
	*complete = false;
	return n;
}

/* --- names --- */

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

static void
on_name(void *arg, const char *name)
{
	struct compared *c = arg;
	char normal[NAME_TEXT_MAX];
	enum name_type type;

	if (name_normalise(name, normal, &type, NULL) < 0)
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

void
answer_warn(struct flow_op *op, const struct cert *leaf, struct texts names)
{
	int64_t now = runtime_wall_s(op->flow->rt);
	char time[TIME_TEXT_MAX];

	warn_names(op, leaf, names);
	if (now < cert_not_before(leaf))
		flow_op_warn(op, "the certificate is not valid before %s",
		    time_text(cert_not_before(leaf), time));
	if (now > cert_not_after(leaf))
		flow_op_warn(
		    op, "the certificate ran out at %s", time_text(cert_not_after(leaf), time));
}
