#include "server/signer/serve.h"

#include "common/base/num.h"
#include "common/base/str.h"
#include "common/crypto/envelope.h"
#include "common/log/log.h"
#include "common/sys/process.h"
#include "common/sys/sandbox.h"
#include "server/signer/core.h"
#include "server/signer/lanes.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAP_DEFAULT (4U * 1024 * 1024)
#define KEY_FILE_MAX (32 * 1024)
#define FRAME_HEAD 4

struct service {
	struct signer_core *core;
	struct lanes *lanes;
	pthread_mutex_t write_lock; /* a reply is written whole */
};

struct options {
	struct log_params log;
	uint64_t heap;
};

/*
 * A request that no sound main process sends, or a broken socket: nothing is tidied up, since other
 * threads are at work. The keys go with the process.
 */
static NORETURN void
give_up(const char *what, const struct err *err)
{
	log_error("signer", "ends: %s: %s", what, err->text);
	_exit(1);
}

/* 1: len bytes; 0: the other side closed before the first of them. */
static int
read_whole(int fd, void *out, size_t len, struct err *err)
{
	uint8_t *at = out;
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, at + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ECONNRESET)
			return err_errno(err, errno, "read from main");
		if (n <= 0)
			return done == 0 ? 0 : err_set(err, ERR_PROTO, "half a frame from main");
		done += (size_t)n;
	}
	return 1;
}

/* Main's end closes the socket; then there is nobody to tell. */
static void
write_whole(struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = send(SIGNER_SOCKET_FD, bytes.data, bytes.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		bytes = SPAN(bytes.data + n, bytes.len - (size_t)n);
	}
}

static void
write_reply(struct service *s, const struct buf *reply)
{
	uint8_t head[FRAME_HEAD];
	size_t len = reply->len;

	for (unsigned i = 0; i < FRAME_HEAD; i++)
		head[i] = (uint8_t)(len >> (8 * (FRAME_HEAD - 1 - i)));
	CHECK(pthread_mutex_lock(&s->write_lock) == 0);
	write_whole(SPAN_OF(head));
	write_whole(buf_span(reply));
	pthread_mutex_unlock(&s->write_lock);
}

static void
run_work(void *arg, struct work *w)
{
	struct buf reply = BUF_INIT(LIMIT_SIGNER_FRAME);
	struct service *s = arg;
	struct err err;

	if (signer_core_execute(s->core, &w->request, &reply, &err) < 0)
		give_up(signer_op_name(w->request.op), &err);
	write_reply(s, &reply);
	buf_fini(&reply);
	work_free(w);
}

static void
refuse_busy(struct service *s, const struct work *w)
{
	const struct signer_reply r = {.id = w->request.id,
	    .code = ERR_BUSY,
	    .text = "the signer has too many requests waiting"};
	struct buf reply = BUF_INIT(LIMIT_SIGNER_FRAME);
	struct err err;

	if (wire_signer_reply_encode(&r, &reply, &err) < 0)
		give_up("reply", &err);
	write_reply(s, &reply);
	buf_fini(&reply);
}

/* 1: a request; 0: the socket was closed. */
static int
next_work(struct work **out, struct err *err)
{
	uint8_t head[FRAME_HEAD];
	struct cursor c = {SPAN_OF(head), false};
	struct work *w;
	size_t len;
	int r = read_whole(SIGNER_SOCKET_FD, head, sizeof(head), err);

	if (r <= 0)
		return r;
	len = cursor_be32(&c);
	if (len == 0 || len > LIMIT_SIGNER_FRAME)
		return err_set(err, ERR_LIMIT, "a frame of %zu bytes", len);
	w = mem_zalloc(sizeof(*w));
	w->frame = BUF_INIT(LIMIT_SIGNER_FRAME);
	if (buf_reserve(&w->frame, len) == NULL)
		r = buf_error(&w->frame, "frame", err);
	else
		r = read_whole(SIGNER_SOCKET_FD, w->frame.data, len, err);
	if (r == 0)
		r = err_set(err, ERR_PROTO, "half a frame from main");
	if (r > 0) {
		buf_advance(&w->frame, len);
		r = wire_signer_request_decode(buf_span(&w->frame), &w->request, err);
	}
	if (r < 0) {
		buf_fini(&w->frame);
		mem_free(w);
		return r;
	}
	*out = w;
	return 1;
}

