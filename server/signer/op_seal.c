/* Sealing what main holds, and sealing anew what was sealed. */

#include "server/signer/core_priv.h"

/* Kinds whose secrets only this process makes; main never holds one. */
static bool
is_made_here(uint32_t kind)
{
	switch (kind) {
	case KIND_ROOT:
	case KIND_DESIGNATION:
	case KIND_NODE:
	case KIND_GROUP:
	case KIND_MEMBERSHIP:
	case KIND_GENERATION:
	case KIND_EXPORT_KEY:
	case KIND_CA:
		return true;
	default:
		return false;
	}
}

int
do_seal(struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_seal *s = &r->seal;
	const struct sealed_part part = {
	    .ref = s->record, .kind = s->kind, .public_part = s->public_part};
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct audience to = {0};
	int rc;

	if (s->kind == KIND_UNKNOWN || is_made_here(s->kind))
		return err_set(err, ERR_DENIED, "the secret of a %s is not for main to give",
		    kind_name(s->kind));
	rc = beliefs_audience(c->beliefs, s->access, &to, err);
	if (rc == 0)
		rc = secret_new(s->payload.len, &payload, err);
	if (rc == 0) {
		for (size_t i = 0; i < s->payload.len; i++)
			secret_bytes(payload)[i] = s->payload.data[i];
		rc = core_seal(c, &part, payload, &to, &out->sealed, err);
	}
	audience_fini(&to);
	return rc;
}

/*
 * A later version of the same record; the key of a generation also into a new one, for a further
 * certificate. check_generation sees to it that it is one of the same credential.
 */
static bool
is_next(const struct record *record, const struct record_ref *to)
{
	if (id_equal(&record->id, &to->id))
		return to->version > record->version;
	return record->kind == KIND_GENERATION && to->version == 1 && !id_is_zero(&to->id);
}

/* A generation keeps its key and its credential: a key never gets under another name. */
static int
check_generation(
    struct signer_core *c, const struct record *record, struct span public_part, struct err *err)
{
	struct sealed_part part = sealed_part_of(record);
	struct generation_public before = {0}, after = {0};
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	int r = wire_generation_public_decode(record->public_part, &before, err);

	if (r == 0)
		r = wire_generation_public_decode(public_part, &after, err);
	if (r == 0 &&
	    (!span_equal(before.key, after.key) ||
		!id_equal(&before.credential, &after.credential)))
		r = err_set(err, ERR_DENIED, "a generation keeps its key and its credential");
	if (r == 0)
		r = core_open_key(c, &part, before.key, &key, err);
	generation_public_fini(&before);
	generation_public_fini(&after);
	return r;
}

static int
check_ca(const struct record *record, const struct signer_reseal *s, struct err *err)
{
	struct ca_public before = {0}, after = {0};
	int r = wire_ca_public_decode(record->public_part, &before, err);

	if (r == 0)
		r = wire_ca_public_decode(s->public_part, &after, err);
	if (r == 0 && !span_equal(before.key, after.key))
		r = err_set(err, ERR_DENIED, "a CA keeps its key");
	if (r == 0 && s->access.count > 0)
		r = err_set(err, ERR_DENIED, "the key of a CA is for managers alone");
	ca_public_fini(&before);
	ca_public_fini(&after);
	return r;
}

/* `managers` has a new key: what only they may open follows, and nothing else of the group changes.
 */
static int
check_group(struct signer_core *c, const struct record *record, const struct signer_reseal *s,
    struct err *err)
{
	struct group_public public = {0};
	int r = beliefs_check_group(c->beliefs, &record->id, record->version, err);

	if (r == 0)
		r = wire_group_public_decode(record->public_part, &public, err);
	if (r == 0 && (public.built_in || record->sealed.len == 0))
		r = err_set(err, ERR_INVALID, "the group of managers has no seal of its own");
	if (r == 0 && !span_equal(record->public_part, s->public_part))
		r = err_set(err, ERR_DENIED, "a group gets a new key by being made anew");
	if (r == 0 && s->access.count > 0)
		r = err_set(err, ERR_DENIED, "the keys of a group are for managers alone");
	group_public_fini(&public);
	return r;
}

/* Nothing of it changes but whom it is sealed to, and that is the managers alone. */
static int
check_export_key(const struct record *record, const struct signer_reseal *s, struct err *err)
{
	if (!span_equal(record->public_part, s->public_part))
		return err_set(err, ERR_DENIED, "an export key stays as it was written");
	if (s->access.count > 0)
		return err_set(err, ERR_DENIED, "an export key is for managers alone");
	return 0;
}

int
do_reseal(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_reseal *s = &r->reseal;
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct sealed_part part, next;
	struct audience to = {0};
	struct record record;
	int rc = core_take_record(c, &s->record, KIND_UNKNOWN, &record, err);

	if (rc < 0)
		return rc;
	if (!is_next(&record, &s->to))
		return err_set(err, ERR_INVALID,
		    "a secret is sealed anew for a later version of its "
		    "own record only");
	if (record.kind == KIND_MEMBERSHIP)
		return err_set(
		    err, ERR_INVALID, "a %s is made, not sealed anew", kind_name(record.kind));
	if (record.kind == KIND_GENERATION)
		rc = check_generation(c, &record, s->public_part, err);
	else if (record.kind == KIND_CA)
		rc = check_ca(&record, s, err);
	else if (record.kind == KIND_EXPORT_KEY)
		rc = check_export_key(&record, s, err);
	else if (record.kind == KIND_GROUP)
		rc = check_group(c, &record, s, err);
	part = sealed_part_of(&record);
	next =
	    (struct sealed_part){.ref = s->to, .kind = record.kind, .public_part = s->public_part};
	if (rc == 0)
		rc = beliefs_audience(c->beliefs, s->access, &to, err);
	if (rc == 0)
		rc = core_open(c, &part, &payload, err);
	if (rc == 0)
		rc = core_seal(c, &next, payload, &to, &out->sealed, err);
	audience_fini(&to);
	return rc;
}
