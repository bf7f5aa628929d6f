#include "server/main/server.h"

#include "common/crypto/cert.h"
#include "common/log/log.h"
#include "common/tls/terminator.h"
#include "common/tls/tls_ctx.h"

/*
 * The server's own identity. It is a member like any other, and issues itself a new certificate in
 * time; also one that has run out while it was away, since its key is what counts.
 */

#define CHECK_EVERY_MS (3600 * 1000)
#define RETRY_MS (60 * 1000)

static bool
is_due(const struct server *s)
{
	int64_t begin = cert_not_before(s->member.chain[0]);
	int64_t end = cert_not_after(s->member.chain[0]);

	return runtime_wall_s(s->runtime) >= end - (end - begin) / 3;
}

static int
take(struct server *s, struct span certificate, struct span manager, struct err *err)
{
	AUTO(tls_identity_unrefp)
	struct tls_identity *identity = NULL;
	int r = member_take_identity(
	    s->config->data, &s->member, certificate, &manager, 1, runtime_wall_s(s->runtime), err);

	if (r == 0)
		r = tls_identity_new((const struct cert *const *)s->member.chain,
		    s->member.chain_count, s->member.identity_key, &identity, err);
	if (r == 0)
		terminator_set_identity(s->terminator, identity);
	return r;
}

static void
on_identity(
    void *arg, int status, struct span certificate, struct span manager, const struct err *err)
{
	struct server *s = arg;
	struct err mine;

	if (s->stopping)
		return;
	if (status == 0 && (status = take(s, certificate, manager, &mine)) < 0)
		err = &mine;
	if (status < 0)
		log_warning("server", "identity not renewed: %s; trying again", err->text);
	else
		log_notice("server", "identity renewed");
	runtime_timer_start(s->runtime, &s->renew_timer, status < 0 ? RETRY_MS : CHECK_EVERY_MS);
}

static void
on_check(void *arg)
{
	struct server *s = arg;
	AUTO(buf_freep)
	struct buf *csr = buf_new(LIMIT_CERT);
	struct nodes_identity_request request = {0};
	struct err err;

	if (!is_due(s)) {
		runtime_timer_start(s->runtime, &s->renew_timer, CHECK_EVERY_MS);
		return;
	}
	if (csr_make(s->member.identity_key, s->member.name, csr, &err) == 0) {
		request.csr = buf_span(csr);
		if (nodes_identity(s->nodes, &s->member.node, &request, on_identity, s, &err) == 0)
			return;
	}
	log_warning("server", "identity not renewed: %s; trying again", err.text);
	runtime_timer_start(s->runtime, &s->renew_timer, RETRY_MS);
}

void
server_watch_identity(struct server *s)
{
	s->renew_timer.cb = on_check;
	s->renew_timer.arg = s;
	runtime_timer_start(s->runtime, &s->renew_timer, 0);
}
