#include "server/publish/publish_priv.h"

#include "common/log/log.h"
#include "common/wire/record_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- refusals ----------------------------------------------------------------------------- */

void
refuse(struct publish *p, struct link_request *r, int code, const char *text)
{
	struct reply reply = {.answer = ANSWER_REFUSAL, .refusal = {.code = code, .text = text}};
	struct signed_designation proof = {
	    buf_span(&p->fenced_body), buf_span(&p->fenced_signature), p->fenced_signer};
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_DELTA);

	if (p->fenced)
		reply.refusal.proof = (struct designation_list){&proof, 1};
	p->stats.refusals++;
	if (wire_reply_encode(&reply, body, NULL) == 0)
		link_reply(r, buf_span(body));
	else
		link_request_forget(r);
}

static void
on_drop(void *arg)
{
	struct dropping *d = arg, **at = &d->p->dropping;
	struct publish *p = d->p;
	struct id node = d->node;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	mem_free(d);
	link_server_drop(p->params.link, &node);
}

void
drop_soon(struct publish *p, const struct id *node)
{
	struct dropping *d;

	for (d = p->dropping; d != NULL; d = d->next)
		if (id_equal(&d->node, node))
			return;
	d = mem_zalloc(sizeof(*d));
	*d = (struct dropping){.p = p, .node = *node, .next = p->dropping};
	d->timer = (struct timer){.cb = on_drop, .arg = d};
	p->dropping = d;
	runtime_timer_start(p->params.runtime, &d->timer, DROP_AFTER_MS);
}

static void
refuse_and_drop(struct publish *p, struct link_request *r, int code, const char *text)
{
	struct id node = r->node;

	refuse(p, r, code, text);
	drop_soon(p, &node);
}

/* --- designations that followers show ----------------------------------------------------- */

static void
fence_off(struct publish *p, const struct signed_designation *s, uint64_t term)
{
	char text[TERM_TEXT_MAX];
	struct pulling *q;

	p->fenced = true;
	p->fenced_term = term;
	p->fenced_signer = s->signer;
	buf_put_span(&p->fenced_body, s->body);
	buf_put_span(&p->fenced_signature, s->signature);
	log_error("publish", "another server is the manager since term=%s, and this one is not",
	    term_text(term, text));
	while ((q = p->held.first) != NULL) {
		struct link_request *r = q->request;

		pull_gone(q);
		refuse(p, r, ERR_DENIED, "this server is not the manager any more");
	}
	p->params.events.on_fenced(p->params.events.arg, s, term);
}

/* One that is not held here, byte for byte. */
static void
judge(struct publish *p, const struct id *node, const struct signed_designation *s)
{
	AUTO(trust_freep)
	struct trust *trial = trust_clone(p->params.trust);
	uint64_t own = trust_current_term(p->params.trust), term;
	char hex[ID_HEX_MAX];
	struct err err;
	int rc = trust_add_designation(trial, s, &err);

	term = trust_current_term(trial);
	if (rc == 0 && term > own && !p->fenced) {
		fence_off(p, s, term);
	} else if (rc == ERR_CONFLICT) {
		log_error("publish", "node=%s shows another designation: %s", id_hex(node, hex),
		    LOG_QUOTED(err.text));
		p->params.events.on_conflict(p->params.events.arg, node, s);
	} else if (rc < 0) {
		log_warning("publish", "node=%s shows a designation that is not believed: %s",
		    id_hex(node, hex), LOG_QUOTED(err.text));
	}
}

static bool
is_held(const struct trust *t, const struct signed_designation *s)
{
	for (size_t i = 0; i < trust_designation_count(t); i++) {
		const struct signed_designation *own = trust_designation(t, i);

		/* Signatures are not unique; the body is what was said. */
		if (span_equal(own->body, s->body))
			return true;
	}
	return false;
}

/* The newest term that the follower knows as we do. */
static uint64_t
look_at_designations(struct publish *p, const struct id *node, const struct designation_list *list)
{
	uint64_t known = 0;
	/* Each costs a signature to check. */
	unsigned trials = 4;

	for (size_t i = 0; i < list->count; i++) {
		struct designation d;

		if (wire_designation_decode(list->items[i].body, &d, NULL) < 0)
			continue;
		if (is_held(p->params.trust, &list->items[i]))
			known = d.term > known ? d.term : known;
		else if (trials-- > 0)
			judge(p, node, &list->items[i]);
		else
			break;
	}
	return known;
}

/* --- requests ----------------------------------------------------------------------------- */

static uint32_t
clamp(uint32_t value, uint32_t when_zero, uint32_t least, uint32_t most)
{
	if (value == 0)
		return when_zero;
	return value < least ? least : value > most ? most : value;
}

