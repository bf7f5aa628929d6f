/*
 * Fills the database of a manager that is not running: bench_fill DIR COUNT BYTES. Adds COUNT
 * records with public parts of BYTES random bytes, of a kind that is not known and so only stored
 * and passed on, signed with the manager's term key, behind the newest record.
 */

#include "tests/bench/bench.h"

#include "common/crypto/secret.h"
#include "common/crypto/sign.h"
#include "common/member/member.h"
#include "common/store/store.h"
#include "common/sys/file.h"
#include "common/wire/record_wire.h"

#include <stdio.h>

#define KIND 1000
#define BATCH 500
#define KEYS_MAX (64U << 10)
#define SECURE_HEAP (1U << 20)

struct fill {
	struct member member;
	struct store *store;
	struct pkey *term_key;
	struct position at;
	uint64_t bytes;
	struct stored_record records[BATCH];
	char names[BATCH][BENCH_NAME_MAX];
	struct buf *bodies[BATCH], *signatures[BATCH];
};

static void
read_term_key(struct fill *f, const char *dir)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/keys/signer.keys", dir);
	AUTO(fd_closep)
	int fd = -1;
	AUTO(secret_freep)
	struct secret *text = NULL;
	struct keyfile keys = {0};
	char name[32];
	const struct pkey *key;

	snprintf(name, sizeof(name), "term-%016llx", (unsigned long long)f->at.term);
	CHECK(file_open_private(path, &fd, NULL) == 0);
	CHECK(secret_read_fd(fd, KEYS_MAX, false, &text, NULL) == 0);
	CHECK(keyfile_parse(text, &keys, NULL) == 0);
	key = keyfile_find(&keys, name);
	CHECK(key != NULL);
	f->term_key = pkey_ref(key);
	keyfile_fini(&keys);
}

static void
make(struct fill *f, size_t i)
{
	AUTO(buf_freep)
	struct buf *content = buf_new(LIMIT_PUBLIC);
	struct record r = {.kind = KIND, .term = f->at.term, .version = 1, .committed_at_ms = 1};
	struct stored_record *s = &f->records[i];

	r.seq = r.mutation = ++f->at.seq;
	id_random(&r.id);
	snprintf(r.author, sizeof(r.author), "bench");
	snprintf(r.name, sizeof(r.name), "%s", bench_name(r.seq, f->names[i]));
	CHECK(buf_reserve(content, f->bytes) != NULL);
	random_bytes(content->data, f->bytes);
	buf_advance(content, f->bytes);
	r.public_part = buf_span(content);
	f->bodies[i] = buf_new(LIMIT_RECORD);
	f->signatures[i] = buf_new(SIGNATURE_MAX);
	CHECK(wire_record_encode(&r, f->bodies[i], NULL) == 0);
	CHECK(sign_put(f->term_key, SIGN_RECORD, &f->member.domain, buf_span(f->bodies[i]),
		  f->signatures[i], NULL) == 0);
	*s = (struct stored_record){.id = r.id,
	    .kind = r.kind,
	    .name = f->names[i],
	    .at = record_position(&r),
	    .mutation = r.mutation,
	    .version = r.version,
	    .committed_at_ms = r.committed_at_ms,
	    .body = buf_span(f->bodies[i]),
	    .signature = buf_span(f->signatures[i])};
	hash_of(s->body, &s->hash);
}

static void
add(struct fill *f, size_t count)
{
	const struct store_change change = {.records = f->records, .record_count = count};

	for (size_t i = 0; i < count; i++)
		make(f, i);
	CHECK(store_apply(f->store, &change, NULL) == 0);
	for (size_t i = 0; i < count; i++) {
		buf_free(f->bodies[i]);
		buf_free(f->signatures[i]);
	}
}

int
main(int argc, char **argv)
{
	struct fill *f = mem_zalloc(sizeof(*f));
	struct store_params params = {0};
	AUTO(mem_freep)
	char *path = NULL;
	uint64_t left, had;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_fill DIR COUNT BYTES\n");
		return 2;
	}
	path = mem_printf("%s/store.db", argv[1]);
	params.path = path;
	f->bytes = bench_number(argv[3]);
	CHECK(secret_heap_init(SECURE_HEAP, NULL) == 0);
	CHECK(member_load(argv[1], &f->member, NULL) == 0);
	CHECK(store_open(&params, &f->store, NULL) == 0);
	CHECK(store_extent(f->store, &f->at, &had, NULL) == 0);
	read_term_key(f, argv[1]);
	for (left = bench_number(argv[2]); left > 0; left -= left < BATCH ? left : BATCH)
		add(f, left < BATCH ? (size_t)left : BATCH);
	store_close(f->store);
	printf("{\"seq\": %llu}\n", (unsigned long long)f->at.seq);
	return 0;
}
