/* The process that reads foreign files, from the command's side. */

#include "server/import/frame.h"

#include "common/crypto/cert.h"
#include "common/sys/file.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct import_reader *
reader(const char *program, const char *password)
{
	struct import_reader *r = NULL;
	struct secret *secrets[1] = {NULL};
	char text[64];

	if (password != NULL) {
		snprintf(text, sizeof(text), "%s", password);
		assert_int_equal(secret_take(text, strlen(text), &secrets[0], NULL), 0);
	}
	assert_int_equal(import_reader_new(program, (const struct secret *const *)secrets,
			     password != NULL, &r, NULL),
	    0);
	secret_free(secrets[0]);
	return r;
}

static void
add_vector(struct import_reader *r, const char *name)
{
	char path[512];
	struct buf bytes = BUF_INIT(LIMIT_IMPORT_FILE);

	snprintf(path, sizeof(path), "%s/%s", LIFT_VECTORS, name);
	assert_int_equal(file_read(path, LIMIT_IMPORT_FILE, &bytes, NULL), 0);
	assert_int_equal(import_reader_add(r, name, buf_span(&bytes), NULL), 0);
	buf_fini(&bytes);
}

/* Files of others in which there is nothing to be taken. */
static void
test_refused_files(void **state)
{
	static const struct {
		const char *files[3], *password;
		int code; /* of the first refusal */
		const char *says;
		bool needs_password;
	} cases[] = {
	    {{"cert-key-aes256cbc.p12"}, "cryptography", ERR_INVALID, "one of a CA", false},
	    {{"cert-key-aes256cbc.p12"}, NULL, ERR_DENIED, "password", true},
	    {{"cert-key-aes256cbc.p12"}, "wrong", ERR_DENIED, "does not open it", true},
	    {{"ec_private_key.der"}, NULL, ERR_NOTFOUND, "is not here", false},
	    {{"isrg.pem"}, NULL, ERR_NOTFOUND, "no private key", false},
	    {{"jks"}, NULL, ERR_UNAVAIL, "keytool", false},
	    {{"text-no-end"}, NULL, ERR_PARSE, "text-no-end", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct import_reader *r = reader(READER_PROGRAM, cases[i].password);
		struct import_found f;

		for (size_t j = 0; cases[i].files[j] != NULL; j++)
			add_vector(r, cases[i].files[j]);
		assert_int_equal(import_reader_take(r, IMPORT_KEYS, &f, NULL), 0);
		assert_int_equal(f.unit_count, 0);
		assert_true(f.refusal_count > 0);
		if (f.refusals[0].code != cases[i].code ||
		    strstr(f.refusals[0].text, cases[i].says) == NULL ||
		    f.needs_password != cases[i].needs_password)
			fail_msg(
			    "%s: %d %s", cases[i].files[0], f.refusals[0].code, f.refusals[0].text);
		import_found_fini(&f);
		import_reader_free(r);
	}
}

/* A text with a key, its leaf, the issuer and a stranger. */
static void
put_sound(struct buf *out, size_t keys)
{
	const char *name = "www.example.org";
	struct keyfile file = {.count = 0};
	struct pkey *ca_key = NULL, *other_key = NULL;
	struct cert *ca = NULL, *other = NULL;
	struct secret *text = NULL;

	assert_int_equal(pkey_generate(KEY_EC_P256, &ca_key, NULL), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &other_key, NULL), 0);
	assert_int_equal(cert_issue_ca(ca_key, "one", 1000, 2000000000, &ca, NULL), 0);
	assert_int_equal(cert_issue_ca(other_key, "two", 1000, 2000000000, &other, NULL), 0);
	for (size_t i = 0; i < keys; i++) {
		struct leaf_params leaf = {
		    .names = &name, .name_count = 1, .not_before = 1000, .not_after = 1900000000};
		struct cert *cert = NULL;

		snprintf(file.entries[i].name, sizeof(file.entries[i].name), "k%zu", i);
		assert_int_equal(pkey_generate(KEY_EC_P256, &file.entries[i].key, NULL), 0);
		file.count++;
		leaf.key = file.entries[i].key;
		assert_int_equal(cert_issue_leaf(ca, ca_key, &leaf, &cert, NULL), 0);
		cert_put_pem(cert_der(cert), out);
		cert_unref(cert);
	}
	assert_int_equal(keyfile_format(&file, &text, NULL), 0);
	buf_put_span(out, secret_span(text));
	cert_put_pem(cert_der(other), out);
	cert_put_pem(cert_der(ca), out);
	secret_free(text);
	keyfile_fini(&file);
	cert_unref(ca);
	cert_unref(other);
	pkey_unref(ca_key);
	pkey_unref(other_key);
}

