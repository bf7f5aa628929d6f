#include "common/base/str.h"
#include "common/link/nng_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <nng/transport/ipc/ipc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_PREFIX "certherd-"
#define NAME_RANDOM 16 /* bytes */
#define CLOSING_SILENCE_MS 100
#define NAME_MAX_LEN (sizeof(NAME_PREFIX) + 2 * NAME_RANDOM)

static void
list_add(struct link_peer **head, struct link_peer *peer)
{
	peer->prev = NULL;
	peer->next = *head;
	if (*head != NULL)
		(*head)->prev = peer;
	*head = peer;
}

static void
list_del(struct link_peer **head, struct link_peer *peer)
{
	if (peer->prev != NULL)
		peer->prev->next = peer->next;
	else
		*head = peer->next;
	if (peer->next != NULL)
		peer->next->prev = peer->prev;
	peer->prev = peer->next = NULL;
}

static void
listener_put(struct link_peer *peer)
{
	struct nng_server *s = peer->server;
	int id = nng_listener_id(peer->listener);

	pthread_mutex_lock(&s->lock);
	CHECK(map_put(s->by_listener, &id, sizeof(id), peer) == NULL);
	pthread_mutex_unlock(&s->lock);
}

static void
listener_del(struct link_peer *peer)
{
	struct nng_server *s = peer->server;
	int id = nng_listener_id(peer->listener);

	pthread_mutex_lock(&s->lock);
	map_del(s->by_listener, &id, sizeof(id));
	pthread_mutex_unlock(&s->lock);
}

/* Only the loop changes the map, so that it may read it without the lock. */
struct link_peer *
peer_of_listener(struct nng_server *s, int listener)
{
	return map_get(s->by_listener, &listener, sizeof(listener));
}

/*
 * On nng's threads. Abstract names have no permissions and stand in /proc/net/unix, so anybody on
 * this machine can connect to one: only this very process is let in, and only once a listener.
 */
void
peer_pipe_cb(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct nng_server *s = OBJ_CAST(struct nng_server, arg, NNG_SERVER_MAGIC);
	int id = nng_listener_id(nng_pipe_listener(pipe));
	uint64_t pid = 0;
	bool own, ok = true;
	struct link_peer *peer;

	own =
	    nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0 && pid == (uint64_t)getpid();
	pthread_mutex_lock(&s->lock);
	peer = map_get(s->by_listener, &id, sizeof(id));
	if (ev == NNG_PIPE_EV_ADD_POST) {
		if (peer != NULL)
			peer->up = true;
	} else if (!own || peer == NULL || peer->used) {
		s->strangers += !own || peer != NULL;
		ok = false;
	} else {
		peer->used = true;
	}
	pthread_mutex_unlock(&s->lock);
	if (!ok)
		nng_pipe_close(pipe);
}

static bool
peer_is_up(struct link_peer *peer)
{
	bool up;

	pthread_mutex_lock(&peer->server->lock);
	up = peer->up;
	pthread_mutex_unlock(&peer->server->lock);
	return up;
}

/* ------------------------------------------------------------------------- the end of a peer */

static void
peer_free(struct link_peer *peer)
{
	runtime_timer_stop(peer->server->rt, &peer->timer);
	if (peer->sending != NULL)
		peer->sending->peer = NULL;
	loop_fd_close(peer->drain);
	if (peer->fd >= 0)
		close(peer->fd);
	mem_free(peer);
}

static void
on_grave(void *arg)
{
	struct link_peer *peer = arg;
	struct nng_server *s = peer->server;

	list_del(&s->graves, peer);
	nng_listener_close(peer->listener);
	peer_free(peer);
	server_try_end(s);
}

/*
 * Now nng sees its end of file. The listener must wait: closed while its connection is being
 * negotiated, nng 1.5.2 would lose both for ever.
 */
static void
bury(struct link_peer *peer)
{
	struct nng_server *s = peer->server;

	loop_fd_close(MOVE(peer->drain));
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
	peer->timer.cb = on_grave;
	runtime_timer_start(s->rt, &peer->timer, s->params.grave_ms);
	server_try_end(s);
}

static void
drain_again(struct link_peer *peer)
{
	struct nng_server *s = peer->server;
	uint64_t silence = s->params.grave_ms;

	if (s->closing && silence > CLOSING_SILENCE_MS)
		silence = CLOSING_SILENCE_MS;
	runtime_timer_start(s->rt, &peer->timer, silence);
}

static void
on_silence(void *arg)
{
	struct link_peer *peer = arg;

	if (peer->sending != NULL)
		drain_again(peer);
	else
		bury(peer);
}

static void
on_drain(void *arg, unsigned events)
{
	struct link_peer *peer = arg;
	static uint8_t sink[65536];
	ssize_t n;

	(void)events;
	do
		n = recv(peer->fd, sink, sizeof(sink), 0);
	while (n > 0);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		bury(peer);
	else
		drain_again(peer);
}

/*
 * When a connection ends while nng 1.5.2 is between two parts of a message that it writes there,
 * that write is never finished, and nng's only reaping thread waits for it for ever: no connection
 * of this process would be cleaned up again. So we read on in the follower's place until nng has
 * been silent for a while, and only then let it see the end.
 */
static void
drain(struct link_peer *peer)
{
	struct nng_server *s = peer->server;

	list_add(&s->graves, peer);
	peer->timer.cb = on_silence;
	if (loop_fd_open(s->loop, peer->fd, on_drain, peer, &peer->drain, NULL) == 0)
		loop_fd_watch(peer->drain, LOOP_READ);
	drain_again(peer);
}

