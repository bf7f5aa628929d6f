#include "tests/sim/sim_op.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"

#include <stdio.h>
#include <string.h>

#define CA_NAME "micro"
#define LIFETIME (90 * 86400)
#define GENERATIONS_MAX 256

static void
put_access(struct draft *d, const struct id *access, size_t count)
{
	memcpy(d->access, access, count * sizeof(*access));
	d->access_count = count;
}

/* A few servers and groups, often only one, sometimes nobody. */
static void
choose_access(struct sim_op *op)
{
	static const uint32_t kinds[] = {KIND_NODE, KIND_GROUP};
	struct sim *s = op->sim;

	op->access_count = 0;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		const struct sim_entry *all[SIM_FOLLOWERS + SIM_GROUPS + 4];
		size_t count = shelf_of_kind(&s->manager.shelf, kinds[k], all, ARRAY_LEN(all));

		for (size_t i = 0; i < count; i++)
			if (!str_equal(all[i]->record->name, GROUP_MANAGERS) &&
			    !str_equal(all[i]->record->name, "recovery") &&
			    op->access_count < ARRAY_LEN(op->access) &&
			    sim_chance(&s->chance, 350000))
				op->access[op->access_count++] = all[i]->record->id;
	}
}

/* As it stands in the record, without those that are gone. */
static void
keep_access(struct sim_op *op, const struct record *r)
{
	op->access_count = 0;
	for (size_t i = 0; i < r->access_count; i++) {
		const struct sim_entry *e = shelf_get(&op->sim->manager.shelf, &r->access[i]);
		if (e != NULL && !e->record->removed && op->access_count < ARRAY_LEN(op->access))
			op->access[op->access_count++] = r->access[i];
	}
}

static const struct sim_entry *
live(const struct sim_op *op, const struct id *id)
{
	const struct sim_entry *e = shelf_get(&op->sim->manager.shelf, id);

	return e != NULL && !e->record->removed ? e : NULL;
}

/* --- Micro CA ------------------------------------------------------------------------------------
 */

static bool
ask_ca(struct sim_op *op, struct signer_request *request)
{
	int64_t now = runtime_wall_s(&op->sim->manager.rt.rt);

	request->make_ca = (struct signer_make_ca){
	    .ca = {op->made, 1},
	    .name = CA_NAME,
	    .key_type = "ec-p256",
	    .not_before = now - 3600,
	    .not_after = now + INT64_C(3650) * 86400,
	    .is_default = true,
	};
	return true;
}

static void
take_ca(struct sim_op *op, const struct signer_done *done)
{
	struct draft *d = sim_op_draft(op, &op->made, KIND_CA, CA_NAME);

	buf_put_span(d->public_part, done->public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, done->sealed);
}

static void
make_ca(struct sim *s)
{
	struct sim_op *op = sim_op_new(s, "ca.create", CA_NAME);

	id_random(&op->made);
	op->alone = true;
	sim_op_step(op, SIGNER_MAKE_CA, ask_ca, take_ca);
	sim_op_start(op);
}

/* --- credentials ---------------------------------------------------------------------------------
 */

static bool
ask_issue(struct sim_op *op, struct signer_request *request)
{
	const struct sim_entry *ca = shelf_by_name(&op->sim->manager.shelf, KIND_CA, CA_NAME);
	const struct sim_entry *before = live(op, &op->other);
	int64_t now = runtime_wall_s(&op->sim->manager.rt.rt);

	if (ca == NULL || (op->version > 1 && live(op, &op->target) == NULL))
		return false;
	op->names[0] = op->name;
	request->issue = (struct signer_issue){
	    .generation = {op->made, 1},
	    .credential = op->target,
	    .number = op->version,
	    .names = {op->names, 1},
	    .key_type = "ec-p256",
	    .not_before = now,
	    .not_after = now + LIFETIME,
	    .ca = entry_signed(ca),
	    .keep_key = op->flag && before != NULL,
	    .access = {op->access, op->access_count},
	    .activated_at_ms = now * 1000,
	};
	if (request->issue.keep_key)
		request->issue.key_of = entry_signed(before);
	return true;
}

static void
put_credential(struct sim_op *op, const struct id *active, uint64_t generations, bool archived)
{
	struct draft *d = sim_op_draft(op, &op->target, KIND_CREDENTIAL, op->name);
	const char *names[] = {op->name};
	struct credential_public p = {
	    .names = {names, 1},
	    .key_type = "ec-p256",
	    .issuer = ISSUER_MICRO,
	    .lifetime = LIFETIME,
	    .has_active = true,
	    .active = *active,
	    .generations = generations,
	    .archived = archived,
	    .state = CREDENTIAL_ISSUED,
	    .error = "",
	    .created_at = runtime_wall_s(&op->sim->manager.rt.rt),
	};

	CHECK(wire_credential_public_encode(&p, d->public_part, NULL) == 0);
	put_access(d, op->access, op->access_count);
}

