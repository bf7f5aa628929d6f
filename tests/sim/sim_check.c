#include "tests/sim/sim.h"

#include <string.h>

#define SLACK_MS 2000 /* from an answer to the state that it makes */

/* Nobody is fresh by what he has heard before. */
static void
check_freshness(struct sim_follower *f, const struct follow_status *status)
{
	uint64_t silent = f->sim->clock.now_ms - f->heard_ms;

	if (status->freshness == FRESH && silent > FOLLOW_STALE_MS + SLACK_MS)
		sim_fail(f->sim, "%s is fresh, and has heard nothing new for %llu ms", f->name,
		    (unsigned long long)silent);
}

void
check_heard(struct sim_follower *f, const struct buf *body)
{
	struct follow_status status;
	struct reply reply;
	struct head head;
	int newer;

	if (f->state != SIM_UP || wire_reply_decode(buf_span(body), &reply, NULL) < 0)
		return;
	if (reply.answer == ANSWER_DELTA && reply.delta.has_head &&
	    oracle_has_signed(&f->sim->oracle, reply.delta.head.body) &&
	    wire_head_decode(reply.delta.head.body, &head, NULL) == 0) {
		follow_status(f->follow, &status);
		newer = position_compare(head_position(&head), status.at);
		if (newer > 0 || (newer == 0 && head.beat > status.beat) ||
		    status.freshness == FRESH_UNKNOWN)
			f->heard_ms = f->sim->clock.now_ms;
	}
	reply_fini(&reply);
}

void
check_step(struct sim *s)
{
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];
		struct follow_status status;

		if (f->state != SIM_UP)
			continue;
		follow_status(f->follow, &status);
		check_freshness(f, &status);
		/* Nothing is known before the store has been read. */
		if (position_compare(status.at, (struct position){0, 0}) == 0)
			continue;
		if (position_compare(status.at, f->shown) < 0)
			sim_fail(s, "%s falls from seq %llu back to %llu", f->name,
			    (unsigned long long)f->shown.seq, (unsigned long long)status.at.seq);
		if (position_compare(status.at, f->shown) == 0 && status.beat < f->shown_beat)
			sim_fail(s, "%s falls from beat %llu back to %llu", f->name,
			    (unsigned long long)f->shown_beat, (unsigned long long)status.beat);
		if (!oracle_knows_beat(&s->oracle, status.at, status.beat))
			sim_fail(s, "%s shows seq %llu and beat %llu, which no head had", f->name,
			    (unsigned long long)status.at.seq, (unsigned long long)status.beat);
		if (position_compare(status.at, f->kept) < 0)
			sim_fail(s, "%s was at seq %llu when it was killed, and is at %llu",
			    f->name, (unsigned long long)f->kept.seq,
			    (unsigned long long)status.at.seq);
		f->shown = status.at;
		f->shown_beat = status.beat;
	}
}

/* --- the digest ----------------------------------------------------------------------------------
 */

struct mirroring {
	struct digest *digest;
	size_t seen, designations;
};

static int
mirror_one(const struct stored_record *stored, void *arg, struct err *err)
{
	struct mirroring *m = arg;
	const struct hash *held = digest_get(m->digest, &stored->id);

	(void)err;
	m->seen++;
	m->designations += stored->kind == KIND_DESIGNATION;
	if (held == NULL || !hash_equal(held, &stored->hash))
		digest_set(m->digest, &stored->id, &stored->hash);
	return 0;
}

/* The digest of what lies in the store, worked out without the follower. */
static int
mirror(struct sim_follower *f, struct hash *root, size_t *designations, struct err *err)
{
	struct mirroring m = {.digest = f->mirror};
	int r = store_each(f->store, STORE_ALL_KINDS, false, mirror_one, &m, err);

	if (r == 0 && m.seen != digest_count(f->mirror)) {
		digest_clear(f->mirror);
		m.designations = 0;
		r = store_each(f->store, STORE_ALL_KINDS, false, mirror_one, &m, err);
	}
	digest_root(f->mirror, root);
	*designations = m.designations;
	return r;
}

void
check_applied(struct sim_follower *f, struct position at)
{
	struct sim *s = f->sim;
	size_t designations = 0;
	struct hash root;
	struct err err;

	if (mirror(f, &root, &designations, &err) < 0)
		sim_trace(s, "%s cannot read its store: %s", f->name, err.text);
	else if (!oracle_knows(&s->oracle, at, &root))
		sim_fail(s, "%s shows seq %llu with a digest that no head has", f->name,
		    (unsigned long long)at.seq);
	if (designations > f->designations)
		f->sure = at;
	f->designations = designations;
	/* A network that lies may still show it what it was allowed to see before. */
	if (f->removed && f->refused && !f->tampered)
		sim_fail(s, "%s applies, and was refused as no member", f->name);
}

/* --- agreement -----------------------------------------------------------------------------------
 */

static bool
agrees(struct sim_follower *f, const struct head *head)
{
	struct follow_status status;
	size_t designations;
	struct hash root;

	if (f->state != SIM_UP)
		return false;
	follow_status(f->follow, &status);
	return position_compare(status.at, head_position(head)) == 0 && status.freshness == FRESH &&
	    mirror(f, &root, &designations, NULL) == 0 && hash_equal(&root, &head->digest);
}

bool
check_agreement(struct sim *s)
{
	const struct head *head;

	if (s->manager.state != SIM_UP || !s->manager.bootstrapped || s->ops > 0)
		return false;
	head = commit_head(s->manager.commit, NULL);
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];

		if (f->joined && !f->removed && !agrees(f, head))
			return false;
		if (f->removed && f->state == SIM_UP && !f->refused)
			return false;
	}
	return head != NULL;
}
