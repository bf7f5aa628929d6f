#ifndef COMMON_WIRE_FIELDS_H
#define COMMON_WIRE_FIELDS_H

/*
 * Between protobuf's field types and the model's, one function each way. Readers keep a sticky
 * error that names message and field: a decoder reads all fields and looks once at the end. The
 * writer takes the lists that protobuf wants from an arena of its own. Internal to common/wire.
 */

#include "common/wire/link_messages.h"
#include "common/wire/unpack.h"

#include "record.pb-c.h"

struct fields {
	struct arena *arena;
	const char *message; /* for texts */
	int error;
	struct err *err;
};

/*
 * Begins a decode: the message at *out lies in an arena of f, which fields_fini frees unless it
 * was taken (MOVE). copy: bytes are borrowed from a copy in the arena instead of from the input.
 */
NODISCARD int fields_open(struct fields *f, const ProtobufCMessageDescriptor *type, struct span in,
    size_t max, bool copy, void **out, struct err *err);
void fields_fini(struct fields *f);

/* Reading. An id, hash or domain id must be there and exactly as long; opt_: or empty. */
void get_id(struct fields *f, const char *field, ProtobufCBinaryData in, struct id *out);
bool opt_id(struct fields *f, const char *field, ProtobufCBinaryData in, struct id *out);
void get_hash(struct fields *f, const char *field, ProtobufCBinaryData in, struct hash *out);
bool opt_hash(struct fields *f, const char *field, ProtobufCBinaryData in, struct hash *out);
void get_domain(struct fields *f, const char *field, ProtobufCBinaryData in, struct domain_id *out);
struct span get_bytes(
    struct fields *f, const char *field, ProtobufCBinaryData in, size_t min, size_t max);
const char *get_text(struct fields *f, const char *field, const char *in, size_t max);
struct texts get_texts(
    struct fields *f, const char *field, size_t count, char **in, size_t max_count, size_t max);
struct spans get_spans(struct fields *f, const char *field, size_t count,
    const ProtobufCBinaryData *in, size_t max_count, size_t max);
struct ids get_ids(struct fields *f, const char *field, size_t count, const ProtobufCBinaryData *in,
    size_t max_count);
struct position get_position(const Certherd__Position *in);
/* Body at most max bytes, a signature of a possible length. */
struct signed_bytes get_signed(
    struct fields *f, const char *field, const Certherd__SignedRecord *in, size_t max_body);
struct signed_list get_signed_list(
    struct fields *f, const char *field, size_t count, Certherd__SignedRecord **in);
struct signed_designation get_designation(struct fields *f, const Certherd__SignedDesignation *in);
struct designation_list get_designations(
    struct fields *f, size_t count, Certherd__SignedDesignation **in);

/* For rules that the types do not say: sets the error when cond is false. */
void get_rule(struct fields *f, bool cond, const char *text);

/* Writing: borrowed, never copied; lists of structs come from the arena. */
ProtobufCBinaryData put_span(struct span s);
ProtobufCBinaryData put_id(const struct id *id);
ProtobufCBinaryData put_opt_id(bool has, const struct id *id);
ProtobufCBinaryData put_hash(const struct hash *h);
ProtobufCBinaryData put_opt_hash(bool has, const struct hash *h);
ProtobufCBinaryData put_domain(const struct domain_id *d);
char *put_text(const char *s);
char **put_texts(struct texts t);
ProtobufCBinaryData *put_spans(struct arena *a, struct spans s);
ProtobufCBinaryData *put_ids(struct arena *a, struct ids ids);
void put_position(struct position p, Certherd__Position *out);
void put_signed(const struct signed_bytes *s, Certherd__SignedRecord *out);
void put_designation(const struct signed_designation *s, Certherd__SignedDesignation *out);
Certherd__SignedRecord **put_signed_list(struct arena *a, struct signed_list l);
Certherd__SignedDesignation **put_designations(struct arena *a, struct designation_list l);

/* Arena for encoding: its inputs are ours, so only a count that is out of all bounds meets it. */
#define PACK_BUDGET (64U * 1024 * 1024)

#endif
