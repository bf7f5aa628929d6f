/* Foreign files, read in a process of its own, and `cert paste`, which has them read. */

#include "server/cli/reader.h"

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/sys/file.h"
#include "server/cli/cli.h"
#include "tests/unit/server/cli/canned.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CHANGED                                                                                    \
	"{\"name\":\"a.org\",\"generation\":2,\"seq\":9,\"durability\":\"local\",\"warnings\":[]}"
#define SERVED "{\"served\":2,\"expected\":2}"

static const char vectors[] = LIFT_VECTORS;

/* A file that makes the reader die: only this test's main() knows of it. */
static char deadly[64];

static const char *
deadly_path(pid_t tester)
{
	snprintf(deadly, sizeof(deadly), "/tmp/certherd-reader-dies.%d", (int)tester);
	return deadly;
}

static int
read_one(const char *name, struct reader_answer *out, struct err *err)
{
	struct buf bytes = BUF_INIT(LIMIT_IMPORT_FILE);
	char path[512];
	struct reader_file file = {.name = name};
	int r;

	snprintf(path, sizeof(path), "%s/%s", vectors, name);
	assert_int_equal(file_read(path, LIMIT_IMPORT_FILE, &bytes, NULL), 0);
	file.bytes = buf_span(&bytes);
	r = reader_read(READER_LEAVES, &file, 1, out, err);
	buf_fini(&bytes);
	return r;
}

