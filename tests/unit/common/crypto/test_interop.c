/*
 * The openssl program reads what this module writes: it is the recovery of last resort. Test keys
 * are written to files here, which no program of this system does.
 */

#include "tests/unit/common/crypto/crypto_tests.h"

#include "common/base/limits.h"
#include "common/base/str.h"
#include "common/crypto/envelope_priv.h"
#include "common/sys/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OPENSSL "/usr/bin/openssl"
#define ARGS_MAX 24

void
write_file(const char *name, struct span bytes)
{
	FILE *f = fopen(in_tmp(name), "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
	assert_int_equal(fclose(f), 0);
}

void
read_file(const char *name, struct buf *out)
{
	FILE *f = fopen(in_tmp(name), "rb");
	uint8_t block[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		buf_put(out, block, n);
	fclose(f);
	assert_int_equal(out->error, 0);
}

int
run_openssl(const char *const *args)
{
	static char names[ARGS_MAX][128];
	const char *argv[ARGS_MAX + 2] = {OPENSSL};
	struct process_end end;
	struct err err;
	pid_t pid;

	for (size_t i = 0; args[i] != NULL; i++) {
		assert_true(i < ARGS_MAX);
		snprintf(names[i], sizeof(names[i]), "%s",
		    args[i][0] == '@' ? in_tmp(args[i] + 1) : args[i]);
		argv[i + 1] = names[i];
	}
	const struct spawn_params params = {.path = OPENSSL, .argv = argv};
	if (spawn_exec(&params, &pid, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(process_reap(pid, true, &end, NULL), 0);
	return end.exited ? end.status : -1;
}

/* A certificate whose subject key identifier is the key identifier of seals. */
static void
write_certificate(const struct pkey *key)
{
	struct buf config = BUF_INIT(1024);
	char hex[2 * KEY_ID_LEN + 1];
	struct key_id id;

	pkey_id(key, &id);
	buf_putf(&config,
	    "[req]\ndistinguished_name = name\nx509_extensions = all\nprompt = no\n"
	    "[name]\nCN = recovery\n[all]\nsubjectKeyIdentifier = %s\n",
	    hex_encode(id.bytes, sizeof(id.bytes), hex));
	write_file("config", buf_span(&config));
	OPENSSL_RUNS("req", "-x509", "-new", "-key", "@key.pem", "-config", "@config", "-out",
	    "@cert.pem", "-days", "1");
	buf_fini(&config);
}

static void
test_cms_decrypt(void **state)
{
	struct pkey *keys[3] = {
	    make_key(KEY_EC_P256), make_key(KEY_EC_P256), make_key(KEY_EC_P256)};
	struct keyfile file = {.count = 1};
	struct seal_binding b = {.version = 9, .kind = 7, .public_part = span_str("public")};
	struct secret *text = NULL, *payload = secret_of("the payload");
	struct buf seal = BUF_INIT(LIMIT_SEALED), plain = BUF_INIT(4096);

	(void)state;
	assert_int_equal(
	    envelope_seal(&b, payload, (const struct pkey *const *)keys, 3, &seal, NULL), 0);
	write_file("seal.der", buf_span(&seal));
	/* Whichever place its identifier has among the recipients. */
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		file.entries[0] = (struct keyfile_entry){"sealing", keys[i]};
		assert_int_equal(keyfile_format(&file, &text, NULL), 0);
		write_file("key.pem", secret_span(text));
		write_certificate(keys[i]);
		OPENSSL_RUNS("cms", "-decrypt", "-inform", "DER", "-in", "@seal.der", "-inkey",
		    "@key.pem", "-recip", "@cert.pem", "-binary", "-out", "@plain");
		buf_clear(&plain);
		read_file("plain", &plain);
		assert_int_equal(plain.len, SEAL_BLOCK);
		assert_memory_equal(plain.data, "CHSEAL01", 8);
		assert_memory_equal(plain.data + 8, "\0\0\0\7\0\0\0\0\0\0\0\11", 12);
		assert_memory_equal(plain.data + SEAL_HEADER_LEN - 4, "\0\0\0\13the payload", 15);
		secret_free(text);
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		pkey_unref(keys[i]);
	secret_free(payload);
	buf_fini(&seal);
	buf_fini(&plain);
}

static void
test_encrypted_pem(void **state)
{
	struct pkey *key = make_key(KEY_EC_P384), *out = NULL;
	struct secret *pass = secret_of("correct horse"), *pkcs8 = NULL;
	struct buf pem = BUF_INIT(8192), der = BUF_INIT(8192);

	(void)state;
	assert_int_equal(pkey_to_encrypted_pem(key, pass, &pem, NULL), 0);
	write_file("root.key", buf_span(&pem));
	write_file("pass", span_str("correct horse\n"));
	OPENSSL_RUNS("pkcs8", "-in", "@root.key", "-passin", "pass:correct horse", "-topk8",
	    "-nocrypt", "-outform", "DER", "-out", "@plain.der");
	read_file("plain.der", &der);
	assert_int_equal(pkey_to_pkcs8(key, &pkcs8, NULL), 0);
	assert_true(secret_equal(pkcs8, buf_span(&der)));
	/* And the other way round, with the parameters that the program chooses. */
	OPENSSL_RUNS("pkcs8", "-topk8", "-inform", "DER", "-in", "@plain.der", "-scrypt",
	    "-passout", "pass:correct horse", "-out", "@again.key");
	buf_clear(&pem);
	read_file("again.key", &pem);
	assert_int_equal(pkey_from_encrypted_pem(buf_span(&pem), pass, &out, NULL), 0);
	assert_true(pkey_same_public(key, out));
	pkey_unref(key);
	pkey_unref(out);
	secret_free(pass);
	secret_free(pkcs8);
	buf_fini(&pem);
	buf_fini(&der);
}

/* The program's own encodings of every type that is made here are the same as ours. */
static void
test_encodings(void **state)
{
	static const enum key_type types[] = {KEY_EC_P256, KEY_EC_P384, KEY_EC_P521, KEY_RSA_2048};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct pkey *key = make_key(types[i]);
		struct secret *pkcs8 = NULL;
		struct buf der = BUF_INIT(8192);

		assert_int_equal(pkey_to_pkcs8(key, &pkcs8, NULL), 0);
		write_file("in.der", secret_span(pkcs8));
		OPENSSL_RUNS("pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", "@in.der",
		    "-outform", "DER", "-out", "@out.der");
		read_file("out.der", &der);
		assert_true(secret_equal(pkcs8, buf_span(&der)));
		OPENSSL_RUNS("pkey", "-inform", "DER", "-in", "@in.der", "-pubout", "-outform",
		    "DER", "-out", "@pub.der");
		buf_clear(&der);
		read_file("pub.der", &der);
		assert_true(span_equal(pkey_spki(key), buf_span(&der)));
		pkey_unref(key);
		secret_free(pkcs8);
		buf_fini(&der);
	}
}

int
run_interop_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_cms_decrypt),
	    TEST(test_encrypted_pem),
	    TEST(test_encodings),
	};

	if (access(OPENSSL, X_OK) != 0) {
		printf("skipped: there is no %s\n", OPENSSL);
		return 0;
	}
	return cmocka_run_group_tests_name("interop", tests, NULL, NULL);
}
