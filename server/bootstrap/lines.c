/* What both halves of an init have in common. */

#include "common/crypto/secret.h"
#include "common/sys/process.h"
#include "server/bootstrap/bootstrap.h"

#include <errno.h>
#include <unistd.h>

int
bootstrap_prepare(struct err *err)
{
	size_t heap;
	int r = process_harden(err);

	if (r == 0)
		r = process_heap_size(PROCESS_HEAP_MOST, &heap, err);
	return r < 0 ? r : secret_heap_init(heap, err);
}

int
bootstrap_say(int fd, struct buf *line, const char *peer, struct err *err)
{
	size_t at = 0;
	int r;

	buf_put_u8(line, '\n');
	r = buf_error(line, "line of an init", err);
	while (r == 0 && at < line->len) {
		ssize_t n = write(fd, line->data + at, line->len - at);

		if (n > 0)
			at += (size_t)n;
		else if (errno != EINTR)
			r = err_errno(err, errno, "cannot write to %s", peer);
	}
	return r;
}

int
bootstrap_hear(int fd, struct buf *line, const char *peer, struct err *err)
{
	do {
		uint8_t *room = buf_reserve(line, 4096);
		ssize_t n;

		if (room == NULL)
			return buf_error(line, "line of an init", err);
		n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_UNAVAIL, "%s ended before it was done", peer);
		buf_advance(line, (size_t)n);
	} while (line->len == 0 || line->data[line->len - 1] != '\n');
	return 0;
}
