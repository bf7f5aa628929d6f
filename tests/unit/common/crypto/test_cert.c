/* Certificates and requests: what is in them, and what is refused. */

#include "tests/unit/common/crypto/cert_domain.h"
#include "common/crypto/cert_priv.h"

static void
add_name(void *arg, const char *name)
{
	buf_putf(arg, "%s,", name);
}

static const char *
names_of(const struct cert *c, struct buf *out)
{
	buf_clear(out);
	cert_each_name(c, add_name, out);
	return buf_str(out);
}

/* --- facts --------------------------------------------------------------------------------------
 */

static void
test_facts(void **state)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(1 << 16);
	AUTO(cert_unrefp)
	struct cert *c = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct domain_id domain;
	struct hash print, again;
	struct id node;

	(void)state;
	assert_int_equal(cert_parse(cert_der(d.identity), &c, NULL), 0);
	assert_true(span_equal(cert_der(c), cert_der(d.identity)));
	assert_int_equal(cert_not_before(c), NOW);
	assert_int_equal(cert_not_after(c), NOW + 365 * DAY - 1);
	assert_false(cert_is_ca(c));
	assert_true(cert_is_ca(d.manager) && cert_is_ca(d.root) && cert_is_ca(d.ca));
	assert_true(cert_has_key(c, d.node_key));
	assert_false(cert_has_key(c, d.manager_key));
	assert_false(cert_has_key(c, d.rsa_key));
	assert_int_equal(cert_key(c, &key, NULL), 0);
	assert_true(pkey_same_public(key, d.node_key));
	assert_false(pkey_has_private(key));
	assert_string_equal(names_of(c, text), "node1.example.org,192.0.2.7,2001:db8::7,");
	assert_int_equal(cert_each_name(c, NULL, NULL), 3);
	buf_clear(text);
	cert_put_subject(c, text);
	buf_put_str(text, " by ");
	cert_put_issuer(d.manager, text);
	assert_string_equal(buf_str(text), "CN=node1 by CN=certherd root example.org");
	cert_fingerprint(c, &print);
	hash_of(cert_der(d.identity), &again);
	assert_true(hash_equal(&print, &again));
	assert_int_equal(cert_identity(c, &domain, &node, NULL), 0);
	assert_memory_equal(&domain, &d.domain, sizeof(domain));
	assert_true(id_equal(&node, &d.node));
	memset(&domain, 0, sizeof(domain));
	assert_int_equal(cert_root_domain(d.root, &domain, NULL), 0);
	assert_memory_equal(&domain, &d.domain, sizeof(domain));
}

static void
test_what_is_no_identity(void **state)
{
	AUTO(cert_unrefp)
	struct cert *ec = leaf_named(d.leaf_key, "www.example.org");
	struct domain_id domain;
	struct id node;

	(void)state;
	assert_int_equal(cert_identity(d.root, &domain, &node, NULL), ERR_PARSE);
	assert_int_equal(cert_identity(d.manager, &domain, &node, NULL), ERR_PARSE);
	assert_int_equal(cert_identity(ec, &domain, &node, NULL), ERR_PARSE);
	assert_int_equal(cert_root_domain(d.manager, &domain, NULL), ERR_PARSE);
	assert_int_equal(cert_root_domain(d.identity, &domain, NULL), ERR_PARSE);
}

static void
test_serials_differ(void **state)
{
	AUTO(buf_freep)
	struct buf *all = buf_new(1 << 16);
	char serial[64];

	(void)state;
	for (int i = 0; i < 50; i++) {
		AUTO(cert_unrefp)
		struct cert *c = leaf_named(d.leaf_key, "www.example.org");
		struct buf one = BUF_INIT(64);

		cert_put_serial(c, &one);
		assert_true(one.len >= 24 && one.len <= 32);
		assert_true(one.len < 32 || one.data[0] < '8');
		snprintf(serial, sizeof(serial), "%s;", buf_str(&one));
		assert_null(strstr(buf_str(all), serial));
		buf_put_str(all, serial);
		buf_fini(&one);
	}
}

