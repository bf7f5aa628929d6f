/* The process that reads foreign files. Nothing in here is believed to be unharmed by them. */

#include "server/import/confine.h"
#include "server/import/report.h"

#include <signal.h>
#include <stdio.h>

#define SOCKET_FD 3

struct child {
	struct secret *passwords[LIMIT_IMPORT_PASSWORDS];
	size_t password_count;
	struct lift *lift;
};

static int
prepare(struct err *err)
{
	const struct sigaction deaf = {.sa_handler = SIG_IGN};
	int r;

	/* The terminal sends them to the command too, whose end is this one's. */
	sigaction(SIGINT, &deaf, NULL);
	sigaction(SIGHUP, &deaf, NULL);
	r = import_heap(err);
	return r < 0 ? r : confine(err);
}

static struct lift *
lift_of(struct child *c)
{
	const struct lift_params params = {.passwords = (const struct secret *const *)c->passwords,
	    .password_count = c->password_count};

	if (c->lift == NULL)
		c->lift = lift_new(&params);
	return c->lift;
}

static int
take_password(struct child *c, size_t len, struct err *err)
{
	struct secret *password;
	int r;

	if (c->password_count == LIMIT_IMPORT_PASSWORDS || len == 0)
		return err_set(err, ERR_PROTO, "a password too many, or an empty one");
	r = secret_new(len, &password, err);
	if (r < 0)
		return r;
	c->passwords[c->password_count++] = password;
	return frame_recv_body(SOCKET_FD, -1, secret_bytes(password), len, err);
}

static int
take_file(struct child *c, size_t len, struct err *err)
{
	AUTO(buf_freep)
	struct buf *content = buf_new(FRAME_MOST);
	AUTO(mem_freep)
	char *name = NULL;
	uint8_t *room = buf_reserve(content, len);
	struct cursor at;
	struct span text;
	int r = room == NULL ? buf_error(content, "a file", err)
			     : frame_recv_body(SOCKET_FD, -1, room, len, err);

	if (r < 0)
		return r;
	buf_advance(content, len);
	at = (struct cursor){buf_span(content), false};
	text = cursor_bytes(&at, cursor_be16(&at));
	if (at.failed)
		return err_set(err, ERR_PROTO, "a file without a name");
	name = mem_printf("%.*s", (int)text.len, text.len > 0 ? (const char *)text.data : "");
	lift_add(lift_of(c), name, at.rest);
	return 0;
}

static int
take_set(struct child *c, size_t len, struct err *err)
{
	uint8_t wish;
	int r = len == sizeof(wish) ? frame_recv_body(SOCKET_FD, -1, &wish, len, err)
				    : err_set(err, ERR_PROTO, "a set that is not wished for");

	if (r == 0 && wish >= IMPORT_WISH__COUNT)
		r = err_set(err, ERR_PROTO, "wish %u", wish);
	if (r == 0)
		r = report_send(SOCKET_FD, lift_of(c), (enum import_wish)wish, err);
	lift_free(MOVE(c->lift));
	return r;
}

static int
serve(struct child *c, struct err *err)
{
	struct frame_head head;
	int r;

	while ((r = frame_recv_head(SOCKET_FD, -1, &head, err)) == 0) {
		if (head.kind == FRAME_PASSWORD)
			r = take_password(c, head.len, err);
		else if (head.kind == FRAME_FILE)
			r = take_file(c, head.len, err);
		else if (head.kind == FRAME_TAKE)
			r = take_set(c, head.len, err);
		else
			r = err_set(err, ERR_PROTO, "a frame %s", frame_kind_name(head.kind));
		if (r < 0)
			break;
	}
	/* The command has what it wanted. */
	return r == ERR_UNAVAIL ? 0 : r;
}

int
import_child_main(void)
{
	struct child c = {.lift = NULL};
	struct err err;
	int r = prepare(&err);

	if (r == 0)
		r = serve(&c, &err);
	lift_free(c.lift);
	for (size_t i = 0; i < c.password_count; i++)
		secret_free(c.passwords[i]);
	if (r < 0)
		fprintf(stderr, "certherd: reader of foreign files: %s\n", err.text);
	return r < 0 ? 1 : 0;
}