static bool
is_ahead(const struct publish *p, const struct pull *pull)
{
	const struct head *head = commit_head(p->params.commit, NULL);

	return pull->have.term == head->term &&
	    (pull->have.seq > head->seq || pull->have.beat > head->beat);
}

static void
take_pull(struct publish *p, struct link_request *r, const struct pull *pull)
{
	uint64_t known = look_at_designations(p, &r->node, &pull->designations);
	struct follower *f = follower_get(p, &r->node);
	char hex[ID_HEX_MAX];
	struct pulling *q;

	CHECK(f->pulling == NULL); /* the link lets nobody ask twice */
	f->have = pull->have;
	f->asked_ms = runtime_mono_ms(p->params.runtime);
	if (p->fenced) {
		refuse(p, r, ERR_DENIED, "this server is not the manager any more");
		return;
	}
	snprintf(
	    f->software, sizeof(f->software), "%s", pull->software != NULL ? pull->software : "");
	follower_take_receipts(p, f, pull);
	if (is_ahead(p, pull)) {
		log_error("publish",
		    "node=%s has seq=%" PRIu64 " beat=%" PRIu64
		    " of this term, which this server never signed: is it an old copy?",
		    id_hex(&r->node, hex), pull->have.seq, pull->have.beat);
		refuse(p, r, ERR_CONFLICT, "this node has seen more of this term than this server");
		return;
	}
	q = mem_zalloc(sizeof(*q));
	*q = (struct pulling){
	    .asking = {ASKED_PULL},
	    .p = p,
	    .request = r,
	    .follower = f,
	    .have = pull->have,
	    .cursor = pull->cursor,
	    .max_bytes = clamp(pull->max_bytes, LIMIT_DELTA_PAGE, 4096, LIMIT_MUTATION_BYTES),
	    .known_term = known,
	};
	f->pulling = q;
	r->user = &q->asking;
	pull_start(q, clamp(pull->wait_ms, WAIT_DEFAULT_MS, WAIT_MIN_MS, WAIT_MAX_MS));
}

static void
take_identity(struct publish *p, struct link_request *r, const struct identity_request *request)
{
	struct publish_identity *call;

	if (p->fenced || p->params.events.on_identity == NULL) {
		refuse(p, r, ERR_UNAVAIL, "this server does not renew identities");
		return;
	}
	call = mem_zalloc(sizeof(*call));
	*call = (struct publish_identity){
	    .asking = {ASKED_IDENTITY}, .p = p, .request = r, .node = r->node};
	r->user = &call->asking;
	p->identities++;
	p->params.events.on_identity(p->params.events.arg, call, &call->node, request);
}

static void
dispatch(struct publish *p, struct link_request *r, const struct request *request)
{
	if (request->protocol != LINK_PROTOCOL) {
		refuse(p, r, ERR_UNAVAIL, "this server speaks version 1 of the protocol");
		return;
	}
	switch (request->ask) {
	case ASK_PULL:
		p->stats.pulls++;
		if (memcmp(request->pull.domain.bytes, trust_domain(p->params.trust)->bytes,
			HASH_LEN) != 0)
			refuse_and_drop(p, r, ERR_DENIED, "this server is of another domain");
		else if (p->params.events.is_expired != NULL &&
		    p->params.events.is_expired(p->params.events.arg, &r->node))
			refuse(p, r, ERR_DENIED,
			    "the identity of this node has run out: it may only renew it");
		else
			take_pull(p, r, &request->pull);
		break;
	case ASK_IDENTITY:
		take_identity(p, r, &request->identity);
		break;
	case ASK_BUCKETS:
	case ASK_NOTHING:
		refuse(p, r, ERR_UNAVAIL, "this server does not know this request");
		break;
	}
}

static void
on_request(void *arg, struct link_request *r)
{
	struct publish *p = arg;
	struct request request;
	char hex[ID_HEX_MAX];
	struct err err;

	if (p->closing) {
		link_request_forget(r);
		return;
	}
	if (!p->params.events.is_live(p->params.events.arg, &r->node)) {
		refuse_and_drop(p, r, ERR_DENIED, "this node has been removed from the domain");
		return;
	}
	if (wire_request_decode(link_request_bytes(r), &request, &err) < 0) {
		log_warning("publish", "node=%s sent a request that is none: %s",
		    id_hex(&r->node, hex), LOG_QUOTED(err.text));
		refuse_and_drop(p, r, ERR_PROTO, "the request cannot be read");
		return;
	}
	dispatch(p, r, &request);
	request_fini(&request);
}

