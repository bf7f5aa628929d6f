#include "common/model/generation.h"

static const char *const shown_names[] = {
    [GENERATION_WAITING] = "waiting",
    [GENERATION_IN_FORCE] = "in force",
    [GENERATION_OLDER] = "older",
    [GENERATION_ARCHIVED] = "archived",
    [GENERATION_EXPIRED] = "expired",
    [GENERATION_REVOKED] = "revoked",
    [GENERATION_WITHDRAWN] = "withdrawn",
};
_Static_assert(ARRAY_LEN(shown_names) == GENERATION__COUNT, "every word for generations is there");

const char *
generation_shown_name(enum generation_shown shown)
{
	return (size_t)shown < ARRAY_LEN(shown_names) ? shown_names[shown] : "unknown";
}

/* What stands in the way goes first. */
enum generation_shown
generation_state_at(const struct generation_marks *g, int64_t now)
{
	if (g->waits)
		return GENERATION_WAITING;
	if (g->withdrawn)
		return GENERATION_WITHDRAWN;
	if (g->revoked)
		return GENERATION_REVOKED;
	if (g->active)
		return GENERATION_IN_FORCE;
	if (now > g->not_after)
		return GENERATION_EXPIRED;
	return g->archived ? GENERATION_ARCHIVED : GENERATION_OLDER;
}

#define WAITS "waits for its certificate: 'certherd cert paste' takes it in"
#define CLOSED "and only managers can open it any more"

/* Behind "generation N of 'NAME'"; NULL: it may. */
static const char *const refusals[GENERATION__COUNT][GENERATION_EVENT__COUNT] = {
    [GENERATION_WAITING] =
	{[GENERATION_ACTIVATE] = WAITS, [GENERATION_ARCHIVE] = WAITS, [GENERATION_REVOKE] = WAITS},
    [GENERATION_IN_FORCE] = {[GENERATION_ACTIVATE] = "is in force already",
	[GENERATION_ARCHIVE] = "is in force: activate another one first, or archive the credential "
			       "as a whole, without --generation"},
    [GENERATION_OLDER] = {NULL, NULL, NULL},
    [GENERATION_ARCHIVED] = {[GENERATION_ARCHIVE] =
				 "is archived already: 'certherd cert activate' brings it back"},
    [GENERATION_EXPIRED] = {[GENERATION_ACTIVATE] =
				"has run out: 'certherd cert renew' makes another one",
	[GENERATION_REVOKE] = "has run out, so that nobody believes it any more"},
    [GENERATION_REVOKED] = {[GENERATION_ACTIVATE] =
				"is revoked: 'certherd cert renew' makes another one",
	[GENERATION_ARCHIVE] = "is revoked, " CLOSED,
	[GENERATION_REVOKE] = "is revoked already"},
    [GENERATION_WITHDRAWN] = {[GENERATION_ACTIVATE] =
				  "has a key that is compromised, so it never comes into force "
				  "again: 'certherd cert renew' makes another one",
	[GENERATION_ARCHIVE] = "is withdrawn, " CLOSED,
	[GENERATION_REVOKE] = "is withdrawn already, because its key is compromised"},
};

int
generation_may(const struct generation_marks *g, const char *credential,
    enum generation_event event, int64_t now, struct err *err)
{
	const char *refusal;

	CHECK((size_t)event < GENERATION_EVENT__COUNT);
	refusal = refusals[generation_state_at(g, now)][event];
	if (refusal == NULL)
		return 0;
	return err_set(err, ERR_CONFLICT, "generation %llu of '%.100s' %s",
	    (unsigned long long)g->number, credential, refusal);
}

int64_t
generation_kept_until(const struct generation_marks *g)
{
	return g->active || g->waits ? 0 : g->not_after + GENERATION_KEPT;
}
