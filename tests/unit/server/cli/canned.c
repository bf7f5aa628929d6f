#include "tests/unit/server/cli/canned.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct canned server;

static bool
is_whole(const char *request, size_t len)
{
	const char *head = strstr(request, "\r\n\r\n");
	const char *length = strstr(request, "Content-Length: ");
	size_t n = length != NULL ? strtoul(length + strlen("Content-Length: "), NULL, 10) : 0;

	return head != NULL && len >= (size_t)(head + 4 - request) + n;
}

static void
answer(struct canned *s, int fd)
{
	const char *reply = s->count > 0 && s->replies[1] != NULL ? s->replies[1] : s->replies[0];
	char request[8192] = "", head[256];
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && !is_whole(request, len)) {
		n = read(fd, request + len, sizeof(request) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		request[len] = '\0';
	}
	if (len == 0)
		return;
	if (s->count++ == 0)
		memcpy(s->asked, request, len + 1);
	snprintf(head, sizeof(head),
	    "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", s->status,
	    strlen(reply));
	(void)!send(fd, head, strlen(head), MSG_NOSIGNAL);
	(void)!send(fd, reply, strlen(reply), MSG_NOSIGNAL);
}

static void *
serve(void *arg)
{
	struct canned *s = arg;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		answer(s, fd);
		close(fd);
	}
	return NULL;
}

void
server_start(int status, const char *first, const char *later)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	memset(&server, 0, sizeof(server));
	server.status = status;
	server.replies[0] = first;
	server.replies[1] = later;
	snprintf(server.dir, sizeof(server.dir), "/tmp/certherd-cli-XXXXXX");
	assert_non_null(mkdtemp(server.dir));
	snprintf(server.path, sizeof(server.path), "%s/s", server.dir);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", server.path);
	server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.listener, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(server.listener, 8), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
}

void
server_stop(void)
{
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
	unlink(server.path);
	rmdir(server.dir);
}
