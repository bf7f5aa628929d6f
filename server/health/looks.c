/* Looks from outside: of its own once a day, and those that somebody has asked for. */

#include "server/health/health_priv.h"

#include <string.h>

/* After a start, and for an address that is new: not all at the same moment. */
#define FIRST_MS 60000
/* Looks that were asked for; those of our own are bounded by LIMIT_CHECKS_AT_ONCE. */
#define ASKED_MOST 64

/* A check that somebody has asked for; results lie in the order of the addresses. */
struct demand {
	health_checked_cb *done;
	void *arg;
	size_t count, open;
	struct health_checked *results;
};

struct look {
	struct health *health;
	struct look *next, **prev;
	struct id credential;
	struct check_target target;
	char asked[NAME_TEXT_MAX];
	char address[LIMIT_CHECK_TARGET + 1];
	struct check *check;
	struct demand *demand; /* NULL: of our own */
	size_t slot;           /* in its results */
};

static void
demand_free(struct demand *d)
{
	for (size_t i = 0; i < d->count; i++)
		mem_free((char *)(uintptr_t)d->results[i].address);
	mem_free(d->results);
	mem_free(d);
}

static void
look_free(struct look *l)
{
	*l->prev = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	l->health->look_count--;
	mem_free(l);
}

static struct place *
place_of(const struct item *it, const char *address)
{
	for (size_t i = 0; it != NULL && i < it->place_count; i++)
		if (str_equal(it->places[i].address, address))
			return &it->places[i];
	return NULL;
}

static uint64_t
next_look_ms(struct health *h, const struct check_result *r)
{
	uint64_t span = (uint64_t)(r->findings != 0 ? HEALTH_LOOK_AGAIN_S : HEALTH_LOOK_S) * 1000;
	uint64_t early;

	runtime_random(h->p.runtime, &early, sizeof(early));
	return runtime_mono_ms(h->p.runtime) + span - early % (span / 20);
}

static void
take_result(struct look *l, const struct check_result *r)
{
	struct health *h = l->health;
	struct item *it = health_item(h, &l->credential);
	struct place *place = place_of(it, l->address);
	struct demand *d = l->demand;
	size_t slot = l->slot;

	if (place != NULL) {
		place->result = *r;
		place->due_ms = next_look_ms(h, r);
		if (d == NULL)
			place->looking = false;
		health_touch(h, it);
	}
	look_free(l);
	if (d == NULL)
		return;
	d->results[slot].result = *r;
	if (--d->open > 0)
		return;
	d->done(d->arg, 0, d->results, d->count, NULL);
	demand_free(d);
}

static void
on_done(void *arg, const struct check_answer *answer)
{
	struct look *l = arg;
	struct health *h = l->health;
	const struct index_record *c = index_of_kind(h->p.index, KIND_CREDENTIAL, &l->credential);
	struct check_result r = {.at = runtime_wall_s(h->p.runtime)};

	l->check = NULL;
	if (c != NULL)
		compare(h, c, l->asked, answer, &r);
	take_result(l, &r);
}

static int
look_start(struct health *h, const struct index_record *c, const struct check_target *target,
    struct demand *demand, size_t slot, struct err *err)
{
	struct look *l = mem_zalloc(sizeof(*l));
	int r;

	l->health = h;
	l->credential = c->id;
	l->target = *target;
	l->demand = demand;
	l->slot = slot;
	check_target_text(target, l->address);
	asked_name(h, c, target, l->asked);
	l->next = h->looks;
	l->prev = &h->looks;
	if (l->next != NULL)
		l->next->prev = &l->next;
	h->looks = l;
	h->look_count++;
	r = h->p.looks.start(h->p.arg, &l->target, l->asked[0] != '\0' ? l->asked : NULL, on_done,
	    l, &l->check, err);
	if (r < 0)
		look_free(l);
	return r;
}

/* --- of our own --- */

void
looks_refresh(struct health *h, struct item *it, const struct index_record *c)
{
	struct texts wanted = c->credential->checks;
	struct place *old = it->places, *places = NULL;
	size_t old_count = it->place_count;

	if (wanted.count > 0)
		places = mem_array(wanted.count, sizeof(*places));
	for (size_t i = 0; i < wanted.count; i++) {
		const struct place *known = place_of(it, wanted.items[i]);
		uint64_t wait;

		if (known != NULL) {
			places[i] = *known;
		} else {
			runtime_random(h->p.runtime, &wait, sizeof(wait));
			places[i] = (struct place){
			    .due_ms = runtime_mono_ms(h->p.runtime) + wait % FIRST_MS};
		}
		places[i].address = mem_strdup(wanted.items[i]);
	}
	it->places = old;
	it->place_count = old_count;
	item_free_places(it);
	it->places = places;
	it->place_count = wanted.count;
}

