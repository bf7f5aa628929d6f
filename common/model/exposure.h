#ifndef COMMON_MODEL_EXPOSURE_H
#define COMMON_MODEL_EXPOSURE_H

/*
 * Who knows a key of a credential without having access to it any more. The list of a CREDENTIAL is
 * changed in a copy of its own and written with the next version of the record. One entry for each
 * server and key; when there are too many, one entry without a server stands for all that are not
 * listed. Pure functions; names are borrowed.
 */

#include "common/model/public.h"

/* Entries with a server; the others are for those that are not listed, one for each key. */
#define EXPOSED_NAMED (LIMIT_EXPOSED - 8)

struct exposure_list {
	struct exposure items[LIMIT_EXPOSED];
	size_t count;
	bool changed; /* it is not what it was made of any more */
};

void exposure_list_init(struct exposure_list *l, struct exposures from);
/* Borrowed from l. */
struct exposures exposure_list_items(const struct exposure_list *l);

/* Adds it, unless the list says that this server knows this key. */
void exposure_note(struct exposure_list *l, const struct exposure *e);

/* Whether an entry is, or may be, about a server: by its id (NULL: by the name alone) or name. */
bool exposure_is_of(const struct exposure *e, const struct id *node, const char *name);

/*
 * An administrator wants a new key because of each entry that is, or may be, about a server.
 */
void exposure_want(struct exposure_list *l, const struct id *node, const char *name);

/* Takes out those of which the callback says so. */
typedef bool exposure_ends_cb(void *arg, const struct exposure *e);
void exposure_end(struct exposure_list *l, exposure_ends_cb *ends, void *arg);

#endif
