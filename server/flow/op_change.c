/* Credentials whose access changes, that are archived, and that are deleted. */

#include "common/model/state.h"
#include "server/flow/export.h"
#include "server/flow/flow_priv.h"
#include "server/index/index_ca.h"

#include <string.h>

/* --- access --- */

static bool
take_out(struct flow_op *op, const struct id *id)
{
	for (size_t i = 0; i < op->access_count; i++) {
		if (!id_equal(&op->access[i], id))
			continue;
		op->access[i] = op->access[--op->access_count];
		return true;
	}
	return false;
}

static int
put_in(struct flow_op *op, const struct id *id, struct err *err)
{
	for (size_t i = 0; i < op->access_count; i++)
		if (id_equal(&op->access[i], id))
			return 0;
	if (op->access_count == LIMIT_ACCESS)
		return err_set(err, ERR_LIMIT,
		    "an access list has at most %d servers and groups; put servers into a group",
		    LIMIT_ACCESS);
	op->access[op->access_count++] = *id;
	return 0;
}

/* The new list in op->access; *taken: somebody loses it. */
static int
look_new_access(struct flow_op *op, const struct index_record *c, bool *taken, struct err *err)
{
	struct id add[LIMIT_ACCESS], remove[LIMIT_ACCESS];
	size_t added = 0, removed = 0;
	char name[LIMIT_NAME + 2];
	int rc = index_resolve_access(op->flow->index, op->in.access, add, &added, err);

	if (rc == 0)
		rc = index_resolve_access(op->flow->index, op->in.remove, remove, &removed, err);
	if (rc < 0)
		return rc;
	look_access(op, c->access);
	*taken = false;
	for (size_t i = 0; i < removed; i++) {
		if (take_out(op, &remove[i]))
			*taken = true;
		else
			flow_op_warn(op, "'%s' had no access before, either",
			    index_access_name(op->flow->index, &remove[i], name));
	}
	for (size_t i = 0; rc == 0 && i < added; i++)
		rc = put_in(op, &add[i], err);
	return rc;
}

/* What becomes of the key that somebody knows who has been taken away. */
static void
warn_kept(struct flow_op *op, const struct credential_public *c)
{
	if (op->in.keep_key)
		flow_op_warn(op,
		    "the key stays the same, and who has been taken away may still have it: "
		    "'certherd cert renew --new-key' replaces it");
	else if (c->archived)
		flow_op_warn(op,
		    "who has been taken away may still have the key, which is replaced when the "
		    "credential comes back from the archive");
	else if (c->issuer == ISSUER_IMPORTED)
		flow_op_warn(op,
		    "who has been taken away may still have the key: 'certherd cert import "
		    "--replace' brings another");
	else
		flow_op_warn(op,
		    "who has been taken away may still have the key: a CSR with a new one is made "
		    "now, 'certherd cert csr' prints it");
}

static int
look_access_change(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *ca, *active;
	bool taken = false;
	int rc = look_credential(op, &c, err);

	if (rc == 0)
		rc = look_new_access(op, c, &taken, err);
	if (rc < 0)
		return rc;
	look_readers(op);
	op->takes_access = taken;
	active = index_active(op->flow->index, c);
	/* What is revoked is for managers alone, and only a command makes another one. */
	if (active == NULL || active->generation->revoked)
		return 0;
	op->not_after = active->generation->not_after;
	op->fetches = true;
	op->fetch = active->id;
	op->calls = 1;
	op->new_key = taken && !op->in.keep_key && !c->credential->archived &&
	    c->credential->issuer == ISSUER_MICRO;
	if (!op->new_key) {
		if (taken)
			warn_kept(op, c->credential);
		return 0;
	}
	rc = look_ca_of(op, c->credential, &ca, err);
	if (rc == 0)
		rc = look_times(op, ca, c->credential->lifetime, err);
	if (rc < 0)
		return err_wrap(
		    err, "credential '%s' needs a new key (--keep-key goes without)", c->name);
	op->calls = 2;
	new_id(op->flow, &op->generation);
	op->number = c->credential->generations + 1;
	return 0;
}

