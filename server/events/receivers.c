/* Each receiver gets the events one after another, and is asked again until it has taken one. */

#include "common/base/str.h"
#include "common/http/http.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "server/events/receiver_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS (10 * 60 * 1000)
#define REFUSALS_MOST 5 /* of one event; then it is left out */
#define PAGE_MOST 16
#define PEM_MOST (1024 * 1024)

/*
 *   IDLE --> TURN --> SENDING --> TURN      TURN writes how far it is, and reads what comes next
 *            TURN --> IDLE                  there is nothing
 *            TURN, SENDING --> WAITING --> TURN, SENDING
 */
enum receiver_state {
	RECEIVER_IDLE,
	RECEIVER_TURN,
	RECEIVER_SENDING,
	RECEIVER_WAITING,
	RECEIVER__COUNT,
};

static const struct sm_state states[] = {
    [RECEIVER_IDLE] = {"idle", SM_TO(RECEIVER_TURN)},
    [RECEIVER_TURN] = {"turn",
	SM_TO(RECEIVER_IDLE) | SM_TO(RECEIVER_SENDING) | SM_TO(RECEIVER_WAITING)},
    [RECEIVER_SENDING] = {"sending", SM_TO(RECEIVER_IDLE) | SM_TO(RECEIVER_WAITING)},
    [RECEIVER_WAITING] = {"waiting", SM_TO(RECEIVER_IDLE) | SM_TO(RECEIVER_SENDING)},
};
_Static_assert(ARRAY_LEN(states) == RECEIVER__COUNT, "every state has its row");

struct pending {
	struct pending *next;
	uint64_t number;
	char id[ID_HEX_MAX];
	char kind[64];
	struct buf document;
};

struct receiver {
	struct events *e;
	const struct event_receiver *p;
	struct command *command;
	struct webhook *webhook;
	struct sm state;
	uint64_t done, stored; /* taken up to here; as it is on disk */
	bool again;            /* something came while it read */
	struct pending *head, **tail;
	/* the turn: the worker's meanwhile */
	struct job job;
	struct store *store;
	uint64_t seen; /* read up to here */
	size_t rows;
	int status;
	struct err err;
	/* one that does not work */
	struct timer timer;
	struct backoff backoff;
	unsigned refusals;
	uint64_t taken, refused;
	char trouble[ATTEMPT_TEXT];
	int64_t since_ms, next_try_ms;
};

static void send_next(struct receiver *s);
static void start_turn(struct receiver *s);

/* --- the turn, on the worker ----------------------------------------------------------------- */

static bool
wants(const struct receiver *s, const char *kind)
{
	for (size_t i = 0; i < s->p->kinds.count; i++)
		if (event_pattern_fits(s->p->kinds.items[i], kind))
			return true;
	/* That it has missed some is told to everybody. */
	return s->p->kinds.count == 0 || str_equal(kind, event_kind_name(EVENT_EVENTS_LOST)) ||
	    str_equal(kind, event_kind_name(EVENT_EVENTS_TEST));
}

static void
pending_free(struct pending *p)
{
	buf_fini(&p->document);
	mem_free(p);
}

static int
take_event(void *arg, const struct local_event *ev, struct err *err)
{
	struct receiver *s = arg;
	AUTO(json_freep)
	struct json *body = NULL;
	struct pending *p;

	(void)err;
	s->seen = ev->number;
	s->rows++;
	if (!wants(s, ev->kind))
		return 0;
	p = mem_zalloc(sizeof(*p));
	p->number = ev->number;
	p->document = BUF_INIT(LOCAL_EVENT_MAX + 256);
	event_document(ev, &p->document);
	snprintf(p->kind, sizeof(p->kind), "%s", ev->kind);
	if (json_parse(ev->body, LOCAL_EVENT_MAX, &body, NULL) == 0)
		snprintf(p->id, sizeof(p->id), "%s", json_text(body, "id"));
	*s->tail = p;
	s->tail = &p->next;
	return 0;
}

static void
run_turn(struct job *job)
{
	struct receiver *s = CONTAINER_OF(job, struct receiver, job);

	s->status = 0;
	s->rows = 0;
	if (s->done != s->stored)
		s->status = local_receiver_put(s->store, s->p->name, s->done, &s->err);
	if (s->status == 0)
		s->stored = s->done;
	if (s->status == 0 && s->head == NULL)
		s->status = local_events_each(s->store, s->seen, PAGE_MOST, take_event, s, &s->err);
}

