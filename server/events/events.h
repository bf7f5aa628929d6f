#ifndef SERVER_EVENTS_EVENTS_H
#define SERVER_EVENTS_EVENTS_H

/*
 * What an administrator should hear of, told once each to commands and webhooks. An event is raised
 * by whoever knows of it, gets a row in the outbox (a table of this server, see
 * server/index/local_events.h) and goes to each receiver in order, until that has taken it: across
 * restarts, and with waits that grow. What follows from records alone is derived here, and written
 * in the transaction of the commit that it follows from; so is what follows from the clock and from
 * silence. docs/events.md has the kinds and the JSON. Loop thread only.
 */

#include "server/commit/commit.h"
#include "server/index/index.h"

struct events;
struct health;
struct health_change;
struct loop;
struct publish;

enum event_kind {
	EVENT_CREDENTIAL_ISSUED,
	EVENT_CREDENTIAL_ACTIVATED,
	EVENT_CREDENTIAL_WAITING,
	EVENT_CREDENTIAL_FAILED,
	EVENT_CREDENTIAL_EXPIRING,
	EVENT_CREDENTIAL_EXPIRED,
	EVENT_CREDENTIAL_REVOKED,
	EVENT_CREDENTIAL_ARCHIVED,
	EVENT_CREDENTIAL_RESTORED,
	EVENT_CREDENTIAL_DELETED,
	EVENT_CREDENTIAL_ACCESS,
	EVENT_CREDENTIAL_NOT_SERVED,
	EVENT_CREDENTIAL_SERVED_AGAIN,
	EVENT_CREDENTIAL_CHAIN_BAD,
	EVENT_CREDENTIAL_CHAIN_GOOD,
	EVENT_CREDENTIAL_EXPORTED,
	EVENT_CREDENTIAL_EXPORT_REFUSED,
	EVENT_CREDENTIAL_EXPORT_LAPSED,
	EVENT_CREDENTIAL_EXPOSED,
	EVENT_CREDENTIAL_PROVEN,
	EVENT_CHECK_FAILED,
	EVENT_CHECK_RECOVERED,
	EVENT_NODE_JOINED,
	EVENT_NODE_REMOVED,
	EVENT_NODE_STALE,
	EVENT_NODE_FRESH_AGAIN,
	EVENT_NODE_EXPIRING,
	EVENT_CA_CREATED,
	EVENT_CA_RENEWED,
	EVENT_CA_EXPIRING,
	EVENT_CA_EXPIRED,
	EVENT_CRL_FAILED,
	EVENT_TRUST_ADDED,
	EVENT_TRUST_REMOVED,
	EVENT_SIGNER_LOST,
	EVENT_SIGNER_BACK,
	EVENT_MANAGER_STARTED,
	EVENT_MANAGER_FENCED,
	EVENT_MANAGER_CONFLICT,
	EVENT_EVENTS_LOST,
	EVENT_EVENTS_TEST,
	EVENT__COUNT,
};

/* How much it matters: "info", "notice", "warning", "error". */
enum event_level {
	EVENT_LEVEL_INFO,    /* as it should be */
	EVENT_LEVEL_NOTICE,  /* somebody did it, and others may want to know */
	EVENT_LEVEL_WARNING, /* somebody should look at it in time */
	EVENT_LEVEL_ERROR,   /* something does not work */
	EVENT_LEVEL__COUNT,
};

/* "credential.not_served". */
const char *event_kind_name(enum event_kind kind);
enum event_level event_kind_level(enum event_kind kind);
const char *event_level_name(enum event_level level);
/* False: there is no such kind. */
bool event_kind_parse(const char *name, enum event_kind *out);

/* One member of "data"; made by the macros below. */
struct event_fact {
	const char *name;
	enum { FACT_TEXT, FACT_NUMBER, FACT_TIME, FACT_FLAG, FACT_TEXTS } type;
	const char *text;
	int64_t number; /* seconds of a time */
	struct texts texts;
};
#define EVENT_TEXT(n, t) ((struct event_fact){.name = (n), .type = FACT_TEXT, .text = (t)})
#define EVENT_NUMBER(n, v) ((struct event_fact){.name = (n), .type = FACT_NUMBER, .number = (v)})
#define EVENT_TIME(n, v) ((struct event_fact){.name = (n), .type = FACT_TIME, .number = (v)})
#define EVENT_FLAG(n, v) ((struct event_fact){.name = (n), .type = FACT_FLAG, .number = (v)})
#define EVENT_TEXTS(n, v) ((struct event_fact){.name = (n), .type = FACT_TEXTS, .texts = (v)})

