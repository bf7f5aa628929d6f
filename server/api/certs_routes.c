#include "server/api/export.h"

#include "common/base/runtime.h"
#include "common/crypto/cert.h"
#include "common/crypto/subject.h"
#include "common/model/names.h"
#include "common/wire/public_wire.h"
#include "server/publish/publish.h"
#include "server/sched/sched.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_DEFAULT 200

const char *
api_state(const struct api *a, const struct index_record *credential)
{
	return credential_shown_name(index_state(a->p.index, credential, runtime_wall_s(a->rt)));
}

void
api_put_receipt(const struct api *a, struct json_writer *w, const struct receipt *receipt)
{
	const struct index_record *generation = receipt->has_generation
	    ? index_of_kind(a->p.index, KIND_GENERATION, &receipt->generation)
	    : NULL;

	if (generation != NULL)
		json_put_uint(w, "generation", generation->generation->number);
	else
		json_put_null(w, "generation");
	if (receipt->has_fingerprint)
		api_put_hash(w, "fingerprint", &receipt->fingerprint);
	if (receipt->error != NULL && receipt->error[0] != '\0')
		json_put_text(w, "error", receipt->error);
	json_put_time(w, "since", receipt->since_ms / 1000);
}

/* ------------------------------------------------------------------------- lists */

static void
put_active(const struct api *a, struct json_writer *w, const struct index_record *r)
{
	const struct index_record *active = index_active(a->p.index, r);
	struct serving serving;

	if (active == NULL) {
		json_put_null(w, "generation");
		return;
	}
	json_put_uint(w, "generation", active->generation->number);
	json_put_time(w, "not_before", active->generation->not_before);
	json_put_time(w, "not_after", active->generation->not_after);
	api_put_hash(w, "fingerprint", &active->generation->fingerprint);
	json_put_time(w, "renew_at", sched_due_at(a->p.sched, &r->id));
	serving_count(a, r, &serving);
	json_put_uint(w, "served", serving.served);
	json_put_uint(w, "expected", serving.expected);
}

static void
put_cert(const struct api *a, struct json_writer *w, const struct index_record *r)
{
	const struct credential_public *c = r->credential;
	const struct index_record *ca =
	    c->has_issuer_record ? index_of_kind(a->p.index, KIND_CA, &c->issuer_record) : NULL;

	api_put_id(w, "id", &r->id);
	json_put_text(w, "name", r->name);
	api_put_texts(w, "names", c->names);
	json_put_text(w, "key_type", c->key_type);
	json_put_text(w, "issuer", issuer_type_name(c->issuer));
	if (ca != NULL)
		json_put_text(w, "ca", ca->name);
	json_put_text(w, "profile",
	    c->profile == NULL || c->profile[0] == '\0' ? leaf_profile_name(LEAF_SERVER)
							: c->profile);
	if (c->preferred_root != NULL && c->preferred_root[0] != '\0')
		json_put_text(w, "preferred_root", c->preferred_root);
	json_put_text(w, "state", api_state(a, r));
	json_put_bool(w, "csr", c->has_pending);
	json_put_bool(w, "submitted", c->has_pending && c->state == CREDENTIAL_SUBMITTED);
	json_put_text(w, "export", export_state_name(index_export_state(a->p.index, r)));
	if (c->error != NULL && c->error[0] != '\0') {
		json_put_text(w, "error", c->error);
		json_put_time(w, "next_try", c->next_try);
	}
	api_put_access(a, w, r->access);
	put_active(a, w, r);
	api_put_health(a, w, r);
	json_put_uint(w, "addresses", c->checks.count);
}

/* As it is stored, or as people read it. */
static bool
contains(const char *name, const char *filter)
{
	char shown[NAME_SHOWN_MAX];

	return strcasestr(name, filter) != NULL ||
	    strcasestr(name_shown(name, shown), filter) != NULL;
}

static bool
matches(const struct index_record *r, const char *filter)
{
	if (filter == NULL || contains(r->name, filter))
		return true;
	for (size_t i = 0; i < r->credential->names.count; i++)
		if (contains(r->credential->names.items[i], filter))
			return true;
	return false;
}

