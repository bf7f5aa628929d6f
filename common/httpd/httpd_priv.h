#ifndef COMMON_HTTPD_HTTPD_PRIV_H
#define COMMON_HTTPD_HTTPD_PRIV_H

/* The inside of httpd: the daemon and its connections (httpd.c), one request (request.c), its
 * address (target.c). */

#include "common/httpd/httpd.h"
#include "common/httpd/target.h"
#include "common/loop/loop.h"

#include <microhttpd.h>

#define LISTENERS_MAX 4
#define HTTPD_MAGIC 0x48545044
#define CONN_MAGIC 0x48545043
#define REQUEST_MAGIC 0x48545052

struct conn {
	uint32_t magic;
	struct httpd *h;
	struct httpd_peer peer;
	int fd;     /* the engine's own from the moment it is handed over */
	bool known; /* the engine has named it to us, and will say when it ends */
	struct conn *prev, *next;
};

enum request_state {
	REQUEST_HEADERS,  /* the handler has not been called */
	REQUEST_HANDLER,  /* inside the handler */
	REQUEST_DEFERRED, /* suspended until there is an answer */
	REQUEST_ANSWERED, /* response is set, or was handed to the engine */
	REQUEST_STREAM,   /* as answered, and lines are still to come */
};

struct httpd_request {
	uint32_t magic;
	struct httpd *h;
	struct conn *conn;
	struct MHD_Connection *engine;
	enum request_state state;
	bool begun, complete, suspended;
	bool head_sent; /* the response is the engine's */
	struct target target;
	const char *method;
	const struct httpd_route *route;
	struct err refused; /* code 0: not */
	unsigned refused_status;
	char allow[64];
	struct buf body;
	size_t dropped; /* bytes of a body that is too long */
	struct MHD_Response *response;
	unsigned status;
	/* later answers and streams */
	void (*on_gone)(void *arg);
	void *gone_arg;
	bool stream_ended, stream_cut;
	struct buf lines;
	struct timer keep_alive;
	struct httpd_request *prev, *next; /* in h->requests */
};

struct listener {
	struct httpd *h;
	int fd;
	struct loop_fd *watch;
};

struct httpd {
	uint32_t magic;
	struct httpd_params p;
	struct runtime *rt;
	struct MHD_Daemon *engine;
	struct loop_fd *watch;
	struct timer timer;
	bool running, closing;
	struct conn *conns;
	unsigned count[2]; /* connections by kind of peer */
	struct httpd_request *requests;
	struct listener listeners[LISTENERS_MAX];
	size_t listener_count;
	struct timer accept_again;
};

/* Lets the engine run soon: something was resumed or added. */
void httpd_kick(struct httpd *h);

/* Callbacks of the engine. */
void *request_on_target(void *arg, const char *uri, struct MHD_Connection *engine);
enum MHD_Result request_on_data(void *arg, struct MHD_Connection *engine, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **req);
void request_on_completed(
    void *arg, struct MHD_Connection *engine, void **req, enum MHD_RequestTerminationCode why);

/* Before the daemon ends: answers or cuts, and resumes, what is suspended. */
void request_give_up(struct httpd_request *req);

#endif
