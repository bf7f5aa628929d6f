/* What watchers are told of moves that nobody makes: a certificate becomes due, or runs out. */

#include "server/api/api_priv.h"

#include "common/base/runtime.h"

#define LOOK_LEAST_MS 1000
/* Wall clocks are set: nobody waits longer for a moment that has come. */
#define LOOK_MOST_MS 60000
#define TOLD_MOST 1024 /* at a time; of the rest the number is told */
#define LINE_RECORDS 64

struct look {
	struct api *api;
	int64_t since, now, next;
	const struct index_record *moved[TOLD_MOST];
	size_t count, more;
};

static bool
on_credential(void *arg, const struct index_record *c)
{
	struct look *l = arg;
	const struct index *ix = l->api->p.index;
	int64_t next = index_changes_at(ix, c, l->now);

	if (next < l->next)
		l->next = next;
	if (index_state(ix, c, l->since) == index_state(ix, c, l->now))
		return true;
	if (l->count < TOLD_MOST)
		l->moved[l->count++] = c;
	else
		l->more++;
	return true;
}

static void
tell(const struct look *l)
{
	for (size_t i = 0; i < l->count; i += LINE_RECORDS) {
		struct buf line = BUF_INIT(64 * 1024);
		struct json_writer w = JSON_WRITER(&line);

		json_put_object(&w, NULL);
		json_put_text(&w, "event", "clock");
		json_put_int(&w, "time_ms", runtime_wall_ms(l->api->rt));
		json_put_uint(&w, "count", l->count + l->more);
		json_put_array(&w, "records");
		for (size_t k = i; k < l->count && k < i + LINE_RECORDS; k++)
			watch_put_credential(l->api, &w, l->moved[k],
			    index_state(l->api->p.index, l->moved[k], l->since));
		json_put_end(&w);
		json_put_end(&w);
		watch_tell(l->api, &line);
		buf_fini(&line);
	}
}

static void
arm(struct api *a, int64_t next)
{
	int64_t now = runtime_wall_ms(a->rt);
	uint64_t delay = LOOK_MOST_MS;

	a->clock_next = next;
	if (next < now / 1000 + LOOK_MOST_MS / 1000)
		delay = next * 1000 > now ? (uint64_t)(next * 1000 - now) : 0;
	if (delay < LOOK_LEAST_MS)
		delay = LOOK_LEAST_MS;
	runtime_timer_start(a->rt, &a->clock, delay);
}

static void
on_clock(void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct look *l = mem_zalloc(sizeof(*l));

	l->api = a;
	l->since = a->clock_seen;
	l->now = runtime_wall_s(a->rt);
	l->next = INT64_MAX;
	index_each(a->p.index, KIND_CREDENTIAL, on_credential, l);
	a->clock_seen = l->now;
	/* A clock that was set back takes nothing back. */
	if (l->now > l->since)
		tell(l);
	arm(a, l->next);
	mem_free(l);
}

void
watch_clock_start(struct api *a)
{
	a->clock.cb = on_clock;
	a->clock.arg = a;
	if (timer_is_armed(&a->clock))
		return;
	a->clock_seen = runtime_wall_s(a->rt);
	arm(a, a->clock_seen);
}

void
watch_clock_stop(struct api *a)
{
	runtime_timer_stop(a->rt, &a->clock);
}

void
watch_clock_changed(struct api *a, const struct index_record *credential)
{
	int64_t next = index_changes_at(a->p.index, credential, a->clock_seen);

	if (next < a->clock_next)
		arm(a, next);
}
