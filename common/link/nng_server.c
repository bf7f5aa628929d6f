#include "common/link/nng_priv.h"

#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#define RECEIVING_MIN 8  /* contexts that always wait for a request */
#define RECEIVING_MAX 16 /* as many are made when there are fewer than RECEIVING_MIN */
#define SP_ID_LEN 4      /* the request id that REQ puts in front counts for RECVMAXSZ */

static const char *const drop_names[] = {
    [LINK_DROP_REPLACED] = "replaced by a newer connection",
    [LINK_DROP_MISUSE] = "a second request while one was open",
    [LINK_DROP_DEAD] = "the connection was not taken in time",
    [LINK_DROP_ASKED] = "dropped on request",
    [LINK_DROP_CLOSING] = "the link closes",
};
_Static_assert(ARRAY_LEN(drop_names) == LINK_DROP__COUNT, "a name for each reason");

const char *
link_drop_name(enum link_drop why)
{
	CHECK((unsigned)why < LINK_DROP__COUNT);
	return drop_names[why];
}

int
nng_open_quietly(int (*make)(nng_socket *s), nng_socket *out)
{
	sigset_t all, before;
	int rv;

	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_BLOCK, &all, &before) == 0);
	rv = make(out);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return rv;
}

int
nng_err(struct err *err, int rv, const char *what)
{
	enum err_code code = ERR_UNAVAIL;

	switch (rv) {
	case NNG_ENOMEM:
		code = ERR_NOMEM;
		break;
	case NNG_ETIMEDOUT:
		code = ERR_TIMEOUT;
		break;
	case NNG_ECANCELED:
		code = ERR_CANCELED;
		break;
	case NNG_EMSGSIZE:
		code = ERR_LIMIT;
		break;
	case NNG_EINVAL:
	case NNG_EADDRINVAL:
	case NNG_ENOTSUP:
		code = ERR_INVALID;
		break;
	default:
		break;
	}
	return err_set(err, code, "%s: %s", what, nng_strerror(rv));
}

/* ------------------------------------------------------------------------- nng's threads */

static void
on_aio(void *arg)
{
	struct slot *slot = OBJ_CAST(struct slot, arg, NNG_SLOT_MAGIC);
	struct nng_server *s = slot->server;
	bool wake;

	slot->result = nng_aio_result(slot->aio);
	if (slot->state == SLOT_RECEIVING && slot->result == 0) {
		slot->msg = nng_aio_get_msg(slot->aio);
		nng_aio_set_msg(slot->aio, NULL);
		slot->listener = nng_listener_id(nng_pipe_listener(nng_msg_get_pipe(slot->msg)));
	} else if (slot->state == SLOT_SENDING && slot->result != 0) {
		nng_msg_free(nng_aio_get_msg(slot->aio));
		nng_aio_set_msg(slot->aio, NULL);
	}
	pthread_mutex_lock(&s->lock);
	slot->queued_next = NULL;
	*s->queue_tail = slot;
	s->queue_tail = &slot->queued_next;
	wake = !s->waking;
	s->waking = true;
	pthread_mutex_unlock(&s->lock);
	if (wake)
		loop_post(s->loop, &s->posted);
}

/* ------------------------------------------------------------------------- slots */

void
slot_receive(struct slot *slot)
{
	struct nng_server *s = slot->server;

	slot->state = SLOT_RECEIVING;
	slot->peer = NULL;
	s->receiving++;
	/* On a context that owes an answer this forgets the request. */
	nng_ctx_recv(slot->ctx, slot->aio);
}

static struct slot *
slot_of(struct link_request *r)
{
	struct slot *slot = CONTAINER_OF(r, struct slot, req);

	CHECK(slot->magic == NNG_SLOT_MAGIC);
	CHECK(slot->state == SLOT_HOLDING && slot->peer != NULL && slot->peer->holding == slot);
	return slot;
}

/* Takes the request out of its peer; the slot may go on with something else. */
static void
release(struct slot *slot)
{
	struct link_peer *peer = slot->peer;

	nng_msg_free(slot->msg);
	slot->msg = NULL;
	slot->req.bytes = (struct span){NULL, 0};
	peer->holding = NULL;
	peer->told = false;
	slot->server->stats.held--;
}

void
slot_forget(struct slot *slot)
{
	release(slot);
	slot_receive(slot);
}

static void
request_forget(struct link_request *r)
{
	slot_forget(slot_of(r));
}

