/* What nobody commits: nodes that fall silent, identities and CAs that run out. */

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "server/events/events_priv.h"
#include "server/index/index_ca.h"
#include "server/publish/publish.h"

#include <stdio.h>

#define LOOK_MOST_MS 5000
#define LOOK_LEAST_MS 200
#define REVIEW_EVERY 6 /* looks: CAs, and what was told */
#define IDENTITIES_AT_ONCE 16
#define CA_EARLY (365 * 86400)
#define CA_LATE (60 * 86400)

struct seen_node {
	uint64_t fresh_ms; /* monotonic: when it had the newest state last, or was seen first */
	unsigned look;     /* the last one in which there was a record of it */
};

static uint64_t
look_every(const struct events *e)
{
	uint64_t ms = (uint64_t)e->p.stale_after * 1000 / 4;

	return ms > LOOK_MOST_MS ? LOOK_MOST_MS : ms < LOOK_LEAST_MS ? LOOK_LEAST_MS : ms;
}

/* --- nodes ----------------------------------------------------------------------------------- */

/* It is in touch, and has what was there at the last look. */
static bool
is_fresh(const struct events *e, const struct id *node)
{
	struct publish_follower f;

	return publish_follower(e->publish, node, &f) && f.in_touch &&
	    position_compare((struct position){f.have.term, f.have.seq}, e->newest) >= 0;
}

static void
tell_stale(struct events *e, const struct index_record *r, uint64_t silent_ms)
{
	struct publish_follower f;
	bool known = publish_follower(e->publish, &r->id, &f);
	char text[LIMIT_NAME + 160], since[DURATION_TEXT_MAX];
	const struct event_fact facts[] = {EVENT_NUMBER("seconds", (int64_t)(silent_ms / 1000)),
	    EVENT_FLAG("in_touch", known && f.in_touch)};
	const struct event event = {.kind = EVENT_NODE_STALE,
	    .id = &r->id,
	    .name = r->name,
	    .text = text,
	    .facts = facts,
	    .fact_count = ARRAY_LEN(facts)};

	snprintf(text, sizeof(text), "%s: %s for %s; it goes on serving what it has", r->name,
	    known && f.in_touch ? "asks, but has not had the newest state" : "has not been heard",
	    duration_text((int64_t)(silent_ms / 1000), since));
	(void)events_raise_once(e, &event, &r->id, 1);
}

static void
tell_fresh(struct events *e, const struct index_record *r)
{
	char text[LIMIT_NAME + 64];
	const struct event event = {
	    .kind = EVENT_NODE_FRESH_AGAIN, .id = &r->id, .name = r->name, .text = text};

	if (!events_settle(e, EVENT_NODE_STALE, &r->id))
		return;
	snprintf(text, sizeof(text), "%s: has the newest state again", r->name);
	events_raise(e, &event);
}

static bool
look_at_node(void *arg, const struct index_record *r)
{
	struct events *e = arg;
	struct seen_node *seen = map_get(e->nodes, r->id.bytes, ID_LEN);
	uint64_t now = runtime_mono_ms(e->rt);

	if (r->node->role == ROLE_RECOVERY || id_equal(&r->id, &e->p.self))
		return true;
	if (seen == NULL) {
		seen = mem_zalloc(sizeof(*seen));
		seen->fresh_ms = now;
		(void)map_put(e->nodes, r->id.bytes, ID_LEN, seen);
	}
	seen->look = e->looks;
	if (is_fresh(e, &r->id)) {
		seen->fresh_ms = now;
		tell_fresh(e, r);
	} else if (now - seen->fresh_ms >= (uint64_t)e->p.stale_after * 1000) {
		tell_stale(e, r, now - seen->fresh_ms);
	}
	return true;
}

/* Nobody was heard while this process did not run: that says nothing of the nodes. */
static void
forgive(struct events *e)
{
	size_t at = 0;
	void *value;

	while (map_next(e->nodes, &at, NULL, &value))
		((struct seen_node *)value)->fresh_ms = runtime_mono_ms(e->rt);
}

/* Those without a record; the walk begins anew when the map has changed. */
static void
forget_removed(struct events *e)
{
	struct span key;
	void *value;
	size_t at = 0;

	while (map_next(e->nodes, &at, &key, &value)) {
		struct seen_node *seen = value;
		struct id id;

		if (seen->look == e->looks || id_from_span(key, &id, NULL) < 0)
			continue;
		mem_free(map_del(e->nodes, id.bytes, ID_LEN));
		at = 0;
	}
}

/* --- what runs out --------------------------------------------------------------------------- */

struct expiry {
	enum event_kind early, over; /* over EVENT__COUNT: no event of its own */
	const struct index_record *record;
	const char *what;
	int64_t not_before, not_after;
	int64_t first, second; /* seconds left at which it is told */
};

