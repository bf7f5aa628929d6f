/* Trusted roots and intermediates. */

#include "common/crypto/cert.h"
#include "server/api/api_priv.h"

#include <string.h>

static void
put_name(struct json_writer *w, const char *member, const struct cert *c,
    void (*put)(const struct cert *c, struct buf *out))
{
	struct buf text = BUF_INIT(64 * 1024);

	put(c, &text);
	json_put_span(w, member, buf_span(&text));
	buf_fini(&text);
}

void
api_put_facts(struct json_writer *w, const struct cert *c)
{
	struct hash fingerprint;

	cert_fingerprint(c, &fingerprint);
	put_name(w, "subject", c, cert_put_subject);
	put_name(w, "issuer", c, cert_put_issuer);
	json_put_time(w, "not_before", cert_not_before(c));
	json_put_time(w, "not_after", cert_not_after(c));
	api_put_hash(w, "fingerprint", &fingerprint);
}

static void
put_pem(struct json_writer *w, struct span der)
{
	struct buf pem = BUF_INIT(LIMIT_PEM_FILE);

	cert_put_pem(der, &pem);
	json_put_span(w, "certificate", buf_span(&pem));
	buf_fini(&pem);
}

/* --- lists --- */

static void
put_root(struct json_writer *w, const struct index_record *r, bool pem)
{
	const struct index_root *root = r->root;

	api_put_id(w, "id", &r->id);
	json_put_text(w, "label", root->label);
	json_put_array(w, "categories");
	for (uint32_t bit = 1; bit <= TRUST__ALL; bit <<= 1)
		if ((root->categories & bit) != 0)
			json_put_text(w, NULL, trust_category_name(bit));
	json_put_end(w);
	if (root->cert == NULL)
		return;
	api_put_facts(w, root->cert);
	if (pem)
		put_pem(w, cert_der(root->cert));
}

struct list {
	struct api_reply *r;
	uint32_t categories;
	bool pem, more;
};

static bool
put_one(void *arg, const struct index_record *r)
{
	struct list *l = arg;

	if ((r->root->categories & l->categories) == 0)
		return true;
	l->more = l->r->body.len >= API_PAGE_BYTES;
	if (l->more)
		return false;
	json_put_object(&l->r->w, NULL);
	put_root(&l->r->w, r, l->pem);
	json_put_end(&l->r->w);
	return true;
}

static int
read_category(const char *text, uint32_t *out, struct err *err)
{
	*out = trust_category_parse(text);
	if (*out != 0)
		return 0;
	return err_set(err, ERR_INVALID,
	    "category '%.60s': it is one of completion, client, outgoing, intermediate", text);
}

void
handle_trust(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const char *category = httpd_query(req, "category");
	struct list list = {.categories = TRUST__ALL, .pem = httpd_query(req, "pem") != NULL};
	struct api_reply r;
	struct err err;

	if (category != NULL && *category != '\0' &&
	    read_category(category, &list.categories, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	api_begin(&r);
	list.r = &r;
	json_put_array(&r.w, "trust");
	index_each(a->p.index, KIND_TRUSTED_ROOT, put_one, &list);
	json_put_end(&r.w);
	json_put_bool(&r.w, "more", list.more);
	api_send(req, &r);
}

void
handle_trust_one(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *root;
	struct api_reply r;
	struct err err;

	if (index_root_find(a->p.index, httpd_param(req, "name"), &root, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	api_begin(&r);
	put_root(&r.w, root, true);
	api_send(req, &r);
}

/* --- changes --- */

struct trust_body {
	struct json_texts certificates, categories;
	char *label;
};

static const struct json_field trust_fields[] = {
    {.name = "certificates",
	.kind = JSON_TEXTS,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct trust_body, certificates),
	.min = 1,
	.max = FLOW_PASTE_MOST},
    {.name = "categories",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct trust_body, categories),
	.min = 0,
	.max = 4},
    {.name = "label",
	.kind = JSON_TEXT,
	.offset = offsetof(struct trust_body, label),
	.min = 1,
	.max = LIMIT_NAME},
};

static void
on_trusted(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct api_reply r;
	struct httpd_request *req = answer_begin(arg, status, err, &r);

	if (req == NULL)
		return;
	json_put_text(&r.w, "fingerprint", result->name);
	json_put_uint(&r.w, "written", result->generation);
	json_put_bool(&r.w, "unchanged", result->unchanged);
	api_put_commit(&r.w, &result->commit, result->warnings);
	api_send(req, &r);
}

void
handle_trust_add(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct api_ders ders = {NULL, NULL, 0};
	struct trust_body b = {0};
	struct trust_spec spec = {.author = api_author(req)};
	struct err err;
	int r = api_decode(req, trust_fields, ARRAY_LEN(trust_fields), &b, &err);

	for (size_t i = 0; r == 0 && i < b.categories.count; i++) {
		uint32_t one = 0;

		r = read_category(b.categories.items[i], &one, &err);
		spec.categories |= one;
	}
	if (r == 0)
		r = api_decode_ders(&b.certificates, &ders, &err);
	if (r == 0) {
		spec.certificates = (struct spans){ders.items, ders.count};
		spec.label = b.label;
		r = flow_trust_add(a->p.flow, &spec, on_trusted, op, &err);
	}
	json_release(trust_fields, ARRAY_LEN(trust_fields), &b);
	api_ders_fini(&ders);
	answer_started(op, r, &err);
}

void
handle_trust_remove(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct err err;

	answer_started(op,
	    flow_trust_remove(
		a->p.flow, httpd_param(req, "name"), api_author(req), answer_on_flow, op, &err),
	    &err);
}
