/* Generations that are fetched for an answer: their chains, what is to be said of them, completing.
 */

#include "common/base/runtime.h"
#include "common/chain/chain.h"
#include "common/crypto/cert.h"
#include "common/wire/public_wire.h"
#include "server/api/api_priv.h"

void
api_put_chain_health(const struct api *a, struct json_writer *w, const char *member,
    const struct generation_public *g, bool with_certificates)
{
	struct chain_health h;
	struct err err;

	if (flow_chain_judge(a->p.index, runtime_wall_s(a->rt), g, &h, &err) < 0) {
		json_put_null(w, member);
		return;
	}
	json_put_object(w, member);
	json_put_text(w, "grade", chain_grade_name(h.stored.grade));
	json_put_bool(w, "can_complete", h.can_complete);
	json_put_array(w, "reasons");
	for (size_t i = 0; i < h.stored.reason_count; i++) {
		const struct chain_reason *r = &h.stored.reasons[i];

		json_put_object(w, NULL);
		json_put_text(w, "code", chain_code_name(r->code));
		json_put_text(w, "grade", chain_grade_name(chain_code_grade(r->code)));
		json_put_text(w, "text", r->text);
		json_put_end(w);
	}
	json_put_end(w);
	json_put_end(w);
	if (with_certificates) {
		json_put_array(w, "certificates");
		for (size_t i = 0; i < h.stored.count; i++) {
			json_put_object(w, NULL);
			api_put_facts(w, h.stored.path[i]);
			json_put_bool(w, "stored", i < g->chain.count);
			json_put_end(w);
		}
		json_put_end(w);
	}
	chain_health_fini(&h);
}

struct fetching {
	struct answer *answer;
	api_generation_cb *put;
};

static void
on_generation_fetched(void *arg, int status, const struct record *record,
    struct signed_bytes signed_record, const struct err *err)
{
	struct fetching *f = arg;
	api_generation_cb *put = f->put;
	const struct api *a = f->answer->api;
	struct httpd_request *req = answer_end(f->answer);
	struct generation_public g = {0};
	struct err bad;
	struct api_reply r;

	(void)signed_record;
	mem_free(f);
	if (req == NULL)
		return;
	if (status < 0) {
		api_fail(req, err);
		return;
	}
	if (wire_generation_public_decode(record->public_part, &g, &bad) < 0) {
		api_fail(req, &bad);
		return;
	}
	/* Without its credential nobody waits for it any more. */
	if (index_of_kind(a->p.index, KIND_CREDENTIAL, &g.credential) == NULL) {
		err_set(&bad, ERR_NOTFOUND, "the credential has been removed meanwhile");
		api_fail(req, &bad);
	} else {
		api_begin(&r);
		put(a, &r.w, &g);
		api_send(req, &r);
	}
	generation_public_fini(&g);
}

void
api_fetch_generation(
    struct api *a, struct httpd_request *req, const struct id *id, api_generation_cb *answer)
{
	struct fetching *f = mem_zalloc(sizeof(*f));

	*f = (struct fetching){answer_new(a, req), answer};
	answer_started(f->answer, 0, NULL);
	index_fetch(a->p.index, id, on_generation_fetched, f);
}

static void
put_chain(const struct api *a, struct json_writer *w, const struct generation_public *g)
{
	struct buf pem = BUF_INIT(LIMIT_PEM_FILE);

	json_put_uint(w, "generation", g->number);
	for (size_t i = 0; i < g->chain.count; i++)
		cert_put_pem(g->chain.items[i], &pem);
	json_put_span(w, "chain", buf_span(&pem));
	buf_fini(&pem);
	api_put_chain_health(a, w, "health", g, true);
}

void
handle_cert_chain(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *c = api_find_cert(a, req), *active;
	struct err err;

	if (c == NULL)
		return;
	active = index_active(a->p.index, c);
	if (active == NULL) {
		err_set(&err, ERR_NOTFOUND, "credential '%.200s' has no certificate yet", c->name);
		api_fail(req, &err);
		return;
	}
	api_fetch_generation(a, req, &active->id, put_chain);
}

void
handle_cert_complete(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct err err;

	answer_started(op,
	    flow_credential_complete(
		a->p.flow, httpd_param(req, "name"), api_author(req), answer_on_flow, op, &err),
	    &err);
}

struct prefer_body {
	char *root;
};

static const struct json_field prefer_fields[] = {
    {.name = "root",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct prefer_body, root),
	.min = 0,
	.max = LIMIT_NAME},
};

void
handle_cert_prefer_root(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct prefer_body b = {NULL};
	struct err err;
	int r = api_decode(req, prefer_fields, ARRAY_LEN(prefer_fields), &b, &err);

	if (r == 0)
		r = flow_credential_prefer_root(a->p.flow, httpd_param(req, "name"), b.root,
		    api_author(req), answer_on_flow, op, &err);
	json_release(prefer_fields, ARRAY_LEN(prefer_fields), &b);
	answer_started(op, r, &err);
}
