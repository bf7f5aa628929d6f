#include "server/cli/init.h"

#include "common/base/num.h"
#include "common/base/str.h"
#include "common/sys/file.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSPHRASE_MOST 1024
#define PASSPHRASE_LEAST 8
#define PASSPHRASE_TRIES 3
#define CTRL_C 3
#define CTRL_D 4
#define BACKSPACE 8
#define DELETE 0x7f

static int
from_file(const char *path, struct secret **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(PASSPHRASE_MOST + 1);
	int r = file_read(path, PASSPHRASE_MOST, text, err);

	if (r < 0)
		return r;
	while (text->len > 0 &&
	    (text->data[text->len - 1] == '\n' || text->data[text->len - 1] == '\r'))
		text->len--;
	if (text->len == 0)
		return err_set(err, ERR_INVALID, "the passphrase file '%.150s' is empty", path);
	return secret_take(text->data, text->len, out, err);
}

static int
from_fd(const char *number, struct secret **out, struct err *err)
{
	uint64_t fd;
	int r = num_parse_u64(number, 0, 1023, &fd, err);

	if (r == 0)
		r = secret_read_fd((int)fd, PASSPHRASE_MOST, true, out, err);
	return r < 0 ? err_wrap(err, "passphrase from descriptor %.10s", number) : 0;
}

/* One line of the terminal, whose echo is off. Signals are off too, so that it is put on again. */
static int
read_line(char *line, size_t size, size_t *len, struct err *err)
{
	*len = 0;
	for (;;) {
		ssize_t n;
		char c;
		int r = interrupt_wait_input(STDIN_FILENO, err);

		if (r < 0)
			return r;
		n = read(STDIN_FILENO, &c, 1);
		if (n <= 0 || c == CTRL_C || c == CTRL_D)
			return err_set(err, ERR_CANCELED, "nothing was typed");
		if (c == '\n' || c == '\r')
			return 0;
		if (c == BACKSPACE || c == DELETE) {
			*len -= *len > 0;
			continue;
		}
		if (*len == size)
			return err_set(err, ERR_LIMIT, "a passphrase has at most %zu bytes", size);
		line[(*len)++] = c;
	}
}

static int
ask(const char *question, struct secret **out, struct err *err)
{
	struct termios before, quiet;
	char line[PASSPHRASE_MOST];
	size_t len = 0;
	int r;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return err_set(err, ERR_IO, "the terminal cannot be read quietly");
	/* A signal waits until the echo is on again. */
	interrupt_begin();
	quiet = before;
	/* By the character: in lines, Ctrl-C would wait for the end of one. */
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG | ICANON);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fprintf(stderr, "%s: ", question);
	r = read_line(line, sizeof(line), &len, err);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	interrupt_end();
	fprintf(stderr, "\n");
	if (r == 0 && len == 0)
		r = err_set(err, ERR_INVALID, "the passphrase is empty");
	if (r == 0)
		r = secret_take(line, len, out, err);
	explicit_bzero(line, sizeof(line));
	return r;
}

static int
check_length(const struct secret *got, const char *what, struct err *err)
{
	if (secret_span(got).len >= PASSPHRASE_LEAST)
		return 0;
	return err_set(err, ERR_INVALID, "the passphrase of the %s has less than %d bytes", what,
	    PASSPHRASE_LEAST);
}

static int
ask_twice(const char *what, struct secret **out, struct err *err)
{
	AUTO(mem_freep)
	char *first =
	    mem_printf("Passphrase for the %s, at least %d bytes", what, PASSPHRASE_LEAST);
	AUTO(secret_freep)
	struct secret *one = NULL;
	AUTO(secret_freep)
	struct secret *two = NULL;
	int r = ask(first, &one, err);

	if (r == 0)
		r = check_length(one, what, err);
	if (r == 0)
		r = ask("The same again", &two, err);
	if (r == 0 && !secret_equal(one, secret_span(two)))
		r = err_set(err, ERR_INVALID, "the two passphrases differ");
	if (r == 0)
		*out = MOVE(one);
	return r;
}

/* Who has mistyped may try again, as long as it is a person who types. */
static int
from_terminal(const char *what, const char *file_option, struct secret **out, struct err *err)
{
	int r;

	if (!isatty(STDIN_FILENO))
		return err_set(err, ERR_INVALID,
		    "there is no terminal to ask for the passphrase of the %s; give --%s FILE",
		    what, file_option);
	for (unsigned tries = 1;; tries++) {
		r = ask_twice(what, out, err);
		if (r != ERR_INVALID || tries == PASSPHRASE_TRIES)
			return r;
		fprintf(stderr, "certherd: %s; try again\n", err->text);
	}
}

int
passphrase_get(const struct cli *c, const char *file_option, const char *fd_option,
    const char *what, struct secret **out, struct err *err)
{
	const char *file = cli_option(c, file_option);
	const char *fd = fd_option != NULL ? cli_option(c, fd_option) : NULL;
	AUTO(secret_freep)
	struct secret *got = NULL;
	int r;

	if (file != NULL)
		r = from_file(file, &got, err);
	else if (fd != NULL)
		r = from_fd(fd, &got, err);
	else
		r = from_terminal(what, file_option, &got, err);
	if (r < 0)
		return r;
	r = check_length(got, what, err);
	if (r == 0)
		*out = MOVE(got);
	return r;
}

int
password_list(const struct cli *c, struct secret **out, size_t most, size_t *count, struct err *err)
{
	*count = 0;
	for (size_t i = 0; i < c->value_count; i++) {
		const struct cli_value *v = &c->values[i];
		bool is_file = str_equal(v->name, "password-file");
		int r;

		if (!is_file && !str_equal(v->name, "password-fd"))
			continue;
		if (*count == most)
			r = err_set(err, ERR_LIMIT, "more than %zu passwords", most);
		else
			r = is_file ? from_file(v->value, &out[*count], err)
				    : from_fd(v->value, &out[*count], err);
		if (r < 0)
			return r;
		(*count)++;
	}
	return 0;
}

int
password_from_file(const char *path, struct secret **out, struct err *err)
{
	return from_file(path, out, err);
}

int
password_ask(const char *question, struct secret **out, struct err *err)
{
	return ask(question, out, err);
}
