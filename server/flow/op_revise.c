/*
 * What is wanted of a credential changes. The wish is the record with the change laid over it, made
 * anew at each look; it gets into the record together with what was made by it, or not at all.
 */

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/model/names.h"
#include "common/model/state.h"
#include "server/flow/answer.h"
#include "server/flow/export.h"
#include "server/flow/flow_priv.h"

#include <string.h>

/* What a look has found; the texts of wish lie here, in the record or in the operation. */
struct revised {
	struct credential_public wish;
	char normal[LIMIT_NAMES][NAME_TEXT_MAX];
	const char *names[LIMIT_NAMES];
	bool makes; /* it takes another certificate, or a CSR for one */
};

/* --- names --- */

static bool
is_removed(const char *name, struct texts remove, bool found[static LIMIT_NAMES])
{
	char normal[NAME_TEXT_MAX];

	for (size_t i = 0; i < remove.count; i++) {
		const char *typed = remove.items[i];

		if (str_equal(typed, name) ||
		    (answer_name(typed, normal) && str_equal(normal, name))) {
			found[i] = true;
			return true;
		}
	}
	return false;
}

static int
revise_names(struct flow_op *op, const struct index_record *c, enum leaf_profile profile,
    struct revised *r, struct err *err)
{
	const struct credential_change *change = op->in.change;
	struct texts names = c->credential->names;
	const char *list[2 * LIMIT_NAMES];
	bool found[LIMIT_NAMES] = {false};
	size_t count = 0;
	int rc;

