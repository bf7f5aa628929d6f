#include "server/api/api_priv.h"

#include "common/crypto/cert.h"
#include "server/flow/flow_exposed.h"
#include "server/publish/publish.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------- nodes */

struct put_names {
	const struct api *api;
	struct json_writer *w;
};

static bool
put_group_of(void *arg, const struct index_record *membership)
{
	struct put_names *p = arg;
	const struct index_record *group =
	    index_of_kind(p->api->p.index, KIND_GROUP, &membership->membership->group);

	if (group != NULL)
		json_put_text(p->w, NULL, group->name);
	return true;
}

static void
put_touch(const struct api *a, struct json_writer *w, const struct id *node)
{
	const struct head *head = commit_head(a->p.commit, NULL);
	struct publish_follower f;

	if (!publish_follower(a->p.publish, node, &f)) {
		json_put_bool(w, "connected", false);
		return;
	}
	json_put_bool(w, "connected", f.in_touch);
	json_put_uint(w, "silent_ms", f.silent_ms);
	json_put_uint(w, "have_term", f.have.term);
	json_put_uint(w, "have_seq", f.have.seq);
	if (head != NULL && head->term == f.have.term && head->seq >= f.have.seq)
		json_put_uint(w, "behind", head->seq - f.have.seq);
}

static void
put_node(const struct api *a, struct json_writer *w, const struct index_record *r)
{
	const struct node_public *n = r->node;
	struct put_names groups = {a, w};

	api_put_id(w, "id", &r->id);
	json_put_text(w, "name", r->name);
	json_put_text(w, "role", node_role_name(n->role));
	json_put_bool(w, "self", id_equal(&r->id, &a->p.self));
	json_put_text(w, "software", n->software);
	if (n->endpoint != NULL && n->endpoint[0] != '\0')
		json_put_text(w, "endpoint", n->endpoint);
	json_put_time(w, "joined_at", n->joined_at);
	json_put_array(w, "groups");
	index_memberships(a->p.index, &r->id, put_group_of, &groups);
	json_put_end(w);
	if (n->role != ROLE_RECOVERY && !id_equal(&r->id, &a->p.self))
		put_touch(a, w, &r->id);
}

/* Walks a kind by name, a page at a time, until the reply is large enough. */
static void
put_all(const struct api *a, uint32_t kind, struct api_reply *r,
    void (*put)(const struct api *a, struct json_writer *w, const struct index_record *r))
{
	const struct index_record *page[64];
	const char *after = NULL;
	bool more = true;

	while (more && r->body.len < API_REPLY_MAX / 2) {
		size_t n = index_list(a->p.index, kind, after, page, ARRAY_LEN(page), &more);

		for (size_t i = 0; i < n; i++) {
			json_put_object(&r->w, NULL);
			put(a, &r->w, page[i]);
			json_put_end(&r->w);
		}
		if (n == 0)
			break;
		after = page[n - 1]->name;
	}
}

void
handle_nodes(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct api_reply r;

	api_begin(&r);
	json_put_array(&r.w, "nodes");
	put_all(a, KIND_NODE, &r, put_node);
	json_put_end(&r.w);
	api_send(req, &r);
}

static void
put_identity(struct json_writer *w, const struct node_public *n)
{
	AUTO(cert_unrefp)
	struct cert *cert = NULL;
	struct hash fingerprint;

	if (n->certificate.len == 0 || cert_parse(n->certificate, &cert, NULL) < 0)
		return;
	cert_fingerprint(cert, &fingerprint);
	json_put_object(w, "identity");
	json_put_time(w, "not_before", cert_not_before(cert));
	json_put_time(w, "not_after", cert_not_after(cert));
	api_put_hash(w, "fingerprint", &fingerprint);
	json_put_end(w);
}

static bool
put_name(void *arg, const struct index_record *r)
{
	struct json_writer *w = arg;

	if (r->kind == KIND_CREDENTIAL)
		json_put_text(w, NULL, r->name);
	return w->out->len < API_PAGE_BYTES;
}

