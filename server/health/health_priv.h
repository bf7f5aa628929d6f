#ifndef SERVER_HEALTH_HEALTH_PRIV_H
#define SERVER_HEALTH_HEALTH_PRIV_H

/* Inside of server/health: what is kept of each credential, and who works on it. */

#include "common/base/map.h"
#include "common/base/runtime.h"
#include "common/base/str.h"
#include "server/health/health.h"

/* Reasons that are kept, in as little memory as they need. */
struct kept_reasons {
	size_t count;
	struct kept_reason {
		const char *code;
		enum health_grade grade;
		char text[CHAIN_REASON_TEXT];
	} items[];
};

/* An address that is stored. */
struct place {
	char *address;
	struct check_result result;
	uint64_t due_ms; /* monotonic */
	bool looking;
};

struct item {
	struct id credential;
	/* what it was at the last look, if there was one */
	bool seen;
	enum health_grade grade;
	enum health_grade told[CONDITION__COUNT];
	int64_t again_at; /* wall clock, seconds; 0: only when something changes */
	struct id active;
	/* to be looked at again */
	bool queued;
	struct item *next;
	/* the chain of that version of the generation */
	bool judged, judge_queued;
	struct item *judge_next;
	struct kept_reasons *chain; /* NULL: nothing is wrong */
	struct place *places;
	size_t place_count;
};

struct queue {
	struct item *first, **end;
	size_t count;
};

struct anchors_read; /* anchors.c */
struct judging;      /* chains.c: a record that is fetched */
struct look;         /* looks.c: a look that is under way */

struct health {
	struct health_params p;
	struct map *items; /* by credential */
	struct queue queue, judge_queue;
	struct timer work_timer, judge_timer, sweep_timer;
	uint64_t started_ms, judged_all_ms;
	bool touch_all; /* at the next sweep */
	struct judging *judging;
	struct anchors_read *anchors_read;
	struct cert **host_roots;
	size_t host_root_count;
	struct look *looks;
	size_t look_count;
	health_change_cb *listener;
	void *listener_arg;
	/* runway.c: ends of the identities of nodes, and of the certificate of managers, by node */
	struct map *ends;
};

/* health.c */
struct item *health_item(const struct health *h, const struct id *credential); /* or NULL */
void health_touch(struct health *h, struct item *it);

/*
 * gather.c: the report, and when it may next be another one by the clock alone (0: never). Returns
 * what it has cost: 1, and 1 for each server that it had to ask.
 */
size_t gather(const struct health *h, const struct item *it, const struct index_record *c,
    struct health_report *out, int64_t *again_at);

/* chains.c */
void chains_start(struct health *h);
void chains_stop(struct health *h);
/* Judges the chain of the generation in force anew. */
void chains_queue(struct health *h, struct item *it);
void chains_queue_all(struct health *h);
/* The item goes. */
void chains_forget(struct health *h, struct item *it);

/* anchors.c */
void anchors_load(struct health *h); /* again: the host's may have changed */
void anchors_stop(struct health *h);
/* Whether what a server sends, leaf first, leads to one. */
bool anchors_hold(const struct health *h, const struct cert *const *chain, size_t count);

/* looks.c */
void looks_stop(struct health *h);
/* Takes over the addresses of the record. */
void looks_refresh(struct health *h, struct item *it, const struct index_record *c);
/* Looks at what is due. */
void looks_sweep(struct health *h);
/* There is a new generation in force. */
void looks_soon(struct health *h, struct item *it);

/* compare.c: what a look has found, held against what should be there. */
void compare(struct health *h, const struct index_record *c, const char *asked,
    const struct check_answer *answer, struct check_result *out);
/* The name that is asked for at an address: "" when there is none. */
void asked_name(const struct health *h, const struct index_record *c,
    const struct check_target *target, char out[static NAME_TEXT_MAX]);

/* runway.c */
void runway_start(struct health *h);
void runway_stop(struct health *h);
void runway_on_node(struct health *h, const struct id *node);

void item_free_places(struct item *it);

#endif
