/* Events that were told, or wait for a receiver, and how the receivers are. */

#include "common/base/num.h"
#include "server/api/api_priv.h"
#include "server/events/events.h"

#include <string.h>

#define SHOWN_MOST 100

static void
put_receiver(struct json_writer *w, const struct event_receiver_stats *s, uint64_t last)
{
	json_put_object(w, NULL);
	json_put_text(w, "name", s->receiver->name);
	json_put_text(w, "kind", s->receiver->webhook != NULL ? "webhook" : "command");
	json_put_uint(w, "done", s->done);
	json_put_uint(w, "behind", last > s->done ? last - s->done : 0);
	json_put_uint(w, "taken", s->taken);
	json_put_uint(w, "refused", s->refused);
	json_put_text(w, "trouble", s->trouble);
	json_put_time(w, "since", s->since_ms / 1000);
	json_put_time(w, "next_try", s->next_try_ms / 1000);
	json_put_end(w);
}

static void
on_read(void *arg, int status, const struct span *documents, size_t count, const struct err *err)
{
	const struct api *a = OBJ_CAST(struct answer, arg, OP_MAGIC)->api;
	struct event_receiver_stats receivers[EVENT_RECEIVERS_MOST];
	struct api_reply r;
	struct httpd_request *req = answer_begin(arg, status, err, &r);
	size_t n;

	if (req == NULL)
		return;
	json_put_uint(&r.w, "last", events_last(a->p.events));
	json_put_array(&r.w, "events");
	for (size_t i = 0; i < count; i++)
		json_put_raw(&r.w, NULL, documents[i]);
	json_put_end(&r.w);
	json_put_array(&r.w, "receivers");
	n = events_receivers(a->p.events, receivers);
	for (size_t i = 0; i < n; i++)
		put_receiver(&r.w, &receivers[i], events_last(a->p.events));
	json_put_end(&r.w);
	api_send(req, &r);
}

void
handle_events(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const char *above_text = httpd_query(req, "above"), *limit = httpd_query(req, "limit");
	uint64_t max = SHOWN_MOST, above, last = events_last(a->p.events);
	struct answer *op;
	struct err err;

	if (limit != NULL && num_parse_u64(limit, 1, EVENTS_READ_MOST, &max, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	above = last > max ? last - max : 0;
	if (above_text != NULL && num_parse_u64(above_text, 0, INT64_MAX, &above, &err) < 0) {
		api_fail(req, &err);
		return;
	}
	op = answer_new(a, req);
	events_read(a->p.events, above, (size_t)max, on_read, op);
	answer_started(op, 0, NULL);
}

void
handle_event_test(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct event_fact author = EVENT_TEXT("author", api_author(req));
	const struct event event = {
	    .kind = EVENT_EVENTS_TEST,
	    .text = "a test, asked for by an administrator: there is nothing to do",
	    .facts = &author,
	    .fact_count = 1,
	};
	struct api_reply r;

	api_begin(&r);
	json_put_uint(&r.w, "above", events_last(a->p.events));
	events_raise(a->p.events, &event);
	api_send(req, &r);
}