static void
test_parse_refuses(void **state)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(2 * LIMIT_CERT);
	struct cert *c = NULL;

	(void)state;
	buf_put_span(der, cert_der(d.identity));
	assert_int_equal(cert_parse(SPAN(NULL, 0), &c, NULL), ERR_PARSE);
	assert_int_equal(cert_parse(SPAN(der->data, der->len - 1), &c, NULL), ERR_PARSE);
	buf_put_u8(der, 0);
	assert_int_equal(cert_parse(buf_span(der), &c, NULL), ERR_PARSE);
	while (der->len <= LIMIT_CERT)
		buf_put_u8(der, 0);
	assert_int_equal(cert_parse(buf_span(der), &c, NULL), ERR_LIMIT);
	assert_null(c);
}

/* Decoding the key late changes nothing else: every byte changed, and every type of key. */
static void
test_parse_of_key_at_hand(void **state)
{
	static const enum key_type types[] = {KEY_EC_P256, KEY_EC_P384, KEY_RSA_2048};

	(void)state;
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		AUTO(pkey_unrefp)
		struct pkey *key = key_of(types[t]);
		AUTO(cert_unrefp)
		struct cert *c = leaf_named(key, "www.example.org");
		struct span der = cert_der(c);
		uint8_t *bytes = mem_dup(der.data, der.len);
		size_t same = 0;

		for (size_t i = 0; i <= der.len; i++) {
			AUTO(cert_unrefp)
			struct cert *at_once = NULL;
			AUTO(cert_unrefp)
			struct cert *late = NULL;
			int r;

			bytes[i % der.len] ^= i < der.len;
			r = cert_parse(SPAN(bytes, der.len), &at_once, NULL);
			assert_int_equal(cert_parse_of(SPAN(bytes, der.len), key, &late, NULL), r);
			if (r == 0) {
				assert_int_equal(
				    cert_has_key(late, key), cert_has_key(at_once, key));
				assert_false(cert_has_key(late, d.ca_key));
				assert_int_equal(cert_not_after(late), cert_not_after(at_once));
				assert_int_equal(cert_is_ca(late), cert_is_ca(at_once));
				same += cert_has_key(late, key);
			}
			bytes[i % der.len] ^= i < der.len;
		}
		assert_true(same > 1 && same < der.len);
		mem_free(bytes);
	}
}

/* --- leaves -------------------------------------------------------------------------------------
 */

static void
test_common_name_has_64_at_most(void **state)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(1024);
	char name[80];

	(void)state;
	for (size_t len = 63; len <= 65; len++) {
		AUTO(cert_unrefp)
		struct cert *c = NULL;

		memset(name, 'a', len);
		memcpy(name + len - 4, ".org", 5);
		name[32] = '.';
		c = leaf_named(d.leaf_key, name);
		buf_clear(text);
		cert_put_subject(c, text);
		assert_int_equal(text->len, len <= 64 ? len + 3 : 0);
		assert_int_equal(strlen(names_of(c, text)), len + 1);
	}
}

static void
test_names(void **state)
{
	char text[LIMIT_NAMES + 1][32];
	const char *names[LIMIT_NAMES + 1];
	AUTO(cert_unrefp)
	struct cert *c = NULL, *refused = NULL;
	struct err err;

	(void)state;
	for (size_t i = 0; i <= LIMIT_NAMES; i++) {
		snprintf(text[i], sizeof(text[i]), "host%zu.example.org", i);
		names[i] = text[i];
	}
	c = leaf_of(d.leaf_key, names, LIMIT_NAMES);
	assert_int_equal(cert_each_name(c, NULL, NULL), LIMIT_NAMES);
	assert_int_equal(leaf(d.leaf_key, names, LIMIT_NAMES + 1, &refused, &err), ERR_LIMIT);
	assert_int_equal(leaf(d.leaf_key, names, 0, &refused, &err), ERR_INVALID);
	for (size_t i = 0; i < 4; i++) {
		static const char *const bad[] = {"", "a b.org", "b\xc3\xbc.org", "a.org\n"};

		assert_int_equal(leaf(d.leaf_key, &bad[i], 1, &refused, &err), ERR_INVALID);
		assert_non_null(strstr(err.text, "neither a DNS name nor an IP address"));
	}
	assert_null(refused);
}

