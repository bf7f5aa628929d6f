#include "common/tls/tls_priv.h"

#include <errno.h>
#include <sys/socket.h>

/* OpenSSL's own socket BIO uses write(), and a peer that has gone would raise SIGPIPE. */

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int
bio_fd(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static bool
is_transient(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static int
bio_write(BIO *bio, const char *data, int len)
{
	ssize_t n;

	BIO_clear_retry_flags(bio);
	n = send(bio_fd(bio), data, (size_t)len, MSG_NOSIGNAL);
	if (is_transient(n))
		BIO_set_retry_write(bio);
	return (int)n;
}

static int
bio_read(BIO *bio, char *out, int len)
{
	ssize_t n;

	BIO_clear_retry_flags(bio);
	n = recv(bio_fd(bio), out, (size_t)len, 0);
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
tls_bio_new(int fd)
{
	BIO *bio;

	CHECK(pthread_once(&method_once, make_method) == 0);
	bio = BIO_new(method);
	if (bio != NULL)
		BIO_set_data(bio, (void *)(intptr_t)fd);
	return bio;
}
