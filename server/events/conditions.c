/* What server/health finds, told once, and that it is over. */

#include "server/events/events_priv.h"
#include "server/health/health.h"
#include "server/publish/publish.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_MAX (HEALTH_TEXT + LIMIT_NAME + 64)

/* --- times ----------------------------------------------------------------------------------- */

/*
 * A credential that renews itself is due when a third of its lifetime is left, and says so itself
 * when that fails: what is worth telling is that nothing of it has helped.
 */
static bool
is_early(const struct health_change *c)
{
	return c->condition == CONDITION_EXPIRING && c->grade == HEALTH_YELLOW &&
	    c->credential->credential->issuer == ISSUER_MICRO;
}

static void
on_times(struct events *e, const struct health_change *c)
{
	const struct index_record *g = index_active(e->p.index, c->credential);
	int64_t now = runtime_wall_s(e->rt), left;
	char text[TEXT_MAX];
	struct event event = {
	    .kind = c->condition == CONDITION_EXPIRED ? EVENT_CREDENTIAL_EXPIRED
						      : EVENT_CREDENTIAL_EXPIRING,
	    .id = &c->credential->id,
	    .name = c->credential->name,
	    .text = text,
	};

	/* Over: by a new generation, which has its own event. */
	if (g == NULL || c->grade == HEALTH_GREEN || is_early(c))
		return;
	left = g->generation->not_after - now;
	snprintf(text, sizeof(text), "%s: generation %" PRIu64 ": %s", c->credential->name,
	    g->generation->number, c->text);
	event.facts = (const struct event_fact[]){
	    EVENT_NUMBER("generation", (int64_t)g->generation->number),
	    EVENT_TIME("not_after", g->generation->not_after),
	    EVENT_NUMBER("days_left", left > 0 ? left / 86400 : 0),
	    EVENT_TEXT("issuer", issuer_type_name(c->credential->credential->issuer)),
	};
	event.fact_count = 4;
	(void)events_raise_once(e, &event, &g->id, (uint32_t)c->grade);
}

/* --- what begins and ends -------------------------------------------------------------------- */

static const struct {
	enum event_kind begins, ends;
	const char *over; /* NULL: that it is over is not told */
} pairs[] = {
    [CONDITION_EXPIRING] = {EVENT_CREDENTIAL_EXPIRING, EVENT_CREDENTIAL_ISSUED, NULL},
    [CONDITION_EXPIRED] = {EVENT_CREDENTIAL_EXPIRED, EVENT_CREDENTIAL_ISSUED, NULL},
    [CONDITION_CHAIN] = {EVENT_CREDENTIAL_CHAIN_BAD, EVENT_CREDENTIAL_CHAIN_GOOD,
	"nothing is wrong with its chain any more"},
    [CONDITION_NOT_SERVED] = {EVENT_CREDENTIAL_NOT_SERVED, EVENT_CREDENTIAL_SERVED_AGAIN,
	"served again by all nodes that should"},
    [CONDITION_CHECK] = {EVENT_CHECK_FAILED, EVENT_CHECK_RECOVERED,
	"seen at all its addresses as it should be"},
};
_Static_assert(ARRAY_LEN(pairs) == CONDITION__COUNT, "every condition has its events");

/* Another generation has another chain; everything else is of the credential. */
static const struct id *
about_of(enum health_condition condition, const struct index_record *c)
{
	return condition == CONDITION_CHAIN ? &c->credential->active : &c->id;
}

/*
 * Only when all of them say so: that nothing is said of them, as in the first seconds after a
 * change, is no end of a trouble.
 */
static bool
is_served(const struct events *e, const struct index_record *c)
{
	struct access_lookup lookup = index_access_lookup(e->p.index);
	const struct index_record *active = index_active(e->p.index, c);
	struct access_list readers = {NULL, 0, 0};
	bool all = true;

	if (active == NULL)
		return true;
	access_expand(&lookup, active->access, NULL, &readers);
	for (size_t i = 0; all && i < readers.count; i++) {
		const struct access_node *n = &readers.items[i].node;
		const struct receipt *r = publish_receipt(e->publish, &n->id, &c->id);

		all = n->role != ROLE_REPLICA ||
		    (r != NULL && r->has_generation && id_equal(&r->generation, &active->id));
	}
	access_list_fini(&readers);
	return all;
}

/* The same of looks: each address has been seen since the start, and well. */
static bool
is_seen_well(const struct events *e, const struct index_record *c)
{
	const struct texts *addresses = &c->credential->checks;

	for (size_t i = 0; i < addresses->count; i++) {
		const struct check_result *found =
		    health_found(e->health, &c->id, addresses->items[i]);

		if (found == NULL || found->at == 0 || check_result_grade(found) != HEALTH_GREEN)
			return false;
	}
	return true;
}

static void
tell_over(struct events *e, enum health_condition condition, const struct index_record *c)
{
	char text[TEXT_MAX];
	const struct event event = {
	    .kind = pairs[condition].ends, .id = &c->id, .name = c->name, .text = text};

	if ((condition == CONDITION_NOT_SERVED && !is_served(e, c)) ||
	    (condition == CONDITION_CHECK && !is_seen_well(e, c)) ||
	    !events_settle(e, pairs[condition].begins, about_of(condition, c)))
		return;
	snprintf(text, sizeof(text), "%s: %s", c->name, pairs[condition].over);
	events_raise(e, &event);
}

static void
on_trouble(struct events *e, const struct health_change *c)
{
	char text[TEXT_MAX];
	const struct event_fact facts[] = {
	    EVENT_TEXT("code", c->code), EVENT_TEXT("grade", health_grade_name(c->grade))};
	const struct event event = {
	    .kind = pairs[c->condition].begins,
	    .id = &c->credential->id,
	    .name = c->credential->name,
	    .text = text,
	    .facts = facts,
	    .fact_count = ARRAY_LEN(facts),
	};

	snprintf(text, sizeof(text), "%s: %s", c->credential->name, c->text);
	(void)events_raise_once(
	    e, &event, about_of(c->condition, c->credential), (uint32_t)c->grade);
}

void
events_on_health(struct events *e, const struct health_change *c)
{
	/* Not yet, or no longer. */
	if (e->publish == NULL || e->health == NULL)
		return;
	if (pairs[c->condition].over == NULL)
		on_times(e, c);
	else if (c->grade == HEALTH_GREEN)
		tell_over(e, c->condition, c->credential);
	/* A root that nobody has stored is no trouble of a thousand imports. */
	else if (c->condition != CONDITION_CHAIN || c->grade == HEALTH_RED)
		on_trouble(e, c);
}

/*
 * health begins anew with each start: what has become well while nobody looked is no change to it.
 * So what was told is looked at again and again.
 */
void
conditions_review(struct events *e, enum event_kind kind, const struct id *about)
{
	const struct index_record *c = index_of_kind(e->p.index, KIND_CREDENTIAL, about);

	if (kind != EVENT_CREDENTIAL_NOT_SERVED && kind != EVENT_CHECK_FAILED)
		return;
	if (c == NULL || c->credential->archived)
		(void)events_settle(e, kind, about);
	else if (kind == EVENT_CREDENTIAL_NOT_SERVED)
		tell_over(e, CONDITION_NOT_SERVED, c);
	else
		tell_over(e, CONDITION_CHECK, c);
}
