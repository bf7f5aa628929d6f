#include "tests/unit/common/crypto/cert_domain.h"

#include <openssl/err.h>

struct cert_domain d;

static const char *const node_addresses[] = {"node1.example.org", "192.0.2.7", "2001:db8::7"};

struct pkey *
key_of(enum key_type type)
{
	struct pkey *key = NULL;

	assert_int_equal(pkey_generate(type, &key, NULL), 0);
	return key;
}

struct cert *
identity_of(const struct cert *manager, const struct pkey *manager_key, int64_t not_before,
    int64_t not_after)
{
	struct identity_params p = {
	    .key = d.node_key,
	    .domain = d.domain,
	    .node = d.node,
	    .name = "node1",
	    .addresses = node_addresses,
	    .address_count = ARRAY_LEN(node_addresses),
	    .not_before = not_before,
	    .not_after = not_after,
	};
	struct cert *c = NULL;
	struct err err = {0};

	if (cert_issue_identity(manager, manager_key, &p, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

int
set_up(void **state)
{
	struct err err = {0};

	(void)state;
	random_bytes(&d.domain, sizeof(d.domain));
	id_random(&d.node);
	d.root_key = key_of(KEY_EC_P384);
	d.manager_key = key_of(KEY_EC_P256);
	d.node_key = key_of(KEY_EC_P256);
	d.ca_key = key_of(KEY_EC_P256);
	d.leaf_key = key_of(KEY_EC_P256);
	d.rsa_key = key_of(KEY_RSA_2048);
	if (cert_issue_root(d.root_key, "example.org", &d.domain, NOW, &d.root, &err) < 0 ||
	    cert_issue_manager(d.root, d.root_key, d.manager_key, &d.node, NOW, &d.manager, &err) <
		0 ||
	    cert_issue_ca(
		d.ca_key, "Micro CA of example.org", NOW, NOW + 3650 * DAY - 1, &d.ca, &err) < 0)
		fail_msg("%s", err.text);
	d.identity = identity_of(d.manager, d.manager_key, NOW, NOW + 365 * DAY - 1);
	return 0;
}

int
tear_down(void **state)
{
	(void)state;
	cert_unref(d.root);
	cert_unref(d.manager);
	cert_unref(d.identity);
	cert_unref(d.ca);
	pkey_unref(d.root_key);
	pkey_unref(d.manager_key);
	pkey_unref(d.node_key);
	pkey_unref(d.ca_key);
	pkey_unref(d.leaf_key);
	pkey_unref(d.rsa_key);
	return 0;
}

int
queue_is_empty(void **state)
{
	(void)state;
	return ERR_peek_error() == 0 ? 0 : -1;
}

int
leaf(const struct pkey *key, const char *const *names, size_t count, struct cert **out,
    struct err *err)
{
	return cert_issue_leaf(d.ca, d.ca_key,
	    &(struct leaf_params){
		.key = key,
		.names = names,
		.name_count = count,
		.not_before = NOW,
		.not_after = NOW + 90 * DAY - 1,
	    },
	    out, err);
}

struct cert *
leaf_of(const struct pkey *key, const char *const *names, size_t count)
{
	struct cert *c = NULL;
	struct err err = {0};

	if (leaf(key, names, count, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

struct cert *
leaf_named(const struct pkey *key, const char *name)
{
	return leaf_of(key, &name, 1);
}