/* --- on the loop ----------------------------------------------------------------------------- */

static void
on_timer(void *arg)
{
	struct receiver *s = arg;

	s->next_try_ms = 0;
	if (s->head != NULL) {
		send_next(s);
		return;
	}
	sm_move(&s->state, RECEIVER_IDLE);
	start_turn(s);
}

static void
wait_after(struct receiver *s, const char *why)
{
	uint64_t ms = backoff_next(&s->backoff, s->e->rt);

	snprintf(s->trouble, sizeof(s->trouble), "%s", why);
	if (s->since_ms == 0) {
		s->since_ms = runtime_wall_ms(s->e->rt);
		log_warning("events",
		    "receiver=%s does not take events: %s; they wait, and it is tried again",
		    s->p->name, why);
	} else {
		log_debug("events", "receiver=%s tries=%u: %s", s->p->name, s->backoff.tries, why);
	}
	s->next_try_ms = runtime_wall_ms(s->e->rt) + (int64_t)ms;
	sm_move(&s->state, RECEIVER_WAITING);
	s->timer = (struct timer){.cb = on_timer, .arg = s};
	runtime_timer_start(s->e->rt, &s->timer, ms);
}

static void
works_again(struct receiver *s)
{
	if (s->since_ms != 0)
		log_notice("events", "receiver=%s takes events again after %u tries", s->p->name,
		    s->backoff.tries);
	s->since_ms = s->next_try_ms = 0;
	s->trouble[0] = '\0';
	backoff_reset(&s->backoff);
}

static void
turn_done(struct job *job)
{
	struct receiver *s = CONTAINER_OF(job, struct receiver, job);

	if (s->e->closing) {
		sm_move(&s->state, RECEIVER_IDLE);
		events_ended(s->e);
		return;
	}
	if (s->status < 0) {
		/* Not sent before it is known on disk how far it is: it might come twice. */
		wait_after(s, s->err.text);
		return;
	}
	if (s->head != NULL) {
		send_next(s);
		return;
	}
	/* What it did not want counts as taken; that is written with the next that it gets. */
	s->done = s->stored = s->seen;
	sm_move(&s->state, RECEIVER_IDLE);
	if (s->rows == PAGE_MOST || s->again)
		start_turn(s);
}

static void
start_turn(struct receiver *s)
{
	if (!s->e->started || s->state.state != RECEIVER_IDLE)
		return;
	/* What was taken last is written still. */
	if (s->e->closing && s->done == s->stored)
		return;
	s->again = false;
	sm_move(&s->state, RECEIVER_TURN);
	s->job = (struct job){.run = run_turn, .done = turn_done};
	runtime_work(s->e->rt, &s->job);
}

/* The first is done with. */
static void
drop_head(struct receiver *s)
{
	struct pending *p = s->head;

	s->done = p->number;
	s->head = p->next;
	if (s->head == NULL)
		s->tail = &s->head;
	s->refusals = 0;
	pending_free(p);
}

static void
on_attempt(void *arg, enum attempt_end end, const char *text)
{
	struct receiver *s = arg;

	if (end == ATTEMPT_TAKEN) {
		s->taken++;
		works_again(s);
		drop_head(s);
	} else if (end == ATTEMPT_REFUSED && ++s->refusals >= REFUSALS_MOST) {
		log_warning("events",
		    "receiver=%s event=%s number=%" PRIu64 " is left out after %d tries: %s",
		    s->p->name, s->head->kind, s->head->number, REFUSALS_MOST, text);
		s->refused++;
		backoff_reset(&s->backoff);
		drop_head(s);
	} else if (!s->e->closing) {
		wait_after(s, text);
		return;
	}
	sm_move(&s->state, RECEIVER_IDLE);
	start_turn(s);
	events_ended(s->e);
}

static void
send_next(struct receiver *s)
{
	const struct pending *p = s->head;
	const struct attempt attempt = {
	    .number = p->number, .id = p->id, .kind = p->kind, .document = buf_span(&p->document)};
	struct buf roots = BUF_INIT(PEM_MOST);
	struct err err;
	int r;

	sm_move(&s->state, RECEIVER_SENDING);
	if (s->command != NULL) {
		r = command_start(s->command, &attempt, on_attempt, s, &err);
	} else {
		index_put_roots(s->e->p.index, TRUST_OUTGOING, &roots);
		r = webhook_start(s->webhook, &attempt, buf_span(&roots), on_attempt, s, &err);
		buf_fini(&roots);
	}
	if (r < 0)
		wait_after(s, err.text);
}

