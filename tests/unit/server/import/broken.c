/* In place of the reader: reads what it gets, then says what a file in command of it might say. */

#include "server/import/frame.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define SOCKET_FD 3

static uint8_t content[FRAME_MOST];

int
main(void)
{
	struct frame_head head;
	uint8_t wish = 0;

	/* The first byte of the last file says how it ends. */
	while (frame_recv_head(SOCKET_FD, -1, &head, NULL) == 0 && head.kind != FRAME_TAKE) {
		if (frame_recv_body(SOCKET_FD, -1, content, head.len, NULL) < 0)
			return 0;
		if (head.kind == FRAME_FILE)
			wish = content[head.len - 1];
	}
	switch (wish) {
	case 'k':
		raise(SIGKILL);
		break;
	case 's':
		abort();
	case 'e':
		return 1;
	case 'g':
		(void)!write(SOCKET_FD, "garbage and more of it", 22);
		break;
	case 'u':
		(void)!frame_send(SOCKET_FD, FRAME_UNIT, SPAN("unit", 4), NULL);
		break;
	case 't':
		(void)!frame_send(SOCKET_FD, FRAME_KEY, SPAN("key", 3), NULL);
		(void)!frame_send(SOCKET_FD, FRAME_END, SPAN(NULL, 0), NULL);
		break;
	default:
		break;
	}
	(void)!frame_recv_head(SOCKET_FD, -1, &head, NULL);
	return 0;
}
