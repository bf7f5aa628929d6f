#include "server/cli/cli.h"

#include "common/model/names.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX (64 * 1024 * 1024)
#define HINT_MAX 4096

void
cli_printf(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vputf(&c->out, fmt, ap);
	va_end(ap);
}

void
cli_hint(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	buf_clear(&c->hint);
	va_start(ap, fmt);
	buf_vputf(&c->hint, fmt, ap);
	va_end(ap);
}

/* Names as people write them; programs get them as they are stored. */
static void
show_names(struct buf *text)
{
	struct buf shown = BUF_INIT(OUT_MAX);

	if (text->len > 0 && memmem(text->data, text->len, "xn--", strlen("xn--")) != NULL) {
		names_put_shown(&shown, buf_span(text));
		buf_clear(text);
		buf_put_span(text, buf_span(&shown));
	}
	buf_fini(&shown);
}

int
cli_flush(struct cli *c, struct err *err)
{
	int r = buf_error(&c->out, "the output", err);

	if (!c->json)
		show_names(&c->out);

	/* Some texts come from nodes and other strangers; a terminal must not obey them. */
	for (size_t i = 0; !c->json && i < c->out.len; i++)
		if ((c->out.data[i] < 0x20 && c->out.data[i] != '\n') || c->out.data[i] == 0x7f)
			c->out.data[i] = '?';
	if (r == 0 && c->out.len > 0 &&
	    (fwrite(c->out.data, 1, c->out.len, stdout) != c->out.len || fflush(stdout) != 0))
		r = err_set(err, ERR_IO, "cannot write to standard output");
	buf_clear(&c->out);
	return r;
}

static void
complain(const struct cli *c, const struct err *err)
{
	struct buf text = BUF_INIT(OUT_MAX);

	buf_putf(&text, "certherd: %s\n", err->text);
	if (c->hint.len > 0)
		buf_putf(&text, "hint: %s\n", buf_str(&c->hint));
	show_names(&text);
	fputs(buf_str(&text), stderr);
	buf_fini(&text);
}

static int
run(struct cli *c, struct err *err)
{
	int r = 0;

	if (c->help && c->noun != NULL)
		cli_put_noun_help(c->noun, &c->out);
	else if (c->help)
		cli_put_help(c->command, &c->out);
	else
		r = c->command->run(c, err);
	return r;
}

void
cli_close(struct cli *c)
{
	mem_free(c->words);
	buf_fini(&c->out);
	buf_fini(&c->hint);
}

int
cli_main(int argc, char **argv)
{
	struct cli c = {.out = BUF_INIT(OUT_MAX), .hint = BUF_INIT(HINT_MAX)};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct err err = {0, ""}, flush_err;
	int status = 0;

	/* A pipe that was closed is an error of writing, which says what it is. */
	sigaction(SIGPIPE, &ignore, NULL);
	if (cli_parse(&c, argc, argv, &err) < 0) {
		complain(&c, &err);
		status = 2;
	} else if (run(&c, &err) < 0) {
		/* What was done before the failure is worth knowing. */
		(void)!cli_flush(&c, &flush_err);
		complain(&c, &err);
		status = err.code == ERR_INVALID ? 2 : 1;
	} else if (cli_flush(&c, &err) < 0) {
		complain(&c, &err);
		status = 1;
	}
	cli_close(&c);
	return status;
}
