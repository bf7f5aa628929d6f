#include "server/flow/flow.h"

#include "common/crypto/cert.h"
#include "common/crypto/subject.h"
#include "common/model/names.h"
#include "server/flow/answer.h"
#include "server/flow/export.h"
#include "server/flow/revoke.h"

#include <string.h>

int
flow_new(const struct flow_params *params, struct flow **out, struct err *err)
{
	struct flow *f = mem_zalloc(sizeof(*f));

	(void)err;
	f->rt = params->runtime;
	f->index = params->index;
	f->commit = params->commit;
	f->signer = params->signer;
	f->domain_name = params->domain_name;
	f->receipt = params->receipt;
	f->receipt_arg = params->arg;
	commit_observe(f->commit, reseal_observe, f);
	reseal_start(f);
	purge_start(f);
	retire_start(f);
	crl_start(f);
	*out = f;
	return 0;
}

static void
on_close(void *arg)
{
	struct flow *f = arg;
	void (*closed)(void *closed_arg) = f->closed;
	void *closed_arg = f->closed_arg;

	reseal_stop(f);
	crl_stop(f);
	retire_end(f);
	cert_cache_fini(&f->cache);
	mem_free(f);
	closed(closed_arg);
}

void
flow_check_closed(struct flow *f)
{
	if (f->closing && f->ops == NULL && !crl_is_waited_for(f) &&
	    !timer_is_armed(&f->close_timer))
		runtime_timer_start(f->rt, &f->close_timer, 0);
}

void
flow_close(struct flow *f, void (*closed)(void *arg), void *arg)
{
	struct err err;
	struct flow_op *next;

	f->closing = true;
	commit_unobserve(f->commit, reseal_observe, f);
	f->closed = closed;
	f->closed_arg = arg;
	f->close_timer = (struct timer){.cb = on_close, .arg = f};
	runtime_timer_stop(f->rt, &f->reseal_timer);
	purge_stop(f);
	retire_stop(f);
	crl_close(f);
	err_set(&err, ERR_CANCELED, "the server is ending");
	for (struct flow_op *op = f->ops; op != NULL; op = next) {
		next = op->next;
		flow_op_unpark(op, ERR_CANCELED, &err);
	}
	flow_check_closed(f);
}

int
flow_check_open(const struct flow *f, struct err *err)
{
	return f->closing ? err_set(err, ERR_CANCELED, "the server is ending") : 0;
}

/* Names in normal form, as texts of the operation. */
static int
take_names(struct flow_op *op, struct texts names, enum leaf_profile profile, struct err *err)
{
	char(*normal)[NAME_TEXT_MAX];
	const char **items;
	size_t count = 0;
	int rc;

	if (names.count > LIMIT_NAMES)
		return err_set(err, ERR_LIMIT, "a credential has at most %d names, these are %zu",
		    LIMIT_NAMES, names.count);
	normal = arena_array(op->memory, names.count + 1, sizeof(*normal));
	items = arena_array(op->memory, names.count + 1, sizeof(*items));
	if (normal == NULL || items == NULL)
		return err_set(err, ERR_NOMEM, "no memory for the names of a credential");
	rc = name_normalise_all(
	    names.items, names.count, profile != LEAF_SERVER, normal, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		items[i] = normal[i];
	op->in.names = (struct texts){items, count};
	return rc;
}

/* --name is free text, so that it can tell two credentials with the same first name apart. */
int
check_credential_name(const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > LIMIT_NAME)
		return err_set(err, ERR_INVALID, "the name of a credential has 1 to %d characters",
		    LIMIT_NAME);
	for (size_t i = 0; i < len; i++)
		if (name[i] <= 0x20 || name[i] > 0x7e || name[i] == '/')
			return err_set(err, ERR_INVALID,
			    "name of a credential: character %zu is a blank, a '/' or not ASCII",
			    i + 1);
	return 0;
}

/* Parts of the subject in normal form, as texts of the operation. */
int
take_subject(struct flow_op *op, struct texts parts, struct err *err)
{
	const char **items = arena_array(op->memory, parts.count, sizeof(*items));

	if (parts.count > SUBJECT_PARTS_MAX)
		return err_set(err, ERR_LIMIT, "a subject has at most %d parts, these are %zu",
		    SUBJECT_PARTS_MAX, parts.count);
	if (items == NULL)
		return err_set(err, ERR_NOMEM, "no memory for the subject of a credential");
	for (size_t i = 0; i < parts.count; i++) {
		char normal[SUBJECT_PART_MAX];
		int rc = subject_check(parts.items[i], normal, err);

		if (rc < 0)
			return rc;
		items[i] = flow_op_text(op, normal);
	}
	op->in.subject = (struct texts){items, parts.count};
	return 0;
}

