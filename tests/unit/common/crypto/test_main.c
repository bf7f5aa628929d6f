#include "tests/unit/common/crypto/crypto_tests.h"

#include "common/crypto/crypto_err.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAP_SIZE (1024 * 1024)

char tmp_dir[64] = "/tmp/test_common_crypto.XXXXXX";

const char *
in_tmp(const char *name)
{
	static char places[8][128];
	static unsigned turn;
	char *place = places[turn++ % ARRAY_LEN(places)];

	snprintf(place, sizeof(places[0]), "%s/%s", tmp_dir, name);
	return place;
}

int
check_queue(void **state)
{
	(void)state;
	assert_false(crypto_err_pending());
	return 0;
}

struct pkey *
make_key(enum key_type type)
{
	struct pkey *key = NULL;

	assert_int_equal(pkey_generate(type, &key, NULL), 0);
	return key;
}

struct pkey *
public_of(const struct pkey *key)
{
	struct pkey *public = NULL;

	assert_int_equal(pkey_from_spki(pkey_spki(key), &public, NULL), 0);
	return public;
}

struct secret *
secret_of(const char *text)
{
	char *copy = mem_strdup(text);
	struct secret *s = NULL;

	assert_int_equal(secret_take(copy, strlen(copy), &s, NULL), 0);
	mem_free(copy);
	return s;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int
main(void)
{
	struct err err;
	size_t used, size;
	int failed;

	/* OpenSSL 3.0 would end the process here. */
	secret_heap_usage(&used, &size);
	CHECK(used == 0 && size == 0);
	if (secret_heap_init(HEAP_SIZE, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (mkdtemp(tmp_dir) == NULL)
		return 1;
	failed = run_secret_tests() + run_pkey_tests() + run_sign_tests() + run_envelope_tests() +
	    run_leaf_tests() + run_interop_tests();
	nftw(tmp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return failed;
}
