#include "server/commit/commit_priv.h"

#include "common/crypto/sign.h"
#include "common/wire/record_wire.h"
#include "common/wire/signer_messages.h"

#include <stdio.h>
#include <string.h>

struct batch *
batch_new(void)
{
	struct batch *b = mem_zalloc(sizeof(*b));

	queue_init(&b->taken);
	b->versions = map_new();
	b->names = map_new();
	b->head_body = BUF_INIT(LIMIT_HEAD);
	b->head_signature = BUF_INIT(LIMIT_SIGNATURE);
	return b;
}

void
batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	CHECK(b->taken.count == 0);
	for (size_t i = 0; i < b->count; i++) {
		buf_fini(&b->records[i].body);
		buf_fini(&b->records[i].signature);
	}
	mem_free(b->records);
	map_free(b->versions);
	map_free(b->names);
	mem_free(b->deletes);
	buf_fini(&b->head_body);
	buf_fini(&b->head_signature);
	mem_free(b);
}

/* Maps hold the index of a record, plus one. */
static void *
to_value(size_t index)
{
	return (void *)(uintptr_t)(index + 1);
}

static struct batch_record *
from_value(struct batch *b, void *value)
{
	return value != NULL ? &b->records[(uintptr_t)value - 1] : NULL;
}

static struct batch_record *
pending(struct batch *b, const struct id *id)
{
	return from_value(b, map_get(b->versions, id->bytes, ID_LEN));
}

struct name_key {
	uint8_t bytes[4 + LIMIT_NAME];
	size_t len;
};

static struct name_key
name_key(uint32_t kind, const char *name)
{
	struct name_key k;

	k.len = strlen(name);
	memcpy(k.bytes, &kind, 4);
	memcpy(k.bytes + 4, name, k.len);
	k.len += 4;
	return k;
}

static bool
holds_name(const struct record *r, uint32_t kind, const char *name)
{
	return !r->removed && r->kind == kind && strcmp(r->name, name) == 0;
}

/* Who has the name once everything that is in the batch so far is committed. */
static bool
name_is_taken(struct commit *c, struct batch *b, const struct draft *d)
{
	struct name_key key = name_key(d->kind, d->name);
	struct batch_record *in_batch = from_value(b, map_get(b->names, key.bytes, key.len));
	struct id holder;

	if (in_batch != NULL) {
		/* It may have been renamed by a later mutation. */
		struct batch_record *now = pending(b, &in_batch->record.id);

		if (holds_name(&now->record, d->kind, d->name))
			return !id_equal(&now->record.id, &d->id);
	}
	if (!c->params.lookup.by_name(c->params.lookup.arg, d->kind, d->name, &holder))
		return false;
	if (id_equal(&holder, &d->id))
		return false;
	in_batch = pending(b, &holder);
	return in_batch == NULL || holds_name(&in_batch->record, d->kind, d->name);
}

/* Once everything that is in the batch so far is committed; 0: never seen. */
static uint64_t
version_of(struct commit *c, struct batch *b, const struct id *id, bool *removed)
{
	struct batch_record *before = pending(b, id);

	*removed = before != NULL && before->record.removed;
	return before != NULL ? before->record.version
			      : c->params.lookup.version(c->params.lookup.arg, id, removed);
}

static int
check_expected(struct commit *c, struct batch *b, const struct mutation *m, struct err *err)
{
	for (size_t i = 0; i < m->expected_count; i++) {
		const struct expectation *e = &m->expected[i];
		char hex[ID_HEX_MAX];
		bool removed;

		if (version_of(c, b, &e->id, &removed) != e->version || removed)
			return err_set(err, ERR_CONFLICT,
			    "record %s, on which '%s' builds, has changed meanwhile",
			    id_hex(&e->id, hex), m->action);
	}
	return 0;
}

