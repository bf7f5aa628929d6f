#ifndef COMMON_MODEL_RECORD_H
#define COMMON_MODEL_RECORD_H

/*
 * Records, heads and designations as plain values: what common/wire decodes and encodes, and all
 * other modules speak about. Spans are borrowed from whatever the value was made of (the signed
 * body, as a rule) unless the comment says otherwise; everything else lies in the value itself, so
 * a struct record can be copied by assignment as long as its body lives. record_dup makes one that
 * stands alone. Pure values, no thread rules.
 */

#include "common/base/id.h"
#include "common/base/limits.h"

/* Numbers as in proto/record.proto. Kinds that are not known here are kept and passed on. */
enum record_kind {
	KIND_UNKNOWN = 0,
	KIND_ROOT = 1,
	KIND_DESIGNATION = 2,
	KIND_NODE = 3,
	KIND_GROUP = 4,
	KIND_MEMBERSHIP = 5,
	KIND_CREDENTIAL = 6,
	KIND_GENERATION = 7,
	KIND_EXPORT_KEY = 8,
	KIND_TRUSTED_ROOT = 9,
	KIND_CHALLENGE = 10,
	KIND_CA = 11,
	KIND_CRL = 12,
	KIND_ACME_ACCOUNT = 13,
	KIND_ORDER = 14,
	KIND_DNS_PROVIDER = 15,
	KIND_CONNECTOR = 16,
	KIND_TLS_POLICY = 17,
	KIND_TICKET_KEY = 18,
	KIND_PRINCIPAL = 19,
	KIND_SETTING = 20,
	KIND__COUNT,
};

/* "credential"; "unknown" for numbers that are not known here. */
const char *kind_name(uint32_t kind);

struct record {
	struct id id;
	uint32_t kind; /* any number but 0 */
	uint64_t term;
	uint64_t seq;
	uint64_t mutation;
	uint64_t version;
	int64_t committed_at_ms;
	bool removed; /* then public_part and sealed are empty */
	struct span public_part;
	struct span sealed;
	size_t access_count;
	struct id access[LIMIT_ACCESS];
	char name[LIMIT_NAME + 1];
	char author[LIMIT_AUTHOR + 1];
};

/* A copy whose spans lie behind it in the same memory. */
struct record *record_dup(const struct record *r);
void record_free(struct record *r);
DEFINE_FREEP(struct record, record_free)

struct position record_position(const struct record *r);

/* Bytes and their signature: SignedRecord, SignedHead, SignedRootStatement. */
struct signed_bytes {
	struct span body;
	struct span signature;
};

struct head {
	uint64_t term;
	uint64_t seq;  /* of the newest record */
	uint64_t beat; /* rises with each head of a term */
	struct position floor;
	struct hash digest;
	bool has_audit;
	struct hash audit_head;
	int64_t time_ms;
};

struct position head_position(const struct head *h);

/* The built-in group that every secret is sealed to besides: managers and the recovery key. */
#define GROUP_MANAGERS "managers"

#endif
