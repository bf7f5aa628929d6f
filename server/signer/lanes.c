#include "server/signer/lanes.h"

#include <pthread.h>
#include <unistd.h>

#define GENERAL_MAX 16

struct lane {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct work *head, **tail;
	size_t waiting;
	bool stop;
	struct lanes *owner;
	pthread_t threads[GENERAL_MAX];
	size_t thread_count;
};

enum { LANE_SIGN, LANE_GENERAL, LANE_SLOW, LANE__COUNT };

struct lanes {
	lanes_run_cb *run;
	void *arg;
	struct lane lanes[LANE__COUNT];
};

void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	signer_request_fini(&w->request);
	buf_fini(&w->frame);
	mem_free(w);
}

static void *
lane_main(void *arg)
{
	struct lane *l = arg;

	for (;;) {
		struct work *w;

		CHECK(pthread_mutex_lock(&l->lock) == 0);
		while (l->head == NULL && !l->stop)
			pthread_cond_wait(&l->wake, &l->lock);
		w = l->stop ? NULL : l->head;
		if (w != NULL) {
			l->head = w->next;
			if (l->head == NULL)
				l->tail = &l->head;
			l->waiting--;
		}
		pthread_mutex_unlock(&l->lock);
		if (w == NULL)
			return NULL;
		l->owner->run(l->owner->arg, w);
	}
}

static int
lane_start(struct lane *l, size_t threads, struct err *err)
{
	for (; l->thread_count < threads; l->thread_count++) {
		int r = pthread_create(&l->threads[l->thread_count], NULL, lane_main, l);

		if (r != 0)
			return err_errno(err, r, "start a thread of the signer");
	}
	return 0;
}

int
lanes_new(lanes_run_cb *run, void *arg, struct lanes **out, struct err *err)
{
	struct lanes *all = mem_zalloc(sizeof(*all));
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t general = processors < 1 ? 1 : (size_t)processors;
	int r = 0;

	all->run = run;
	all->arg = arg;
	for (size_t i = 0; i < LANE__COUNT; i++) {
		struct lane *l = &all->lanes[i];

		CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
		CHECK(pthread_cond_init(&l->wake, NULL) == 0);
		l->tail = &l->head;
		l->owner = all;
	}
	for (size_t i = 0; r == 0 && i < LANE__COUNT; i++)
		r = lane_start(&all->lanes[i],
		    i != LANE_GENERAL           ? 1
			: general > GENERAL_MAX ? GENERAL_MAX
						: general,
		    err);
	if (r < 0) {
		lanes_free(all);
		return r;
	}
	*out = all;
	return 0;
}

static struct lane *
lane_of(struct lanes *all, enum signer_lane lane)
{
	switch (lane) {
	case SIGNER_SIGN:
		return &all->lanes[LANE_SIGN];
	case SIGNER_SLOW:
		return &all->lanes[LANE_SLOW];
	case SIGNER_INLINE:
	case SIGNER_GENERAL:
		break;
	}
	return &all->lanes[LANE_GENERAL];
}

bool
lanes_push(struct lanes *all, enum signer_lane lane, struct work *w)
{
	struct lane *l = lane_of(all, lane);
	bool taken;

	w->next = NULL;
	CHECK(pthread_mutex_lock(&l->lock) == 0);
	taken = l->waiting < LANE_MAX;
	if (taken) {
		*l->tail = w;
		l->tail = &w->next;
		l->waiting++;
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&l->lock);
	return taken;
}

void
lanes_free(struct lanes *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < LANE__COUNT; i++) {
		struct lane *l = &all->lanes[i];

		CHECK(pthread_mutex_lock(&l->lock) == 0);
		l->stop = true;
		pthread_cond_broadcast(&l->wake);
		pthread_mutex_unlock(&l->lock);
	}
	for (size_t i = 0; i < LANE__COUNT; i++) {
		struct lane *l = &all->lanes[i];

		for (size_t t = 0; t < l->thread_count; t++)
			pthread_join(l->threads[t], NULL);
		for (struct work *w = l->head; w != NULL;) {
			struct work *next = w->next;

			work_free(w);
			w = next;
		}
		pthread_cond_destroy(&l->wake);
		pthread_mutex_destroy(&l->lock);
	}
	mem_free(all);
}
