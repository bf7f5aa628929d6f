#include "common/dns/dns.h"

#include "common/base/runtime.h"

#include <ares.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Of one try; the second waits twice as long. With one server both fit into the deadline. */
#define TRY_MS 2000
#define TRIES 2

/* A socket of c-ares, which opens and closes them as it likes. */
struct watch {
	struct dns_lookup *lookup;
	struct watch *next;
	ares_socket_t fd;
	struct loop_fd *poll;
};

struct dns_lookup {
	struct loop *loop;
	ares_channel channel;
	bool has_channel;
	struct watch *watches;
	struct timer retry;    /* when c-ares wants to be called without an event */
	struct timer deadline; /* of all of it */
	struct timer finish;   /* the end, out of c-ares' hands */
	uint64_t deadline_ms;
	char *host;
	dns_cb *cb; /* NULL: it has ended, whatever c-ares still says is not wanted */
	void *arg;
	int status;
	struct err err;
	struct dns_address list[DNS_ADDRESSES_MAX];
	size_t count;
};

static struct runtime *
runtime_of(const struct dns_lookup *d)
{
	return loop_runtime(d->loop);
}

static void
lookup_free(struct dns_lookup *d)
{
	struct runtime *rt = runtime_of(d);

	d->cb = NULL;
	runtime_timer_stop(rt, &d->retry);
	runtime_timer_stop(rt, &d->deadline);
	runtime_timer_stop(rt, &d->finish);
	/* Ends what is under way and closes the sockets, which on_socket hears of. */
	if (d->has_channel)
		ares_destroy(d->channel);
	CHECK(d->watches == NULL);
	mem_free(d->host);
	mem_free(d);
}

/* Never from inside a call of c-ares: its channel goes with the look-up. */
static void
end_soon(struct dns_lookup *d)
{
	runtime_timer_start(runtime_of(d), &d->finish, 0);
}

static void
on_finish(void *arg)
{
	struct dns_lookup *d = arg;
	dns_cb *cb = d->cb;

	d->cb = NULL;
	cb(d->arg, d->status, d->list, d->count, &d->err);
	lookup_free(d);
}

static void
fail(struct dns_lookup *d, const char *why)
{
	d->count = 0;
	d->status =
	    err_set(&d->err, ERR_UNAVAIL, "cannot find the address of '%s': %s", d->host, why);
	end_soon(d);
}

/* --- sockets --- */

/* c-ares may want to be called again, sooner or later than before. */
static void
arm(struct dns_lookup *d)
{
	struct timeval room, *wait = ares_timeout(d->channel, NULL, &room);

	if (wait == NULL)
		runtime_timer_stop(runtime_of(d), &d->retry);
	else
		runtime_timer_start(runtime_of(d), &d->retry,
		    (uint64_t)wait->tv_sec * 1000 + ((uint64_t)wait->tv_usec + 999) / 1000);
}

static void
process(struct dns_lookup *d, ares_socket_t readable, ares_socket_t writable)
{
	ares_process_fd(d->channel, readable, writable);
	arm(d);
}

