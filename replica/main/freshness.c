/*
 * When this node was last fresh, over restarts: a file keeps it by the minute, in this host's own
 * wall clock. A clock that was set back makes it now, never later than now.
 */

#include "replica/main/replica.h"

#include "common/base/num.h"
#include "common/log/log.h"
#include "common/sys/file.h"

#include <inttypes.h>
#include <string.h>

#define FILE_MAX 32
#define KEEP_EVERY_MS 60000

struct keeping {
	struct job job;
	struct replica *replica;
	char *path;
	int64_t at; /* wall clock, seconds */
	int status;
	struct err err;
};

static char *
path_of(const struct replica *r)
{
	return mem_printf("%s/last-fresh", r->config->data);
}

/* Seconds since this node was fresh; 0 when that is not known. */
static int64_t
age_of(const struct replica *r)
{
	AUTO(mem_freep)
	char *path = path_of(r);
	AUTO(buf_freep)
	struct buf *text = buf_new(FILE_MAX + 1);
	int64_t now = runtime_wall_s(r->runtime);
	uint64_t at = 0;
	char *end;
	struct err err;
	int code = file_read(path, FILE_MAX, text, &err);

	if (code == ERR_NOTFOUND)
		return 0;
	if (code == 0) {
		buf_put_u8(text, '\0');
		end = strchr((char *)text->data, '\n');
		if (end != NULL)
			*end = '\0';
		code = num_parse_u64((const char *)text->data, 0, INT64_MAX, &at, &err);
	}
	if (code < 0) {
		log_warning("replica", "'%s' cannot be used: %s", path, err.text);
		return 0;
	}
	return (int64_t)at < now ? now - (int64_t)at : 0;
}

void
replica_start_freshness(struct replica *r)
{
	int64_t age = age_of(r), most = INT64_C(100) * 366 * 86400;

	if (age > most)
		age = most;
	cache_set_fresh(r->cache, false, (int64_t)runtime_mono_ms(r->runtime) - age * 1000);
}

void
replica_note_freshness(struct replica *r, enum freshness f)
{
	struct follow_status s;

	/* Not yet: when that was has been said at the start. */
	if (f == FRESH_UNKNOWN)
		return;
	follow_status(r->follow, &s);
	cache_set_fresh(
	    r->cache, f == FRESH, (int64_t)runtime_mono_ms(r->runtime) - (int64_t)s.since_beat_ms);
}

static void
run_keeping(struct job *job)
{
	struct keeping *k = CONTAINER_OF(job, struct keeping, job);
	AUTO(buf_freep)
	struct buf *text = buf_new(FILE_MAX);

	buf_putf(text, "%" PRId64 "\n", k->at);
	k->status = file_write_atomic(k->path, 0644, buf_span(text), &k->err);
}

static void
on_kept(struct job *job)
{
	struct keeping *k = CONTAINER_OF(job, struct keeping, job);

	if (k->status < 0)
		log_warning("replica", "%s", k->err.text);
	k->replica->keeping = false;
	mem_free(k->path);
	mem_free(k);
}

void
replica_keep_freshness(struct replica *r)
{
	uint64_t now = runtime_mono_ms(r->runtime);
	struct follow_status f;
	struct cache_stats c;
	struct keeping *k;

	cache_stats(r->cache, &c);
	if (r->keeping || c.with_stale_after == 0 || now < r->keep_at)
		return;
	follow_status(r->follow, &f);
	if (f.freshness != FRESH)
		return;
	r->keep_at = now + KEEP_EVERY_MS;
	r->keeping = true;
	k = mem_zalloc(sizeof(*k));
	k->job = (struct job){.run = run_keeping, .done = on_kept};
	k->replica = r;
	k->path = path_of(r);
	k->at = runtime_wall_s(r->runtime) - (int64_t)(f.since_beat_ms / 1000);
	loop_background(r->loop, &k->job);
}
