#include "common/tls/check.h"

#include "common/base/sm.h"
#include "common/base/str.h"
#include "common/crypto/ossl.h"
#include "common/tls/resolve.h"
#include "common/tls/tls_priv.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_MAX 4096

/*
 * RESOLVE -> CONNECT (each address in turn) -> STARTTLS (nothing to say for TLS from the beginning)
 * -> HANDSHAKE -> DONE
 */
static const struct sm_state states[] = {
    [CHECK_RESOLVE] = {"resolve", SM_TO(CHECK_CONNECT)},
    [CHECK_CONNECT] = {"connect", SM_TO(CHECK_CONNECT) | SM_TO(CHECK_STARTTLS)},
    [CHECK_STARTTLS] = {"starttls", SM_TO(CHECK_HANDSHAKE)},
    [CHECK_HANDSHAKE] = {"handshake", SM_TO(CHECK_DONE)},
    [CHECK_DONE] = {"done", 0},
};
_Static_assert(ARRAY_LEN(states) == CHECK_STAGE__COUNT, "every stage is a state");

struct check {
	struct loop *loop;
	struct sm sm;
	struct check_target target;
	char name[NAME_TEXT_MAX];
	check_done_cb *done;
	void *arg;
	struct timer deadline;
	struct resolve *resolve;
	struct address list[RESOLVE_MAX];
	size_t address_count, at;
	int fd;
	struct loop_fd *watch;
	bool reset; /* by the peer: the watch has stopped itself */
	struct starttls starttls;
	struct buf out; /* of STARTTLS, not yet sent */
	SSL *ssl;
};

static struct runtime *
runtime_of(const struct check *c)
{
	return loop_runtime(c->loop);
}

static void
disconnect(struct check *c)
{
	loop_fd_close(MOVE(c->watch));
	SSL_free(MOVE(c->ssl));
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void
check_cancel(struct check *c)
{
	if (c == NULL)
		return;
	runtime_timer_stop(runtime_of(c), &c->deadline);
	resolve_cancel(c->resolve);
	disconnect(c);
	buf_fini(&c->out);
	mem_free(c);
}

/* Tells it; the check is gone then. */
static void
finish(struct check *c, const struct check_answer *answer)
{
	check_done_cb *done = c->done;
	void *arg = c->arg;

	check_cancel(c);
	done(arg, answer);
}

static void
fail(struct check *c, const struct err *why)
{
	struct err err = *why;

	finish(c,
	    &(struct check_answer){
		.stage = (enum check_stage)c->sm.state, .status = err.code, .err = &err});
}

/* For the server, if it is there still. */
static void
wait_for(struct check *c, unsigned events)
{
	struct err err;

	if (!c->reset) {
		loop_fd_watch(c->watch, events);
		return;
	}
	err_set(&err, ERR_IO, "the server has ended the connection");
	fail(c, &err);
}

static void
on_deadline(void *arg)
{
	static const char *const waited_for[] = {
	    [CHECK_RESOLVE] = "no address was found in time",
	    [CHECK_CONNECT] = "no TCP connection in time",
	    [CHECK_STARTTLS] = "the server did not say in time that TLS may begin",
	    [CHECK_HANDSHAKE] = "the TLS handshake took too long",
	    [CHECK_DONE] = "",
	};
	struct check *c = arg;
	struct err err;

	err_set(&err, ERR_TIMEOUT, "%s", waited_for[c->sm.state]);
	fail(c, &err);
}

/* --- handshake --- */

static int
open_ssl(struct check *c, struct err *err)
{
	AUTO(SSL_CTX_freep)
	SSL_CTX *ctx = tls_curious_ctx(err);

	if (ctx == NULL)
		return ERR_CRYPTO;
	c->ssl = SSL_new(ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 ||
	    (c->name[0] != '\0' && SSL_set_tlsext_host_name(c->ssl, c->name) != 1))
		return crypto_err(err, ERR_CRYPTO, "a TLS connection");
	return 0;
}

static void
answer_chain(struct check *c)
{
	struct cert *chain[LIMIT_CHAIN];
	size_t count = 0;
	struct err err;

	if (tls_sent_chain(c->ssl, chain, &count, &err) < 0) {
		fail(c, &err);
		return;
	}
	sm_move(&c->sm, CHECK_DONE);
	finish(c, &(struct check_answer){.stage = CHECK_DONE, .chain = chain, .count = count});
	while (count > 0)
		cert_unref(chain[--count]);
}

static void
handshake(struct check *c)
{
	struct err err;
	int n, why;

	ERR_clear_error();
	n = SSL_connect(c->ssl);
	why = n == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		wait_for(c, why == SSL_ERROR_WANT_READ ? LOOP_READ : LOOP_WRITE);
	} else if (n == 1 || SSL_get_peer_cert_chain(c->ssl) != NULL) {
		/* With the certificates at hand it is no matter what else it wants of us. */
		crypto_err_forget();
		answer_chain(c);
	} else {
		crypto_err(&err, ERR_PROTO, "no TLS handshake");
		fail(c, &err);
	}
}