static void
check_sound(const struct import_unit *u)
{
	struct pkey *key = NULL;
	struct cert *leaf = NULL;

	assert_string_equal(u->file, "sound.txt");
	assert_string_equal(u->key_type, "ec-p256");
	assert_string_equal(u->names, "www.example.org");
	assert_int_equal(u->not_after, 1900000000);
	/* The stranger is not among them. */
	assert_int_equal(u->cert_count, 2);
	assert_int_equal(pkey_from_pkcs8(secret_span(u->key), &key, NULL), 0);
	assert_int_equal(cert_parse(u->certs[0], &leaf, NULL), 0);
	assert_true(cert_has_key(leaf, key));
	pkey_unref(key);
	cert_unref(leaf);
}

/* One reader for set after set: nothing of one is in the next. */
static void
test_sets(void **state)
{
	struct import_reader *r = reader(READER_PROGRAM, "cryptography");
	struct buf text = BUF_INIT(LIMIT_IMPORT_FILE);

	(void)state;
	for (size_t i = 1; i <= 3; i++) {
		struct import_found f;

		buf_clear(&text);
		put_sound(&text, i);
		assert_int_equal(import_reader_add(r, "sound.txt", buf_span(&text), NULL), 0);
		assert_int_equal(import_reader_take(r, IMPORT_KEYS, &f, NULL), 0);
		assert_int_equal(f.unit_count, i);
		assert_int_equal(f.refusal_count, 0);
		assert_int_equal(f.remark_count, 2);
		assert_non_null(strstr(f.remarks[0].text, "not trusted"));
		for (size_t j = 0; j < i; j++)
			check_sound(&f.units[j]);
		import_found_fini(&f);
		add_vector(r, "text-no-end");
		assert_int_equal(import_reader_take(r, IMPORT_KEYS, &f, NULL), 0);
		assert_int_equal(f.unit_count, 0);
		assert_int_equal(f.refusal_count, 1);
		import_found_fini(&f);
	}
	buf_fini(&text);
	import_reader_free(r);
}

/* --- certificates alone --- */

static void
take_certs(enum import_wish wish, struct span bytes, struct import_found *out)
{
	struct import_reader *r = reader(READER_PROGRAM, NULL);
	struct err err;

	assert_int_equal(import_reader_add(r, "bundle", bytes, &err), 0);
	assert_int_equal(import_reader_take(r, wish, out, &err), 0);
	import_reader_free(r);
}