	for (size_t i = 0; i < names.count && count < LIMIT_NAMES; i++)
		if (!is_removed(names.items[i], change->remove, found))
			list[count++] = names.items[i];
	for (size_t i = 0; i < change->remove.count; i++)
		if (!found[i])
			return err_set(err, ERR_NOTFOUND,
			    "'%.100s' has no name '%.100s': 'certherd cert show' lists its names",
			    c->name, change->remove.items[i]);
	for (size_t i = 0; i < change->add.count; i++)
		list[count++] = change->add.items[i];
	if (count > LIMIT_NAMES)
		return err_set(err, ERR_LIMIT,
		    "a credential has at most %d names, these would be %zu", LIMIT_NAMES, count);
	if (count == 0 && names.count > 0)
		return err_set(err, ERR_INVALID,
		    "'%.120s' would have no name left: 'certherd cert archive' or 'cert delete' "
		    "ends it",
		    c->name);
	rc = count == 0
	    ? 0
	    : name_normalise_all(list, count, profile != LEAF_SERVER, r->normal, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		r->names[i] = r->normal[i];
	r->wish.names = (struct texts){r->names, count};
	return rc;
}

/* --- who issues --- */

static int
revise_issuer(struct flow_op *op, const struct index_record *c, struct revised *r, struct err *err)
{
	const struct credential_change *change = op->in.change;
	const struct credential_public *p = c->credential;
	struct credential_public *wish = &r->wish;
	const struct index_record *ca;

	if (change->has_issuer)
		wish->issuer = change->issuer;
	else if (change->ca != NULL)
		wish->issuer = ISSUER_MICRO;
	if (wish->issuer == p->issuer && change->ca == NULL)
		return 0;
	/* Which CA of this domain is looked for with the rest; a draft may leave it open. */
	wish->has_issuer_record = false;
	if (wish->issuer == ISSUER_MANUAL) {
		wish->lifetime = 0;
		return 0;
	}
	if (wish->lifetime == 0)
		wish->lifetime = index_setting_number(op->flow->index, SETTING_LIFETIME);
	if (change->ca == NULL)
		return 0;
	ca = index_named(op->flow->index, KIND_CA, change->ca);
	if (ca == NULL)
		return look_ca(op, change->ca, &ca, err);
	wish->has_issuer_record = true;
	wish->issuer_record = ca->id;
	return 0;
}

static int
check_revised(const struct index_record *c, const struct revised *r, struct err *err)
{
	const struct credential_public *wish = &r->wish;
	enum key_type type;
	int rc;

	if (wish->issuer == ISSUER_MANUAL && wish->lifetime > 0)
		return err_set(err, ERR_INVALID,
		    "with issuer manual the CA outside decides the lifetime; leave it out");
	if (!r->makes)
		return 0;
	if (wish->issuer != ISSUER_MICRO && wish->issuer != ISSUER_MANUAL)
		return err_set(err, ERR_INVALID,
		    "the certificates of '%.100s' come from '%s', and that does not change them: "
		    "--issuer micro or manual has it issued here from now on",
		    c->name, issuer_type_name(wish->issuer));
	if (wish->names.count == 0)
		return err_set(err, ERR_INVALID,
		    "'%.120s' has no name that a certificate could be made for: --add-name gives "
		    "it one",
		    c->name);
	rc = key_type_parse(wish->key_type, &type, err);
	return rc < 0 ? err_wrap(err, "--key-type is needed for '%.60s'", c->name) : 0;
}

/* --- the wish --- */

static void
revise_policy(const struct credential_change *change, struct credential_public *wish)
{
	if (change->lifetime > 0)
		wish->lifetime = change->lifetime;
	if (change->fraction_percent > 0)
		wish->fraction_percent = change->fraction_percent;
	if (change->has_new_key)
		wish->new_key = change->new_key;
	if (change->has_stale_after)
		wish->stale_after = change->stale_after;
}

static const char *
profile_text(const char *profile)
{
	return profile != NULL && *profile != '\0' ? profile : leaf_profile_name(LEAF_SERVER);
}

static bool
makes_new(const struct credential_public *now, const struct credential_public *wish)
{
	return now->issuer != wish->issuer ||
	    (wish->issuer == ISSUER_MICRO && wish->has_issuer_record &&
		!(now->has_issuer_record && id_equal(&now->issuer_record, &wish->issuer_record))) ||
	    !texts_equal(now->names, wish->names) || !texts_equal(now->subject, wish->subject) ||
	    !str_equal(now->key_type, wish->key_type) ||
	    !str_equal(profile_text(now->profile), profile_text(wish->profile));
}

static bool
same_policy(const struct credential_public *now, const struct credential_public *wish)
{
	return now->lifetime == wish->lifetime && now->fraction_percent == wish->fraction_percent &&
	    now->new_key == wish->new_key && now->stale_after == wish->stale_after;
}

/* Lays the change over the record as it is now. */
static int
revise(struct flow_op *op, const struct index_record *c, struct revised *r, struct err *err)
{
	const struct credential_change *change = op->in.change;
	enum leaf_profile profile;
	int rc;

	r->wish = *c->credential;
	if (change->profile != NULL)
		r->wish.profile = change->profile;
	if (change->has_subject)
		r->wish.subject = op->in.subject;
	if (change->key_type != NULL)
		r->wish.key_type = change->key_type;
	rc = leaf_profile_parse(profile_text(r->wish.profile), &profile, err);
	if (rc == 0)
		rc = revise_names(op, c, profile, r, err);
	if (rc == 0)
		rc = revise_issuer(op, c, r, err);
	if (rc < 0)
		return rc;
	revise_policy(change, &r->wish);
	r->makes = makes_new(c->credential, &r->wish);
	return check_revised(c, r, err);
}

/* --- the operation --- */

static void
warn_revised(struct flow_op *op, const struct index_record *c, const struct revised *r)
{
	const struct credential_change *change = op->in.change;

	if (change->add.count > 0)
		look_names(op, r->wish.names);
	if (op->waits && r->makes && c->credential->has_active)
		flow_op_warn(
		    op, "what is served stays as it is until the CA outside has answered the CSR");
	if (r->makes && c->credential->issuer != r->wish.issuer && r->wish.issuer == ISSUER_MICRO)
		flow_op_warn(op,
		    "clients must trust the Micro CA that issues from now on: 'certherd ca show' "
		    "prints its certificate");
	if (!r->makes && change->lifetime > 0 && c->credential->has_active)
		flow_op_warn(op, "the lifetime counts from the next certificate on");
}

static int
look_change(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *active;
	struct revised *r = mem_zalloc(sizeof(*r));
	bool is_draft;
	int rc = look_credential(op, &c, err);

	op->revised = r;
	if (rc == 0)
		rc = credential_may(c->credential, c->name, CREDENTIAL_CHANGE, err);
	if (rc == 0)
		rc = revise(op, c, r, err);
	if (rc < 0)
		return rc;
	is_draft = c->credential->state == CREDENTIAL_DRAFT && !c->credential->has_active;
	op->unchanged = !r->makes && same_policy(c->credential, &r->wish);
	active = index_active(op->flow->index, c);
	op->not_after = active != NULL ? active->generation->not_after : 0;
	look_access(op, c->access);
	if (op->in.has_export && (!r->makes || is_draft))
		return err_set(err, ERR_INVALID,
		    "this change makes no new key, which an export password would be for: "
		    "'certherd cert renew %.100s --exportable'",
		    c->name);
	if (!r->makes || is_draft) {
		/* What is there goes on: the one in force, and the one that waits. */
		op->number = active != NULL ? active->generation->number : 0;
		op->waits = c->credential->has_pending;
	} else if (r->wish.issuer == ISSUER_MANUAL) {
		rc = look_csr(op, c, &r->wish, err);
	} else {
		rc = look_issue(op, c, &r->wish, err);
	}
	if (rc == 0)
		warn_revised(op, c, r);
	return rc;
}

static int
request_change(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct index_record *c;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	return op->waits ? request_csr(op, &op->revised->wish, call, out, err)
			 : request_issue(op, &op->revised->wish, call, out, err);
}

static int
mutation_change(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c, *waits = NULL;
	struct credential_public *wish = &op->revised->wish;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	if (op->calls == 0) {
		rc = credential_move(wish, c->name, CREDENTIAL_CHANGE, err);
		return rc < 0 ? rc : draft_credential(op, m, c->name, wish, err);
	}
	if (op->waits)
		return mutation_csr(op, m, c, wish, err);
	/* Nobody is asked outside any more. */
	if (wish->has_pending)
		waits = index_of_kind(op->flow->index, KIND_GENERATION, &wish->pending);
	wish->has_pending = false;
	rc = mutation_issue(op, m, c, wish, err);
	if (rc == 0 && waits != NULL)
		draft_removed(m, waits);
	return rc;
}

const struct flow_op_type flow_op_credential_change = {
    "cert.change", look_change, request_change, mutation_change};

/* --- what was given --- */

static int
take_change(struct flow_op *op, const struct credential_change *given, struct err *err)
{
	struct credential_change *change = arena_array(op->memory, 1, sizeof(*change));
	enum leaf_profile profile;
	enum key_type type;
	int rc = take_subject(op, given->subject, err);

	if (rc == 0 && change == NULL)
		rc = err_set(err, ERR_NOMEM, "no memory for a change");
	if (rc == 0 && given->add.count + given->remove.count > LIMIT_NAMES)
		rc = err_set(err, ERR_LIMIT, "a credential has at most %d names", LIMIT_NAMES);
	if (rc == 0 && given->has_issuer && given->issuer != ISSUER_MICRO && given->ca != NULL)
		rc = err_set(err, ERR_INVALID,
		    "a Micro CA ('%.60s') is of issuer micro, not of a CA outside", given->ca);
	if (rc == 0 && given->key_type != NULL)
		rc = key_type_parse(given->key_type, &type, err);
	if (rc == 0 && given->profile != NULL)
		rc = leaf_profile_parse(given->profile, &profile, err);
	if (rc == 0 && given->lifetime != 0)
		rc = flow_check_lifetime(given->lifetime, err);
	if (rc == 0)
		rc = flow_check_fraction(given->fraction_percent, err);
	if (rc < 0)
		return rc;
	rc = export_take(op, given->export, err);
	if (rc < 0)
		return rc;
	*change = *given;
	change->export = NULL; /* the caller's; op->in has it */
	change->add = flow_op_texts(op, given->add);
	change->remove = flow_op_texts(op, given->remove);
	change->key_type = flow_op_text(op, given->key_type);
	change->ca = flow_op_text(op, given->ca);
	change->profile = flow_op_text(op, given->profile);
	op->in.change = change;
	op->in.ca = change->ca;
	op->in.name = flow_op_text(op, given->name);
	op->in.author = flow_op_text(op, given->author);
	return 0;
}

int
flow_credential_change(struct flow *f, const struct credential_change *given, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	op = flow_op_new(f, &flow_op_credential_change, done, arg);
	rc = take_change(op, given, err);
	if (rc < 0) {
		flow_op_free(op);
		return rc;
	}
	flow_op_start(op);
	return 0;
}
