/* Settings of the domain: put in a record, or taken out of it again. */

#include "common/model/settings.h"
#include "common/wire/public_wire.h"
#include "server/flow/flow_priv.h"

#include <stdio.h>
#include <string.h>

static const struct index_record *
stored(const struct flow_op *op)
{
	return index_named(op->flow->index, KIND_SETTING, op->in.name);
}

static int
look_set(struct flow_op *op, struct err *err)
{
	const struct index_record *r = stored(op);

	(void)err;
	op->credential_version = r != NULL ? r->version : 0;
	if (r != NULL)
		op->credential = r->id;
	else
		new_id(op->flow, &op->credential);
	op->unchanged = op->in.label == NULL
	    ? r == NULL
	    : r != NULL && strcmp(r->setting->value, op->in.label) == 0;
	return 0;
}

static int
mutation_set(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct setting_public p = {.value = op->in.label};
	struct draft *d = mutation_add(m);

	d->id = op->credential;
	d->kind = KIND_SETTING;
	d->expect_version = op->credential_version;
	d->removed = op->in.label == NULL;
	snprintf(d->name, sizeof(d->name), "%s", op->in.name);
	return d->removed ? 0 : wire_setting_public_encode(&p, d->public_part, err);
}

const struct flow_op_type flow_op_setting_set = {"setting.set", look_set, NULL, mutation_set};
const struct flow_op_type flow_op_setting_reset = {"setting.reset", look_set, NULL, mutation_set};

int
flow_setting_set(struct flow *f, const char *name, const char *value, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	const struct flow_op_type *type =
	    value != NULL ? &flow_op_setting_set : &flow_op_setting_reset;
	struct flow_op *op;
	enum setting s;
	int64_t number;
	int rc = setting_find(name, &s, err);

	if (rc == 0)
		rc = setting_parse(
		    s, value != NULL ? value : setting_rule(s)->otherwise, &number, err);
	if (rc == 0)
		rc = flow_start_named(f, type, name, author, done, arg, &op, err);
	if (rc == 0)
		op->in.label = flow_op_text(op, value);
	return rc;
}
