#ifndef TESTS_SUPPORT_TLS_CLIENT_H
#define TESTS_SUPPORT_TLS_CLIENT_H

/*
 * A TLS client that is none of ours: plain OpenSSL, blocking, on a thread of the loop's pool, so
 * that a test can look at a server of ours from outside. It connects, shakes hands, sends, reads
 * until the end or until it has enough, and says what it saw.
 */

#include "common/base/id.h"
#include "common/loop/loop.h"

struct tls_client {
	/* what to do; zero is a sensible client */
	uint16_t port;                /* of 127.0.0.1 */
	int fd;                       /* > 0: connected there already; closed at the end */
	const char *name;             /* SNI */
	int min_version, max_version; /* 0x0303, 0x0304; 0: any */
	const char *sigalgs, *groups, *ciphers, *alpn; /* alpn: one name */
	const char *ca_pem, *identity_pem;             /* NULL: verify nothing, have nothing */
	void *session; /* of an earlier one, to resume; stays there */
	struct span request;
	size_t read_max; /* stop after so many bytes; 0: read to the end */

	/* what came of it */
	bool connected, done; /* handshake done */
	bool resumed;
	int version, alert; /* alert: number of the one that the server sent, or 0 */
	struct hash leaf;   /* SHA-256 of the DER */
	char cipher[64], protocol[32];
	void *new_session;
	struct buf reply;

	struct job job;
	bool finished;
};

void tls_client_start(struct loop *l, struct tls_client *c);
/* Starts it and turns the loop until it is finished. */
void tls_client_run(struct loop *l, struct tls_client *c);
/* In the calling thread; for load. */
void tls_client_once(struct tls_client *c);
/* Frees what the run has made; the settings stay. */
void tls_client_clear(struct tls_client *c);

#endif
