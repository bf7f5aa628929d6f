#include "server/publish/publish_priv.h"

#include "common/wire/record_wire.h"

#include <string.h>

void
pulling_append(struct pulling_list *l, struct pulling *q)
{
	q->prev = l->last;
	q->next = NULL;
	if (l->last != NULL)
		l->last->next = q;
	else
		l->first = q;
	l->last = q;
	l->count++;
}

void
pulling_unlink(struct pulling_list *l, struct pulling *q)
{
	if (q->prev != NULL)
		q->prev->next = q->next;
	else
		l->first = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	else
		l->last = q->prev;
	q->prev = q->next = NULL;
	l->count--;
}

/* Off the list where it waits, so that it can be freed. */
static void
detach(struct pulling *q)
{
	pulling_unlink(q->page != NULL ? &q->page->waiting : &q->p->held, q);
	q->page = NULL;
}

void
pull_free(struct pulling *q)
{
	runtime_timer_stop(q->p->params.runtime, &q->patience);
	q->follower->pulling = NULL;
	mem_free(q);
}

void
pull_gone(struct pulling *q)
{
	detach(q);
	pull_free(q);
}

/* --- answers ------------------------------------------------------------------------------ */

void
answers_clear(struct publish *p)
{
	for (size_t i = 0; i < ANSWERS_KEPT; i++) {
		buf_free(p->answers[i].body);
		p->answers[i].body = NULL;
	}
}

static bool
same_key(const struct answer_key *a, const struct answer_key *b)
{
	return position_compare(a->cursor, b->cursor) == 0 && a->max_bytes == b->max_bytes &&
	    a->known_term == b->known_term && a->want_receipts == b->want_receipts;
}

static const struct buf *
kept_answer(const struct publish *p, const struct answer_key *key)
{
	for (size_t i = 0; i < ANSWERS_KEPT; i++)
		if (p->answers[i].body != NULL && same_key(&p->answers[i].key, key))
			return p->answers[i].body;
	return NULL;
}

static struct designation_list
news_of_terms(const struct publish *p, uint64_t known, struct signed_designation *out)
{
	const struct trust *t = p->params.trust;
	size_t count = trust_designation_count(t), n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct signed_designation *s = trust_designation(t, i);
		struct designation d;

		if (wire_designation_decode(s->body, &d, NULL) == 0 && d.term > known)
			out[n++] = *s;
	}
	return (struct designation_list){out, n};
}

/* Encodes the answer under the newest head and keeps it; NULL when that fails. */
static const struct buf *
make_answer(struct publish *p, const struct answer_key *key, const struct signed_bytes *records,
    size_t count, bool more, struct err *err)
{
	struct signed_designation *terms =
	    mem_array(trust_designation_count(p->params.trust), sizeof(*terms));
	struct answer *a = &p->answers[p->answer_next];
	struct buf *body = buf_new(LIMIT_DELTA);
	struct reply reply = {.answer = ANSWER_DELTA};
	int rc;

	reply.delta = (struct delta){
	    .designations = news_of_terms(p, key->known_term, terms),
	    .records = {records, count},
	    .has_head = true,
	    .more = more,
	    .want_receipts = key->want_receipts,
	};
	(void)commit_head(p->params.commit, &reply.delta.head);
	rc = wire_reply_encode(&reply, body, err);
	mem_free(terms);
	if (rc < 0) {
		buf_free(body);
		return NULL;
	}
	p->stats.encoded++;
	p->answer_next = (p->answer_next + 1) % ANSWERS_KEPT;
	buf_free(a->body);
	*a = (struct answer){*key, body};
	return body;
}

/* q is on no list, and gone afterwards. */
static void
send_answer(struct pulling *q, const struct buf *body)
{
	const struct head *head = commit_head(q->p->params.commit, NULL);
	struct link_request *request = q->request;
	struct follower *f = q->follower;
	bool again = f->sent_term == head->term && f->sent_beat == head->beat &&
	    position_compare(f->sent_cursor, q->cursor) == 0;

	f->repeats = again ? f->repeats + 1 : 0;
	f->sent_term = head->term;
	f->sent_beat = head->beat;
	f->sent_cursor = q->cursor;
	q->p->stats.answers++;
	pull_free(q);
	link_reply(request, buf_span(body));
}

static void
send_refusal(struct pulling *q, int code, const char *text)
{
	struct publish *p = q->p;
	struct link_request *request = q->request;

	pull_free(q);
	refuse(p, request, code, text);
}

static struct answer_key
key_of(const struct pulling *q)
{
	const struct head *head = commit_head(q->p->params.commit, NULL);
	struct answer_key key = {
	    .cursor = q->cursor,
	    .max_bytes = q->max_bytes,
	    .known_term = q->known_term,
	    .want_receipts = !q->follower->receipts_known && !q->follower->receipts_coming,
	};

	/* At the head everybody is at one place, whatever the size of pages. */
	if (position_compare(q->cursor, head_position(head)) >= 0) {
		key.cursor = head_position(head);
		key.max_bytes = 0;
	}
	return key;
}

/* --- pages -------------------------------------------------------------------------------- */

