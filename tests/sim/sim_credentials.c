#include "tests/sim/sim_op.h"

#include "common/base/map.h"
#include "common/base/str.h"
#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"

#include <stdio.h>
#include <string.h>

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
	    .name = MICRO_CA,
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
	struct draft *d = sim_op_draft(op, &op->made, KIND_CA, MICRO_CA);

	buf_put_span(d->public_part, done->public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, done->sealed);
}

void
action_make_ca(struct sim *s)
{
	struct sim_op *op = sim_op_new(s, "ca.create", MICRO_CA);

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
	const struct sim_entry *ca = shelf_by_name(&op->sim->manager.shelf, KIND_CA, MICRO_CA);
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
	    .keep_key = op->flag && before != NULL && odd_of(op->sim, &op->other) == ODD_NOT,
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

void
action_issue(struct sim *s)
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

void
action_renew(struct sim *s)
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

	if (e == NULL || live(op, &op->target) == NULL || odd_of(op->sim, &op->other) != ODD_NOT)
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

void
action_access(struct sim *s)
{
	struct sim_op *op = sim_op_on_credential(s, "cert.access");

	if (op == NULL)
		return;
	choose_access(op);
	sim_op_step(op, SIGNER_RESEAL, ask_reseal, take_reseal);
	sim_op_start(op);
}

void
action_archive(struct sim *s)
{
	struct sim_op *op = sim_op_on_credential(s, "cert.archive");

	if (op == NULL)
		return;
	put_credential(op, &op->other, op->version, !op->flag);
	sim_op_start(op);
}

void
action_delete(struct sim *s)
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

/* --- one that does not fit -----------------------------------------------------------------------
 */

enum odd
odd_of(const struct sim *s, const struct id *generation)
{
	void *odd = map_get(s->odd, generation, sizeof(*generation));

	return odd == NULL ? ODD_NOT : odd == s ? ODD_SEALED : ODD_PUBLIC;
}

/* Sealed to the nodes themselves: the signer would not do it. */
static void
seal_odd(struct sim_op *op, const struct pkey *key, struct draft *d)
{
	const struct pkey *to[SIM_FOLLOWERS];
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL;
	AUTO(secret_freep)
	struct secret *plain = NULL;
	struct seal_binding binding = {
	    op->sim->manager.domain, op->made, 1, KIND_GENERATION, buf_span(d->public_part)};
	size_t count = 0;

	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		for (size_t k = 0; k < op->access_count; k++)
			if (id_equal(&op->access[k], &op->sim->followers[i].node))
				to[count++] = op->sim->followers[i].sealing;
	d->sealed = buf_new(LIMIT_SEALED);
	CHECK(pkey_to_pkcs8(key, &pkcs8, NULL) == 0);
	CHECK(wire_private_key_encode(pkcs8, &plain, NULL) == 0);
	CHECK(envelope_seal(&binding, plain, to, count, d->sealed, NULL) == 0);
}

/*
 * A generation whose key is not that of its certificate: the public part names the key that is
 * sealed, or the certificate's and another one is sealed.
 */
static void
take_odd(struct sim_op *op, const struct signer_done *done)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct generation_public p;
	enum odd odd = sim_chance(&op->sim->chance, 500000) ? ODD_SEALED : ODD_PUBLIC;
	char name[LIMIT_NAME + 1], hex[ID_HEX_MAX];
	struct draft *d;

	CHECK(pkey_generate(KEY_EC_P256, &key, NULL) == 0);
	CHECK(wire_generation_public_decode(done->public_part, &p, NULL) == 0);
	if (odd == ODD_PUBLIC)
		p.key = pkey_spki(key);
	snprintf(name, sizeof(name), "%s/%s", op->name, id_hex(&op->made, hex));
	d = sim_op_draft(op, &op->made, KIND_GENERATION, name);
	CHECK(wire_generation_public_encode(&p, d->public_part, NULL) == 0);
	generation_public_fini(&p);
	seal_odd(op, key, d);
	put_access(d, op->access, op->access_count);
	put_credential(op, &op->made, op->version, false);
	map_put(op->sim->odd, &op->made, sizeof(op->made),
	    odd == ODD_SEALED ? (void *)op->sim : (void *)op->sim->odd);
}

void
action_odd(struct sim *s)
{
	struct id members[SIM_FOLLOWERS];
	struct sim_op *op = NULL;
	size_t count = 0;

	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		if (s->followers[i].joined && !s->followers[i].removed)
			members[count++] = s->followers[i].node;
	if (count > 0)
		op = sim_op_on_credential(s, "cert.odd");
	if (op == NULL)
		return;
	memcpy(op->access, members, count * sizeof(members[0]));
	op->access_count = count;
	id_random(&op->made);
	op->version++;
	op->flag = false;
	sim_op_step(op, SIGNER_ISSUE, ask_issue, take_odd);
	sim_op_start(op);
}
