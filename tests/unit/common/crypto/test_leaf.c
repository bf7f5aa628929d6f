/* Subjects, profiles, and the requests and leaves that have them. */

#include "tests/unit/common/crypto/crypto_tests.h"

#include "common/crypto/cert.h"
#include "common/crypto/subject.h"

#include <stdio.h>

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define NOW INT64_C(1800000000)

static void
test_subject_parts(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
		const char *says;
	} cases[] = {
	    {"O=Example", "O=Example", NULL},
	    {"o= Example, Inc. ", "O=Example, Inc.", NULL},
	    {"ou=a=b", "OU=a=b", NULL},
	    {"POSTALCODE=12345", "postalCode=12345", NULL},
	    {"L=M\xc3\xbcnchen", "L=M\xc3\xbcnchen", NULL},
	    {"C=DE", "C=DE", NULL},
	    {"serialnumber=HRB 1", "serialNumber=HRB 1", NULL},
	    {"emailaddress=a@example.org", "emailAddress=a@example.org", NULL},
	    {"CN=" X64, "CN=" X64, NULL},
	    {"CN=" X64 "x", NULL, "65 characters; 1 to 64"},
	    {"O=", NULL, "0 characters"},
	    {"O=  ", NULL, "0 characters"},
	    {"", NULL, "O=Example"},
	    {"O", NULL, "O=Example"},
	    {"=x", NULL, "O=Example"},
	    {"X=1", NULL, "'X=1'"},
	    {"OO=1", NULL, "the attributes are"},
	    {"X\n=1", NULL, "X\\x0a=1"},
	    {"C=DEU", NULL, "3 characters, not 2"},
	    {"C=D\xc3\xa4", NULL, "cannot stand there"},
	    {"C=D*", NULL, "byte 2 (\\x2a)"},
	    {"O=a\x94", NULL, "not UTF-8"},
	    {"O=a\tb", NULL, "byte 2 (\\x09)"},
	    {"emailAddress=a b@c", NULL, "(\\x20)"},
	    {"emailAddress=\xc3\xa4@example", NULL, "cannot stand there"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char out[SUBJECT_PART_MAX] = "untouched";
		struct err err;
		int r = subject_check(cases[i].in, out, &err);

		if (cases[i].out != NULL) {
			assert_int_equal(r, 0);
			assert_string_equal(out, cases[i].out);
			continue;
		}
		assert_int_equal(r, ERR_INVALID);
		assert_string_equal(out, "untouched");
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
	}
	assert_true(
	    subject_is("CN=x", "CN") && !subject_is("CNX=x", "CN") && !subject_is("C", "C"));
}

static void
test_profile_names(void **state)
{
	enum leaf_profile profile = LEAF_SMIME;
	struct err err;

	(void)state;
	assert_int_equal(leaf_profile_parse("", &profile, NULL), 0);
	assert_int_equal(profile, LEAF_SERVER);
	for (unsigned i = 0; i < LEAF__COUNT; i++) {
		assert_int_equal(leaf_profile_parse(leaf_profile_name(i), &profile, NULL), 0);
		assert_int_equal(profile, i);
	}
	assert_int_equal(leaf_profile_parse("Server", &profile, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "smime"));
}

static const char *const parts[] = {"C=DE", "O=Example, Inc.", "L=M\xc3\xbcnchen"};
static const char *const names[] = {
    "www.example.org", "*.example.org", "192.0.2.1", "2001:db8::1", "a@example.org"};

/* What openssl reads in a request or certificate, as text. */
static void
read_by_openssl(const char *command, struct span der, struct buf *text)
{
	buf_clear(text);
	write_file("in.der", der);
	OPENSSL_RUNS(command, "-inform", "DER", "-in", "@in.der", "-noout", "-text", "-nameopt",
	    "RFC2253", "-out", "@text");
	read_file("text", text);
}

static void
has(struct buf *text, const char *what)
{
	if (strstr(buf_str(text), what) == NULL)
		fail_msg("'%s' is not in\n%s", what, buf_str(text));
}

