#include "common/tls/tls_priv.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

static void step(struct tls_stream *s);
static void update(struct tls_stream *s);

static struct runtime *
runtime_of(struct tls_stream *s)
{
	return loop_runtime(s->loop);
}

/* ------------------------------------------------------------------------- failure */

/* Takes the reason of an SSL call that has failed for good; nothing may use SSL afterwards. */
static int
explain(struct tls_stream *s, int ssl_error, const char *what, struct err *err)
{
	int saved = errno;

	s->broken = true;
	if (s->refusal.code != 0) {
		crypto_err_forget();
		if (err != NULL)
			*err = s->refusal;
		return s->refusal.code;
	}
	/* From 3.2 on the error of the system call is in the queue as well. */
	if (ssl_error == SSL_ERROR_SYSCALL &&
	    (ERR_peek_error() == 0 || ERR_SYSTEM_ERROR(ERR_peek_error()))) {
		crypto_err_forget();
		if (saved != 0)
			return err_errno(err, saved, "%s", what);
		return err_set(err, ERR_IO, "%s: the peer closed the connection", what);
	}
	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL &&
	    ERR_GET_REASON(ERR_peek_error()) == SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED) {
		crypto_err_forget();
		return err_set(err, ERR_DENIED,
		    "%s: the peer refuses our certificate (removed, run out, or of another domain)",
		    what);
	}
	return crypto_err(err, ssl_error == SSL_ERROR_SSL ? ERR_PROTO : ERR_IO, "%s", what);
}

static void
fail(struct tls_stream *s, const struct err *err)
{
	runtime_timer_stop(runtime_of(s), &s->deadline);
	runtime_timer_stop(runtime_of(s), &s->kick);
	s->state = STREAM_FAILED;
	s->want = 0;
	loop_fd_watch(s->watch, 0);
	s->events->on_failed(s->arg, err);
}

static void
on_deadline(void *arg)
{
	struct tls_stream *s = OBJ_CAST(struct tls_stream, arg, STREAM_MAGIC);
	struct err err;

	s->broken = true;
	if (s->state == STREAM_CONNECTING)
		err_set(&err, ERR_TIMEOUT, "no TCP connection in time");
	else
		err_set(&err, ERR_TIMEOUT, "the TLS handshake took too long");
	fail(s, &err);
}

/* ------------------------------------------------------------------------- handshake */

static int
take_peer(struct tls_stream *s, struct err *err)
{
	X509 *x509 = SSL_get0_peer_certificate(s->ssl);

	if (s->peer != NULL || x509 == NULL)
		return 0;
	return tls_cert_of(x509, &s->peer, err);
}

static void
handshake_done(struct tls_stream *s)
{
	struct err err;

	runtime_timer_stop(runtime_of(s), &s->deadline);
	s->state = STREAM_READY;
	s->held_bytes = SSL_has_pending(s->ssl) == 1;
	/* A withdrawn key must not live on in connections that go on for days. */
	if (s->ctx->server) {
		SSL_certs_clear(s->ssl);
		tls_identity_unref(MOVE(s->identity));
	}
	if (take_peer(s, &err) < 0) {
		fail(s, &err);
		return;
	}
	update(s);
	s->events->on_ready(s->arg);
}

static void
handshake(struct tls_stream *s)
{
	struct err err;
	int r, e, saved;

	ERR_clear_error();
	errno = 0;
	s->state = STREAM_HANDSHAKE;
	s->corked = true;
	r = SSL_do_handshake(s->ssl);
	e = SSL_get_error(s->ssl, r);
	saved = errno;
	s->corked = false;
	tls_bio_flush(s);
	errno = saved;
	switch (e) {
	case SSL_ERROR_NONE:
		handshake_done(s);
		return;
	case SSL_ERROR_WANT_READ:
		s->handshake_for = LOOP_READ;
		break;
	case SSL_ERROR_WANT_WRITE:
		s->handshake_for = LOOP_WRITE;
		break;
	case SSL_ERROR_WANT_X509_LOOKUP:
		s->state = STREAM_SUSPENDED;
		break;
	default:
		explain(s, e, "TLS handshake", &err);
		fail(s, &err);
		return;
	}
	if (s->reset && s->state == STREAM_HANDSHAKE) {
		s->broken = true;
		err_set(&err, ERR_IO, "TLS handshake: the connection was reset");
		fail(s, &err);
		return;
	}
	update(s);
}

void
tls_stream_resume(struct tls_stream *s)
{
	CHECK(s->state == STREAM_SUSPENDED);
	runtime_timer_start(runtime_of(s), &s->kick, 0);
}

/* ------------------------------------------------------------------------- events */

static void
step(struct tls_stream *s)
{
	struct err err;

	switch (s->state) {
	case STREAM_CONNECTING:
		if (address_connected(s->fd, &err) < 0) {
			fail(s, &err);
			return;
		}
		handshake(s);
		return;
	case STREAM_HANDSHAKE:
		handshake(s);
		return;
	case STREAM_SUSPENDED:
	case STREAM_READY:
	case STREAM_FAILED:
		return;
	}
}

