#include "tests/sim/sim.h"

#include "tests/sim/sim_byzantine.h"

#include <string.h>

struct edge {
	struct link_faults up, down; /* as seen from the follower */
	enum lying lying;
	struct replay replay;
};

struct sim_faults {
	struct edge edges[SIM_FOLLOWERS];
	uint64_t disks_until; /* when full and failing disks are well again; 0: they are */
};

#define CALM ((struct link_faults){.delay_min_ms = 1, .delay_max_ms = 3})
#define DAY_MS INT64_C(86400000)

void
fault_apply(struct sim_follower *f)
{
	struct sim *s = f->sim;
	struct edge *e = &s->faults->edges[f - s->followers];

	link_net_set_faults(s->net, &f->node, &s->manager.node, &e->up);
	link_net_set_faults(s->net, &s->manager.node, &f->node, &e->down);
}

static bool
on_message(void *arg, const struct id *from, const struct id *to, bool is_reply, struct buf *body)
{
	struct sim *s = arg;

	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];
		struct edge *e = &s->faults->edges[i];

		if (!id_equal(is_reply ? to : from, &f->node))
			continue;
		if (!is_reply) {
			byzantine_request(s, e->lying, body);
		} else {
			if (!byzantine_reply(s, f, &e->replay, e->lying, body))
				return false;
			check_heard(f, body);
		}
	}
	return true;
}

void
fault_init(struct sim *s)
{
	s->faults = mem_zalloc(sizeof(*s->faults));
	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		s->faults->edges[i].up = s->faults->edges[i].down = CALM;
	link_net_set_tap(s->net, on_message, s);
}

void
fault_fini(struct sim *s)
{
	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		replay_fini(&s->faults->edges[i].replay);
	mem_free(s->faults);
}

/* --- the network ---------------------------------------------------------------------------------
 */

static struct sim_follower *
any_follower(struct sim *s)
{
	return &s->followers[sim_below(&s->chance, SIM_FOLLOWERS)];
}

static struct link_faults
bad_weather(struct sim *s)
{
	static const uint32_t delays[] = {5, 50, 500, 8000};
	struct link_faults w = CALM;

	w.loss_ppm = (uint32_t)sim_below(&s->chance, 300000);
	w.duplicate_ppm = (uint32_t)sim_below(&s->chance, 200000);
	w.delay_max_ms = delays[sim_below(&s->chance, ARRAY_LEN(delays))];
	return w;
}

static void
set_edge(struct sim_follower *f, struct link_faults up, struct link_faults down, const char *what)
{
	struct edge *e = &f->sim->faults->edges[f - f->sim->followers];

	e->up = up;
	e->down = down;
	if (f->state != SIM_STOPPING && f->sim->manager.state != SIM_STOPPING)
		fault_apply(f);
	sim_trace(f->sim, "network of %s: %s", f->name, what);
}

static void
weather(struct sim *s)
{
	set_edge(any_follower(s), bad_weather(s), bad_weather(s), "loses, repeats, delays");
}

static void
cut(struct sim *s)
{
	static const char *const what[] = {"cut", "cut upwards", "cut downwards"};
	struct link_faults none = CALM, off = CALM;
	uint64_t how = sim_below(&s->chance, 3);

	off.cut = true;
	set_edge(any_follower(s), how != 2 ? off : none, how != 1 ? off : none, what[how]);
}

static void
clear(struct sim *s)
{
	struct sim_follower *f = any_follower(s);

	set_edge(f, CALM, CALM, "good");
	s->faults->edges[f - s->followers].lying = HONEST;
}

static void
drop(struct sim *s)
{
	struct sim_follower *f = any_follower(s);

	link_net_drop(s->net, &f->node, &s->manager.node);
	sim_trace(s, "connection of %s dropped", f->name);
}

static void
betray(struct sim *s)
{
	struct sim_follower *f = any_follower(s);

	bool captive = sim_chance(&s->chance, 300000);

	s->faults->edges[f - s->followers].lying = captive ? CAPTIVE : LIES;
	f->tampered = true;
	replay_begin(s, &s->faults->edges[f - s->followers].replay);
	sim_trace(s, "network of %s: %s", f->name, captive ? "only old answers" : "lies");
}

/* --- nodes ---------------------------------------------------------------------------------------
 */