static void
look_at_expiry(struct events *e, const struct expiry *x)
{
	int64_t left = x->not_after - runtime_wall_s(e->rt);
	char text[LIMIT_NAME + 160], day[TIME_TEXT_MAX], rest[DURATION_TEXT_MAX];
	const struct event_fact facts[] = {EVENT_TIME("not_after", x->not_after),
	    EVENT_NUMBER("days_left", left > 0 ? left / 86400 : 0)};
	struct event event = {.kind = x->early,
	    .id = &x->record->id,
	    .name = x->record->name,
	    .text = text,
	    .facts = facts,
	    .fact_count = ARRAY_LEN(facts)};
	bool over = left <= 0;

	if (left > x->first) {
		/* It has been renewed: what follows is told anew. */
		(void)events_settle(e, x->early, &x->record->id);
		if (x->over != EVENT__COUNT)
			(void)events_settle(e, x->over, &x->record->id);
		return;
	}
	time_text(x->not_after, day);
	if (over)
		snprintf(text, sizeof(text), "%s: %s ran out on %s", x->record->name, x->what, day);
	else
		snprintf(text, sizeof(text), "%s: %s runs out on %s, in %s", x->record->name,
		    x->what, day, duration_text(left, rest));
	if (over && x->over != EVENT__COUNT)
		event.kind = x->over;
	(void)events_raise_once(e, &event, &x->record->id, over ? 3 : left <= x->second ? 2 : 1);
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Its certificate; owned by the caller. False: it has none that can be read. */
static bool
read_certificate(struct span der, struct expiry *x)
{
	AUTO(cert_unrefp)
	struct cert *cert = NULL;

	if (der.len == 0 || cert_parse(der, &cert, NULL) < 0)
		return false;
	x->not_before = cert_not_before(cert);
	x->not_after = cert_not_after(cert);
	return true;
}

/* It is signed anew when half of its time is over. */
static void
look_at_crl(struct events *e, const struct index_record *ca)
{
	const struct index_record *crl = index_crl_of(e->p.index, ca);
	struct expiry x = {EVENT_CRL_FAILED, EVENT__COUNT, ca, "the revocation list", 0, 0, 0, 0};

	if (crl == NULL || crl->crl->next_update == 0)
		return;
	x.not_after = crl->crl->next_update;
	x.first = (crl->crl->next_update - crl->crl->this_update) / 3;
	look_at_expiry(e, &x);
}

static bool
look_at_ca(void *arg, const struct index_record *r)
{
	struct expiry x = {
	    EVENT_CA_EXPIRING, EVENT_CA_EXPIRED, r, "the CA's certificate", 0, 0, 0, 0};
	int64_t lifetime;

	look_at_crl(arg, r);
	if (!r->ca->enabled || r->ca->chain.count == 0 ||
	    !read_certificate(r->ca->chain.items[0], &x))
		return true;
	lifetime = x.not_after - x.not_before;
	x.first = least(lifetime / 3, CA_EARLY);
	x.second = least(lifetime / 6, CA_LATE);
	look_at_expiry(arg, &x);
	return true;
}

/* A few at a time. A node renews its identity when a third is left. */
static void
look_at_identities(struct events *e)
{
	const struct index_record *nodes[IDENTITIES_AT_ONCE];
	bool more = false;
	size_t n = index_list(e->p.index, KIND_NODE, e->next[0] != '\0' ? e->next : NULL, nodes,
	    IDENTITIES_AT_ONCE, &more);

	for (size_t i = 0; i < n; i++) {
		struct expiry x = {
		    EVENT_NODE_EXPIRING, EVENT__COUNT, nodes[i], "its identity", 0, 0, 0, 0};

		if (!read_certificate(nodes[i]->node->certificate, &x))
			continue;
		x.first = (x.not_after - x.not_before) / 4;
		x.second = (x.not_after - x.not_before) / 12;
		look_at_expiry(e, &x);
	}
	snprintf(e->next, sizeof(e->next), "%s", more && n > 0 ? nodes[n - 1]->name : "");
}

/* --- the timer ------------------------------------------------------------------------------- */

struct review {
	enum event_kind kind;
	struct id about;
};

/* What was told and is not over: looked at, and forgotten with what it was about. */
static void
review_marks(struct events *e)
{
	struct review *list = NULL;
	size_t count = 0, at = 0;
	struct span key;
	void *value;

	while (map_next(e->marks, &at, &key, &value)) {
		list = mem_grow(list, count + 1, sizeof(*list));
		mark_of_key(key, &list[count].kind, &list[count].about);
		count++;
	}
	for (size_t i = 0; i < count; i++) {
		if (index_get(e->p.index, &list[i].about) == NULL)
			(void)events_settle(e, list[i].kind, &list[i].about);
		else if (e->health != NULL)
			conditions_review(e, list[i].kind, &list[i].about);
	}
	mem_free(list);
}

static void
on_look(void *arg)
{
	struct events *e = arg;
	const struct head *head = commit_head(e->commit, NULL);
	uint64_t now = runtime_mono_ms(e->rt);

	e->looks++;
	if (now > e->look_ms + 2 * LOOK_MOST_MS)
		forgive(e);
	index_each(e->p.index, KIND_NODE, look_at_node, e);
	forget_removed(e);
	look_at_identities(e);
	if (e->looks % REVIEW_EVERY == 1) {
		index_each(e->p.index, KIND_CA, look_at_ca, e);
		review_marks(e);
	}
	if (head != NULL)
		e->newest = head_position(head);
	e->look_ms = now + look_every(e);
	runtime_timer_start(e->rt, &e->look, look_every(e));
}

void
look_start(struct events *e)
{
	e->nodes = map_new();
	e->look = (struct timer){.cb = on_look, .arg = e};
	e->look_ms = runtime_mono_ms(e->rt) + look_every(e);
	runtime_timer_start(e->rt, &e->look, look_every(e));
}

void
look_stop(struct events *e)
{
	size_t at = 0;
	void *value;

	if (e->nodes == NULL)
		return;
	runtime_timer_stop(e->rt, &e->look);
	while (map_next(e->nodes, &at, NULL, &value))
		mem_free(value);
	map_free(MOVE(e->nodes));
}
