#include "tests/sim/sim_op.h"

#include "common/base/map.h"

#include <string.h>

#define PAUSE_MAX_MS 900
#define FAULT_PPM 350000
#define QUIET_MS 240000
#define SERVE_MS 5000 /* for the caches to take in what they agree on */
#define STOP_MS 60000

bool
sim_until(struct sim *s, uint64_t ms, bool (*holds)(struct sim *s))
{
	uint64_t end = s->clock.now_ms + ms;

	while (!s->failed && (holds == NULL || !holds(s))) {
		if (!sim_clock_step(&s->clock, end)) {
			s->clock.now_ms = end;
			return holds == NULL;
		}
		check_step(s);
		fault_tick(s);
	}
	return !s->failed;
}

static bool
is_ready(struct sim *s)
{
	return s->manager.state == SIM_UP && s->manager.bootstrapped;
}

static bool
is_down(struct sim *s)
{
	bool down = s->manager.state == SIM_DOWN && s->ops == 0;

	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		down = down && s->followers[i].state == SIM_DOWN;
	return down;
}

static void
set_up(struct sim *s, const struct sim_options *options)
{
	memset(s, 0, sizeof(*s));
	s->options = *options;
	sim_seed_everything(options->seed);
	s->chance.state = options->seed * 2 + 1;
	sim_clock_init(&s->clock);
	sim_runtime_init(&s->net_rt, &s->clock, sim_draw(&s->chance));
	s->net = link_net_new(&s->net_rt.rt);
	oracle_init(&s->oracle);
	s->odd = map_new();
	manager_init(s);
	for (unsigned i = 0; i < SIM_FOLLOWERS; i++)
		follower_init(s, &s->followers[i], i);
	fault_init(s);
	vfs_fault_lie(s->manager.disk, options->lie);
}

static void
stop_all(struct sim *s)
{
	manager_stop(s, false, false);
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		follower_stop(&s->followers[i], false, false);
		s->followers[i].restart_after_stop = false;
	}
}

/* Everything down, whatever state it is in; also after a failure, since leaks are looked for. */
static void
tear_down(struct sim *s)
{
	bool failed = s->failed;

	fault_heal(s);
	for (int tries = 0; tries < 20 && !is_down(s); tries++) {
		s->failed = false;
		stop_all(s);
		sim_until(s, STOP_MS, is_down);
		failed |= s->failed;
	}
	s->failed = failed;
	if (!is_down(s))
		sim_fail(s, "not everything comes to an end");
	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		follower_fini(&s->followers[i]);
	manager_fini(s);
	link_net_free(s->net);
	fault_fini(s);
	oracle_fini(&s->oracle);
	map_free(s->odd);
	sim_runtime_fini(&s->net_rt);
	sim_clock_fini(&s->clock);
}

static void
act(struct sim *s)
{
	for (unsigned i = 0; i < s->options.actions && !s->failed; i++) {
		sim_until(s, sim_below(&s->chance, PAUSE_MAX_MS), NULL);
		if (sim_chance(&s->chance, FAULT_PPM))
			fault_any(s);
		else
			action_any(s);
	}
}

/* With everything well again the manager takes changes, whatever it has been through. */
static bool
commits_again(struct sim *s)
{
	if (!s->probed && s->ops == 0 && sim_op_may_begin(s, true))
		action_probe(s);
	return s->probed;
}

static void
settle(struct sim *s, const char *when)
{
	if (s->failed)
		return;
	fault_heal(s);
	s->probed = false;
	if (!sim_until(s, QUIET_MS, commits_again))
		sim_fail(s, "%s the manager does not commit", when);
	if (!sim_until(s, QUIET_MS, check_agreement))
		sim_fail(s, "%s not all agree after %d s of quiet", when, QUIET_MS / 1000);
	sim_until(s, SERVE_MS, NULL);
	for (size_t i = 0; i < SIM_FOLLOWERS && !s->failed; i++) {
		struct sim_follower *f = &s->followers[i];

		if (f->state == SIM_UP && f->removed) {
			check_removed(f);
		} else if (f->state == SIM_UP) {
			check_settled(f);
			check_opening(f, true);
		}
	}
	s->quiet = false;
}

/* The power fails everywhere at once, and nothing that was acknowledged is lost. */
static void
blackout(struct sim *s)
{
	if (s->failed)
		return;
	manager_stop(s, true, true);
	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		follower_stop(&s->followers[i], true, true);
}

bool
sim_run(const struct sim_options *options)
{
	struct sim *s = mem_zalloc(sizeof(*s));
	bool good;

	sim_trace_on_abort(s);
	set_up(s, options);
	manager_start(s);
	if (!sim_until(s, STOP_MS, is_ready))
		sim_fail(s, "the domain does not begin");
	for (uint64_t i = sim_below(&s->chance, 3) + 1; i > 0 && !s->failed; i--) {
		action_join(s);
		sim_until(s, 2000, NULL);
	}
	act(s);
	settle(s, "at the end");
	blackout(s);
	settle(s, "after a power cut");
	tear_down(s);
	good = !s->failed;
	if (options->trace || !good)
		sim_summary(s);
	sim_trace_on_abort(NULL);
	mem_free(s);
	return good;
}