static int
request_access(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	/* The second call, if there is one, makes the new key. */
	if (call == 1)
		return flow_op_credential_renew.request(op, call, out, err);
	return request_reseal(op, call, out, err);
}

static int
mutation_access(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	p = *c->credential;
	if (op->calls == 2) {
		p.active = op->generation;
		p.generations = op->number;
		rc = credential_move(&p, c->name, CREDENTIAL_ISSUE, err);
		if (rc == 0)
			rc = export_draft(op, m, &p, 1, err);
	}
	if (rc == 0)
		rc = draft_credential(op, m, c->name, &p, err);
	if (rc == 0 && op->calls > 0)
		rc = draft_resealed(op, m, 0, err);
	if (rc == 0 && op->calls == 2)
		rc = draft_generation(op, m, 1, err);
	/* Those that stay are sealed anew behind it, for who has access now. */
	if (rc == 0)
		draft_superseded(op, m, c);
	op->flow->stats.issued += rc == 0 && op->calls == 2;
	return rc;
}

const struct flow_op_type flow_op_credential_access = {
    "cert.access", look_access_change, request_access, mutation_access};

/* --- archive --- */

static enum credential_event
archive_event(const struct flow_op *op)
{
	return op->in.archived ? CREDENTIAL_ARCHIVE : CREDENTIAL_RESTORE;
}

static int
look_archive(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	int rc = look_credential(op, &c, err);

	if (rc == 0)
		rc = credential_may(c->credential, c->name, archive_event(op), err);
	if (rc == 0)
		look_access(op, c->access);
	return rc;
}

static int
mutation_archive(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	p = *c->credential;
	rc = credential_move(&p, c->name, archive_event(op), err);
	if (rc == 0 && op->in.archived && export_draft_removed(op, m))
		flow_op_warn(op, "its key cannot be exported any more, also when it comes back");
	return rc < 0 ? rc : draft_credential(op, m, c->name, &p, err);
}

const struct flow_op_type flow_op_credential_archive = {
    "cert.archive", look_archive, NULL, mutation_archive};

/* --- delete --- */

struct deleting {
	struct flow_op *op;
	struct mutation *m;
	const struct index_record *credential;
	bool unlisted;
	uint64_t retiring; /* the number of one that waits to be revoked; 0: none */
};

/* Whoever asked for its revocation would not get it. */
static bool
is_to_be_revoked(const struct deleting *d, const struct index_record *r)
{
	const struct index *ix = d->op->flow->index;
	bool at_once;

	return flow_is_retiring(ix, d->credential, &r->id, &at_once) && !r->generation->revoked &&
	    r->generation->not_after >= runtime_wall_s(d->op->flow->rt) &&
	    index_ca_of(ix, r) != NULL;
}

static bool
on_generation(void *arg, const struct index_record *r)
{
	struct deleting *d = arg;

	if (index_awaits_list(d->op->flow->index, r, runtime_wall_s(d->op->flow->rt)))
		d->unlisted = true;
	if (is_to_be_revoked(d, r))
		d->retiring = r->generation->number;
	draft_removed(d->m, r);
	return d->m->count < LIMIT_MUTATION;
}

static int
mutation_delete(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct deleting d = {.op = op, .m = m};
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	d.credential = c;
	draft_removed(m, c);
	(void)export_draft_removed(op, m);
	index_generations(op->flow->index, &c->id, on_generation, &d);
	/* The list is made from these records: a moment later it has what it needs. */
	if (d.unlisted)
		return err_set(err, ERR_CONFLICT,
		    "the revocation of '%.120s' is not in the list of its CA yet: delete it when "
		    "it is",
		    c->name);
	if (d.retiring > 0)
		return err_set(err, ERR_CONFLICT,
		    "generation %llu of '%.100s' waits to be revoked: 'certherd cert revoke %.100s "
		    "--generation %llu' does it now, after that it can be deleted",
		    (unsigned long long)d.retiring, c->name, c->name,
		    (unsigned long long)d.retiring);
	return 0;
}

const struct flow_op_type flow_op_credential_delete = {
    "cert.delete", look_only, NULL, mutation_delete};
