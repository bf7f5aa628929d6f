#ifndef COMMON_WIRE_RECORD_WIRE_H
#define COMMON_WIRE_RECORD_WIRE_H

/*
 * Records, heads, designations and root statements between bytes and common/model. This module is
 * the only user of protobuf. Decoding is strict: the whole input, sizes and counts within
 * limits.h before memory is taken, no field twice, text in UTF-8 without NUL; fields that are not
 * known are passed over. ERR_PARSE names the message and the field, ERR_LIMIT the maximum.
 * Spans of decoded values are borrowed from the input. Encoders append to a buf and fail only with
 * ERR_LIMIT. Pure functions, any thread.
 */

#include "common/model/public.h"

/* Record. Its body is what is signed, stored and hashed; it is encoded once and never again. */
NODISCARD int wire_record_encode(const struct record *r, struct buf *body, struct err *err);
NODISCARD int wire_record_decode(struct span body, struct record *out, struct err *err);

/* SignedRecord, SignedHead and SignedRootStatement have one form: body and signature. */
NODISCARD int wire_signed_encode(const struct signed_bytes *s, struct buf *out, struct err *err);
NODISCARD int wire_signed_decode(
    struct span bytes, size_t max_body, struct signed_bytes *out, struct err *err);
/* Bytes that one signed record takes in a Delta, its tag and length included. */
size_t wire_signed_size(const struct signed_bytes *s);

NODISCARD int wire_head_encode(const struct head *h, struct buf *body, struct err *err);
NODISCARD int wire_head_decode(struct span body, struct head *out, struct err *err);

NODISCARD int wire_designation_encode(
    const struct designation *d, struct buf *body, struct err *err);
NODISCARD int wire_designation_decode(struct span body, struct designation *out, struct err *err);
NODISCARD int wire_signed_designation_encode(
    const struct signed_designation *s, struct buf *out, struct err *err);
NODISCARD int wire_signed_designation_decode(
    struct span bytes, struct signed_designation *out, struct err *err);

NODISCARD int wire_root_statement_encode(
    const struct root_statement *s, struct buf *body, struct err *err);
NODISCARD int wire_root_statement_decode(
    struct span body, struct root_statement *out, struct err *err);

/*
 * Id of the MEMBERSHIP record of a node in a group: the first 16 bytes of
 * SHA-256("certherd/membership/v1\0", group id, node id), so that there is never a second one.
 */
struct id wire_membership_id(const struct id *group, const struct id *node);
/* Name of a DESIGNATION record: its term in 16 hexadecimal digits. */
#define DESIGNATION_NAME_MAX 17
const char *wire_designation_name(uint64_t term, char out[static DESIGNATION_NAME_MAX]);

#endif
