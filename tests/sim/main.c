/*
 * sim --seed N [--trace]      one run
 * sim --seeds A..B            several; the first that fails ends it
 *     --actions N             actions and faults of a run, 200 by default
 *     --lie                   the manager's disk says that it has synced, and has not
 *     --expect-failure        succeed when a run fails: for --lie
 *     --nightly-factor N      N times as many seeds when CERTHERD_NIGHTLY is set
 */

#include "common/base/num.h"
#include "common/base/str.h"
#include "common/log/log.h"
#include "tests/sim/sim.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
	struct sim_options options;
	uint64_t first, last, factor;
	bool expect_failure;
};

static int
parse_range(const char *text, struct arguments *a, struct err *err)
{
	char first[32];
	const char *dots = strstr(text, "..");
	int r;

	if (dots == NULL || (size_t)(dots - text) >= sizeof(first))
		return err_set(err, ERR_INVALID, "seeds are given as A..B");
	memcpy(first, text, (size_t)(dots - text));
	first[dots - text] = '\0';
	r = num_parse_u64(first, 1, UINT32_MAX, &a->first, err);
	return r < 0 ? r : num_parse_u64(dots + 2, a->first, UINT32_MAX, &a->last, err);
}

static int
parse(int argc, char **argv, struct arguments *a, struct err *err)
{
	static const struct option options[] = {
	    {"seed", required_argument, NULL, 's'},
	    {"seeds", required_argument, NULL, 'S'},
	    {"actions", required_argument, NULL, 'a'},
	    {"trace", no_argument, NULL, 't'},
	    {"lie", no_argument, NULL, 'l'},
	    {"expect-failure", no_argument, NULL, 'e'},
	    {"nightly-factor", required_argument, NULL, 'n'},
	    {NULL, 0, NULL, 0},
	};
	uint64_t n = 0;
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			r = num_parse_u64(optarg, 1, UINT32_MAX, &a->first, err);
			a->last = a->first;
		} else if (c == 'S') {
			r = parse_range(optarg, a, err);
		} else if (c == 'a') {
			r = num_parse_u64(optarg, 1, 100000, &n, err);
			a->options.actions = (unsigned)n;
		} else if (c == 'n') {
			r = num_parse_u64(optarg, 1, 1000, &a->factor, err);
		} else if (c == 't') {
			a->options.trace = true;
		} else if (c == 'l') {
			a->options.lie = true;
		} else if (c == 'e') {
			a->expect_failure = true;
		} else {
			r = err_set(err, ERR_INVALID, "see the head of tests/sim/main.c");
		}
	}
	return r;
}

/* A broken invariant of the programs ends the process: say in which run. */
static void
on_abort(int number)
{
	(void)number;
	sim_trace_dump();
}

int
main(int argc, char **argv)
{
	struct arguments a = {.options = {.actions = 200}, .first = 1, .last = 10, .factor = 1};
	uint64_t failed = 0;
	struct err err;

	if (parse(argc, argv, &a, &err) < 0) {
		fprintf(stderr, "sim: %s\n", err.text);
		return 2;
	}
	if (getenv("CERTHERD_NIGHTLY") != NULL && a.factor > 1) {
		a.first = (a.first - 1) * a.factor + 1;
		a.last *= a.factor;
	}
	/* What the programs say of the faults that we make is of interest only beside the trace. */
	log_setup(&(struct log_params){
	    .level = LOG_LEVEL_INFO,
	    .fd = a.options.trace ? STDOUT_FILENO : open("/dev/null", O_WRONLY | O_CLOEXEC),
	});
	signal(SIGABRT, on_abort);
	for (uint64_t seed = a.first; seed <= a.last && failed == 0; seed++) {
		a.options.seed = seed;
		failed += sim_run(&a.options) ? 0 : 1;
	}
	if (a.expect_failure)
		printf("seeds %llu to %llu: %s\n", (unsigned long long)a.first,
		    (unsigned long long)a.last,
		    failed > 0 ? "failed, as they must" : "none failed");
	else
		printf("seeds %llu to %llu: %s\n", (unsigned long long)a.first,
		    (unsigned long long)a.last, failed > 0 ? "FAILED" : "good");
	return (failed > 0) == a.expect_failure ? 0 : 1;
}
