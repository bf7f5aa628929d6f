#ifndef COMMON_MODEL_GENERATION_H
#define COMMON_MODEL_GENERATION_H

/*
 * The life of a generation beside the one in force: one word for what it is, what may be done with
 * it in one table, and how long it is kept. Pure functions.
 *
 *   waiting --(its certificate comes)--> in force <--ACTIVATE-- older --ARCHIVE--> archived
 *                                           \___(a newer one)____/^ \__ACTIVATE back___/
 *
 * Whatever is not in force and does not wait stays until GENERATION_KEPT seconds after its
 * certificate has run out, so that it can be revoked; at most GENERATIONS_KEPT of a credential. Who
 * removes it makes sure that the clock has gone evenly for a while.
 */

#include "common/model/public.h"

#define GENERATION_KEPT (30 * INT64_C(86400))
#define GENERATIONS_KEPT 16

enum generation_event {
	GENERATION_ACTIVATE, /* comes into force again */
	GENERATION_ARCHIVE,  /* only managers can open it from then on */
	GENERATION_REVOKE,   /* nobody is to believe its certificate any more */
	GENERATION_EVENT__COUNT,
};

enum generation_shown {
	GENERATION_WAITING, /* for its certificate */
	GENERATION_IN_FORCE,
	GENERATION_OLDER,
	GENERATION_ARCHIVED,
	GENERATION_EXPIRED,
	GENERATION_REVOKED,
	GENERATION_WITHDRAWN, /* never again: its key is compromised */
	GENERATION__COUNT,
};

const char *generation_shown_name(enum generation_shown shown);

struct generation_marks {
	uint64_t number;
	bool active, waits, archived, revoked, withdrawn;
	int64_t not_after;
};

enum generation_shown generation_state_at(const struct generation_marks *g, int64_t now);

/* ERR_CONFLICT names the credential, the generation, what it is, and what to do instead. */
NODISCARD int generation_may(const struct generation_marks *g, const char *credential,
    enum generation_event event, int64_t now, struct err *err);

/* When it may be removed, seconds; 0: not by its age. */
int64_t generation_kept_until(const struct generation_marks *g);

#endif
