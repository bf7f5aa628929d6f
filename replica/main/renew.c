#include "replica/main/replica.h"

#include "common/crypto/cert.h"
#include "common/log/log.h"
#include "common/tls/originator.h"
#include "common/tls/tls_ctx.h"

#define CHECK_EVERY_MS (3600 * 1000)
#define RETRY_MS (60 * 1000)

static bool
is_due(const struct replica *r)
{
	int64_t begin = cert_not_before(r->member.chain[0]);
	int64_t end = cert_not_after(r->member.chain[0]);

	return runtime_wall_s(r->runtime) >= end - (end - begin) / 3;
}

static int
take(struct replica *r, const struct identity_reply *reply, struct err *err)
{
	AUTO(tls_identity_unrefp)
	struct tls_identity *identity = NULL;
	int code = member_take_identity(r->config->data, &r->member, reply->certificate,
	    reply->chain.items, reply->chain.count, runtime_wall_s(r->runtime), err);

	if (code == 0)
		code = tls_identity_new((const struct cert *const *)r->member.chain,
		    r->member.chain_count, r->member.identity_key, &identity, err);
	if (code < 0)
		return code;
	originator_set_identity(r->originator, identity);
	/* The manager judges a connection by the certificate that it began with. */
	originator_drop(r->originator);
	return 0;
}

static void
on_identity(void *arg, int status, const struct identity_reply *reply, const struct err *err)
{
	struct replica *r = arg;
	struct err mine;

	r->renewing = false;
	if (r->stopping)
		return;
	if (status == 0 && (status = take(r, reply, &mine)) < 0)
		err = &mine;
	if (status < 0)
		log_warning("replica", "identity not renewed: %s; trying again", err->text);
	else
		log_notice("replica", "identity renewed");
	runtime_timer_start(r->runtime, &r->renew_timer, status < 0 ? RETRY_MS : CHECK_EVERY_MS);
}

static void
on_check(void *arg)
{
	struct replica *r = arg;
	AUTO(buf_freep)
	struct buf *csr = buf_new(LIMIT_CERT);
	struct identity_request request = {0};
	struct err err;

	if (r->renewing || !is_due(r)) {
		runtime_timer_start(r->runtime, &r->renew_timer, CHECK_EVERY_MS);
		return;
	}
	request.addresses = (struct texts){
	    (const char *const *)r->config->addresses.items, r->config->addresses.count};
	if (csr_make(r->member.identity_key, r->member.name, csr, &err) == 0) {
		request.csr = buf_span(csr);
		if (follow_identity(r->follow, &request, on_identity, r, &err) == 0) {
			r->renewing = true;
			return;
		}
	}
	log_warning("replica", "identity not renewed: %s; trying again", err.text);
	runtime_timer_start(r->runtime, &r->renew_timer, RETRY_MS);
}

void
replica_watch_identity(struct replica *r)
{
	r->renew_timer.cb = on_check;
	r->renew_timer.arg = r;
	runtime_timer_start(r->runtime, &r->renew_timer, 0);
}
