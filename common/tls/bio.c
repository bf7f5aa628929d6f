#include "common/tls/tls_priv.h"

#include <errno.h>
#include <sys/socket.h>

/* OpenSSL's own socket BIO uses write(), and a peer that has gone would raise SIGPIPE. */

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static struct tls_stream *
stream_of(BIO *bio)
{
	return OBJ_CAST(struct tls_stream, BIO_get_data(bio), STREAM_MAGIC);
}

static bool
is_transient(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/*
 * An error that stays is met again by whatever SSL does next, so that nothing is said of it here.
 */
void
tls_bio_flush(struct tls_stream *s)
{
	while (s->held.len > 0) {
		ssize_t n = send(s->fd, s->held.data, s->held.len, MSG_NOSIGNAL);

		if (is_transient(n))
			return;
		buf_consume(&s->held, n > 0 ? (size_t)n : s->held.len);
	}
	buf_fini(&s->held);
}

/*
 * A server writes the tickets behind its handshake one by one. Held back until it has said all,
 * they are one system call and one segment.
 */
static int
bio_write(BIO *bio, const char *data, int len)
{
	struct tls_stream *s = stream_of(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (s->corked && (size_t)len <= TLS_HELD_MAX - s->held.len) {
		buf_put(&s->held, data, (size_t)len);
		return len;
	}
	tls_bio_flush(s);
	if (s->held.len > 0) {
		BIO_set_retry_write(bio);
		return -1;
	}
	n = send(s->fd, data, (size_t)len, MSG_NOSIGNAL);
	if (is_transient(n))
		BIO_set_retry_write(bio);
	return (int)n;
}

static int
bio_read(BIO *bio, char *out, int len)
{
	ssize_t n;

	BIO_clear_retry_flags(bio);
	n = recv(stream_of(bio)->fd, out, (size_t)len, 0);
	if (is_transient(n))
		BIO_set_retry_read(bio);
	return (int)n;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int
bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static void
make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "certherd socket");
	CHECK(method != NULL);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_ctrl(method, bio_ctrl);
	BIO_meth_set_create(method, bio_create);
}

BIO *
tls_bio_new(struct tls_stream *s)
{
	BIO *bio;

	CHECK(pthread_once(&method_once, make_method) == 0);
	bio = BIO_new(method);
	if (bio != NULL)
		BIO_set_data(bio, s);
	return bio;
}