struct list_query {
	const char *after, *filter;
	size_t limit;
};

/* Writes up to limit matching credentials; true when there are others. */
static bool
put_page(const struct api *a, struct api_reply *r, struct list_query q)
{
	const struct index_record *page[64];
	size_t written = 0;
	bool more = true;

	while (more) {
		size_t n =
		    index_list(a->p.index, KIND_CREDENTIAL, q.after, page, ARRAY_LEN(page), &more);

		for (size_t i = 0; i < n; i++) {
			if (!matches(page[i], q.filter))
				continue;
			if (written == q.limit || r->body.len > API_PAGE_BYTES)
				return true;
			json_put_object(&r->w, NULL);
			put_cert(a, &r->w, page[i]);
			json_put_end(&r->w);
			written++;
		}
		if (n == 0)
			break;
		q.after = page[n - 1]->name;
	}
	return false;
}

static int
read_limit(const struct httpd_request *req, size_t *out, struct err *err)
{
	const char *text = httpd_query(req, "limit");
	char *end = NULL;
	unsigned long v = text != NULL ? strtoul(text, &end, 10) : PAGE_DEFAULT;

	if (text != NULL && (*text < '0' || *text > '9' || *end != '\0'))
		return err_set(err, ERR_INVALID, "the query member 'limit' is not a number");
	if (v < 1 || v > API_PAGE_MOST)
		return err_set(err, ERR_LIMIT, "the query member 'limit' must be between 1 and %d",
		    API_PAGE_MOST);
	*out = v;
	return 0;
}

