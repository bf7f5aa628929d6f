#include "server/api/api_priv.h"

#include "common/base/runtime.h"
#include "server/publish/publish.h"

#include <string.h>

#define LINE_MAX_BYTES (64 * 1024)
#define RECORDS_SHOWN 64 /* of one commit; the rest is counted */

/* A client that is told what happens, one JSON object a line. */
struct watcher {
	uint32_t magic;
	struct api *api;
	struct httpd_request *req;
	struct watcher *prev, *next;
	bool events; /* it wants the events that are told to administrators, and nothing else */
};

static void
watcher_free(struct watcher *v)
{
	struct api *a = v->api;

	if (v->prev != NULL)
		v->prev->next = v->next;
	else
		a->watchers = v->next;
	if (v->next != NULL)
		v->next->prev = v->prev;
	a->watcher_count--;
	if (a->watchers == NULL)
		watch_clock_stop(a);
	v->magic = 0;
	mem_free(v);
}

static void
on_gone(void *arg)
{
	watcher_free(OBJ_CAST(struct watcher, arg, WATCHER_MAGIC));
}

void
watch_close(struct api *a)
{
	while (a->watchers != NULL) {
		struct httpd_request *req = a->watchers->req;

		watcher_free(a->watchers);
		httpd_stream_end(req);
	}
}

static void
tell_those(struct api *a, bool events, struct span line)
{
	for (struct watcher *v = a->watchers; v != NULL; v = v->next)
		if (v->events == events)
			httpd_stream_line(v->req, line);
}

void
watch_tell(struct api *a, const struct buf *line)
{
	/* A line that is cut off is no JSON: nothing is better. */
	if (line->error == 0)
		tell_those(a, false, buf_span(line));
}

void
api_on_event(void *arg, struct span document)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);

	tell_those(a, true, document);
}

void
handle_watch(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct head *head = commit_head(a->p.commit, NULL);
	struct buf line = BUF_INIT(4096);
	struct json_writer w = JSON_WRITER(&line);
	struct watcher *v;
	struct err err;

	if (a->watcher_count >= LIMIT_WATCHERS) {
		err_set(&err, ERR_BUSY, "there are %d watchers already", LIMIT_WATCHERS);
		api_fail(req, &err);
		return;
	}
	v = mem_zalloc(sizeof(*v));
	v->magic = WATCHER_MAGIC;
	v->api = a;
	v->req = req;
	v->events = httpd_query(req, "events") != NULL;
	v->next = a->watchers;
	if (v->next != NULL)
		v->next->prev = v;
	a->watchers = v;
	a->watcher_count++;
	watch_clock_start(a);
	httpd_stream_begin(req, "application/jsonl", on_gone, v);
	json_put_object(&w, NULL);
	json_put_text(&w, "event", "begin");
	json_put_uint(&w, "term", head != NULL ? head->term : 0);
	json_put_uint(&w, "seq", head != NULL ? head->seq : 0);
	json_put_end(&w);
	httpd_stream_line(req, buf_span(&line));
	buf_fini(&line);
}

static void
put_generation(const struct api *a, struct json_writer *w, const struct id *id)
{
	const struct index_record *g = index_of_kind(a->p.index, KIND_GENERATION, id), *c;

	if (g == NULL)
		return;
	c = index_of_kind(a->p.index, KIND_CREDENTIAL, &g->generation->credential);
	json_put_uint(w, "generation", g->generation->number);
	json_put_text(w, "cert", c != NULL ? c->name : "");
}

/* What a script that carries CSRs and certificates goes by. */
static void
put_credential(const struct api *a, struct json_writer *w, const struct index_record *c)
{
	json_put_text(w, "issuer", issuer_type_name(c->credential->issuer));
	json_put_text(w, "state", api_state(a, c));
	json_put_bool(w, "csr", c->credential->has_pending);
}

void
watch_put_credential(const struct api *a, struct json_writer *w, const struct index_record *c,
    enum credential_shown was)
{
	json_put_object(w, NULL);
	json_put_text(w, "kind", kind_name(KIND_CREDENTIAL));
	json_put_text(w, "name", c->name);
	api_put_id(w, "id", &c->id);
	put_credential(a, w, c);
	json_put_text(w, "was", credential_shown_name(was));
	json_put_end(w);
}

static void
put_record(const struct api *a, struct json_writer *w, const struct committed *c)
{
	const struct record *r = c->record;
	const struct index_record *credential = index_of_kind(a->p.index, KIND_CREDENTIAL, &r->id);

	json_put_object(w, NULL);
	json_put_text(w, "kind", kind_name(r->kind));
	json_put_text(w, "name", r->name);
	api_put_id(w, "id", &r->id);
	json_put_uint(w, "version", r->version);
	json_put_bool(w, "removed", r->removed);
	if (r->kind == KIND_GENERATION)
		put_generation(a, w, &r->id);
	if (credential != NULL)
		put_credential(a, w, credential);
	json_put_end(w);
}

void
api_observe(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct json_writer w = JSON_WRITER(&line);

	(void)signed_head;
	if (count == 0 || a->watchers == NULL)
		return;
	json_put_object(&w, NULL);
	json_put_text(&w, "event", "commit");
	json_put_uint(&w, "term", head->term);
	json_put_uint(&w, "seq", head->seq);
	json_put_int(&w, "time_ms", head->time_ms);
	json_put_uint(&w, "count", count);
	json_put_array(&w, "records");
	for (size_t i = 0; i < count && i < RECORDS_SHOWN; i++)
		put_record(a, &w, &records[i]);
	for (size_t i = 0; i < count; i++) {
		const struct index_record *c =
		    index_of_kind(a->p.index, KIND_CREDENTIAL, &records[i].record->id);

		if (c != NULL)
			watch_clock_changed(a, c);
	}
	json_put_end(&w);
	json_put_end(&w);
	watch_tell(a, &line);
	buf_fini(&line);
}

void
api_on_receipt(void *arg, const struct id *node, const struct id *credential)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct json_writer w = JSON_WRITER(&line);
	const struct receipt *receipt;
	const struct index_record *c;
	char name[LIMIT_NAME + 2];

	if (a->watchers == NULL)
		return;
	json_put_object(&w, NULL);
	json_put_text(&w, "event", "served");
	json_put_int(&w, "time_ms", runtime_wall_ms(a->rt));
	json_put_text(&w, "node", index_access_name(a->p.index, node, name));
	if (credential != NULL) {
		c = index_of_kind(a->p.index, KIND_CREDENTIAL, credential);
		json_put_text(&w, "cert", c != NULL ? c->name : "");
		receipt = publish_receipt(a->p.publish, node, credential);
		if (receipt != NULL)
			api_put_receipt(a, &w, receipt);
		else
			json_put_null(&w, "generation");
	}
	json_put_end(&w);
	watch_tell(a, &line);
	buf_fini(&line);
}

void
api_on_node(struct api *a, const struct id *node, bool connected)
{
	struct buf line = BUF_INIT(4096);
	struct json_writer w = JSON_WRITER(&line);
	char name[LIMIT_NAME + 2];

	if (a->watchers == NULL)
		return;
	json_put_object(&w, NULL);
	json_put_text(&w, "event", "node");
	json_put_int(&w, "time_ms", runtime_wall_ms(a->rt));
	json_put_text(&w, "node", index_access_name(a->p.index, node, name));
	json_put_bool(&w, "connected", connected);
	json_put_end(&w);
	watch_tell(a, &line);
	buf_fini(&line);
}
