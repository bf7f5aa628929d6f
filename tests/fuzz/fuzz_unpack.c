/*
 * Our reader against protobuf-c's: the first byte chooses a message, and what ours accepts,
 * protobuf-c must read as the same message. Theirs accepts more (fields that come twice, NULs in
 * texts, numbers cut to their type); nothing that we read may be read otherwise by others.
 */

#include "common/base/limits.h"
#include "common/wire/unpack.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const ProtobufCMessageDescriptor certherd__record__descriptor;
extern const ProtobufCMessageDescriptor certherd__head__descriptor;
extern const ProtobufCMessageDescriptor certherd__designation__descriptor;
extern const ProtobufCMessageDescriptor certherd__credential_public__descriptor;
extern const ProtobufCMessageDescriptor certherd__generation_public__descriptor;
extern const ProtobufCMessageDescriptor certherd__node_public__descriptor;
extern const ProtobufCMessageDescriptor certherd__request__descriptor;
extern const ProtobufCMessageDescriptor certherd__export_key_public__descriptor;
extern const ProtobufCMessageDescriptor certherd__sealed_password__descriptor;
extern const ProtobufCMessageDescriptor certherd__reply__descriptor;

static const ProtobufCMessageDescriptor *const types[] = {
    &certherd__record__descriptor,
    &certherd__head__descriptor,
    &certherd__designation__descriptor,
    &certherd__credential_public__descriptor,
    &certherd__generation_public__descriptor,
    &certherd__node_public__descriptor,
    &certherd__request__descriptor,
    &certherd__reply__descriptor,
    &certherd__export_key_public__descriptor,
    &certherd__sealed_password__descriptor,
};

static bool has_unknown(const ProtobufCMessage *m);

/* Of one field that holds messages. */
static bool
field_has_unknown(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const uint8_t *base = (const uint8_t *)m, *at = base + f->offset;
	ProtobufCMessage **list, *one;
	int chosen = (int)f->id;
	size_t n;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		memcpy(&n, base + f->quantifier_offset, sizeof(n));
		memcpy(&list, at, sizeof(list));
		while (n > 0)
			if (has_unknown(list[--n]))
				return true;
		return false;
	}
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
		memcpy(&chosen, base + f->quantifier_offset, sizeof(chosen));
	memcpy(&one, at, sizeof(one));
	return chosen == (int)f->id && one != NULL && has_unknown(one);
}

/* protobuf-c keeps unknown fields and writes them again, ours drops them. */
static bool
has_unknown(const ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		if (m->descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
		    field_has_unknown(m, &m->descriptor->fields[i]))
			return true;
	return m->n_unknown_fields > 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(UNPACK_BUDGET(size));
	AUTO(buf_freep)
	struct buf *mine = buf_new(4 * LIMIT_DELTA);
	AUTO(buf_freep)
	struct buf *theirs = buf_new(4 * LIMIT_DELTA);
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *other;
	struct err err;
	void *m;

	if (size == 0 || size > 65536)
		return 0;
	type = types[data[0] % ARRAY_LEN(types)];
	if (unpack(type, SPAN(data + 1, size - 1), arena, &m, &err) < 0)
		return 0;
	other = protobuf_c_message_unpack(type, NULL, size - 1, data + 1);
	CHECK(other != NULL);
	if (!has_unknown(other)) {
		CHECK(pack(m, SIZE_MAX, mine, &err) == 0);
		CHECK(pack(other, SIZE_MAX, theirs, &err) == 0);
		CHECK(span_equal(buf_span(mine), buf_span(theirs)));
	}
	protobuf_c_message_free_unpacked(other, NULL);
	return 0;
}
