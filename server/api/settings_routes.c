/* Settings of the domain. */

#include "server/api/api_priv.h"

#include <string.h>

static void
put_access(const struct api *a, struct json_writer *w)
{
	const struct setting_public *s = index_setting(a->p.index, SETTING_DEFAULT_ACCESS);
	struct buf text = BUF_INIT(LIMIT_JSON_TEXT);
	char name[LIMIT_NAME + 2];

	for (size_t i = 0; s != NULL && i < s->records.count; i++)
		buf_putf(&text, "%s%s", i > 0 ? "," : "",
		    index_access_name(a->p.index, &s->records.items[i], name));
	json_put_span(w, "value", buf_span(&text));
	json_put_bool(w, "is_set", text.len > 0);
	buf_fini(&text);
}

static void
put_setting(const struct api *a, struct json_writer *w, enum setting s)
{
	const struct setting_rule *rule = setting_rule(s);

	json_put_text(w, "name", rule->name);
	if (s == SETTING_ACCESS) {
		put_access(a, w);
	} else {
		json_put_text(w, "value", index_setting_text(a->p.index, s));
		json_put_bool(w, "is_set", index_setting(a->p.index, rule->name) != NULL);
	}
	json_put_text(w, "otherwise", rule->otherwise);
	json_put_text(w, "help", rule->help);
	if (rule->choices == NULL)
		return;
	json_put_array(w, "choices");
	for (size_t i = 0; rule->choices[i] != NULL; i++)
		json_put_text(w, NULL, rule->choices[i]);
	json_put_end(w);
}

void
handle_settings(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct api_reply r;

	api_begin(&r);
	json_put_array(&r.w, "settings");
	for (int i = 0; i < SETTING__COUNT; i++) {
		json_put_object(&r.w, NULL);
		put_setting(a, &r.w, (enum setting)i);
		json_put_end(&r.w);
	}
	json_put_end(&r.w);
	api_send(req, &r);
}

void
handle_setting(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct api_reply r;
	enum setting s;
	struct err err;

	if (setting_find(httpd_param(req, "name"), &s, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	api_begin(&r);
	put_setting(a, &r.w, s);
	api_send(req, &r);
}

struct setting_body {
	char *value;
};

static const struct json_field setting_fields[] = {
    {.name = "value",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct setting_body, value),
	.min = 1,
	.max = LIMIT_TEXT},
};

void
handle_setting_set(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct setting_body b = {NULL};
	struct err err;
	int r = api_decode(req, setting_fields, ARRAY_LEN(setting_fields), &b, &err);

	if (r == 0)
		r = flow_setting_set(a->p.flow, httpd_param(req, "name"), b.value, api_author(req),
		    answer_on_flow, op, &err);
	json_release(setting_fields, ARRAY_LEN(setting_fields), &b);
	answer_started(op, r, &err);
}

void
handle_setting_reset(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	const char *name = httpd_param(req, "name");
	struct err err;
	int r;

	if (strcmp(name, SETTING_DEFAULT_ACCESS) == 0)
		r = nodes_set_default_access(a->p.nodes, (struct texts){NULL, 0}, api_author(req),
		    answer_on_nodes, op, &err);
	else
		r = flow_setting_set(
		    a->p.flow, name, NULL, api_author(req), answer_on_flow, op, &err);
	answer_started(op, r, &err);
}
