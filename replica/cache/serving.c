#include "replica/cache/serving.h"

#include "common/base/map.h"
#include "common/crypto/secret.h"
#include "common/model/choose.h"
#include "common/model/names.h"
#include "common/tls/tls_ctx.h"

#include <pthread.h>
#include <string.h>

#define CLOSED_WHEN_TIGHT 64 /* 32 bytes for P-256, less than 2 KiB for RSA 4096 */

/* What serves one name: rarely more than two (an RSA and an EC credential). Borrowed. */
struct slot {
	struct served **items;
	size_t count;
};

struct serving {
	pthread_rwlock_t lock;
	struct map *names;       /* name -> struct slot */
	struct map *credentials; /* id -> struct served, the index's reference */
	struct served **ring;    /* the opened ones, for the clock; references */
	size_t ring_max, ring_count, hand;
	uint64_t swaps;
};

/* References that a change gives up: released when the lock is gone, since wiping takes time. */
struct released {
	struct served **served;
	struct tls_identity **identities;
	size_t served_count, identity_count;
};

struct serving *
serving_new(size_t opened_max)
{
	struct serving *x = mem_zalloc(sizeof(*x));

	CHECK(pthread_rwlock_init(&x->lock, NULL) == 0);
	x->names = map_new();
	x->credentials = map_new();
	x->ring_max = opened_max > 0 ? opened_max : 1;
	x->ring = mem_array(x->ring_max, sizeof(struct served *));
	return x;
}

static void
read_lock(struct serving *x)
{
	CHECK(pthread_rwlock_rdlock(&x->lock) == 0);
}

static void
write_lock(struct serving *x)
{
	CHECK(pthread_rwlock_wrlock(&x->lock) == 0);
}

static void
unlock(struct serving *x)
{
	CHECK(pthread_rwlock_unlock(&x->lock) == 0);
}

static void
release_later(struct released *r, struct served *s, struct tls_identity *id)
{
	if (s != NULL) {
		r->served = mem_grow(r->served, r->served_count + 1, sizeof(struct served *));
		r->served[r->served_count++] = s;
	}
	if (id != NULL) {
		r->identities =
		    mem_grow(r->identities, r->identity_count + 1, sizeof(struct tls_identity *));
		r->identities[r->identity_count++] = id;
	}
}

static void
release_now(struct released *r)
{
	for (size_t i = 0; i < r->identity_count; i++)
		tls_identity_unref(r->identities[i]);
	for (size_t i = 0; i < r->served_count; i++)
		served_unref(r->served[i]);
	mem_free(r->identities);
	mem_free(r->served);
}

static void
wake(struct served *s, struct released *r)
{
	while (s->waits != NULL) {
		struct serving_wait *w = s->waits;

		s->waits = w->next;
		w->next = NULL;
		w->on = NULL;
		release_later(r, s, NULL);
		w->cb(w);
	}
}

static void
slot_add(struct serving *x, const char *name, struct served *s)
{
	size_t len = strlen(name);
	struct slot *slot = map_get(x->names, name, len);

	if (slot == NULL) {
		slot = mem_zalloc(sizeof(*slot));
		(void)map_put(x->names, name, len, slot);
	}
	slot->items = mem_grow(slot->items, slot->count + 1, sizeof(struct served *));
	slot->items[slot->count++] = s;
}

static void
slot_remove(struct serving *x, const char *name, const struct served *s)
{
	size_t len = strlen(name), i = 0;
	struct slot *slot = map_get(x->names, name, len);

	CHECK(slot != NULL);
	while (i < slot->count && slot->items[i] != s)
		i++;
	CHECK(i < slot->count);
	slot->items[i] = slot->items[--slot->count];
	if (slot->count > 0)
		return;
	(void)map_del(x->names, name, len);
	mem_free(slot->items);
	mem_free(slot);
}

static void
ring_remove(struct serving *x, size_t at, struct released *r)
{
	struct served *s = x->ring[at];

	x->ring[at] = x->ring[--x->ring_count];
	x->ring[at]->ring_at = at;
	release_later(r, s, s->identity);
	s->identity = NULL;
}

/* A quarter is left to openings that are under way, and to handshakes with a key that was closed.
 */