static void
on_fd(void *arg, unsigned events)
{
	struct tls_stream *s = OBJ_CAST(struct tls_stream, arg, STREAM_MAGIC);
	unsigned owner = 0;

	if ((events & LOOP_ERROR) != 0) {
		/* What the peer sent before it left (an alert) is still to be read. */
		s->reset = true;
		events = LOOP_READ | LOOP_WRITE;
	}
	if ((events & LOOP_WRITE) != 0 && s->held.len > 0) {
		tls_bio_flush(s);
		update(s);
	}
	if (s->state != STREAM_READY) {
		step(s);
		return;
	}
	if ((events & (s->read_wants_write ? LOOP_WRITE : LOOP_READ)) != 0)
		owner |= LOOP_READ;
	if ((events & (s->write_wants_read ? LOOP_READ : LOOP_WRITE)) != 0)
		owner |= LOOP_WRITE;
	owner &= s->want;
	if (owner != 0)
		s->events->on_event(s->arg, owner);
}

static void
on_kick(void *arg)
{
	struct tls_stream *s = OBJ_CAST(struct tls_stream, arg, STREAM_MAGIC);

	if (s->state == STREAM_SUSPENDED)
		handshake(s);
	else if (s->state == STREAM_READY && (s->want & LOOP_READ) != 0 && s->held_bytes)
		s->events->on_event(s->arg, LOOP_READ);
}

/* What the descriptor is watched for follows from the state, and from nothing else. */
static void
update(struct tls_stream *s)
{
	unsigned mask = 0;

	switch (s->state) {
	case STREAM_CONNECTING:
		mask = LOOP_WRITE;
		break;
	case STREAM_HANDSHAKE:
		mask = s->handshake_for;
		break;
	case STREAM_READY:
		if ((s->want & LOOP_READ) != 0)
			mask |= s->read_wants_write ? LOOP_WRITE : LOOP_READ;
		if ((s->want & LOOP_WRITE) != 0)
			mask |= s->write_wants_read ? LOOP_READ : LOOP_WRITE;
		if ((s->want & LOOP_READ) != 0 && s->held_bytes)
			runtime_timer_start(runtime_of(s), &s->kick, 0);
		break;
	case STREAM_SUSPENDED:
		break;
	case STREAM_FAILED:
		return;
	}
	if (s->held.len > 0)
		mask |= LOOP_WRITE;
	loop_fd_watch(s->watch, mask);
}

void
tls_stream_want(struct tls_stream *s, unsigned mask)
{
	if (s->state != STREAM_READY)
		return;
	s->want = mask;
	update(s);
}

/* ------------------------------------------------------------------------- bytes */

int
tls_stream_read(struct tls_stream *s, void *out, size_t max, size_t *len, struct err *err)
{
	size_t n = 0;
	int r, e;

	CHECK(s->state == STREAM_READY);
	if (s->broken)
		return err_set(err, ERR_IO, "the TLS connection is broken");
	ERR_clear_error();
	errno = 0;
	r = SSL_read_ex(s->ssl, out, max, &n);
	s->held_bytes = r == 1 && SSL_has_pending(s->ssl) == 1;
	e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, r);
	s->read_wants_write = e == SSL_ERROR_WANT_WRITE;
	switch (e) {
	case SSL_ERROR_NONE:
	case SSL_ERROR_ZERO_RETURN:
		*len = n;
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		update(s);
		return ERR_AGAIN;
	default:
		return explain(s, e, "TLS read", err);
	}
}

/*
 * A peer that refuses us says so and closes. If we write before we have read that, the write fails
 * for a connection that is gone, and the reason still waits to be read.
 */
static int
explain_write(struct tls_stream *s, int ssl_error, struct err *err)
{
	int saved = errno;
	size_t n = 0;
	uint8_t byte;

	if (ssl_error == SSL_ERROR_SYSCALL) {
		int r, e;

		ERR_clear_error();
		r = SSL_read_ex(s->ssl, &byte, 1, &n);
		e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, r);
		if (e == SSL_ERROR_SSL)
			return explain(s, e, "TLS read", err);
		ERR_clear_error();
		errno = saved;
	}
	return explain(s, ssl_error, "TLS write", err);
}

int
tls_stream_write(struct tls_stream *s, struct span data, size_t *taken, struct err *err)
{
	size_t n = 0;
	int r, e;

	CHECK(s->state == STREAM_READY && data.len > 0 && !s->finished);
	if (s->broken)
		return err_set(err, ERR_IO, "the TLS connection is broken");
	ERR_clear_error();
	errno = 0;
	r = SSL_write_ex(s->ssl, data.data, data.len, &n);
	e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, r);
	s->write_wants_read = e == SSL_ERROR_WANT_READ;
	switch (e) {
	case SSL_ERROR_NONE:
		*taken = n;
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		update(s);
		return ERR_AGAIN;
	default:
		return explain_write(s, e, err);
	}
}

