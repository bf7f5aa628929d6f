#include "common/wire/fields.h"

#include <string.h>

int
fields_open(struct fields *f, const ProtobufCMessageDescriptor *type, struct span in, size_t max,
    bool copy, void **out, struct err *err)
{
	*f = (struct fields){NULL, type->short_name, 0, err};
	if (in.len > max)
		return err_set(err, ERR_LIMIT, "%s has %zu bytes, at most %zu are allowed",
		    type->short_name, in.len, max);
	f->arena = arena_new(UNPACK_BUDGET(in.len));
	if (copy && in.len > 0) {
		in = arena_span(f->arena, in);
		if (in.data == NULL)
			return err_set(err, ERR_NOMEM, "%s: no memory", type->short_name);
	}
	return unpack(type, in, f->arena, out, err);
}

void
fields_fini(struct fields *f)
{
	arena_free(f->arena);
	f->arena = NULL;
}

static void
fail(struct fields *f, enum err_code code, const char *field, const char *text)
{
	if (f->error == 0)
		f->error = err_set(f->err, code, "%s.%s %s", f->message, field, text);
}

static void
check_fixed(struct fields *f, const char *field, ProtobufCBinaryData in, void *out, size_t len)
{
	if (in.len == len)
		memcpy(out, in.data, len);
	else if (f->error == 0)
		f->error = err_set(f->err, ERR_PARSE, "%s.%s has %zu bytes instead of %zu",
		    f->message, field, in.len, len);
}

static bool
check_max(struct fields *f, const char *field, size_t found, size_t max, const char *what)
{
	if (found <= max)
		return true;
	if (f->error == 0)
		f->error = err_set(f->err, ERR_LIMIT, "%s.%s has %zu %s, at most %zu are allowed",
		    f->message, field, found, what, max);
	return false;
}

/* The list of a decoded message, or NULL with the error set. */
static void *
list_new(struct fields *f, const char *field, size_t count, size_t max_count, size_t size)
{
	void *list;

	if (count == 0 || !check_max(f, field, count, max_count, "elements"))
		return NULL;
	list = arena_array(f->arena, count, size);
	if (list == NULL)
		fail(f, ERR_LIMIT, field, "holds too many elements for its size");
	return list;
}

void
get_id(struct fields *f, const char *field, ProtobufCBinaryData in, struct id *out)
{
	check_fixed(f, field, in, out->bytes, ID_LEN);
}

bool
opt_id(struct fields *f, const char *field, ProtobufCBinaryData in, struct id *out)
{
	if (in.len == 0)
		return false;
	get_id(f, field, in, out);
	return true;
}

void
get_hash(struct fields *f, const char *field, ProtobufCBinaryData in, struct hash *out)
{
	check_fixed(f, field, in, out->bytes, HASH_LEN);
}

bool
opt_hash(struct fields *f, const char *field, ProtobufCBinaryData in, struct hash *out)
{
	if (in.len == 0)
		return false;
	get_hash(f, field, in, out);
	return true;
}

void
get_domain(struct fields *f, const char *field, ProtobufCBinaryData in, struct domain_id *out)
{
	check_fixed(f, field, in, out->bytes, HASH_LEN);
}

struct span
get_bytes(struct fields *f, const char *field, ProtobufCBinaryData in, size_t min, size_t max)
{
	if (in.len < min)
		fail(f, ERR_PARSE, field, "is missing or too short");
	check_max(f, field, in.len, max, "bytes");
	return SPAN(in.data, in.len);
}

const char *
get_text(struct fields *f, const char *field, const char *in, size_t max)
{
	check_max(f, field, strlen(in), max, "characters");
	return in;
}

struct texts
get_texts(
    struct fields *f, const char *field, size_t count, char **in, size_t max_count, size_t max)
{
	if (!check_max(f, field, count, max_count, "elements"))
		return (struct texts){NULL, 0};
	for (size_t i = 0; i < count; i++)
		check_max(f, field, strlen(in[i]), max, "characters");
	return (struct texts){(const char *const *)in, count};
}

struct spans
get_spans(struct fields *f, const char *field, size_t count, const ProtobufCBinaryData *in,
    size_t max_count, size_t max)
{
	struct span *list = list_new(f, field, count, max_count, sizeof(*list));

	if (list == NULL)
		return (struct spans){NULL, 0};
	for (size_t i = 0; i < count; i++)
		list[i] = get_bytes(f, field, in[i], 1, max);
	return (struct spans){list, count};
}

struct ids
get_ids(struct fields *f, const char *field, size_t count, const ProtobufCBinaryData *in,
    size_t max_count)
{
	struct id *list = list_new(f, field, count, max_count, sizeof(*list));

	if (list == NULL)
		return (struct ids){NULL, 0};
	for (size_t i = 0; i < count; i++)
		get_id(f, field, in[i], &list[i]);
	return (struct ids){list, count};
}

struct position
get_position(const Certherd__Position *in)
{
	if (in == NULL)
		return (struct position){0, 0};
	return (struct position){in->term, in->seq};
}

struct signed_bytes
get_signed(struct fields *f, const char *field, const Certherd__SignedRecord *in, size_t max_body)
{
	struct signed_bytes out = {{NULL, 0}, {NULL, 0}};

	if (in == NULL) {
		fail(f, ERR_PARSE, field, "is missing");
		return out;
	}
	out.body = get_bytes(f, field, in->body, 1, max_body);
	out.signature = get_bytes(f, field, in->signature, 1, LIMIT_SIGNATURE);
	return out;
}