static void
request_reply(struct link_request *r, struct span body)
{
	struct slot *slot = slot_of(r);
	struct link_peer *peer = slot->peer;
	nng_msg *msg = NULL;
	bool ok = nng_msg_alloc(&msg, body.len) == 0;

	CHECK(peer->sending == NULL);
	if (ok && body.len > 0)
		memcpy(nng_msg_body(msg), body.data, body.len);
	release(slot);
	if (!ok) {
		/* Without an answer the follower would wait for nothing. */
		slot_receive(slot);
		peer_drop(peer, LINK_DROP_DEAD);
		return;
	}
	slot->server->stats.replies++;
	slot->state = SLOT_SENDING;
	peer->sending = slot;
	nng_aio_set_msg(slot->aio, msg);
	nng_ctx_send(slot->ctx, slot->aio);
}

static const struct link_request_ops request_ops = {
    .reply = request_reply,
    .forget = request_forget,
};

void
slot_deliver(struct slot *slot)
{
	struct nng_server *s = slot->server;

	slot->peer->told = true;
	s->stats.requests++;
	s->base.handlers.on_request(s->base.handlers.arg, &slot->req);
}

/*
 * A request has come. It is given on only when the answer before it has left: a follower that does
 * not read thus costs two contexts and one message, however much it sends.
 */
static void
take_request(struct slot *slot)
{
	struct nng_server *s = slot->server;
	struct link_peer *peer = peer_of_listener(s, slot->listener);

	if (peer == NULL || peer->dropped || peer->holding != NULL) {
		nng_msg_free(slot->msg);
		slot->msg = NULL;
		slot_receive(slot);
		if (peer != NULL && !peer->dropped) {
			s->stats.misuses++;
			peer_drop(peer, LINK_DROP_MISUSE);
		}
		return;
	}
	slot->state = SLOT_HOLDING;
	slot->peer = peer;
	slot->req = (struct link_request){
	    &request_ops, peer->node, SPAN(nng_msg_body(slot->msg), nng_msg_len(slot->msg)), NULL};
	peer->holding = slot;
	s->stats.held++;
	if (peer->sending == NULL)
		slot_deliver(slot);
}

static void
sent(struct slot *slot)
{
	struct link_peer *peer = slot->peer;

	slot_receive(slot);
	if (peer == NULL)
		return;
	peer->sending = NULL;
	if (peer->holding != NULL && !peer->told && !peer->dropped)
		slot_deliver(peer->holding);
}

static void
finished(struct slot *slot)
{
	struct nng_server *s = slot->server;

	CHECK(slot->state == SLOT_RECEIVING || slot->state == SLOT_SENDING);
	if (slot->state == SLOT_RECEIVING)
		s->receiving--;
	if (slot->result == NNG_ECLOSED)
		slot->state = SLOT_CLOSED;
	else if (slot->state == SLOT_SENDING)
		sent(slot);
	else if (slot->result != 0)
		slot_receive(slot);
	else
		take_request(slot);
}

static bool
slot_new(struct nng_server *s)
{
	struct slot *slot = mem_zalloc(sizeof(*slot));

	slot->magic = NNG_SLOT_MAGIC;
	slot->server = s;
	if (nng_ctx_open(&slot->ctx, s->rep) != 0) {
		mem_free(slot);
		return false;
	}
	if (nng_aio_alloc(&slot->aio, on_aio, slot) != 0) {
		nng_ctx_close(slot->ctx);
		mem_free(slot);
		return false;
	}
	slot->next = s->slots;
	s->slots = slot;
	s->contexts++;
	slot_receive(slot);
	return true;
}

/* REP reads from a connection only while a context receives. */
static void
top_up(struct nng_server *s)
{
	if (s->receiving >= RECEIVING_MIN)
		return;
	while (s->receiving < RECEIVING_MAX && s->contexts < s->params.contexts_max)
		if (!slot_new(s))
			return;
}

/* ------------------------------------------------------------------------- the server */

static void server_free(struct nng_server *s);

static void
on_posted(struct posted *p)
{
	struct nng_server *s = CONTAINER_OF(p, struct nng_server, posted);
	struct slot *slot, *next;

	pthread_mutex_lock(&s->lock);
	slot = s->queue;
	s->queue = NULL;
	s->queue_tail = &s->queue;
	s->waking = false;
	pthread_mutex_unlock(&s->lock);
	if (s->ended) {
		server_free(s);
		return;
	}
	for (; slot != NULL; slot = next) {
		next = slot->queued_next;
		finished(slot);
	}
	if (!s->closing)
		top_up(s);
}

static struct nng_server *
server_of(struct link_server *base)
{
	struct nng_server *s = CONTAINER_OF(base, struct nng_server, base);

	CHECK(s->magic == NNG_SERVER_MAGIC);
	return s;
}

static int
server_serve(struct link_server *base, struct err *err)
{
	struct nng_server *s = server_of(base);

	top_up(s);
	if (s->contexts == 0)
		return err_set(err, ERR_NOMEM, "no memory for the link's contexts");
	return 0;
}

