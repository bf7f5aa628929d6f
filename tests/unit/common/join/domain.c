#include "domain.h"

#include "common/crypto/sign.h"

struct cert *
domain_issue(const struct domain *d, const struct pkey *key, const struct id *node,
    const char *name, struct texts addresses, int64_t begun)
{
	struct identity_params p = {.key = key,
	    .domain = d->id,
	    .node = *node,
	    .name = name,
	    .addresses = addresses.items,
	    .address_count = addresses.count,
	    .not_before = begun,
	    .not_after = begun + 9999};
	struct cert *out = NULL;
	struct err err;

	assert_int_equal(cert_issue_identity(d->manager, d->manager_key, &p, &out, &err), 0);
	return out;
}

void
domain_make_at(struct domain *d, int64_t begun)
{
	struct err err;

	random_bytes(d->id.bytes, HASH_LEN);
	id_random(&d->node);
	assert_int_equal(pkey_generate(KEY_EC_P384, &d->root_key, &err), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &d->manager_key, &err), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &d->node_key, &err), 0);
	assert_int_equal(
	    cert_issue_root(d->root_key, "example.org", &d->id, begun, &d->root, &err), 0);
	assert_int_equal(cert_issue_manager(d->root, d->root_key, d->manager_key, &d->node, begun,
			     &d->manager, &err),
	    0);
	d->leaf = domain_issue(d, d->node_key, &d->node, "web1", (struct texts){NULL, 0}, begun);
}

void
domain_make(struct domain *d)
{
	domain_make_at(d, NOW - 60);
}

void
domain_fini(struct domain *d)
{
	pkey_unref(d->root_key);
	pkey_unref(d->manager_key);
	pkey_unref(d->node_key);
	cert_unref(d->root);
	cert_unref(d->manager);
	cert_unref(d->leaf);
}
