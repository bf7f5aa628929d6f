/* The process that reads foreign files; see reader.h. */

#include "server/cli/reader.h"

#include "common/lift/lift.h"
#include "server/import/import.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CPU_SECONDS_MAX 20

static int
read_input(struct buf *out, struct err *err)
{
	uint8_t block[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read the files");
		buf_put(out, block, (size_t)n);
		if (out->error != 0)
			break;
	}
	return buf_error(out, "files", err);
}

static void
put_item(struct buf *out, const struct lift_item *item)
{
	switch (item->kind) {
	case LIFT_CERT:
		reader_put(out, READER_CERT, cert_der(item->cert));
		break;
	case LIFT_KEY:
		reader_put(out, READER_KEY, span_str(item->file));
		break;
	case LIFT_PROBLEM:
		reader_put(out, READER_REMARK, span_str(item->text));
		break;
	case LIFT_CSR:
	case LIFT_CRL:
	case LIFT_KIND__COUNT:
		break;
	}
}

/* Whether somebody who is kept names it as issuer. */
static bool
is_wanted(const struct lift *l, const bool *kept, const struct cert *issuer)
{
	for (size_t i = 0; i < lift_count(l); i++)
		if (kept[i] && lift_at(l, i)->cert != issuer &&
		    cert_names_issuer(lift_at(l, i)->cert, issuer))
			return true;
	return false;
}

/* Leaves, and in rounds whatever they and their issuers name. */
static void
choose(const struct lift *l, bool all, bool *kept)
{
	bool few = all || lift_count_of(l, LIFT_CERT) <= READER_CERTS_MANY, more = !few;

	for (size_t i = 0; i < lift_count(l); i++) {
		const struct lift_item *item = lift_at(l, i);

		kept[i] = item->kind == LIFT_CERT && (few || !cert_is_ca(item->cert));
	}
	for (unsigned round = 0; more && round < LIMIT_CHAIN; round++) {
		more = false;
		for (size_t i = 0; i < lift_count(l); i++) {
			const struct lift_item *item = lift_at(l, i);

			if (item->kind != LIFT_CERT || kept[i] || !is_wanted(l, kept, item->cert))
				continue;
			kept[i] = true;
			more = true;
		}
	}
}

static void
put_problem(struct buf *out, const struct err *problem)
{
	struct buf text = BUF_INIT(2 * ERR_TEXT_MAX);

	buf_put_u8(&text, (uint8_t)-problem->code);
	buf_put_str(&text, problem->text);
	reader_put(out, 'p', buf_span(&text));
	buf_fini(&text);
}

static void
put_items(struct buf *out, const struct lift *l, bool all)
{
	bool *kept = mem_array(lift_count(l) + 1, sizeof(*kept));
	size_t found = lift_count_of(l, LIFT_CERT), given = 0;
	struct err none;

	choose(l, all, kept);
	for (size_t i = 0; i < lift_count(l); i++) {
		const struct lift_item *item = lift_at(l, i);

		if (item->kind == LIFT_CERT && !kept[i])
			continue;
		put_item(out, item);
		given += item->kind == LIFT_CERT;
	}
	mem_free(kept);
	if (found > 0 && given == 0) {
		err_set(&none, ERR_NOTFOUND,
		    "there are %zu certificates, and all of them are of authorities (CA)", found);
		put_problem(out, &none);
	} else if (found > given) {
		struct buf text = BUF_INIT(256);

		buf_putf(
		    &text, "%zu certificates that have issued none of the others", found - given);
		reader_put(out, READER_REMARK, buf_span(&text));
		buf_fini(&text);
	}
}

static int
lift_all(struct span input, struct buf *out, struct err *err)
{
	AUTO(lift_freep)
	struct lift *l = lift_new(&(struct lift_params){.password_count = 0});
	AUTO(mem_freep)
	char *name = NULL;
	struct span bytes;
	struct err problem;
	uint8_t kind;
	bool bad, all = false;

	while (reader_take(&input, &kind, &bytes, &bad)) {
		if (kind == 'n') {
			mem_free(name);
			name = mem_zalloc(bytes.len + 1);
			if (bytes.len > 0)
				memcpy(name, bytes.data, bytes.len);
		} else if (kind == 'a') {
			all = true;
		} else {
			lift_add(l, name != NULL ? name : "", bytes);
		}
	}
	if (bad)
		return err_set(err, ERR_PROTO, "the files were cut off");
	put_items(out, l, all);
	if (lift_check(l, &problem) < 0)
		put_problem(out, &problem);
	return buf_error(out, "what was in the files", err);
}

int
reader_main(void)
{
	struct buf input = BUF_INIT(READER_INPUT_MAX), out = BUF_INIT(READER_ANSWER_MAX);
	struct err err = {0, ""};
	struct span rest;
	int r = import_confine(CPU_SECONDS_MAX, &err);

	if (r == 0)
		r = read_input(&input, &err);
	if (r == 0)
		r = lift_all(buf_span(&input), &out, &err);
	if (r < 0) {
		buf_clear(&out);
		put_problem(&out, &err);
	}
	rest = buf_span(&out);
	while (rest.len > 0) {
		ssize_t n = write(STDOUT_FILENO, rest.data, rest.len);

		if (n < 0 && errno != EINTR)
			return 1;
		if (n > 0)
			rest = SPAN(rest.data + n, rest.len - (size_t)n);
	}
	buf_fini(&input);
	buf_fini(&out);
	return 0;
}
