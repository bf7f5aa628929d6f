/* Secrets: their life on the secure heap, and that nothing of them is left behind. */

#include "tests/unit/common/crypto/crypto_tests.h"

#include "common/base/limits.h"
#include "common/base/str.h"
#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* RFC 4231, cases 1 and 2; the second key is a word. */
static void
test_hmac(void **state)
{
	static const struct {
		const char *key, *data, *mac;
	} cases[] = {
	    {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
		"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	    {"Jefe", "what do ya want for nothing?",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(secret_freep)
		struct secret *key = NULL;
		char room[64], hex[65];
		uint8_t mac[32];
		struct err err;

		snprintf(room, sizeof(room), "%s", cases[i].key);
		assert_int_equal(secret_take(room, strlen(cases[i].key), &key, &err), 0);
		assert_int_equal(secret_hmac(key, span_str(cases[i].data), mac, &err), 0);
		assert_string_equal(hex_encode(mac, sizeof(mac), hex), cases[i].mac);
	}
}

static void
test_life(void **state)
{
	char text[] = "correct horse";
	struct secret *s = NULL, *copy = NULL, *empty = NULL;
	size_t before, used, size;

	(void)state;
	secret_heap_usage(&before, &size);
	assert_int_equal(secret_take(text, strlen(text), &s, NULL), 0);
	assert_memory_equal(text, "\0\0\0\0\0\0\0\0\0\0\0\0\0", sizeof(text));
	assert_true(secret_equal(s, span_str("correct horse")));
	assert_false(secret_equal(s, span_str("correct horsE")));
	assert_false(secret_equal(s, span_str("correct horse ")));
	assert_int_equal(secret_copy(s, &copy, NULL), 0);
	secret_cut(copy, 7);
	assert_true(secret_equal(copy, span_str("correct")));
	assert_int_equal(secret_bytes(copy)[7], 0);
	assert_int_equal(secret_new(0, &empty, NULL), 0);
	assert_true(secret_equal(empty, SPAN(NULL, 0)));
	secret_heap_usage(&used, &size);
	assert_true(used > before && size == 1024 * 1024);
	secret_free(s);
	secret_free(copy);
	secret_free(empty);
	secret_free(NULL);
	secret_heap_usage(&used, &size);
	assert_int_equal(used, before);
}

static void
test_random(void **state)
{
	struct secret *a = NULL, *b = NULL;

	(void)state;
	assert_int_equal(secret_random(32, &a, NULL), 0);
	assert_int_equal(secret_random(32, &b, NULL), 0);
	assert_false(secret_equal(a, secret_span(b)));
	secret_free(a);
	secret_free(b);
}

static void
test_full_heap(void **state)
{
	struct secret *s = NULL;
	struct pkey *key = NULL;
	struct secret *held[64];
	size_t n = 0;
	struct err err;

	(void)state;
	assert_int_equal(secret_new(2 * 1024 * 1024, &s, &err), ERR_NOMEM);
	assert_non_null(strstr(err.text, "secure heap is full"));
	assert_null(s);
	/* A key does not fit either, and says the same. */
	for (size_t size = 512 * 1024; size >= 32; size /= 2)
		while (n < ARRAY_LEN(held) && secret_new(size, &held[n], NULL) == 0)
			n++;
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, &err), ERR_NOMEM);
	assert_non_null(strstr(err.text, "secure heap is full"));
	while (n > 0)
		secret_free(held[--n]);
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, &err), 0);
	pkey_unref(key);
}

static void
test_second_heap(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(secret_heap_init(65536, &err), ERR_EXISTS);
}

static void
test_read_fd(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		bool strip;
		int code;
		const char *read;
	} cases[] = {
	    {"token", 16, false, 0, "token"},
	    {"token\n", 16, true, 0, "token"},
	    {"token\n", 16, false, 0, "token\n"},
	    {"token\n\n", 16, true, 0, "token\n"},
	    {"0123456789", 10, true, 0, "0123456789"},
	    {"0123456789a", 10, true, ERR_LIMIT, NULL},
	    {"", 10, true, ERR_INVALID, NULL},
	    {"\n", 10, true, ERR_INVALID, NULL},
	};
	struct secret *s = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fds[2];

		assert_int_equal(pipe(fds), 0);
		assert_int_equal(
		    write(fds[1], cases[i].text, strlen(cases[i].text)), strlen(cases[i].text));
		close(fds[1]);
		assert_int_equal(
		    secret_read_fd(fds[0], cases[i].max, cases[i].strip, &s, NULL), cases[i].code);
		if (cases[i].code == 0) {
			assert_true(secret_equal(s, span_str(cases[i].read)));
			secret_free(s);
		}
		close(fds[0]);
	}
	assert_int_equal(secret_read_fd(-1, 10, false, &s, NULL), ERR_IO);
}

/* --- nothing is left ----------------------------------------------------------------------------
 */

#define MARKER_LEN 32
#define CHUNK ((size_t)1 << 20)
#define LARGEST_MAPPING ((size_t)1 << 30) /* shadow memory of sanitizers is larger */

/* What is looked for is kept inverted, so that it does not find itself. */
struct marker {
	uint8_t inverted[2][MARKER_LEN]; /* as it is, and in the other byte order */
};

static bool
is_marker(const uint8_t *at, const uint8_t *inverted)
{
	for (size_t i = 0; i < MARKER_LEN; i++)
		if ((at[i] ^ inverted[i]) != 0xff)
			return false;
	return true;
}

