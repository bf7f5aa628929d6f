#include "common/model/state.h"

#include "common/base/str.h"
#include "common/model/renewal.h"

/* Behind the stored states: the mark `archived` goes before whatever state is stored. */
#define ARCHIVED CREDENTIAL__COUNT
#define FROM__COUNT (CREDENTIAL__COUNT + 1)

static const char *const event_names[] = {
    [CREDENTIAL_REQUEST] = "request",
    [CREDENTIAL_REPLACE] = "replace",
    [CREDENTIAL_ISSUE] = "issue",
    [CREDENTIAL_FAIL] = "fail",
    [CREDENTIAL_REVOKE] = "revoke",
    [CREDENTIAL_ARCHIVE] = "archive",
    [CREDENTIAL_RESTORE] = "restore",
    [CREDENTIAL_ACTIVATE] = "activate",
    [CREDENTIAL_CHANGE] = "change",
    [CREDENTIAL_SUBMIT] = "submit",
};
_Static_assert(
    ARRAY_LEN(event_names) == CREDENTIAL_EVENT__COUNT, "every event of a credential has a name");

static const char *const shown_names[] = {
    [SHOWN_DRAFT] = "draft",
    [SHOWN_WAITING] = "waiting",
    [SHOWN_SUBMITTED] = "submitted",
    [SHOWN_ISSUED] = "issued",
    [SHOWN_RENEWAL_DUE] = "renewal-due",
    [SHOWN_EXPIRED] = "expired",
    [SHOWN_FAILED] = "failed",
    [SHOWN_REVOKED] = "revoked",
    [SHOWN_ARCHIVED] = "archived",
    [SHOWN_UNKNOWN] = "unknown",
};
_Static_assert(ARRAY_LEN(shown_names) == SHOWN__COUNT, "every word that is shown has its text");

const char *
credential_event_name(enum credential_event event)
{
	return (size_t)event < ARRAY_LEN(event_names) ? event_names[event] : "unknown";
}

const char *
credential_shown_name(enum credential_shown shown)
{
	return (size_t)shown < ARRAY_LEN(shown_names) ? shown_names[shown] : "unknown";
}

/* A move leads to a state, or there is a text that says why not and what to do. */
struct move {
	uint32_t to;
	const char *refusal; /* behind the name of the credential; NULL: allowed */
};

#define TO(state)                                                                                  \
	{                                                                                          \
		(state), NULL                                                                      \
	}
#define NOT(text)                                                                                  \
	{                                                                                          \
		0, (text)                                                                          \
	}

#define IS_ARCHIVED "is archived: bring it back with 'certherd cert archive --undo' first"
#define IS_NOT_ARCHIVED "is not archived: 'certherd cert show' shows its state"
#define NOTHING_OLDER "has no certificate yet: 'certherd cert submit' makes one"
#define NO_CSR "has no CSR that waits: 'certherd cert submit' makes one"
#define NO_CERTIFICATE "has no certificate to be revoked: 'certherd cert submit' makes one"

