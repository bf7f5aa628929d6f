/* Certificates that chains have in common are one object; the oldest goes for a new one. */

#include "replica/cache/issuers.h"

#include "tests/support/pki.h"
#include "tests/unit/replica/cache/test_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct cert *
parse(struct issuers *all, const struct cert *c)
{
	struct cert *out = NULL;

	assert_int_equal(issuers_parse(all, cert_der(c), &out, NULL), 0);
	assert_true(span_equal(cert_der(out), cert_der(c)));
	return out;
}

static void
test_shared(void **state)
{
	struct issuers *all = issuers_new();
	struct cert *a, *b, *other, *bad = NULL;
	struct pki pki;

	(void)state;
	pki_init(&pki);
	a = parse(all, pki.ca);
	other = parse(all, pki.root);
	b = parse(all, pki.ca);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, other);
	assert_int_equal(issuers_parse(all, SPAN("\x30\x00", 2), &bad, NULL), ERR_PARSE);
	assert_null(bad);
	cert_unref(a);
	cert_unref(b);
	cert_unref(other);
	pki_fini(&pki);
	issuers_free(all);
}

/* More than it holds: what was given out stays whole, and everything can be had again. */
static void
test_bounded(void **state)
{
	enum { N = 40 };
	struct issuers *all = issuers_new();
	struct cert *made[N], *given[N];
	struct pki pki;
	struct pkey *key;

	(void)state;
	pki_init(&pki);
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
	for (size_t i = 0; i < N; i++) {
		made[i] = pki_leaf(&pki, "a.test.example", key);
		given[i] = parse(all, made[i]);
	}
	for (size_t i = 0; i < N; i++) {
		struct cert *again = parse(all, made[i]);

		cert_unref(again);
		assert_true(span_equal(cert_der(given[i]), cert_der(made[i])));
		cert_unref(given[i]);
		cert_unref(made[i]);
	}
	pkey_unref(key);
	pki_fini(&pki);
	issuers_free(all);
}

int
issuers_run(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shared),
	    cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests_name("issuers", tests, NULL, NULL);
}
