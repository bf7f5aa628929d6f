/* Micro CAs. */

#include "common/crypto/pkey.h"
#include "common/model/pki.h"
#include "server/flow/flow_priv.h"
#include "server/flow/op_ca.h"

#include <stdio.h>
#include <string.h>

#define CA_NAME_MAX 64 /* a common name of X.520 */
#define CA_BACKDATE 300

/* Never beyond the end of the CA above. */
int
look_ca_times(
    struct flow_op *op, const struct index_record *parent, int64_t lifetime, struct err *err)
{
	int64_t now = runtime_wall_s(op->flow->rt);
	char end[TIME_TEXT_MAX];

	op->not_before = now - CA_BACKDATE;
	op->not_after = op->not_before + lifetime - 1;
	if (parent == NULL || op->not_after <= parent->ca->not_after)
		return 0;
	op->not_after = parent->ca->not_after;
	if (op->not_after < now + FLOW_LIFETIME_LEAST)
		return err_set(err, ERR_INVALID,
		    "the CA '%.64s' above it runs out at %s; 'certherd ca renew' makes it last "
		    "longer",
		    parent->name, time_text(parent->ca->not_after, end));
	flow_op_warn(op, "it ends with the CA '%s' above it", parent->name);
	return 0;
}

/* A root that is in use. */
static int
look_parent(struct flow_op *op, const struct index_record **out, struct err *err)
{
	const struct index_record *parent;

	*out = NULL;
	if (op->in.ca == NULL)
		return 0;
	parent = index_named(op->flow->index, KIND_CA, op->in.ca);
	if (parent == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no CA '%.100s'; 'certherd ca list' shows them", op->in.ca);
	if (parent->ca->has_parent)
		return err_set(err, ERR_INVALID,
		    "CA '%s' is below another one already, and there is one level of that",
		    parent->name);
	if (!parent->ca->enabled)
		return err_set(err, ERR_INVALID, "the CA '%s' is not enabled", parent->name);
	op->ca = parent->id;
	op->has_ca = true;
	*out = parent;
	return 0;
}

/* Whatever is the default one already is not any more. */
static bool
on_default(void *arg, const struct index_record *r)
{
	struct flow_op *op = arg;

	if (r->ca->is_default && !id_equal(&r->id, &op->credential) && op->calls < OP_CALLS_MAX)
		look_ca_at(op, op->calls++, r);
	return true;
}

void
look_other_defaults(struct flow_op *op)
{
	index_each(op->flow->index, KIND_CA, on_default, op);
}

static int
look_ca_create(struct flow_op *op, struct err *err)
{
	const struct index *ix = op->flow->index;
	const struct index_record *parent;
	int rc;

	if (index_named(ix, KIND_CA, op->in.name) != NULL)
		return err_set(err, ERR_EXISTS, "there is a CA '%s' already", op->in.name);
	rc = look_parent(op, &parent, err);
	if (rc == 0)
		rc = look_ca_times(op, parent, op->in.lifetime, err);
	if (rc < 0)
		return rc;
	new_id(op->flow, &op->credential);
	op->credential_version = 0;
	op->calls = 1;
	if (op->in.is_default)
		look_other_defaults(op);
	return 0;
}

static bool
is_default(const struct flow_op *op)
{
	return op->in.is_default || index_default_ca(op->flow->index) == NULL;
}

/*
 * What people see in a list of trusted roots: two domains with a CA 'default' must differ there. A
 * text that is too long for a common name is the name alone.
 */
static const char *
ca_subject(const struct flow_op *op, char out[static CA_NAME_MAX + 1])
{
	int n =
	    snprintf(out, CA_NAME_MAX + 1, "Micro CA %s of %s", op->in.name, op->flow->domain_name);

	return n > CA_NAME_MAX ? op->in.name : out;
}

static int
request_ca_create(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct index_record *parent =
	    op->has_ca ? index_of_kind(op->flow->index, KIND_CA, &op->ca) : NULL;
	struct signer_request r = {.op = SIGNER_MAKE_CA};
	char subject[CA_NAME_MAX + 1];

	if (call > 0)
		return request_not_default(op, call, out, err);
	if (op->has_ca && parent == NULL)
		return err_set(err, ERR_CONFLICT, "the CA above has been removed meanwhile");
	op->asked[call] = SIGNER_MAKE_CA;
	r.make_ca.ca = (struct record_ref){op->credential, 1};
	r.make_ca.name = ca_subject(op, subject);
	r.make_ca.key_type = op->in.key_type;
	r.make_ca.not_before = op->not_before;
	r.make_ca.not_after = op->not_after;
	r.make_ca.is_default = is_default(op);
	r.make_ca.address = op->in.label;
	if (parent != NULL) {
		r.make_ca.has_parent = true;
		r.make_ca.parent = parent->signed_record;
		if (op->in.label == NULL)
			r.make_ca.address = parent->ca->address;
	}
	return wire_signer_request_encode(&r, out, err);
}

int
draft_new_ca(struct flow_op *op, struct mutation *m, unsigned reply, struct err *err)
{
	struct draft *d = mutation_add(m);

	d->id = op->credential;
	d->kind = KIND_CA;
	snprintf(d->name, sizeof(d->name), "%s", op->in.name);
	buf_put_span(d->public_part, op->replies[reply].public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, op->replies[reply].sealed);
	return buf_error(d->public_part, "public part of a CA", err);
}

static int
mutation_ca_create(struct flow_op *op, struct mutation *m, struct err *err)
{
	int rc = draft_new_ca(op, m, 0, err);

	for (unsigned call = 1; rc == 0 && call < op->calls; call++)
		rc = draft_ca(op, m, call, NULL, err);
	return rc;
}

const struct flow_op_type flow_op_ca_create = {
    "ca.create", look_ca_create, request_ca_create, mutation_ca_create};

static int
check_name(const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > CA_NAME_MAX)
		return err_set(err, ERR_INVALID,
		    "the name of a CA has 1 to %d characters; it stands in its certificate",
		    CA_NAME_MAX);
	for (size_t i = 0; i < len; i++)
		if (name[i] < 0x20 || name[i] > 0x7e)
			return err_set(err, ERR_INVALID,
			    "name of a CA: character %zu is not a printable ASCII character",
			    i + 1);
	if (name[0] == ' ' || name[len - 1] == ' ')
		return err_set(
		    err, ERR_INVALID, "the name of a CA does not begin or end with a blank");
	return 0;
}