/* --- all of them ----------------------------------------------------------------------------- */

static int
open_receiver(struct receiver *s, struct events *e, const struct event_receiver *p, uint64_t done,
    struct err *err)
{
	s->e = e;
	s->p = p;
	s->store = e->p.store;
	s->tail = &s->head;
	s->done = s->stored = s->seen = done;
	s->backoff = (struct backoff){.first_ms = RETRY_FIRST_MS, .most_ms = RETRY_MOST_MS};
	sm_init(&s->state, states, RECEIVER__COUNT, RECEIVER_IDLE);
	if (p->webhook != NULL)
		return webhook_new(e->p.loop, p, &s->webhook, err);
	s->command = command_new(e->p.loop, p);
	return 0;
}

int
receivers_open(struct events *e, struct err *err)
{
	const char *names[EVENT_RECEIVERS_MOST];
	uint64_t done[EVENT_RECEIVERS_MOST];
	int r;

	CHECK(e->p.receiver_count <= EVENT_RECEIVERS_MOST);
	for (size_t i = 0; i < e->p.receiver_count; i++)
		names[i] = e->p.receivers[i].name;
	r = local_receivers_open(e->p.store, names, e->p.receiver_count, done, err);
	if (r == 0)
		r = http_init(err);
	if (r < 0)
		return r;
	e->receivers = mem_array(e->p.receiver_count + 1, sizeof(*e->receivers));
	for (size_t i = 0; r == 0 && i < e->p.receiver_count; i++)
		r = open_receiver(&e->receivers[i], e, &e->p.receivers[i], done[i], err);
	return r;
}

void
receivers_free(struct events *e)
{
	for (size_t i = 0; e->receivers != NULL && i < e->p.receiver_count; i++) {
		struct receiver *s = &e->receivers[i];

		while (s->head != NULL) {
			struct pending *p = s->head;

			s->head = p->next;
			pending_free(p);
		}
		command_free(s->command);
		webhook_free(s->webhook);
	}
	if (e->receivers != NULL)
		http_fini();
	mem_free(e->receivers);
	e->receivers = NULL;
}

void
receivers_stop(struct events *e)
{
	for (size_t i = 0; i < e->p.receiver_count; i++) {
		struct receiver *s = &e->receivers[i];

		if (s->state.state == RECEIVER_WAITING) {
			runtime_timer_stop(e->rt, &s->timer);
			sm_move(&s->state, RECEIVER_IDLE);
		}
		if (s->command != NULL)
			command_stop(s->command);
		if (s->webhook != NULL)
			webhook_stop(s->webhook);
	}
}

bool
receivers_are_quiet(const struct events *e)
{
	for (size_t i = 0; i < e->p.receiver_count; i++)
		if (e->receivers[i].state.state != RECEIVER_IDLE)
			return false;
	return true;
}

void
receivers_wake(struct events *e)
{
	for (size_t i = 0; i < e->p.receiver_count; i++) {
		e->receivers[i].again = true;
		start_turn(&e->receivers[i]);
	}
}

uint64_t
receivers_taken(const struct events *e)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < e->p.receiver_count; i++)
		if (e->receivers[i].done < least)
			least = e->receivers[i].done;
	return least;
}

uint64_t
receivers_fetched(const struct events *e)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < e->p.receiver_count; i++)
		if (e->receivers[i].seen < least)
			least = e->receivers[i].seen;
	return e->p.receiver_count > 0 ? least : 0;
}

size_t
events_receivers(
    const struct events *e, struct event_receiver_stats out[static EVENT_RECEIVERS_MOST])
{
	for (size_t i = 0; i < e->p.receiver_count; i++) {
		const struct receiver *s = &e->receivers[i];

		out[i] = (struct event_receiver_stats){
		    .receiver = s->p,
		    .done = s->done,
		    .taken = s->taken,
		    .refused = s->refused,
		    .trouble = s->since_ms != 0 ? s->trouble : NULL,
		    .since_ms = s->since_ms,
		    .next_try_ms = s->next_try_ms,
		};
	}
	return e->p.receiver_count;
}