void
handle_certs(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct list_query q = {
	    .after = httpd_query(req, "after"), .filter = httpd_query(req, "filter")};
	struct api_reply r;
	struct err err;
	bool more;

	if (read_limit(req, &q.limit, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	api_begin(&r);
	json_put_array(&r.w, "certs");
	more = put_page(a, &r, q);
	json_put_end(&r.w);
	json_put_bool(&r.w, "more", more);
	json_put_uint(&r.w, "total", index_count(a->p.index, KIND_CREDENTIAL));
	api_send(req, &r);
}

/* ------------------------------------------------------------------------- one */

const struct index_record *
api_find_cert(const struct api *a, struct httpd_request *req)
{
	const char *name = httpd_param(req, "name");
	const struct index_record *r = index_credential(a->p.index, name);
	struct err err;

	if (r == NULL) {
		err_set(&err, ERR_NOTFOUND, "there is no credential '%.200s'", name);
		api_fail(req, &err);
	}
	return r;
}

/* All that is known of it, in the reply of a request that may have fetched its generation. */
static void
put_whole(const struct api *a, struct json_writer *w, const struct index_record *c)
{
	put_cert(a, w, c);
	api_put_texts(w, "subject", c->credential->subject);
	json_put_time(w, "created_at", c->credential->created_at);
	json_put_int(w, "lifetime", c->credential->lifetime);
	json_put_bool(w, "new_key", c->credential->new_key);
	export_put(a, w, c);
	json_put_int(w, "stale_after", c->credential->stale_after);
	api_put_generations(a, w, c);
	json_put_array(w, "nodes");
	api_put_serving(a, w, c);
	json_put_end(w);
	api_put_checks(a, w, c);
	api_put_exposed(a, w, c, NULL);
}

static void
put_with_health(const struct api *a, struct json_writer *w, const struct generation_public *g)
{
	put_whole(a, w, index_of_kind(a->p.index, KIND_CREDENTIAL, &g->credential));
	api_put_chain_health(a, w, "chain_health", g, false);
}

void
handle_cert(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *c = api_find_cert(a, req), *active;
	struct api_reply r;

	if (c == NULL)
		return;
	active = index_active(a->p.index, c);
	if (active != NULL && httpd_query(req, "health") != NULL) {
		api_fetch_generation(a, req, &active->id, put_with_health);
		return;
	}
	api_begin(&r);
	put_whole(a, &r.w, c);
	api_send(req, &r);
}

/* ------------------------------------------------------------------------- changes */

struct add_body {
	char *name, *key_type, *ca;
	struct json_texts names, access, subject;
	bool has_access, has_issuer, has_new_key, new_key, draft, exportable;
	struct export_body export;
	int issuer, profile;
	int64_t lifetime, renew_percent, stale_after;
};

/* What can be asked for here; the other issuers come with their flows. */
static const char *const issuers[] = {"micro", "manual", NULL};
static const enum issuer_type issuer_types[] = {ISSUER_MICRO, ISSUER_MANUAL};
static const char *const profiles[] = {"server", "client", "both", "smime", NULL};

static const struct json_field add_fields[] = {
    {.name = "names",
	.kind = JSON_TEXTS,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct add_body, names),
	.min = 1,
	.max = LIMIT_NAMES},
    {.name = "name",
	.kind = JSON_TEXT,
	.offset = offsetof(struct add_body, name),
	.min = 1,
	.max = LIMIT_NAME},
    {.name = "key_type",
	.kind = JSON_TEXT,
	.offset = offsetof(struct add_body, key_type),
	.min = 1,
	.max = 32},
    {.name = "issuer",
	.kind = JSON_CHOICE,
	.offset = offsetof(struct add_body, issuer),
	.choices = issuers,
	.given = offsetof(struct add_body, has_issuer)},
    {.name = "ca",
	.kind = JSON_TEXT,
	.offset = offsetof(struct add_body, ca),
	.min = 1,
	.max = LIMIT_NAME},
    {.name = "access",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct add_body, access),
	.min = 0,
	.max = LIMIT_ACCESS,
	.given = offsetof(struct add_body, has_access)},
    {.name = "lifetime",
	.kind = JSON_DURATION,
	.offset = offsetof(struct add_body, lifetime),
	.min = FLOW_LIFETIME_LEAST,
	.max = FLOW_LIFETIME_MOST},
    {.name = "renew_percent",
	.kind = JSON_INT,
	.offset = offsetof(struct add_body, renew_percent),
	.min = 1,
	.max = 95},
    {.name = "new_key",
	.kind = JSON_BOOL,
	.offset = offsetof(struct add_body, new_key),
	.given = offsetof(struct add_body, has_new_key)},
    {.name = "draft", .kind = JSON_BOOL, .offset = offsetof(struct add_body, draft)},
    {.name = "exportable", .kind = JSON_BOOL, .offset = offsetof(struct add_body, exportable)},
    EXPORT_FIELD(struct add_body),
    {.name = "subject",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct add_body, subject),
	.min = 0,
	.max = SUBJECT_PARTS_MAX},
    {.name = "profile",
	.kind = JSON_CHOICE,
	.offset = offsetof(struct add_body, profile),
	.choices = profiles},
    {.name = "stale_after",
	.kind = JSON_DURATION,
	.offset = offsetof(struct add_body, stale_after),
	.min = 60,
	.max = FLOW_LIFETIME_MOST},
};

void
handle_cert_add(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct add_body b = {0};
	struct export_wanted export = {.bytes = NULL};
	struct err err;
	int r = api_decode(req, add_fields, ARRAY_LEN(add_fields), &b, &err);

	if (r == 0)
		r = export_decode(&b.export, &export, &err);
	if (r == 0) {
		struct credential_spec spec = {.name = b.name,
		    .names = api_texts(&b.names),
		    .key_type = b.key_type,
		    .issuer = issuer_types[b.issuer],
		    .ca = b.ca,
		    .subject = api_texts(&b.subject),
		    .profile = profiles[b.profile],
		    .draft = b.draft,
		    .has_access = b.has_access,
		    .access = api_texts(&b.access),
		    .lifetime = b.lifetime,
		    .fraction_percent = (uint32_t)b.renew_percent,
		    .new_key = b.new_key,
		    .usual_issuer = !b.has_issuer,
		    .usual_new_key = !b.has_new_key,
		    .stale_after = b.stale_after,
		    .exportable = b.exportable,
		    .export = export_of(&export),
		    .author = api_author(req)};

		r = flow_credential_add(a->p.flow, &spec, answer_on_flow, op, &err);
	}
	json_release(add_fields, ARRAY_LEN(add_fields), &b);
	export_wanted_fini(&export);
	answer_started(op, r, &err);
}