static bool
heap_is_tight(void)
{
	size_t used, size;

	secret_heap_usage(&used, &size);
	return size > 0 && used > size / 4 * 3;
}

/*
 * One that was not used since the hand came by is closed; at most two rounds find one. A key is
 * wiped only after the swap, so that a tight heap cannot be watched getting wider here: each that
 * is opened then closes as many of the smallest as the largest needs.
 */
static void
ring_make_room(struct serving *x, struct released *r)
{
	size_t spare = heap_is_tight() ? CLOSED_WHEN_TIGHT : 0;

	while (x->ring_count == x->ring_max || (spare > 0 && x->ring_count > 0)) {
		x->hand = x->hand + 1 < x->ring_count ? x->hand + 1 : 0;
		if (atomic_exchange(&x->ring[x->hand]->used, false))
			continue;
		ring_remove(x, x->hand, r);
		spare -= spare > 0;
	}
}

static void
ring_add(struct serving *x, struct served *s, struct tls_identity *identity, struct released *r)
{
	ring_make_room(x, r);
	s->identity = identity;
	atomic_store(&s->used, true);
	s->ring_at = x->ring_count;
	x->ring[x->ring_count++] = served_ref(s);
}

static void
take_out(struct serving *x, struct served *s, struct released *r)
{
	for (size_t i = 0; i < s->name_count; i++)
		slot_remove(x, s->names[i], s);
	if (s->identity != NULL)
		ring_remove(x, s->ring_at, r);
	s->broken = true; /* whoever still opens it finds that it is too late */
	wake(s, r);
	release_later(r, s, NULL);
}

static void
put_in(struct serving *x, struct served *s, struct released *r)
{
	struct tls_identity *identity = MOVE(s->identity);

	for (size_t i = 0; i < s->name_count; i++)
		slot_add(x, s->names[i], s);
	if (identity != NULL)
		ring_add(x, s, identity, r);
}

void
serving_swap(struct serving *x, const struct serving_change *changes, size_t count)
{
	struct released r = {0};

	write_lock(x);
	for (size_t i = 0; i < count; i++) {
		const struct serving_change *c = &changes[i];
		struct served *old = c->next != NULL
		    ? map_put(x->credentials, c->credential.bytes, ID_LEN, c->next)
		    : map_del(x->credentials, c->credential.bytes, ID_LEN);

		CHECK(old == NULL || old != c->next);
		if (c->next != NULL)
			put_in(x, c->next, &r);
		if (old != NULL)
			take_out(x, old, &r);
	}
	x->swaps++;
	unlock(x);
	release_now(&r);
}

void
serving_free(struct serving *x)
{
	struct released r = {0};
	struct serving_change change = {0};
	struct id *ids;
	size_t count;

	if (x == NULL)
		return;
	count = serving_credentials(x, &ids);
	for (size_t i = 0; i < count; i++) {
		change.credential = ids[i];
		serving_swap(x, &change, 1);
	}
	CHECK(x->ring_count == 0 && map_count(x->names) == 0);
	release_now(&r);
	mem_free(ids);
	map_free(x->names);
	map_free(x->credentials);
	mem_free(x->ring);
	CHECK(pthread_rwlock_destroy(&x->lock) == 0);
	mem_free(x);
}

struct served *
serving_of_credential(struct serving *x, const struct id *credential)
{
	struct served *s;

	read_lock(x);
	s = map_get(x->credentials, credential->bytes, ID_LEN);
	if (s != NULL)
		served_ref(s);
	unlock(x);
	return s;
}

size_t
serving_credentials(struct serving *x, struct id **out)
{
	size_t at = 0, count = 0;
	void *value;

	read_lock(x);
	*out = mem_array(map_count(x->credentials), sizeof(struct id));
	while (map_next(x->credentials, &at, NULL, &value))
		(*out)[count++] = ((struct served *)value)->credential;
	unlock(x);
	return count;
}

static struct slot *
slot_of(const struct serving *x, const char *name, bool wildcard)
{
	char pattern[NAME_TEXT_MAX];

	if (!wildcard)
		return map_get(x->names, name, strlen(name));
	if (!name_wildcard_of(name, pattern))
		return NULL;
	return map_get(x->names, pattern, strlen(pattern));
}

