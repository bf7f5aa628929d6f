/* Chains: what verifies under a root and what does not, and what openssl(1) says of both. */

#include "tests/unit/common/crypto/cert_domain.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>

extern char **environ;

/* --- openssl(1) ---------------------------------------------------------------------------------
 */

static char dir[] = "/tmp/certherd-test-cert-XXXXXX";

static void
write_pem(const char *name, const struct cert *c)
{
	struct buf pem = BUF_INIT(2 * LIMIT_CERT);
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	cert_put_pem(cert_der(c), &pem);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pem.data, pem.len), (ssize_t)pem.len);
	close(fd);
	buf_fini(&pem);
}

/* Runs openssl in the directory; its output goes to out, its exit code comes back. */
static int
openssl(const char *const *args, struct buf *out)
{
	char *argv[16] = {mem_strdup("openssl")};
	posix_spawn_file_actions_t fa;
	int pipes[2], status;
	ssize_t n;
	pid_t pid;

	for (size_t i = 0; args[i] != NULL; i++)
		argv[i + 1] = mem_strdup(args[i]);
	assert_int_equal(pipe(pipes), 0);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addchdir_np(&fa, dir);
	posix_spawn_file_actions_adddup2(&fa, pipes[1], 1);
	posix_spawn_file_actions_adddup2(&fa, pipes[1], 2);
	posix_spawn_file_actions_addclose(&fa, pipes[0]);
	assert_int_equal(posix_spawnp(&pid, "openssl", &fa, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&fa);
	close(pipes[1]);
	buf_clear(out);
	do {
		uint8_t *room = buf_reserve(out, 4096);
		assert_non_null(room);
		n = read(pipes[0], room, 4096);
		assert_true(n >= 0);
		buf_advance(out, (size_t)n);
	} while (n > 0);
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (size_t i = 0; argv[i] != NULL; i++)
		mem_free(argv[i]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_openssl_verifies(void **state)
{
	static const struct {
		const char *root, *between, *leaf;
		bool good;
	} cases[] = {
	    {"root.pem", "manager.pem", "identity.pem", true},
	    {"ca.pem", NULL, "ec.pem", true},
	    {"ca.pem", NULL, "rsa.pem", true},
	    {"ca.pem", NULL, "ip.pem", true},
	    {"root.pem", "manager.pem", "ec.pem", false},
	    {"root.pem", "ca.pem", "ec.pem", false},
	};
	AUTO(buf_freep)
	struct buf *out = buf_new(1 << 16);
	AUTO(cert_unrefp)
	struct cert *ec = leaf_named(d.leaf_key, "*.example.org");
	AUTO(cert_unrefp)
	struct cert *rsa = leaf_named(d.rsa_key, "rsa.example.org");
	AUTO(cert_unrefp)
	struct cert *ip = leaf_named(d.leaf_key, "2001:db8::1");

	(void)state;
	write_pem("root.pem", d.root);
	write_pem("manager.pem", d.manager);
	write_pem("identity.pem", d.identity);
	write_pem("ca.pem", d.ca);
	write_pem("ec.pem", ec);
	write_pem("rsa.pem", rsa);
	write_pem("ip.pem", ip);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *args[12] = {"verify", "-x509_strict", "-check_ss_sig", "-attime",
		    "1795000010", "-CAfile", cases[i].root};
		size_t n = 7;
		int r;

		if (cases[i].between != NULL) {
			args[n++] = "-untrusted";
			args[n++] = cases[i].between;
		}
		args[n] = cases[i].leaf;
		r = openssl(args, out);
		if ((r == 0) != cases[i].good)
			fail_msg("case %zu: exit %d: %s", i, r, buf_str(out));
	}
}

static void
expect_text(struct buf *text, const char *const *wanted, const char *const *unwanted)
{
	for (; *wanted != NULL; wanted++)
		if (strstr(buf_str(text), *wanted) == NULL)
			fail_msg("'%s' is not in: %s", *wanted, buf_str(text));
	for (; *unwanted != NULL; unwanted++)
		if (strstr(buf_str(text), *unwanted) != NULL)
			fail_msg("'%s' is in: %s", *unwanted, buf_str(text));
}

static void
test_openssl_prints(void **state)
{
	static const struct {
		const char *file;
		const char *wanted[10], *unwanted[5];
	} cases[] = {
	    {"root.pem",
		{"Signature Algorithm: ecdsa-with-SHA384", "Subject: CN=certherd root example.org",
		    "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
		    "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:1\n",
		    "URI:certherd:", "Version: 3 (0x2)", "Not After : Nov 10 "},
		{"/node/", "Extended"}},
	    {"manager.pem",
		{"Issuer: CN=certherd root example.org", "Subject: CN=certherd manager ",
		    "CA:TRUE, pathlen:0", "Certificate Sign\n"},
		{"CRL Sign", "Alternative"}},
	    {"identity.pem",
		{"Signature Algorithm: ecdsa-with-SHA256", "Subject: CN=node1\n",
		    "TLS Web Server Authentication, TLS Web Client Authentication",
		    "X509v3 Key Usage: critical\n                Digital Signature\n", "/node/",
		    "DNS:node1.example.org, IP Address:192.0.2.7, "
		    "IP Address:2001:DB8:0:0:0:0:0:7"},
		{"CA:TRUE", "Alternative Name: critical"}},
	    {"ca.pem",
		{"Subject: CN=Micro CA of example.org", "CA:TRUE, pathlen:1",
		    "Certificate Sign, CRL Sign"},
		{"Alternative"}},
	    {"ec.pem",
		{"Subject: CN=*.example.org", "DNS:*.example.org",
		    "X509v3 Key Usage: critical\n                Digital Signature\n",
		    "X509v3 Subject Alternative Name: \n", "X509v3 Authority Key Identifier",
		    "TLS Web Server Authentication\n"},
		{"CA:TRUE", "CA:FALSE", "Key Encipherment", "Client"}},
	    {"rsa.pem", {"Digital Signature, Key Encipherment\n", "2048 bit"},
		{"CA:TRUE", "CA:FALSE"}},
	    {"ip.pem",
		{"Subject:", "X509v3 Subject Alternative Name: critical",
		    "IP Address:2001:DB8:0:0:0:0:0:1"},
		{"DNS:"}},
	};
	AUTO(buf_freep)
	struct buf *out = buf_new(1 << 16);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *args[] = {
		    "x509", "-noout", "-text", "-nameopt", "RFC2253", "-in", cases[i].file, NULL};

		assert_int_equal(openssl(args, out), 0);
		expect_text(out, cases[i].wanted, cases[i].unwanted);
	}
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
remove_dir(void **state)
{
	static const char *const files[] = {
	    "root.pem", "manager.pem", "identity.pem", "ca.pem", "ec.pem", "rsa.pem", "ip.pem"};
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
	return tear_down(state);
}

static int
set_up_all(void **state)
{
	return make_dir(state) < 0 ? -1 : set_up(state);
}

/* --- verifying ----------------------------------------------------------------------------------
 */

static void
test_verify_identity(void **state)
{
	AUTO(pkey_unrefp)
	struct pkey *other_key = key_of(KEY_EC_P384);
	AUTO(cert_unrefp)
	struct cert *other_root = NULL, *other_manager = NULL;
	AUTO(cert_unrefp)
	struct cert *expired = identity_of(d.manager, d.manager_key, NOW - 3000, NOW - 1);
	AUTO(cert_unrefp)
	struct cert *early = identity_of(d.manager, d.manager_key, NOW + 1, NOW + DAY);
	AUTO(cert_unrefp)
	struct cert *by_micro = identity_of(d.ca, d.ca_key, NOW, NOW + DAY);
	AUTO(cert_unrefp)
	struct cert *by_other = NULL;
	const struct cert *manager = d.manager, *ca = d.ca;

	(void)state;
	/* The other domain has the same names, so that only keys tell them apart. */
	assert_int_equal(
	    cert_issue_root(other_key, "example.org", &d.domain, NOW, &other_root, NULL), 0);
	assert_int_equal(cert_issue_manager(other_root, other_key, d.manager_key, &d.node, NOW,
			     &other_manager, NULL),
	    0);
	by_other = identity_of(other_manager, d.manager_key, NOW, NOW + DAY);

	const struct {
		const char *what;
		const struct cert *leaf, *between;
		const struct cert *root;
		int64_t at;
		bool allow_expired;
		int r;
	} cases[] = {
	    {"good", d.identity, manager, d.root, NOW, false, 0},
	    {"last second", d.identity, manager, d.root, NOW + 365 * DAY - 2, false, 0},
	    {"one later", d.identity, manager, d.root, NOW + 365 * DAY - 1, false, ERR_CRYPTO},
	    {"no chain", d.identity, NULL, d.root, NOW, false, ERR_CRYPTO},
	    {"expired", expired, manager, d.root, NOW, false, ERR_CRYPTO},
	    {"expired, allowed", expired, manager, d.root, NOW, true, 0},
	    {"good, allowed", d.identity, manager, d.root, NOW, true, 0},
	    {"too early", early, manager, d.root, NOW, false, ERR_CRYPTO},
	    {"too early, allowed", early, manager, d.root, NOW, true, ERR_CRYPTO},
	    {"other root", by_other, other_manager, d.root, NOW, false, ERR_CRYPTO},
	    {"other manager certificate of the same key", d.identity, other_manager, d.root, NOW,
		false, ERR_CRYPTO},
	    {"other root, at home", by_other, other_manager, other_root, NOW, false, 0},
	    {"by a Micro CA", by_micro, ca, d.root, NOW, false, ERR_CRYPTO},
	    {"by a Micro CA, allowed", by_micro, ca, d.root, NOW, true, ERR_CRYPTO},
	    {"the manager itself", d.manager, NULL, d.root, NOW, false, ERR_CRYPTO},
	    {"the root itself", d.root, NULL, d.root, NOW, false, ERR_CRYPTO},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		int r = cert_verify_identity(cases[i].leaf, &cases[i].between,
		    cases[i].between != NULL ? 1 : 0, cases[i].root, cases[i].at,
		    cases[i].allow_expired, &err);

		if (r != cases[i].r)
			fail_msg("%s: %d, not %d: %s", cases[i].what, r, cases[i].r, err.text);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

/* A changed bit anywhere is refused, by the parser or by the verification. */
static void
test_verify_finds_changes(void **state)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_CERT);
	const struct cert *manager = d.manager;

	(void)state;
	buf_put_span(der, cert_der(d.identity));
	for (size_t i = 0; i < der->len; i += 7) {
		AUTO(cert_unrefp)
		struct cert *c = NULL;

		der->data[i] ^= 0x10;
		if (cert_parse(buf_span(der), &c, NULL) == 0)
			assert_int_equal(
			    cert_verify_identity(c, &manager, 1, d.root, NOW, true, NULL),
			    ERR_CRYPTO);
		der->data[i] ^= 0x10;
	}
}

/* A node cannot make identities of its own: the manager certificate has path length 0. */
static void
test_identity_is_no_ca(void **state)
{
	struct identity_params p = {
	    .key = d.leaf_key, .name = "x", .not_before = NOW, .not_after = NOW + DAY};
	struct cert *c = NULL;
	struct err err;

	(void)state;
	assert_int_equal(cert_issue_identity(d.identity, d.node_key, &p, &c, &err), ERR_INVALID);
	assert_null(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_openssl_verifies),
	    CASE(test_openssl_prints),
	    CASE(test_verify_identity),
	    CASE(test_verify_finds_changes),
	    CASE(test_identity_is_no_ca),
	};

	return cmocka_run_group_tests(tests, set_up_all, remove_dir);
}
