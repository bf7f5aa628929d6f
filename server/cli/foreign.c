/* What other programs wrote, for commands that take it in: read in by the reader of reader.h. */

#include "common/base/str.h"
#include "common/sys/file.h"
#include "server/cli/commands.h"
#include "server/cli/reader.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int
read_input(const char *what, struct buf *out, struct err *err)
{
	uint8_t block[16384];
	ssize_t n;

	if (isatty(STDIN_FILENO))
		fprintf(stderr, "paste %s, then Ctrl-D\n", what);
	while ((n = read(STDIN_FILENO, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read standard input");
		buf_put(out, block, (size_t)n);
		if (out->error != 0)
			break;
	}
	return buf_error(out, "standard input", err);
}

/* The contents of the files that the command names, standard input when it names none. */
struct inputs {
	struct reader_file files[CLI_WORDS_MAX];
	struct buf bytes[CLI_WORDS_MAX];
	size_t count;
};

static void
inputs_fini(struct inputs *in)
{
	for (size_t i = 0; i < in->count; i++)
		buf_fini(&in->bytes[i]);
	mem_free(in);
}

static int
add_input(struct inputs *in, const char *what, const char *name, struct err *err)
{
	bool standard = name == NULL || str_equal(name, "-");
	struct buf *bytes = &in->bytes[in->count++];
	int r;

	*bytes = BUF_INIT(LIMIT_IMPORT_FILE);
	r = standard ? read_input(what, bytes, err)
		     : file_read(name, LIMIT_IMPORT_FILE, bytes, err);
	in->files[in->count - 1] =
	    (struct reader_file){standard ? "standard input" : name, buf_span(bytes)};
	return r;
}

int
cli_foreign_read(enum reader_wish wish, const char *what, const char *const *names, size_t count,
    struct reader_answer *out, struct err *err)
{
	struct inputs *in = mem_zalloc(sizeof(*in));
	int r = count == 0 ? add_input(in, what, NULL, err) : 0;

	for (size_t i = 0; r == 0 && i < count && i < CLI_WORDS_MAX; i++)
		r = add_input(in, what, names[i], err);
	if (r == 0)
		r = reader_read(wish, in->files, in->count, out, err);
	inputs_fini(in);
	return r;
}

/* What else was in it is said, so that nobody wonders: a key above all. */
void
cli_foreign_remarks(struct cli *c, const struct reader_answer *a, const char *keys)
{
	for (size_t i = 0; !c->json && i < a->count; i++) {
		const struct span text = a->items[i].bytes;

		if (a->items[i].kind == READER_KEY)
			cli_printf(c, "left out: a private key (%.*s); %s\n", (int)text.len,
			    (const char *)text.data, keys);
		else if (a->items[i].kind == READER_REMARK)
			cli_printf(c, "left out: %.*s\n", (int)text.len, (const char *)text.data);
	}
}
