#include "server/api/api_priv.h"

#include "common/base/runtime.h"
#include "common/base/str.h"
#include "common/model/names.h"
#include "server/publish/publish.h"

#include <string.h>

/* ------------------------------------------------------------------------- explain */

static void
put_candidate(const struct api *a, struct json_writer *w, const struct explained *e)
{
	(void)a;
	json_put_object(w, NULL);
	json_put_text(w, "cert", e->credential->name);
	json_put_text(w, "key_type",
	    e->generation != NULL ? e->generation->generation->key_type
				  : e->credential->credential->key_type);
	json_put_int(w, "stale_after", e->credential->credential->stale_after);
	json_put_text(w, "match", e->wildcard ? "wildcard" : "exact");
	json_put_bool(w, "serves", e->serves);
	if (e->generation != NULL) {
		json_put_uint(w, "generation", e->generation->generation->number);
		json_put_time(w, "not_after", e->generation->generation->not_after);
		api_put_hash(w, "fingerprint", &e->generation->generation->fingerprint);
	}
	json_put_text(w, "why",
	    e->serves                                      ? "it is the best that fits"
		: e->why == WHY_NOT_NOTHING                ? "another one goes before it"
		: e->why == WHY_NOT_NO_ACCESS && e->nobody ? "no server has access to it"
							   : why_not_text(e->why));
	json_put_end(w);
}

/* The node of a query; 0 with *out NULL when none is named. */
static int
query_node(const struct api *a, const struct httpd_request *req, const struct index_record **out,
    struct err *err)
{
	const char *name = httpd_query(req, "node");

