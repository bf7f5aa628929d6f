/* Events as JSON: docs/events.schema.json. */

#include "common/base/str.h"
#include "common/json/json.h"
#include "server/events/events_priv.h"

#include <inttypes.h>

static void
put_fact(struct json_writer *w, const struct event_fact *f)
{
	switch (f->type) {
	case FACT_TEXT:
		json_put_text(w, f->name, f->text);
		return;
	case FACT_NUMBER:
		json_put_int(w, f->name, f->number);
		return;
	case FACT_TIME:
		json_put_time(w, f->name, f->number);
		return;
	case FACT_FLAG:
		json_put_bool(w, f->name, f->number != 0);
		return;
	case FACT_TEXTS:
		json_put_array(w, f->name);
		for (size_t i = 0; i < f->texts.count; i++)
			json_put_text(w, NULL, f->texts.items[i]);
		json_put_end(w);
		return;
	}
}

/* "credential" of "credential.issued". */
static struct span
noun_of(const char *kind)
{
	size_t n = 0;

	while (kind[n] != '\0' && kind[n] != '.')
		n++;
	return SPAN(kind, n);
}

static void
put_object(struct json_writer *w, const struct event *event)
{
	char hex[ID_HEX_MAX];

	if (event->name == NULL) {
		json_put_null(w, "object");
		return;
	}
	json_put_object(w, "object");
	json_put_span(w, "kind", noun_of(event_kind_name(event->kind)));
	json_put_text(w, "name", event->name);
	json_put_text(w, "id", event->id != NULL ? id_hex(event->id, hex) : NULL);
	json_put_end(w);
}

static void
put_body(struct events *e, struct buf *out, const struct event *event, bool with_facts)
{
	const struct index_record *self = index_of_kind(e->p.index, KIND_NODE, &e->p.self);
	struct json_writer w = JSON_WRITER(out);
	int64_t now = runtime_wall_ms(e->rt);
	char hex[ID_HEX_MAX];
	struct id id;

	runtime_random(e->rt, id.bytes, ID_LEN);
	json_put_object(&w, NULL);
	json_put_text(&w, "id", id_hex(&id, hex));
	json_put_text(&w, "event", event_kind_name(event->kind));
	json_put_text(&w, "level", event_level_name(event_kind_level(event->kind)));
	json_put_time(&w, "time", now / 1000);
	json_put_int(&w, "time_ms", now);
	json_put_text(&w, "domain", e->p.domain_name);
	json_put_text(&w, "manager", self != NULL ? self->name : "");
	put_object(&w, event);
	json_put_object(&w, "data");
	for (size_t i = 0; with_facts && i < event->fact_count; i++)
		put_fact(&w, &event->facts[i]);
	json_put_end(&w);
	json_put_text(&w, "text", event->text);
	json_put_end(&w);
}

char *
event_body(struct events *e, const struct event *event)
{
	struct buf out = BUF_INIT(LOCAL_EVENT_MAX);
	char *body;

	put_body(e, &out, event, true);
	if (out.error != 0) {
		/* Better without its details than not at all. */
		buf_clear(&out);
		put_body(e, &out, event, false);
	}
	body = mem_strdup(buf_str(&out));
	buf_fini(&out);
	return body;
}

void
event_document(const struct local_event *ev, struct buf *out)
{
	struct span rest = ev->body;

	buf_putf(out, "{\"version\":1,\"number\":%" PRIu64 ",", ev->number);
	/* How many were lost is known last. */
	if (ev->lost > 0)
		buf_putf(out, "\"lost\":%" PRIu64 ",", ev->lost);
	/* Behind its own bracket. */
	if (rest.len > 0)
		buf_put(out, rest.data + 1, rest.len - 1);
}
