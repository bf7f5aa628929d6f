#include "common/link/nng_priv.h"

#include <nng/protocol/reqrep0/req.h>
#include <nng/transport/ipc/ipc.h>
#include <string.h>
#include <unistd.h>

#define NNG_CLIENT_MAGIC 0x4c6e6b43U
#define SP_ID_LEN 4
#define QUIET_MS 20     /* for nng to get over a connection that it was just making */
#define HANG_UP_MS 1000 /* for nng to see the end of a connection; it may not have had one */

/*
 * One REQ socket with one context. nng's threads do two things: they say that an operation has
 * finished (there is one at a time), and which pipe is there. Everything else is done on the loop,
 * so that a cancel never meets an operation that is just being started.
 *
 * A pipe is never closed from here: nng 1.5.2 can lose an operation that is between two parts of a
 * message then, waits for it on its only reaping thread, and nothing in the process ever reconnects
 * again. The originator closes its end instead, which nng meets where it reads.
 */
enum client_state {
	CLIENT_IDLE,
	CLIENT_WAITING, /* the connection of the call before must end first */
	CLIENT_SENDING, /* until nng has a connection and has taken the request */
	CLIENT_RECEIVING,
};

struct nng_client {
	struct link_client base;
	uint32_t magic;
	struct loop *loop;
	struct runtime *rt;
	struct link_nng_client_params params;
	char *url;

	nng_socket req;
	nng_dialer dialer;
	nng_ctx ctx;
	nng_aio *aio;
	struct posted posted;

	enum client_state state;
	bool ending; /* the originator has closed its end, and nng has not seen it yet */
	struct timer ended;
	int stopped; /* ERR_CANCELED or ERR_TIMEOUT once the call has been given up */
	struct link_call call;
	struct timer deadline, unsent;

	pthread_mutex_t lock; /* of the next three */
	int pipe;
	bool has_pipe;
	bool pipe_posted;
	struct posted pipe_post;

	struct timer end;
	bool closing, closed;
	link_client_closed_cb *closed_cb;
	void *closed_arg;
};

/* ------------------------------------------------------------------------- nng's threads */

static void
on_aio(void *arg)
{
	struct nng_client *c = OBJ_CAST(struct nng_client, arg, NNG_CLIENT_MAGIC);

	loop_post(c->loop, &c->posted);
}

static void
on_pipe(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct nng_client *c = OBJ_CAST(struct nng_client, arg, NNG_CLIENT_MAGIC);
	uint64_t pid = 0;
	bool post = false;

	/* The originator is this very process; whoever else took its address is not. */
	if (ev == NNG_PIPE_EV_ADD_PRE &&
	    (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) != 0 ||
		pid != (uint64_t)getpid())) {
		nng_pipe_close(pipe);
		return;
	}
	pthread_mutex_lock(&c->lock);
	if (ev == NNG_PIPE_EV_ADD_PRE) {
		c->pipe = nng_pipe_id(pipe);
		c->has_pipe = true;
	} else if (c->has_pipe && c->pipe == nng_pipe_id(pipe)) {
		c->has_pipe = false;
		post = !c->pipe_posted;
		c->pipe_posted = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (post)
		loop_post(c->loop, &c->pipe_post);
}

static bool
has_pipe(struct nng_client *c)
{
	bool has;

	pthread_mutex_lock(&c->lock);
	has = c->has_pipe;
	pthread_mutex_unlock(&c->lock);
	return has;
}

/* ------------------------------------------------------------------------- one call */

/*
 * nng 1.5.2 loses the message of a request that it gives to a connection which it is just closing:
 * nothing is sent to it before nng is done with it. Without a connection there may be one that nng
 * is just taking up.
 */
static void
await_end(struct nng_client *c)
{
	c->ending = true;
	runtime_timer_start(c->rt, &c->ended, has_pipe(c) ? HANG_UP_MS : QUIET_MS);
}

/* The manager must not go on holding a request that nobody waits for. */
static void
hang_up(struct nng_client *c)
{
	if (!has_pipe(c))
		return;
	await_end(c);
	c->params.hang_up(c->params.arg);
}

static void
send_request(struct nng_client *c)
{
	c->state = CLIENT_SENDING;
	nng_ctx_send(c->ctx, c->aio);
}

static void
finish_if_closed(struct nng_client *c)
{
	if (c->closing && c->state == CLIENT_IDLE && !c->ending)
		runtime_timer_start(c->rt, &c->end, QUIET_MS);
}

static void
on_ended(void *arg)
{
	struct nng_client *c = OBJ_CAST(struct nng_client, arg, NNG_CLIENT_MAGIC);

	c->ending = false;
	runtime_timer_stop(c->rt, &c->ended);
	if (c->state == CLIENT_WAITING && c->stopped == 0)
		send_request(c);
	finish_if_closed(c);
}

static void
done(struct nng_client *c, int status, struct span reply, const struct err *err)
{
	struct link_call call = c->call;

	runtime_timer_stop(c->rt, &c->deadline);
	c->state = CLIENT_IDLE;
	c->stopped = 0;
	call.cb(call.arg, status, reply, err);
	finish_if_closed(c);
}

