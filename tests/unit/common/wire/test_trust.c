/* What a member believes, with real keys: every way in which a statement can be wrong. */

#include "common/crypto/sign.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct domain_id domain;
	struct pkey *root_key, *term_key, *other_key;
	struct cert *root;
	struct hash pin;
	struct trust *trust;
	struct err err;
};

/* A statement in its signed form; belongs to the test. */
struct made {
	struct buf *body, *signature;
};

static void
made_fini(struct made *m)
{
	buf_free(m->body);
	buf_free(m->signature);
}

static int
setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct err err;

	random_bytes(&f->domain, sizeof(f->domain));
	if (pkey_generate(KEY_EC_P384, &f->root_key, &err) < 0 ||
	    pkey_generate(KEY_EC_P256, &f->term_key, &err) < 0 ||
	    pkey_generate(KEY_EC_P256, &f->other_key, &err) < 0 ||
	    cert_issue_root(f->root_key, "example.org", &f->domain, 1763731913, &f->root, &err) <
		0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	cert_fingerprint(f->root, &f->pin);
	if (trust_new(cert_der(f->root), &f->pin, &f->trust, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	trust_free(f->trust);
	cert_unref(f->root);
	pkey_unref(f->root_key);
	pkey_unref(f->term_key);
	pkey_unref(f->other_key);
	mem_free(f);
	return 0;
}

static struct made
sign(struct fixture *f, const struct pkey *key, enum sign_type type, struct buf *body)
{
	struct made m = {body, buf_new(LIMIT_SIGNATURE)};

	assert_int_equal(sign_put(key, type, &f->domain, buf_span(body), m.signature, &f->err), 0);
	return m;
}

/* A designation for the term, of a node with that first byte, whose term key is `names`. */
static struct made
designate(struct fixture *f, uint64_t term, uint8_t node, const struct pkey *names,
    const struct made *previous, struct position cut, const struct pkey *signer)
{
	AUTO(buf_freep)
	struct buf *spki = buf_new(LIMIT_SPKI);
	struct buf *body = buf_new(LIMIT_DESIGNATION);
	struct designation d = {.term = term,
	    .node = {{node}},
	    .reason = cut.term == 0 ? REASON_FIRST : REASON_LOST,
	    .has_cut = cut.term != 0,
	    .cut = cut};

	assert_int_equal(pkey_put_spki(names, spki, &f->err), 0);
	d.term_key = buf_span(spki);
	if (previous != NULL) {
		d.has_previous = true;
		hash_of(buf_span(previous->body), &d.previous);
	}
	assert_int_equal(wire_designation_encode(&d, body, &f->err), 0);
	return sign(f, signer, SIGN_DESIGNATION, body);
}

static int
add(struct fixture *f, const struct made *m, uint32_t signer)
{
	struct signed_designation s = {buf_span(m->body), buf_span(m->signature), signer};

	return trust_add_designation(f->trust, &s, &f->err);
}

#define NO_CUT ((struct position){0, 0})
#define FIRST (term_make(1, 0))
#define MADE                                                                                       \
	AUTO(made_fini)                                                                            \
	struct made

static void
test_pin(void **state)
{
	struct fixture *f = *state;
	struct trust *t = NULL;
	struct hash wrong = f->pin;
	struct span der = cert_der(f->root);
	uint8_t *copy = mem_dup(der.data, der.len);

	wrong.bytes[31] ^= 1;
	assert_int_equal(trust_new(der, &wrong, &t, &f->err), ERR_CRYPTO);
	copy[der.len - 1] ^= 1;
	assert_int_equal(trust_new(SPAN(copy, der.len), &f->pin, &t, &f->err), ERR_CRYPTO);
	assert_null(t);
	mem_free(copy);
	assert_memory_equal(trust_domain(f->trust), &f->domain, sizeof(f->domain));
	assert_true(hash_equal(trust_root_fingerprint(f->trust), &f->pin));
	assert_int_equal(trust_current_term(f->trust), 0);
	assert_null(trust_manager(f->trust));
	assert_null(trust_term_key(f->trust));
}

static void
test_chain(void **state)
{
	struct fixture *f = *state;
	const struct position cut = {FIRST, 100};
	MADE first = designate(f, FIRST, 1, f->term_key, NULL, NO_CUT, f->root_key);
	MADE forged = designate(f, FIRST, 1, f->term_key, NULL, NO_CUT, f->other_key);
	MADE same_term = designate(f, FIRST, 2, f->other_key, NULL, NO_CUT, f->root_key);
	MADE planned = designate(f, FIRST + 1, 3, f->other_key, &first, cut, f->term_key);
	MADE stolen = designate(f, FIRST + 1, 4, f->other_key, &first, cut, f->other_key);
	MADE foreign = designate(f, FIRST + 1, 5, f->other_key, &planned, cut, f->term_key);
	MADE by_root = designate(f, term_make(2, 0), 6, f->term_key, NULL, cut, f->root_key);
	AUTO(trust_freep)
	struct trust *clone = NULL;

	assert_int_equal(add(f, &planned, SIGNER_TERM_KEY), ERR_DENIED);
	assert_int_equal(add(f, &by_root, SIGNER_ROOT_KEY), ERR_DENIED);
	assert_int_equal(add(f, &forged, SIGNER_ROOT_KEY), ERR_CRYPTO);
	assert_int_equal(add(f, &first, SIGNER_TERM_KEY), ERR_INVALID);
	assert_int_equal(add(f, &first, SIGNER_ROOT_KEY), 0);
	assert_int_equal(add(f, &first, SIGNER_ROOT_KEY), 0);
	assert_int_equal(trust_designation_count(f->trust), 1);
	assert_int_equal(add(f, &same_term, SIGNER_ROOT_KEY), ERR_CONFLICT);
	assert_int_equal(trust_manager(f->trust)->bytes[0], 1);
	assert_int_equal(add(f, &stolen, SIGNER_TERM_KEY), ERR_CRYPTO);
	assert_int_equal(add(f, &foreign, SIGNER_TERM_KEY), ERR_DENIED);
	/* The root goes first; what it passed over can still be learnt, and changes nothing. */
	assert_int_equal(add(f, &by_root, SIGNER_ROOT_KEY), 0);
	assert_int_equal(add(f, &planned, SIGNER_TERM_KEY), 0);
	assert_int_equal(trust_designation_count(f->trust), 3);
	assert_true(trust_current_term(f->trust) == term_make(2, 0));
	assert_int_equal(trust_manager(f->trust)->bytes[0], 6);
	assert_true(pkey_same_public(trust_term_key(f->trust), f->term_key));
	assert_int_equal(trust_designation_of(f->trust, FIRST + 1)->node.bytes[0], 3);
	assert_null(trust_designation_of(f->trust, FIRST + 2));
	clone = trust_clone(f->trust);
	assert_int_equal(trust_designation_count(clone), 3);
	assert_true(span_equal(trust_designation_of(clone, FIRST)->term_key,
	    trust_designation_of(f->trust, FIRST)->term_key));
}

static struct made
make_record(struct fixture *f, uint64_t term, uint64_t seq, const struct pkey *key,
    enum sign_type type, struct record *out)
{
	struct buf *body = buf_new(LIMIT_RECORD);
	struct record r = {
	    .id = {{1}}, .kind = 99, .term = term, .seq = seq, .mutation = seq, .version = 1};

	assert_int_equal(wire_record_encode(&r, body, &f->err), 0);
	assert_int_equal(wire_record_decode(buf_span(body), out, &f->err), 0);
	return sign(f, key, type, body);
}

static int
verify(struct fixture *f, const struct made *m, const struct record *r)
{
	return trust_verify_record(f->trust, r, buf_span(m->body), buf_span(m->signature), &f->err);
}

static void
test_records(void **state)
{
	struct fixture *f = *state;
	const struct position cut = {FIRST, 100};
	const uint64_t second = term_make(2, 0);
	MADE first = designate(f, FIRST, 1, f->term_key, NULL, NO_CUT, f->root_key);
	MADE by_root = designate(f, second, 6, f->other_key, NULL, cut, f->root_key);
	struct record r, late_r, new_r, x;
	MADE good = make_record(f, FIRST, 100, f->term_key, SIGN_RECORD, &r);
	MADE late = make_record(f, FIRST, 101, f->term_key, SIGN_RECORD, &late_r);
	MADE as_head = make_record(f, FIRST, 100, f->term_key, SIGN_HEAD, &x);
	MADE wrong_key = make_record(f, FIRST, 100, f->other_key, SIGN_RECORD, &x);
	MADE old_key = make_record(f, second, 102, f->term_key, SIGN_RECORD, &x);
	MADE fresh = make_record(f, second, 102, f->other_key, SIGN_RECORD, &new_r);

	assert_int_equal(verify(f, &good, &r), ERR_DENIED);
	assert_int_equal(add(f, &first, SIGNER_ROOT_KEY), 0);
	assert_int_equal(verify(f, &good, &r), 0);
	assert_int_equal(verify(f, &late, &late_r), 0);
	assert_int_equal(verify(f, &as_head, &r), ERR_CRYPTO);
	assert_int_equal(verify(f, &wrong_key, &r), ERR_CRYPTO);
	assert_int_equal(verify(f, &fresh, &new_r), ERR_DENIED);
	good.body->data[good.body->len - 1] ^= 1;
	assert_int_equal(verify(f, &good, &r), ERR_CRYPTO);
	good.body->data[good.body->len - 1] ^= 1;
	assert_int_equal(add(f, &by_root, SIGNER_ROOT_KEY), 0);
	assert_int_equal(verify(f, &good, &r), 0);
	assert_int_equal(verify(f, &late, &late_r), ERR_DENIED);
	assert_non_null(strstr(f->err.text, "cut"));
	assert_int_equal(verify(f, &fresh, &new_r), 0);
	assert_int_equal(verify(f, &old_key, &new_r), ERR_CRYPTO);
	assert_int_equal(
	    trust_check_position(f->trust, (struct position){FIRST + 1, 1}, &f->err), ERR_DENIED);
	/* Another domain's signature over the same bytes. */
	f->domain.bytes[0] ^= 1;
	buf_clear(good.signature);
	assert_int_equal(sign_put(f->term_key, SIGN_RECORD, &f->domain, buf_span(good.body),
			     good.signature, &f->err),
	    0);
	assert_int_equal(verify(f, &good, &r), ERR_CRYPTO);
}

static struct made
make_head(struct fixture *f, uint64_t term, const struct pkey *key)
{
	struct buf *body = buf_new(LIMIT_HEAD);
	struct head h = {.term = term, .seq = 5, .beat = 6};

	assert_int_equal(wire_head_encode(&h, body, &f->err), 0);
	return sign(f, key, SIGN_HEAD, body);
}

static int
verify_head(struct fixture *f, const struct made *m, struct head *out)
{
	struct signed_bytes s = {buf_span(m->body), buf_span(m->signature)};

	return trust_verify_head(f->trust, &s, out, &f->err);
}

static void
test_heads(void **state)
{
	struct fixture *f = *state;
	const struct position cut = {FIRST, 100};
	const uint64_t second = term_make(2, 0);
	MADE first = designate(f, FIRST, 1, f->term_key, NULL, NO_CUT, f->root_key);
	MADE by_root = designate(f, second, 6, f->other_key, NULL, cut, f->root_key);
	MADE old = make_head(f, FIRST, f->term_key);
	MADE fresh = make_head(f, second, f->other_key);
	MADE forged = make_head(f, second, f->term_key);
	struct head h = {0};

	assert_int_equal(verify_head(f, &old, &h), ERR_AGAIN);
	assert_int_equal(add(f, &first, SIGNER_ROOT_KEY), 0);
	assert_int_equal(verify_head(f, &old, &h), 0);
	assert_int_equal(h.beat, 6);
	assert_int_equal(verify_head(f, &fresh, &h), ERR_AGAIN);
	assert_int_equal(add(f, &by_root, SIGNER_ROOT_KEY), 0);
	assert_int_equal(verify_head(f, &old, &h), ERR_DENIED);
	assert_int_equal(verify_head(f, &forged, &h), ERR_CRYPTO);
	assert_int_equal(verify_head(f, &fresh, &h), 0);
	assert_true(h.term == second);
}

static void
test_root_statement(void **state)
{
	struct fixture *f = *state;
	struct root_statement st = {.certificate = cert_der(f->root), .made_at = 5};
	struct buf *body = buf_new(LIMIT_CERT), *body2 = buf_new(LIMIT_CERT);

	assert_int_equal(wire_root_statement_encode(&st, body, &f->err), 0);
	st.has_previous = true;
	assert_int_equal(wire_root_statement_encode(&st, body2, &f->err), 0);
	{
		MADE good = sign(f, f->root_key, SIGN_ROOT, body);
		MADE successor = sign(f, f->root_key, SIGN_ROOT, body2);
		struct signed_bytes s = {buf_span(good.body), buf_span(good.signature)};
		struct signed_bytes n = {buf_span(successor.body), buf_span(successor.signature)};

		assert_int_equal(trust_verify_root_statement(f->trust, &s, &f->err), 0);
		assert_int_equal(trust_verify_root_statement(f->trust, &n, &f->err), ERR_CRYPTO);
		good.signature->data[good.signature->len - 1] ^= 1;
		assert_int_equal(trust_verify_root_statement(f->trust, &s, &f->err), ERR_CRYPTO);
	}
}

/* A stolen term key cannot fill the list so that the root key has no place. */
static void
test_full(void **state)
{
	struct fixture *f = *state;
	const struct position cut = {FIRST, 100};
	struct made last = designate(f, FIRST, 1, f->term_key, NULL, NO_CUT, f->root_key);
	uint64_t term = FIRST;
	int rc = add(f, &last, SIGNER_ROOT_KEY);

	while (rc == 0) {
		struct made next = designate(f, ++term, 1, f->term_key, &last, cut, f->term_key);

		made_fini(&last);
		last = next;
		rc = add(f, &last, SIGNER_TERM_KEY);
	}
	made_fini(&last);
	assert_int_equal(rc, ERR_LIMIT);
	{
		MADE by_root =
		    designate(f, term_make(2, 0), 6, f->other_key, NULL, cut, f->root_key);

		assert_int_equal(add(f, &by_root, SIGNER_ROOT_KEY), 0);
	}
	assert_int_equal(trust_manager(f->trust)->bytes[0], 6);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FIXTURE(test_pin),
	    WITH_FIXTURE(test_chain),
	    WITH_FIXTURE(test_records),
	    WITH_FIXTURE(test_heads),
	    WITH_FIXTURE(test_root_statement),
	    WITH_FIXTURE(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
