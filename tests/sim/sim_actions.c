#include "tests/sim/sim_op.h"

#include "common/crypto/sign.h"

#include <stdio.h>
#include <string.h>

/* --- records without a seal ----------------------------------------------------------------------
 */

static void
put_setting(struct sim_op *op, const struct id *id, const char *name)
{
	struct draft *d = sim_op_draft(op, id, KIND_SETTING, name);
	char value[200];
	struct setting_public p = {.value = value};
	size_t n = (size_t)sim_below(&op->sim->chance, sizeof(value) - 1);

	memset(value, 'v', n);
	value[n] = '\0';
	CHECK(wire_setting_public_encode(&p, d->public_part, NULL) == 0);
}

static void
change_setting(struct sim *s)
{
	const struct sim_entry *e = shelf_any(&s->manager.shelf, KIND_SETTING, &s->chance);
	struct sim_op *op = sim_op_new(s, "setting.set", "several");
	struct id id;

	if (e != NULL && sim_chance(&s->chance, 200000))
		sim_op_remove(op, &e->record->id);
	else if (e != NULL)
		put_setting(op, &e->record->id, e->record->name);
	/* A mutation of several records, which arrives whole or not at all. */
	for (uint64_t i = sim_below(&s->chance, 6) + 1; i > 0; i--) {
		char name[32];

		snprintf(name, sizeof(name), "s%u", s->made++);
		id_random(&id);
		put_setting(op, &id, name);
	}
	sim_op_start(op);
}

static void
on_probed(struct sim_op *op)
{
	op->sim->probed = true;
}

void
action_probe(struct sim *s)
{
	const struct sim_entry *e = shelf_by_name(&s->manager.shelf, KIND_SETTING, "probe");
	struct sim_op *op = sim_op_new(s, "setting.set", "probe");
	struct id id;

	if (e != NULL)
		id = e->record->id;
	else
		id_random(&id);
	put_setting(op, &id, "probe");
	op->on_done = on_probed;
	sim_op_start(op);
}

/* One that has seen an older version, or takes a name that there is. */
static void
refused_change(struct sim *s)
{
	const struct sim_entry *e = shelf_any(&s->manager.shelf, KIND_SETTING, &s->chance);
	struct sim_op *op;
	struct id id;

	if (e == NULL)
		return;
	op = sim_op_new(s, "setting.refused", e->record->name);
	op->expected = sim_chance(&s->chance, 500000) ? ERR_CONFLICT : ERR_EXISTS;
	op->alone = true;
	id_random(&id);
	if (op->expected == ERR_CONFLICT) {
		put_setting(op, &e->record->id, e->record->name);
		op->mutation->drafts[0].expect_version +=
		    sim_chance(&s->chance, 500000) ? 7 : UINT64_MAX;
	} else {
		put_setting(op, &id, e->record->name);
	}
	sim_op_start(op);
}

static void
purge(struct sim *s)
{
	sim_trace(s, "purge of all tombstones");
	commit_purge(s->manager.commit, (int64_t)sim_below(&s->chance, 60));
}

void
action_any(struct sim *s)
{
	static const struct {
		unsigned weight;
		bool alone;
		void (*act)(struct sim *s);
	} table[] = {
	    {8, false, action_issue},
	    {14, false, action_renew},
	    {2, false, action_odd},
	    {8, false, action_access},
	    {4, false, action_archive},
	    {3, false, action_delete},
	    {12, false, change_setting},
	    {3, true, refused_change},
	    {3, true, action_join},
	    {4, true, action_group},
	    {6, true, action_member},
	    {1, true, action_remove_node},
	    {2, false, purge},
	};
	uint64_t total = 0, drawn;
	size_t i;

	for (i = 0; i < ARRAY_LEN(table); i++)
		total += table[i].weight;
	drawn = sim_below(&s->chance, total);
	for (i = 0; drawn >= table[i].weight; i++)
		drawn -= table[i].weight;
	if (!sim_op_may_begin(s, table[i].alone))
		return;
	if (shelf_by_name(&s->manager.shelf, KIND_CA, MICRO_CA) == NULL) {
		if (sim_op_may_begin(s, true))
			action_make_ca(s);
		return;
	}
	table[i].act(s);
}