/* What a certificate from outside has is decided there. */
static int
check_manual(const struct credential_spec *s, struct err *err)
{
	if (s->issuer != ISSUER_MICRO && s->issuer != ISSUER_MANUAL)
		return err_set(err, ERR_INVALID,
		    "credentials of issuer '%s' are not made like this",
		    issuer_type_name(s->issuer));
	if (s->issuer == ISSUER_MANUAL && s->ca != NULL)
		return err_set(err, ERR_INVALID,
		    "issuer manual means a CA outside; a Micro CA ('%.60s') is of issuer micro",
		    s->ca);
	if (s->issuer == ISSUER_MANUAL && s->lifetime > 0)
		return err_set(err, ERR_INVALID,
		    "with issuer manual the CA outside decides the lifetime; leave it out");
	return 0;
}

int
flow_check_lifetime(int64_t lifetime, struct err *err)
{
	if (lifetime < FLOW_LIFETIME_LEAST || lifetime > FLOW_LIFETIME_MOST)
		return err_set(err, ERR_INVALID, "a lifetime is a minute to ten years");
	return 0;
}

int
flow_check_fraction(uint32_t percent, struct err *err)
{
	if (percent > 90)
		return err_set(err, ERR_INVALID,
		    "a certificate is renewed when 1 to 90 %% of its lifetime is left");
	return 0;
}

static int
take_lifetime(struct flow_op *op, const struct credential_spec *s, struct err *err)
{
	int64_t usual = s->issuer == ISSUER_MANUAL
	    ? 0
	    : index_setting_number(op->flow->index, SETTING_LIFETIME);

	op->in.lifetime = s->lifetime > 0 ? s->lifetime : usual;
	if (op->in.lifetime > 0 && flow_check_lifetime(op->in.lifetime, err) < 0)
		return ERR_INVALID;
	return flow_check_fraction(s->fraction_percent, err);
}

/* What is left open is as the settings say; a Micro CA by name says who issues. */
static struct credential_spec
with_settings(const struct index *ix, const struct credential_spec *asked)
{
	static const enum issuer_type issuers[] = {ISSUER_MICRO, ISSUER_MANUAL};
	struct credential_spec s = *asked;
	int64_t issuer = index_setting_number(ix, SETTING_ISSUER);

	if (s.key_type == NULL)
		s.key_type = index_setting_text(ix, SETTING_KEY_TYPE);
	if (s.usual_issuer)
		s.issuer = s.ca != NULL ? ISSUER_MICRO : issuers[issuer];
	if (s.usual_new_key)
		s.new_key = index_setting_number(ix, SETTING_NEW_KEY) != 0;
	if (s.fraction_percent == 0)
		s.fraction_percent = (uint32_t)index_setting_number(ix, SETTING_RENEW_PERCENT);
	return s;
}

static int
take_spec(struct flow_op *op, const struct credential_spec *s, struct err *err)
{
	enum leaf_profile profile;
	enum key_type type;
	int rc = leaf_profile_parse(s->profile != NULL ? s->profile : "", &profile, err);

	if (rc == 0)
		rc = take_names(op, s->names, profile, err);
	if (rc == 0)
		rc = check_manual(s, err);
	if (rc == 0)
		rc = take_subject(op, s->subject, err);
	if (rc == 0)
		rc = key_type_parse(s->key_type, &type, err);
	if (rc == 0 && s->name != NULL)
		rc = check_credential_name(s->name, err);
	if (rc == 0)
		rc = take_lifetime(op, s, err);
	if (rc == 0 && s->draft && s->export != NULL)
		rc = err_set(err, ERR_INVALID,
		    "a draft has no key yet: its export password comes with 'certherd cert "
		    "submit'");
	if (rc == 0 && !s->draft && s->exportable && s->export == NULL)
		rc = err_set(err, ERR_INVALID, "an exportable key needs an export password");
	if (rc < 0)
		return rc;
	op->in.name = s->name != NULL ? flow_op_text(op, s->name) : op->in.names.items[0];
	op->in.key_type = flow_op_text(op, s->key_type);
	op->in.ca = flow_op_text(op, s->ca);
	op->in.issuer = s->issuer;
	op->in.profile = leaf_profile_name(profile);
	op->in.draft = s->draft;
	op->in.has_access = s->has_access;
	op->in.access = flow_op_texts(op, s->access);
	op->in.fraction_percent = s->fraction_percent;
	op->in.new_key = s->new_key;
	op->in.stale_after = s->stale_after;
	op->in.author = flow_op_text(op, s->author);
	op->in.exportable = s->exportable;
	return export_take(op, s->export, err);
}

