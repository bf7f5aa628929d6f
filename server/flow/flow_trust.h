#ifndef SERVER_FLOW_FLOW_TRUST_H
#define SERVER_FLOW_FLOW_TRUST_H

/* What chains are judged by, and made of. */

#include "server/flow/flow_priv.h"

/*
 * What chains may be completed with and end in, borrowed from the index; large, so that
 * it lives on the heap.
 */
#define TRUST_PARSED_MAX 320
struct flow_trust {
	const struct cert *roots[LIMIT_TRUSTED_ROOTS + TRUST_PARSED_MAX];
	/* Stored intermediates, and issuers that came with certificates: they are not trusted. */
	const struct cert *known[LIMIT_TRUSTED_ROOTS + TRUST_PARSED_MAX];
	size_t root_count, known_count;
	size_t trusted; /* of the roots: all but the domain's own CAs */
	struct cert *parsed[TRUST_PARSED_MAX];
	struct cert_cache *cache;
	size_t parsed_count;
};
/* credential: whose issuers go first, or NULL; cache too. */
void flow_trust_init(struct flow_trust *t, struct cert_cache *cache, const struct index *ix,
    const struct index_record *credential);
void flow_trust_fini(struct flow_trust *t);

#endif
