#include "tests/support/manager.h"

#include "common/base/map.h"
#include "common/crypto/sign.h"
#include "common/log/log.h"
#include "common/wire/record_wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct entry {
	uint64_t version;
	bool removed;
	uint32_t kind;
	struct id id;
	char name[LIMIT_NAME + 1];
};

struct id
test_id(uint64_t n)
{
	struct hash h;
	struct id id;

	hash_of(SPAN(&n, sizeof(n)), &h);
	memcpy(id.bytes, h.bytes, ID_LEN);
	return id;
}

static size_t
name_key(uint32_t kind, const char *name, uint8_t out[static 4 + LIMIT_NAME])
{
	memcpy(out, &kind, 4);
	memcpy(out + 4, name, strlen(name));
	return 4 + strlen(name);
}

static void
forget_name(struct test_manager *m, const struct entry *e)
{
	uint8_t key[4 + LIMIT_NAME];
	size_t len = name_key(e->kind, e->name, key);

	if (map_get(m->by_name, key, len) == e)
		(void)map_del(m->by_name, key, len);
}

static void
note(struct test_manager *m, const struct record *r)
{
	struct entry *e = map_get(m->by_id, r->id.bytes, ID_LEN);
	uint8_t key[4 + LIMIT_NAME];

	if (e == NULL) {
		e = mem_zalloc(sizeof(*e));
		(void)map_put(m->by_id, r->id.bytes, ID_LEN, e);
	} else {
		forget_name(m, e);
	}
	e->id = r->id;
	e->kind = r->kind;
	e->version = r->version;
	e->removed = r->removed;
	snprintf(e->name, sizeof(e->name), "%s", r->name);
	if (!r->removed)
		(void)map_put(m->by_name, key, name_key(r->kind, r->name, key), e);
}

static uint64_t
lookup_version(void *arg, const struct id *id, bool *removed)
{
	struct test_manager *m = arg;
	const struct entry *e = map_get(m->by_id, id->bytes, ID_LEN);

	*removed = e != NULL && e->removed;
	return e != NULL ? e->version : 0;
}

static bool
lookup_name(void *arg, uint32_t kind, const char *name, struct id *out)
{
	struct test_manager *m = arg;
	uint8_t key[4 + LIMIT_NAME];
	const struct entry *e = map_get(m->by_name, key, name_key(kind, name, key));

	if (e != NULL)
		*out = e->id;
	return e != NULL;
}

static void
observe(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct test_manager *m = arg;
	struct head verified;

	CHECK(trust_verify_head(m->term.trust, &signed_head, &verified, NULL) == 0);
	CHECK(verified.seq == head->seq && verified.beat > m->head.beat);
	CHECK(head->seq >= m->head.seq);
	for (size_t i = 0; i < count; i++) {
		const struct committed *c = &records[i];
		struct record r;

		CHECK(wire_record_decode(c->signed_record.body, &r, NULL) == 0);
		CHECK(trust_verify_record(m->term.trust, &r, c->signed_record.body,
			  c->signed_record.signature, NULL) == 0);
		CHECK(r.seq == c->record->seq && r.seq <= head->seq);
		note(m, &r);
	}
	m->head = *head;
	if (count > 0)
		m->batches++;
	else
		m->beats++;
}

void
test_manager_quiet(void)
{
	struct log_params quiet = {.level = LOG_LEVEL_ERROR};

	quiet.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	CHECK(quiet.fd > 0);
	log_setup(&quiet);
}

void
test_manager_init(struct test_manager *m, uint64_t seed)
{
	*m = (struct test_manager){.by_id = map_new(), .by_name = map_new()};
	virtual_init(&m->time, seed);
	test_term_init(&m->term);
	fake_signer_init(&m->signer, &m->time.rt, &m->term);
	m->disk = vfs_fault_new("manager", seed);
}

static void
clear(struct test_manager *m)
{
	struct span key;
	void *value;
	size_t at = 0;

	while (map_next(m->by_id, &at, &key, &value))
		mem_free(value);
	map_free(m->by_id);
	map_free(m->by_name);
	m->by_id = map_new();
	m->by_name = map_new();
}