static void
run_page(struct job *job)
{
	struct page *g = CONTAINER_OF(job, struct page, job);

	g->status = store_page(g->p->params.store, g->key.cursor, g->key.max_bytes, PAGE_RECORDS,
	    &g->records, &g->more, &g->err);
}

static void start_pages(struct publish *p);

static void
unlink_page(struct publish *p, struct page *g)
{
	struct page **at = &p->pages;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
}

/*
 * Jobs come back in the order they were handed in, and so do those of the committer: what the page
 * was read from is the state of the present head.
 */
static const struct buf *
page_answer(struct page *g)
{
	struct signed_bytes *list = mem_array(g->records->count, sizeof(*list));
	const struct buf *body;

	for (size_t i = 0; i < g->records->count; i++)
		list[i] = (struct signed_bytes){
		    g->records->items[i].body, g->records->items[i].signature};
	body = make_answer(g->p, &g->key, list, g->records->count, g->more, &g->err);
	mem_free(list);
	return body;
}

static void
done_page(struct job *job)
{
	struct page *g = CONTAINER_OF(job, struct page, job);
	struct publish *p = g->p;
	const struct buf *body = NULL;
	struct pulling *q;

	unlink_page(p, g);
	p->pages_running--;
	p->stats.pages++;
	if (g->status == 0 && g->waiting.first != NULL)
		body = page_answer(g);
	while ((q = g->waiting.first) != NULL) {
		pulling_unlink(&g->waiting, q);
		q->page = NULL;
		if (body != NULL)
			send_answer(q, body);
		else
			send_refusal(q, ERR_UNAVAIL, g->err.text);
	}
	store_records_free(g->records);
	mem_free(g);
	start_pages(p);
	publish_check_closed(p);
}

static void
start_pages(struct publish *p)
{
	struct page *g = p->pages;

	while (g != NULL && p->pages_running < PAGES_AT_ONCE) {
		struct page *next = g->next;

		if (!g->running && g->waiting.first == NULL) {
			/* All who wanted it are gone. */
			unlink_page(p, g);
			mem_free(g);
		} else if (!g->running) {
			g->running = true;
			p->pages_running++;
			g->job = (struct job){.run = run_page, .done = done_page};
			runtime_work(p->params.runtime, &g->job);
		}
		g = next;
	}
}

static void
wait_for_page(struct pulling *q, const struct answer_key *key)
{
	struct publish *p = q->p;
	struct page **at = &p->pages;

	/* One that runs already was read before this pull came; it is as good. */
	while (*at != NULL && !same_key(&(*at)->key, key))
		at = &(*at)->next;
	if (*at == NULL) {
		*at = mem_zalloc(sizeof(**at));
		(*at)->p = p;
		(*at)->key = *key;
	}
	q->page = *at;
	pulling_append(&q->page->waiting, q);
	runtime_timer_stop(p->params.runtime, &q->patience);
	start_pages(p);
}

/* --- what becomes of a pull --------------------------------------------------------------- */

/* q is on no list. */
static void
answer(struct pulling *q)
{
	struct publish *p = q->p;
	struct answer_key key = key_of(q);
	const struct buf *body = kept_answer(p, &key);
	struct signed_bytes *list = NULL;
	size_t count = 0;
	bool more = false;
	struct err err;

	if (body == NULL &&
	    !ring_collect(&p->ring, key.cursor, key.max_bytes, &list, &count, &more)) {
		wait_for_page(q, &key);
		return;
	}
	if (body == NULL)
		body = make_answer(p, &key, list, count, more, &err);
	mem_free(list);
	if (body != NULL)
		send_answer(q, body);
	else
		send_refusal(q, ERR_UNAVAIL, err.text);
}

/* Whether there is nothing to tell it that it has not been told. */
static bool
is_content(const struct pulling *q, const struct head *head)
{
	const struct follower *f = q->follower;
	bool at_head = position_compare(q->cursor, head_position(head)) >= 0;

	if (f->repeats >= REPEATS_MAX && f->sent_term == head->term && f->sent_beat == head->beat &&
	    position_compare(f->sent_cursor, q->cursor) == 0)
		return true;
	return at_head && q->have.term == head->term && q->have.beat >= head->beat;
}

static void
on_patience_over(void *arg)
{
	struct pulling *q = arg;

	detach(q);
	answer(q);
}

/* Answers it, or puts it where it waits. */
static void
go_on(struct pulling *q)
{
	const struct head *head = commit_head(q->p->params.commit, NULL);

	if (is_content(q, head))
		pulling_append(&q->p->held, q);
	else
		answer(q);
}

void
pull_start(struct pulling *q, uint32_t wait_ms)
{
	q->patience = (struct timer){.cb = on_patience_over, .arg = q};
	runtime_timer_start(q->p->params.runtime, &q->patience, wait_ms);
	go_on(q);
}

void
pull_new_head(struct publish *p)
{
	struct pulling_list all = p->held;
	struct pulling *q;

	answers_clear(p);
	/* Each is looked at once; those that stay are appended again. Nothing that happens here
	 * takes another one off: a link tells of lost connections from its own turns. */
	p->held = (struct pulling_list){0};
	while ((q = all.first) != NULL) {
		pulling_unlink(&all, q);
		go_on(q);
	}
}