static int
check_draft(struct commit *c, struct batch *b, size_t first, const struct draft *d, struct err *err)
{
	struct batch_record *before = pending(b, &d->id);
	char hex[ID_HEX_MAX];
	bool removed;
	uint64_t version;

	id_hex(&d->id, hex);
	if (id_is_zero(&d->id) || d->kind == KIND_UNKNOWN)
		return err_set(err, ERR_INVALID, "a record without id or kind");
	if (before != NULL && before >= b->records + first)
		return err_set(
		    err, ERR_INVALID, "%s %s is twice in one mutation", kind_name(d->kind), hex);
	if (d->removed && (d->expect_version == 0 || d->public_part->len > 0 || d->sealed != NULL))
		return err_set(err, ERR_INVALID,
		    "%s %s: what is removed has a version before, and "
		    "no content",
		    kind_name(d->kind), hex);
	version = version_of(c, b, &d->id, &removed);
	if (version != d->expect_version)
		return err_set(err, ERR_CONFLICT,
		    "%s '%s' has changed meanwhile (version %llu, expected %llu)",
		    kind_name(d->kind), d->name, (unsigned long long)version,
		    (unsigned long long)d->expect_version);
	/*
	 * Whoever knows the tombstone's version may put a record in its place: the id of a
	 * membership follows from group and node, so that it comes back.
	 */
	if (removed && d->removed)
		return err_set(err, ERR_CONFLICT, "%s '%s' has been removed already",
		    kind_name(d->kind), d->name);
	if (!d->removed && d->name[0] != '\0' && name_is_taken(c, b, d))
		return err_set(
		    err, ERR_EXISTS, "there is a %s '%s' already", kind_name(d->kind), d->name);
	return 0;
}

static void
record_of(struct commit *c, const struct mutation *m, const struct draft *d, uint64_t seq,
    uint64_t first_seq, struct record *r)
{
	*r = (struct record){
	    .id = d->id,
	    .kind = d->kind,
	    .term = c->params.term,
	    .seq = seq,
	    .mutation = first_seq,
	    .version = d->expect_version + 1,
	    .committed_at_ms = runtime_wall_ms(c->params.runtime),
	    .removed = d->removed,
	    .public_part = buf_span(d->public_part),
	    .access_count = d->access_count,
	};
	if (d->sealed != NULL)
		r->sealed = buf_span(d->sealed);
	memcpy(r->access, d->access, d->access_count * sizeof(d->access[0]));
	snprintf(r->name, sizeof(r->name), "%s", d->name);
	snprintf(r->author, sizeof(r->author), "%s", m->author);
}

static int
add_draft(
    struct commit *c, struct batch *b, struct queued *q, const struct draft *d, struct err *err)
{
	struct batch_record *r;
	int rc = check_draft(c, b, q->first, d, err);

	if (rc < 0)
		return rc;
	if (b->count == b->cap) {
		b->cap = b->cap > 0 ? 2 * b->cap : 8;
		b->records = mem_grow(b->records, b->cap, sizeof(*b->records));
	}
	r = &b->records[b->count];
	*r = (struct batch_record){
	    .body = BUF_INIT(LIMIT_RECORD),
	    .signature = BUF_INIT(LIMIT_SIGNATURE),
	    .replaced_version = d->expect_version,
	};
	record_of(c, q->m, d, c->next_seq + b->count, c->next_seq + q->first, &r->record);
	rc = wire_record_encode(&r->record, &r->body, err);
	if (rc < 0) {
		buf_fini(&r->body);
		return rc;
	}
	hash_of(buf_span(&r->body), &r->hash);
	b->bytes += r->body.len;
	b->count++;
	return 0;
}

/* What the maps held before the mutation, so that a refused one leaves no trace. */
struct undo {
	void *version, *name;
};

static void
enter(struct batch *b, size_t index, struct undo *undo)
{
	const struct record *r = &b->records[index].record;
	struct name_key key = name_key(r->kind, r->name);

	undo->version = map_put(b->versions, r->id.bytes, ID_LEN, to_value(index));
	undo->name = map_put(b->names, key.bytes, key.len, to_value(index));
}

static void
restore(struct map *m, const void *key, size_t len, void *value)
{
	if (value != NULL)
		(void)map_put(m, key, len, value);
	else
		(void)map_del(m, key, len);
}

static void
take_back(struct batch *b, size_t first, const struct undo *undo)
{
	while (b->count > first) {
		struct batch_record *r = &b->records[--b->count];
		struct name_key key = name_key(r->record.kind, r->record.name);

		restore(b->versions, r->record.id.bytes, ID_LEN, undo[b->count - first].version);
		restore(b->names, key.bytes, key.len, undo[b->count - first].name);
		b->bytes -= r->body.len;
		buf_fini(&r->body);
		buf_fini(&r->signature);
	}
}

