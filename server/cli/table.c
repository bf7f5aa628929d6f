#include "server/cli/cli.h"

#include "common/base/str.h"
#include "common/model/names.h"

#include <stdio.h>
#include <string.h>

#define CELL_MAX 200
#define CELL_MIDDLE 64 /* of one with others behind it: a long name is no reason for long lines */
#define NAMES_SHOWN 4
#define GAP 2

void
cli_table_begin(struct cli_table *t, const char *const *headings)
{
	*t = (struct cli_table){0, NULL, 0};
	while (headings[t->columns] != NULL)
		t->columns++;
	CHECK(t->columns <= CLI_COLUMNS_MAX);
	for (size_t i = 0; i < t->columns; i++)
		cli_table_text(t, headings[i]);
}

void
cli_table_text(struct cli_table *t, const char *text)
{
	struct buf cell = BUF_INIT(5 * CELL_MAX), shown = BUF_INIT(64 * CELL_MAX);
	bool last = t->count % t->columns == t->columns - 1;

	str_put_printable(&cell, span_str(text != NULL && *text != '\0' ? text : "-"),
	    last ? CELL_MAX : CELL_MIDDLE);
	/* Here and not when it is printed, for the width. */
	names_put_shown(&shown, buf_span(&cell));
	t->cells = mem_grow(t->cells, t->count + 1, sizeof(*t->cells));
	t->cells[t->count++] = mem_strdup(buf_str(&shown));
	buf_fini(&cell);
	buf_fini(&shown);
}

void
cli_table_name(struct cli_table *t, const char *name)
{
	char shown[NAME_SHOWN_MAX];

	if (name == NULL || str_equal(name_shown(name, shown), name)) {
		cli_table_text(t, name);
		return;
	}
	/* What came from A-labels has neither control characters nor any that change direction. */
	t->cells = mem_grow(t->cells, t->count + 1, sizeof(*t->cells));
	t->cells[t->count++] = mem_strdup(shown);
}

/* Characters of a cell; East Asian ones, which are wider, only cost the table its straight lines.
 */
static size_t
width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void
cli_table_printf(struct cli_table *t, const char *fmt, ...)
{
	struct buf text = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vputf(&text, fmt, ap);
	va_end(ap);
	cli_table_text(t, buf_str(&text));
	buf_fini(&text);
}

void
cli_table_names(struct cli_table *t, const struct json *array)
{
	struct buf text = BUF_INIT(64 * 1024);
	size_t n = json_count(array);

	for (size_t i = 0; i < n && i < NAMES_SHOWN; i++) {
		const char *name = json_value_text(json_item(array, i));

		buf_putf(&text, "%s%s", i > 0 ? "," : "", name != NULL ? name : "?");
	}
	if (n > NAMES_SHOWN)
		buf_putf(&text, " and %zu more", n - NAMES_SHOWN);
	cli_table_text(t, buf_str(&text));
	buf_fini(&text);
}

void
cli_table_end(struct cli *c, struct cli_table *t, const char *empty)
{
	size_t widths[CLI_COLUMNS_MAX] = {0};
	bool has_rows = t->count > t->columns;

	CHECK(t->count % t->columns == 0);
	for (size_t i = 0; i < t->count; i++) {
		size_t n = width_of(t->cells[i]);

		if (n > widths[i % t->columns])
			widths[i % t->columns] = n;
	}
	if (!has_rows && *empty != '\0')
		cli_printf(c, "%s\n", empty);
	for (size_t i = 0; i < t->count; i++) {
		bool last = i % t->columns == t->columns - 1;

		if (has_rows && last)
			cli_printf(c, "%s\n", t->cells[i]);
		else if (has_rows)
			cli_printf(c, "%s%*s", t->cells[i],
			    (int)(widths[i % t->columns] + GAP - width_of(t->cells[i])), "");
		mem_free(t->cells[i]);
	}
	mem_free(t->cells);
	*t = (struct cli_table){0, NULL, 0};
}

const char *
cli_stale_after(const struct json *object, char out[static DURATION_TEXT_MAX])
{
	int64_t seconds = json_number(object, "stale_after");

	return seconds > 0 ? duration_text(seconds, out) : "never";
}

const char *
cli_time(const struct json *object, const char *name, char out[static CLI_TIME_MAX])
{
	const char *text = json_text(object, name);

	if (strlen(text) < strlen("2026-12-01T08:00"))
		return "-";
	snprintf(out, CLI_TIME_MAX, "%.10s %.5s UTC", text, text + 11);
	return out;
}
