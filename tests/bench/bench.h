#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

/*
 * What the load programs share: time, a source of numbers that needs no quality, latencies and
 * their percentiles, sockets, and the names of the credentials. Everything aborts when it cannot be
 * done; one thread.
 */

#include "common/base/base.h"

#define BENCH_NAME_MAX 32

uint64_t bench_now_ns(void); /* CLOCK_MONOTONIC, which all processes of a machine share */
void bench_pause_us(unsigned us);
uint64_t bench_random(void);
/* "h00017.bench.test" */
const char *bench_name(uint64_t number, char out[static BENCH_NAME_MAX]);
/* A number of the command line; exits with 2 when it is none. */
uint64_t bench_number(const char *text);

/* Seconds of processor time that a process has used; 0 for pid 0. */
double bench_cpu_of(unsigned pid);

struct latencies {
	uint32_t *us;
	size_t count, cap;
};
void latencies_add(struct latencies *l, uint64_t ns);
/* Sorts. permille 500 is the median. In milliseconds; 0 when there are none. */
double latencies_at(struct latencies *l, unsigned permille);
void latencies_fini(struct latencies *l);

/* "unix:/path" or "HOST:PORT" with a numeric IPv4 host. A nonblocking socket that connects. */
int bench_connect(const char *target);
/* Close that leaves no TIME_WAIT behind, so that ports do not run out. */
void bench_drop(int fd);

#endif