static void
take_issue(struct sim_op *op, const struct signer_done *done)
{
	char name[LIMIT_NAME + 1], hex[ID_HEX_MAX];
	struct draft *d;

	snprintf(name, sizeof(name), "%s/%s", op->name, id_hex(&op->made, hex));
	d = sim_op_draft(op, &op->made, KIND_GENERATION, name);
	buf_put_span(d->public_part, done->public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, done->sealed);
	put_access(d, op->access, op->access_count);
	put_credential(op, &op->made, op->version, false);
	/* What was in force before goes now and then, as old generations do. */
	if (op->version > 2 && sim_chance(&op->sim->chance, 500000))
		sim_op_remove(op, &op->other);
}

static void
add_credential(struct sim *s)
{
	char name[32];
	struct sim_op *op;

	snprintf(name, sizeof(name), "w%u.example.org", s->made++);
	op = sim_op_new(s, "cert.add", name);
	id_random(&op->target);
	id_random(&op->made);
	op->version = 1;
	choose_access(op);
	sim_op_step(op, SIGNER_ISSUE, ask_issue, take_issue);
	sim_op_start(op);
}

/* Fills in target, other (the generation in force) and version; false: no such credential. */
static struct sim_op *
sim_op_on_credential(struct sim *s, const char *action)
{
	const struct sim_entry *e = shelf_any(&s->manager.shelf, KIND_CREDENTIAL, &s->chance);
	struct credential_public p;
	struct sim_op *op;

	if (e == NULL)
		return NULL;
	CHECK(wire_credential_public_decode(e->record->public_part, &p, NULL) == 0);
	op = sim_op_new(s, action, e->record->name);
	op->target = e->record->id;
	op->other = p.active;
	op->version = p.generations;
	op->flag = p.archived;
	keep_access(op, e->record);
	credential_public_fini(&p);
	return op;
}

static void
renew(struct sim *s)
{
	struct sim_op *op = sim_op_on_credential(s, "cert.renew");

	if (op == NULL)
		return;
	id_random(&op->made);
	op->version++;
	op->flag = sim_chance(&s->chance, 700000);
	sim_op_step(op, SIGNER_ISSUE, ask_issue, take_issue);
	sim_op_start(op);
}

static bool
ask_reseal(struct sim_op *op, struct signer_request *request)
{
	const struct sim_entry *e = live(op, &op->other);

	if (e == NULL || live(op, &op->target) == NULL)
		return false;
	request->reseal = (struct signer_reseal){
	    .record = entry_signed(e),
	    .to = {op->other, e->record->version + 1},
	    .public_part = e->record->public_part,
	    .access = {op->access, op->access_count},
	};
	op->seen = e->record->version;
	return true;
}

static void
take_reseal(struct sim_op *op, const struct signer_done *done)
{
	const struct sim_entry *e = live(op, &op->other);
	struct draft *d;

	if (e == NULL || e->record->version != op->seen) {
		op->step = op->step_count - 1;
		return;
	}
	d = sim_op_draft(op, &op->other, KIND_GENERATION, e->record->name);
	buf_put_span(d->public_part, e->record->public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, done->sealed);
	put_access(d, op->access, op->access_count);
	put_credential(op, &op->other, op->version, op->flag);
}

static void
change_access(struct sim *s)
{
	struct sim_op *op = sim_op_on_credential(s, "cert.access");

	if (op == NULL)
		return;
	choose_access(op);
	sim_op_step(op, SIGNER_RESEAL, ask_reseal, take_reseal);
	sim_op_start(op);
}

static void
archive(struct sim *s)
{
	struct sim_op *op = sim_op_on_credential(s, "cert.archive");

	if (op == NULL)
		return;
	put_credential(op, &op->other, op->version, !op->flag);
	sim_op_start(op);
}

static void
delete_credential(struct sim *s)
{
	const struct sim_entry *all[GENERATIONS_MAX];
	struct sim_op *op = sim_op_on_credential(s, "cert.delete");
	size_t count;

	if (op == NULL)
		return;
	sim_op_remove(op, &op->target);
	count = shelf_of_kind(&s->manager.shelf, KIND_GENERATION, all, ARRAY_LEN(all));
	for (size_t i = 0; i < count; i++) {
		struct generation_public p;

		CHECK(wire_generation_public_decode(all[i]->record->public_part, &p, NULL) == 0);
		if (id_equal(&p.credential, &op->target))
			sim_op_remove(op, &all[i]->record->id);
		generation_public_fini(&p);
	}
	sim_op_start(op);
}

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
		op->mutation->drafts[0].expect_version += 7;
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
	    {8, false, add_credential},
	    {14, false, renew},
	    {8, false, change_access},
	    {4, false, archive},
	    {3, false, delete_credential},
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
	if (shelf_by_name(&s->manager.shelf, KIND_CA, CA_NAME) == NULL) {
		if (sim_op_may_begin(s, true))
			make_ca(s);
		return;
	}
	table[i].act(s);
}