static void
server_drop(struct link_server *base, const struct id *node)
{
	struct link_peer *peer = map_get(server_of(base)->by_node, node->bytes, ID_LEN);

	if (peer != NULL)
		peer_drop(peer, LINK_DROP_ASKED);
}

static void
server_close(struct link_server *base, link_closed_cb *cb, void *arg)
{
	struct nng_server *s = server_of(base);

	CHECK(!s->closing);
	s->closing = true;
	s->closed_cb = cb;
	s->closed_arg = arg;
	peers_close(s);
	server_try_end(s);
}

static const struct link_server_ops server_ops = {
    .drop = server_drop,
    .close = server_close,
    .serve = server_serve,
};

static void
server_free(struct nng_server *s)
{
	struct slot *slot;
	link_closed_cb *cb = s->closed_cb;
	void *arg = s->closed_arg;

	while ((slot = s->slots) != NULL) {
		s->slots = slot->next;
		if (slot->msg != NULL)
			nng_msg_free(slot->msg);
		mem_free(slot);
	}
	map_free(s->by_node);
	map_free(s->by_listener);
	pthread_mutex_destroy(&s->lock);
	s->magic = 0;
	mem_free(s);
	if (cb != NULL)
		cb(arg);
}

/* No callback of nng is left after this; the one post that may be under way ends the rest. */
static void
on_end(void *arg)
{
	struct nng_server *s = OBJ_CAST(struct nng_server, arg, NNG_SERVER_MAGIC);
	bool waking;

	nng_close(s->rep);
	for (struct slot *slot = s->slots; slot != NULL; slot = slot->next)
		nng_aio_free(slot->aio);
	graves_free(s);
	s->ended = true;
	pthread_mutex_lock(&s->lock);
	waking = s->waking;
	pthread_mutex_unlock(&s->lock);
	if (!waking)
		server_free(s);
}

void
server_try_end(struct nng_server *s)
{
	if (s->closing && s->peers == NULL && graves_are_quiet(s))
		runtime_timer_start(s->rt, &s->end, 0);
}

static int
server_open(struct nng_server *s, struct err *err)
{
	int rv = nng_open_quietly(nng_rep0_open, &s->rep);

	if (rv != 0)
		return nng_err(err, rv, "open the link's socket");
	/* Before the first listener, which copies it. Its default is no limit. */
	rv = nng_socket_set_size(s->rep, NNG_OPT_RECVMAXSZ, s->params.request_max + SP_ID_LEN);
	if (rv == 0)
		rv = nng_pipe_notify(s->rep, NNG_PIPE_EV_ADD_PRE, peer_pipe_cb, s);
	if (rv == 0)
		rv = nng_pipe_notify(s->rep, NNG_PIPE_EV_ADD_POST, peer_pipe_cb, s);
	if (rv != 0) {
		nng_close(s->rep);
		return nng_err(err, rv, "set up the link's socket");
	}
	return 0;
}

int
link_nng_server_new(
    const struct link_nng_server_params *p, struct link_server **out, struct err *err)
{
	struct nng_server *s = mem_zalloc(sizeof(*s));
	int r;

	CHECK(p->loop != NULL && p->on_drop != NULL && p->request_max > 0);
	CHECK(p->contexts_max >= RECEIVING_MAX);
	s->base.ops = &server_ops;
	s->magic = NNG_SERVER_MAGIC;
	s->loop = p->loop;
	s->rt = loop_runtime(p->loop);
	s->params = *p;
	if (s->params.attach_ms == 0)
		s->params.attach_ms = LINK_ATTACH_MS;
	if (s->params.grave_ms == 0)
		s->params.grave_ms = LINK_GRAVE_MS;
	s->by_node = map_new();
	s->by_listener = map_new();
	s->queue_tail = &s->queue;
	s->posted.cb = on_posted;
	s->end.cb = on_end;
	s->end.arg = s;
	CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
	r = server_open(s, err);
	if (r < 0) {
		server_free(s);
		return r;
	}
	*out = &s->base;
	return 0;
}

void
link_nng_server_stats(struct link_server *base, struct link_nng_stats *out)
{
	struct nng_server *s = server_of(base);

	*out = s->stats;
	out->peers = out->graves = 0;
	for (struct link_peer *p = s->peers; p != NULL; p = p->next)
		out->peers++;
	for (struct link_peer *p = s->graves; p != NULL; p = p->next)
		out->graves++;
	out->contexts = s->contexts;
	out->receiving = s->receiving;
	pthread_mutex_lock(&s->lock);
	out->strangers = s->strangers;
	pthread_mutex_unlock(&s->lock);
}
