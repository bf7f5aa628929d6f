#ifndef SERVER_IMPORT_IMPORT_H
#define SERVER_IMPORT_IMPORT_H

/*
 * Reads foreign files for the command, in a child process of the same program: it has limits of
 * memory and processor time, gets the bytes over a socket, and can open no file, no connection and
 * no program. What comes back is canonical: keys as PKCS#8, certificates as DER, each key with the
 * certificate that belongs to it, or certificates alone. Whatever a file does to its reader, it
 * does to that process. Blocking; one thread.
 */

#include "common/base/limits.h"
#include "common/crypto/secret.h"

/* What of a set of files is of use. Keys leave the process for IMPORT_KEYS alone. */
enum import_wish {
	IMPORT_KEYS,   /* keys with their certificates; a file that cannot be read refuses all */
	IMPORT_ANSWER, /* a CA's answer: certificates; of many the leaves, and what may be above */
	IMPORT_CERTS,  /* every certificate */
	IMPORT_WISH__COUNT,
};
/* Of more certificates than that, a CA's answer is only what belongs to its leaves. */
#define IMPORT_CERTS_MANY 32

/* A key with its certificate, or a certificate, as they lay in files looked at together. */
struct import_unit {
	const char *file, *place, *label; /* of the key; place and label may be "" */
	const char *key_type, *names;     /* for people: "ec-p256", "www.example.org, ..." */
	int64_t not_after;
	struct secret *key; /* PKCS#8; NULL of a certificate */
	struct span *certs; /* DER, the leaf first, then what may be its issuers */
	size_t cert_count;  /* of a certificate: 1 */
};

struct import_note {
	int code;         /* of a refusal: why; of a remark 0 */
	const char *file; /* of a refusal; "" for all of them */
	const char *text;
};

/* What there was in a set of files. Of keys nothing should be taken when there is a refusal. */
struct import_found {
	enum import_wish wish;
	struct import_unit *units;
	size_t unit_count;
	struct import_note *refusals, *remarks;
	size_t refusal_count, remark_count;
	bool needs_password; /* or another one than those given */
	struct arena *memory;
};
void import_found_fini(struct import_found *f);

#define IMPORT_CERTS_MOST 16 /* of one unit */

struct import_reader;

/* program: what is executed with IMPORT_CHILD_WORD as its only word. Passwords are copied. */
NODISCARD int import_reader_new(const char *program, const struct secret *const *passwords,
    size_t password_count, struct import_reader **out, struct err *err);
/* Ends the process. */
void import_reader_free(struct import_reader *r);
DEFINE_FREEP(struct import_reader, import_reader_free)

/* One more file of the set, then the set: what was in it. A set that ended its reader is refused
 * in *out, and the next one gets a new reader. Errors are of this machine, not of the files. */
NODISCARD int import_reader_add(
    struct import_reader *r, const char *name, struct span bytes, struct err *err);
NODISCARD int import_reader_take(
    struct import_reader *r, enum import_wish wish, struct import_found *out, struct err *err);

/* The child: main() of a program that was called with this word alone. */
#define IMPORT_CHILD_WORD "--read-foreign"
int import_child_main(void);

/*
 * Secure heap of a process that holds keys of imports: as much as may be locked. Before the first
 * key; once it is there this does nothing.
 */
NODISCARD int import_heap(struct err *err);

#endif
