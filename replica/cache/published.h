#ifndef REPLICA_CACHE_PUBLISHED_H
#define REPLICA_CACHE_PUBLISHED_H

/*
 * What the domain's Micro CAs publish: the certificate of each and its revocation list, as http
 * ports give them out. Filled on the loop thread, or by a job before anybody else sees it; found
 * from any thread. A file is immutable and counted, so that who sends one has it to the end.
 */

#include "common/model/pki.h"
#include "common/model/record.h"

struct published;

struct published_file {
	_Atomic unsigned refs;
	struct span bytes; /* DER */
};
void published_file_unref(struct published_file *f);

struct published *published_new(void);
void published_free(struct published *p);

/*
 * Takes a CA or CRL record in, removed ones out; other kinds are passed over. ERR_PARSE: what this
 * version cannot read is not given out any more.
 */
NODISCARD int published_learn(struct published *p, const struct record *record, struct err *err);
/* A record that is gone without a tombstone. */
void published_forget(struct published *p, const struct id *record);
/* Everything is as in from, which is empty then. */
void published_replace(struct published *p, struct published *from);

/* A new reference; NULL: there is none. */
struct published_file *published_find(struct published *p, enum pki_file file, const struct id *ca);

#endif