static void
failed(struct nng_client *c, int rv)
{
	struct err err;

	if (c->stopped == ERR_TIMEOUT)
		err_set(&err, ERR_TIMEOUT, "no answer from the manager within %llu ms",
		    (unsigned long long)c->call.timeout_ms);
	else if (c->stopped != 0)
		err_set(&err, ERR_CANCELED, "the request was given up");
	else if (rv == NNG_ECONNRESET || rv == NNG_ECLOSED)
		err_set(&err, ERR_UNAVAIL, "the connection to the manager was lost");
	else
		nng_err(&err, rv, "ask the manager");
	done(c, err.code, SPAN(NULL, 0), &err);
}

/*
 * nng gives up dialling for ever when a connection ends just as its first bytes are being written
 * (EPIPE becomes NNG_ECLOSED, on which the dialer does nothing). A call that found no connection in
 * all its time begins again with a new dialer.
 */
static int
dial(struct nng_client *c)
{
	int rv = nng_dialer_create(&c->dialer, c->req, c->url);

	return rv != 0 ? rv : nng_dialer_start(c->dialer, NNG_FLAG_NONBLOCK);
}

static void
redial(struct nng_client *c)
{
	if (c->closing || has_pipe(c))
		return;
	nng_dialer_close(c->dialer);
	/* Without memory for it there is a next time. */
	(void)dial(c);
}

static void
finish_send(struct nng_client *c, int rv)
{
	if (rv != 0) {
		/* Never sent: nng has given the message back. */
		nng_msg_free(nng_aio_get_msg(c->aio));
		nng_aio_set_msg(c->aio, NULL);
		if (c->stopped == ERR_TIMEOUT)
			redial(c);
		failed(c, rv);
	} else if (c->stopped != 0) {
		hang_up(c);
		failed(c, NNG_ECANCELED);
	} else {
		c->state = CLIENT_RECEIVING;
		nng_ctx_recv(c->ctx, c->aio);
	}
}

static void
finish_recv(struct nng_client *c, int rv)
{
	nng_msg *msg;
	struct err err;
	size_t len;

	if (rv != 0) {
		if (c->stopped != 0)
			hang_up(c);
		failed(c, rv);
		return;
	}
	msg = nng_aio_get_msg(c->aio);
	nng_aio_set_msg(c->aio, NULL);
	len = nng_msg_len(msg);
	if (len > c->call.reply_max) {
		err_set(&err, ERR_LIMIT, "the manager's answer has %zu bytes, more than %zu", len,
		    c->call.reply_max);
		done(c, ERR_LIMIT, SPAN(NULL, 0), &err);
	} else {
		done(c, 0, SPAN(nng_msg_body(msg), len), NULL);
	}
	nng_msg_free(msg);
}

static void
on_posted(struct posted *p)
{
	struct nng_client *c = CONTAINER_OF(p, struct nng_client, posted);
	int rv = nng_aio_result(c->aio);

	CHECK(c->state == CLIENT_SENDING || c->state == CLIENT_RECEIVING);
	if (c->state == CLIENT_SENDING)
		finish_send(c, rv);
	else
		finish_recv(c, rv);
}

static void client_free(struct nng_client *c);

static void
on_pipe_posted(struct posted *p)
{
	struct nng_client *c = CONTAINER_OF(p, struct nng_client, pipe_post);

	pthread_mutex_lock(&c->lock);
	c->pipe_posted = false;
	pthread_mutex_unlock(&c->lock);
	if (c->closed)
		client_free(c);
	else if (c->ending)
		on_ended(c);
}

static void
stop(struct nng_client *c, int why)
{
	if (c->state == CLIENT_IDLE || c->stopped != 0)
		return;
	c->stopped = why;
	/* The callback of the operation comes in any case; if it has finished, this does nothing.
	 */
	if (c->state == CLIENT_WAITING)
		runtime_timer_start(c->rt, &c->unsent, 0);
	else
		nng_aio_cancel(c->aio);
}

static void
on_unsent(void *arg)
{
	finish_send(OBJ_CAST(struct nng_client, arg, NNG_CLIENT_MAGIC), NNG_ECANCELED);
}

static void
on_deadline(void *arg)
{
	stop(OBJ_CAST(struct nng_client, arg, NNG_CLIENT_MAGIC), ERR_TIMEOUT);
}

/* ------------------------------------------------------------------------- operations */

static struct nng_client *
client_of(struct link_client *base)
{
	struct nng_client *c = CONTAINER_OF(base, struct nng_client, base);

	CHECK(c->magic == NNG_CLIENT_MAGIC);
	return c;
}