static int
add_mutation(struct commit *c, struct batch *b, struct queued *q, struct err *err)
{
	struct undo *undo = mem_array(q->m->count, sizeof(*undo));
	size_t bytes = b->bytes;
	int rc = check_expected(c, b, q->m, err);

	if (rc == 0 && q->m->check != NULL)
		rc = q->m->check(q->m->check_arg, q->m, err);
	q->first = b->count;
	for (size_t i = 0; rc == 0 && i < q->m->count; i++) {
		rc = add_draft(c, b, q, &q->m->drafts[i], err);
		if (rc == 0)
			enter(b, b->count - 1, &undo[i]);
	}
	if (rc == 0 && b->bytes - bytes > LIMIT_MUTATION_BYTES)
		rc = err_set(err, ERR_LIMIT, "'%s' is longer than %d bytes", q->m->action,
		    LIMIT_MUTATION_BYTES);
	/* It fits, but not with those before it: the next batch takes it. */
	if (rc == 0 && b->bytes > LIMIT_MUTATION_BYTES)
		rc = ERR_AGAIN;
	if (rc < 0)
		take_back(b, q->first, undo);
	q->count = b->count - q->first;
	mem_free(undo);
	return rc;
}

void
batch_fill(struct commit *c, struct batch *b, struct queue *refused)
{
	while (c->queue.head != NULL) {
		struct queued *q = c->queue.head;
		struct err err = {0};
		int rc;

		if (q->m->count == 0)
			rc = err_set(&err, ERR_INVALID, "a mutation without records");
		else if (q->m->count > LIMIT_MUTATION)
			rc = err_set(
			    &err, ERR_LIMIT, "a mutation of more than %d records", LIMIT_MUTATION);
		else if (b->count + q->m->count > LIMIT_SIGN_BATCH ||
		    (b->count > 0 && q->m->check != NULL))
			return;
		else
			rc = add_mutation(c, b, q, &err);
		if (rc == ERR_AGAIN)
			return;
		(void)queue_pop(&c->queue);
		q->status = rc;
		q->err = err;
		queue_push(rc == 0 ? &b->taken : refused, q);
	}
}

int
batch_finish(struct commit *c, struct batch *b, struct err *err)
{
	uint64_t last = b->count > 0 ? c->next_seq + b->count - 1 : c->reserve.last_seq;

	for (size_t i = 0; i < b->delete_count; i++)
		(void)digest_remove(c->digest, &b->deletes[i]);
	for (size_t i = 0; i < b->count; i++)
		digest_set(c->digest, &b->records[i].record.id, &b->records[i].hash);
	/* Used up whatever comes: nothing is signed twice. */
	c->next_seq += b->count;
	b->reserve.last_seq = last;
	head_fill(c, &b->head, last, b->reserve.floor);
	b->has_head = true;
	return wire_head_encode(&b->head, &b->head_body, err);
}

int
batch_request(struct commit *c, struct batch *b, struct err *err)
{
	struct span *bodies = mem_array(b->count, sizeof(*bodies));
	struct signer_request request = {.op = SIGNER_SIGN_HEAD};
	int rc;

	for (size_t i = 0; i < b->count; i++)
		bodies[i] = buf_span(&b->records[i].body);
	if (b->count > 0) {
		request.op = SIGNER_SIGN_BATCH;
		request.sign_batch.bodies = (struct spans){bodies, b->count};
		request.sign_batch.head = buf_span(&b->head_body);
	} else {
		request.sign_head.head = buf_span(&b->head_body);
	}
	buf_clear(&c->request);
	rc = wire_signer_request_encode(&request, &c->request, err);
	mem_free(bodies);
	return rc;
}

int
batch_take_signatures(struct batch *b, struct span done, struct err *err)
{
	enum signer_op op = b->count > 0 ? SIGNER_SIGN_BATCH : SIGNER_SIGN_HEAD;
	struct signer_done d = {0};
	int rc = wire_signer_done_decode(op, done, &d, err);

	if (rc == 0 && (d.signatures.count != b->count || d.head_signature.len == 0))
		rc = err_set(err, ERR_PROTO, "the signer gave %zu signatures for %zu records",
		    d.signatures.count, b->count);
	for (size_t i = 0; rc == 0 && i < b->count; i++) {
		buf_put_span(&b->records[i].signature, d.signatures.items[i]);
		rc = buf_error(&b->records[i].signature, "signature", err);
	}
	if (rc == 0) {
		buf_put_span(&b->head_signature, d.head_signature);
		rc = buf_error(&b->head_signature, "signature", err);
	}
	signer_done_fini(&d);
	return rc;
}