static int
serve(struct service *s, struct err *err)
{
	struct work *w = NULL;
	int r;

	while ((r = next_work(&w, err)) > 0) {
		enum signer_lane lane = signer_core_lane(&w->request);

		/* Here, since a lane's thread would only find out some time later. */
		if (signer_core_check(s->core, &w->request, err) < 0)
			give_up(signer_op_name(w->request.op), err);
		/* What comes behind a Start or Learn is to see what it said. */
		if (lane == SIGNER_INLINE) {
			run_work(s, w);
		} else if (!lanes_push(s->lanes, lane, w)) {
			refuse_busy(s, w);
			work_free(w);
		}
	}
	return r;
}

static int
parse_options(int argc, char **argv, struct options *o, struct err *err)
{
	o->heap = HEAP_DEFAULT;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		int r = 0;

		if (str_equal(argv[i], "--signer")) {
			continue;
		} else if (str_equal(argv[i], "--log-json")) {
			o->log.json = true;
			continue;
		} else if (str_equal(argv[i], "--log-level") && value != NULL) {
			r = log_level_parse(value, &o->log.level, err);
		} else if (str_equal(argv[i], "--heap") && value != NULL) {
			r = num_parse_u64(value, SIGNER_HEAP_MIN, SIGNER_HEAP_MAX, &o->heap, err);
		} else {
			r = err_set(err, ERR_INVALID, "no option '%s'", argv[i]);
		}
		if (r < 0)
			return r;
		i++;
	}
	return 0;
}

static int
make_heap(uint64_t wanted, struct err *err)
{
	size_t size;
	int r = process_heap_size((size_t)wanted, &size, err);

	return r < 0 ? r : secret_heap_init(size, err);
}

static int
read_keys(struct signer_core **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *text = NULL;
	struct keyfile keys;
	int r = secret_read_fd(SIGNER_KEY_FD, KEY_FILE_MAX, false, &text, err);

	close(SIGNER_KEY_FD);
	if (r == 0)
		r = keyfile_parse(text, &keys, err);
	return r < 0 ? r : signer_core_new(&keys, out, err);
}

static int
prepare(struct service *s, const struct options *o, struct err *err)
{
	int r = process_harden(err);

	/* Main has work left then that needs signatures; we end when it closes the socket. */
	process_ignore_group_signals();
	if (r == 0)
		r = make_heap(o->heap, err);
	if (r == 0)
		r = read_keys(&s->core, err);
	/* What opens files on first use: the times of certificates, and parts of OpenSSL. */
	tzset();
	if (r == 0)
		r = envelope_self_test(err);
	if (r == 0)
		r = lanes_new(run_work, s, &s->lanes, err);
	if (r == 0)
		r = sandbox_signer(err);
	return r;
}

int
signer_main(int argc, char **argv)
{
	struct service s = {.write_lock = PTHREAD_MUTEX_INITIALIZER};
	struct options o = {.log = {.level = LOG_LEVEL_INFO}};
	struct err err;
	int r = parse_options(argc, argv, &o, &err);

	log_setup(&o.log);
	if (r == 0)
		r = prepare(&s, &o, &err);
	if (r == 0) {
		log_debug("signer", "ready");
		r = serve(&s, &err);
		if (r < 0)
			give_up("request", &err);
	} else {
		log_error("signer", "cannot start: %s", err.text);
	}
	lanes_free(s.lanes);
	signer_core_free(s.core);
	return r < 0 ? 1 : 0;
}