void
test_manager_fini(struct test_manager *m)
{
	clear(m);
	map_free(m->by_id);
	map_free(m->by_name);
	vfs_fault_free(m->disk);
	test_term_fini(&m->term);
	virtual_fini(&m->time);
}

static void
on_ready(void *arg, int status, const struct err *err)
{
	struct test_manager *m = arg;

	(void)err;
	m->ready = true;
	m->ready_status = status;
}

static int
load_one(const struct stored_record *s, void *arg, struct err *err)
{
	struct record r;
	int rc = wire_record_decode(s->body, &r, err);

	if (rc == 0)
		note(arg, &r);
	return rc;
}

static bool
is_true(void *flag)
{
	return *(bool *)flag;
}

int
test_manager_start(struct test_manager *m)
{
	struct store_params params = {
	    .path = "/disk/store.db", .full = true, .check = STORE_CHECK_BODIES};
	struct commit_params commit = {
	    .runtime = &m->time.rt,
	    .signer = &m->signer.signer,
	    .domain = m->term.domain,
	    .term = m->term.term,
	    .lookup = {m, lookup_version, lookup_name},
	    .audit = m->audit,
	    .audit_arg = m,
	};
	struct err err;

	vfs_fault_use(m->disk, &params);
	if (store_open(&params, &m->store, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		CHECK(!"the store opens");
	}
	clear(m);
	CHECK(store_each(m->store, STORE_ALL_KINDS, true, load_one, m, &err) == 0);
	commit.store = m->store;
	m->ready = m->closed = false;
	CHECK(commit_new(&commit, on_ready, m, &m->commit, &err) == 0);
	commit_observe(m->commit, observe, m);
	CHECK(virtual_until(&m->time, is_true, &m->ready, 60000));
	return m->ready_status;
}

static void
on_closed(void *arg)
{
	struct test_manager *m = arg;

	m->closed = true;
}

void
test_manager_stop(struct test_manager *m)
{
	commit_close(m->commit, on_closed, m);
	CHECK(virtual_until(&m->time, is_true, &m->closed, 60000));
	m->commit = NULL;
	store_close(m->store);
	m->store = NULL;
}

void
test_manager_crash(struct test_manager *m)
{
	vfs_fault_crash(m->disk);
	test_manager_stop(m);
}

struct mutation *
test_put(uint64_t n, uint64_t expect_version, size_t size)
{
	struct mutation *m = mutation_new("tester", "cert.add", "some");
	struct draft *d = mutation_add(m);
	uint8_t *bytes = buf_reserve(d->public_part, size);

	CHECK(bytes != NULL);
	memset(bytes, (int)(n + expect_version), size);
	buf_advance(d->public_part, size);
	d->id = test_id(n);
	d->kind = TEST_KIND;
	d->expect_version = expect_version;
	snprintf(d->name, sizeof(d->name), "name%llu", (unsigned long long)n);
	return m;
}

struct mutation *
test_remove(uint64_t n, uint64_t expect_version)
{
	struct mutation *m = test_put(n, expect_version, 0);

	m->drafts[0].removed = true;
	return m;
}

static void
on_done(void *arg, int status, const struct commit_result *result, const struct err *err)
{
	struct test_done *d = arg;

	CHECK(!d->called);
	d->called = true;
	d->status = status;
	if (result != NULL)
		d->seq = result->seq;
	if (err != NULL)
		d->err = *err;
}

void
test_submit(struct test_manager *m, struct mutation *mu, struct test_done *done)
{
	struct err err;

	*done = (struct test_done){0};
	CHECK(commit_submit(m->commit, mu, on_done, done, &err) == 0);
	CHECK(!done->called);
}

bool
test_is_done(void *done)
{
	return ((struct test_done *)done)->called;
}

int
test_commit(struct test_manager *m, struct mutation *mu, struct test_done *done)
{
	struct test_done own;

	if (done == NULL)
		done = &own;
	test_submit(m, mu, done);
	CHECK(virtual_until(&m->time, test_is_done, done, 60000));
	return done->status;
}