struct renew_body {
	bool new_key;
	struct export_body export;
};

static const struct json_field renew_fields[] = {
    {.name = "new_key", .kind = JSON_BOOL, .offset = offsetof(struct renew_body, new_key)},
    EXPORT_FIELD(struct renew_body),
};

typedef int make_fn(struct flow *f, const char *name, bool new_key, const char *author,
    flow_done_cb *done, void *arg, struct err *err);
typedef int make_exportable_fn(struct flow *f, const char *name, const struct flow_export *export,
    const char *author, flow_done_cb *done, void *arg, struct err *err);

static void
start_make(struct httpd_request *req, void *arg, make_fn *make, make_exportable_fn *exportable)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct export_wanted export = {.bytes = NULL};
	const char *name = httpd_param(req, "name"), *author = api_author(req);
	struct renew_body b = {.new_key = false};
	struct err err;
	int r = api_decode(req, renew_fields, ARRAY_LEN(renew_fields), &b, &err);

	if (r == 0)
		r = export_decode(&b.export, &export, &err);
	if (r == 0 && export_of(&export) != NULL)
		r = exportable(
		    a->p.flow, name, export_of(&export), author, answer_on_flow, op, &err);
	else if (r == 0)
		r = make(a->p.flow, name, b.new_key, author, answer_on_flow, op, &err);
	json_release(renew_fields, ARRAY_LEN(renew_fields), &b);
	export_wanted_fini(&export);
	answer_started(op, r, &err);
}

void
handle_cert_renew(struct httpd_request *req, void *arg)
{
	start_make(req, arg, flow_credential_renew, flow_credential_renew_exportable);
}

void
handle_cert_submit(struct httpd_request *req, void *arg)
{
	start_make(req, arg, flow_credential_submit, flow_credential_submit_exportable);
}

struct change_body {
	struct json_texts add, remove;
	bool keep_key;
};

static const struct json_field change_fields[] = {
    {.name = "add",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct change_body, add),
	.min = 0,
	.max = LIMIT_ACCESS},
    {.name = "remove",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct change_body, remove),
	.min = 0,
	.max = LIMIT_ACCESS},
    {.name = "keep_key", .kind = JSON_BOOL, .offset = offsetof(struct change_body, keep_key)},
};

void
handle_cert_access(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct change_body b = {0};
	struct err err;
	int r = api_decode(req, change_fields, ARRAY_LEN(change_fields), &b, &err);

	if (r == 0 && b.add.count + b.remove.count == 0)
		r = err_set(&err, ERR_INVALID, "neither 'add' nor 'remove' names anybody");
	if (r == 0) {
		struct access_change change = {.name = httpd_param(req, "name"),
		    .add = api_texts(&b.add),
		    .remove = api_texts(&b.remove),
		    .keep_key = b.keep_key,
		    .author = api_author(req)};

		r = flow_credential_access(a->p.flow, &change, answer_on_flow, op, &err);
	}
	json_release(change_fields, ARRAY_LEN(change_fields), &b);
	answer_started(op, r, &err);
}

struct archive_body {
	bool archived;
};

static const struct json_field archive_fields[] = {
    {.name = "archived", .kind = JSON_BOOL, .offset = offsetof(struct archive_body, archived)},
};

void
handle_cert_archive(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct archive_body b = {true};
	struct err err;
	int r = api_decode(req, archive_fields, ARRAY_LEN(archive_fields), &b, &err);

	if (r == 0)
		r = flow_credential_archive(a->p.flow, httpd_param(req, "name"), b.archived,
		    api_author(req), answer_on_flow, op, &err);
	answer_started(op, r, &err);
}

void
handle_cert_delete(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct err err;

	answer_started(op,
	    flow_credential_delete(
		a->p.flow, httpd_param(req, "name"), api_author(req), answer_on_flow, op, &err),
	    &err);
}
