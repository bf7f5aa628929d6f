/*
 * HTTP clients: bench_api_load TARGET PATH CONNECTIONS SECONDS FIRST BODY [PID]
 *
 * Connections that are kept open, each with one POST at a time; @ in BODY becomes a number that
 * rises from FIRST. Answers with a length and chunked ones are understood. Prints one line of JSON;
 * the first answer that is not 200 is shown in it.
 */

#include "tests/bench/bench.h"

#include "common/base/buf.h"
#include "common/base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ANSWER_MAX (256U << 10)

struct slot {
	int fd;
	struct buf *in;
	uint64_t began_ns;
};

struct load {
	const char *path, *body;
	uint64_t next, ok, refused, until_ns;
	char complaint[300];
	struct latencies times;
};

static void
put_body(struct load *l, struct buf *out)
{
	for (const char *at = l->body; *at != '\0'; at++) {
		if (*at == '@')
			buf_putf(out, "%06llu", (unsigned long long)l->next);
		else
			buf_put(out, at, 1);
	}
	l->next++;
}

static void
slot_send(struct load *l, struct slot *s)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(ANSWER_MAX);
	AUTO(buf_freep)
	struct buf *out = buf_new(ANSWER_MAX);

	put_body(l, body);
	buf_putf(out,
	    "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    l->path, body->len);
	buf_put_span(out, buf_span(body));
	s->began_ns = bench_now_ns();
	/* A request is shorter than any socket's buffer, and one is open at a time. */
	CHECK(send(s->fd, out->data, out->len, MSG_NOSIGNAL) == (ssize_t)out->len);
}

/* Whether the whole answer is there. */
static bool
is_whole(const struct buf *in)
{
	const char *text = buf_str(in), *end = strstr(text, "\r\n\r\n"), *length;
	size_t head;

	if (end == NULL)
		return false;
	head = (size_t)(end + 4 - text);
	length = strcasestr(text, "\r\ncontent-length:");
	if (length != NULL && length < end)
		return in->len >= head + strtoull(length + 17, NULL, 10);
	return in->len >= head + 5 && memcmp(text + in->len - 5, "0\r\n\r\n", 5) == 0;
}

static void
slot_read(struct load *l, struct slot *s)
{
	uint8_t *room = buf_reserve(s->in, 16384);
	ssize_t n;

	CHECK(room != NULL);
	n = recv(s->fd, room, 16384, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fprintf(stderr, "the server closed a connection\n");
		exit(1);
	}
	buf_advance(s->in, (size_t)n);
	if (!is_whole(s->in))
		return;
	if (str_starts(buf_str(s->in), "HTTP/1.1 200")) {
		l->ok++;
		latencies_add(&l->times, bench_now_ns() - s->began_ns);
	} else if (l->refused++ == 0) {
		struct buf text = BUF_INIT(sizeof(l->complaint) - 1);

		str_put_escaped(&text, SPAN(s->in->data, s->in->len), 120);
		(void)!str_copy(l->complaint, sizeof(l->complaint), buf_str(&text), NULL);
		buf_fini(&text);
	}
	buf_clear(s->in);
	if (bench_now_ns() < l->until_ns)
		slot_send(l, s);
}

static void
print(struct load *l, double seconds, double cpu)
{
	char *quoted = l->complaint;

	for (; *quoted != '\0'; quoted++)
		if (*quoted == '"' || *quoted == '\\')
			*quoted = '\'';
	printf("{\"ok\": %llu, \"refused\": %llu, \"seconds\": %.3f, \"server_cpu_s\": %.3f, "
	       "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"complaint\": \"%s\"}\n",
	    (unsigned long long)l->ok, (unsigned long long)l->refused, seconds, cpu,
	    latencies_at(&l->times, 500), latencies_at(&l->times, 990), l->complaint);
}

int
main(int argc, char **argv)
{
	struct load l = {0};
	struct epoll_event events[64];
	size_t count;
	unsigned pid;
	uint64_t began, seconds;
	double cpu;
	int poll = epoll_create1(EPOLL_CLOEXEC);

	if (argc < 7) {
		fprintf(stderr,
		    "usage: bench_api_load TARGET PATH CONNECTIONS SECONDS FIRST BODY [PID]\n");
		return 2;
	}
	l = (struct load){.path = argv[2], .body = argv[6], .next = bench_number(argv[5])};
	count = (size_t)bench_number(argv[3]);
	seconds = bench_number(argv[4]);
	pid = argc > 7 ? (unsigned)bench_number(argv[7]) : 0;
	CHECK(poll >= 0);
	cpu = bench_cpu_of(pid);
	began = bench_now_ns();
	l.until_ns = began + seconds * UINT64_C(1000000000);
	for (size_t i = 0; i < count; i++) {
		struct slot *s = mem_zalloc(sizeof(*s));
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};

		s->fd = bench_connect(argv[1]);
		if (s->fd < 0) {
			fprintf(stderr, "cannot connect to '%s'\n", argv[1]);
			return 1;
		}
		s->in = buf_new(ANSWER_MAX);
		CHECK(epoll_ctl(poll, EPOLL_CTL_ADD, s->fd, &e) == 0);
		while (errno = 0, send(s->fd, "", 0, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
			bench_pause_us(100);
		slot_send(&l, s);
	}
	while (bench_now_ns() < l.until_ns) {
		int n = epoll_wait(poll, events, ARRAY_LEN(events), 100);

		for (int i = 0; i < n; i++)
			slot_read(&l, events[i].data.ptr);
	}
	print(&l, (double)(bench_now_ns() - began) / 1e9, bench_cpu_of(pid) - cpu);
	return 0;
}
