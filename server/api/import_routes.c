/* Keys and certificates from outside, many in one request, and what the command seals them to. */

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/wire/record_wire.h"
#include "server/api/export.h"

#define IMPORTS_MOST 200

/* ------------------------------------------------------------------------- managers */

static int
put_chain(const struct api *a, struct json_writer *w, struct err *err)
{
	struct buf bytes = BUF_INIT(LIMIT_RECORD);
	int r = 0;

	json_put_base64(w, "root", cert_der(trust_root(a->p.trust)));
	json_put_array(w, "designations");
	for (size_t i = 0; r == 0 && i < trust_designation_count(a->p.trust); i++) {
		buf_clear(&bytes);
		r = wire_signed_designation_encode(trust_designation(a->p.trust, i), &bytes, err);
		json_put_base64(w, NULL, buf_span(&bytes));
	}
	json_put_end(w);
	buf_fini(&bytes);
	return r;
}

/* All that is needed to believe the key, whoever has carried it. */
void
handle_managers(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *managers = index_managers(a->p.index);
	struct buf record = BUF_INIT(LIMIT_RECORD);
	struct api_reply r;
	struct err err;
	int rc = managers == NULL
	    ? err_set(&err, ERR_UNAVAIL, "the domain has no group of managers yet")
	    : wire_signed_encode(&managers->signed_record, &record, &err);

	if (rc == 0) {
		api_begin(&r);
		rc = put_chain(a, &r.w, &err);
		json_put_base64(&r.w, "group", buf_span(&record));
		if (rc == 0)
			api_send(req, &r);
		else
			buf_fini(&r.body);
	}
	buf_fini(&record);
	if (rc < 0)
		api_fail(req, &err);
}

/* ------------------------------------------------------------------------- imports */

struct import_body {
	char *name, *nonce, *sealed;
	struct json_texts certificates;
	bool replace;
	struct export_body export;
};

static const struct json_field import_fields[] = {
    {.name = "name",
	.kind = JSON_TEXT,
	.offset = offsetof(struct import_body, name),
	.min = 1,
	.max = LIMIT_NAME},
    {.name = "certificates",
	.kind = JSON_TEXTS,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct import_body, certificates),
	.min = 1,
	.max = FLOW_PASTE_MOST},
    {.name = "nonce",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct import_body, nonce),
	.min = 2 * ID_LEN,
	.max = 2 * ID_LEN},
    {.name = "sealed",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct import_body, sealed)},
    {.name = "replace", .kind = JSON_BOOL, .offset = offsetof(struct import_body, replace)},
    EXPORT_FIELD(struct import_body),
};

struct imports_body {
	struct json_list imports;
	struct json_texts access;
	bool has_access;
};

static const struct json_field imports_fields[] = {
    {.name = "imports",
	.kind = JSON_OBJECTS,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct imports_body, imports),
	.min = 1,
	.max = IMPORTS_MOST,
	.fields = import_fields,
	.field_count = ARRAY_LEN(import_fields),
	.size = sizeof(struct import_body)},
    {.name = "access",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct imports_body, access),
	.min = 0,
	.max = LIMIT_ACCESS,
	.given = offsetof(struct imports_body, has_access)},
};

/* One request: each of its imports is a mutation of its own, and ends on its own. */
struct import_batch;

struct import_item {
	struct import_batch *batch;
	struct buf result; /* an object of JSON */
};

struct import_batch {
	struct answer *answer;
	struct import_item *items;
	size_t count, left;
};

static void
put_failure(struct json_writer *w, const struct err *err)
{
	json_put_text(w, "result", "failed");
	json_put_object(w, "error");
	json_put_text(w, "code", err_name(err->code));
	json_put_text(w, "text", err->text);
	json_put_end(w);
}

