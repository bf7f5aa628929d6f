#ifndef COMMON_CHAIN_SEARCH_H
#define COMMON_CHAIN_SEARCH_H

/*
 * The search, layer by layer from the leaf: for each certificate the best way of each length to it.
 * A way that visits a name and key twice is never better than the one that leaves the round out, so
 * that nothing has to be excluded, and work grows with pairs of certificates and not with ways.
 * Private to common/chain.
 */

#include "common/chain/chain.h"
#include "common/crypto/cert_facts.h"

struct candidate {
	const struct cert *cert;
	struct cert_facts facts;
	bool is_root;    /* trusted */
	bool is_given;   /* came with the leaf */
	bool is_outside; /* the leaf is outside its name constraints */
	bool is_self_signed;
	size_t *parents; /* indices of certificates that signed it; known once expanded */
	size_t parent_count;
	bool expanded;
};

struct search {
	const struct chain_params *params;
	struct candidate *all; /* the leaf is the first */
	size_t count;
	size_t *by_subject;  /* indices, sorted by subject */
	unsigned signatures; /* that may still be checked */
	bool cut;
};

/* Gathers the candidates; no signature is checked yet. */
void search_init(struct search *s, const struct chain_params *p);
void search_fini(struct search *s);

/* Indices of the best path, leaf first. Returns their count. */
size_t search_best(struct search *s, size_t path[static LIMIT_CHAIN]);

/* Whether a root is the preferred one; false when none is preferred. */
bool search_is_preferred(const struct search *s, const struct candidate *c);
/* What may be wrong with a certificate at its place; below: authorities between it and the leaf. */
bool candidate_valid_at(const struct candidate *c, int64_t now);
bool candidate_may_issue(const struct candidate *c, size_t below);
/* Whether they name different keys, whoever signed: some clients, OpenSSL's among them, mind. */
bool candidate_ids_differ(const struct candidate *c, const struct candidate *issuer);

/* --- judge.c --- */
void judge(const struct search *s, const size_t *path, size_t count, struct chain *out);

#endif
