#ifndef COMMON_MODEL_HEALTH_H
#define COMMON_MODEL_HEALTH_H

/*
 * How a credential is: green, yellow or red, and why, from facts that whoever asks has gathered:
 * its record, the times of the generation in force, what servers say that they serve, and what a
 * look at it from outside has found. What is to be said of chains and algorithms comes from
 * common/chain and is put into the same report. Pure functions; times are seconds.
 */

#include "common/model/state.h"

enum health_grade {
	HEALTH_GREEN,
	HEALTH_YELLOW, /* somebody should look at it */
	HEALTH_RED,    /* it does not work, or will not soon */
	HEALTH_GRADE__COUNT,
};
const char *health_grade_name(enum health_grade grade);

#define HEALTH_REASONS_MAX 32
#define HEALTH_TEXT 300

struct health_reason {
	const char *code; /* a word for programs, stable; lives as long as the program */
	enum health_grade grade;
	char text[HEALTH_TEXT]; /* a sentence without its full stop */
};

struct health_report {
	enum health_grade grade; /* the worst of all reasons, also of those without room */
	struct health_reason reasons[HEALTH_REASONS_MAX];
	size_t count;
};

void health_say(struct health_report *out, const char *code, enum health_grade grade,
    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The first reason of the worst grade; NULL: there is none. */
const struct health_reason *health_worst(const struct health_report *r);

/* --- times and state --- */

/*
 * Of a certificate: yellow below a third of its lifetime, red below a sixth; red in its last day
 * too, if it lives for more than three; red before and after its time.
 */
enum health_grade health_of_times(int64_t not_before, int64_t not_after, int64_t now);

/* When that may next be another one; 0: never. */
int64_t health_next_change(int64_t not_before, int64_t not_after, int64_t now);

/*
 * expiring, expired, not-yet-valid, revoked, withdrawn, failed, waiting, no-access. What is
 * archived or a draft is green, since nobody expects anything of it. active NULL: none is in force.
 */
void health_judge_state(const struct credential_public *c, const struct active_facts *active,
    bool has_access, int64_t now, struct health_report *out);

/* --- own CAs --- */

struct ca_facts {
	int64_t not_before, not_after;
	int64_t renewal;    /* when the manager renews it by itself; 0: never */
	int64_t crl_update; /* until when its revocation list is good; 0: it has none */
	bool superseded;    /* another one issues in its place: it ends with its leaves */
};
/*
 * expired, not-yet-valid, crl-expired (red); renewal-late, expiring (yellow, red): the latter of
 * one that nobody renews by itself.
 */
void health_judge_ca(const struct ca_facts *ca, int64_t now, struct health_report *out);

/* --- what servers say --- */

enum health_serves {
	SERVES_ACTIVE,
	SERVES_NOTHING,
	SERVES_OLDER,   /* another generation than that in force */
	SERVES_UNKNOWN, /* it has not said anything since the start of the manager */
	SERVES__COUNT,
};

struct health_node {
	const char *name;
	enum health_serves serves;
	bool expired;      /* what it serves instead has run out */
	const char *error; /* of its own; "" or NULL: none */
};

/* not-served (red), older-served (yellow, red when that has run out), not-known (yellow). */
void health_judge_serving(const struct health_node *nodes, size_t count, struct health_report *out);

/* --- what was found by a look from outside --- */

enum check_finding {
	FOUND_UNREACHABLE, /* no address, or no connection */
	FOUND_NO_STARTTLS, /* the server does not let TLS begin */
	FOUND_NO_HANDSHAKE,
	FOUND_WRONG_CERTIFICATE, /* none of this credential */
	FOUND_OLDER_GENERATION,
	FOUND_EXPIRED,
	FOUND_NAME_MISMATCH,
	FOUND_CHAIN_INCOMPLETE,
	FOUND__COUNT,
};
/* "unreachable", "no-starttls", "no-handshake", "wrong-certificate", ... */
const char *check_finding_name(enum check_finding finding);
enum health_grade check_finding_grade(enum check_finding finding);

struct check_result {
	int64_t at;           /* 0: nobody has looked yet */
	uint32_t findings;    /* bits of enum check_finding; 0: all is well */
	bool has_certificate; /* then of the leaf that is served: */
	struct hash fingerprint;
	int64_t not_after;
	uint64_t generation; /* its number; 0: it is none of the credential's */
	char text[HEALTH_TEXT];
};

/* Adds a finding and what is to be said of it. */
void check_result_say(struct check_result *r, enum check_finding finding, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
enum health_grade check_result_grade(const struct check_result *r);
/* Code "check-" and the worst finding; nothing of what is well, or was not looked at. */
void health_judge_check(
    const char *address, const struct check_result *r, struct health_report *out);

#endif
