#include "tests/support/outside.h"

void
outside_init(struct outside *ca, int64_t now)
{
	const struct domain_id domain = {{9}};
	const struct id id = {{9}};

	CHECK(pkey_generate(KEY_EC_P384, &ca->root_key, NULL) == 0);
	CHECK(pkey_generate(KEY_EC_P256, &ca->issuer_key, NULL) == 0);
	CHECK(pkey_generate(KEY_EC_P256, &ca->other_key, NULL) == 0);
	CHECK(cert_issue_root(ca->root_key, "outside", &domain, now, &ca->root, NULL) == 0);
	CHECK(cert_issue_manager(
		  ca->root, ca->root_key, ca->issuer_key, &id, now, &ca->issuer, NULL) == 0);
	CHECK(
	    cert_issue_ca(ca->other_key, "other", now, now + 1000 * 86400, &ca->other, NULL) == 0);
}

void
outside_fini(struct outside *ca)
{
	pkey_unref(ca->root_key);
	pkey_unref(ca->issuer_key);
	pkey_unref(ca->other_key);
	cert_unref(ca->root);
	cert_unref(ca->issuer);
	cert_unref(ca->other);
}

struct cert *
outside_sign(const struct outside *ca, const struct pkey *key, const char *const *names,
    size_t count, int64_t from, int64_t to)
{
	const struct leaf_params p = {.key = key,
	    .names = names,
	    .name_count = count,
	    .profile = LEAF_BOTH,
	    .not_before = from,
	    .not_after = to};
	struct cert *leaf = NULL;

	CHECK(cert_issue_leaf(ca->issuer, ca->issuer_key, &p, &leaf, NULL) == 0);
	return leaf;
}
