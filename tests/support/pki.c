#include "tests/support/pki.h"

#include "common/crypto/sign.h"

#include <string.h>
#include <time.h>

#define DAY 86400

static struct pkey *
key_of(enum key_type type)
{
	struct pkey *key = NULL;

	CHECK(pkey_generate(type, &key, NULL) == 0);
	return key;
}

static int64_t
now(void)
{
	struct timespec ts;

	CHECK(clock_gettime(CLOCK_REALTIME, &ts) == 0);
	return ts.tv_sec;
}

void
pki_init(struct pki *p)
{
	*p = (struct pki){.now = now()};
	random_bytes(&p->domain, sizeof(p->domain));
	id_random(&p->manager_node);
	p->root_key = key_of(KEY_EC_P384);
	p->manager_key = key_of(KEY_EC_P256);
	p->ca_key = key_of(KEY_EC_P256);
	/* Some days ago, so that an identity that has run out lies within all of them. */
	CHECK(cert_issue_root(
		  p->root_key, "example.org", &p->domain, p->now - 10 * DAY, &p->root, NULL) == 0);
	CHECK(cert_issue_manager(p->root, p->root_key, p->manager_key, &p->manager_node,
		  p->now - 10 * DAY, &p->manager, NULL) == 0);
	CHECK(cert_issue_ca(
		  p->ca_key, "test CA", p->now - DAY, p->now + 3650LL * DAY, &p->ca, NULL) == 0);
}

void
pki_fini(struct pki *p)
{
	pkey_unref(p->root_key);
	pkey_unref(p->manager_key);
	pkey_unref(p->ca_key);
	cert_unref(p->root);
	cert_unref(p->manager);
	cert_unref(p->ca);
	*p = (struct pki){0};
}

static struct tls_identity *
identity_of(struct cert *leaf, struct cert *issuer, struct pkey *key)
{
	const struct cert *chain[] = {leaf, issuer};
	struct tls_identity *id = NULL;

	CHECK(tls_identity_new(chain, 2, key, &id, NULL) == 0);
	return id;
}

struct cert *
pki_node_leaf(struct pki *p, const struct id *node, const struct pkey *key, bool expired)
{
	static const char *const addresses[] = {"localhost", "127.0.0.1"};
	const struct identity_params params = {
	    .key = key,
	    .domain = p->domain,
	    .node = *node,
	    .name = "node",
	    .addresses = addresses,
	    .address_count = ARRAY_LEN(addresses),
	    .not_before = p->now - 5 * DAY,
	    .not_after = expired ? p->now - DAY : p->now + 365 * DAY,
	};
	struct cert *leaf = NULL;

	CHECK(cert_issue_identity(p->manager, p->manager_key, &params, &leaf, NULL) == 0);
	return leaf;
}

struct tls_identity *
pki_node(struct pki *p, const struct id *node, bool expired)
{
	AUTO(pkey_unrefp)
	struct pkey *key = key_of(KEY_EC_P256);
	AUTO(cert_unrefp)
	struct cert *leaf = pki_node_leaf(p, node, key, expired);

	return identity_of(leaf, p->manager, key);
}

struct cert *
pki_leaf(struct pki *p, const char *name, const struct pkey *key)
{
	const struct leaf_params params = {
	    .key = key,
	    .names = &name,
	    .name_count = 1,
	    .not_before = p->now - 3600,
	    .not_after = p->now + 90 * DAY,
	};
	struct cert *leaf = NULL;

	CHECK(cert_issue_leaf(p->ca, p->ca_key, &params, &leaf, NULL) == 0);
	return leaf;
}

struct tls_identity *
pki_server(struct pki *p, const char *name, enum key_type type)
{
	AUTO(pkey_unrefp)
	struct pkey *key = key_of(type);
	AUTO(cert_unrefp)
	struct cert *leaf = pki_leaf(p, name, key);

	return identity_of(leaf, p->ca, key);
}
