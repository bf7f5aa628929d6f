/* Exportable keys: the password that comes with a new one, and giving one out. */

#include "common/base/str.h"
#include "common/wire/public_wire.h"
#include "server/api/export.h"

/* ------------------------------------------------------------------------- with a new key */

const struct json_field export_fields[EXPORT_FIELDS] = {
    {.name = "generation",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct export_body, generation),
	.min = 2 * ID_LEN,
	.max = 2 * ID_LEN},
    {.name = "credential",
	.kind = JSON_TEXT,
	.offset = offsetof(struct export_body, credential),
	.min = 2 * ID_LEN,
	.max = 2 * ID_LEN},
    {.name = "password",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct export_body, password)},
};

int
export_decode(const struct export_body *b, struct export_wanted *out, struct err *err)
{
	struct export_wanted w = {.bytes = NULL};
	int r;

	if (!b->given) {
		*out = w;
		return 0;
	}
	w.bytes = buf_new(LIMIT_SEALED);
	r = id_parse(b->generation, &w.export.generation, err);
	if (r == 0 && b->credential != NULL)
		r = id_parse(b->credential, &w.export.credential, err);
	if (r == 0)
		r = base64_decode(span_str(b->password), w.bytes, err);
	w.export.password = buf_span(w.bytes);
	if (r == 0 && w.export.password.len == 0)
		r = err_set(err, ERR_INVALID, "no export password is sealed there");
	if (r < 0) {
		buf_free(w.bytes);
		return err_wrap(err, "member 'export'");
	}
	*out = w;
	return 0;
}

void
export_wanted_fini(struct export_wanted *w)
{
	buf_free(w->bytes);
	*w = (struct export_wanted){.bytes = NULL};
}

const struct flow_export *
export_of(const struct export_wanted *w)
{
	return w->bytes != NULL ? &w->export : NULL;
}

/* ------------------------------------------------------------------------- what is said of it */

void
export_put(const struct api *a, struct json_writer *w, const struct index_record *c)
{
	const struct index_record *active = index_active(a->p.index, c);
	const struct index_record *x = active != NULL ? index_export_key(a->p.index, active) : NULL;

	if (x != NULL) {
		json_put_object(w, "export_key");
		api_put_id(w, "id", &x->id);
		api_put_hash(w, "key", &active->generation->key);
		json_put_time(w, "made_at", x->export_key->made_at);
		json_put_end(w);
	} else {
		json_put_null(w, "export_key");
	}
	json_put_time(w, "exported_at", c->credential->exported_at);
	json_put_uint(w, "export_refusals", c->credential->export_refusals);
}

/* ------------------------------------------------------------------------- giving one out */

struct ask_body {
	char *export_key, *nonce, *password;
};

static const struct json_field ask_fields[] = {
    {.name = "export_key",
	.kind = JSON_TEXT,
	.offset = offsetof(struct ask_body, export_key),
	.min = 2 * ID_LEN,
	.max = 2 * ID_LEN},
    {.name = "nonce",
	.kind = JSON_TEXT,
	.offset = offsetof(struct ask_body, nonce),
	.min = 2 * ID_LEN,
	.max = 2 * ID_LEN},
    {.name = "password", .kind = JSON_TEXT, .offset = offsetof(struct ask_body, password)},
};

/* The answer, which waits for the chain of the generation. */
struct giving {
	struct answer *answer;
	struct api_reply reply;
};

static void
on_generation(void *arg, int status, const struct record *record, struct signed_bytes signed_record,
    const struct err *err)
{
	struct giving *g = arg;
	struct httpd_request *req = answer_end(g->answer);
	struct generation_public p = {0};
	struct err why = {0};

	(void)signed_record;
	if (status < 0)
		why = *err;
	if (status == 0)
		status = wire_generation_public_decode(record->public_part, &p, &why);
	if (req != NULL && status < 0) {
		api_fail(req, &why);
	} else if (req != NULL) {
		json_put_array(&g->reply.w, "certificates");
		for (size_t i = 0; i < p.chain.count; i++)
			json_put_base64(&g->reply.w, NULL, p.chain.items[i]);
		json_put_end(&g->reply.w);
		api_send(req, &g->reply);
	}
	generation_public_fini(&p);
	buf_fini(&g->reply.body);
	mem_free(g);
}

static void
on_exported(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct giving *g = arg;
	struct json_writer *w = &g->reply.w;
	struct httpd_request *req;

	/* Whoever has gone is not waited for, and neither is an API that has ended. */
	if (status < 0 || g->answer->req == NULL) {
		req = answer_end(g->answer);
		if (req != NULL)
			api_fail(req, err);
		mem_free(g);
		return;
	}
	api_begin(&g->reply);
	api_put_id(w, "id", &result->id);
	json_put_text(w, "name", result->name);
	json_put_uint(w, "generation", result->generation);
	json_put_time(w, "not_after", result->not_after);
	if (result->exported.len > 0)
		json_put_base64(w, "exported", result->exported);
	api_put_commit(w, &result->commit, result->warnings);
	index_fetch(g->answer->api->p.index, &result->generation_id, on_generation, g);
}

static int
start_export(struct api *a, struct httpd_request *req, const struct ask_body *b, struct giving *g,
    struct err *err)
{
	struct export_spec spec = {.name = httpd_param(req, "name"), .author = api_author(req)};
	AUTO(buf_freep)
	struct buf *password = buf_new(LIMIT_SEALED);
	int r = 0;

	if ((b->export_key == NULL) != (b->password == NULL) ||
	    (b->nonce == NULL) != (b->password == NULL))
		return err_set(err, ERR_INVALID,
		    "a key needs the members export_key, nonce and password; the chain alone none "
		    "of them");
	if (b->password != NULL) {
		r = id_parse(b->export_key, &spec.export_key, err);
		if (r == 0)
			r = id_parse(b->nonce, &spec.nonce, err);
		if (r == 0)
			r = base64_decode(span_str(b->password), password, err);
		if (r == 0 && password->len == 0)
			r = err_set(err, ERR_INVALID, "no password is sealed in 'password'");
		spec.password = buf_span(password);
	}
	return r < 0 ? r : flow_credential_export(a->p.flow, &spec, on_exported, g, err);
}

void
handle_cert_export(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct giving *g = mem_zalloc(sizeof(*g));
	struct ask_body b = {NULL, NULL, NULL};
	struct err err;
	int r = api_decode(req, ask_fields, ARRAY_LEN(ask_fields), &b, &err);

	g->answer = answer_new(a, req);
	if (r == 0)
		r = start_export(a, req, &b, g, &err);
	json_release(ask_fields, ARRAY_LEN(ask_fields), &b);
	answer_started(g->answer, r, &err);
	if (r < 0)
		mem_free(g);
}
