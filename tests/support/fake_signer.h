#ifndef TESTS_SUPPORT_FAKE_SIGNER_H
#define TESTS_SUPPORT_FAKE_SIGNER_H

/*
 * A domain's trust with one term, made of fresh keys, and a signer that signs batches and heads
 * with the term's key in this process. It answers on a later turn of the runtime, refuses when
 * told to, and CHECKs that no seq and no beat is signed twice.
 */

#include "common/base/runtime.h"
#include "common/wire/trust.h"
#include "server/signer/signer.h"

struct test_term {
	struct pkey *root_key, *key;
	struct cert *root;
	struct trust *trust;
	struct domain_id domain;
	struct id node;
	uint64_t term;
	struct buf designation_body, designation_signature;
};

void test_term_init(struct test_term *t);
void test_term_fini(struct test_term *t);
/* A designation of another node by the root, of the epoch behind this one; kept in the bufs. */
struct signed_designation test_term_successor(
    struct test_term *t, struct buf *body, struct buf *signature);

/* The same term said once more, for another node: evidence that the root key was used twice. */
struct signed_designation test_term_rival(
    struct test_term *t, struct buf *body, struct buf *signature);

struct fake_signer {
	struct signer signer;
	struct runtime *rt;
	const struct test_term *term;
	bool dead;        /* answers ERR_UNAVAIL */
	bool unreachable; /* submit itself fails */
	bool silent;      /* does not answer until fake_signer_go_on */
	bool wrong;       /* leaves out a signature */
	struct signer_call *calls, **tail;
	struct timer timer;
	uint64_t last_seq, last_beat; /* kept over restarts, as the truth is */
	uint64_t batches, heads, records;
};

void fake_signer_init(struct fake_signer *f, struct runtime *rt, const struct test_term *term);
void fake_signer_go_on(struct fake_signer *f);

#endif