bool
serving_knows(struct serving *x, const char *name)
{
	bool known;

	read_lock(x);
	known = slot_of(x, name, false) != NULL || slot_of(x, name, true) != NULL;
	unlock(x);
	return known;
}

static struct served *
choose(const struct slot *slot, unsigned can, bool wildcard)
{
	struct served *best = NULL;
	struct candidate best_candidate = {0};

	for (size_t i = 0; slot != NULL && i < slot->count; i++) {
		struct served *s = slot->items[i];
		struct candidate c = {
		    .credential = s->credential,
		    .wildcard = wildcard,
		    .rsa = s->can == TLS_CAN_RSA,
		    .activated_at_ms = s->activated_at_ms,
		};

		if (s->can == 0 || s->broken || (can != 0 && (s->can & can) == 0))
			continue;
		if (best == NULL || candidate_compare(&c, &best_candidate) < 0) {
			best = s;
			best_candidate = c;
		}
	}
	return best;
}

struct served *
serving_find(struct serving *x, const char *name, unsigned can)
{
	struct served *s;

	read_lock(x);
	s = choose(slot_of(x, name, false), can, false);
	if (s == NULL)
		s = choose(slot_of(x, name, true), can, true);
	if (s != NULL)
		served_ref(s);
	unlock(x);
	return s;
}

bool
serving_serves(
    struct serving *x, const char *name, const struct id *credential, const struct id *generation)
{
	struct served *s;
	bool found = false;

	read_lock(x);
	s = map_get(x->credentials, credential->bytes, ID_LEN);
	if (s != NULL && id_equal(&s->generation, generation))
		for (size_t i = 0; i < s->name_count && !found; i++)
			found = name_matches(s->names[i], name);
	unlock(x);
	return found;
}

enum serving_answer
serving_open(struct serving *x, struct served *s, struct serving_wait *w, struct tls_identity **out,
    bool *must_open)
{
	enum serving_answer answer = SERVING_WAIT;

	*must_open = false;
	read_lock(x);
	if (s->identity != NULL) {
		*out = tls_identity_ref(s->identity);
		atomic_store(&s->used, true);
		answer = SERVING_READY;
	}
	unlock(x);
	if (answer == SERVING_READY)
		return answer;
	write_lock(x);
	if (s->identity != NULL) { /* opened between the two locks */
		*out = tls_identity_ref(s->identity);
		answer = SERVING_READY;
	} else if (s->broken) {
		answer = SERVING_BROKEN;
	} else {
		CHECK(w->on == NULL);
		w->on = served_ref(s);
		w->next = s->waits;
		s->waits = w;
		*must_open = !s->opening;
		s->opening = true;
	}
	unlock(x);
	return answer;
}

bool
serving_is_broken(struct serving *x, const struct served *s)
{
	bool broken;

	read_lock(x);
	broken = s->broken;
	unlock(x);
	return broken;
}

bool
serving_begin_opening(struct serving *x, struct served *s)
{
	bool begin;

	write_lock(x);
	begin = s->identity == NULL && !s->opening && !s->broken;
	s->opening = s->opening || begin;
	unlock(x);
	return begin;
}

void
serving_wait_cancel(struct serving *x, struct serving_wait *w)
{
	struct served *s;

	write_lock(x);
	s = w->on;
	if (s != NULL) {
		struct serving_wait **at = &s->waits;

		while (*at != w) {
			CHECK(*at != NULL);
			at = &(*at)->next;
		}
		*at = w->next;
		w->next = NULL;
		w->on = NULL;
	}
	unlock(x);
	served_unref(s);
}

void
serving_opened(struct serving *x, struct served *s, struct tls_identity *identity)
{
	struct released r = {0};

	write_lock(x);
	s->opening = false;
	if (identity != NULL && !s->broken && s->identity == NULL)
		ring_add(x, s, identity, &r);
	else
		release_later(&r, NULL, identity);
	if (identity == NULL)
		s->broken = true;
	wake(s, &r);
	unlock(x);
	release_now(&r);
}

void
serving_counts(struct serving *x, struct serving_counts *out)
{
	read_lock(x);
	*out = (struct serving_counts){
	    map_count(x->credentials), map_count(x->names), x->ring_count, x->swaps};
	unlock(x);
}
