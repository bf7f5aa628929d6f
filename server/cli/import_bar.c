/* The bar that shows how far an import is: one line of standard error, if that is a terminal. */

#include "server/cli/import.h"

#include "common/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DRAW_MS 100
#define CELLS_MOST 24
#define CELLS_LEAST 8
#define WIDTH_USUAL 80
#define RATE_AFTER_MS 1000 /* before that it says nothing */

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void
import_bar_begin(struct import_bar *b, bool wanted)
{
	const char *term = getenv("TERM");

	*b = (struct import_bar){.begun_ms = now_ms(),
	    .on = wanted && isatty(STDERR_FILENO) && term != NULL && !str_equal(term, "") &&
		!str_equal(term, "dumb")};
}

/* Asked for each line: a window changes its size. One less, since some wrap at the last column. */
static size_t
width_of_terminal(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col == 0)
		return WIDTH_USUAL - 1;
	return w.ws_col - 1U;
}

/* "4200 of 10000, 1234 a second, 5 s left"; less is left out, down to "4200/10000". */
static void
put_numbers(struct buf *out, const struct import_bar_state *s, unsigned less)
{
	uint64_t rate = s->spent_ms >= RATE_AFTER_MS ? s->done * 1000 / s->spent_ms : 0;

	buf_putf(out, "%zu%s%zu", s->done, less < 3 ? " of " : "/", s->all);
	if (rate > 0 && less < 2)
		buf_putf(out, ", %llu a second", (unsigned long long)rate);
	if (rate > 0 && less < 1 && s->done < s->all)
		buf_putf(out, ", %llu s left",
		    (unsigned long long)((s->all - s->done + rate - 1) / rate));
}

void
import_bar_line(const struct import_bar_state *s, size_t width, char out[static IMPORT_BAR_MAX])
{
	struct buf numbers = BUF_INIT(IMPORT_BAR_MAX);
	size_t cells, filled;

	/* As much of the numbers as leaves room for a bar; then the numbers alone, as they fit. */
	for (unsigned less = 0; less < 8; less++) {
		buf_clear(&numbers);
		put_numbers(&numbers, s, less % 4);
		if (numbers.len + (less < 4 ? 3 + CELLS_LEAST : 0) <= width)
			break;
	}
	cells = width > numbers.len + 3 ? width - numbers.len - 3 : 0;
	cells = cells < CELLS_MOST ? cells : CELLS_MOST;
	filled = s->all > 0 ? s->done * cells / s->all : cells;
	if (width >= IMPORT_BAR_MAX)
		width = IMPORT_BAR_MAX - 1;
	if (cells >= CELLS_LEAST)
		snprintf(out, width + 1, "[%.*s%*s] %s", (int)filled, "########################",
		    (int)(cells - filled), "", buf_str(&numbers));
	else
		snprintf(out, width + 1, "%s", buf_str(&numbers));
	buf_fini(&numbers);
}

void
import_bar_draw(struct import_bar *b, size_t done, size_t all)
{
	uint64_t now = now_ms();
	const struct import_bar_state s = {done, all, now - b->begun_ms};
	char line[IMPORT_BAR_MAX];

	if (!b->on || (b->drawn && now - b->drawn_ms < DRAW_MS))
		return;
	import_bar_line(&s, width_of_terminal(), line);
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
	b->drawn = true;
	b->drawn_ms = now;
}

void
import_bar_clear(struct import_bar *b)
{
	if (b->drawn)
		fputs("\r\033[K", stderr);
	b->drawn = false;
}
