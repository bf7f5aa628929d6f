#include "common/wire/record_wire.h"

#include "common/crypto/sign.h"
#include "common/wire/fields.h"
#include "common/wire/public_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Tags and lengths around body and signature, and some room for fields to come. */
#define SIGNED_OVERHEAD 64

static void
record_rules(struct fields *f, const struct record *r)
{
	get_rule(f, !id_is_zero(&r->id), "the id is zero");
	get_rule(f, r->kind != KIND_UNKNOWN, "it has no kind");
	get_rule(f, term_epoch(r->term) > 0 && r->seq > 0, "it has no term or no seq");
	get_rule(f, r->version > 0, "it has no version");
	get_rule(f, r->mutation > 0 && r->mutation <= r->seq,
	    "its mutation does not begin at or before it");
	get_rule(f, !r->removed || (r->public_part.len == 0 && r->sealed.len == 0),
	    "it is removed, but not empty");
	for (size_t i = 1; i < r->access_count; i++)
		for (size_t k = 0; k < i; k++)
			get_rule(f, !id_equal(&r->access[i], &r->access[k]),
			    "an id stands twice in its access");
}

int
wire_record_decode(struct span body, struct record *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	Certherd__Record *m;
	struct record r;
	struct ids access;
	void *message;
	int rc = fields_open(
	    &f, &certherd__record__descriptor, body, LIMIT_RECORD, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	memset(&r, 0, sizeof(r));
	get_id(&f, "id", m->id, &r.id);
	r.kind = m->kind;
	r.term = m->term;
	r.seq = m->seq;
	r.mutation = m->mutation;
	r.version = m->version;
	r.committed_at_ms = m->committed_at_ms;
	r.removed = m->removed != 0;
	r.public_part = get_bytes(&f, "public_part", m->public_part, 0,
	    r.kind == KIND_CRL ? LIMIT_PUBLIC_CRL : LIMIT_PUBLIC);
	r.sealed = get_bytes(&f, "sealed", m->sealed, 0, LIMIT_SEALED);
	get_text(&f, "name", m->name, LIMIT_NAME);
	get_text(&f, "author", m->author, LIMIT_AUTHOR);
	access = get_ids(&f, "access", m->n_access, m->access, LIMIT_ACCESS);
	if (f.error < 0)
		return f.error;
	memcpy(r.name, m->name, strlen(m->name));
	memcpy(r.author, m->author, strlen(m->author));
	r.access_count = access.count;
	if (access.count > 0)
		memcpy(r.access, access.items, access.count * sizeof(*access.items));
	record_rules(&f, &r);
	if (f.error < 0)
		return f.error;
	*out = r;
	return 0;
}

int
wire_record_encode(const struct record *r, struct buf *body, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__Record m = CERTHERD__RECORD__INIT;
	struct record again;
	size_t start = body->len;
	int rc;

	m.id = put_id(&r->id);
	m.kind = r->kind;
	m.name = put_text(r->name);
	m.term = r->term;
	m.seq = r->seq;
	m.mutation = r->mutation;
	m.version = r->version;
	m.committed_at_ms = r->committed_at_ms;
	m.author = put_text(r->author);
	m.removed = r->removed;
	m.public_part = put_span(r->public_part);
	m.n_access = r->access_count;
	m.access = put_ids(arena, (struct ids){r->access, r->access_count});
	m.sealed = put_span(r->sealed);
	rc = pack(&m.base, LIMIT_RECORD, body, err);
	/* What is signed must be readable for everyone, so it is read here first. */
	if (rc == 0)
		rc = wire_record_decode(SPAN(body->data + start, body->len - start), &again, err);
	if (rc == 0 && !r->removed)
		rc = wire_public_check(r->kind, r->public_part, err);
	if (rc < 0)
		return err_wrap(err, "%s '%s'", kind_name(r->kind), r->name);
	return 0;
}

int
wire_signed_encode(const struct signed_bytes *s, struct buf *out, struct err *err)
{
	Certherd__SignedRecord m;

	put_signed(s, &m);
	return pack(&m.base, SIZE_MAX, out, err);
}

int
wire_signed_decode(struct span bytes, size_t max_body, struct signed_bytes *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct signed_bytes s;
	void *message;
	int rc = fields_open(&f, &certherd__signed_record__descriptor, bytes,
	    max_body + LIMIT_SIGNATURE + SIGNED_OVERHEAD, false, &message, err);

	if (rc < 0)
		return rc;
	s = get_signed(&f, "body", message, max_body);
	if (f.error < 0)
		return f.error;
	*out = s;
	return 0;
}

static size_t
field_size(size_t len)
{
	size_t n = 2;

	for (size_t rest = len; rest >= 0x80; rest >>= 7)
		n++;
	return n + len;
}

size_t
wire_signed_size(const struct signed_bytes *s)
{
	return field_size(field_size(s->body.len) + field_size(s->signature.len));
}

struct id
wire_membership_id(const struct id *group, const struct id *node)
{
	static const char prefix[] = "certherd/membership/v1"; /* its NUL is part of it */
	const struct span parts[] = {
	    SPAN_OF(prefix), SPAN(group->bytes, ID_LEN), SPAN(node->bytes, ID_LEN)};
	struct hash h;
	struct id id;

	hash_of_parts(parts, ARRAY_LEN(parts), &h);
	memcpy(id.bytes, h.bytes, ID_LEN);
	return id;
}

const char *
wire_designation_name(uint64_t term, char out[static DESIGNATION_NAME_MAX])
{
	snprintf(out, DESIGNATION_NAME_MAX, "%016" PRIx64, term);
	return out;
}