static void
on_gone(void *arg, struct link_request *r)
{
	struct asking *asking = r->user;

	(void)arg;
	CHECK(asking != NULL);
	switch (asking->what) {
	case ASKED_PULL:
		pull_gone(CONTAINER_OF(asking, struct pulling, asking));
		break;
	case ASKED_IDENTITY:
		CONTAINER_OF(asking, struct publish_identity, asking)->request = NULL;
		break;
	}
}

void
publish_identity_done(struct publish_identity *call, int status, const struct identity_reply *reply,
    const struct err *err)
{
	struct publish *p = call->p;
	struct reply answer = {.answer = ANSWER_IDENTITY};

	if (call->request != NULL && status < 0) {
		refuse(p, call->request, status, err != NULL ? err->text : err_name(status));
	} else if (call->request != NULL) {
		AUTO(buf_freep)
		struct buf *body = buf_new(LIMIT_DELTA);

		answer.identity = *reply;
		if (wire_reply_encode(&answer, body, NULL) == 0)
			link_reply(call->request, buf_span(body));
		else
			refuse(p, call->request, ERR_LIMIT, "the identity does not fit an answer");
	}
	mem_free(call);
	p->identities--;
	publish_check_closed(p);
}

/* --- commits ------------------------------------------------------------------------------ */

static void
on_commit(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct publish *p = arg;

	(void)signed_head;
	for (size_t i = 0; i < count; i++)
		ring_add(&p->ring, &records[i]);
	ring_purge(&p->ring, head->floor);
	pull_new_head(p);
}

/* --- life --------------------------------------------------------------------------------- */

int
publish_new(const struct publish_params *params, struct publish **out, struct err *err)
{
	const struct head *head = commit_head(params->commit, NULL);
	struct link_handlers handlers = {on_request, on_gone, NULL};
	struct publish *p;
	int rc;

	if (head == NULL)
		return err_set(err, ERR_AGAIN, "there is no signed head yet");
	p = mem_zalloc(sizeof(*p));
	p->params = *params;
	p->followers = map_new();
	p->fenced_body = BUF_INIT(LIMIT_DESIGNATION);
	p->fenced_signature = BUF_INIT(LIMIT_SIGNATURE);
	ring_init(&p->ring, RING_BYTES);
	/* Of an empty log the ring will have everything. */
	ring_begin(&p->ring, head->seq > 0 ? head_position(head) : (struct position){0, 0});
	commit_observe(params->commit, on_commit, p);
	handlers.arg = p;
	rc = link_server_serve(params->link, &handlers, err);
	if (rc < 0) {
		commit_unobserve(params->commit, on_commit, p);
		ring_fini(&p->ring);
		followers_fini(p);
		mem_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

static void
on_end(void *arg)
{
	struct publish *p = arg;
	void (*closed)(void *arg) = p->closed;
	void *closed_arg = p->closed_arg;

	ring_fini(&p->ring);
	answers_clear(p);
	followers_fini(p);
	buf_fini(&p->fenced_body);
	buf_fini(&p->fenced_signature);
	mem_free(p);
	closed(closed_arg);
}

void
publish_check_closed(struct publish *p)
{
	if (!p->closing || p->pages_running > 0 || p->identities > 0 || timer_is_armed(&p->end))
		return;
	p->end = (struct timer){.cb = on_end, .arg = p};
	runtime_timer_start(p->params.runtime, &p->end, 0);
}

void
publish_close(struct publish *p, void (*closed)(void *arg), void *arg)
{
	struct page *g = p->pages, *next;

	/* The link is closed, and has told of each request that ended. */
	CHECK(!p->closing && p->held.count == 0);
	p->closing = true;
	p->closed = closed;
	p->closed_arg = arg;
	commit_unobserve(p->params.commit, on_commit, p);
	while (p->dropping != NULL) {
		struct dropping *d = p->dropping;

		p->dropping = d->next;
		runtime_timer_stop(p->params.runtime, &d->timer);
		mem_free(d);
	}
	p->pages = NULL;
	for (; g != NULL; g = next) {
		next = g->next;
		g->next = NULL;
		if (g->running) {
			g->next = p->pages;
			p->pages = g;
		} else {
			mem_free(g);
		}
	}
	publish_check_closed(p);
}

void
publish_throw_out(struct publish *p, const struct id *node)
{
	struct follower *f = follower_find(p, node);

	if (f != NULL && f->pulling != NULL) {
		struct link_request *r = f->pulling->request;

		pull_gone(f->pulling);
		refuse(p, r, ERR_DENIED, "this node has been removed from the domain");
	}
	follower_forget(p, node);
	drop_soon(p, node);
}

void
publish_stats(const struct publish *p, struct publish_stats *out)
{
	*out = p->stats;
	out->followers = map_count(p->followers);
	out->held = p->held.count;
	out->ring_bytes = p->ring.bytes;
	out->ring_records = p->ring.count;
}
