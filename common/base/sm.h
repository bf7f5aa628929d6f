#ifndef COMMON_BASE_SM_H
#define COMMON_BASE_SM_H

/*
 * State machines as tables: for each state its name and the states that may follow. A move that
 * the table does not allow is a bug and aborts where it happens. The machine is a value inside its
 * owner; the table is const and shared. States that are kept are kept by name.
 */

#include "common/base/base.h"

struct sm_state {
	const char *name;
	uint64_t next; /* bits of the allowed following states: SM_TO(A) | SM_TO(B) */
};

#define SM_TO(state) (UINT64_C(1) << (state))

struct sm {
	const struct sm_state *table;
	unsigned count;
	unsigned state;
};

void sm_init(struct sm *m, const struct sm_state *table, unsigned count, unsigned start);
void sm_move(struct sm *m, unsigned to);
bool sm_may(const struct sm *m, unsigned to);
const char *sm_name(const struct sm *m);

#endif
