#ifndef TESTS_UNIT_SERVER_CLI_CANNED_H
#define TESTS_UNIT_SERVER_CLI_CANNED_H

/* A server on a UNIX socket, as the command's tests need it: it says what it was told to say. */

#include <pthread.h>

/* Answers requests one after the other with what the test has prepared; one for a connection. */
struct canned {
	int listener;
	char dir[64], path[96];
	const char *replies[2]; /* the last is repeated */
	int status;
	pthread_t thread;
	char asked[8192]; /* the first request */
	unsigned count;
};

extern struct canned server;

/* first for the first request, later for all others; NULL: the first again. */
void server_start(int status, const char *first, const char *later);
void server_stop(void);

#endif
