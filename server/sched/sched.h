#ifndef SERVER_SCHED_SCHED_H
#define SERVER_SCHED_SCHED_H

/*
 * When each credential is due: a heap by time over the index, kept up as an observer of commit. It
 * starts what is due through a callback, a bounded number at a time. Nothing is kept: times follow
 * from the records, so the next manager comes to the same ones. Loop thread only.
 */

#include "server/commit/commit.h"
#include "server/index/index.h"

struct sched;

/*
 * Starts the renewal of a credential; 0: sched_done must be called for it, later, exactly once.
 * Negative: it could not be started and is tried again later.
 */
typedef int sched_start_cb(void *arg, const struct id *credential, struct err *err);

#define SCHED_IN_FLIGHT 64
/*
 * The most that are started in a minute: so many, and with many credentials one in sixty of them.
 * When all are due at once (a clock was set ahead, a manager was away for a month), they come over
 * an hour and not in one heap, and a wrong clock has time to be noticed; certificates of an hour
 * still never run out.
 */
#define SCHED_PER_MINUTE 600

struct sched_params {
	struct runtime *runtime;
	struct index *index; /* loaded */
	struct commit *commit;
	sched_start_cb *start;
	void *arg;
	size_t in_flight;  /* 0: SCHED_IN_FLIGHT */
	size_t per_minute; /* 0: by SCHED_PER_MINUTE */
};

NODISCARD int sched_new(const struct sched_params *params, struct sched **out, struct err *err);
void sched_free(struct sched *s);
DEFINE_FREEP(struct sched, sched_free)

void sched_done(struct sched *s, const struct id *credential, int status);

/* Wall clock seconds at which a credential is due; 0: never (archived, no generation). */
int64_t sched_due_at(const struct sched *s, const struct id *credential);

struct sched_stats {
	size_t waiting, due, running; /* due are those of the waiting whose time has come */
	size_t in_flight, per_minute; /* the most of them that run, and that are started */
	int64_t next_at;              /* 0: nothing waits */
};
void sched_stats(const struct sched *s, struct sched_stats *out);

#endif