/*
 * What has happened, borrowed for the time of the call. Never with a secret: events leave the
 * domain.
 */
struct event {
	enum event_kind kind;
	const struct id *id; /* of the record that it is about; NULL: of none */
	const char *name;    /* of that record, "www.example.org"; NULL: the server itself */
	const char *text;    /* one sentence for people, without a full stop */
	const struct event_fact *facts;
	size_t fact_count;
};

/*
 * Keeps the event, in a job of the worker, and then tells it. events may be NULL: nobody is told
 * (tests, the simulator). What follows from a mutation is better handed over with it, by
 * mutation_tell, so that both are durable or none.
 */
void events_raise(struct events *e, const struct event *event);
/*
 * For what is seen again and again, by looking: told when level (from 1) is higher than what has
 * been told about this kind and `about`, also before a restart. That is the id of a live record
 * (the credential, or its generation); what was told is forgotten with it. True: it is told now.
 */
bool events_raise_once(
    struct events *e, const struct event *event, const struct id *about, uint32_t level);
/* That is over, and told anew when it comes back. True: it had been told. */
bool events_settle(struct events *e, enum event_kind kind, const struct id *about);

/* --- for server/main ------------------------------------------------------------------------- */

/* A receiver of events: a command or a webhook. */
struct event_receiver {
	const char *name;        /* for people, and how it is known across restarts */
	struct texts command;    /* a program with its arguments; none: a webhook */
	const char *webhook;     /* https:// or http:// */
	const char *secret_file; /* of the webhook: key of its signatures; NULL: none */
	struct texts kinds;      /* "credential.expiring", "node.*"; none: all */
	int64_t timeout;         /* seconds for one event */
};
#define EVENT_RECEIVERS_MOST 8
#define EVENT_ARGUMENTS_MOST 32
/* Whether a text can be one of kinds: of a kind that there is, or "noun.*" or "*". */
NODISCARD int event_pattern_check(const char *text, struct err *err);
/* ERR_INVALID; whole: also whether its files are there, and can be used. */
NODISCARD int event_receiver_check(
    const struct event_receiver *receiver, bool whole, struct err *err);

#define EVENTS_STALE_AFTER 45 /* seconds of silence of a node */

struct events_params {
	struct runtime *runtime;
	struct loop *loop;   /* the same, for children and threads; NULL without receivers */
	struct store *store; /* local_open has been called on it */
	struct index *index;
	const char *domain_name;
	struct id self;
	int64_t stale_after;                    /* seconds; 0: as above */
	const struct event_receiver *receivers; /* live as long as events */
	size_t receiver_count;
	/* An event is durable: its JSON, borrowed. May be NULL. */
	void (*told)(void *arg, struct span document);
	void *arg;
};

/* Reads what is on disk, blocking: before the loop runs. */
NODISCARD int events_new(const struct events_params *params, struct events **out, struct err *err);
/* For commit: derives what follows from records, and writes it with them. */
struct commit_beside events_beside(struct events *e);
/* Begins to tell, and to look at nodes and CAs: once the records are there. */
void events_start(struct events *e, struct commit *commit, const struct publish *publish,
    const struct health *health);
/* As health_change_cb. */
void events_on_health(struct events *e, const struct health_change *change);
/* Publish and health are about to end: nothing is looked at any more. */
void events_look_away(struct events *e);

/* Documents of events above a number in order, at most max; borrowed for the time of the call. */
typedef void events_read_cb(
    void *arg, int status, const struct span *documents, size_t count, const struct err *err);
#define EVENTS_READ_MOST 1000
void events_read(struct events *e, uint64_t above, size_t max, events_read_cb *done, void *arg);
/* Number of the newest event. */
uint64_t events_last(const struct events *e);

/* How a receiver is. Texts are borrowed until the next turn of the loop. */
struct event_receiver_stats {
	const struct event_receiver *receiver;
	uint64_t done;           /* it has everything up to that number, or did not want it */
	uint64_t taken, refused; /* since our start */
	const char *trouble;     /* NULL: none */
	int64_t since_ms, next_try_ms;
};
size_t events_receivers(
    const struct events *e, struct event_receiver_stats out[static EVENT_RECEIVERS_MOST]);

/* What is raised from now on is in memory only, and lost. closed comes when the last job has ended.
 */
void events_close(struct events *e, void (*closed)(void *arg), void *arg);

#endif
