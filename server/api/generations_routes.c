/* Generations of a credential: what there is, and what becomes of an older one. */

#include "common/base/num.h"
#include "common/base/runtime.h"
#include "server/api/api_priv.h"

#include "common/model/pki.h"

struct put_arg {
	const struct api *api;
	struct json_writer *w;
};

static bool
put_generation(void *arg, const struct index_record *r)
{
	const struct put_arg *p = arg;
	const struct index_generation *g = r->generation;
	const struct generation_marks facts = index_generation_marks(p->api->p.index, r);
	const struct index_record *c =
	    index_of_kind(p->api->p.index, KIND_CREDENTIAL, &g->credential);
	bool at_once;

	json_put_object(p->w, NULL);
	api_put_id(p->w, "id", &r->id);
	json_put_uint(p->w, "number", g->number);
	json_put_bool(p->w, "active", facts.active);
	json_put_text(p->w, "state",
	    generation_shown_name(generation_state_at(&facts, runtime_wall_s(p->api->rt))));
	api_put_texts(p->w, "names", g->names);
	json_put_text(p->w, "key_type", g->key_type);
	json_put_time(p->w, "not_before", g->not_before);
	json_put_time(p->w, "not_after", g->not_after);
	json_put_time(p->w, "activated_at", g->activated_at_ms / 1000);
	json_put_time(p->w, "kept_until", generation_kept_until(&facts));
	if (!g->waits)
		api_put_hash(p->w, "fingerprint", &g->fingerprint);
	api_put_hash(p->w, "key", &g->key);
	json_put_bool(p->w, "archived", g->archived);
	json_put_bool(p->w, "revoked", g->revoked);
	if (g->revoked) {
		json_put_time(p->w, "revoked_at", g->revoked_at);
		json_put_text(p->w, "reason", revocation_reason_name(g->reason));
	}
	json_put_bool(p->w, "withdrawn", facts.withdrawn);
	json_put_bool(p->w, "waits", g->waits);
	if (c != NULL && flow_is_retiring(p->api->p.index, c, &r->id, &at_once))
		json_put_text(p->w, "retires", at_once ? "when-replaced" : "when-served");
	json_put_end(p->w);
	return true;
}

void
api_put_generations(const struct api *a, struct json_writer *w, const struct index_record *c)
{
	struct put_arg put = {a, w};

	json_put_array(w, "generations");
	index_generations(a->p.index, &c->id, put_generation, &put);
	json_put_end(w);
}

void
handle_generations(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *c = api_find_cert(a, req);
	struct api_reply r;

	if (c == NULL)
		return;
	api_begin(&r);
	json_put_text(&r.w, "name", c->name);
	api_put_generations(a, &r.w, c);
	api_send(req, &r);
}

typedef int numbered_fn(struct flow *f, const char *name, uint64_t number, const char *author,
    flow_done_cb *done, void *arg, struct err *err);

static void
start_numbered(struct httpd_request *req, void *arg, numbered_fn *start)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	const char *text = httpd_param(req, "number");
	uint64_t number = 0;
	struct err err;
	int r = num_parse_u64(text, 1, UINT32_MAX, &number, NULL);

	if (r < 0)
		r = err_set(&err, ERR_INVALID,
		    "'%.40s' is no number of a generation: they count from 1", text);
	if (r == 0)
		r = start(a->p.flow, httpd_param(req, "name"), number, api_author(req),
		    answer_on_flow, op, &err);
	answer_started(op, r, &err);
}

void
handle_generation_activate(struct httpd_request *req, void *arg)
{
	start_numbered(req, arg, flow_generation_activate);
}

void
handle_generation_archive(struct httpd_request *req, void *arg)
{
	start_numbered(req, arg, flow_generation_archive);
}
