#include "common/tls/resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

struct resolve {
	struct job job;
	struct timer now; /* for numbers */
	struct loop *loop;
	char host[ADDRESS_HOST_MAX];
	uint16_t port;
	resolve_cb *cb; /* NULL: cancelled */
	void *arg;
	struct address list[RESOLVE_MAX];
	size_t count;
	int failure; /* of getaddrinfo */
};

static void
run(struct job *job)
{
	struct resolve *r = CONTAINER_OF(job, struct resolve, job);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char port[8];

	snprintf(port, sizeof(port), "%u", r->port);
	r->failure = getaddrinfo(r->host, port, &hints, &found);
	if (r->failure != 0)
		return;
	for (struct addrinfo *a = found; a != NULL && r->count < RESOLVE_MAX; a = a->ai_next) {
		if (a->ai_addrlen > sizeof(r->list[0].sa))
			continue;
		memcpy(&r->list[r->count].sa, a->ai_addr, a->ai_addrlen);
		r->list[r->count++].len = a->ai_addrlen;
	}
	freeaddrinfo(found);
}

static void
finish(struct resolve *r)
{
	struct err err = {0};
	int status = 0;

	if (r->cb != NULL) {
		if (r->count == 0)
			status = err_set(&err, ERR_UNAVAIL, "cannot find the address of '%s': %s",
			    r->host, r->failure != 0 ? gai_strerror(r->failure) : "it has none");
		r->cb(r->arg, status, r->list, r->count, &err);
	}
	mem_free(r);
}

static void
done(struct job *job)
{
	finish(CONTAINER_OF(job, struct resolve, job));
}

static void
on_now(void *arg)
{
	finish(arg);
}

struct resolve *
resolve_start(struct loop *l, const char *host, uint16_t port, resolve_cb *cb, void *arg)
{
	struct resolve *r = mem_zalloc(sizeof(*r));

	r->loop = l;
	r->port = port;
	r->cb = cb;
	r->arg = arg;
	snprintf(r->host, sizeof(r->host), "%s", host);
	if (address_numeric(host, port, &r->list[0], NULL) == 0) {
		r->count = 1;
		r->now.cb = on_now;
		r->now.arg = r;
		runtime_timer_start(loop_runtime(l), &r->now, 0);
	} else {
		r->job.run = run;
		r->job.done = done;
		loop_background(l, &r->job);
	}
	return r;
}

void
resolve_cancel(struct resolve *r)
{
	if (r == NULL)
		return;
	r->cb = NULL;
	if (timer_is_armed(&r->now)) {
		runtime_timer_stop(loop_runtime(r->loop), &r->now);
		mem_free(r);
	}
}
