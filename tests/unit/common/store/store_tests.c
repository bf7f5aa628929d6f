#include "tests/unit/common/store/store_tests.h"

#include "common/base/num.h"
#include "common/crypto/sign.h"

#include <string.h>

char store_tmp_dir[64] = "/tmp/test_common_store.XXXXXX";

const char *
store_tmp(const char *name)
{
	static char places[4][128];
	static unsigned turn;
	char *place = places[turn++ % 4];

	snprintf(place, sizeof(places[0]), "%s/%s", store_tmp_dir, name);
	return place;
}

struct id
make_id(uint64_t n)
{
	struct hash h;
	struct id id;

	hash_of(SPAN(&n, sizeof(n)), &h);
	memcpy(id.bytes, h.bytes, ID_LEN);
	return id;
}

struct stored_record
make_record(struct buf *memory, uint64_t n, uint64_t seq, uint64_t version, size_t body_len)
{
	struct stored_record r = {
	    .id = make_id(n),
	    .kind = 6 + (uint32_t)(n % 2),
	    .name = "name",
	    .at = {TERM, seq},
	    .mutation = seq,
	    .version = version,
	    .committed_at_ms = (int64_t)seq * 1000,
	};
	uint8_t *body;

	/* One buffer for all would move under the records before. */
	CHECK(memory->len == 0);
	body = buf_reserve(memory, body_len);
	CHECK(body != NULL);
	for (size_t i = 0; i < body_len; i++)
		body[i] = (uint8_t)(n * 31 + version * 7 + i);
	buf_advance(memory, body_len);
	r.body = buf_span(memory);
	r.signature = span_str("signature");
	hash_of(r.body, &r.hash);
	return r;
}

void
put_mutation(struct store *s, uint64_t first, size_t count, size_t body_len)
{
	struct stored_record *records = mem_array(count, sizeof(*records));
	struct buf *memory = mem_array(count, sizeof(*memory));
	struct store_change change = {.records = records, .record_count = count};
	struct err err;

	for (size_t i = 0; i < count; i++) {
		memory[i] = BUF_INIT(body_len + 1);
		records[i] = make_record(&memory[i], first + i, first + i, 1, body_len);
		records[i].mutation = first;
	}
	assert_int_equal(store_apply(s, &change, &err), 0);
	for (size_t i = 0; i < count; i++)
		buf_fini(&memory[i]);
	mem_free(memory);
	mem_free(records);
}

void
assert_record(struct store *s, uint64_t n, uint64_t version, size_t body_len)
{
	struct id id = make_id(n);
	struct store_records *found = NULL;
	struct buf memory = BUF_INIT(body_len + 1);
	struct stored_record expected = make_record(&memory, n, n, version, body_len);
	struct err err;

	assert_int_equal(store_get(s, &id, &found, &err), 0);
	assert_int_equal(found->count, 1);
	assert_int_equal(found->items[0].version, version);
	assert_true(hash_equal(&found->items[0].hash, &expected.hash));
	assert_true(span_equal(found->items[0].body, expected.body));
	assert_true(span_equal(found->items[0].signature, expected.signature));
	assert_string_equal(found->items[0].name, "name");
	store_records_free(found);
	buf_fini(&memory);
}

bool
has_record(struct store *s, uint64_t n)
{
	struct id id = make_id(n);
	struct store_records *found = NULL;
	struct err err;
	int r = store_get(s, &id, &found, &err);

	assert_true(r == 0 || r == ERR_NOTFOUND);
	store_records_free(found);
	return r == 0;
}

static int
add_to_digest(const struct stored_record *r, void *arg, struct err *err)
{
	struct hash hash;

	(void)err;
	hash_of(r->body, &hash);
	assert_true(hash_equal(&hash, &r->hash));
	digest_set(arg, &r->id, &hash);
	return 0;
}

void
digest_of_store(struct store *s, struct hash *out)
{
	AUTO(digest_freep)
	struct digest *d = digest_new();
	struct err err;

	assert_int_equal(store_each(s, STORE_ALL_KINDS, true, add_to_digest, d, &err), 0);
	digest_root(d, out);
}

struct store *
open_store(const char *path, bool full)
{
	struct store_params params = {.path = path, .full = full, .check = STORE_CHECK_BODIES};
	struct store *s = NULL;
	struct err err;

	if (store_open(&params, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}
