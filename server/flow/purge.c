/*
 * Generations whose certificate has run out long ago. A new generation takes them along; of
 * credentials that get none an hourly walk finds them, a page of credentials a turn, and removes
 * them one credential after the other. What is to go follows from the records.
 */

#include "common/log/log.h"
#include "server/flow/flow_priv.h"

#include <stdio.h>

#define PURGE_EVERY_MS (3600 * 1000)
/*
 * The clock has gone evenly for so long: one that was set years ahead by mistake is noticed before
 * anything is gone because of it.
 */
#define STEADY_MS (24 * 3600 * 1000)
#define CLOCK_STEP_MS 5000
#define PURGE_FIRST_MS (60 * 1000)
#define PURGE_PAGE 256

bool
purge_may(struct flow *f)
{
	int64_t mono = (int64_t)runtime_mono_ms(f->rt);
	int64_t apart = runtime_wall_ms(f->rt) - mono, step = apart - f->purge_clock_ms;

	f->purge_clock_ms = apart;
	if (step < -CLOCK_STEP_MS || step > CLOCK_STEP_MS)
		f->purge_steady_ms = mono;
	return mono - f->purge_steady_ms >= STEADY_MS;
}

/* --- one credential --- */

struct old_ones {
	const struct index *ix;
	struct mutation *m; /* NULL: only to be counted */
	int64_t now;
	size_t count;
};

static bool
on_generation(void *arg, const struct index_record *r)
{
	struct old_ones *o = arg;
	const struct generation_marks facts = index_generation_marks(o->ix, r);
	int64_t until = generation_kept_until(&facts);

	if (until == 0 || until >= o->now)
		return true;
	o->count++;
	if (o->m != NULL)
		draft_removed(o->m, r);
	return true;
}

static size_t
old_ones(struct flow *f, const struct index_record *c, struct mutation *m)
{
	struct old_ones o = {f->index, m, runtime_wall_s(f->rt), 0};

	/* Most have only the one in force. */
	if (c->credential->generations > 1)
		index_generations(f->index, &c->id, on_generation, &o);
	return o.count;
}

static int
look_purge(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	int rc = look_credential(op, &c, err);

	if (rc == 0 && old_ones(op->flow, c, NULL) == 0)
		op->unchanged = true;
	return rc;
}

static int
mutation_purge(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	mutation_expect(m, &c->id, c->version);
	(void)old_ones(op->flow, c, m);
	return m->count > 0 ? 0 : err_set(err, ERR_CONFLICT, "they have gone meanwhile");
}

const struct flow_op_type flow_op_purge = {"cert.purge", look_purge, NULL, mutation_purge};

/* --- all of them --- */

static void
wake(struct flow *f, uint64_t delay_ms)
{
	if (!f->closing)
		runtime_timer_start(f->rt, &f->purge_timer, delay_ms);
}

static void
on_purged(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct flow *f = arg;

	(void)result;
	if (status < 0)
		log_warning("flow", "credential=%s keeps what has run out long ago: %s",
		    f->purge_after, err->text);
	/* The rest of the walk; what has failed comes again with the next one. */
	wake(f, status < 0 ? PURGE_FIRST_MS : 0);
}

static void
start_one(struct flow *f, const struct index_record *c)
{
	struct flow_op *op = flow_op_new(f, &flow_op_purge, on_purged, f);

	op->in.name = flow_op_text(op, c->name);
	op->in.author = "purge";
	flow_op_start(op);
}

static void
on_purge_timer(void *arg)
{
	struct flow *f = arg;
	const struct index_record *page[PURGE_PAGE];
	bool more = false;
	size_t n;

	if (!purge_may(f)) {
		wake(f, PURGE_EVERY_MS);
		return;
	}
	n = index_list(f->index, KIND_CREDENTIAL, f->purge_after[0] != '\0' ? f->purge_after : NULL,
	    page, PURGE_PAGE, &more);

	for (size_t i = 0; i < n; i++) {
		snprintf(f->purge_after, sizeof(f->purge_after), "%s", page[i]->name);
		if (old_ones(f, page[i], NULL) == 0)
			continue;
		start_one(f, page[i]);
		return;
	}
	if (!more)
		f->purge_after[0] = '\0';
	wake(f, more ? 0 : PURGE_EVERY_MS);
}

void
purge_start(struct flow *f)
{
	f->purge_timer = (struct timer){.cb = on_purge_timer, .arg = f};
	f->purge_steady_ms = (int64_t)runtime_mono_ms(f->rt);
	f->purge_clock_ms = runtime_wall_ms(f->rt) - f->purge_steady_ms;
	wake(f, PURGE_FIRST_MS);
}

void
purge_stop(struct flow *f)
{
	runtime_timer_stop(f->rt, &f->purge_timer);
}
