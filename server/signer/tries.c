#include "server/signer/tries.h"

#include "common/base/base.h"

#include <pthread.h>

#define RECORDS_MAX 1024 /* those that were tried last */
#define NONCES_MAX 1024

struct tried {
	struct id record;
	unsigned wrong; /* 0: the place is free */
	uint64_t until_ms, used;
};

struct tries {
	pthread_mutex_t lock;
	struct tried records[RECORDS_MAX];
	uint64_t clock;
	struct id nonces[NONCES_MAX];
	size_t next_nonce;
};

struct tries *
tries_new(void)
{
	struct tries *t = mem_zalloc(sizeof(*t));

	CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
	return t;
}

void
tries_free(struct tries *t)
{
	if (t == NULL)
		return;
	pthread_mutex_destroy(&t->lock);
	mem_free(t);
}

static struct tried *
find(struct tries *t, const struct id *record)
{
	for (size_t i = 0; i < RECORDS_MAX; i++)
		if (t->records[i].wrong > 0 && id_equal(&t->records[i].record, record))
			return &t->records[i];
	return NULL;
}

/* In place of the one that was tried longest ago. */
static struct tried *
place(struct tries *t, const struct id *record)
{
	struct tried *out = &t->records[0];

	for (size_t i = 1; i < RECORDS_MAX && out->wrong > 0; i++)
		if (t->records[i].wrong == 0 || t->records[i].used < out->used)
			out = &t->records[i];
	*out = (struct tried){.record = *record};
	return out;
}

static uint64_t
wait_after(unsigned wrong)
{
	uint64_t wait = TRIES_WAIT_MS;

	for (unsigned i = TRIES_FREE; i < wrong && wait < TRIES_WAIT_MOST_MS; i++)
		wait *= 2;
	return wait < TRIES_WAIT_MOST_MS ? wait : TRIES_WAIT_MOST_MS;
}

int
tries_begin(struct tries *t, const struct id *record, uint64_t now_ms, struct err *err)
{
	struct tried *r;
	uint64_t left = 0;

	CHECK(pthread_mutex_lock(&t->lock) == 0);
	r = find(t, record);
	if (r != NULL && now_ms < r->until_ms) {
		left = r->until_ms - now_ms;
	} else {
		if (r == NULL)
			r = place(t, record);
		r->used = ++t->clock;
		if (++r->wrong >= TRIES_FREE)
			r->until_ms = now_ms + wait_after(r->wrong);
	}
	pthread_mutex_unlock(&t->lock);
	if (left == 0)
		return 0;
	return err_set(err, ERR_AGAIN,
	    "too many wrong passwords: the next one is looked at in %llu s",
	    (unsigned long long)(left + 999) / 1000);
}

int
tries_right(struct tries *t, const struct id *record, const struct id *nonce, struct err *err)
{
	bool used = false;
	struct tried *r;

	CHECK(pthread_mutex_lock(&t->lock) == 0);
	for (size_t i = 0; i < NONCES_MAX && !used; i++)
		used = id_equal(&t->nonces[i], nonce);
	r = find(t, record);
	if (!used) {
		t->nonces[t->next_nonce] = *nonce;
		t->next_nonce = (t->next_nonce + 1) % NONCES_MAX;
		if (r != NULL)
			r->wrong = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return used ? err_set(err, ERR_DENIED, "this sealed password was used before") : 0;
}
