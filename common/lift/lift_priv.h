#ifndef COMMON_LIFT_LIFT_PRIV_H
#define COMMON_LIFT_LIFT_PRIV_H

/* The parts of lift.h. Private to common/lift. */

#include "common/crypto/der.h"
#include "common/lift/lift.h"

struct names;

struct lift {
	struct lift_params params;
	struct pbe_budget own_budget, *budget;
	struct lift_item *items;
	size_t count, room;
	size_t keys;
	bool full;           /* a limit was met: nothing more is read */
	struct names *names; /* of the files, for the items */

	/* where the reader is */
	const char *file;
	char place[96];
	char within[24];      /* in front of the places of blocks: "value 2, " */
	struct buf curve;     /* the last EC PARAMETERS block */
	size_t last_password; /* of the candidates, the one that opened something */
};

/* --- items.c --- */
void add_problem(struct lift *l, enum lift_why why, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As a problem, with the reason that the code stands for. */
void add_failure(struct lift *l, const struct err *err);
/* Takes key (NULL is fine) or copies der. */
void add_key(struct lift *l, struct pkey *key, const char *label, bool was_locked);
void add_cert(struct lift *l, struct span der, const char *label);
void add_csr(struct lift *l, struct span der);
void add_crl(struct lift *l, struct span der);

/* --- kind.c --- */
enum der_kind {
	KIND_UNKNOWN,
	KIND_CERT,
	KIND_CSR,
	KIND_CRL,
	KIND_PKCS8,
	KIND_LOCKED, /* EncryptedPrivateKeyInfo */
	KIND_PKCS1,
	KIND_SEC1,
	KIND_DSA,
	KIND_P7,
	KIND_P12,
	KIND_PUBLIC,
	KIND_CURVE,
};
/* By structure alone, whatever a label says. */
enum der_kind der_kind(struct span der);
/*
 * Length of the element that der begins with, header and all; SIZE_MAX when it is of indefinite
 * length; 0 when no element can begin like that. It may be more than der has.
 */
size_t der_whole_len(struct span der);

/* --- lift.c --- */
/* One DER (or BER) thing of any kind. */
void lift_der(struct lift *l, struct span der);
/* A private key in clear; was_locked: it came from under a password. */
void lift_key(
    struct lift *l, struct span der, enum der_kind kind, const char *label, bool was_locked);

/* --- text.c --- */
struct pem_block {
	struct span label;
	struct span body;
	size_t line;  /* of its begin line, from 1 */
	bool has_end; /* an end line of the same label */
};
struct text {
	struct span all;
	size_t at, line;
};
bool text_next_block(struct text *t, struct pem_block *out);
/* What a body holds, and the value of its DEK-Info line (appended). */
NODISCARD int text_decode(struct span body, struct buf *der, struct buf *dek_info, struct err *err);
/* A text that is base64 and nothing else. */
NODISCARD int text_decode_bare(struct span text, struct buf *der, struct err *err);
/*
 * The next run of base64 that holds PEM, as the values of a Kubernetes secret do, decoded (der is
 * cleared first). *at moves behind it.
 */
bool text_next_wrapped(struct span text, size_t *at, struct buf *out);
/* UTF-16 with its mark as bytes; false for anything else. */
bool text_from_utf16(struct span bytes, struct buf *out);

/* --- sniff.c --- */
/* True when the bytes are of a known format that is not read here; the problem is added. */
bool sniff_foreign(struct lift *l, const char *name, struct span bytes);
/* The same for a label of a PEM block. */
bool sniff_foreign_label(struct lift *l, struct span label);
/* For a file in which nothing was found: by its name. */
void sniff_nothing(struct lift *l, const char *name, struct span bytes);

/* --- locked.c --- */
/*
 * Tries passwords on what algorithm (AlgorithmIdentifier with its header) encrypts; the problem is
 * added when none fits. True with *out, the content of an element that is whole.
 */
bool unlock(struct lift *l, struct span algorithm, struct span ciphertext, bool with_empty,
    struct secret **out);
bool unlock_traditional(
    struct lift *l, struct span dek_info, struct span ciphertext, struct secret **out);
/* The password of a PKCS#12 file by its integrity code; the problem is added when none fits. */
bool unlock_mac(struct lift *l, struct span mac_data, struct span content);

/* --- p12.c, p7.c --- */
void lift_p12(struct lift *l, struct span der);
void lift_p7(struct lift *l, struct span der);

#endif
