#include "replica/ports/ports_priv.h"

#include "common/base/str.h"
#include "replica/ports/http_head.h"

#define REPLY_MAX (1024 * 1024)

enum page_state {
	PAGE_READING,
	PAGE_WRITING,
	PAGE_LINGERING, /* the reply is out: until the client has closed, or a while */
};

struct page {
	struct ports *ports;
	struct loop *loop;
	struct tls_stream *stream;
	enum page_state state;
	struct buf request, reply;
	struct timer deadline;
	void (*on_heard)(void *arg);
	void (*on_end)(void *arg);
	void *arg;
};

void
page_close(struct page *p)
{
	if (p == NULL)
		return;
	runtime_timer_stop(loop_runtime(p->loop), &p->deadline);
	tls_stream_close(p->stream);
	buf_fini(&p->request);
	buf_fini(&p->reply);
	mem_free(p);
}

static void
end(struct page *p)
{
	void (*on_end)(void *arg) = p->on_end;
	void *arg = p->arg;

	page_close(p);
	on_end(arg);
}

/* ------------------------------------------------------------------------- replies */

static void
put_html(struct buf *out, struct span text)
{
	buf_put_str(out,
	    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	    "<title>certherd replica</title></head>\n<body><h1>certherd replica</h1>\n"
	    "<p>This port ends TLS with a certificate of this domain. The status as "
	    "JSON: <a href=\"/status\">/status</a></p>\n<pre>");
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '<')
			buf_put_str(out, "&lt;");
		else if (text.data[i] == '&')
			buf_put_str(out, "&amp;");
		else
			buf_put_u8(out, text.data[i]);
	}
	buf_put_str(out, "</pre></body></html>\n");
}

static void
put_reply(struct page *p, const char *status, const char *type, struct span body, bool head_only)
{
	buf_putf(&p->reply,
	    "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
	    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
	    "Content-Security-Policy: default-src 'none'\r\n%s\r\n",
	    status, type, body.len, str_starts(status, "405") ? "Allow: GET, HEAD\r\n" : "");
	if (!head_only)
		buf_put_span(&p->reply, body);
}

static void
put_error(struct page *p, const char *status)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(256);

	buf_putf(body, "%s\n", status);
	put_reply(p, status, "text/plain", buf_span(body), false);
}

static void
answer(struct page *p, const struct http_head *head)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(REPLY_MAX / 2);
	struct page_text *status = ports_status(p->ports);
	bool head_only = str_equal(head->method, "HEAD");

	if (!head_only && !str_equal(head->method, "GET")) {
		put_error(p, "405 Method Not Allowed");
	} else if (str_equal(head->target, "/")) {
		put_html(body, status->json);
		put_reply(p, "200 OK", "text/html; charset=utf-8", buf_span(body), head_only);
	} else if (str_equal(head->target, "/status")) {
		put_reply(p, "200 OK", "application/json", status->json, head_only);
	} else {
		put_error(p, "404 Not Found");
	}
	page_text_unref(status);
}

/* ------------------------------------------------------------------------- the connection */

static void
write_on(struct page *p)
{
	while (p->reply.len > 0) {
		size_t taken = 0;
		int r = tls_stream_write(p->stream, buf_span(&p->reply), &taken, NULL);

		if (r == ERR_AGAIN) {
			tls_stream_want(p->stream, LOOP_WRITE);
			return;
		}
		if (r < 0) {
			end(p);
			return;
		}
		buf_consume(&p->reply, taken);
	}
	if (tls_stream_finish(p->stream, NULL) < 0) {
		end(p);
		return;
	}
	p->state = PAGE_LINGERING;
	tls_stream_want(p->stream, LOOP_READ);
	runtime_timer_start(loop_runtime(p->loop), &p->deadline, PORT_LINGER_MS);
}

static void
look(struct page *p)
{
	struct http_head head;
	int r = http_head_parse(buf_span(&p->request), &head);

	if (r == ERR_AGAIN)
		return;
	p->on_heard(p->arg);
	if (r == 0)
		answer(p, &head);
	else if (r == ERR_LIMIT)
		put_error(p, "431 Request Header Fields Too Large");
	else
		put_error(p, "400 Bad Request");
	p->state = PAGE_WRITING;
	tls_stream_want(p->stream, 0);
	write_on(p);
}

static void
read_on(struct page *p)
{
	uint8_t bytes[2048];
	size_t len = 0;
	int r = tls_stream_read(p->stream, bytes, sizeof(bytes), &len, NULL);

	if (r == ERR_AGAIN)
		return;
	if (r < 0 || len == 0) {
		end(p);
		return;
	}
	if (p->state == PAGE_LINGERING)
		return; /* what else a client says is of no interest */
	buf_put(&p->request, bytes, len);
	look(p);
}

static void
on_event(void *arg, unsigned events)
{
	struct page *p = arg;

	(void)events;
	if (p->state == PAGE_WRITING)
		write_on(p);
	else
		read_on(p);
}

static void
on_failed(void *arg, const struct err *err)
{
	(void)err;
	end(arg);
}

static void
on_deadline(void *arg)
{
	end(arg);
}

static const struct tls_stream_events stream_events = {
    .on_event = on_event,
    .on_failed = on_failed,
};

struct page *
page_start(struct ports *ports, struct loop *l, struct tls_stream *s, void (*on_heard)(void *arg),
    void (*on_end)(void *arg), void *arg)
{
	struct page *p = mem_zalloc(sizeof(*p));

	p->ports = ports;
	p->loop = l;
	p->stream = s;
	p->request = BUF_INIT(HTTP_HEAD_MAX + 2048);
	p->reply = BUF_INIT(REPLY_MAX);
	p->on_heard = on_heard;
	p->on_end = on_end;
	p->arg = arg;
	p->deadline.cb = on_deadline;
	p->deadline.arg = p;
	runtime_timer_start(loop_runtime(l), &p->deadline, PORT_HANDSHAKE_MS);
	tls_stream_set_owner(s, &stream_events, p);
	tls_stream_want(s, LOOP_READ);
	return p;
}
