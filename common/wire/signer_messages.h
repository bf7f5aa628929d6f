#ifndef COMMON_WIRE_SIGNER_MESSAGES_H
#define COMMON_WIRE_SIGNER_MESSAGES_H

/*
 * What main and signer say to each other (proto/signer.proto) as plain structs; the frame (4 bytes
 * of length) is the channel's. Spans of decoded messages are borrowed from the input, lists and
 * texts lie in memory that the message owns until its x_fini. Filled in by hand, memory stays NULL.
 * Decoding is strict as in record_wire.h: the signer does not trust main.
 */

#include "common/wire/link_messages.h"

enum signer_op {
	SIGNER_NOTHING,
	SIGNER_START,
	SIGNER_LEARN,
	SIGNER_SIGN_BATCH,
	SIGNER_SIGN_HEAD,
	SIGNER_ISSUE,
	SIGNER_MAKE_CA,
	SIGNER_RESEAL,
	SIGNER_ISSUE_IDENTITY,
	SIGNER_MAKE_GROUP,
	SIGNER_MAKE_MEMBERSHIP,
	SIGNER_SEAL,
	SIGNER_MAKE_REQUEST,
	SIGNER_TAKE_KEY,
	SIGNER_EXPORT,
	SIGNER_SIGN_CRL,
	SIGNER_RENEW_CA,
	SIGNER__COUNT,
};

const char *signer_op_name(enum signer_op op);

/* The record that a reply will become part of: seals are bound to it. */
struct record_ref {
	struct id id;
	uint64_t version;
};

/* With a new key: its EXPORT_KEY. Nothing is asked for while password is empty. */
struct signer_make_export {
	struct record_ref record;
	struct span password; /* sealed by the command */
	int64_t made_at;
};

struct signer_start {
	struct hash root_fingerprint;
	struct domain_id domain;
	struct id node;
	struct designation_list designations;
	struct span root_certificate;
};

struct signer_learn {
	struct signed_list records;
};

struct signer_sign_batch {
	struct spans bodies;
	struct span head; /* empty: none */
};

struct signer_sign_head {
	struct span head;
};

struct signer_issue {
	struct record_ref generation;
	struct id credential;
	uint64_t number;
	struct texts names;
	const char *key_type;
	int64_t not_before;
	int64_t not_after;
	struct signed_bytes ca;
	bool keep_key; /* key_of is given */
	struct signed_bytes key_of;
	struct ids access;
	int64_t activated_at_ms;
	struct texts subject;
	const char *profile;
	struct signer_make_export export;
};

struct signer_make_request {
	struct record_ref generation;
	struct id credential;
	uint64_t number;
	struct texts names;
	const char *key_type;
	struct texts subject;
	const char *profile;
	bool keep_key; /* key_of is given */
	struct signed_bytes key_of;
	struct signer_make_export export;
};

struct signer_take_key {
	struct record_ref generation;
	struct span public_part;
	struct id nonce;
	struct span key; /* sealed by the command */
	struct ids access;
	struct signer_make_export export;
};

struct signer_export {
	struct signed_bytes record;
	struct id nonce;
	struct span password; /* sealed by the command */
};

struct signer_make_ca {
	struct record_ref ca;
	const char *name;
	const char *key_type;
	int64_t not_before;
	int64_t not_after;
	bool is_default;
	bool has_parent; /* parent is given: that CA signs it */
	struct signed_bytes parent;
	bool has_predecessor; /* predecessor is given: the CA whose name it takes over */
	struct signed_bytes predecessor;
	const char *address; /* "": none */
};

struct signer_renew_ca {
	struct signed_bytes ca;
	struct record_ref to;
	int64_t not_before;
	int64_t not_after;
	bool has_parent;
	struct signed_bytes parent;
};

struct revoked_certificate {
	struct span serial; /* big endian, 1 to LIMIT_SERIAL bytes */
	int64_t revoked_at;
	uint32_t reason;
	int64_t not_after;
};

