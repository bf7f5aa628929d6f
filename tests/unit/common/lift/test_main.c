#include "tests/unit/common/lift/lift_tests.h"

#include "common/crypto/crypto_err.h"
#include "common/crypto/pem.h"

#include <stdlib.h>

#define HEAP_SIZE (1024 * 1024)
#define NOW INT64_C(1795000000)

struct buf key_pem = {.max = LIMIT_KEY}, cert_pem = {.max = LIMIT_CERT};

int
check_queue(void **state)
{
	(void)state;
	assert_false(crypto_err_pending());
	return 0;
}

static struct secret *password_of_test;

struct lift *
lift_with(const char *password, struct pbe_budget *budget)
{
	char *copy;

	secret_free(password_of_test);
	password_of_test = NULL;
	if (password != NULL) {
		copy = mem_strdup(password);
		assert_int_equal(secret_take(copy, strlen(password), &password_of_test, NULL), 0);
		mem_free(copy);
	}
	return lift_new(&(struct lift_params){
	    (const struct secret *const *)&password_of_test, password != NULL ? 1 : 0, budget});
}

void
add_text(struct lift *l, const char *name, const char *text)
{
	lift_add(l, name, span_str(text));
}

const char *
kinds_of(const struct lift *l)
{
	static char out[64];
	size_t n = lift_count(l);

	assert_true(n < sizeof(out));
	for (size_t i = 0; i < n; i++)
		out[i] = "kcrl!"[lift_at(l, i)->kind];
	out[n] = '\0';
	return out;
}

const struct lift_item *
problem_of(const struct lift *l)
{
	for (size_t i = 0; i < lift_count(l); i++)
		if (lift_at(l, i)->kind == LIFT_PROBLEM)
			return lift_at(l, i);
	fail_msg("there is no problem");
	return NULL;
}

static void
make_pair(void)
{
	struct pkey *key = NULL;
	struct secret *der = NULL;
	struct cert *cert = NULL;

	if (pkey_generate(KEY_EC_P256, &key, NULL) < 0 || pkey_to_pkcs8(key, &der, NULL) < 0 ||
	    cert_issue_ca(key, "shape", NOW, NOW + 86400, &cert, NULL) < 0)
		abort();
	pem_put(&key_pem, "PRIVATE KEY", secret_span(der));
	cert_put_pem(cert_der(cert), &cert_pem);
	secret_free(der);
	cert_unref(cert);
	pkey_unref(key);
}

int
main(void)
{
	struct err err;
	int failed;

	if (secret_heap_init(HEAP_SIZE, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	make_pair();
	failed = run_vector_tests() + run_type_tests() + run_shape_tests() + run_bad_tests() +
	    run_limit_tests();
	secret_free(password_of_test);
	buf_fini(&key_pem);
	buf_fini(&cert_pem);
	return failed;
}
