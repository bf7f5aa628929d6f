/* Where a credential should be seen from outside: addresses are put in and taken out. */

#include "common/base/str.h"
#include "server/flow/flow_priv.h"

static bool
has_text(struct texts list, const char *text, size_t *at)
{
	for (size_t i = 0; i < list.count; i++) {
		if (str_equal(list.items[i], text)) {
			*at = i;
			return true;
		}
	}
	return false;
}

/* What is there after the change, borrowed. */
struct new_checks {
	const char *items[LIMIT_CHECKS];
	size_t count;
};

static int
look_change(const struct flow_op *op, struct texts old, struct new_checks *out, struct err *err)
{
	size_t at;

	out->count = 0;
	for (size_t i = 0; i < op->in.remove.count; i++)
		if (!has_text(old, op->in.remove.items[i], &at))
			return err_set(err, ERR_NOTFOUND,
			    "'%.150s' is not checked at '%.250s'; 'certherd cert checks' shows "
			    "where",
			    op->in.name, op->in.remove.items[i]);
	for (size_t i = 0; i < old.count && out->count < LIMIT_CHECKS; i++)
		if (!has_text(op->in.remove, old.items[i], &at))
			out->items[out->count++] = old.items[i];
	for (size_t i = 0; i < op->in.names.count; i++) {
		if (has_text((struct texts){out->items, out->count}, op->in.names.items[i], &at))
			continue;
		if (out->count == LIMIT_CHECKS)
			return err_set(err, ERR_LIMIT,
			    "a credential is checked at %d addresses at the most", LIMIT_CHECKS);
		out->items[out->count++] = op->in.names.items[i];
	}
	return 0;
}

static int
look_checks(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	struct new_checks checks;
	int rc = look_credential(op, &c, err);

	if (rc == 0)
		rc = look_change(op, c->credential->checks, &checks, err);
	if (rc == 0)
		look_access(op, c->access);
	return rc;
}

static int
mutation_checks(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	struct new_checks checks;
	int rc = draft_current(op, &c, err);

	if (rc == 0)
		rc = look_change(op, c->credential->checks, &checks, err);
	if (rc < 0)
		return rc;
	p = *c->credential;
	p.checks = (struct texts){checks.items, checks.count};
	return draft_credential(op, m, c->name, &p, err);
}

static const struct flow_op_type type = {"cert.checks", look_checks, NULL, mutation_checks};

int
flow_credential_checks(struct flow *f, const struct checks_change *change, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_start_named(f, &type, change->name, change->author, done, arg, &op, err);

	if (rc == 0) {
		op->in.names = flow_op_texts(op, change->add);
		op->in.remove = flow_op_texts(op, change->remove);
	}
	return rc;
}