struct signed_list
get_signed_list(struct fields *f, const char *field, size_t count, Certherd__SignedRecord **in)
{
	/* What bounds a list of records is the size of its message. */
	struct signed_bytes *list = list_new(f, field, count, SIZE_MAX, sizeof(*list));

	if (list == NULL)
		return (struct signed_list){NULL, 0};
	for (size_t i = 0; i < count; i++)
		list[i] = get_signed(f, field, in[i], LIMIT_RECORD);
	return (struct signed_list){list, count};
}

struct signed_designation
get_designation(struct fields *f, const Certherd__SignedDesignation *in)
{
	struct signed_designation out = {{NULL, 0}, {NULL, 0}, 0};

	if (in == NULL) {
		fail(f, ERR_PARSE, "designation", "is missing");
		return out;
	}
	out.body = get_bytes(f, "designation", in->body, 1, LIMIT_DESIGNATION);
	out.signature = get_bytes(f, "designation", in->signature, 1, LIMIT_SIGNATURE);
	out.signer = (uint32_t)in->signer;
	return out;
}

struct designation_list
get_designations(struct fields *f, size_t count, Certherd__SignedDesignation **in)
{
	struct signed_designation *list =
	    list_new(f, "designations", count, LIMIT_DESIGNATIONS, sizeof(*list));

	if (list == NULL)
		return (struct designation_list){NULL, 0};
	for (size_t i = 0; i < count; i++)
		list[i] = get_designation(f, in[i]);
	return (struct designation_list){list, count};
}

void
get_rule(struct fields *f, bool cond, const char *text)
{
	if (!cond && f->error == 0)
		f->error = err_set(f->err, ERR_PARSE, "%s: %s", f->message, text);
}

ProtobufCBinaryData
put_span(struct span s)
{
	return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.data};
}

ProtobufCBinaryData
put_id(const struct id *id)
{
	return put_span(SPAN(id->bytes, ID_LEN));
}

ProtobufCBinaryData
put_opt_id(bool has, const struct id *id)
{
	return has ? put_id(id) : put_span(SPAN(NULL, 0));
}

ProtobufCBinaryData
put_hash(const struct hash *h)
{
	return put_span(SPAN(h->bytes, HASH_LEN));
}

ProtobufCBinaryData
put_opt_hash(bool has, const struct hash *h)
{
	return has ? put_hash(h) : put_span(SPAN(NULL, 0));
}

ProtobufCBinaryData
put_domain(const struct domain_id *d)
{
	return put_span(SPAN(d->bytes, HASH_LEN));
}

char *
put_text(const char *s)
{
	/* The generated structs are not const; packing only reads. */
	return (char *)(uintptr_t)(s != NULL ? s : "");
}

char **
put_texts(struct texts t)
{
	return (char **)(uintptr_t)t.items;
}

/* Lists of our own messages: only one beyond all bounds meets the budget, and that is a bug. */
static void *
list_of(struct arena *a, size_t count, size_t size)
{
	void *list = count > 0 ? arena_array(a, count, size) : NULL;

	CHECK(count == 0 || list != NULL);
	return list;
}

ProtobufCBinaryData *
put_spans(struct arena *a, struct spans s)
{
	ProtobufCBinaryData *list = list_of(a, s.count, sizeof(*list));

	for (size_t i = 0; i < s.count; i++)
		list[i] = put_span(s.items[i]);
	return list;
}

ProtobufCBinaryData *
put_ids(struct arena *a, struct ids ids)
{
	ProtobufCBinaryData *list = list_of(a, ids.count, sizeof(*list));

	for (size_t i = 0; i < ids.count; i++)
		list[i] = put_id(&ids.items[i]);
	return list;
}

void
put_position(struct position p, Certherd__Position *out)
{
	certherd__position__init(out);
	out->term = p.term;
	out->seq = p.seq;
}

void
put_signed(const struct signed_bytes *s, Certherd__SignedRecord *out)
{
	certherd__signed_record__init(out);
	out->body = put_span(s->body);
	out->signature = put_span(s->signature);
}

void
put_designation(const struct signed_designation *s, Certherd__SignedDesignation *out)
{
	certherd__signed_designation__init(out);
	out->body = put_span(s->body);
	out->signature = put_span(s->signature);
	out->signer = (Certherd__SignedDesignation__Signer)s->signer;
}

Certherd__SignedRecord **
put_signed_list(struct arena *a, struct signed_list l)
{
	Certherd__SignedRecord *items = list_of(a, l.count, sizeof(*items));
	Certherd__SignedRecord **list = list_of(a, l.count, sizeof(Certherd__SignedRecord *));

	for (size_t i = 0; i < l.count; i++) {
		put_signed(&l.items[i], &items[i]);
		list[i] = &items[i];
	}
	return list;
}

Certherd__SignedDesignation **
put_designations(struct arena *a, struct designation_list l)
{
	Certherd__SignedDesignation *items = list_of(a, l.count, sizeof(*items));
	Certherd__SignedDesignation **list =
	    list_of(a, l.count, sizeof(Certherd__SignedDesignation *));

	for (size_t i = 0; i < l.count; i++) {
		put_designation(&l.items[i], &items[i]);
		list[i] = &items[i];
	}
	return list;
}
