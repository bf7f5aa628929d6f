#include "server/cli/foreign.h"

#include "common/base/str.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "server/cli/init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
start_reader(struct foreign *f, struct err *err)
{
	AUTO(mem_freep)
	char *program = NULL;
	int r = self_path(&program, err);

	import_reader_free(MOVE(f->reader));
	return r < 0 ? r
		     : import_reader_new(program, (const struct secret *const *)f->passwords,
			   f->password_count, &f->reader, err);
}

int
foreign_begin(struct foreign *f, struct cli *c, struct err *err)
{
	int r = import_heap(err);

	*f = (struct foreign){.c = c, .typed = BUF_INIT(LIMIT_IMPORT_FILE)};
	if (r == 0)
		r = password_list(c, f->passwords, LIMIT_IMPORT_PASSWORDS, &f->password_count, err);
	return r;
}

void
foreign_fini(struct foreign *f)
{
	import_reader_free(MOVE(f->reader));
	for (size_t i = 0; i < f->password_count; i++)
		secret_free(f->passwords[i]);
	f->password_count = 0;
	buf_fini(&f->typed);
}

/* --- one set --- */

/* Once; a password that is asked for has the set read again. */
static int
read_input(struct foreign *f, const char *what, struct err *err)
{
	uint8_t block[16384];
	ssize_t n;

	if (f->typed.len > 0)
		return 0;
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "paste %s, then Ctrl-D\n", what);
	while ((n = read(STDIN_FILENO, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read standard input");
		buf_put(&f->typed, block, (size_t)n);
		if (f->typed.error != 0)
			break;
	}
	return buf_error(&f->typed, "standard input", err);
}

static int
add_file(struct foreign *f, const char *what, const char *path, struct err *err)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_IMPORT_FILE);
	bool typed = str_equal(path, "-");
	int r = typed ? read_input(f, what, err) : file_read(path, LIMIT_IMPORT_FILE, bytes, err);

	return r < 0 ? r
		     : import_reader_add(f->reader, typed ? "standard input" : path,
			   buf_span(typed ? &f->typed : bytes), err);
}

static int
read_set(struct foreign *f, enum import_wish wish, const char *what, const char *const *paths,
    size_t count, struct import_found *out, struct err *err)
{
	int r = f->reader == NULL ? start_reader(f, err) : 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_file(f, what, paths[i], err);
	if (r == 0)
		r = import_reader_take(f->reader, wish, out, err);
	/* A file that cannot be opened leaves half a set behind. */
	if (r < 0)
		import_reader_free(MOVE(f->reader));
	return r;
}

/* Whoever has given passwords by an option is not there to be asked. */
static bool
can_ask(const struct foreign *f)
{
	return f->asked == f->password_count && f->asked < FOREIGN_QUESTIONS &&
	    isatty(STDIN_FILENO);
}

static int
ask(struct foreign *f, const char *path, size_t count, struct err *err)
{
	AUTO(mem_freep)
	char *question =
	    mem_printf("%sassword of %s%s", f->asked > 0 ? "It does not open it. P" : "P",
		str_equal(path, "-") ? "it" : path, count > 1 ? " and the files with it" : "");
	int r;

	if (f->on_question != NULL)
		f->on_question(f->arg);
	r = password_ask(question, &f->passwords[f->password_count], err);

	if (r == ERR_CANCELED)
		return err_set(err, ERR_CANCELED, "no password was given");
	if (r < 0)
		return r;
	f->password_count++;
	f->asked++;
	return start_reader(f, err);
}

int
foreign_read(struct foreign *f, enum import_wish wish, const char *what, const char *const *paths,
    size_t count, struct import_found *out, struct err *err)
{
	struct import_found found = {.units = NULL};
	int r = read_set(f, wish, what, paths, count, &found, err);

	while (r == 0 && found.needs_password && can_ask(f)) {
		import_found_fini(&found);
		r = ask(f, paths[0], count, err);
		if (r == 0)
			r = read_set(f, wish, what, paths, count, &found, err);
	}
	if (r < 0)
		return r;
	if (found.needs_password && f->password_count == 0)
		cli_hint(f->c, "give the password with --password-file FILE, or on a terminal");
	*out = found;
	return 0;
}

/* --- what is said --- */

int
foreign_refused(struct cli *c, int code, const char *text, struct err *err)
{
	size_t cut = strlen(text) < ERR_TEXT_MAX ? 0 : ERR_TEXT_MAX - 2;

	while (cut > 0 && strncmp(text + cut, ". ", 2) != 0)
		cut--;
	if (cut == 0)
		return err_set(err, (enum err_code)code, "%s", text);
	cli_hint(c, "%s", text + cut + 2);
	return err_set(err, (enum err_code)code, "%.*s", (int)cut, text);
}

/* --- certificates alone --- */

/* What else was in it is said, so that nobody wonders: a key above all. */
static void
put_rest(struct cli *c, const struct import_found *f)
{
	for (size_t i = 0; !c->json && i < f->remark_count; i++)
		cli_printf(c, "note: %s\n", f->remarks[i].text);
	for (size_t i = 0; !c->json && i < f->refusal_count; i++)
		cli_printf(c, "note: left out: %s\n", f->refusals[i].text);
}

int
foreign_certs(struct cli *c, enum import_wish wish, const char *what, const char *const *paths,
    size_t count, struct import_found *out, struct err *err)
{
	static const char *const standard[] = {"-"};
	struct import_found found = {.units = NULL};
	struct foreign f;
	int r = foreign_begin(&f, c, err);

	if (r == 0)
		r = foreign_read(&f, wish, what, count > 0 ? paths : standard,
		    count > 0 ? count : 1, &found, err);
	foreign_fini(&f);
	if (r < 0)
		return r;
	if (found.unit_count == 0) {
		const char *file =
		    count == 0 || str_equal(paths[0], "-") ? "standard input" : paths[0];
		const struct import_note *why = &found.refusals[0];
		AUTO(mem_freep)
		char *named = strstr(why->text, file) == NULL && count < 2
		    ? mem_printf("'%s': %s", file, why->text)
		    : mem_strdup(why->text);

		r = foreign_refused(c, why->code, named, err);
		import_found_fini(&found);
		return r;
	}
	put_rest(c, &found);
	*out = found;
	return 0;
}
