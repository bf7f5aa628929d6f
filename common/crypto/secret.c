#include "common/crypto/secret.h"

#include "common/crypto/crypto_err.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

/* The smallest piece of the heap: a P-256 private key is one. */
#define HEAP_PIECE 32

static size_t heap_size;

struct secret {
	uint8_t *bytes; /* on the secure heap; never NULL, so that an empty secret is one too */
	size_t len;
	size_t cap;
};

static void *
ossl_alloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return mem_wiping_alloc(size);
}

static void *
ossl_realloc(void *ptr, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return mem_wiping_realloc(ptr, size);
}

static void
ossl_free(void *ptr, const char *file, int line)
{
	(void)file;
	(void)line;
	mem_wiping_free(ptr);
}

int
secret_heap_init(size_t size, struct err *err)
{
	struct rlimit limit = {0};

	if (CRYPTO_secure_malloc_initialized())
		return err_set(err, ERR_EXISTS, "the secure heap is there already");
	/*
	 * OpenSSL keeps copies of keys outside the secure heap for as long as it encodes or
	 * decodes them, and frees not all of them with a wipe. This is refused once it has taken
	 * memory, which would be a start in the wrong order.
	 */
	if (CRYPTO_set_mem_functions(ossl_alloc, ossl_realloc, ossl_free) != 1)
		return err_set(err, ERR_BUG, "the secure heap must be made before OpenSSL is used");
	if (CRYPTO_secure_malloc_init(size, HEAP_PIECE) == 1) {
		heap_size = size;
		return 0;
	}
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	return crypto_err(err, ERR_NOMEM,
	    "lock %zu KiB of memory for keys: the limit is %llu KiB; raise it (LimitMEMLOCK, "
	    "ulimit -l)",
	    size / 1024, (unsigned long long)limit.rlim_cur / 1024);
}

void
secret_heap_usage(size_t *used, size_t *size)
{
	/* OpenSSL 3.0 may not be asked before there is one. */
	*used = heap_size > 0 ? CRYPTO_secure_used() : 0;
	*size = heap_size;
}

int
secret_new(size_t len, struct secret **out, struct err *err)
{
	uint8_t *bytes = OPENSSL_secure_zalloc(len > 0 ? len : 1);
	struct secret *s;

	if (bytes == NULL)
		return crypto_err(
		    err, ERR_NOMEM, "no room for %zu secret bytes: the secure heap is full", len);
	s = mem_zalloc(sizeof(*s));
	s->bytes = bytes;
	s->len = len;
	s->cap = len;
	*out = s;
	return 0;
}

int
secret_take(void *data, size_t len, struct secret **out, struct err *err)
{
	struct secret *s;
	int r = secret_new(len, &s, err);

	if (r == 0 && len > 0)
		memcpy(s->bytes, data, len);
	if (len > 0)
		OPENSSL_cleanse(data, len);
	if (r == 0)
		*out = s;
	return r;
}

int
secret_copy(const struct secret *s, struct secret **out, struct err *err)
{
	struct secret *copy;
	int r = secret_new(s->len, &copy, err);

	if (r < 0)
		return r;
	memcpy(copy->bytes, s->bytes, s->len);
	*out = copy;
	return 0;
}

int
secret_random(size_t len, struct secret **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *s = NULL;
	int r = secret_new(len, &s, err);

	if (r < 0)
		return r;
	if (RAND_priv_bytes_ex(NULL, s->bytes, len, 0) != 1)
		return crypto_err(err, ERR_CRYPTO, "make %zu random bytes", len);
	*out = MOVE(s);
	return 0;
}

int
secret_read_fd(int fd, size_t max, bool strip, struct secret **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *s = NULL;
	/* One byte more, so that a longer input is told from one of exactly max bytes. */
	int r = secret_new(max + 1, &s, err);

	if (r < 0)
		return r;
	s->len = 0;
	while (s->len <= max) {
		ssize_t n = read(fd, s->bytes + s->len, max + 1 - s->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read a secret");
		if (n == 0)
			break;
		s->len += (size_t)n;
	}
	if (s->len > max)
		return err_set(err, ERR_LIMIT, "a secret of more than %zu bytes", max);
	if (strip && s->len > 0 && s->bytes[s->len - 1] == '\n')
		secret_cut(s, s->len - 1);
	if (s->len == 0)
		return err_set(err, ERR_INVALID, "nothing was given");
	/* The room of max bytes is given back; the secure heap is small. */
	return secret_copy(s, out, err);
}

struct span
secret_span(const struct secret *s)
{
	return SPAN(s->bytes, s->len);
}

uint8_t *
secret_bytes(struct secret *s)
{
	return s->bytes;
}

void
secret_cut(struct secret *s, size_t len)
{
	CHECK(len <= s->len);
	OPENSSL_cleanse(s->bytes + len, s->len - len);
	s->len = len;
}

bool
secret_equal(const struct secret *s, struct span other)
{
	return s->len == other.len &&
	    (other.len == 0 || CRYPTO_memcmp(s->bytes, other.data, other.len) == 0);
}

int
secret_hmac(const struct secret *s, struct span data, uint8_t out[static 32], struct err *err)
{
	size_t len = 0;

	/* bytes is never NULL, also of an empty secret. */
	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, s->bytes, s->len, data.data, data.len,
		out, 32, &len) == NULL ||
	    len != 32)
		return crypto_err(err, ERR_CRYPTO, "cannot make an HMAC");
	return 0;
}

struct span
secret_reveal(const struct secret *s)
{
	return secret_span(s);
}

void
secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	OPENSSL_secure_clear_free(s->bytes, s->cap > 0 ? s->cap : 1);
	mem_free(s);
}