static int
client_start(struct link_client *base, const struct link_call *call, struct err *err)
{
	struct nng_client *c = client_of(base);
	nng_msg *msg;
	int rv;

	if (c->state != CLIENT_IDLE || c->closing)
		return err_set(err, ERR_BUSY, "a request to the manager is under way");
	if (call->request.len > c->params.request_max)
		return err_set(err, ERR_LIMIT, "the request has %zu bytes, more than %zu",
		    call->request.len, c->params.request_max);
	rv = nng_msg_alloc(&msg, call->request.len);
	if (rv != 0)
		return nng_err(err, rv, "make a request");
	if (call->request.len > 0)
		memcpy(nng_msg_body(msg), call->request.data, call->request.len);
	c->call = *call;
	c->call.request = SPAN(NULL, 0);
	nng_aio_set_msg(c->aio, msg);
	runtime_timer_start(c->rt, &c->deadline, call->timeout_ms);
	c->state = CLIENT_WAITING;
	if (!c->ending)
		send_request(c);
	return 0;
}

void
link_nng_client_closed(struct link_client *base)
{
	struct nng_client *c = client_of(base);

	if (!c->ending && !c->closed)
		await_end(c);
}

static void
client_cancel(struct link_client *base)
{
	stop(client_of(base), ERR_CANCELED);
}

static void
client_close(struct link_client *base, link_client_closed_cb *cb, void *arg)
{
	struct nng_client *c = client_of(base);

	CHECK(!c->closing);
	c->closing = true;
	c->closed_cb = cb;
	c->closed_arg = arg;
	stop(c, ERR_CANCELED);
	finish_if_closed(c);
}

static const struct link_client_ops client_ops = {
    .start = client_start,
    .cancel = client_cancel,
    .close = client_close,
};

static void
client_free(struct nng_client *c)
{
	link_client_closed_cb *cb = c->closed_cb;
	void *arg = c->closed_arg;

	pthread_mutex_destroy(&c->lock);
	mem_free(c->url);
	c->magic = 0;
	mem_free(c);
	if (cb != NULL)
		cb(arg);
}

/* No callback of nng is left after this; the one post that may be under way ends the rest. */
static void
on_end(void *arg)
{
	struct nng_client *c = OBJ_CAST(struct nng_client, arg, NNG_CLIENT_MAGIC);
	bool posted;

	runtime_timer_stop(c->rt, &c->end);
	runtime_timer_stop(c->rt, &c->ended);
	nng_close(c->req);
	nng_aio_free(c->aio);
	c->closed = true;
	pthread_mutex_lock(&c->lock);
	posted = c->pipe_posted;
	pthread_mutex_unlock(&c->lock);
	if (!posted)
		client_free(c);
}

/* ------------------------------------------------------------------------- life */

static int
client_set_up(struct nng_client *c, const struct link_nng_client_params *p)
{
	int rv;

	if ((rv = nng_aio_alloc(&c->aio, on_aio, c)) != 0 ||
	    (rv = nng_socket_set_size(c->req, NNG_OPT_RECVMAXSZ, p->reply_max + SP_ID_LEN)) != 0 ||
	    (rv = nng_socket_set_ms(c->req, NNG_OPT_RECONNMINT, LINK_RECONNECT_MIN_MS)) != 0 ||
	    (rv = nng_socket_set_ms(c->req, NNG_OPT_RECONNMAXT, LINK_RECONNECT_MAX_MS)) != 0)
		return rv;
	/* Never again by itself: a lost connection is told (NNG_ECONNRESET), and the caller
	 * decides.
	 */
	if ((rv = nng_socket_set_ms(c->req, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0 ||
	    (rv = nng_ctx_open(&c->ctx, c->req)) != 0 ||
	    (rv = nng_ctx_set_ms(c->ctx, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0)
		return rv;
	if ((rv = nng_pipe_notify(c->req, NNG_PIPE_EV_ADD_PRE, on_pipe, c)) != 0 ||
	    (rv = nng_pipe_notify(c->req, NNG_PIPE_EV_REM_POST, on_pipe, c)) != 0)
		return rv;
	return dial(c);
}

int
link_nng_client_new(
    const struct link_nng_client_params *p, struct link_client **out, struct err *err)
{
	struct nng_client *c = mem_zalloc(sizeof(*c));
	int rv;

	CHECK(p->loop != NULL && p->url != NULL && p->hang_up != NULL);
	CHECK(p->request_max > 0 && p->reply_max > 0);
	c->base.ops = &client_ops;
	c->magic = NNG_CLIENT_MAGIC;
	c->loop = p->loop;
	c->rt = loop_runtime(p->loop);
	c->params = *p;
	c->url = mem_strdup(p->url);
	c->posted.cb = on_posted;
	c->pipe_post.cb = on_pipe_posted;
	c->deadline = (struct timer){.cb = on_deadline, .arg = c};
	c->unsent = (struct timer){.cb = on_unsent, .arg = c};
	c->ended = (struct timer){.cb = on_ended, .arg = c};
	c->end = (struct timer){.cb = on_end, .arg = c};
	CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
	rv = nng_open_quietly(nng_req0_open, &c->req);
	if (rv != 0) {
		client_free(c);
		return nng_err(err, rv, "open the link's socket");
	}
	rv = client_set_up(c, p);
	if (rv != 0) {
		nng_close(c->req);
		nng_aio_free(c->aio);
		client_free(c);
		return nng_err(err, rv, "set up the link's socket");
	}
	*out = &c->base;
	return 0;
}
