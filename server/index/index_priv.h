#ifndef SERVER_INDEX_INDEX_PRIV_H
#define SERVER_INDEX_INDEX_PRIV_H

/* Inside of server/index: entries, and the containers that find them. */

#include "common/base/map.h"
#include "server/index/index.h"

/* One live record; its address stays the same from version to version. */
struct entry {
	struct index_record r;
	size_t slot; /* in the list of its kind */
};

/* Entries of a kind in the order of their names; sorted when somebody asks for the order. */
struct entry_list {
	struct entry **items; /* NULL: one that left */
	size_t count, cap;
	size_t live;
	size_t sorted; /* so many at the front are in order */
};

void entry_list_fini(struct entry_list *l);
void entry_list_add(struct entry_list *l, struct entry *e);
void entry_list_del(struct entry_list *l, struct entry *e);
void entry_list_sort(struct entry_list *l);
/* First place whose name is above; the list is sorted. */
size_t entry_list_above(const struct entry_list *l, const char *name);

/* Several entries for one key; few for each (names, generations, members). */
struct multi {
	struct map *map; /* to struct entry_vec */
};

struct entry_vec {
	struct entry **items;
	size_t count, cap;
};

void multi_init(struct multi *m);
void multi_fini(struct multi *m);
void multi_add(struct multi *m, struct span key, struct entry *e);
void multi_del(struct multi *m, struct span key, const struct entry *e);
/* NULL: none. */
const struct entry_vec *multi_get(const struct multi *m, struct span key);

struct tomb {
	uint64_t version;
	uint32_t kind;
	char *name; /* of nodes; else NULL */
};

struct index {
	struct runtime *rt;
	struct store *store;
	struct map *by_id;   /* entry */
	struct map *by_name; /* kind (4 bytes) and name: entry */
	struct map *tombs;   /* id: tomb */
	struct map *issuers; /* SHA-256 of their certificates: index_issuers */
	struct entry_list kinds[KIND__COUNT];
	struct multi generations; /* by credential */
	struct multi exports;     /* EXPORT_KEY by credential */
	struct multi members;     /* MEMBERSHIP by group */
	struct multi memberships; /* MEMBERSHIP by node */
	struct multi names;       /* CREDENTIAL and GENERATION by host name */
	struct multi revoked;     /* GENERATION that is revoked, by SHA-256 of its issuer's key */
	struct map *access;       /* id: map of entries by their id */
	struct err broken;        /* of a load */
};

/* Takes in one record, live or removed. ERR_PARSE when its public part is not what it should be. */
NODISCARD int index_apply(
    struct index *ix, const struct record *r, struct signed_bytes signed_record, struct err *err);

/* entry_part.c: the part of a kind, made from a record and freed. */
NODISCARD int entry_part_new(struct index *ix, struct index_record *out, const struct record *r,
    struct signed_bytes s, struct err *err);
void entry_part_free(struct index_record *r);

/* index_ca.c: of a CRL record. */
NODISCARD int index_crl_new(const struct record *r, struct index_crl **out, struct err *err);
void index_crl_free(struct index_crl *crl);

/* SHA-256 of the key of the first of them; false: there is none that can be read. */
bool issuers_key(const struct index_issuers *s, struct hash *out);

/* issuers.c: those of a chain, leaf first; NULL when it has none. */
struct index_issuers *issuers_ref(struct map *all, struct spans chain);
void issuers_unref(struct index_issuers *s);

#endif
