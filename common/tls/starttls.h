#ifndef COMMON_TLS_STARTTLS_H
#define COMMON_TLS_STARTTLS_H

/*
 * What is said in clear before TLS begins on a port that has both: SMTP (RFC 3207), IMAP (9051),
 * POP3 (2595), LDAP (4511) and PostgreSQL. A machine without I/O: the owner gives it what the
 * server has sent and sends what it wants sent. It is as strict as the protocols allow, since
 * anybody may be at the other end; nothing of what was said in clear is believed, and a server that
 * goes on talking in clear behind its consent is refused.
 */

#include "common/base/buf.h"

enum starttls_protocol {
	STARTTLS_NONE, /* TLS from the first byte on */
	STARTTLS_SMTP,
	STARTTLS_IMAP,
	STARTTLS_POP3,
	STARTTLS_LDAP,
	STARTTLS_POSTGRES,
	STARTTLS__COUNT,
};

/* "tls", "smtp", "imap", "pop3", "ldap", "postgres". */
const char *starttls_name(enum starttls_protocol protocol);
/* By its name; STARTTLS__COUNT: there is no such protocol. */
enum starttls_protocol starttls_by_name(const char *name, size_t len);

#define STARTTLS_SENT_MAX 64           /* of what we send at a time */
#define STARTTLS_LINE_MAX 1024         /* of the server's, its end included */
#define STARTTLS_LINES_MAX 100         /* of all its answers */
#define STARTTLS_BYTES_MAX (32 * 1024) /* the same */

/* Lies in the owner's storage; there is nothing to free. */
struct starttls {
	enum starttls_protocol protocol;
	bool ready; /* TLS may begin */
	unsigned step, lines;
	size_t bytes, len;
	unsigned code; /* SMTP: of the answer that is being read */
	bool offered;  /* SMTP: STARTTLS is among the extensions */
	char line[STARTTLS_LINE_MAX + 1];
};

/* Appends what is sent first, if that is for us. */
void starttls_init(struct starttls *s, enum starttls_protocol protocol, struct buf *out);
/*
 * The next bytes of the server, all of which are taken; what is to be sent then is appended.
 * ERR_PROTO: that is not its protocol; ERR_DENIED: it says that it does not do TLS; ERR_LIMIT. The
 * machine is of no use after an error, and must not be fed when it is ready.
 */
NODISCARD int starttls_feed(
    struct starttls *s, struct span bytes, struct buf *out, struct err *err);

#endif
