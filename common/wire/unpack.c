#include "common/wire/unpack.h"

#include "common/base/utf8.h"

#include <string.h>

/* The deepest message of proto/ has three levels; unknown fields are not entered. */
#define DEPTH_MAX 6
/* Fields of the largest message, with room; a test walks all descriptors. */
#define FIELDS_MAX 32

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct element {
	uint32_t number;
	unsigned wire;
	uint64_t value;    /* of WIRE_VARINT */
	struct span bytes; /* of WIRE_BYTES */
};

struct reader {
	struct arena *arena;
	struct err *err;
};

/* Tags and lengths take this many bytes at the most, numbers twice as many. */
#define SHORT_VARINT 5

static bool
read_varint(struct cursor *c, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = cursor_u8(c);

		if (c->failed || (shift == 63 && b > 1))
			return false;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*out = v;
			return true;
		}
	}
	return false;
}

/* Longer forms of the same number would be read by some and refused by others. */
static bool
read_short(struct cursor *c, uint64_t *out)
{
	size_t before = c->rest.len;

	return read_varint(c, out) && before - c->rest.len <= SHORT_VARINT;
}

static bool
read_element(struct cursor *c, struct element *e)
{
	uint64_t tag, len;

	if (!read_short(c, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return false;
	e->number = (uint32_t)(tag >> 3);
	e->wire = (unsigned)(tag & 7);
	switch (e->wire) {
	case WIRE_VARINT:
		return read_varint(c, &e->value);
	case WIRE_64:
		e->bytes = cursor_bytes(c, 8);
		return !c->failed;
	case WIRE_32:
		e->bytes = cursor_bytes(c, 4);
		return !c->failed;
	case WIRE_BYTES:
		if (!read_short(c, &len) || len > c->rest.len)
			return false;
		e->bytes = cursor_bytes(c, (size_t)len);
		return !c->failed;
	default:
		return false;
	}
}

static bool
is_numeric(const ProtobufCFieldDescriptor *f)
{
	return f->type != PROTOBUF_C_TYPE_BYTES && f->type != PROTOBUF_C_TYPE_STRING &&
	    f->type != PROTOBUF_C_TYPE_MESSAGE;
}

static bool
is_repeated(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_REPEATED;
}

static size_t
element_size(const ProtobufCFieldDescriptor *f)
{
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return sizeof(ProtobufCBinaryData);
	if (f->type == PROTOBUF_C_TYPE_UINT64 || f->type == PROTOBUF_C_TYPE_INT64)
		return sizeof(uint64_t);
	return is_numeric(f) ? sizeof(uint32_t) : sizeof(void *);
}

static int
malformed(struct reader *r, const ProtobufCMessageDescriptor *type, const char *field)
{
	return err_set(r->err, ERR_PARSE, "%s%s%s is malformed", type->short_name,
	    field != NULL ? "." : "", field != NULL ? field : "");
}

static int
too_large(struct reader *r, const ProtobufCMessageDescriptor *type)
{
	return err_set(
	    r->err, ERR_LIMIT, "%s holds too many elements for its size", type->short_name);
}

/* Numbers of packed bytes, so that the list can be taken at once. */
static bool
count_packed(struct span s, size_t *count)
{
	struct cursor c = {s, false};
	uint64_t v;

	while (c.rest.len > 0) {
		if (!read_varint(&c, &v))
			return false;
		++*count;
	}
	return true;
}

/* The first pass: every element has the right form, and how many of each there are. */
static int
count_fields(struct reader *r, const ProtobufCMessageDescriptor *type, struct span in,
    size_t counts[static FIELDS_MAX])
{
	struct cursor c = {in, false};
	struct element e;

	CHECK(type->n_fields <= FIELDS_MAX);
	while (c.rest.len > 0) {
		const ProtobufCFieldDescriptor *f;
		size_t at;
		bool packed;

		if (!read_element(&c, &e))
			return malformed(r, type, NULL);
		f = protobuf_c_message_descriptor_get_field(type, e.number);
		if (f == NULL)
			continue;
		at = (size_t)(f - type->fields);
		packed = is_numeric(f) && is_repeated(f) && e.wire == WIRE_BYTES;
		if (!packed && e.wire != (is_numeric(f) ? WIRE_VARINT : WIRE_BYTES))
			return malformed(r, type, f->name);
		if (packed && !count_packed(e.bytes, &counts[at]))
			return malformed(r, type, f->name);
		if (!packed && ++counts[at] > 1 && !is_repeated(f))
			return malformed(r, type, f->name);
	}
	return 0;
}

/* Stores a number; false when it does not fit the field's type. */
static bool
put_number(const ProtobufCFieldDescriptor *f, uint64_t v, void *to)
{
	uint32_t v32 = (uint32_t)v;
	protobuf_c_boolean flag = v != 0;

	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		memcpy(to, &v, sizeof(v));
		return true;
	case PROTOBUF_C_TYPE_UINT32:
		memcpy(to, &v32, sizeof(v32));
		return v <= UINT32_MAX;
	case PROTOBUF_C_TYPE_ENUM:
		memcpy(to, &v32, sizeof(v32));
		return v <= INT32_MAX;
	case PROTOBUF_C_TYPE_BOOL:
		memcpy(to, &flag, sizeof(flag));
		return v <= 1;
	default:
		return false;
	}
}

static int unpack_message(struct reader *r, const ProtobufCMessageDescriptor *type, struct span in,
    unsigned depth, void **out);

static int
put_value(struct reader *r, const ProtobufCMessageDescriptor *type,
    const ProtobufCFieldDescriptor *f, const struct element *e, unsigned depth, void *to)
{
	if (f->type == PROTOBUF_C_TYPE_BYTES) {
		/* The generated struct is not const; nobody writes through it. */
		ProtobufCBinaryData data = {e->bytes.len, (uint8_t *)(uintptr_t)e->bytes.data};

		memcpy(to, &data, sizeof(data));
		return 0;
	}
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		char *text;

		if (!utf8_is_text(e->bytes))
			return err_set(r->err, ERR_PARSE, "%s.%s is no UTF-8 text without NUL",
			    type->short_name, f->name);
		text = arena_text(r->arena, e->bytes);
		memcpy(to, &text, sizeof(text));
		return text != NULL ? 0 : too_large(r, type);
	}
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		void *message;
		int rc = unpack_message(r, f->descriptor, e->bytes, depth + 1, &message);

		if (rc < 0)
			return rc;
		memcpy(to, &message, sizeof(message));
		return 0;
	}
	return put_number(f, e->value, to) ? 0 : malformed(r, type, f->name);
}