/* Looks closer only where the first bytes are right: these alone may stand in the open. */
static size_t
count_one(const uint8_t *bytes, size_t len, const uint8_t *inverted)
{
	const uint8_t *at = bytes, *end = bytes + len;
	uint8_t first[4];
	size_t found = 0;

	for (size_t i = 0; i < sizeof(first); i++)
		first[i] = inverted[i] ^ 0xff;
	while ((at = memmem(at, (size_t)(end - at), first, sizeof(first))) != NULL) {
		found += (size_t)(end - at) >= MARKER_LEN && is_marker(at, inverted);
		at++;
	}
	return found;
}

static size_t
count_in(const uint8_t *bytes, size_t len, const struct marker *m)
{
	return count_one(bytes, len, m->inverted[0]) + count_one(bytes, len, m->inverted[1]);
}

/* Copies of the marker in everything that this process may write. */
static size_t
count_copies(const struct marker *m)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	uint8_t *chunk = calloc(1, CHUNK);
	unsigned long start, end;
	char line[512], mode[8];
	size_t found = 0;

	assert_true(maps != NULL && mem >= 0 && chunk != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) != 3 || mode[1] != 'w' ||
		    end - start > LARGEST_MAPPING)
			continue;
		/* Chunks overlap, so that none falls between two. */
		for (unsigned long at = start; at < end; at += CHUNK - MARKER_LEN + 1) {
			size_t want = end - at < CHUNK ? end - at : CHUNK;
			ssize_t n = pread(mem, chunk, want, (off_t)at);

			if (n > 0)
				found += count_in(chunk, (size_t)n, m);
			explicit_bzero(chunk, CHUNK);
		}
	}
	free(chunk);
	close(mem);
	fclose(maps);
	return found;
}

static struct marker
marker_of(struct span bytes)
{
	struct marker m;

	for (size_t i = 0; i < MARKER_LEN; i++) {
		m.inverted[0][i] = bytes.data[i] ^ 0xff;
		m.inverted[1][MARKER_LEN - 1 - i] = bytes.data[i] ^ 0xff;
	}
	return m;
}

static void
use_key(const struct pkey *key, struct seal_binding *b, const struct pkey *to)
{
	struct secret *pkcs8 = NULL, *opened = NULL, *pass = secret_of("x"), *text = NULL;
	struct pkey *again = NULL, *unlocked = NULL;
	struct keyfile file = {0}, parsed = {0};
	struct buf seal = BUF_INIT(LIMIT_SEALED), pem = BUF_INIT(65536);

	assert_int_equal(pkey_to_pkcs8(key, &pkcs8, NULL), 0);
	assert_int_equal(envelope_seal(b, pkcs8, &to, 1, &seal, NULL), 0);
	assert_int_equal(envelope_open(b, buf_span(&seal), to, &opened, NULL), 0);
	assert_int_equal(pkey_from_pkcs8(secret_span(opened), &again, NULL), 0);
	assert_int_equal(pkey_to_encrypted_pem(again, pass, &pem, NULL), 0);
	assert_int_equal(pkey_from_encrypted_pem(buf_span(&pem), pass, &unlocked, NULL), 0);
	file.entries[0] = (struct keyfile_entry){"sealing", pkey_ref(unlocked)};
	file.count = 1;
	assert_int_equal(keyfile_format(&file, &text, NULL), 0);
	assert_int_equal(keyfile_parse(text, &parsed, NULL), 0);
	assert_true(pkey_same_public(keyfile_find(&parsed, "sealing"), key));
	secret_free(pkcs8);
	secret_free(opened);
	secret_free(pass);
	secret_free(text);
	pkey_unref(again);
	pkey_unref(unlocked);
	keyfile_fini(&file);
	keyfile_fini(&parsed);
	buf_fini(&seal);
	buf_fini(&pem);
}

/* The bytes to look for: the private number, or for RSA a piece of the first prime. */
static struct marker
marker_of_key(const struct pkey *key, size_t offset)
{
	struct secret *pkcs8 = NULL;
	struct marker m;

	assert_int_equal(pkey_to_pkcs8(key, &pkcs8, NULL), 0);
	m = marker_of(SPAN(secret_span(pkcs8).data + offset, MARKER_LEN));
	secret_free(pkcs8);
	return m;
}

static void
test_nothing_left(void **state)
{
	static const struct {
		enum key_type type;
		size_t offset; /* of secret bytes in PKCS#8 */
		size_t alive;  /* copies while the key is there */
	} cases[] = {
	    {KEY_EC_P256, 36, 1},
	    {KEY_EC_P384, 35, 1},
	    /* p stands behind n, e and d; OpenSSL keeps it once, and in Montgomery form. */
	    {KEY_RSA_2048, 600, 1},
	};
	struct pkey *to = make_key(KEY_EC_P256);
	struct seal_binding b = {.version = 1, .kind = 2};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pkey *key = make_key(cases[i].type);
		struct marker m = marker_of_key(key, cases[i].offset);

		use_key(key, &b, to);
		if (cases[i].type == KEY_EC_P256) {
			struct buf sig = BUF_INIT(SIGNATURE_MAX);

			assert_int_equal(
			    sign_put(key, SIGN_RECORD, &b.domain, span_str("x"), &sig, NULL), 0);
			buf_fini(&sig);
		}
		assert_int_equal(count_copies(&m), cases[i].alive);
		pkey_unref(key);
		assert_int_equal(count_copies(&m), 0);
	}
	pkey_unref(to);
}

int
run_secret_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hmac),
	    TEST(test_life),
	    TEST(test_random),
	    TEST(test_full_heap),
	    TEST(test_second_heap),
	    TEST(test_read_fd),
	    TEST(test_hmac),
	    TEST(test_nothing_left),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