/* Request and leaf of every profile and family of keys say the same, as openssl reads them. */
static void
test_profiles(void **state)
{
	static const struct {
		enum leaf_profile profile;
		enum key_type key;
		const char *usage, *extended;
	} cases[] = {
	    {LEAF_SERVER, KEY_EC_P256, "Digital Signature\n", "TLS Web Server Authentication\n"},
	    {LEAF_SERVER, KEY_RSA_2048, "Digital Signature, Key Encipherment\n",
		"TLS Web Server Authentication\n"},
	    {LEAF_SERVER, KEY_ED25519, "Digital Signature\n", "TLS Web Server Authentication\n"},
	    {LEAF_CLIENT, KEY_RSA_2048, "Digital Signature\n", "TLS Web Client Authentication\n"},
	    {LEAF_BOTH, KEY_EC_P384, "Digital Signature\n",
		"TLS Web Server Authentication, TLS Web Client Authentication\n"},
	    {LEAF_SMIME, KEY_EC_P521, "Digital Signature, Key Agreement\n", "E-mail Protection\n"},
	    {LEAF_SMIME, KEY_ED25519, "Digital Signature\n", "E-mail Protection\n"},
	    {LEAF_SMIME, KEY_RSA_2048, "Digital Signature, Key Encipherment\n",
		"E-mail Protection\n"},
	};
	struct pkey *ca_key = make_key(KEY_ED25519);
	struct buf der = BUF_INIT(LIMIT_CSR), text = BUF_INIT(64 * 1024);
	struct cert *ca = NULL;

	(void)state;
	assert_int_equal(cert_issue_ca(ca_key, "CA", NOW, NOW + 1000, &ca, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pkey *key = make_key(cases[i].key), *got = NULL;
		const struct leaf_params p = {.key = key,
		    .names = names,
		    .name_count = ARRAY_LEN(names),
		    .profile = cases[i].profile,
		    .subject = parts,
		    .subject_count = ARRAY_LEN(parts),
		    .not_before = NOW,
		    .not_after = NOW + 100};
		struct cert *leaf = NULL;

		assert_int_equal(cert_issue_leaf(ca, ca_key, &p, &leaf, NULL), 0);
		buf_clear(&der);
		assert_int_equal(csr_make_leaf(&p, &der, NULL), 0);
		assert_int_equal(csr_key(buf_span(&der), &got, NULL), 0);
		assert_true(pkey_same_public(got, key));
		for (int k = 0; k < 2; k++) {
			if (k == 0)
				read_by_openssl("req", buf_span(&der), &text);
			else
				read_by_openssl("x509", cert_der(leaf), &text);
			has(&text,
			    "Subject: CN=www.example.org,L=M\\C3\\BCnchen,O=Example\\, "
			    "Inc.,C=DE\n");
			has(&text,
			    "DNS:www.example.org, DNS:*.example.org, IP Address:192.0.2.1, "
			    "IP Address:2001:DB8:0:0:0:0:0:1, email:a@example.org\n");
			has(&text, cases[i].usage);
			has(&text, cases[i].extended);
		}
		pkey_unref(key);
		pkey_unref(got);
		cert_unref(leaf);
	}
	cert_unref(ca);
	pkey_unref(ca_key);
	buf_fini(&der);
	buf_fini(&text);
}

/* Its own signature, and the common name: the subject's, the first name's, or none. */
static void
test_requests(void **state)
{
	static char longest[LIMIT_NAMES][LIMIT_NAME + 1];
	static const char *const cn[] = {"CN=somebody"}, *const bad[] = {"X=1"},
				 *const address[] = {"192.0.2.1"}, *const odd[] = {"a b"};
	const char *many[LIMIT_NAMES + 1];
	struct pkey *key = make_key(KEY_EC_P256), *public = public_of(key);
	struct leaf_params p = {.key = key, .names = names, .name_count = 1};
	struct buf der = BUF_INIT(LIMIT_CSR), text = BUF_INIT(64 * 1024), pem = BUF_INIT(64 * 1024);

	(void)state;
	assert_int_equal(csr_make_leaf(&p, &der, NULL), 0);
	write_file("in.der", buf_span(&der));
	OPENSSL_RUNS(
	    "req", "-inform", "DER", "-in", "@in.der", "-noout", "-verify", "-out", "@text");
	read_by_openssl("req", buf_span(&der), &text);
	has(&text, "Subject: CN=www.example.org\n");
	csr_put_pem(buf_span(&der), &pem);
	write_file("in.pem", buf_span(&pem));
	OPENSSL_RUNS("req", "-in", "@in.pem", "-noout");

	p.subject = cn;
	p.subject_count = 1;
	buf_clear(&der);
	assert_int_equal(csr_make_leaf(&p, &der, NULL), 0);
	read_by_openssl("req", buf_span(&der), &text);
	has(&text, "Subject: CN=somebody\n");

	p.subject_count = 0;
	p.names = address;
	buf_clear(&der);
	assert_int_equal(csr_make_leaf(&p, &der, NULL), 0);
	read_by_openssl("req", buf_span(&der), &text);
	has(&text, "Subject: \n");
	has(&text, "X509v3 Subject Alternative Name: critical\n");

	/* As many names as there may be, each as long as it may be. */
	for (size_t i = 0; i < LIMIT_NAMES; i++) {
		memset(longest[i], 'x', LIMIT_NAME);
		many[i] = longest[i];
	}
	p.names = many;
	p.name_count = LIMIT_NAMES;
	buf_clear(&der);
	assert_int_equal(csr_make_leaf(&p, &der, NULL), 0);
	many[LIMIT_NAMES] = longest[0];
	p.name_count++;
	assert_int_equal(csr_make_leaf(&p, &der, NULL), ERR_LIMIT);

	p.names = names;
	p.name_count = 0;
	assert_int_equal(csr_make_leaf(&p, &der, NULL), ERR_INVALID);
	p.name_count = 1;
	p.subject = bad;
	p.subject_count = 1;
	assert_int_equal(csr_make_leaf(&p, &der, NULL), ERR_INVALID);
	p.subject_count = SUBJECT_PARTS_MAX + 1;
	assert_int_equal(csr_make_leaf(&p, &der, NULL), ERR_LIMIT);
	p.subject_count = 0;
	p.names = odd;
	assert_int_equal(csr_make_leaf(&p, &der, NULL), ERR_INVALID);
	p.names = names;
	p.key = public;
	assert_int_equal(csr_make_leaf(&p, &der, NULL), ERR_INVALID);
	pkey_unref(key);
	pkey_unref(public);
	buf_fini(&der);
	buf_fini(&text);
	buf_fini(&pem);
}

int
run_leaf_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_subject_parts),
	    TEST(test_profile_names),
	    TEST(test_profiles),
	    TEST(test_requests),
	};

	return cmocka_run_group_tests_name("leaf", tests, NULL, NULL);
}
