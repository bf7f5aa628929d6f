/* This side of the reader: starts it, feeds it, and believes its answer only in form. */

#include "server/cli/reader.h"

#include "common/sys/file.h"
#include "common/sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const kind_names[] = {
    [READER_CERT] = "certificate",
    [READER_KEY] = "key",
    [READER_REMARK] = "remark",
};
_Static_assert(ARRAY_LEN(kind_names) == READER__COUNT, "every kind of answer has a name");

const char *
reader_kind_name(enum reader_kind kind)
{
	return (size_t)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "unknown";
}

void
reader_put(struct buf *out, uint8_t kind, struct span bytes)
{
	buf_put_u8(out, kind);
	buf_put_be32(out, (uint32_t)bytes.len);
	buf_put_span(out, bytes);
}

bool
reader_take(struct span *rest, uint8_t *kind, struct span *bytes, bool *bad)
{
	size_t len;

	*bad = false;
	if (rest->len == 0)
		return false;
	*bad = rest->len < 5;
	if (*bad)
		return false;
	len = (size_t)rest->data[1] << 24 | (size_t)rest->data[2] << 16 |
	    (size_t)rest->data[3] << 8 | rest->data[4];
	*bad = len > rest->len - 5;
	if (*bad)
		return false;
	*kind = rest->data[0];
	*bytes = SPAN(rest->data + 5, len);
	*rest = SPAN(rest->data + 5 + len, rest->len - 5 - len);
	return true;
}

/* A reader that died early takes no more: what it has answered says why. */
static int
write_all(int fd, struct span bytes, struct err *err)
{
	size_t done = 0;

	while (done < bytes.len) {
		ssize_t n = write(fd, bytes.data + done, bytes.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE)
			return 0;
		if (n < 0)
			return err_errno(err, errno, "write to the reader of files");
		done += (size_t)n;
	}
	return 0;
}

static int
read_all(int fd, struct buf *out, struct err *err)
{
	uint8_t block[65536];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read from the reader of files");
		buf_put(out, block, (size_t)n);
		if (out->error != 0)
			break;
	}
	return buf_error(out, "answer of the reader of files", err);
}

static int
make_input(enum reader_wish wish, const struct reader_file *files, size_t count, struct buf *out,
    struct err *err)
{
	if (count > READER_FILES_MAX)
		return err_set(
		    err, ERR_LIMIT, "%zu files; at most %d at once", count, READER_FILES_MAX);
	if (wish == READER_ALL)
		reader_put(out, 'a', SPAN(NULL, 0));
	for (size_t i = 0; i < count; i++) {
		reader_put(out, 'n', span_str(files[i].name));
		reader_put(out, 'b', files[i].bytes);
	}
	return buf_error(out, "files", err);
}

/* Its input is read to the end before it answers, so that neither side waits for the other. */
static int
talk(struct span input, struct buf *answer, struct process_end *end, struct err *err)
{
	const char *const argv[] = {"certherd", READER_WORD, NULL};
	int to[2] = {-1, -1}, from[2] = {-1, -1};
	AUTO(mem_freep)
	char *path = NULL;
	pid_t pid = -1;
	int r = self_path(&path, err);

	if (r == 0 && (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0))
		r = err_errno(err, errno, "make a pipe");
	if (r == 0) {
		const struct spawn_fd fds[] = {{to[0], 0}, {from[1], 1}};
		const struct spawn_params params = {
		    .path = path, .argv = argv, .fds = fds, .fd_count = 2};

		r = spawn_exec(&params, &pid, err);
	}
	fd_closep(&to[0]);
	fd_closep(&from[1]);
	if (r == 0)
		r = write_all(to[1], input, err);
	fd_closep(&to[1]);
	if (r == 0)
		r = read_all(from[0], answer, err);
	fd_closep(&from[0]);
	if (pid >= 0 && process_reap(pid, true, end, r == 0 ? err : NULL) < 0)
		return r < 0 ? r : err->code;
	return r;
}

static int
take_frame(struct reader_answer *a, uint8_t kind, struct span bytes, struct err *err)
{
	if (kind < READER__COUNT) {
		a->items = mem_grow(a->items, a->count + 1, sizeof(*a->items));
		a->items[a->count++] = (struct reader_item){(enum reader_kind)kind, bytes};
		return 0;
	}
	/* The problem: its code in one byte, then its text. */
	if (kind != 'p' || bytes.len < 1)
		return err_set(err, ERR_PROTO, "the reader of files answered what it never does");
	err_set(&a->problem, (enum err_code)(-(int)bytes.data[0]), "%.*s", (int)bytes.len - 1,
	    (const char *)bytes.data + 1);
	return 0;
}

int
reader_read(enum reader_wish wish, const struct reader_file *files, size_t count,
    struct reader_answer *out, struct err *err)
{
	struct reader_answer a = {.bytes = BUF_INIT(READER_ANSWER_MAX)};
	struct buf input = BUF_INIT(READER_INPUT_MAX);
	struct process_end end = {0};
	char text[64];
	struct span rest, bytes;
	uint8_t kind;
	bool bad = false;
	int r = make_input(wish, files, count, &input, err);

	if (r == 0)
		r = talk(buf_span(&input), &a.bytes, &end, err);
	buf_fini(&input);
	if (r == 0 && (!end.exited || end.status != 0))
		r = err_set(err, ERR_PROTO,
		    "the process that reads foreign files ended with %s: there is something in "
		    "them "
		    "that it cannot cope with",
		    process_end_text(&end, text));
	rest = buf_span(&a.bytes);
	while (r == 0 && reader_take(&rest, &kind, &bytes, &bad))
		r = take_frame(&a, kind, bytes, err);
	if (r == 0 && bad)
		r = err_set(err, ERR_PROTO, "the reader of files was cut off");
	if (r < 0) {
		reader_answer_fini(&a);
		return r;
	}
	*out = a;
	return 0;
}

void
reader_answer_fini(struct reader_answer *a)
{
	buf_fini(&a->bytes);
	mem_free(a->items);
	*a = (struct reader_answer){.items = NULL};
}

size_t
reader_count(const struct reader_answer *a, enum reader_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < a->count; i++)
		n += a->items[i].kind == kind;
	return n;
}
