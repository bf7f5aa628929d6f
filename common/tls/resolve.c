#include "common/tls/resolve.h"

#include "common/dns/dns.h"

#include <string.h>

struct resolve {
	struct dns_lookup *lookup; /* NULL: the host is a number */
	struct timer now;          /* for numbers */
	struct loop *loop;
	struct address number;
	resolve_cb *cb;
	void *arg;
};

static void
on_now(void *arg)
{
	struct resolve *r = arg;
	const struct err err = {0};

	r->cb(r->arg, 0, &r->number, 1, &err);
	mem_free(r);
}

static void
on_found(
    void *arg, int status, const struct dns_address *found, size_t count, const struct err *err)
{
	struct resolve *r = arg;
	struct address list[RESOLVE_MAX];

	_Static_assert(RESOLVE_MAX == DNS_ADDRESSES_MAX, "all that is found has room");
	for (size_t i = 0; i < count; i++)
		list[i] = (struct address){found[i].sa, found[i].len};
	r->cb(r->arg, status, list, count, err);
	mem_free(r);
}

struct resolve *
resolve_start(struct loop *l, const char *host, uint16_t port, resolve_cb *cb, void *arg)
{
	struct resolve *r = mem_zalloc(sizeof(*r));

	r->loop = l;
	r->cb = cb;
	r->arg = arg;
	r->now = (struct timer){.cb = on_now, .arg = r};
	if (address_numeric(host, port, &r->number, NULL) == 0)
		runtime_timer_start(loop_runtime(l), &r->now, 0);
	else
		r->lookup = dns_start(
		    &(struct dns_params){.loop = l, .host = host, .port = port}, on_found, r);
	return r;
}

void
resolve_cancel(struct resolve *r)
{
	if (r == NULL)
		return;
	runtime_timer_stop(loop_runtime(r->loop), &r->now);
	dns_cancel(r->lookup);
	mem_free(r);
}