int
tls_stream_finish(struct tls_stream *s, struct err *err)
{
	int r, e;

	CHECK(s->state == STREAM_READY);
	if (s->finished)
		return 0;
	if (s->broken)
		return err_set(err, ERR_IO, "the TLS connection is broken");
	ERR_clear_error();
	errno = 0;
	r = SSL_shutdown(s->ssl);
	if (r >= 0) {
		s->finished = true;
		return 0;
	}
	e = SSL_get_error(s->ssl, r);
	if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		return ERR_AGAIN;
	return explain(s, e, "TLS close", err);
}

/* ------------------------------------------------------------------------- life */

static int
set_up(struct tls_stream *s, const struct tls_stream_params *p, struct err *err)
{
	BIO *bio;
	int r;

	s->ssl = SSL_new(p->ctx->ssl);
	bio = s->ssl != NULL ? tls_bio_new(s) : NULL;
	if (bio == NULL)
		return crypto_err(err, ERR_NOMEM, "cannot begin a TLS connection");
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_app_data(s->ssl, s);
	if (p->ctx->server)
		SSL_set_accept_state(s->ssl);
	else
		SSL_set_connect_state(s->ssl);
	if (p->server_name != NULL && SSL_set_tlsext_host_name(s->ssl, p->server_name) != 1)
		return crypto_err(err, ERR_INVALID, "cannot ask for the name '%s'", p->server_name);
	s->identity = tls_ctx_identity(p->ctx);
	if (s->identity != NULL) {
		r = tls_identity_use(s->identity, p->ctx->send_root, s->ssl, err);
		if (r < 0)
			return r;
	}
	return loop_fd_open(p->loop, p->fd, on_fd, s, &s->watch, err);
}

int
tls_stream_new(const struct tls_stream_params *p, struct tls_stream **out, struct err *err)
{
	struct tls_stream *s = mem_zalloc(sizeof(*s));
	int r;

	ERR_clear_error();
	s->magic = STREAM_MAGIC;
	s->loop = p->loop;
	s->fd = p->fd;
	s->held = BUF_INIT(TLS_HELD_MAX);
	s->ctx = tls_ctx_ref(p->ctx);
	s->events = p->events;
	s->arg = p->arg;
	s->deadline.cb = on_deadline;
	s->kick.cb = on_kick;
	s->deadline.arg = s->kick.arg = s;
	r = set_up(s, p, err);
	if (r < 0) {
		s->state = STREAM_FAILED;
		tls_stream_close(s);
		return r;
	}
	s->state = p->connecting ? STREAM_CONNECTING : STREAM_HANDSHAKE;
	/* A client speaks first: the first step is taken as soon as the socket takes bytes. */
	s->handshake_for = p->ctx->server ? LOOP_READ : LOOP_WRITE;
	runtime_timer_start(runtime_of(s), &s->deadline, p->handshake_ms);
	update(s);
	*out = s;
	return 0;
}

void
tls_stream_set_owner(struct tls_stream *s, const struct tls_stream_events *events, void *arg)
{
	s->events = events;
	s->arg = arg;
}

void
tls_stream_close(struct tls_stream *s)
{
	if (s == NULL)
		return;
	if (s->state == STREAM_READY && !s->broken && !s->finished) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
		crypto_err_forget();
	}
	runtime_timer_stop(runtime_of(s), &s->deadline);
	runtime_timer_stop(runtime_of(s), &s->kick);
	loop_fd_close(s->watch);
	SSL_free(s->ssl);
	buf_fini(&s->held);
	tls_identity_unref(s->identity);
	close(s->fd);
	tls_ctx_unref(s->ctx);
	cert_unref(s->peer);
	s->magic = 0;
	mem_free(s);
}

/* ------------------------------------------------------------------------- questions */

const struct cert *
tls_stream_peer(const struct tls_stream *s)
{
	return s->peer;
}

bool
tls_stream_peer_expired(const struct tls_stream *s)
{
	return s->peer_expired;
}

const char *
tls_stream_alpn(const struct tls_stream *s)
{
	const unsigned char *name;
	unsigned len;

	/* A client without ALPN never reaches the callback: only this says what was agreed. */
	SSL_get0_alpn_selected(s->ssl, &name, &len);
	for (size_t i = 0; i < s->ctx->alpn_count; i++)
		if (span_equal(SPAN(name, len), span_str(s->ctx->alpn[i].name)))
			return s->ctx->alpn[i].name;
	return NULL;
}

const char *
tls_stream_server_name(const struct tls_stream *s)
{
	return SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
}

const char *
tls_stream_version(const struct tls_stream *s)
{
	return SSL_get_version(s->ssl);
}

bool
tls_stream_resumed(const struct tls_stream *s)
{
	return SSL_session_reused(s->ssl) == 1;
}