int
check_ca_lifetime(int64_t lifetime, struct err *err)
{
	if (lifetime >= 86400 && lifetime <= 30 * 365 * INT64_C(86400))
		return 0;
	return err_set(err, ERR_INVALID, "the lifetime of a CA is a day to 30 years");
}

int
flow_ca_create(
    struct flow *f, const struct ca_spec *spec, flow_done_cb *done, void *arg, struct err *err)
{
	const char *type_name = spec->key_type != NULL
	    ? spec->key_type
	    : index_setting_text(f->index, SETTING_KEY_TYPE);
	int64_t lifetime = spec->lifetime > 0 ? spec->lifetime
					      : index_setting_number(f->index, SETTING_CA_LIFETIME);
	char address[LIMIT_CA_ADDRESS + 1] = "";
	enum key_type type;
	struct flow_op *op;
	int rc = check_name(spec->name, err);

	if (rc == 0 && spec->address != NULL && spec->address[0] != '\0')
		rc = ca_address_check(spec->address, address, err);
	if (rc == 0)
		rc = check_ca_lifetime(lifetime, err);
	if (rc == 0)
		rc = key_type_parse(type_name, &type, err);
	if (rc == 0)
		rc = flow_check_open(f, err);
	if (rc < 0)
		return rc;
	op = flow_op_new(f, &flow_op_ca_create, done, arg);
	op->in.name = flow_op_text(op, spec->name);
	op->in.author = flow_op_text(op, spec->author);
	op->in.key_type = flow_op_text(op, type_name);
	op->in.lifetime = lifetime;
	op->in.is_default = spec->is_default;
	op->in.ca = flow_op_text(op, spec->parent);
	op->in.label = flow_op_text(op, spec->address != NULL ? address : NULL);
	flow_op_start(op);
	return 0;
}

static void
on_default_ca(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct flow *f = arg;
	struct flow_op *next;

	(void)result;
	f->ca_op = NULL;
	/* Somebody made one meanwhile: as good as ours. */
	if (status == ERR_EXISTS && index_default_ca(f->index) != NULL)
		status = 0;
	for (struct flow_op *op = f->ops; op != NULL; op = next) {
		next = op->next;
		flow_op_unpark(op, status, err);
	}
}

void
flow_make_default_ca(struct flow *f)
{
	struct flow_op *op;

	if (f->ca_op != NULL)
		return;
	op = flow_op_new(f, &flow_op_ca_create, on_default_ca, f);
	op->in.name = FLOW_DEFAULT_CA;
	op->in.author = "certherd";
	op->in.key_type = flow_op_text(op, index_setting_text(f->index, SETTING_KEY_TYPE));
	op->in.lifetime = index_setting_number(f->index, SETTING_CA_LIFETIME);
	op->in.is_default = true;
	f->ca_op = op;
	flow_op_start(op);
}
