/* What operations look for in the index before they do anything. */

#include "server/flow/flow_priv.h"
#include "server/index/index_ca.h"

#include <string.h>

/* Certificates begin a little earlier, for clocks that are behind; short ones only a tenth. */
#define BACKDATE_MOST 300
/* A certificate has so much beside its names, with which its 8 KiB are full: see look_names. */
#define NAMES_BYTES_USUAL (7 * 1024)

void
new_id(struct flow *f, struct id *out)
{
	do
		runtime_random(f->rt, out->bytes, ID_LEN);
	while (id_is_zero(out));
}

int
look_credential(struct flow_op *op, const struct index_record **out, struct err *err)
{
	const struct index *ix = op->flow->index;
	const struct index_record *r = op->in.name != NULL
	    ? index_credential(ix, op->in.name)
	    : index_of_kind(ix, KIND_CREDENTIAL, &op->in.record);

	if (r == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no credential '%s'; 'certherd cert list' shows them",
		    op->in.name != NULL ? op->in.name : "");
	if (op->in.name != NULL && strcmp(op->in.name, r->name) != 0)
		op->in.name = flow_op_text(op, r->name);
	op->credential = r->id;
	op->credential_version = r->version;
	op->number = r->credential->generations;
	op->generation = r->credential->active;
	*out = r;
	return 0;
}

static int
check_ca(struct flow_op *op, const struct index_record *ca, struct err *err)
{
	if (!ca->ca->enabled)
		return err_set(err, ERR_INVALID, "the CA '%s' is not enabled", ca->name);
	op->ca = ca->id;
	return 0;
}

int
look_ca(struct flow_op *op, const char *name, const struct index_record **out, struct err *err)
{
	const struct index_record *ca;
	int rc;

	if (name != NULL)
		ca = index_named(op->flow->index, KIND_CA, name);
	else
		ca = index_default_ca(op->flow->index);
	op->waits_for_ca = ca == NULL && name == NULL;
	if (op->waits_for_ca) {
		flow_make_default_ca(op->flow);
		return err_set(err, ERR_AGAIN, "there is no CA yet");
	}
	if (ca == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no CA '%s'; 'certherd ca list' shows them, 'certherd ca create' "
		    "makes one",
		    name);
	rc = check_ca(op, ca, err);
	if (rc == 0)
		*out = ca;
	return rc;
}

int
look_ca_of(struct flow_op *op, const struct credential_public *c, const struct index_record **out,
    struct err *err)
{
	const struct index_record *ca;
	int rc;

	/* A draft that named none. */
	if (c->issuer == ISSUER_MICRO && !c->has_issuer_record)
		return look_ca(op, NULL, out, err);
	if (c->issuer != ISSUER_MICRO)
		return err_set(err, ERR_INVALID,
		    "its certificates come from '%s', which this server does not ask by itself: "
		    "'certherd cert "
		    "change --issuer' has them made here or by a CSR, 'certherd cert import "
		    "--replace' takes in "
		    "another",
		    issuer_type_name(c->issuer));
	ca = index_of_kind(op->flow->index, KIND_CA, &c->issuer_record);
	if (ca == NULL)
		return err_set(err, ERR_NOTFOUND, "the CA that issued it is not there any more");
	ca = index_ca_successor(op->flow->index, ca);
	rc = check_ca(op, ca, err);
	if (rc == 0)
		*out = ca;
	return rc;
}

void
look_access(struct flow_op *op, struct ids ids)
{
	op->access_count = 0;
	for (size_t i = 0; i < ids.count && op->access_count < LIMIT_ACCESS; i++) {
		const struct index_record *r = index_get(op->flow->index, &ids.items[i]);

		if (r != NULL && (r->kind == KIND_NODE || r->kind == KIND_GROUP))
			op->access[op->access_count++] = ids.items[i];
	}
}

int
look_only(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	int rc = look_credential(op, &c, err);

	if (rc == 0)
		look_access(op, c->access);
	return rc;
}

void
look_readers(struct flow_op *op)
{
	struct access_lookup lookup = index_access_lookup(op->flow->index);
	struct access_list readers = {NULL, 0, 0};
	size_t replicas = 0;

	access_expand(&lookup, (struct ids){op->access, op->access_count}, NULL, &readers);
	for (size_t i = 0; i < readers.count; i++)
		replicas += readers.items[i].node.role == ROLE_REPLICA;
	access_list_fini(&readers);
	if (replicas == 0)
		flow_op_warn(op,
		    "no server may open it, managers apart: 'certherd cert access NAME --add NODE' "
		    "gives it to one");
}

int
look_default_access(struct flow_op *op, struct err *err)
{
	const struct setting_public *s;

	if (op->in.has_access)
		return index_resolve_access(
		    op->flow->index, op->in.access, op->access, &op->access_count, err);
	s = index_setting(op->flow->index, SETTING_DEFAULT_ACCESS);
	if (s != NULL)
		look_access(op, s->records);
	return 0;
}

int
look_times(struct flow_op *op, const struct index_record *ca, int64_t lifetime, struct err *err)
{
	int64_t now = runtime_wall_s(op->flow->rt);
	int64_t early = lifetime / 10 < BACKDATE_MOST ? lifetime / 10 : BACKDATE_MOST;
	char end[TIME_TEXT_MAX];

	op->not_before = now - early;
	op->not_after = op->not_before + lifetime - 1; /* the last second is part of it */
	if (op->not_after <= ca->ca->not_after)
		return 0;
	op->not_after = ca->ca->not_after;
	if (op->not_after < now + FLOW_LIFETIME_LEAST)
		return err_set(err, ERR_INVALID,
		    "the CA '%s' runs out at %s, so it cannot issue any more; 'certherd ca renew' "
		    "makes it last longer",
		    ca->name, time_text(ca->ca->not_after, end));
	flow_op_warn(op,
	    "the certificate is shorter than asked for, because its CA ends before; 'certherd ca "
	    "renew' makes that last longer");
	return 0;
}

void
look_names(struct flow_op *op, struct texts names)
{
	size_t bytes = 0;
	struct err why;

	for (size_t i = 0; i < names.count; i++) {
		bytes += strlen(names.items[i]) + 2;
		if (name_mixes_scripts(names.items[i], &why))
			flow_op_warn(op, "%s", why.text);
	}
	if (bytes > NAMES_BYTES_USUAL)
		flow_op_warn(op,
		    "the names alone make the certificate %zu KiB long; some clients and proxies "
		    "take no more than 8 in a handshake",
		    bytes / 1024);
}