/* A key stays in the process, and what cannot be read is told beside what can. */
static void
test_certs(void **state)
{
	static const struct {
		const char *files[3];
		size_t certs;
		int code; /* of the first refusal */
		const char *says;
	} cases[] = {
	    {{"isrg.pem"}, 1, 0, NULL},
	    {{"amazon-roots.p7b"}, 2, 0, NULL},
	    {{"isrg.pem", "ec_private_key.der"}, 1, 0, "left out: a private key"},
	    {{"ec_private_key.der"}, 0, ERR_NOTFOUND, "no certificate"},
	    {{"jks"}, 0, ERR_UNAVAIL, "keytool"},
	    {{"isrg.pem", "jks"}, 1, ERR_UNAVAIL, "keytool"},
	    {{"cert-key-aes256cbc.p12"}, 0, ERR_DENIED, "password"},
	    {{"bad-encryption-oid.pem"}, 0, ERR_DENIED, "password"},
	    {{"crl_empty.pem"}, 0, ERR_NOTFOUND, "no certificate"},
	    {{"text-no-end"}, 0, ERR_PARSE, "text-no-end"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct import_reader *r = reader(READER_PROGRAM, NULL);
		const char *said = "";
		struct import_found f;

		for (size_t j = 0; cases[i].files[j] != NULL; j++)
			add_vector(r, cases[i].files[j]);
		assert_int_equal(import_reader_take(r, IMPORT_ANSWER, &f, NULL), 0);
		assert_int_equal(f.unit_count, cases[i].certs);
		if (f.refusal_count > 0)
			said = f.refusals[0].text;
		else if (f.remark_count > 0)
			said = f.remarks[0].text;
		if ((f.refusal_count > 0 ? f.refusals[0].code : 0) != cases[i].code ||
		    (cases[i].says != NULL && strstr(said, cases[i].says) == NULL))
			fail_msg("%s: '%s'", cases[i].files[0], said);
		for (size_t k = 0; k < f.unit_count; k++) {
			struct cert *cert = NULL;

			assert_null(f.units[k].key);
			assert_int_equal(f.units[k].cert_count, 1);
			assert_int_equal(cert_parse(f.units[k].certs[0], &cert, NULL), 0);
			cert_unref(cert);
		}
		import_found_fini(&f);
		import_reader_free(r);
	}
}

/* A leaf among all the roots of the world comes out with those that may have issued it. */
static void
test_many_certs(void **state)
{
	struct buf pem = BUF_INIT(LIMIT_IMPORT_FILE);
	struct pkey *key = NULL;
	struct cert *ca = NULL, *leaf = NULL;
	struct import_found f;

	(void)state;
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
	for (unsigned i = 0; i < 2 * IMPORT_CERTS_MANY; i++) {
		static const char *const names[] = {"www.example.org"};
		const struct leaf_params p = {.key = key,
		    .names = names,
		    .name_count = 1,
		    .not_before = 1000,
		    .not_after = 2000};
		char name[32];

		/* Two of them have the name of the issuer. */
		snprintf(name, sizeof(name), "CA %u", i % (2 * IMPORT_CERTS_MANY - 1));
		assert_int_equal(cert_issue_ca(key, name, 1000, 3000, &ca, NULL), 0);
		cert_put_pem(cert_der(ca), &pem);
		if (i == 0)
			assert_int_equal(cert_issue_leaf(ca, key, &p, &leaf, NULL), 0);
		cert_unref(ca);
	}
	for (unsigned with_leaf = 0; with_leaf < 2; with_leaf++) {
		take_certs(IMPORT_ANSWER, buf_span(&pem), &f);
		assert_int_equal(f.unit_count, with_leaf == 1 ? 3 : 0);
		assert_int_equal(f.remark_count, with_leaf);
		assert_int_equal(f.refusal_count, 1 - with_leaf);
		import_found_fini(&f);
		take_certs(IMPORT_CERTS, buf_span(&pem), &f);
		assert_int_equal(f.unit_count, 2 * IMPORT_CERTS_MANY + with_leaf);
		assert_int_equal(f.refusal_count, 0);
		import_found_fini(&f);
		cert_put_pem(cert_der(leaf), &pem);
	}
	cert_unref(leaf);
	pkey_unref(key);
	buf_fini(&pem);
}

/* Several files, each as large as may be. */
static void
test_large(void **state)
{
	static uint8_t text[LIMIT_IMPORT_FILE];
	struct import_reader *r = reader(READER_PROGRAM, NULL);
	struct import_found f;
	struct err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(import_reader_add(r, "a", SPAN_OF(text), &err), 0);
	assert_int_equal(import_reader_take(r, IMPORT_ANSWER, &f, &err), 0);
	assert_int_equal(f.unit_count, 0);
	assert_true(f.refusals[0].code < 0);
	import_found_fini(&f);
	import_reader_free(r);
}

/* Whatever a file has made of its reader: the set is refused, and the next one has another. */
static void
test_broken(void **state)
{
	static const struct {
		char wish;
		int code;
		const char *says;
	} cases[] = {
	    {'k', ERR_LIMIT, "signal 9"},
	    {'s', ERR_LIMIT, "signal 6"},
	    {'g', ERR_PROTO, "a frame"},
	    {'u', ERR_PROTO, "without a key"},
	    {'t', ERR_PROTO, "a key without certificates"},
	};
	static const char key_wish = 't';
	struct import_reader *r = reader(BROKEN_PROGRAM, NULL);
	struct import_found f;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(
		    import_reader_add(r, "evil.pem", SPAN(&cases[i].wish, 1), &err), 0);
		assert_int_equal(import_reader_take(r, IMPORT_KEYS, &f, &err), 0);
		assert_int_equal(f.refusal_count, 1);
		if (f.refusals[0].code != cases[i].code ||
		    strstr(f.refusals[0].text, cases[i].says) == NULL ||
		    strstr(f.refusals[0].text, "evil.pem") == NULL)
			fail_msg(
			    "%c: %d %s", cases[i].wish, f.refusals[0].code, f.refusals[0].text);
		import_found_fini(&f);
	}
	/* Nor does it get a key in that nobody wants. */
	assert_int_equal(import_reader_add(r, "evil.pem", SPAN(&key_wish, 1), &err), 0);
	assert_int_equal(import_reader_take(r, IMPORT_ANSWER, &f, &err), 0);
	assert_int_equal(f.refusal_count, 1);
	assert_non_null(strstr(f.refusals[0].text, "a key that is none"));
	import_found_fini(&f);
	/* A status of its own is no matter of the files. */
	assert_int_equal(import_reader_add(r, "a.pem", SPAN("e", 1), &err), 0);
	assert_int_equal(import_reader_take(r, IMPORT_KEYS, &f, &err), ERR_UNAVAIL);
	import_reader_free(r);
	r = reader("/nowhere/certherd", NULL);
	assert_true(import_reader_add(r, "a.pem", SPAN("e", 1), &err) < 0);
	import_reader_free(r);
}

/* Every kind has a most, and above it there is no frame. */
static void
test_heads(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind <= FRAME__COUNT; kind++) {
		struct frame_head head = {(enum frame_kind)kind, 0}, got;
		uint8_t bytes[FRAME_HEAD];
		bool known = kind > 0 && kind < FRAME__COUNT;
		struct err err;

		frame_head_encode(head, bytes);
		assert_int_equal(frame_head_decode(bytes, &got, &err), known ? 0 : ERR_PROTO);
		head.len = FRAME_MOST + 1;
		frame_head_encode(head, bytes);
		assert_int_equal(frame_head_decode(bytes, &got, &err), ERR_PROTO);
		assert_non_null(frame_kind_name(kind));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused_files),
	    cmocka_unit_test(test_sets),
	    cmocka_unit_test(test_certs),
	    cmocka_unit_test(test_many_certs),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_broken),
	    cmocka_unit_test(test_heads),
	};

	return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
