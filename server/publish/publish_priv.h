#ifndef SERVER_PUBLISH_PUBLISH_PRIV_H
#define SERVER_PUBLISH_PUBLISH_PRIV_H

/* Inside publish: the ring of recent commits, pulls that wait, pages under way, and followers. */

#include "common/base/map.h"
#include "common/base/runtime.h"
#include "common/link/link_server.h"
#include "common/store/store.h"
#include "common/wire/trust.h"
#include "server/publish/publish.h"

#define WAIT_DEFAULT_MS 15000
#define WAIT_MIN_MS 1000
#define WAIT_MAX_MS 60000
#define BEAT_MS 5000
#define RING_BYTES (8 * 1024 * 1024)
#define RING_ENTRIES 65536
/* Reads of the store at one time: a commit waits behind them on the worker. */
#define PAGES_AT_ONCE 2
#define PAGE_RECORDS 4096
/* Answers kept until the next head, so that followers at one place share them. */
#define ANSWERS_KEPT 8
/* A follower that asks again for what it was given under the same head waits after that many. */
#define REPEATS_MAX 3
#define RECEIPTS_PER_NODE 65536
#define RECEIPT_ERROR_MAX 200
#define SOFTWARE_MAX 64
/* Between the refusal of a node and the end of its connection, so that it can read why. */
#define DROP_AFTER_MS 200

/* --- ring.c: the newest committed records, latest versions only ----------------------------- */

struct ring_entry {
	struct id id;
	uint32_t kind;
	struct position at;
	uint64_t mutation;
	bool removed, dead; /* dead: a later version is in the ring, or it was purged */
	uint8_t *bytes;     /* body, then signature */
	size_t body_len, signature_len;
};

struct ring {
	struct ring_entry *entries; /* circular, in order */
	size_t first, count, cap;
	size_t bytes, max_bytes;
	struct position from; /* everything committed behind it that is alive is here */
	struct map *latest;   /* id -> 1 + running number of its entry */
	size_t dropped;       /* running number of the first entry */
};

void ring_init(struct ring *r, size_t max_bytes);
void ring_fini(struct ring *r);
/* Empty, and complete from here on. */
void ring_begin(struct ring *r, struct position from);
void ring_add(struct ring *r, const struct committed *c);
/* Tombstones up to the floor have left the state. */
void ring_purge(struct ring *r, struct position floor);
/*
 * The records behind cursor, whole mutations only, at least one of them, within max_bytes. The
 * list is the caller's, the spans are the ring's. False: the ring does not reach back that far.
 */
bool ring_collect(const struct ring *r, struct position cursor, size_t max_bytes,
    struct signed_bytes **list, size_t *count, bool *more);

/* --- followers.c -------------------------------------------------------------------------- */

struct kept_receipt {
	struct receipt receipt;
	char error[RECEIPT_ERROR_MAX + 1];
};

struct follower {
	struct id node;
	struct have have;
	uint64_t asked_ms;
	bool asked;
	char software[SOFTWARE_MAX + 1];
	struct map *receipts; /* credential -> struct kept_receipt */
	/* All of them; meanwhile: the first have come; there were more than are kept. */
	bool receipts_known, receipts_coming, receipts_cut;
	struct pulling *pulling; /* its request, until it is answered */
	/* Its last answer, and how often it was given. */
	struct position sent_cursor;
	uint64_t sent_term, sent_beat;
	unsigned repeats;
};

struct follower *follower_get(struct publish *p, const struct id *node);
struct follower *follower_find(const struct publish *p, const struct id *node);
void follower_forget(struct publish *p, const struct id *node);
void followers_fini(struct publish *p);
void follower_take_receipts(struct publish *p, struct follower *f, const struct pull *pull);

/* --- pull.c ------------------------------------------------------------------------------- */

enum asked {
	ASKED_PULL,
	ASKED_IDENTITY,
};

/* What link_request.user points to. */
struct asking {
	enum asked what;
};

/* A pull that was not answered yet. */
struct pulling {
	struct asking asking;
	struct publish *p;
	struct link_request *request;
	struct follower *follower;
	struct have have;
	struct position cursor;
	uint32_t max_bytes;
	uint64_t known_term; /* of the newest designation that it holds */
	struct timer patience;
	struct page *page; /* waits for it; NULL: held until there is something */
	struct pulling *prev, *next;
};

struct pulling_list {
	struct pulling *first, *last;
	size_t count;
};

/* An answer is the same for all that have this in common. */
struct answer_key {
	struct position cursor;
	uint32_t max_bytes;
	uint64_t known_term;
	bool want_receipts;
};

struct answer {
	struct answer_key key;
	struct buf *body;
};

/* A read of the store for whoever is at that place. */
struct page {
	struct job job;
	struct publish *p;
	struct answer_key key;
	struct pulling_list waiting;
	struct store_records *records;
	bool more, running;
	int status;
	struct err err;
	struct page *next;
};

struct publish_identity {
	struct asking asking;
	struct publish *p;
	struct link_request *request; /* NULL: the connection has ended meanwhile */
	struct id node;
};

/* A connection that is to end soon. */
struct dropping {
	struct timer timer;
	struct publish *p;
	struct id node;
	struct dropping *next;
};

struct publish {
	struct publish_params params;
	struct ring ring;
	struct map *followers; /* node id -> struct follower */
	struct pulling_list held;
	struct answer answers[ANSWERS_KEPT];
	size_t answer_next;
	struct page *pages; /* the oldest first */
	size_t pages_running;
	size_t identities; /* under way */
	struct dropping *dropping;
	bool fenced;
	uint64_t fenced_term;
	struct buf fenced_body, fenced_signature;
	uint32_t fenced_signer;
	struct timer end;
	void (*closed)(void *arg);
	void *closed_arg;
	bool closing;
	struct publish_stats stats;
};

void pulling_append(struct pulling_list *l, struct pulling *q);
void pulling_unlink(struct pulling_list *l, struct pulling *q);

/* Answers it now, or when there is something, or when it has waited that long. */
void pull_start(struct pulling *q, uint32_t wait_ms);
/* A new head: forgets what was kept for the old one, and looks at all that are held. */
void pull_new_head(struct publish *p);
void pull_free(struct pulling *q);
/* The request has ended without us. */
void pull_gone(struct pulling *q);
void answers_clear(struct publish *p);

/* --- publish.c ---------------------------------------------------------------------------- */

/* The request's end: a refusal, with the proof when this manager is fenced off. */
void refuse(struct publish *p, struct link_request *r, int code, const char *text);
void drop_soon(struct publish *p, const struct id *node);
void publish_check_closed(struct publish *p);

#endif