static void
test_leaf_ends_with_its_ca(void **state)
{
	static const char *const name = "www.example.org";
	struct leaf_params p = {.key = d.leaf_key, .names = &name, .name_count = 1};
	AUTO(cert_unrefp)
	struct cert *c = NULL, *refused = NULL;
	struct err err;

	(void)state;
	p.not_before = NOW;
	p.not_after = cert_not_after(d.ca);
	assert_int_equal(cert_issue_leaf(d.ca, d.ca_key, &p, &c, &err), 0);
	assert_int_equal(cert_not_after(c), cert_not_after(d.ca));
	p.not_after++;
	assert_int_equal(cert_issue_leaf(d.ca, d.ca_key, &p, &refused, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "its CA only to 2036-"));
	p.not_after = NOW - 1;
	assert_int_equal(cert_issue_leaf(d.ca, d.ca_key, &p, &refused, &err), ERR_INVALID);
	p.not_after = NOW;
	assert_int_equal(cert_issue_leaf(d.ca, d.leaf_key, &p, &refused, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "not that of the CA"));
	assert_int_equal(cert_issue_leaf(c, d.leaf_key, &p, &refused, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "not one of a CA"));
	assert_null(refused);
}

/* Times on both sides of 2050 (UTCTime, GeneralizedTime), and a leap day. */
static void
test_times_exact(void **state)
{
	static const int64_t times[] = {0, 951782400, 951868799, INT64_C(2524607999),
	    INT64_C(2524608000), INT64_C(4107542399), INT64_C(253402300799)};

	(void)state;
	for (size_t i = 0; i + 1 < ARRAY_LEN(times); i++) {
		AUTO(cert_unrefp)
		struct cert *c = NULL, *again = NULL;

		assert_int_equal(
		    cert_issue_ca(d.ca_key, "times", times[i], times[i + 1], &c, NULL), 0);
		assert_int_equal(cert_parse(cert_der(c), &again, NULL), 0);
		assert_int_equal(cert_not_before(again), times[i]);
		assert_int_equal(cert_not_after(again), times[i + 1]);
	}
	assert_int_equal(
	    cert_issue_ca(d.ca_key, "times", -1, NOW, &(struct cert *){NULL}, NULL), ERR_INVALID);
	assert_int_equal(cert_issue_ca(d.ca_key, "times", NOW, INT64_C(253402300800),
			     &(struct cert *){NULL}, NULL),
	    ERR_INVALID);
}

static void
test_every_key_type_signs(void **state)
{
	static const char *const name = "www.example.org";
	static const enum key_type types[] = {KEY_EC_P256, KEY_EC_P384, KEY_EC_P521, KEY_RSA_2048};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		AUTO(pkey_unrefp)
		struct pkey *key = key_of(types[i]);
		AUTO(cert_unrefp)
		struct cert *ca = NULL, *c = NULL;
		struct leaf_params p = {.key = key,
		    .names = &name,
		    .name_count = 1,
		    .not_before = NOW,
		    .not_after = NOW + DAY};

		assert_int_equal(cert_issue_ca(key, "any", NOW, NOW + DAY, &ca, NULL), 0);
		assert_int_equal(cert_issue_leaf(ca, key, &p, &c, NULL), 0);
		assert_int_equal(X509_verify(cert_x509(c), X509_get0_pubkey(cert_x509(ca))), 1);
	}
}

static void
test_issuers_need_sense(void **state)
{
	AUTO(pkey_unrefp)
	struct pkey *public_only = NULL;
	AUTO(cert_unrefp)
	struct cert *refused = NULL;
	char name[66];
	struct err err;

	(void)state;
	memset(name, 'x', 65);
	name[65] = '\0';
	assert_int_equal(
	    cert_issue_ca(d.ca_key, name, NOW, NOW + DAY, &refused, &err), ERR_INVALID);
	assert_int_equal(cert_issue_ca(d.ca_key, "", NOW, NOW + DAY, &refused, &err), ERR_INVALID);
	assert_int_equal(pkey_from_spki(pkey_spki(d.ca_key), &public_only, NULL), 0);
	assert_int_equal(
	    cert_issue_ca(public_only, "x", NOW, NOW + DAY, &refused, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "no private half"));
	assert_int_equal(
	    cert_issue_root(d.ca_key, "example.org", &d.domain, NOW, &refused, &err), ERR_INVALID);
	assert_null(refused);
}

