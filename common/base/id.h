#ifndef COMMON_BASE_ID_H
#define COMMON_BASE_ID_H

/*
 * Values of fixed size that the whole tree passes by value: record ids, SHA-256 digests, domain ids
 * and positions in the log. Written as lower-case hexadecimal.
 */

#include "common/base/buf.h"

#define ID_LEN 16
#define HASH_LEN 32
#define ID_HEX_MAX (2 * ID_LEN + 1)
#define HASH_HEX_MAX (2 * HASH_LEN + 1)

struct id { /* 128 random bits: a record, and so a node, a group, a credential */
	uint8_t bytes[ID_LEN];
};

struct hash { /* SHA-256 */
	uint8_t bytes[HASH_LEN];
};

struct domain_id { /* 256 random bits, made once by the root key's owner */
	uint8_t bytes[HASH_LEN];
};

/* A place in the log. Compared by term, then seq; {0, 0} is before everything. */
struct position {
	uint64_t term;
	uint64_t seq;
};

bool id_equal(const struct id *a, const struct id *b);
bool id_is_zero(const struct id *a);
int id_compare(const struct id *a, const struct id *b);
bool hash_equal(const struct hash *a, const struct hash *b);
int position_compare(struct position a, struct position b);

/* Writes into out and returns it, so that it can stand in a printf argument. */
const char *id_hex(const struct id *id, char out[static ID_HEX_MAX]);
const char *hash_hex(const struct hash *h, char out[static HASH_HEX_MAX]);

/* ERR_PARSE unless s is exactly the hexadecimal form. */
NODISCARD int id_parse(const char *s, struct id *out, struct err *err);
NODISCARD int hash_parse(const char *s, struct hash *out, struct err *err);

/* ERR_PARSE unless s is exactly as long as the value. */
NODISCARD int id_from_span(struct span s, struct id *out, struct err *err);
NODISCARD int hash_from_span(struct span s, struct hash *out, struct err *err);

#endif