	*out = NULL;
	if (name == NULL || *name == '\0')
		return 0;
	*out = index_named(a->p.index, KIND_NODE, name);
	if (*out == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no node '%.100s'; 'certherd node list' shows the nodes", name);
	return 0;
}

static int
query_credential(
    const struct api *a, const char *name, const struct index_record **out, struct err *err)
{
	*out = index_credential(a->p.index, name);
	if (*out == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no credential '%.100s'; 'certherd cert list' shows them", name);
	return 0;
}

void
handle_explain(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct explained found[EXPLAIN_MAX];
	char name[NAME_TEXT_MAX];
	const struct index_record *node;
	const char *text;
	enum name_type type;
	struct api_reply r;
	struct err err;
	size_t n;

	if (api_query(req, "name", &text, &err) < 0 ||
	    name_normalise(text, name, &type, &err) < 0 || query_node(a, req, &node, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	n = index_explain(
	    a->p.index, node != NULL ? &node->id : NULL, name, runtime_wall_s(a->rt), found);
	api_begin(&r);
	json_put_text(&r.w, "name", name);
	if (node != NULL)
		json_put_text(&r.w, "node", node->name);
	json_put_array(&r.w, "candidates");
	for (size_t i = 0; i < n; i++)
		put_candidate(a, &r.w, &found[i]);
	json_put_end(&r.w);
	api_send(req, &r);
}

/* ------------------------------------------------------------------------- who can read */

void
handle_who_can_read(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct access_list readers = {NULL, 0, 0};
	const struct index_record *c;
	char group[LIMIT_NAME + 2];
	const char *cert;
	struct api_reply r;
	struct err err;

	if (api_query(req, "cert", &cert, &err) < 0 ||
	    index_who_can_read(a->p.index, cert, &readers, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	api_begin(&r);
	json_put_text(&r.w, "cert", cert);
	json_put_array(&r.w, "readers");
	for (size_t i = 0; i < readers.count; i++) {
		const struct access_reader *reader = &readers.items[i];

		json_put_object(&r.w, NULL);
		json_put_text(&r.w, "node", reader->node.name);
		json_put_text(&r.w, "role", node_role_name(reader->node.role));
		json_put_text(&r.w, "by",
		    reader->by_group ? index_access_name(a->p.index, &reader->group, group)
				     : "its own name");
		json_put_end(&r.w);
	}
	json_put_end(&r.w);
	json_put_uint(&r.w, "unknown", readers.unknown);
	c = index_credential(a->p.index, cert);
	if (c != NULL)
		api_put_exposed(a, &r.w, c, NULL);
	api_send(req, &r);
	access_list_fini(&readers);
}

/* ------------------------------------------------------------------------- why not */

/* What the node says that it serves is the generation in force. */
static bool
serves_newest(const struct api *a, const struct receipt *receipt, const struct index_record *c)
{
	const struct index_record *active = index_active(a->p.index, c);

	return receipt != NULL && receipt->has_generation && active != NULL &&
	    id_equal(&receipt->generation, &active->id);
}

/* Everything is as it should be here, so what the node says decides. */
static const char *
explain_receipt(const struct api *a, const struct receipt *receipt,
    const struct index_record *credential, const struct id *node, bool *serves)
{
	int64_t stale_after = credential->credential->stale_after;
	struct publish_follower f;
	bool known = publish_follower(a->p.publish, node, &f);

	/* Its own receipt is older than that. */
	if (known && !f.in_touch && stale_after > 0 && f.silent_ms / 1000 >= (uint64_t)stale_after)
		return "the node is not connected, and stops serving it after so long without news "
		       "(stale_after)";
	*serves = serves_newest(a, receipt, credential);
	if (*serves)
		return "nothing: it serves the newest generation";
	if (receipt != NULL && receipt->error != NULL && receipt->error[0] != '\0')
		return "the node has it and cannot use it; 'receipt' has its reason";
	if (!known || !f.in_touch)
		return "the node is not connected, so it has not got it yet, or cannot say so";
	return "the node is connected and has not confirmed it yet";
}

static const char *
why_text(enum why_not why, const struct index_record *credential)
{
	if (why == WHY_NOT_NO_GENERATION && credential->credential->has_pending)
		return "no certificate has been issued yet: its CSR waits for one ('certherd cert "
		       "csr')";
	return why_not_text(why);
}

/* A node that has gone is an answer as long as something is known of it. */
static int
query_gone(const struct api *a, const struct httpd_request *req, const struct index_record *c,
    const struct index_record **out, struct err *err)
{
	const char *name = httpd_query(req, "node");
	int rc = query_node(a, req, out, err);

	for (size_t i = 0; rc < 0 && i < c->credential->exposed.count; i++)
		if (str_equal(c->credential->exposed.items[i].name, name))
			rc = 0;
	return rc;
}

void
handle_why_not(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *node, *credential;
	const struct receipt *receipt = NULL;
	const char *node_name, *cert, *text;
	bool serves = false;
	enum why_not why;
	struct api_reply r;
	struct err err;

	if (api_query(req, "node", &node_name, &err) < 0 ||
	    api_query(req, "cert", &cert, &err) < 0 ||
	    query_credential(a, cert, &credential, &err) < 0 ||
	    query_gone(a, req, credential, &node, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	why = index_why_not(a->p.index, node_name, cert, runtime_wall_s(a->rt));
	receipt = node != NULL ? publish_receipt(a->p.publish, &node->id, &credential->id) : NULL;
	text = why == WHY_NOT_NOTHING ? explain_receipt(a, receipt, credential, &node->id, &serves)
				      : why_text(why, credential);
	api_begin(&r);
	json_put_text(&r.w, "node", node_name);
	json_put_text(&r.w, "cert", cert);
	json_put_bool(&r.w, "should_serve", why == WHY_NOT_NOTHING);
	json_put_bool(&r.w, "serves", serves);
	json_put_text(&r.w, "why", text);
	if (receipt != NULL) {
		json_put_object(&r.w, "receipt");
		api_put_receipt(a, &r.w, receipt);
		json_put_end(&r.w);
	}
	api_put_exposed(a, &r.w, credential, node_name);
	api_send(req, &r);
}