void
handle_node(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const char *name = httpd_param(req, "name");
	const struct index_record *n = index_named(a->p.index, KIND_NODE, name);
	struct api_reply r;
	struct err err;

	if (n == NULL) {
		err_set(&err, ERR_NOTFOUND, "there is no node '%.100s'", name);
		api_fail(req, &err);
		return;
	}
	api_begin(&r);
	put_node(a, &r.w, n);
	api_put_texts(&r.w, "addresses", n->node->addresses);
	put_identity(&r.w, n->node);
	json_put_array(&r.w, "can_open");
	nodes_exposed(a->p.nodes, &n->id, put_name, &r.w);
	json_put_end(&r.w);
	api_send(req, &r);
}

/*
 * The answer to a removal also says what the node could open, which was found before it. When no
 * new keys are wanted that is noted before, since it follows from nothing afterwards.
 */
struct removal {
	struct answer *op;
	struct nodes *nodes;
	struct buf exposed; /* JSON array */
	char name[LIMIT_LABEL + 1], author[LIMIT_AUTHOR + 1];
	bool keep_keys;
};

static void
removal_free(struct removal *m)
{
	buf_fini(&m->exposed);
	mem_free(m);
}

static void
on_removed(void *arg, int status, const struct nodes_result *result, const struct err *err)
{
	struct removal *m = arg;
	struct api_reply r;
	struct httpd_request *req = answer_begin(m->op, status, err, &r);

	if (req != NULL) {
		api_put_id(&r.w, "id", &result->id);
		json_put_raw(&r.w, "exposed", buf_span(&m->exposed));
		json_put_bool(&r.w, "new_keys", !m->keep_keys);
		api_put_commit(&r.w, &result->commit, api_one_text(&result->warning));
		api_send(req, &r);
	}
	removal_free(m);
}

static void
on_noted(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct removal *m = arg;
	struct httpd_request *req;
	struct err why;

	(void)result;
	if (status == 0)
		status = nodes_remove(m->nodes, m->name, m->author, on_removed, m, &why);
	else
		why = *err;
	if (status == 0)
		return;
	req = answer_end(m->op);
	if (req != NULL)
		api_fail(req, &why);
	removal_free(m);
}

void
handle_node_remove(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const char *name = httpd_param(req, "name");
	const struct index_record *n = index_named(a->p.index, KIND_NODE, name);
	struct removal *m = mem_zalloc(sizeof(*m));
	struct json_writer w = JSON_WRITER(&m->exposed);
	struct err err;
	int r;

	m->exposed = BUF_INIT(API_REPLY_MAX / 2);
	m->op = answer_new(a, req);
	m->nodes = a->p.nodes;
	snprintf(m->name, sizeof(m->name), "%.*s", LIMIT_LABEL, name);
	snprintf(m->author, sizeof(m->author), "%s", api_author(req));
	/* The recovery key knows every key: new ones for all are made when somebody asks for it. */
	m->keep_keys =
	    httpd_query(req, "keep_keys") != NULL || (n != NULL && n->node->role == ROLE_RECOVERY);
	json_put_array(&w, NULL);
	if (n != NULL)
		nodes_exposed(a->p.nodes, &n->id, put_name, &w);
	json_put_end(&w);
	if (m->keep_keys && n != NULL && !id_equal(&n->id, &a->p.self)) {
		const struct expose_spec spec = {
		    .node = name, .why = EXPOSED_REMOVED, .keep_keys = true, .author = m->author};

		r = flow_expose(a->p.flow, &spec, on_noted, m, &err);
	} else {
		r = nodes_remove(a->p.nodes, name, m->author, on_removed, m, &err);
	}
	answer_started(m->op, r, &err);
	if (r < 0)
		removal_free(m);
}

/* ------------------------------------------------------------------------- groups */