struct committed *
batch_committed(const struct batch *b)
{
	struct committed *records = mem_array(b->count, sizeof(*records));

	for (size_t i = 0; i < b->count; i++)
		records[i] = (struct committed){
		    .record = &b->records[i].record,
		    .signed_record = {buf_span(&b->records[i].body),
			buf_span(&b->records[i].signature)},
		    .replaced_version = b->records[i].replaced_version,
		};
	return records;
}

void
batch_note(struct commit *c, struct batch *b)
{
	const struct commit_beside *beside = &c->params.beside;
	struct committed *records;
	struct tidings *tidings = NULL;
	size_t count = 0;

	if (beside->note == NULL || b->count == 0)
		return;
	for (const struct queued *q = b->taken.head; q != NULL; q = q->next) {
		if (q->m->tidings_count == 0)
			continue;
		tidings = mem_grow(tidings, count + q->m->tidings_count, sizeof(*tidings));
		memcpy(tidings + count, q->m->tidings, q->m->tidings_count * sizeof(*tidings));
		count += q->m->tidings_count;
	}
	records = batch_committed(b);
	beside->note(beside->arg, records, b->count, tidings, count);
	mem_free(records);
	mem_free(tidings);
}

void
batch_settled(struct commit *c, const struct batch *b, int status)
{
	if (c->params.beside.settled != NULL && b->count > 0)
		c->params.beside.settled(c->params.beside.arg, status);
}

struct beside_call {
	struct commit *c;
	struct audit_entry *entries;
	size_t count;
};

static int
write_beside(struct store *s, void *arg, struct err *err)
{
	const struct beside_call *call = arg;
	struct commit *c = call->c;
	int rc = 0;

	if (c->params.audit != NULL && call->count > 0)
		rc = c->params.audit(
		    c->params.audit_arg, s, call->entries, call->count, &c->job_audit, err);
	if (rc == 0 && c->params.beside.write != NULL && call->count > 0)
		rc = c->params.beside.write(c->params.beside.arg, s, err);
	return rc;
}

static struct audit_entry *
audit_entries(const struct commit *c, const struct batch *b)
{
	struct audit_entry *entries = mem_array(b->taken.count, sizeof(*entries));
	struct audit_entry *e = entries;

	for (const struct queued *q = b->taken.head; q != NULL; q = q->next)
		*e++ = (struct audit_entry){
		    .at_ms = b->records[q->first].record.committed_at_ms,
		    .actor = q->m->author,
		    .action = q->m->action,
		    .object = q->m->object,
		    .term = c->params.term,
		    .seq = b->records[q->first + q->count - 1].record.seq,
		};
	return entries;
}

int
batch_store(struct commit *c, struct batch *b, struct err *err)
{
	struct stored_record *records = mem_array(b->count, sizeof(*records));
	AUTO(buf_freep)
	struct buf *row = buf_new(64);
	struct beside_call beside = {c, audit_entries(c, b), b->taken.count};
	struct store_meta meta = {.key = "commit"};
	struct store_change change = {
	    .records = records,
	    .record_count = b->count,
	    .deletes = b->deletes,
	    .delete_count = b->delete_count,
	    .metas = &meta,
	    .meta_count = 1,
	    .force_full = true,
	    .hook = write_beside,
	    .hook_arg = &beside,
	};
	int rc;

	for (size_t i = 0; i < b->count; i++) {
		const struct batch_record *r = &b->records[i];

		records[i] = (struct stored_record){
		    .id = r->record.id,
		    .kind = r->record.kind,
		    .name = r->record.name,
		    .at = record_position(&r->record),
		    .mutation = r->record.mutation,
		    .version = r->record.version,
		    .committed_at_ms = r->record.committed_at_ms,
		    .removed = r->record.removed,
		    .hash = r->hash,
		    .body = buf_span(&r->body),
		    .signature = buf_span(&r->signature),
		};
	}
	reserve_encode(&b->reserve, row);
	meta.value = buf_span(row);
	rc = store_apply(c->params.store, &change, err);
	mem_free(beside.entries);
	mem_free(records);
	return rc;
}