/* A long name is cut between characters, never inside one. */
static void
test_long_names_are_cut(void **state)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(1024);
	struct identity_params p = {.key = d.node_key, .not_before = NOW, .not_after = NOW + DAY};
	AUTO(cert_unrefp)
	struct cert *c = NULL;
	char name[80];

	(void)state;
	memset(name, 'n', 63);
	memcpy(name + 63, "\xc3\xbc\xc3\xbc", 5);
	p.name = name;
	assert_int_equal(cert_issue_identity(d.manager, d.manager_key, &p, &c, NULL), 0);
	cert_put_subject(c, text);
	assert_int_equal(text->len, 3 + 63);
}

/* --- requests and PEM ---------------------------------------------------------------------------
 */

static void
test_requests(void **state)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_CERT);
	struct pkey *refused = NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct pkey *key = i == 0 ? d.node_key : d.rsa_key;
		AUTO(pkey_unrefp)
		struct pkey *got = NULL;

		buf_clear(der);
		assert_int_equal(csr_make(key, i == 0 ? "node1" : "", der, NULL), 0);
		assert_int_equal(csr_key(buf_span(der), &got, NULL), 0);
		assert_true(pkey_same_public(got, key));
		assert_false(pkey_has_private(got));
	}
	der->data[der->len - 5] ^= 1;
	assert_int_equal(csr_key(buf_span(der), &refused, NULL), ERR_CRYPTO);
	der->data[der->len - 5] ^= 1;
	buf_put_u8(der, 0);
	assert_int_equal(csr_key(buf_span(der), &refused, NULL), ERR_PARSE);
	assert_int_equal(csr_key(cert_der(d.root), &refused, NULL), ERR_PARSE);
	assert_int_equal(csr_key(SPAN(NULL, 0), &refused, NULL), ERR_PARSE);
	assert_null(refused);
}

static void
test_pem_chain(void **state)
{
	AUTO(buf_freep)
	struct buf *pem = buf_new(1 << 20);
	struct cert *chain[LIMIT_CHAIN];
	size_t count = 0;

	(void)state;
	assert_int_equal(cert_parse_pem_chain(buf_span(pem), chain, &count, NULL), ERR_NOTFOUND);
	buf_put_str(pem, "subject=CN = node1\r\nBag Attributes\n");
	cert_put_pem(cert_der(d.identity), pem);
	buf_put_str(pem, "-----BEGIN PRIVATE KEY-----\nnot looked at\n-----END PRIVATE KEY-----\n");
	cert_put_pem(cert_der(d.manager), pem);
	buf_put_str(pem, "the end");
	assert_int_equal(cert_parse_pem_chain(buf_span(pem), chain, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_true(span_equal(cert_der(chain[0]), cert_der(d.identity)));
	assert_true(span_equal(cert_der(chain[1]), cert_der(d.manager)));
	cert_unref(chain[0]);
	cert_unref(chain[1]);
	while (count <= LIMIT_CHAIN) {
		cert_put_pem(cert_der(d.manager), pem);
		count++;
	}
	assert_int_equal(cert_parse_pem_chain(buf_span(pem), chain, &count, NULL), ERR_LIMIT);
}

static void
test_pem_refuses(void **state)
{
	static const char *const bad[] = {
	    "-----BEGIN CERTIFICATE-----\nMIIB\n",
	    "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
	    "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	};
	struct cert *chain[LIMIT_CHAIN];
	size_t count = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
		    cert_parse_pem_chain(span_str(bad[i]), chain, &count, NULL), ERR_PARSE);
	assert_int_equal(count, 77);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_facts),
	    CASE(test_what_is_no_identity),
	    CASE(test_serials_differ),
	    CASE(test_parse_refuses),
	    CASE(test_parse_of_key_at_hand),
	    CASE(test_common_name_has_64_at_most),
	    CASE(test_names),
	    CASE(test_leaf_ends_with_its_ca),
	    CASE(test_times_exact),
	    CASE(test_every_key_type_signs),
	    CASE(test_issuers_need_sense),
	    CASE(test_long_names_are_cut),
	    CASE(test_requests),
	    CASE(test_pem_chain),
	    CASE(test_pem_refuses),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