static bool
put_member(void *arg, const struct index_record *membership)
{
	struct put_names *p = arg;
	const struct index_record *node =
	    index_of_kind(p->api->p.index, KIND_NODE, &membership->membership->node);

	if (node != NULL)
		json_put_text(p->w, NULL, node->name);
	return true;
}

static void
put_group(const struct api *a, struct json_writer *w, const struct index_record *r)
{
	struct put_names members = {a, w};

	api_put_id(w, "id", &r->id);
	json_put_text(w, "name", r->name);
	json_put_bool(w, "built_in", r->group->built_in);
	json_put_uint(w, "key_generation", r->group->generation);
	json_put_array(w, "members");
	index_members(a->p.index, &r->id, put_member, &members);
	json_put_end(w);
}

void
handle_groups(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct api_reply r;

	api_begin(&r);
	json_put_array(&r.w, "groups");
	put_all(a, KIND_GROUP, &r, put_group);
	json_put_end(&r.w);
	api_send(req, &r);
}

void
handle_group(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const char *name = httpd_param(req, "name");
	const struct index_record *g = index_named(a->p.index, KIND_GROUP, name);
	struct api_reply r;
	struct err err;

	if (g == NULL) {
		err_set(&err, ERR_NOTFOUND, "there is no group '%.100s'", name);
		api_fail(req, &err);
		return;
	}
	api_begin(&r);
	put_group(a, &r.w, g);
	api_send(req, &r);
}

struct group_body {
	char *name;
	struct json_texts members;
};

static const struct json_field group_fields[] = {
    {.name = "name",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct group_body, name),
	.min = 1,
	.max = LIMIT_LABEL},
    {.name = "members",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct group_body, members),
	.min = 0,
	.max = LIMIT_JSON_TEXTS},
};

void
handle_group_create(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct group_body b = {0};
	struct err err;
	int r = api_decode(req, group_fields, ARRAY_LEN(group_fields), &b, &err);

	if (r == 0)
		r = nodes_group_create(a->p.nodes, b.name, api_texts(&b.members), api_author(req),
		    answer_on_nodes, op, &err);
	json_release(group_fields, ARRAY_LEN(group_fields), &b);
	answer_started(op, r, &err);
}

void
handle_group_delete(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct err err;

	answer_started(op,
	    nodes_group_delete(
		a->p.nodes, httpd_param(req, "name"), api_author(req), answer_on_nodes, op, &err),
	    &err);
}

void
handle_member_add(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct err err;

	answer_started(op,
	    nodes_group_add(a->p.nodes, httpd_param(req, "name"), httpd_param(req, "node"),
		api_author(req), answer_on_nodes, op, &err),
	    &err);
}

void
handle_member_remove(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct err err;

	answer_started(op,
	    nodes_group_remove(a->p.nodes, httpd_param(req, "name"), httpd_param(req, "node"),
		httpd_query(req, "keep_keys") != NULL, api_author(req), answer_on_nodes, op, &err),
	    &err);
}

/* ------------------------------------------------------------------------- default access */

struct access_body {
	struct json_texts access;
};

static const struct json_field access_fields[] = {
    {.name = "access",
	.kind = JSON_TEXTS,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct access_body, access),
	.min = 0,
	.max = LIMIT_ACCESS},
};

void
handle_default_access(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct setting_public *s = index_setting(a->p.index, SETTING_DEFAULT_ACCESS);
	struct api_reply r;

	api_begin(&r);
	api_put_access(a, &r.w, s != NULL ? s->records : (struct ids){NULL, 0});
	api_send(req, &r);
}

void
handle_default_access_set(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct access_body b = {0};
	struct err err;
	int r = api_decode(req, access_fields, ARRAY_LEN(access_fields), &b, &err);

	if (r == 0)
		r = nodes_set_default_access(
		    a->p.nodes, api_texts(&b.access), api_author(req), answer_on_nodes, op, &err);
	json_release(access_fields, ARRAY_LEN(access_fields), &b);
	answer_started(op, r, &err);
}
