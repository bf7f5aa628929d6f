#ifndef COMMON_LINK_FRAMES_H
#define COMMON_LINK_FRAMES_H

/*
 * The framing of what a follower's REQ socket sends, as nng's IPC transport has it: nng must find
 * no error in it, so it is checked before nng sees it. Bytes may come in any pieces; nothing is
 * kept but the place. Inside common/link.
 */

#include "common/base/buf.h"

/* Zeroed at the beginning of a connection. */
struct frames {
	uint8_t head[16]; /* of the connection, then of each message */
	size_t have;
	uint64_t rest; /* of the message */
	bool greeted, id_next;
};

/* ERR_PROTO; the connection is over then. request_max: without the request id in front of it. */
NODISCARD int frames_check(
    struct frames *f, struct span bytes, size_t request_max, struct err *err);

#endif