static void
test_answers(void **state)
{
	static const struct {
		const char *file;
		size_t certs, keys;
		int problem;
	} cases[] = {
	    {"isrg.pem", 1, 0, 0},
	    {"amazon-roots.p7b", 2, 0, 0},
	    {"ec_private_key.der", 0, 1, 0},
	    {"jks", 0, 0, ERR_UNAVAIL},
	    {"cert-rc2-key-3des.p12", 0, 0, ERR_DENIED},
	    {"cert-key-aes256cbc.p12", 0, 0, ERR_DENIED},
	    {"bad-encryption-oid.pem", 0, 0, ERR_DENIED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reader_answer a;
		struct err err;

		if (read_one(cases[i].file, &a, &err) < 0)
			fail_msg("%s: %s", cases[i].file, err.text);
		assert_int_equal(reader_count(&a, READER_CERT), cases[i].certs);
		assert_int_equal(reader_count(&a, READER_KEY), cases[i].keys);
		if (cases[i].problem != 0 && a.problem.code != cases[i].problem)
			fail_msg("%s: %d %s", cases[i].file, a.problem.code, a.problem.text);
		for (size_t k = 0; k < a.count; k++) {
			struct cert *cert = NULL;

			if (a.items[k].kind != READER_CERT)
				continue;
			assert_int_equal(cert_parse(a.items[k].bytes, &cert, NULL), 0);
			cert_unref(cert);
		}
		reader_answer_fini(&a);
	}
	assert_string_equal(reader_kind_name(READER_KEY), "key");
	assert_string_equal(reader_kind_name(READER__COUNT), "unknown");
}

/* Several files, one of them as large as may be: neither side waits for the other. */
static void
test_large(void **state)
{
	static uint8_t zeros[LIMIT_IMPORT_FILE];
	struct reader_file files[READER_FILES_MAX + 1] = {
	    {"a", SPAN(zeros, sizeof(zeros))}, {"b", SPAN(zeros, sizeof(zeros))}};
	struct reader_answer a;
	struct err err;

	(void)state;
	memset(zeros, 'x', sizeof(zeros));
	assert_int_equal(reader_read(READER_LEAVES, files, 2, &a, &err), 0);
	assert_int_equal(reader_count(&a, READER_CERT), 0);
	assert_true(a.problem.code < 0);
	reader_answer_fini(&a);
	assert_int_equal(reader_read(READER_LEAVES, files, 0, &a, &err), 0);
	assert_int_equal(a.count, 0);
	reader_answer_fini(&a);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		files[i] = (struct reader_file){"a", SPAN(zeros, 1)};
	assert_int_equal(reader_read(READER_LEAVES, files, ARRAY_LEN(files), &a, &err), ERR_LIMIT);
}

/* Whatever kills it, this process goes on and says so. */
static void
test_dies(void **state)
{
	FILE *f = fopen(deadly_path(getpid()), "we");
	struct reader_answer a;
	struct err err;

	(void)state;
	assert_non_null(f);
	fclose(f);
	assert_int_equal(read_one("isrg.pem", &a, &err), ERR_PROTO);
	assert_non_null(strstr(err.text, "signal 9"));
	unlink(deadly);
	assert_int_equal(read_one("isrg.pem", &a, &err), 0);
	reader_answer_fini(&a);
}

/* A leaf among all the roots of the world comes out with those that may have issued it. */
static void
test_many(void **state)
{
	struct buf pem = BUF_INIT(LIMIT_IMPORT_FILE);
	struct pkey *key = NULL;
	struct cert *ca = NULL, *leaf = NULL;
	struct reader_answer a;
	struct err err;

	(void)state;
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
	for (unsigned i = 0; i < 2 * READER_CERTS_MANY; i++) {
		static const char *const names[] = {"www.example.org"};
		const struct leaf_params p = {.key = key,
		    .names = names,
		    .name_count = 1,
		    .not_before = 1000,
		    .not_after = 2000};
		char name[32];

		/* Two of them have the name of the issuer. */
		snprintf(name, sizeof(name), "CA %u", i % (2 * READER_CERTS_MANY - 1));
		assert_int_equal(cert_issue_ca(key, name, 1000, 3000, &ca, NULL), 0);
		cert_put_pem(cert_der(ca), &pem);
		if (i == 0)
			assert_int_equal(cert_issue_leaf(ca, key, &p, &leaf, NULL), 0);
		cert_unref(ca);
	}
	for (int with_leaf = 0; with_leaf < 2; with_leaf++) {
		struct reader_file file = {"bundle", buf_span(&pem)};

		assert_int_equal(reader_read(READER_LEAVES, &file, 1, &a, &err), 0);
		assert_int_equal(reader_count(&a, READER_CERT), with_leaf == 1 ? 3 : 0);
		assert_int_equal(reader_count(&a, READER_REMARK), with_leaf);
		assert_int_equal(a.problem.code, with_leaf == 1 ? 0 : ERR_NOTFOUND);
		reader_answer_fini(&a);
		assert_int_equal(reader_read(READER_ALL, &file, 1, &a, &err), 0);
		assert_int_equal(
		    reader_count(&a, READER_CERT), 2 * READER_CERTS_MANY + (unsigned)with_leaf);
		assert_int_equal(a.problem.code, 0);
		reader_answer_fini(&a);
		cert_put_pem(cert_der(leaf), &pem);
	}
	cert_unref(leaf);
	pkey_unref(key);
	buf_fini(&pem);
}

static void
test_frames(void **state)
{
	struct buf bytes = BUF_INIT(1024);
	struct span rest, got;
	uint8_t kind;
	bool bad;

	(void)state;
	reader_put(&bytes, 7, span_str("text"));
	reader_put(&bytes, 0, SPAN(NULL, 0));
	rest = buf_span(&bytes);
	assert_true(reader_take(&rest, &kind, &got, &bad) && kind == 7 && got.len == 4);
	assert_true(reader_take(&rest, &kind, &got, &bad) && kind == 0 && got.len == 0);
	assert_false(reader_take(&rest, &kind, &got, &bad));
	assert_false(bad);
	for (size_t len = 1; len < 9; len++) {
		rest = SPAN(bytes.data, len);
		assert_false(reader_take(&rest, &kind, &got, &bad));
		assert_true(bad);
	}
	buf_fini(&bytes);
}

static int
run_line(struct cli *c, const char *line, struct err *err)
{
	char copy[1024], *rest = copy, *argv[32];
	int argc = 0, r;

	snprintf(copy, sizeof(copy), "certherd %s --socket %s", line, server.path);
	while (argc < 31 && (argv[argc] = strsep(&rest, " ")) != NULL)
		argc++;
	r = cli_parse(c, argc, argv, err);
	return r < 0 ? r : c->command->run(c, err);
}

/* Certificates are lifted out of anything; what is left out is said. */
static void
test_paste(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *says; /* the error, or what is printed */
		unsigned certificates;
	} cases[] = {
	    {"cert paste a.org " LIFT_VECTORS "/isrg.pem --json", 0, "\"change\":", 1},
	    {"cert paste a.org " LIFT_VECTORS "/amazon-roots.p7b --json", 0, "\"change\":", 2},
	    {"cert paste a.org " LIFT_VECTORS "/text-json " LIFT_VECTORS "/isrg.pem --json", 0,
		"\"change\":", 1},
	    {"cert paste a.org " LIFT_VECTORS "/isrg.pem " LIFT_VECTORS
	     "/ec_private_key.der --json",
		0, "\"served\":2", 1},
	    {"cert paste a.org " LIFT_VECTORS "/ec_private_key.der", ERR_NOTFOUND, "no certificate",
		0},
	    {"cert paste a.org " LIFT_VECTORS "/jks", ERR_UNAVAIL, "keytool", 0},
	    {"cert paste a.org " LIFT_VECTORS "/nothing", ERR_NOTFOUND, "nothing", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli c = {.out = BUF_INIT(1024 * 1024), .hint = BUF_INIT(4096)};
		struct err err = {0, ""};
		unsigned certificates = 0;
		const char *said;

		server_start(200, CHANGED, SERVED);
		server.asked[0] = '\0';
		if (run_line(&c, cases[i].line, &err) != cases[i].status)
			fail_msg("%s: %s", cases[i].line, err.text);
		server_stop();
		said = cases[i].status == 0 ? buf_str(&c.out) : err.text;
		if (strstr(said, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].line, said);
		for (const char *p = server.asked; (p = strstr(p, "\"MII")) != NULL; p++)
			certificates++;
		assert_int_equal(certificates, cases[i].certificates);
		cli_close(&c);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_dies),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_frames),
	    cmocka_unit_test(test_paste),
	};

	/* The reader is this program, started anew. */
	if (argc == 2 && str_equal(argv[1], READER_WORD)) {
		if (access(deadly_path(getppid()), F_OK) == 0)
			raise(SIGKILL);
		return reader_main();
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