static void
on_retry(void *arg)
{
	process(arg, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void
on_event(void *arg, unsigned events)
{
	struct watch *w = arg;
	bool failed = (events & LOOP_ERROR) != 0;
	ares_socket_t fd = w->fd;

	/* An error is found by reading, too. The watch may be gone after this. */
	process(w->lookup, failed || (events & LOOP_READ) != 0 ? fd : ARES_SOCKET_BAD,
	    failed || (events & LOOP_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static struct watch **
find_watch(struct dns_lookup *d, ares_socket_t fd)
{
	struct watch **at = &d->watches;

	while (*at != NULL && (*at)->fd != fd)
		at = &(*at)->next;
	return at;
}

static void
add_watch(struct dns_lookup *d, ares_socket_t fd, struct watch **at)
{
	struct watch *w = mem_zalloc(sizeof(*w));
	struct err err;

	w->lookup = d;
	w->fd = fd;
	/* Without it nothing is heard of this socket, and c-ares tries another one in time. */
	if (loop_fd_open(d->loop, fd, on_event, w, &w->poll, &err) < 0) {
		mem_free(w);
		return;
	}
	*at = w;
}

/* Neither readable nor writable: the socket is about to be closed. */
static void
on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns_lookup *d = arg;
	struct watch **at = find_watch(d, fd), *w;

	if (*at == NULL && (readable || writable))
		add_watch(d, fd, at);
	w = *at;
	if (w == NULL)
		return;
	if (readable || writable) {
		loop_fd_watch(w->poll, (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0));
		return;
	}
	*at = w->next;
	loop_fd_close(w->poll);
	mem_free(w);
}

/* --- the answer --- */

static void
take(struct dns_lookup *d, const struct ares_addrinfo *found)
{
	for (const struct ares_addrinfo_node *n = found->nodes;
	     n != NULL && d->count < DNS_ADDRESSES_MAX; n = n->ai_next) {
		if (n->ai_addrlen == 0 || (size_t)n->ai_addrlen > sizeof(d->list[0].sa))
			continue;
		memcpy(&d->list[d->count].sa, n->ai_addr, (size_t)n->ai_addrlen);
		d->list[d->count++].len = (socklen_t)n->ai_addrlen;
	}
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	struct dns_lookup *d = arg;

	(void)timeouts;
	if (d->cb != NULL && !timer_is_armed(&d->finish)) {
		if (status == ARES_SUCCESS)
			take(d, found);
		if (status != ARES_SUCCESS)
			fail(d, ares_strerror(status));
		else if (d->count == 0)
			fail(d, "it has none");
		else
			end_soon(d);
	}
	if (found != NULL)
		ares_freeaddrinfo(found);
}

static void
on_deadline(void *arg)
{
	struct dns_lookup *d = arg;
	char why[64];

	if (timer_is_armed(&d->finish))
		return;
	snprintf(why, sizeof(why), "no answer within %llu ms", (unsigned long long)d->deadline_ms);
	fail(d, why);
}

/* --- life --- */

static void
prepare_library(void)
{
	(void)ares_library_init(ARES_LIB_INIT_ALL);
}

static int
open_channel(struct dns_lookup *d, const char *servers)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char lookups[] = "fb"; /* files, then the network, whatever other services are configured */
	struct ares_options options = {
	    .flags = ARES_FLAG_NOALIASES, /* no file that the environment names */
	    .timeout = TRY_MS,
	    .tries = TRIES,
	    .lookups = lookups,
	    .sock_state_cb = on_socket,
	    .sock_state_cb_data = d,
	};
	int status;

	pthread_once(&once, prepare_library);
	status = ares_init_options(&d->channel, &options,
	    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
		ARES_OPT_SOCK_STATE_CB);
	d->has_channel = status == ARES_SUCCESS;
	if (status == ARES_SUCCESS && servers != NULL)
		status = ares_set_servers_ports_csv(d->channel, servers);
	return status;
}

struct dns_lookup *
dns_start(const struct dns_params *params, dns_cb *cb, void *arg)
{
	const struct ares_addrinfo_hints hints = {
	    .ai_flags = ARES_AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct dns_lookup *d = mem_zalloc(sizeof(*d));
	char port[8];
	int status;

	d->loop = params->loop;
	d->host = mem_strdup(params->host);
	d->deadline_ms = params->deadline_ms > 0 ? params->deadline_ms : DNS_DEADLINE_MS;
	d->cb = cb;
	d->arg = arg;
	d->retry = (struct timer){.cb = on_retry, .arg = d};
	d->deadline = (struct timer){.cb = on_deadline, .arg = d};
	d->finish = (struct timer){.cb = on_finish, .arg = d};
	/* c-ares would ask for the root of all names. */
	status = *d->host == '\0' ? ARES_EBADNAME : open_channel(d, params->servers);
	if (status != ARES_SUCCESS) {
		fail(d, ares_strerror(status));
		return d;
	}
	runtime_timer_start(runtime_of(d), &d->deadline, d->deadline_ms);
	snprintf(port, sizeof(port), "%u", params->port);
	ares_getaddrinfo(d->channel, d->host, port, &hints, on_answer, d);
	arm(d);
	return d;
}

void
dns_cancel(struct dns_lookup *d)
{
	if (d != NULL)
		lookup_free(d);
}