static void
follower_down(struct sim *s)
{
	follower_stop(
	    any_follower(s), sim_chance(&s->chance, 600000), sim_chance(&s->chance, 600000));
}

static void
follower_up(struct sim *s)
{
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];
		if (f->joined && f->state == SIM_DOWN)
			follower_start(f);
	}
}

static void
manager_down(struct sim *s)
{
	manager_stop(s, sim_chance(&s->chance, 700000), true);
}

static void
follower_dies_writing(struct sim *s)
{
	struct sim_follower *f = any_follower(s);

	if (f->state != SIM_UP || f->dying)
		return;
	f->dying = true;
	vfs_fault_fail(f->disk, VFS_ANY, 1 + sim_below(&s->chance, 40), VFS_EIO, true);
}

static void
manager_dies_writing(struct sim *s)
{
	struct sim_manager *m = &s->manager;

	if (m->state != SIM_UP || m->dying)
		return;
	m->dying = true;
	vfs_fault_fail(m->disk, VFS_ANY, 1 + sim_below(&s->chance, 60), VFS_EIO, true);
}

static void
disk_trouble(struct sim *s)
{
	struct sim_follower *f = any_follower(s);
	bool manager = sim_chance(&s->chance, 500000), full = sim_chance(&s->chance, 600000);
	uint64_t n = 1 + sim_below(&s->chance, 20);

	if (manager ? s->manager.dying || s->manager.state != SIM_UP
		    : f->dying || f->state != SIM_UP)
		return;
	vfs_fault_fail(manager ? s->manager.disk : f->disk, full ? VFS_WRITE : VFS_SYNC, n,
	    full ? VFS_ENOSPC : VFS_EIO, full);
	s->faults->disks_until = s->clock.now_ms + 200 + sim_below(&s->chance, 5000);
	sim_trace(s, "disk of %s %s", manager ? "the manager" : f->name,
	    full ? "will be full" : "will fail a sync");
}

static void
clock_step(struct sim *s)
{
	struct sim_follower *f = any_follower(s);
	int64_t years = (int64_t)sim_below(&s->chance, 21) - 10;

	f->rt.wall_offset_ms = years * 365 * DAY_MS;
	s->manager.rt.wall_offset_ms = ((int64_t)sim_below(&s->chance, 7200) - 3600) * 1000;
	sim_trace(s, "clock of %s is %lld years off", f->name, (long long)years);
}

void
fault_any(struct sim *s)
{
	static const struct {
		unsigned weight;
		void (*act)(struct sim *s);
	} table[] = {
	    {10, weather},
	    {6, cut},
	    {14, clear},
	    {3, drop},
	    {4, betray},
	    {6, follower_down},
	    {8, follower_up},
	    {3, manager_down},
	    {4, follower_dies_writing},
	    {3, manager_dies_writing},
	    {4, disk_trouble},
	    {2, clock_step},
	};
	uint64_t total = 0, drawn;
	size_t i;

	for (i = 0; i < ARRAY_LEN(table); i++)
		total += table[i].weight;
	drawn = sim_below(&s->chance, total);
	for (i = 0; drawn >= table[i].weight; i++)
		drawn -= table[i].weight;
	table[i].act(s);
}

void
fault_tick(struct sim *s)
{
	struct sim_manager *m = &s->manager;

	if (m->dying && m->state == SIM_UP && vfs_fault_hit(m->disk))
		manager_stop(s, true, true);
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];
		if (f->dying && f->state == SIM_UP && vfs_fault_hit(f->disk))
			follower_stop(f, true, true);
	}
	if (s->faults->disks_until == 0 || s->clock.now_ms < s->faults->disks_until)
		return;
	s->faults->disks_until = 0;
	if (!m->dying)
		vfs_fault_heal(m->disk);
	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		if (!s->followers[i].dying)
			vfs_fault_heal(s->followers[i].disk);
}

void
fault_heal(struct sim *s)
{
	s->quiet = true;
	sim_trace(s, "quiet");
	s->manager.dying = false;
	vfs_fault_heal(s->manager.disk);
	if (s->manager.state == SIM_DOWN)
		manager_start(s);
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];

		s->faults->edges[i].lying = HONEST;
		set_edge(f, CALM, CALM, "good");
		f->dying = false;
		f->restart_after_stop = true;
		vfs_fault_heal(f->disk);
	}
	follower_up(s);
}
