/*
 * Each sample is what its golden file says, byte for byte, and comes back the same after it was
 * read: the format cannot change unseen. The files are written anew by
 * GOLDEN_WRITE=1 test_common_wire_golden.
 */

#include "samples.h"

#include "common/crypto/secret.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLE_MAX 65536

static void
path_of(const struct sample *s, char path[static 512])
{
	snprintf(path, 512, "%s/%s.bin", GOLDEN, s->name);
}

static void
write_golden(const struct sample *s, struct span bytes)
{
	char path[512];
	FILE *f;

	path_of(s, path);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
	assert_int_equal(fclose(f), 0);
}

static void
check_golden(const struct sample *s, struct span bytes)
{
	static uint8_t golden[SAMPLE_MAX];
	char path[512];
	size_t len;
	FILE *f;

	path_of(s, path);
	f = fopen(path, "rb");
	if (f == NULL)
		fail_msg("%s is missing", path);
	len = fread(golden, 1, sizeof(golden), f);
	fclose(f);
	if (len != bytes.len || memcmp(golden, bytes.data, len) != 0)
		fail_msg("%s is not what is written now", path);
}

/* Every shorter beginning is refused or read without a fault; the sanitizers look on. */
static void
check_cuts(const struct sample *s, struct span bytes)
{
	for (size_t len = 0; len < bytes.len; len++) {
		AUTO(buf_freep)
		struct buf *out = buf_new(SAMPLE_MAX);
		uint8_t *copy = mem_dup(bytes.data, len > 0 ? len : 1);

		(void)s->recode(SPAN(copy, len), out, NULL);
		mem_free(copy);
	}
}

/* So is every byte with one bit changed. */
static void
check_flips(const struct sample *s, struct span bytes)
{
	uint8_t *copy = mem_dup(bytes.data, bytes.len);

	for (size_t i = 0; i < 8 * bytes.len; i++) {
		AUTO(buf_freep)
		struct buf *out = buf_new(SAMPLE_MAX);

		copy[i / 8] ^= (uint8_t)(1U << (i % 8));
		(void)s->recode(SPAN(copy, bytes.len), out, NULL);
		copy[i / 8] ^= (uint8_t)(1U << (i % 8));
	}
	mem_free(copy);
}

static void
run(const struct samples *samples)
{
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->items[i];
		AUTO(buf_freep)
		struct buf *bytes = buf_new(SAMPLE_MAX);
		AUTO(buf_freep)
		struct buf *again = buf_new(SAMPLE_MAX);
		struct err err;

		if (s->encode(bytes, &err) < 0)
			fail_msg("%s: %s", s->name, err.text);
		if (getenv("GOLDEN_WRITE") != NULL)
			write_golden(s, buf_span(bytes));
		check_golden(s, buf_span(bytes));
		if (s->recode(buf_span(bytes), again, &err) < 0)
			fail_msg("%s: %s", s->name, err.text);
		if (!span_equal(buf_span(bytes), buf_span(again)))
			fail_msg("%s does not come back as it was", s->name);
		check_cuts(s, buf_span(bytes));
		check_flips(s, buf_span(bytes));
	}
}

static void
test_records(void **state)
{
	(void)state;
	run(&record_samples);
}

static void
test_link(void **state)
{
	(void)state;
	run(&link_samples);
}

static void
test_signer(void **state)
{
	(void)state;
	run(&signer_samples);
}

static void
test_secrets(void **state)
{
	(void)state;
	run(&secret_samples);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_link),
	    cmocka_unit_test(test_signer),
	    cmocka_unit_test(test_secrets),
	};
	struct err err;

	CHECK(secret_heap_init(1 << 20, &err) == 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
