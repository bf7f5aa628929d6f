#include "common/lift/lift.h"

#include <string.h>

/*
 * Any bytes as a file to be imported, with two passwords and a small budget for them. Whatever is
 * found has a place, and a pair that is one; what is no use has a text.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret *
secret_of(const char *text)
{
	char *copy = mem_strdup(text);
	struct secret *s = NULL;

	CHECK(secret_take(copy, strlen(text), &s, NULL) == 0);
	mem_free(copy);
	return s;
}

static void
look_at(const struct lift *l, const struct lift_item *item)
{
	CHECK(item->file != NULL && item->place != NULL);
	CHECK((item->kind == LIFT_PROBLEM) == (item->text != NULL));
	CHECK((item->kind == LIFT_CERT) == (item->cert != NULL));
	CHECK((item->kind == LIFT_KEY || item->kind == LIFT_CSR) == (item->key != NULL));
	if (item->kind == LIFT_KEY)
		CHECK(pkey_has_private(item->key));
	if (item->pair == LIFT_NO_PAIR)
		return;
	if (item->kind == LIFT_KEY)
		CHECK(cert_has_key(lift_at(l, item->pair)->cert, item->key));
	else
		CHECK(lift_at(l, item->pair)->kind == LIFT_KEY);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(secret_freep)
	struct secret *first = secret_of("cryptography");
	AUTO(secret_freep)
	struct secret *second = secret_of("123456");
	const struct secret *const passwords[] = {first, second};
	struct pbe_budget budget = {30000, INT64_C(5000000000)};
	struct lift_params params = {passwords, ARRAY_LEN(passwords), &budget};
	AUTO(lift_freep)
	struct lift *l = lift_new(&params);
	struct err err;

	lift_add(l, "input", SPAN(data, size));
	CHECK(lift_count(l) > 0);
	lift_match(l);
	for (size_t i = 0; i < lift_count(l); i++)
		look_at(l, lift_at(l, i));
	CHECK(lift_count(l) <= LIMIT_IMPORT_ITEMS + 1);
	if (lift_count_of(l, LIFT_PROBLEM) == 0)
		CHECK(lift_check(l, &err) == 0);
	return 0;
}