struct revoked_list {
	const struct revoked_certificate *items;
	size_t count;
};

struct signer_sign_crl {
	struct signed_bytes ca;
	bool has_earlier;
	struct signed_bytes earlier;
	struct revoked_list revoked;
	int64_t this_update;
	int64_t next_update;
};

struct signer_reseal {
	struct signed_bytes record;
	struct record_ref to;
	struct span public_part;
	struct ids access;
};

struct signer_issue_identity {
	struct span csr;
	struct id node;
	const char *name;
	struct texts addresses;
	int64_t not_before;
	int64_t not_after;
	struct span manager_certificate;
};

struct signer_make_group {
	struct record_ref group;
	bool new_key;
	bool has_current;
	struct signed_bytes current;
	bool built_in;
};

struct signer_make_membership {
	struct record_ref membership;
	struct id group;
	struct id node;
	bool has_group_record; /* else the two parts, fresh from make_group */
	struct signed_bytes group_record;
	struct span group_public;
	struct span group_sealed;
	uint64_t group_version;
	struct span node_public; /* of the first mutation; else empty: a node that was learnt */
};

struct signer_seal {
	struct record_ref record;
	uint32_t kind;
	struct span public_part;
	struct span payload;
	struct ids access;
};

struct signer_request {
	uint64_t id;
	enum signer_op op;
	union {
		struct signer_start start;
		struct signer_learn learn;
		struct signer_sign_batch sign_batch;
		struct signer_sign_head sign_head;
		struct signer_issue issue;
		struct signer_make_ca make_ca;
		struct signer_reseal reseal;
		struct signer_issue_identity issue_identity;
		struct signer_make_group make_group;
		struct signer_make_membership make_membership;
		struct signer_seal seal;
		struct signer_make_request make_request;
		struct signer_take_key take_key;
		struct signer_export export;
		struct signer_sign_crl sign_crl;
		struct signer_renew_ca renew_ca;
	};
	struct arena *memory;
};

/* ERR_LIMIT above LIMIT_SIGNER_FRAME. */
NODISCARD int wire_signer_request_encode(
    const struct signer_request *r, struct buf *out, struct err *err);
NODISCARD int wire_signer_request_decode(
    struct span in, struct signer_request *out, struct err *err);
void signer_request_fini(struct signer_request *r);

struct signer_reply {
	uint64_t id;
	int code;         /* 0: done; else a negative err_code */
	const char *text; /* of the error */
	struct span done; /* the op's own reply, see below */
	struct arena *memory;
};

NODISCARD int wire_signer_reply_encode(
    const struct signer_reply *r, struct buf *out, struct err *err);
NODISCARD int wire_signer_reply_decode(struct span in, struct signer_reply *out, struct err *err);
void signer_reply_fini(struct signer_reply *r);

/*
 * What is done, one struct for all ops; each uses the fields that its comment names, and the
 * others stay empty.
 */
struct signer_done {
	struct span sealing_key;    /* start */
	struct span manager_key;    /* start */
	uint32_t taken;             /* learn */
	struct spans signatures;    /* sign_batch */
	struct span head_signature; /* sign_batch, sign_head */
	struct span public_part;    /* issue, make_request, make_ca, make_group, sign_crl, ... */
	struct span sealed;         /* those, reseal, take_key, seal and export */
	struct span export_public;  /* issue, make_request, take_key: of its EXPORT_KEY, or empty */
	struct span export_sealed;
	struct span certificate; /* issue_identity */
	struct arena *memory;
};

NODISCARD int wire_signer_done_encode(
    enum signer_op op, const struct signer_done *d, struct buf *out, struct err *err);
NODISCARD int wire_signer_done_decode(
    enum signer_op op, struct span in, struct signer_done *out, struct err *err);
void signer_done_fini(struct signer_done *d);

#endif