void
looks_soon(struct health *h, struct item *it)
{
	uint64_t soon = runtime_mono_ms(h->p.runtime) + HEALTH_LOOK_NEW_S * 1000;

	for (size_t i = 0; i < it->place_count; i++)
		if (it->places[i].due_ms > soon)
			it->places[i].due_ms = soon;
}

static void
look_at_place(struct health *h, const struct index_record *c, struct place *place)
{
	struct check_target target;
	struct check_result failed = {.at = runtime_wall_s(h->p.runtime)};
	struct err err;

	if (check_target_parse(place->address, &target, &err) == 0 &&
	    look_start(h, c, &target, NULL, 0, &err) == 0) {
		place->looking = true;
		return;
	}
	/* An address of a newer version, perhaps. */
	check_result_say(&failed, FOUND_UNREACHABLE, "%.200s", err.text);
	place->result = failed;
	place->due_ms = next_look_ms(h, &failed);
}

void
looks_sweep(struct health *h)
{
	uint64_t now = runtime_mono_ms(h->p.runtime);
	size_t at = 0;
	void *value;

	while (h->look_count < LIMIT_CHECKS_AT_ONCE && map_next(h->items, &at, NULL, &value)) {
		struct item *it = value;
		const struct index_record *c = it->place_count > 0
		    ? index_of_kind(h->p.index, KIND_CREDENTIAL, &it->credential)
		    : NULL;

		/* Without a certificate there is nothing to be compared. */
		if (c == NULL || c->credential->archived || !c->credential->has_active)
			continue;
		for (size_t i = 0; i < it->place_count && h->look_count < LIMIT_CHECKS_AT_ONCE; i++)
			if (!it->places[i].looking && it->places[i].due_ms <= now)
				look_at_place(h, c, &it->places[i]);
	}
}

const struct check_result *
health_found(const struct health *h, const struct id *credential, const char *address)
{
	const struct place *place = place_of(health_item(h, credential), address);

	return place != NULL && place->result.at != 0 ? &place->result : NULL;
}

/* --- those that were asked for --- */

static int
parse_all(const struct health *h, const struct index_record *c, struct texts addresses,
    struct check_target targets[static LIMIT_CHECKS], struct err *err)
{
	int r = 0;

	if (addresses.count == 0)
		return err_set(err, ERR_NOTFOUND,
		    "'%.120s' has no addresses to be checked at: 'certherd check %.60s --address "
		    "HOST:PORT', or 'certherd cert checks %.60s --add HOST:PORT'",
		    c->name, c->name, c->name);
	if (addresses.count > LIMIT_CHECKS)
		return err_set(
		    err, ERR_LIMIT, "at most %d addresses are checked at a time", LIMIT_CHECKS);
	if (index_active(h->p.index, c) == NULL)
		return err_set(err, ERR_CONFLICT, "'%.120s' has no certificate yet", c->name);
	if (h->look_count + addresses.count > ASKED_MOST)
		return err_set(err, ERR_BUSY, "%d checks are under way already", ASKED_MOST);
	for (size_t i = 0; r == 0 && i < addresses.count; i++)
		r = check_target_parse(addresses.items[i], &targets[i], err);
	return r;
}

int
health_check(struct health *h, const struct index_record *credential, struct texts addresses,
    health_checked_cb *done, void *arg, struct err *err)
{
	struct check_target targets[LIMIT_CHECKS];
	char text[LIMIT_CHECK_TARGET + 1];
	struct demand *d;
	int r;

	if (addresses.count == 0)
		addresses = credential->credential->checks;
	r = parse_all(h, credential, addresses, targets, err);
	if (r < 0)
		return r;
	d = mem_zalloc(sizeof(*d));
	*d = (struct demand){.done = done,
	    .arg = arg,
	    .count = addresses.count,
	    .open = addresses.count,
	    .results = mem_array(addresses.count, sizeof(*d->results))};
	memset(d->results, 0, addresses.count * sizeof(*d->results));
	for (size_t i = 0; i < d->count; i++)
		d->results[i].address = mem_strdup(check_target_text(&targets[i], text));
	for (size_t i = 0; i < d->count; i++) {
		r = look_start(h, credential, &targets[i], d, i, err);
		if (r == 0)
			continue;
		/* Nothing comes of those that have begun. */
		for (struct look *l = h->looks, *next; l != NULL; l = next) {
			next = l->next;
			if (l->demand != d)
				continue;
			h->p.looks.cancel(h->p.arg, l->check);
			look_free(l);
		}
		demand_free(d);
		return r;
	}
	return 0;
}

void
looks_stop(struct health *h)
{
	struct err err;

	err_set(&err, ERR_CANCELED, "the server is stopping");
	while (h->looks != NULL) {
		struct look *l = h->looks;
		struct demand *d = l->demand;

		h->p.looks.cancel(h->p.arg, l->check);
		look_free(l);
		if (d == NULL || --d->open > 0)
			continue;
		d->done(d->arg, ERR_CANCELED, NULL, 0, &err);
		demand_free(d);
	}
}