bool
graves_are_quiet(struct nng_server *s)
{
	for (struct link_peer *p = s->graves; p != NULL; p = p->next)
		if (p->fd >= 0)
			return false;
	return true;
}

void
graves_free(struct nng_server *s)
{
	struct link_peer *peer;

	while ((peer = s->graves) != NULL) {
		list_del(&s->graves, peer);
		peer_free(peer);
	}
}

/* Ends what is held for the peer, and takes it off everything by which it can be found. */
static void
unhook(struct link_peer *peer)
{
	struct nng_server *s = peer->server;
	struct slot *slot = peer->holding;

	listener_del(peer);
	if (map_get(s->by_node, peer->node.bytes, ID_LEN) == peer)
		map_del(s->by_node, peer->node.bytes, ID_LEN);
	if (slot != NULL) {
		if (peer->told)
			s->base.handlers.on_gone(s->base.handlers.arg, &slot->req);
		slot_forget(slot);
	}
}

void
link_nng_detach(struct link_peer *peer)
{
	struct nng_server *s;

	if (peer == NULL)
		return;
	s = peer->server;
	CHECK(s->magic == NNG_SERVER_MAGIC);
	peer->dropped = true;
	runtime_timer_stop(s->rt, &peer->timer);
	list_del(&s->peers, peer);
	unhook(peer);
	drain(peer);
}

void
peer_drop(struct link_peer *peer, enum link_drop why)
{
	struct nng_server *s = peer->server;

	if (peer->dropped)
		return;
	peer->dropped = true;
	s->params.on_drop(s->params.arg, peer->conn, why);
}

void
peers_close(struct nng_server *s)
{
	struct link_peer *p = s->peers;

	/* A drop may take any peer off the list: begin again after each. */
	while (p != NULL) {
		if (p->dropped) {
			p = p->next;
			continue;
		}
		peer_drop(p, LINK_DROP_CLOSING);
		p = s->peers;
	}
	for (p = s->graves; p != NULL; p = p->next)
		if (p->fd >= 0)
			drain_again(p);
}

static void
on_deadline(void *arg)
{
	struct link_peer *peer = arg;

	if (!peer_is_up(peer))
		peer_drop(peer, LINK_DROP_DEAD);
}

/* ------------------------------------------------------------------------- the start of a peer */

static int
connect_abstract(const char *name, int *out, struct err *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_errno(err, errno, "make a socket for a connection of the link");
	/* The length belongs to an abstract name, so it must be exact. */
	memcpy(a.sun_path + 1, name, len);
	if (connect(fd, (const struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) != 0) {
		int e = errno;

		close(fd);
		return err_errno(err, e, "connect to a listener of the link");
	}
	*out = fd;
	return 0;
}

static int
peer_listen(struct link_peer *peer, char name[static NAME_MAX_LEN], struct err *err)
{
	struct nng_server *s = peer->server;
	uint8_t random[NAME_RANDOM];
	char hex[2 * NAME_RANDOM + 1], url[NAME_MAX_LEN + sizeof("abstract://")];
	int rv;

	runtime_random(s->rt, random, sizeof(random));
	snprintf(name, NAME_MAX_LEN, NAME_PREFIX "%s", hex_encode(random, sizeof(random), hex));
	snprintf(url, sizeof(url), "abstract://%s", name);
	rv = nng_listener_create(&peer->listener, s->rep, url);
	if (rv != 0)
		return nng_err(err, rv, "make a listener of the link");
	/* Known before it is started: its pipe may be there before nng_listener_start returns. */
	listener_put(peer);
	rv = nng_listener_start(peer->listener, 0);
	if (rv != 0) {
		listener_del(peer);
		nng_listener_close(peer->listener);
		return nng_err(err, rv, "start a listener of the link");
	}
	return 0;
}

int
link_nng_attach(struct link_server *base, const struct id *node, void *conn, struct link_peer **out,
    int *fd, struct err *err)
{
	struct nng_server *s = CONTAINER_OF(base, struct nng_server, base);
	struct link_peer *peer, *old;
	char name[NAME_MAX_LEN], hex[ID_HEX_MAX];
	int r, connected = -1;

	CHECK(s->magic == NNG_SERVER_MAGIC);
	if (s->closing)
		return err_set(err, ERR_BUSY, "the link closes");
	peer = mem_zalloc(sizeof(*peer));
	peer->server = s;
	peer->node = *node;
	peer->conn = conn;
	peer->fd = -1;
	peer->timer.arg = peer;
	r = peer_listen(peer, name, err);
	if (r < 0) {
		mem_free(peer);
		err_wrap(err, "node %s", id_hex(node, hex));
		return r;
	}
	r = connect_abstract(name, &connected, err);
	if (r == 0 && (peer->fd = fcntl(connected, F_DUPFD_CLOEXEC, 0)) < 0) {
		r = err_errno(err, errno, "keep a descriptor of the link");
		close(connected);
	}
	if (r < 0) {
		listener_del(peer);
		list_add(&s->graves, peer);
		bury(peer);
		err_wrap(err, "node %s", id_hex(node, hex));
		return r;
	}
	list_add(&s->peers, peer);
	peer->timer.cb = on_deadline;
	runtime_timer_start(s->rt, &peer->timer, s->params.attach_ms);
	old = map_put(s->by_node, node->bytes, ID_LEN, peer);
	*out = peer;
	*fd = connected;
	if (old != NULL)
		peer_drop(old, LINK_DROP_REPLACED);
	return 0;
}

int
link_nng_check(struct link_peer *peer, struct span bytes, struct err *err)
{
	return frames_check(&peer->frames, bytes, peer->server->params.request_max, err);
}