int
flow_credential_add(struct flow *f, const struct credential_spec *spec, flow_done_cb *done,
    void *arg, struct err *err)
{
	const struct credential_spec whole = with_settings(f->index, spec);
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	op = flow_op_new(f, &flow_op_credential_add, done, arg);
	rc = take_spec(op, &whole, err);
	if (rc < 0) {
		flow_op_free(op);
		return rc;
	}
	flow_op_start(op);
	return 0;
}

/* An operation about a credential that there is. */
int
flow_start_named(struct flow *f, const struct flow_op_type *type, const char *name,
    const char *author, flow_done_cb *done, void *arg, struct flow_op **out, struct err *err)
{
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	op = flow_op_new(f, type, done, arg);
	op->in.name = flow_op_text(op, name);
	op->in.author = flow_op_text(op, author);
	flow_op_start(op);
	*out = op;
	return 0;
}

int
flow_credential_renew(struct flow *f, const char *name, bool new_key, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_start_named(f, &flow_op_credential_renew, name, author, done, arg, &op, err);

	if (rc == 0)
		op->in.new_key = new_key;
	return rc;
}

int
flow_credential_submit(struct flow *f, const char *name, bool new_key, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_start_named(f, &flow_op_credential_submit, name, author, done, arg, &op, err);

	if (rc == 0)
		op->in.new_key = new_key;
	return rc;
}

int
flow_credential_access(struct flow *f, const struct access_change *change, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_start_named(
	    f, &flow_op_credential_access, change->name, change->author, done, arg, &op, err);

	if (rc < 0)
		return rc;
	op->in.access = flow_op_texts(op, change->add);
	op->in.remove = flow_op_texts(op, change->remove);
	op->in.keep_key = change->keep_key;
	return 0;
}

int
flow_credential_archive(struct flow *f, const char *name, bool archived, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc =
	    flow_start_named(f, &flow_op_credential_archive, name, author, done, arg, &op, err);

	if (rc == 0)
		op->in.archived = archived;
	return rc;
}

int
flow_credential_delete(struct flow *f, const char *name, const char *author, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;

	return flow_start_named(f, &flow_op_credential_delete, name, author, done, arg, &op, err);
}

/* --- a renewal that nobody asked for --- */

struct due {
	struct flow *flow;
	struct id credential;
	flow_done_cb *done;
	void *arg;
	int status;
	struct err err;
};

static void
due_end(struct due *d, const struct flow_result *result)
{
	d->done(d->arg, d->status, result, &d->err);
	mem_free(d);
}

static void
on_failure_kept(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	(void)status;
	(void)result;
	(void)err;
	due_end(arg, NULL);
}

/* Whether the failure lies in the credential, not in this server at this moment. */
static bool
is_lasting(int status)
{
	return status == ERR_INVALID || status == ERR_NOTFOUND || status == ERR_DENIED ||
	    status == ERR_CRYPTO || status == ERR_LIMIT || status == ERR_PARSE;
}

static void
on_due(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct due *d = arg;
	struct flow *f = d->flow;
	struct flow_op *op;

	d->status = status;
	if (err != NULL)
		d->err = *err;
	if (!is_lasting(status) || f->closing ||
	    index_of_kind(f->index, KIND_CREDENTIAL, &d->credential) == NULL) {
		due_end(d, result);
		return;
	}
	op = flow_op_new(f, &flow_op_credential_failed, on_failure_kept, d);
	op->in.record = d->credential;
	op->in.author = "renewal";
	op->in.failure = flow_op_text(op, d->err.text);
	flow_op_start(op);
}

int
flow_credential_due(
    struct flow *f, const struct id *credential, flow_done_cb *done, void *arg, struct err *err)
{
	struct due *d;
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	d = mem_zalloc(sizeof(*d));
	*d = (struct due){.flow = f, .credential = *credential, .done = done, .arg = arg};
	op = flow_op_new(f, &flow_op_credential_due, on_due, d);
	op->in.record = *credential;
	op->in.author = "renewal";
	flow_op_start(op);
	return 0;
}

void
flow_stats(const struct flow *f, struct flow_stats *out)
{
	*out = f->stats;
	out->to_reseal = map_count(f->reseal);
}