static const struct move moves[FROM__COUNT][CREDENTIAL_EVENT__COUNT] =
    {
	[CREDENTIAL_DRAFT] =
	    {
		[CREDENTIAL_REQUEST] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_REPLACE] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_ISSUE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_FAIL] = TO(CREDENTIAL_FAILED),
		[CREDENTIAL_REVOKE] = NOT(NO_CERTIFICATE),
		[CREDENTIAL_ARCHIVE] = TO(ARCHIVED),
		[CREDENTIAL_RESTORE] = NOT(IS_NOT_ARCHIVED),
		[CREDENTIAL_ACTIVATE] = NOT(NOTHING_OLDER),
		[CREDENTIAL_CHANGE] = TO(CREDENTIAL_DRAFT),
		[CREDENTIAL_SUBMIT] = NOT(NO_CSR),
	    },
	[CREDENTIAL_PENDING] =
	    {
		[CREDENTIAL_REQUEST] =
		    NOT("waits for its certificate already: 'certherd cert csr' prints its CSR, "
			"'certherd cert submit --new-key' makes another"),
		[CREDENTIAL_REPLACE] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_ISSUE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_FAIL] = TO(CREDENTIAL_FAILED),
		[CREDENTIAL_REVOKE] = TO(CREDENTIAL_REVOKED),
		[CREDENTIAL_ARCHIVE] = TO(ARCHIVED),
		[CREDENTIAL_RESTORE] = NOT(IS_NOT_ARCHIVED),
		[CREDENTIAL_ACTIVATE] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_CHANGE] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_SUBMIT] = TO(CREDENTIAL_SUBMITTED),
	    },
	[CREDENTIAL_ISSUED] =
	    {
		[CREDENTIAL_REQUEST] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_REPLACE] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_ISSUE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_FAIL] = TO(CREDENTIAL_FAILED),
		[CREDENTIAL_REVOKE] = TO(CREDENTIAL_REVOKED),
		[CREDENTIAL_ARCHIVE] = TO(ARCHIVED),
		[CREDENTIAL_RESTORE] = NOT(IS_NOT_ARCHIVED),
		[CREDENTIAL_ACTIVATE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_CHANGE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_SUBMIT] = NOT(NO_CSR),
	    },
	[CREDENTIAL_FAILED] =
	    {
		[CREDENTIAL_REQUEST] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_REPLACE] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_ISSUE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_FAIL] = TO(CREDENTIAL_FAILED),
		[CREDENTIAL_REVOKE] = TO(CREDENTIAL_REVOKED),
		[CREDENTIAL_ARCHIVE] = TO(ARCHIVED),
		[CREDENTIAL_RESTORE] = NOT(IS_NOT_ARCHIVED),
		[CREDENTIAL_ACTIVATE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_CHANGE] = TO(CREDENTIAL_FAILED),
		[CREDENTIAL_SUBMIT] = TO(CREDENTIAL_SUBMITTED),
	    },
	[CREDENTIAL_REVOKED] =
	    {
		/* A new certificate ends that; a try of the server's own does not even begin. */
		[CREDENTIAL_REQUEST] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_REPLACE] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_ISSUE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_FAIL] =
		    NOT("is revoked and not renewed by itself: 'certherd cert renew' does it"),
		[CREDENTIAL_REVOKE] =
		    NOT("is revoked already: 'certherd cert renew' makes a new certificate"),
		[CREDENTIAL_ARCHIVE] = TO(ARCHIVED),
		[CREDENTIAL_RESTORE] = NOT(IS_NOT_ARCHIVED),
		[CREDENTIAL_ACTIVATE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_CHANGE] = TO(CREDENTIAL_REVOKED),
		[CREDENTIAL_SUBMIT] = NOT(NO_CSR),
	    },
	[CREDENTIAL_SUBMITTED] =
	    {
		[CREDENTIAL_REQUEST] =
		    NOT("waits for its certificate already: 'certherd cert csr' prints its CSR, "
			"'certherd cert submit --new-key' makes another"),
		[CREDENTIAL_REPLACE] = TO(CREDENTIAL_PENDING),
		[CREDENTIAL_ISSUE] = TO(CREDENTIAL_ISSUED),
		[CREDENTIAL_FAIL] = TO(CREDENTIAL_FAILED),
		[CREDENTIAL_REVOKE] = TO(CREDENTIAL_REVOKED),
		[CREDENTIAL_ARCHIVE] = TO(ARCHIVED),
		[CREDENTIAL_RESTORE] = NOT(IS_NOT_ARCHIVED),
		[CREDENTIAL_ACTIVATE] = TO(CREDENTIAL_SUBMITTED),
		[CREDENTIAL_CHANGE] = TO(CREDENTIAL_SUBMITTED),
		[CREDENTIAL_SUBMIT] = TO(CREDENTIAL_SUBMITTED),
	    },
	[ARCHIVED] =
	    {
		[CREDENTIAL_REQUEST] = NOT(IS_ARCHIVED),
		[CREDENTIAL_REPLACE] = NOT(IS_ARCHIVED),
		[CREDENTIAL_ISSUE] = NOT(IS_ARCHIVED),
		[CREDENTIAL_FAIL] = NOT(IS_ARCHIVED),
		[CREDENTIAL_REVOKE] = NOT(IS_ARCHIVED),
		[CREDENTIAL_ARCHIVE] =
		    NOT("is archived already: 'certherd cert archive --undo' brings it back"),
		[CREDENTIAL_RESTORE] = TO(ARCHIVED), /* whatever was stored counts again */
		[CREDENTIAL_ACTIVATE] = NOT(IS_ARCHIVED),
		[CREDENTIAL_CHANGE] = NOT(IS_ARCHIVED),
		[CREDENTIAL_SUBMIT] = NOT(IS_ARCHIVED),
	    },
};

