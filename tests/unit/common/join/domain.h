#ifndef TESTS_UNIT_COMMON_JOIN_DOMAIN_H
#define TESTS_UNIT_COMMON_JOIN_DOMAIN_H

/* A domain with a manager and one node, for the tests of joining. */

#include "common/crypto/cert.h"
#include "common/model/public.h"

#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

#define NOW INT64_C(1790000000)

struct domain {
	struct domain_id id;
	struct id node;
	struct pkey *root_key, *manager_key, *node_key;
	struct cert *root, *manager, *leaf;
};

/* begun: when its certificates begin. */
void domain_make_at(struct domain *d, int64_t begun);
void domain_make(struct domain *d);
void domain_fini(struct domain *d);
/* An identity of this domain. */
struct cert *domain_issue(const struct domain *d, const struct pkey *key, const struct id *node,
    const char *name, struct texts addresses, int64_t begun);

#endif
