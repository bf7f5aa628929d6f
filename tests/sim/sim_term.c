#include "tests/sim/sim_op.h"

#include "common/crypto/sign.h"

#include <string.h>

/*
 * The terms of the manager. There is one manager, which the root key designates again now and then
 * when it comes back from a crash, as after a loss of its keys: followers that have heard of the
 * new term take no head of an old one, whoever shows it to them.
 */

static void
previous_of(const struct sim_manager *m, struct designation *d)
{
	d->has_previous = true;
	hash_of(buf_span(term_now(m)->body), &d->previous);
}

/*
 * What the log holds up to the cut stays. Everything that was published is durable, so nothing of
 * it lies behind; what a crash has left beyond it, acknowledged or not, stays as well.
 */
static void
cut_of(struct sim *s, struct designation *d)
{
	const struct oracle_head *last = oracle_last_head(&s->oracle);
	uint64_t count;

	d->has_cut = true;
	CHECK(store_extent(s->manager.store, &d->cut, &count, NULL) == 0);
	if (last == NULL || position_compare(last->at, d->cut) < 0)
		return;
	d->cut = last->at;
	d->cut_digest = last->digest;
}

void
term_begin(struct sim *s)
{
	struct sim_manager *m = &s->manager;
	struct sim_term *t = &m->terms[m->term_count];
	bool first = m->term_count == 0;
	struct designation d = {
	    .node = m->node,
	    .reason = first ? REASON_FIRST : REASON_LOST,
	    .made_at = SIM_START_WALL_MS / 1000,
	};

	if (m->term_count == SIM_TERMS)
		return;
	t->term = d.term = term_make(first ? 1 : term_epoch(term_now(m)->term) + 1, 0);
	CHECK(pkey_generate(KEY_EC_P256, &t->key, NULL) == 0);
	d.term_key = pkey_spki(t->key);
	if (!first) {
		previous_of(m, &d);
		cut_of(s, &d);
	}
	t->body = buf_new(LIMIT_DESIGNATION);
	t->signature = buf_new(SIGNATURE_MAX);
	CHECK(wire_designation_encode(&d, t->body, NULL) == 0);
	CHECK(sign_put(m->root_key, SIGN_DESIGNATION, &m->domain, buf_span(t->body), t->signature,
		  NULL) == 0);
	m->term_count++;
	sim_trace(s, "term %llx begins", (unsigned long long)t->term);
}

const struct sim_term *
term_now(const struct sim_manager *m)
{
	return &m->terms[m->term_count - 1];
}

struct designation_list
term_list(const struct sim_manager *m, struct signed_designation out[static SIM_TERMS])
{
	for (size_t i = 0; i < m->term_count; i++)
		out[i] = (struct signed_designation){
		    buf_span(m->terms[i].body), buf_span(m->terms[i].signature), SIGNER_ROOT_KEY};
	return (struct designation_list){out, m->term_count};
}

void
term_record(struct sim *s)
{
	struct signed_designation all[SIM_TERMS];
	struct designation_list list = term_list(&s->manager, all);
	struct designation_public p = {.designation = list.items[list.count - 1]};
	char name[DESIGNATION_NAME_MAX];
	struct sim_op *op;
	struct id id;

	wire_designation_name(term_now(&s->manager)->term, name);
	s->manager.bootstrapped = true;
	if (shelf_by_name(&s->manager.shelf, KIND_DESIGNATION, name) != NULL)
		return;
	op = sim_op_new(s, "term.begin", name);
	id_random(&id);
	CHECK(wire_designation_public_encode(
		  &p, sim_op_draft(op, &id, KIND_DESIGNATION, name)->public_part, NULL) == 0);
	sim_op_start(op);
}

void
term_free_all(struct sim_manager *m)
{
	for (size_t i = 0; i < m->term_count; i++) {
		pkey_unref(m->terms[i].key);
		buf_free(m->terms[i].body);
		buf_free(m->terms[i].signature);
	}
}
