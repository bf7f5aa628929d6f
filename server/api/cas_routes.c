#include "server/api/api_priv.h"

#include "common/crypto/cert.h"

#include <string.h>

static void
put_ca(const struct api *a, struct json_writer *w, const struct index_record *r)
{
	AUTO(cert_unrefp)
	struct cert *cert = NULL;
	const struct index_record *chosen = index_default_ca(a->p.index);
	struct hash fingerprint;

	api_put_id(w, "id", &r->id);
	json_put_text(w, "name", r->name);
	json_put_text(w, "key_type", r->ca->key_type);
	json_put_text(w, "state", r->ca->enabled ? "enabled" : "disabled");
	json_put_bool(w, "default", chosen != NULL && id_equal(&chosen->id, &r->id));
	json_put_time(w, "not_after", r->ca->not_after);
	if (r->ca->chain.count > 0 && cert_parse(r->ca->chain.items[0], &cert, NULL) == 0) {
		cert_fingerprint(cert, &fingerprint);
		api_put_hash(w, "fingerprint", &fingerprint);
	}
}

struct list {
	const struct api *api;
	struct api_reply *r;
};

static bool
put_one(void *arg, const struct index_record *r)
{
	struct list *l = arg;

	json_put_object(&l->r->w, NULL);
	put_ca(l->api, &l->r->w, r);
	json_put_end(&l->r->w);
	return l->r->body.len < API_PAGE_BYTES;
}

void
handle_cas(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct api_reply r;
	struct list list = {a, &r};

	api_begin(&r);
	json_put_array(&r.w, "cas");
	index_each(a->p.index, KIND_CA, put_one, &list);
	json_put_end(&r.w);
	api_send(req, &r);
}

void
handle_ca(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const char *name = httpd_param(req, "name");
	const struct index_record *ca = index_named(a->p.index, KIND_CA, name);
	struct buf pem = BUF_INIT(LIMIT_PEM_FILE);
	struct api_reply r;
	struct err err;

	if (ca == NULL) {
		err_set(&err, ERR_NOTFOUND, "there is no Micro CA '%.100s'", name);
		api_fail(req, &err);
		return;
	}
	for (size_t i = 0; i < ca->ca->chain.count; i++)
		cert_put_pem(ca->ca->chain.items[i], &pem);
	api_begin(&r);
	put_ca(a, &r.w, ca);
	json_put_span(&r.w, "certificate", buf_span(&pem));
	api_send(req, &r);
	buf_fini(&pem);
}

struct ca_body {
	char *name, *key_type;
	int64_t lifetime;
	bool is_default;
};

static const struct json_field ca_fields[] = {
    {.name = "name",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct ca_body, name),
	.min = 1,
	.max = 64},
    {.name = "key_type",
	.kind = JSON_TEXT,
	.offset = offsetof(struct ca_body, key_type),
	.min = 1,
	.max = 32},
    {.name = "lifetime",
	.kind = JSON_DURATION,
	.offset = offsetof(struct ca_body, lifetime),
	.min = 86400,
	.max = 30 * 365 * INT64_C(86400)},
    {.name = "default", .kind = JSON_BOOL, .offset = offsetof(struct ca_body, is_default)},
};

void
handle_ca_create(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct ca_body b = {0};
	struct err err;
	int r = api_decode(req, ca_fields, ARRAY_LEN(ca_fields), &b, &err);

	if (r == 0) {
		struct ca_spec spec = {.name = b.name,
		    .key_type = b.key_type,
		    .lifetime = b.lifetime,
		    .is_default = b.is_default,
		    .author = api_author(req)};

		r = flow_ca_create(a->p.flow, &spec, answer_on_flow, op, &err);
	}
	json_release(ca_fields, ARRAY_LEN(ca_fields), &b);
	answer_started(op, r, &err);
}
