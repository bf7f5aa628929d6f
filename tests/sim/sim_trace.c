#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *
next_line(struct sim *s)
{
	return s->tracing.lines[s->tracing.count++ % SIM_TRACE_LINES];
}

static void
put_line(struct sim *s, const char *mark, const char *fmt, va_list ap)
{
	char *line = next_line(s);
	int n = snprintf(line, SIM_TRACE_WIDTH, "%10.3f %s", (double)s->clock.now_ms / 1000, mark);

	vsnprintf(line + n, SIM_TRACE_WIDTH - (size_t)n, fmt, ap);
	if (s->options.trace)
		printf("%s\n", line);
}

void
sim_trace(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(s, "", fmt, ap);
	va_end(ap);
}

static uint64_t
first_line(const struct sim *s)
{
	return s->tracing.count > SIM_TRACE_LINES ? s->tracing.count - SIM_TRACE_LINES : 0;
}

static const char *
last_line(const struct sim *s)
{
	return s->tracing.lines[(s->tracing.count - 1) % SIM_TRACE_LINES];
}

void
sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (s->failed)
		return;
	s->failed = true;
	va_start(ap, fmt);
	put_line(s, "FAILED: ", fmt, ap);
	va_end(ap);
	if (s->options.lie) {
		printf("seed %llu: %s\n", (unsigned long long)s->options.seed, last_line(s));
		return;
	}
	for (uint64_t i = first_line(s); !s->options.trace && i < s->tracing.count; i++)
		printf("%s\n", s->tracing.lines[i % SIM_TRACE_LINES]);
	printf("seed %llu failed; sim --seed %llu --trace repeats it\n",
	    (unsigned long long)s->options.seed, (unsigned long long)s->options.seed);
	fflush(stdout);
}

/* In a signal handler: nothing but write. */
static void
write_text(const char *text)
{
	size_t n = 0;

	while (n < SIM_TRACE_WIDTH && text[n] != '\0')
		n++;
	if (write(STDERR_FILENO, text, n) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		return;
}

static const struct sim *running;

void
sim_trace_on_abort(const struct sim *s)
{
	running = s;
}

void
sim_trace_dump(void)
{
	char seed[40] = "aborted; seed ";
	size_t n = strlen(seed);

	if (running == NULL)
		return;
	for (uint64_t i = first_line(running); i < running->tracing.count; i++)
		write_text(running->tracing.lines[i % SIM_TRACE_LINES]);
	for (uint64_t unit = 1000000000; unit > 0; unit /= 10)
		if (running->options.seed >= unit || unit == 1)
			seed[n++] = (char)('0' + running->options.seed / unit % 10);
	seed[n] = '\0';
	write_text(seed);
}

void
sim_summary(struct sim *s)
{
	uint64_t applied = 0;

	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		applied += s->followers[i].applied;
	printf("seed %llu: %llu steps, %.0f s, %llu mutations, %llu refused, manager lives %u, "
	       "applied %llu times\n",
	    (unsigned long long)s->options.seed, (unsigned long long)s->clock.steps,
	    (double)(s->clock.now_ms - SIM_START_MS) / 1000,
	    (unsigned long long)s->oracle.mutations, (unsigned long long)s->oracle.refused,
	    s->manager.life, (unsigned long long)applied);
}
