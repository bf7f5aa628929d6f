#ifndef COMMON_FOLLOW_FOLLOW_H
#define COMMON_FOLLOW_FOLLOW_H

/*
 * A follower of the log: pulls, verifies, stages, applies as a whole, and says what changed. What
 * it applies has a state digest equal to that of a head signed by the manager of the newest
 * designation known; nothing else is ever shown. Loop thread only; the store is used in jobs.
 */

#include "common/wire/link_messages.h"

struct follow;
struct link_client;
struct runtime;
struct store;
struct trust;

/* One record that changed by an applied delta. Borrowed for the time of the call. */
struct change {
	const struct record *record; /* public_part and sealed included; removed: a tombstone */
	bool gone; /* left the state altogether (a staged refetch); only id and kind */
};

enum freshness {
	FRESH_UNKNOWN, /* since the start no head has confirmed the state */
	FRESH,
	FRESH_STALE, /* beat has not advanced for FOLLOW_STALE_MS */
};
#define FOLLOW_STALE_MS 45000
const char *freshness_name(enum freshness f);

struct follow_events {
	void *arg;
	/*
	 * A delta has been applied durably. complete: changes is the whole difference; otherwise
	 * (first sync, refetch of everything, a store written anew) look at the store again, count
	 * is 0 then.
	 */
	void (*on_applied)(void *arg, const struct change *changes, size_t count, bool complete,
	    struct position at);
	void (*on_freshness)(void *arg, enum freshness f);
	/* A higher term was taken in: keep it in a file, before anything of it is applied. */
	void (*on_term)(void *arg, uint64_t term);
	/* The manager says that this node is not a member any more; text is its reason. */
	void (*on_refused)(void *arg, int code, const char *text);
	/*
	 * An answer was not taken: forged, older, not the state of its head, or the disk did not
	 * keep it. The error names the record. Each time, so the same comes again and again.
	 */
	void (*on_trouble)(void *arg, const struct err *err);
};

struct follow_params {
	struct runtime *runtime;
	struct link_client *link; /* the caller closes it after follow_close */
	struct store *store;
	struct trust *trust; /* taken over and changed as designations come */
	uint64_t high_term;  /* of the file: older terms are refused; 0: none */
	struct id node;
	const char *software;
	uint32_t wait_ms;   /* 0: 15 s */
	uint32_t max_bytes; /* 0: LIMIT_DELTA_PAGE */
	struct follow_events events;
};

NODISCARD int follow_new(const struct follow_params *params, struct follow **out, struct err *err);
/* Not from inside an event. */
void follow_close(struct follow *f, void (*closed)(void *arg), void *arg);

/* What this node serves for a credential, or why not; told to the manager with the next pull. */
void follow_set_receipt(struct follow *f, const struct receipt *receipt);
void follow_drop_receipt(struct follow *f, const struct id *credential);
/* Receipts of the last applied delta are complete: pull now instead of waiting for them. */
void follow_receipts_done(struct follow *f);

/* Asks for a renewed identity over the link, between two pulls. done comes exactly once. */
typedef void follow_identity_cb(
    void *arg, int status, const struct identity_reply *reply, const struct err *err);
NODISCARD int follow_identity(struct follow *f, const struct identity_request *request,
    follow_identity_cb *done, void *arg, struct err *err);

/*
 * What the store holds of the state was found to be damaged: everything is fetched anew, and put in
 * its place as after any mismatch. For the caller to ask for in moderation.
 */
void follow_refetch(struct follow *f);

/* Borrowed; for verifying on other threads take a trust_clone. */
const struct trust *follow_trust(const struct follow *f);

/*
 * Whether the record's signature has been verified already when it was applied. Records of a first
 * sync have not; whoever opens one verifies it first with trust_verify_record.
 */
bool follow_is_verified(const struct follow *f, struct position at);

struct follow_status {
	struct position at;
	uint64_t beat;
	enum freshness freshness;
	uint64_t since_beat_ms; /* local monotonic time */
	const char *state;      /* name of the machine's state */
	struct err last_error;  /* code 0: none */
	uint64_t applied, refetched, refused;
	size_t records;
};
void follow_status(const struct follow *f, struct follow_status *out);

#endif
