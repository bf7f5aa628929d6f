/* Who knows keys without having access to them, and how far it is that nobody serves these. */

#include "server/api/api_priv.h"

#include "server/flow/flow_exposed.h"
#include "server/evict/evict.h"

/* ------------------------------------------------------------------------- one exposure */

struct put_still {
	const struct api *api;
	struct json_writer *w;
	bool silent; /* which of them are written now */
};

static void
put_still(void *arg, const struct id *node, bool silent)
{
	const struct put_still *p = arg;
	char name[LIMIT_NAME + 2];

	if (silent == p->silent)
		json_put_text(p->w, NULL, index_access_name(p->api->p.index, node, name));
}

static void
put_exposure(const struct api *a, struct json_writer *w, const struct index_record *c,
    const struct exposure *x)
{
	struct put_still still = {.api = a, .w = w};
	const struct index_record *active = index_active(a->p.index, c);
	struct evict_view v;

	json_put_object(w, NULL);
	json_put_text(w, "cert", c->name);
	if (id_is_zero(&x->node))
		json_put_bool(w, "others", true);
	else
		json_put_text(w, "node", x->name);
	json_put_bool(w, "member", index_of_kind(a->p.index, KIND_NODE, &x->node) != NULL);
	json_put_time(w, "since", x->since);
	json_put_text(w, "why", exposure_why_name(x->why));
	json_put_bool(w, "new_key", x->replace);
	api_put_hash(w, "key", &x->key);
	json_put_bool(
	    w, "in_force", active != NULL && hash_equal(&active->generation->key, &x->key));
	json_put_array(w, "served_by");
	v = evict_judge(a->p.evict, c, x, put_still, &still);
	json_put_end(w);
	json_put_array(w, "not_heard");
	still.silent = true;
	(void)evict_judge(a->p.evict, c, x, put_still, &still);
	json_put_end(w);
	json_put_text(w, "state", evict_state_name(v.state));
	if (v.trouble != NULL)
		json_put_text(w, "trouble", v.trouble);
	json_put_end(w);
}

/* Those of a credential; node NULL: all of them. */
static void
put_of(const struct api *a, struct json_writer *w, const struct index_record *c, const char *node)
{
	struct exposures all = c->credential->exposed;
	const struct index_record *r = NULL;

	if (all.count > 0 && node != NULL)
		r = index_named(a->p.index, KIND_NODE, node);
	for (size_t i = 0; i < all.count; i++)
		if (node == NULL || exposure_is_of(&all.items[i], r != NULL ? &r->id : NULL, node))
			put_exposure(a, w, c, &all.items[i]);
}

void
api_put_exposed(
    const struct api *a, struct json_writer *w, const struct index_record *c, const char *node)
{
	json_put_array(w, "exposed");
	put_of(a, w, c, node);
	json_put_end(w);
}

/* ------------------------------------------------------------------------- all of them */

/* Whole credentials, until the page is full; returns the name of the last one then. */
static const char *
put_page(const struct api *a, struct api_reply *r, const char *after, const char *node)
{
	const struct index_record *page[64];
	bool more = true;

	while (more) {
		size_t n =
		    index_list(a->p.index, KIND_CREDENTIAL, after, page, ARRAY_LEN(page), &more);

		for (size_t i = 0; i < n; i++) {
			put_of(a, &r->w, page[i], node);
			if (r->body.len > API_PAGE_BYTES)
				return page[i]->name;
		}
		if (n == 0)
			break;
		after = page[n - 1]->name;
	}
	return NULL;
}

void
handle_exposures(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const char *node = httpd_query(req, "node"), *last;
	struct api_reply r;

	api_begin(&r);
	json_put_array(&r.w, "exposures");
	last =
	    put_page(a, &r, httpd_query(req, "after"), node != NULL && *node != '\0' ? node : NULL);
	json_put_end(&r.w);
	if (last != NULL)
		json_put_text(&r.w, "after", last);
	json_put_bool(&r.w, "more", last != NULL);
	api_send(req, &r);
}

struct expose_body {
	char *node;
};

static const struct json_field expose_fields[] = {
    {.name = "node",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct expose_body, node),
	.min = 1,
	.max = LIMIT_LABEL},
};

static void
on_exposed(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct api_reply r;
	struct httpd_request *req = answer_begin(arg, status, err, &r);

	if (req == NULL)
		return;
	json_put_text(&r.w, "node", result->name);
	json_put_uint(&r.w, "changed", result->generation);
	if (result->commit.durability != NULL)
		api_put_commit(&r.w, &result->commit, result->warnings);
	else
		api_put_texts(&r.w, "warnings", result->warnings);
	api_send(req, &r);
}

void
handle_expose(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct expose_body b = {NULL};
	struct err err;
	int r = api_decode(req, expose_fields, ARRAY_LEN(expose_fields), &b, &err);

	if (r == 0) {
		const struct expose_spec spec = {
		    .node = b.node, .why = EXPOSED_ASKED, .author = api_author(req)};

		r = flow_expose(a->p.flow, &spec, on_exposed, op, &err);
	}
	json_release(expose_fields, ARRAY_LEN(expose_fields), &b);
	answer_started(op, r, &err);
}
