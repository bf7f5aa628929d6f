#ifndef COMMON_WIRE_LINK_MESSAGES_H
#define COMMON_WIRE_LINK_MESSAGES_H

/*
 * Messages of the link (docs/protocol/link.md) as plain structs. Spans of decoded messages are
 * borrowed from the input; lists and texts lie in memory that the message owns until its x_fini.
 * When a message is filled in by hand to be encoded, memory stays NULL and all is borrowed.
 * Decoding is strict as in record_wire.h.
 */

#include "common/crypto/secret.h"
#include "common/model/public.h"

#define LINK_PROTOCOL 1

struct signed_list {
	const struct signed_bytes *items;
	size_t count;
};

struct designation_list {
	const struct signed_designation *items;
	size_t count;
};

/* What a node serves for a credential, or why not. */
struct receipt {
	struct id credential;
	bool has_generation; /* false: it serves nothing for it */
	struct id generation;
	bool has_fingerprint;
	struct hash fingerprint;
	const char *error; /* "" when the newest is served */
	int64_t since_ms;
};

struct receipt_list {
	const struct receipt *items;
	size_t count;
};

struct have {
	uint64_t term, seq, beat;
};

struct pull {
	struct domain_id domain;
	struct have have;
	struct position cursor;
	bool has_digest; /* false before the first state */
	struct hash digest;
	struct designation_list designations;
	uint32_t wait_ms;
	uint32_t max_bytes;
	struct receipt_list receipts;
	bool receipts_complete, receipts_more;
	struct signed_list offers;
	uint64_t have_audit;
	const char *software;
};

struct identity_request {
	struct span csr;
	struct span sealing_key; /* empty: unchanged */
	struct span sealing_proof;
	struct texts addresses;
	struct span next_term_key;
};

enum request_ask {
	ASK_NOTHING, /* something newer than this program: answer with a refusal */
	ASK_PULL,
	ASK_IDENTITY,
	ASK_BUCKETS, /* reserved: known by number only */
};

struct request {
	uint32_t protocol;
	enum request_ask ask;
	struct pull pull;
	struct identity_request identity;
	struct arena *memory;
};

struct delta {
	struct designation_list designations;
	struct signed_list records;
	bool has_head;
	struct signed_bytes head;
	bool more;
	bool want_receipts;
	bool has_want_offers;
	struct position want_offers_since;
	struct spans audit;
};

struct identity_reply {
	struct span certificate;
	struct spans chain;
};

struct refusal {
	int code; /* negative err_code; ERR_UNAVAIL when the name is not known here */
	const char *text;
	struct designation_list proof;
};

enum reply_answer {
	ANSWER_NOTHING,
	ANSWER_DELTA,
	ANSWER_IDENTITY,
	ANSWER_BUCKETS, /* reserved */
	ANSWER_REFUSAL,
};

struct reply {
	enum reply_answer answer;
	struct delta delta;
	struct identity_reply identity;
	struct refusal refusal;
	struct arena *memory;
};

/* ERR_LIMIT above LIMIT_REQUEST and LIMIT_DELTA. */
NODISCARD int wire_request_encode(const struct request *r, struct buf *out, struct err *err);
NODISCARD int wire_request_decode(struct span in, struct request *out, struct err *err);
void request_fini(struct request *r);

NODISCARD int wire_reply_encode(const struct reply *r, struct buf *out, struct err *err);
NODISCARD int wire_reply_decode(struct span in, struct reply *out, struct err *err);
void reply_fini(struct reply *r);

/* --- join tokens --------------------------------------------------------------------------- */

#define JOIN_TOKEN_ID_LEN 16
#define JOIN_TOKEN_SECRET_LEN 16
#define JOIN_TOKEN_PREFIX "certherd-join-1."
#define LIMIT_JOIN_TOKEN 4096 /* as text */
#define LIMIT_ENDPOINTS 16

/* Owned by the caller: token and texts in memory, the secret apart from them. */
struct join_token {
	uint8_t token_id[JOIN_TOKEN_ID_LEN];
	struct secret *secret;
	struct hash root_fingerprint;
	struct domain_id domain;
	struct texts endpoints;
	uint64_t term;
	const char *name;
	int64_t expires_at;
	struct arena *memory;
};

/* The text that an administrator carries: prefix and base64url. */
NODISCARD int join_token_format(const struct join_token *t, struct secret **text, struct err *err);
/* Blanks and line ends around it are dropped. ERR_PARSE says what is wrong without repeating it. */
NODISCARD int join_token_parse(const struct secret *text, struct join_token *out, struct err *err);
void join_token_fini(struct join_token *t);

#endif