/* Lists are filled from the front; their counts in the message say how far. */
static int
put_repeated(struct reader *r, const ProtobufCMessageDescriptor *type,
    const ProtobufCFieldDescriptor *f, struct element *e, unsigned depth, uint8_t *message)
{
	struct cursor c = {e->bytes, false};
	bool packed = is_numeric(f) && e->wire == WIRE_BYTES;
	uint8_t *list;
	size_t n;

	memcpy(&n, message + f->quantifier_offset, sizeof(n));
	memcpy(&list, message + f->offset, sizeof(list));
	while (!packed || c.rest.len > 0) {
		int rc;

		if (packed && !read_varint(&c, &e->value))
			return malformed(r, type, f->name);
		rc = put_value(r, type, f, e, depth, list + n * element_size(f));
		if (rc < 0)
			return rc;
		n++;
		if (!packed)
			break;
	}
	memcpy(message + f->quantifier_offset, &n, sizeof(n));
	return 0;
}

static int
put_single(struct reader *r, const ProtobufCMessageDescriptor *type,
    const ProtobufCFieldDescriptor *f, const struct element *e, unsigned depth, uint8_t *message)
{
	int chosen;

	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
		memcpy(&chosen, message + f->quantifier_offset, sizeof(chosen));
		if (chosen != 0)
			return malformed(r, type, f->name);
		chosen = (int)f->id;
		memcpy(message + f->quantifier_offset, &chosen, sizeof(chosen));
	}
	return put_value(r, type, f, e, depth, message + f->offset);
}

static int
take_lists(struct reader *r, const ProtobufCMessageDescriptor *type,
    const size_t counts[static FIELDS_MAX], uint8_t *message)
{
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &type->fields[i];
		void *list;

		if (!is_repeated(f) || counts[i] == 0)
			continue;
		list = arena_array(r->arena, counts[i], element_size(f));
		if (list == NULL)
			return too_large(r, type);
		memcpy(message + f->offset, &list, sizeof(list));
	}
	return 0;
}

static int
unpack_message(struct reader *r, const ProtobufCMessageDescriptor *type, struct span in,
    unsigned depth, void **out)
{
	size_t counts[FIELDS_MAX] = {0};
	struct cursor c = {in, false};
	struct element e;
	uint8_t *message;
	int rc;

	if (depth > DEPTH_MAX)
		return malformed(r, type, NULL);
	rc = count_fields(r, type, in, counts);
	if (rc < 0)
		return rc;
	message = arena_array(r->arena, 1, type->sizeof_message);
	if (message == NULL)
		return too_large(r, type);
	type->message_init((ProtobufCMessage *)(void *)message);
	rc = take_lists(r, type, counts, message);
	if (rc < 0)
		return rc;
	while (c.rest.len > 0) {
		const ProtobufCFieldDescriptor *f;

		CHECK(read_element(&c, &e)); /* the first pass has read it */
		f = protobuf_c_message_descriptor_get_field(type, e.number);
		if (f == NULL)
			continue;
		if (is_repeated(f))
			rc = put_repeated(r, type, f, &e, depth, message);
		else
			rc = put_single(r, type, f, &e, depth, message);
		if (rc < 0)
			return rc;
	}
	*out = message;
	return 0;
}

int
unpack(const ProtobufCMessageDescriptor *type, struct span in, struct arena *arena, void **out,
    struct err *err)
{
	struct reader r = {arena, err};

	return unpack_message(&r, type, in, 0, out);
}

int
pack(const ProtobufCMessage *message, size_t max, struct buf *out, struct err *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *room;

	if (size > max)
		return err_set(err, ERR_LIMIT, "%s has %zu bytes, at most %zu are allowed",
		    message->descriptor->short_name, size, max);
	room = buf_reserve(out, size);
	if (room == NULL)
		return buf_error(out, message->descriptor->short_name, err);
	buf_advance(out, protobuf_c_message_pack(message, room));
	return 0;
}
