#include "common/loop/loop_priv.h"

#include <signal.h>

void
pool_init(struct pool *p, struct loop *l, unsigned threads)
{
	CHECK(threads <= POOL_THREADS_MAX);
	*p = (struct pool){.loop = l, .wanted = threads};
	p->tail = &p->head;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
}

static void *
pool_thread(void *arg)
{
	struct pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct job *job;

		while (p->head == NULL && !p->stop)
			pthread_cond_wait(&p->wake, &p->lock);
		if (p->head == NULL)
			break;
		job = p->head;
		p->head = job->next;
		if (p->head == NULL)
			p->tail = &p->head;
		pthread_mutex_unlock(&p->lock);
		job->run(job);
		loop_finish(p->loop, job);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are for the loop's thread: a handler that ran here would find errno and locks in use. */
static void
start(struct pool *p)
{
	sigset_t all, before;

	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_BLOCK, &all, &before) == 0);
	while (p->started < p->wanted) {
		CHECK(pthread_create(&p->threads[p->started], NULL, pool_thread, p) == 0);
		p->started++;
	}
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

void
pool_push(struct pool *p, struct job *job)
{
	if (p->started == 0)
		start(p);
	pthread_mutex_lock(&p->lock);
	job->next = NULL;
	*p->tail = job;
	p->tail = &job->next;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void
pool_fini(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	CHECK(p->head == NULL);
	p->stop = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->started; i++)
		CHECK(pthread_join(p->threads[i], NULL) == 0);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
}