static void
put_success(struct json_writer *w, const struct flow_result *result)
{
	json_put_text(w, "result", result->unchanged ? "unchanged" : "imported");
	api_put_id(w, "id", &result->id);
	json_put_text(w, "name", result->name);
	json_put_uint(w, "generation", result->generation);
	json_put_time(w, "not_after", result->not_after);
	if (result->unchanged)
		api_put_texts(w, "warnings", result->warnings);
	else
		api_put_commit(w, &result->commit, result->warnings);
}

static void
finish_batch(struct import_batch *b)
{
	struct httpd_request *req = answer_end(b->answer);
	struct api_reply r;

	if (req != NULL) {
		api_begin(&r);
		json_put_array(&r.w, "results");
		for (size_t i = 0; i < b->count; i++)
			json_put_raw(&r.w, NULL, buf_span(&b->items[i].result));
		json_put_end(&r.w);
		api_send(req, &r);
	}
	for (size_t i = 0; i < b->count; i++)
		buf_fini(&b->items[i].result);
	mem_free(b->items);
	mem_free(b);
}

static void
end_item(struct import_item *item, const struct flow_result *result, const struct err *err)
{
	struct json_writer w = JSON_WRITER(&item->result);
	struct import_batch *b = item->batch;

	json_put_object(&w, NULL);
	if (result != NULL)
		put_success(&w, result);
	else
		put_failure(&w, err);
	json_put_end(&w);
	b->left--;
}

static void
on_imported(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct import_item *item = arg;
	struct import_batch *b = item->batch;

	end_item(item, status == 0 ? result : NULL, err);
	if (b->left == 0)
		finish_batch(b);
}

static int
start_import(struct api *a, struct httpd_request *req, const struct imports_body *all,
    const struct import_body *one, struct import_item *item, struct err *err)
{
	struct credential_import spec = {.name = one->name,
	    .has_access = all->has_access,
	    .access = api_texts(&all->access),
	    .replace = one->replace,
	    .author = api_author(req)};
	struct buf sealed = BUF_INIT(LIMIT_SEALED);
	struct api_ders ders = {NULL, NULL, 0};
	struct export_wanted export = {.bytes = NULL};
	int r = id_parse(one->nonce, &spec.nonce, err);

	if (r == 0)
		r = export_decode(&one->export, &export, err);
	spec.export = export_of(&export);
	if (r == 0)
		r = base64_decode(span_str(one->sealed), &sealed, err);
	if (r == 0)
		r = api_decode_ders(&one->certificates, &ders, err);
	spec.certificates = (struct spans){ders.items, ders.count};
	spec.sealed = buf_span(&sealed);
	if (r == 0)
		r = flow_credential_import(a->p.flow, &spec, on_imported, item, err);
	buf_fini(&sealed);
	export_wanted_fini(&export);
	api_ders_fini(&ders);
	return r;
}

/* What cannot even be started has its result at once; the others come later, on the loop. */
static void
start_all(struct api *a, struct httpd_request *req, const struct imports_body *body,
    struct import_batch *b)
{
	const struct import_body *imports = body->imports.items;
	struct err err;

	for (size_t i = 0; i < b->count; i++) {
		struct import_item *item = &b->items[i];

		*item = (struct import_item){b, BUF_INIT(LIMIT_JSON_TEXT)};
		if (start_import(a, req, body, &imports[i], item, &err) < 0)
			end_item(item, NULL, &err);
	}
}

void
handle_imports(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct imports_body body = {0};
	struct import_batch *b;
	struct err err;

	if (api_decode(req, imports_fields, ARRAY_LEN(imports_fields), &body, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	b = mem_zalloc(sizeof(*b));
	b->answer = answer_new(a, req);
	b->count = b->left = body.imports.count;
	b->items = mem_array(b->count, sizeof(*b->items));
	start_all(a, req, &body, b);
	json_release(imports_fields, ARRAY_LEN(imports_fields), &body);
	if (b->left == 0)
		finish_batch(b);
	else
		answer_started(b->answer, 0, NULL);
}