/* --- what is said before it --- */

static void
send_out(struct check *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
		struct err err;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			err_errno(&err, errno, "the connection has ended before TLS");
			fail(c, &err);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	wait_for(c, c->out.len > 0 ? LOOP_WRITE : LOOP_READ);
}

static void
go_on(struct check *c)
{
	struct err err;

	if (!c->starttls.ready) {
		send_out(c);
		return;
	}
	sm_move(&c->sm, CHECK_HANDSHAKE);
	if (open_ssl(c, &err) < 0)
		fail(c, &err);
	else
		handshake(c);
}

static void
hear(struct check *c)
{
	uint8_t bytes[READ_MAX];
	ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
	struct err err;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		wait_for(c, LOOP_READ);
	} else if (n <= 0) {
		if (n < 0)
			err_errno(&err, errno, "the connection has ended before TLS");
		else
			err_set(&err, ERR_PROTO, "the server has ended the connection before TLS");
		fail(c, &err);
	} else if (starttls_feed(&c->starttls, SPAN(bytes, (size_t)n), &c->out, &err) < 0) {
		fail(c, &err);
	} else {
		go_on(c);
	}
}

/* --- connection --- */

static void connect_next(struct check *c, const struct err *last);

static void
on_connected(struct check *c)
{
	struct err err;

	if (address_connected(c->fd, &err) < 0) {
		disconnect(c);
		connect_next(c, &err);
		return;
	}
	sm_move(&c->sm, CHECK_STARTTLS);
	starttls_init(&c->starttls, c->target.protocol, &c->out);
	go_on(c);
}

static void
on_fd(void *arg, unsigned events)
{
	struct check *c = arg;

	/* What it sent before it left (an alert) is still to be read. */
	c->reset = (events & LOOP_ERROR) != 0;
	if (c->sm.state == CHECK_CONNECT)
		on_connected(c);
	else if (c->sm.state == CHECK_HANDSHAKE)
		handshake(c);
	else if ((events & LOOP_WRITE) != 0 && c->out.len > 0)
		send_out(c);
	else
		hear(c);
}

static void
connect_next(struct check *c, const struct err *last)
{
	struct err err = *last;

	while (c->at < c->address_count) {
		sm_move(&c->sm, CHECK_CONNECT);
		if (address_connect(&c->list[c->at++], &c->fd, &err) < 0)
			continue;
		if (loop_fd_open(c->loop, c->fd, on_fd, c, &c->watch, &err) == 0) {
			loop_fd_watch(c->watch, LOOP_WRITE);
			return;
		}
		disconnect(c);
	}
	fail(c, &err);
}

static void
on_resolved(void *arg, int status, const struct address *list, size_t count, const struct err *err)
{
	struct check *c = arg;

	c->resolve = NULL;
	if (status < 0) {
		fail(c, err);
		return;
	}
	memcpy(c->list, list, count * sizeof(list[0]));
	c->address_count = count;
	connect_next(c, err);
}

int
check_start(const struct check_params *p, check_done_cb *done, void *arg, struct check **out,
    struct err *err)
{
	struct check *c = mem_zalloc(sizeof(*c));
	int r = str_copy(c->name, sizeof(c->name), p->name != NULL ? p->name : "", err);

	if (r < 0) {
		mem_free(c);
		return r;
	}
	c->loop = p->loop;
	c->target = *p->target;
	c->done = done;
	c->arg = arg;
	c->fd = -1;
	c->out = BUF_INIT(STARTTLS_SENT_MAX);
	sm_init(&c->sm, states, CHECK_STAGE__COUNT, CHECK_RESOLVE);
	c->deadline = (struct timer){.cb = on_deadline, .arg = c};
	runtime_timer_start(runtime_of(c), &c->deadline, p->ms > 0 ? p->ms : LIMIT_CHECK_MS);
	c->resolve = resolve_start(c->loop, c->target.host, c->target.port, on_resolved, c);
	*out = c;
	return 0;
}
