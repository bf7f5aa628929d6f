#include "tests/bench/bench.h"

#include "common/base/num.h"
#include "common/base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

uint64_t
bench_now_ns(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void
bench_pause_us(unsigned us)
{
	struct timespec t = {.tv_nsec = (long)us * 1000};

	(void)nanosleep(&t, NULL);
}

uint64_t
bench_random(void)
{
	static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

const char *
bench_name(uint64_t number, char out[static BENCH_NAME_MAX])
{
	snprintf(out, BENCH_NAME_MAX, "h%06llu.bench.test", (unsigned long long)number);
	return out;
}

uint64_t
bench_number(const char *text)
{
	uint64_t n;
	struct err err;

	if (num_parse_u64(text, 0, UINT32_MAX, &n, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(2);
	}
	return n;
}

double
bench_cpu_of(unsigned pid)
{
	char path[64], text[1024], *at;
	double ticks = 0;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (pid == 0 || (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	/* The name of the program, which may hold anything, ends at the last bracket. */
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 15; field++) {
		at = strchr(at + 1, ' ');
		if (at != NULL && field >= 13)
			ticks += strtod(at, NULL);
	}
	return ticks / (double)sysconf(_SC_CLK_TCK);
}

void
latencies_add(struct latencies *l, uint64_t ns)
{
	if (l->count == l->cap) {
		l->cap = l->cap == 0 ? 65536 : l->cap * 2;
		l->us = mem_grow(l->us, l->cap, sizeof(*l->us));
	}
	l->us[l->count++] = (uint32_t)(ns / 1000);
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

double
latencies_at(struct latencies *l, unsigned permille)
{
	if (l->count == 0)
		return 0;
	qsort(l->us, l->count, sizeof(*l->us), by_size);
	return l->us[(l->count - 1) * permille / 1000] / 1000.0;
}

void
latencies_fini(struct latencies *l)
{
	mem_free(l->us);
	*l = (struct latencies){0};
}

static int
start_connect(int family, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	CHECK(fd >= 0);
	if (family == AF_INET)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, address, len) < 0 && errno != EINPROGRESS) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

int
bench_connect(const char *target)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in in = {.sin_family = AF_INET};
	const char *colon = strrchr(target, ':');
	char host[64];

	if (str_starts(target, "unix:")) {
		CHECK(str_copy(local.sun_path, sizeof(local.sun_path), target + 5, NULL) == 0);
		return start_connect(AF_UNIX, (const struct sockaddr *)&local, sizeof(local));
	}
	CHECK(colon != NULL && (size_t)(colon - target) < sizeof(host));
	snprintf(host, sizeof(host), "%.*s", (int)(colon - target), target);
	in.sin_port = htons((uint16_t)bench_number(colon + 1));
	CHECK(inet_pton(AF_INET, host, &in.sin_addr) == 1);
	return start_connect(AF_INET, (const struct sockaddr *)&in, sizeof(in));
}

void
bench_drop(int fd)
{
	struct linger now = {1, 0};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
}
