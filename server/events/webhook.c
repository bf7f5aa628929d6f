/* A POST for each event. It blocks, and a receiver may be slow: each has a thread of its own. */

#include "common/base/str.h"
#include "common/crypto/secret.h"
#include "common/http/http.h"
#include "common/loop/loop.h"
#include "common/sys/file.h"
#include "server/events/receiver_priv.h"

#include <inttypes.h>
#include <stdio.h>

#define CONNECT_MS 10000
#define REPLY_MOST 4096 /* of which nothing is used */
#define SECRET_LEAST 16
#define SECRET_MOST 1024
#define ROOTS_MOST (1024 * 1024)
#define MAC_LEN 32

struct webhook {
	struct loop *loop, *own;
	struct loop_thread *thread;
	const struct event_receiver *receiver;
	struct posted go, back;
	atomic_bool stop;
	bool runs;
	/* The attempt: the thread's between go and back. */
	struct buf document, roots;
	char id[ID_HEX_MAX], kind[64];
	int64_t now;
	enum attempt_end end;
	char text[ATTEMPT_TEXT];
	attempt_done_cb *done;
	void *arg;
};

/* --- on the thread --------------------------------------------------------------------------- */

/* Read anew each time: who changes the file need not restart anything. */
static int
read_secret(const char *path, struct secret **out, struct err *err)
{
	AUTO(fd_closep)
	int fd = -1;
	int r = file_open_private(path, &fd, err);

	if (r == 0)
		r = secret_read_fd(fd, SECRET_MOST, true, out, err);
	if (r == 0 && secret_span(*out).len < SECRET_LEAST)
		r = err_set(
		    err, ERR_INVALID, "'%.100s' has less than %d bytes", path, SECRET_LEAST);
	return r;
}

/* "t=1764000000,v1=" and HMAC-SHA256 of "1764000000." and the body. */
static int
put_signature(const struct webhook *h, struct buf *header, struct err *err)
{
	AUTO(secret_freep)
	struct secret *secret = NULL;
	AUTO(buf_freep)
	struct buf *signed_text = buf_new(LOCAL_EVENT_MAX + 1024);
	uint8_t mac[MAC_LEN];
	char hex[2 * MAC_LEN + 1];
	int r = read_secret(h->receiver->secret_file, &secret, err);

	if (r < 0)
		return r;
	buf_putf(signed_text, "%" PRId64 ".", h->now);
	buf_put_span(signed_text, buf_span(&h->document));
	r = secret_hmac(secret, buf_span(signed_text), mac, err);
	if (r == 0)
		buf_putf(header, "Certherd-Signature: t=%" PRId64 ",v1=%s", h->now,
		    hex_encode(mac, MAC_LEN, hex));
	return r;
}

static void
judge(struct webhook *h, int status)
{
	/* The event itself is what these do not like: it will not become better. */
	static const int refusals[] = {400, 413, 415, 422};

	snprintf(h->text, sizeof(h->text), "it answers with status %d%s", status,
	    status >= 300 && status < 400 ? ", and redirects are not followed" : "");
	h->end = status >= 200 && status < 300 ? ATTEMPT_TAKEN : ATTEMPT_FAILED;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (status == refusals[i])
			h->end = ATTEMPT_REFUSED;
}

static int
post_event(struct webhook *h, struct err *err)
{
	struct buf signature = BUF_INIT(256);
	char id[64], kind[96];
	const char *headers[4] = {id, kind, NULL, NULL};
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	const struct http_params p = {
	    .url = h->receiver->webhook,
	    .headers = headers,
	    .body = buf_span(&h->document),
	    .trust = HTTP_TRUST_SYSTEM,
	    .more_roots = buf_span(&h->roots),
	    .connect_ms = CONNECT_MS,
	    .total_ms = (uint32_t)h->receiver->timeout * 1000,
	    .max_reply = REPLY_MOST,
	    .status_only = true,
	    .stop = &h->stop,
	};
	int r = 0;

	snprintf(id, sizeof(id), "Certherd-Event-Id: %s", h->id);
	snprintf(kind, sizeof(kind), "Certherd-Event: %s", h->kind);
	if (h->receiver->secret_file != NULL) {
		r = put_signature(h, &signature, err);
		headers[2] = buf_str(&signature);
	}
	if (r == 0)
		r = http_request(&p, &reply, err);
	if (r == 0)
		judge(h, reply.status);
	buf_fini(&signature);
	return r;
}

static void
on_back(struct posted *p)
{
	struct webhook *h = CONTAINER_OF(p, struct webhook, back);

	h->runs = false;
	h->done(h->arg, h->end, h->text);
}

static void
on_go(struct posted *p)
{
	struct webhook *h = CONTAINER_OF(p, struct webhook, go);
	struct err err;
	int r = post_event(h, &err);

	if (r < 0) {
		snprintf(h->text, sizeof(h->text), "%s", err.text);
		h->end = r == ERR_CANCELED ? ATTEMPT_STOPPED : ATTEMPT_FAILED;
	}
	loop_post(h->loop, &h->back);
}

/* --- on the loop ----------------------------------------------------------------------------- */

int
webhook_new(
    struct loop *loop, const struct event_receiver *receiver, struct webhook **out, struct err *err)
{
	struct webhook *h = mem_zalloc(sizeof(*h));
	int r;

	h->loop = loop;
	h->receiver = receiver;
	h->document = BUF_INIT(LOCAL_EVENT_MAX + 256);
	h->roots = BUF_INIT(ROOTS_MOST);
	h->go.cb = on_go;
	h->back.cb = on_back;
	atomic_init(&h->stop, false);
	r = loop_new(&h->own, err);
	if (r == 0)
		r = loop_thread_start(h->own, "webhook", &h->thread, err);
	if (r < 0) {
		loop_free(h->own);
		mem_free(h);
		return r;
	}
	*out = h;
	return 0;
}

void
webhook_free(struct webhook *h)
{
	if (h == NULL)
		return;
	CHECK(!h->runs);
	loop_stop(h->own);
	loop_thread_join(h->thread);
	loop_free(h->own);
	buf_fini(&h->document);
	buf_fini(&h->roots);
	mem_free(h);
}

int
webhook_start(struct webhook *h, const struct attempt *attempt, struct span roots,
    attempt_done_cb *done, void *arg, struct err *err)
{
	CHECK(!h->runs);
	buf_clear(&h->document);
	buf_put_span(&h->document, attempt->document);
	buf_clear(&h->roots);
	buf_put_span(&h->roots, roots);
	if (h->roots.error != 0)
		return buf_error(&h->roots, "the roots for outgoing connections", err);
	snprintf(h->id, sizeof(h->id), "%s", attempt->id);
	snprintf(h->kind, sizeof(h->kind), "%s", attempt->kind);
	h->now = runtime_wall_s(loop_runtime(h->loop));
	h->done = done;
	h->arg = arg;
	h->runs = true;
	loop_post(h->own, &h->go);
	return 0;
}

void
webhook_stop(struct webhook *h)
{
	atomic_store(&h->stop, true);
}
