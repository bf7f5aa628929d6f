#ifndef COMMON_WIRE_UNPACK_H
#define COMMON_WIRE_UNPACK_H

/*
 * Reads protobuf messages by the descriptors that protoc wrote, in place of the library's own
 * unpack, which copies every byte string, takes memory by the sender's counts, merges fields that
 * come twice and loses what stands behind a NUL in a text. Here bytes are borrowed from the input;
 * texts and lists lie in the arena, whose budget is the limit. Strict: a known field has its own
 * wire type and comes once, numbers fit their type, texts are UTF-8 without NUL, groups are
 * refused. Unknown fields are passed over. Internal to common/wire.
 */

#include "common/base/arena.h"

#include <protobuf-c/protobuf-c.h>

/* Memory that decoding an input may take: lists of the smallest honest elements fit. */
#define UNPACK_BUDGET(input_len) (16 * 1024 + 16 * (input_len))

/* ERR_PARSE, ERR_LIMIT when the arena's budget is used up. */
NODISCARD int unpack(const ProtobufCMessageDescriptor *type, struct span in, struct arena *arena,
    void **out, struct err *err);

/* Appends the message; ERR_LIMIT when it has more than max bytes. */
NODISCARD int pack(const ProtobufCMessage *message, size_t max, struct buf *out, struct err *err);

#endif
