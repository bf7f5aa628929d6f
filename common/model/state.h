#ifndef COMMON_MODEL_STATE_H
#define COMMON_MODEL_STATE_H

/*
 * The life of a credential: which move may follow which state, in one table, and the one word that
 * people are shown. Stored are the state and the mark `archived`; "renewal-due" and "expired"
 * follow from the clock and are never stored. Pure functions.
 *
 *   draft --REQUEST--> waiting --ISSUE--> issued --REQUEST--> waiting ...
 *     |                waiting --SUBMIT--> submitted --ISSUE--> issued
 *     \-----------------ISSUE------------/^   |
 *   any of them --FAIL--> failed (and on by REQUEST or ISSUE); --ARCHIVE--> archived --RESTORE-->
 * back
 */

#include "common/model/public.h"

enum credential_event {
	CREDENTIAL_REQUEST, /* a key and a CSR are made, and a certificate is waited for */
	CREDENTIAL_REPLACE, /* the same, in place of a CSR that waits already */
	CREDENTIAL_ISSUE,   /* a certificate comes, from an own CA or from outside */
	CREDENTIAL_FAIL,    /* a try that nobody asked for has failed */
	CREDENTIAL_REVOKE,
	CREDENTIAL_ARCHIVE,
	CREDENTIAL_RESTORE,  /* from the archive */
	CREDENTIAL_ACTIVATE, /* an older certificate comes into force again */
	CREDENTIAL_CHANGE,   /* of what is wanted, for which nothing has to be made */
	CREDENTIAL_SUBMIT,   /* the CSR that waits is with its CA now */
	CREDENTIAL_EVENT__COUNT,
};

const char *credential_event_name(enum credential_event event);

/*
 * Whether the event may happen to c now. ERR_CONFLICT names the credential, its state and what to
 * do first; ERR_INVALID for a state of a newer version.
 */
NODISCARD int credential_may(const struct credential_public *c, const char *name,
    enum credential_event event, struct err *err);

/*
 * Moves c: its state or its mark `archived`. REQUEST, REPLACE, ISSUE and ACTIVATE end a failure
 * (error, next try, count). Errors as above, and c is untouched then.
 */
NODISCARD int credential_move(
    struct credential_public *c, const char *name, enum credential_event event, struct err *err);

/* What people see. */
enum credential_shown {
	SHOWN_DRAFT,
	SHOWN_WAITING,
	SHOWN_SUBMITTED,
	SHOWN_ISSUED,
	SHOWN_RENEWAL_DUE,
	SHOWN_EXPIRED,
	SHOWN_FAILED,
	SHOWN_REVOKED,
	SHOWN_ARCHIVED,
	SHOWN_UNKNOWN, /* a state of a newer version */
	SHOWN__COUNT,
};

const char *credential_shown_name(enum credential_shown shown);

/* What the words need of the generation in force. */
struct active_facts {
	struct id id; /* the jitter of its renewal is drawn from it */
	int64_t not_before, not_after;
	bool revoked;
};

/* The word for a moment (seconds); active NULL: there is none in force. */
enum credential_shown credential_state_at(
    const struct credential_public *c, const struct active_facts *active, int64_t now);
/* When the word changes next although nobody does anything; INT64_MAX: never again. */
int64_t credential_changes_at(
    const struct credential_public *c, const struct active_facts *active, int64_t now);

#endif
