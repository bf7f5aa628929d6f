#ifndef TESTS_SIM_SIM_SHELF_H
#define TESTS_SIM_SIM_SHELF_H

/*
 * What the manager holds: each record with its signed form, by id and by name, as its commit and
 * the changes of a run need it. It is filled from the store at each start and by what is committed;
 * what it returns lasts until the next shelf_put.
 */

#include "common/model/record.h"
#include "common/store/store.h"
#include "tests/sim/sim_time.h"

struct sim_entry {
	struct record *record;
	struct buf *body, *signature;
};

struct sim_shelf {
	struct map *by_id;
	struct map *by_name; /* kind and name of live records */
};

void shelf_init(struct sim_shelf *x);
void shelf_fini(struct sim_shelf *x);
void shelf_put(struct sim_shelf *x, const struct record *r, struct signed_bytes s);
NODISCARD int shelf_load(struct sim_shelf *x, struct store *store, struct err *err);
const struct sim_entry *shelf_get(const struct sim_shelf *x, const struct id *id);
/* Live ones only. */
const struct sim_entry *shelf_by_name(const struct sim_shelf *x, uint32_t kind, const char *name);
/* Live records of a kind, at most max; returns how many. */
size_t shelf_of_kind(
    const struct sim_shelf *x, uint32_t kind, const struct sim_entry **out, size_t max);
const struct sim_entry *shelf_any(
    const struct sim_shelf *x, uint32_t kind, struct sim_random *chance);
/* All, removed ones too; NULL at the end. at begins with 0. */
const struct sim_entry *shelf_next(const struct sim_shelf *x, size_t *at);
struct signed_bytes entry_signed(const struct sim_entry *e);

#endif