static int
find_move(const struct credential_public *c, const char *name, enum credential_event event,
    const struct move **out, struct err *err)
{
	uint32_t from = c->archived ? ARCHIVED : c->state;
	const struct move *m;

	CHECK((size_t)event < CREDENTIAL_EVENT__COUNT);
	if (from >= FROM__COUNT || (from == ARCHIVED && !c->archived))
		return err_set(err, ERR_INVALID,
		    "credential '%.120s' is in a state that this version does not know (%u): use a "
		    "newer one",
		    name, (unsigned)c->state);
	m = &moves[from][event];
	if (m->refusal != NULL)
		return err_set(err, ERR_CONFLICT, "credential '%.120s' %s", name, m->refusal);
	*out = m;
	return 0;
}

int
credential_may(const struct credential_public *c, const char *name, enum credential_event event,
    struct err *err)
{
	const struct move *m = NULL;

	return find_move(c, name, event, &m, err);
}

int
credential_move(
    struct credential_public *c, const char *name, enum credential_event event, struct err *err)
{
	const struct move *m = NULL;
	int r = find_move(c, name, event, &m, err);

	if (r < 0)
		return r;
	if (m->to == ARCHIVED) {
		c->archived = event == CREDENTIAL_ARCHIVE;
		return 0;
	}
	c->state = m->to;
	if (event == CREDENTIAL_FAIL || event == CREDENTIAL_CHANGE)
		return 0;
	c->error = "";
	c->next_try = 0;
	c->failures = 0;
	return 0;
}

/* Without the clock. */
static enum credential_shown
shown_of_state(uint32_t state)
{
	switch (state) {
	case CREDENTIAL_DRAFT:
		return SHOWN_DRAFT;
	case CREDENTIAL_PENDING:
		return SHOWN_WAITING;
	case CREDENTIAL_ISSUED:
		return SHOWN_ISSUED;
	case CREDENTIAL_FAILED:
		return SHOWN_FAILED;
	case CREDENTIAL_REVOKED:
		return SHOWN_REVOKED;
	case CREDENTIAL_SUBMITTED:
		return SHOWN_SUBMITTED;
	default:
		return SHOWN_UNKNOWN;
	}
}

/* What is worst goes first: what is not served, then what will not be. */
enum credential_shown
credential_state_at(
    const struct credential_public *c, const struct active_facts *active, int64_t now)
{
	enum credential_shown stored = shown_of_state(c->state);

	if (c->archived)
		return SHOWN_ARCHIVED;
	if (stored == SHOWN_REVOKED || (active != NULL && active->revoked))
		return SHOWN_REVOKED;
	if (active == NULL || stored == SHOWN_UNKNOWN)
		return stored;
	if (now > active->not_after)
		return SHOWN_EXPIRED;
	if (stored == SHOWN_FAILED)
		return stored;
	return renewal_due_at(active->not_before, active->not_after, c->fraction_percent,
		   renewal_jitter(&active->id)) <= now
	    ? SHOWN_RENEWAL_DUE
	    : stored;
}

int64_t
credential_changes_at(
    const struct credential_public *c, const struct active_facts *active, int64_t now)
{
	enum credential_shown before = credential_state_at(c, active, now);
	int64_t times[2], best = INT64_MAX;

	if (active == NULL)
		return INT64_MAX;
	times[0] = renewal_due_at(active->not_before, active->not_after, c->fraction_percent,
	    renewal_jitter(&active->id));
	times[1] = active->not_after < INT64_MAX ? active->not_after + 1 : INT64_MAX;
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		if (times[i] > now && times[i] < best &&
		    credential_state_at(c, active, times[i]) != before)
			best = times[i];
	return best;
}
