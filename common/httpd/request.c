#include "common/httpd/httpd_priv.h"

#include "common/base/str.h"
#include "common/json/json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define JSON_TYPE "application/json"
/* A body that is too long is read this many times over before the connection is cut. */
#define PATIENCE 4

/* ------------------------------------------------------------------------- life of a request */

void *
request_on_target(void *arg, const char *uri, struct MHD_Connection *engine)
{
	struct httpd *h = OBJ_CAST(struct httpd, arg, HTTPD_MAGIC);
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(engine, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct httpd_request *req = mem_zalloc(sizeof(*req));

	CHECK(info != NULL);
	req->magic = REQUEST_MAGIC;
	req->h = h;
	req->conn = OBJ_CAST(struct conn, info->socket_context, CONN_MAGIC);
	req->engine = engine;
	req->body = BUF_INIT(h->p.max_body);
	if (target_parse(uri, &req->target, &req->refused) < 0)
		req->refused_status = MHD_HTTP_BAD_REQUEST;
	req->next = h->requests;
	if (req->next != NULL)
		req->next->prev = req;
	h->requests = req;
	return req;
}

/* Tells the handler's side that nobody waits for it any more, once. */
static void
tell_gone(struct httpd_request *req)
{
	void (*on_gone)(void *arg) = req->on_gone;

	req->on_gone = NULL;
	if (on_gone != NULL)
		on_gone(req->gone_arg);
}

void
request_on_completed(
    void *arg, struct MHD_Connection *engine, void **con, enum MHD_RequestTerminationCode why)
{
	struct httpd_request *req;

	(void)arg;
	(void)engine;
	(void)why;
	if (*con == NULL)
		return;
	req = OBJ_CAST(struct httpd_request, *con, REQUEST_MAGIC);
	*con = NULL;
	runtime_timer_stop(req->h->rt, &req->keep_alive);
	tell_gone(req);
	if (req->prev != NULL)
		req->prev->next = req->next;
	else
		req->h->requests = req->next;
	if (req->next != NULL)
		req->next->prev = req->prev;
	if (req->response != NULL)
		MHD_destroy_response(req->response);
	target_fini(&req->target);
	buf_fini(&req->body);
	buf_fini(&req->lines);
	req->magic = 0;
	mem_free(req);
}

/* ------------------------------------------------------------------------- what it says */

const struct httpd_peer *
httpd_peer(const struct httpd_request *req)
{
	return &req->conn->peer;
}

const char *
httpd_method(const struct httpd_request *req)
{
	return req->method;
}

const char *
httpd_path(const struct httpd_request *req)
{
	return req->target.path;
}

const char *
httpd_param(const struct httpd_request *req, const char *name)
{
	const char *value = target_param(&req->target, req->route->path, name);

	CHECK(value != NULL);
	return value;
}

const char *
httpd_query(const struct httpd_request *req, const char *name)
{
	return target_query(&req->target, name);
}

const char *
httpd_header(const struct httpd_request *req, const char *name)
{
	return MHD_lookup_connection_value(req->engine, MHD_HEADER_KIND, name);
}

struct span
httpd_body(const struct httpd_request *req)
{
	return buf_span(&req->body);
}

/* ------------------------------------------------------------------------- admission */

static void
refuse(struct httpd_request *req, unsigned status, int code, const char *text)
{
	err_set(&req->refused, (enum err_code)code, "%s", text);
	req->refused_status = status;
}

static bool
method_fits(const char *method, const char *route)
{
	/* The engine leaves out the body of an answer to HEAD. */
	return str_equal(method, route) || (str_equal(method, "HEAD") && str_equal(route, "GET"));
}

static void
find_route(struct httpd_request *req)
{
	const struct httpd_params *p = &req->h->p;
	struct buf allow = BUF_INIT(sizeof(req->allow) - 1);

	for (size_t i = 0; i < p->route_count && req->route == NULL; i++) {
		if (!target_fits(&req->target, p->routes[i].path))
			continue;
		if (method_fits(req->method, p->routes[i].method))
			req->route = &p->routes[i];
		else
			buf_putf(&allow, "%s%s", allow.len > 0 ? ", " : "", p->routes[i].method);
	}
	if (req->route == NULL && allow.len > 0) {
		snprintf(req->allow, sizeof(req->allow), "%s", buf_str(&allow));
		err_set(&req->refused, ERR_INVALID, "'%.20s' is not possible here, only %s",
		    req->method, req->allow);
		req->refused_status = MHD_HTTP_METHOD_NOT_ALLOWED;
	} else if (req->route == NULL) {
		refuse(req, MHD_HTTP_NOT_FOUND, ERR_NOTFOUND, "there is nothing at this address");
	}
	buf_fini(&allow);
}

static uint64_t
announced_length(const struct httpd_request *req)
{
	const char *text = httpd_header(req, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t n = 0;

	/* The engine has checked that it is a number. */
	for (; text != NULL && *text >= '0' && *text <= '9'; text++)
		n = n > UINT64_MAX / 10 - 10 ? UINT64_MAX / 2 : n * 10 + (uint64_t)(*text - '0');
	return n;
}

/* Everything that can be said before the body has come. */
static void
admit(struct httpd_request *req)
{
	const struct httpd_params *p = &req->h->p;
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(req->engine, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (req->refused.code == 0 && info != NULL && info->header_size > LIMIT_HTTP_HEADERS)
		refuse(req, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, ERR_LIMIT,
		    "the headers are too long");
	if (req->refused.code == 0)
		find_route(req);
	if (req->refused.code == 0 && p->admit != NULL &&
	    p->admit(req, req->route, p->arg, &req->refused) < 0)
		req->refused_status = httpd_status_of(req->refused.code);
}

static bool
body_is_json(const struct httpd_request *req)
{
	const char *type = httpd_header(req, MHD_HTTP_HEADER_CONTENT_TYPE);
	size_t n = strlen(JSON_TYPE);

	return type != NULL && strncasecmp(type, JSON_TYPE, n) == 0 &&
	    (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

/* ------------------------------------------------------------------------- answering */

static struct MHD_Response *
make_response(const char *type, struct span body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);

	/* No memory for an answer: nothing sensible can be said any more. */
	CHECK(response != NULL);
	CHECK(MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES);
	CHECK(MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") ==
	    MHD_YES);
	return response;
}

static void
put_error(struct buf *out, const struct err *err)
{
	struct json_writer w = JSON_WRITER(out);

	json_put_object(&w, NULL);
	json_put_object(&w, "error");
	json_put_text(&w, "code", err_name(err->code));
	json_put_text(&w, "text", err->text);
	json_put_end(&w);
	json_put_end(&w);
	buf_put_str(out, "\n");
}

static void
set_error(struct httpd_request *req, unsigned status, const struct err *err)
{
	struct buf body = BUF_INIT(8 * ERR_TEXT_MAX);

	put_error(&body, err);
	req->response = make_response(JSON_TYPE, buf_span(&body));
	if (req->allow[0] != '\0')
		CHECK(MHD_add_response_header(req->response, MHD_HTTP_HEADER_ALLOW, req->allow) ==
		    MHD_YES);
	req->status = status;
	buf_fini(&body);
}

unsigned
httpd_status_of(int code)
{
	switch (code) {
	case ERR_INVALID:
	case ERR_PARSE:
	case ERR_PROTO:
	case ERR_LIMIT:
	case ERR_CRYPTO:
		return MHD_HTTP_BAD_REQUEST;
	case ERR_NOTFOUND:
		return MHD_HTTP_NOT_FOUND;
	case ERR_EXISTS:
	case ERR_CONFLICT:
		return MHD_HTTP_CONFLICT;
	case ERR_DENIED:
		return MHD_HTTP_FORBIDDEN;
	case ERR_BUSY:
	case ERR_AGAIN:
	case ERR_UNAVAIL:
	case ERR_CANCELED:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	case ERR_TIMEOUT:
		return MHD_HTTP_GATEWAY_TIMEOUT;
	case ERR_NOSPACE:
		return MHD_HTTP_INSUFFICIENT_STORAGE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

static void
resume(struct httpd_request *req)
{
	if (!req->suspended)
		return;
	req->suspended = false;
	MHD_resume_connection(req->engine);
	httpd_kick(req->h);
}

static void
answer(struct httpd_request *req, enum request_state next)
{
	CHECK(req->state == REQUEST_HANDLER || req->state == REQUEST_DEFERRED);
	req->state = next;
	resume(req);
}

void
httpd_reply(struct httpd_request *req, unsigned status, const char *content_type, struct span body)
{
	req->response = make_response(content_type, body);
	req->status = status;
	req->on_gone = NULL;
	answer(req, REQUEST_ANSWERED);
}

void
httpd_fail(struct httpd_request *req, const struct err *err)
{
	set_error(req, httpd_status_of(err->code), err);
	req->on_gone = NULL;
	answer(req, REQUEST_ANSWERED);
}

void
httpd_defer(struct httpd_request *req, void (*on_gone)(void *arg), void *arg)
{
	CHECK(req->state == REQUEST_HANDLER);
	req->state = REQUEST_DEFERRED;
	req->on_gone = on_gone;
	req->gone_arg = arg;
}

/* ------------------------------------------------------------------------- streams */

/* The engine asks for bytes; without any, the connection sleeps until there are. */
static ssize_t
on_want(void *arg, uint64_t at, char *out, size_t max)
{
	struct httpd_request *req = OBJ_CAST(struct httpd_request, arg, REQUEST_MAGIC);
	size_t n = req->lines.len < max ? req->lines.len : max;

	(void)at;
	if (req->stream_cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n > 0) {
		memcpy(out, req->lines.data, n);
		buf_consume(&req->lines, n);
		return (ssize_t)n;
	}
	if (req->stream_ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	req->suspended = true;
	MHD_suspend_connection(req->engine);
	return 0;
}

static void
put_line(struct httpd_request *req, struct span line)
{
	buf_put_span(&req->lines, line);
	buf_put_u8(&req->lines, '\n');
	/* A client that reads so slowly is better off asking again. */
	if (req->lines.error != 0)
		req->stream_cut = true;
	else
		runtime_timer_start(req->h->rt, &req->keep_alive, req->h->p.keep_alive_ms);
	resume(req);
}

/* Also how the end of a sleeping client is noticed: the write fails. */
static void
on_keep_alive(void *arg)
{
	put_line(OBJ_CAST(struct httpd_request, arg, REQUEST_MAGIC), SPAN(NULL, 0));
}

void
httpd_stream_begin(
    struct httpd_request *req, const char *content_type, void (*on_gone)(void *arg), void *arg)
{
	req->response =
	    MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, on_want, req, NULL);
	CHECK(req->response != NULL);
	CHECK(MHD_add_response_header(req->response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) ==
	    MHD_YES);
	CHECK(MHD_add_response_header(req->response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") ==
	    MHD_YES);
	req->status = MHD_HTTP_OK;
	req->lines = BUF_INIT(LIMIT_STREAM_BACKLOG);
	req->on_gone = on_gone;
	req->gone_arg = arg;
	req->keep_alive.cb = on_keep_alive;
	req->keep_alive.arg = req;
	runtime_timer_start(req->h->rt, &req->keep_alive, req->h->p.keep_alive_ms);
	answer(req, REQUEST_STREAM);
}

void
httpd_stream_line(struct httpd_request *req, struct span line)
{
	CHECK(req->state == REQUEST_STREAM);
	put_line(req, line);
}

void
httpd_stream_end(struct httpd_request *req)
{
	CHECK(req->state == REQUEST_STREAM);
	req->state = REQUEST_ANSWERED;
	req->stream_ended = true;
	req->on_gone = NULL;
	runtime_timer_stop(req->h->rt, &req->keep_alive);
	resume(req);
}

void
request_give_up(struct httpd_request *req)
{
	struct err err;

	tell_gone(req);
	if (req->state == REQUEST_DEFERRED) {
		err_set(&err, ERR_UNAVAIL, "the server is going down");
		set_error(req, MHD_HTTP_SERVICE_UNAVAILABLE, &err);
		req->state = REQUEST_ANSWERED;
	}
	req->stream_cut = true;
	resume(req);
}

/* ------------------------------------------------------------------------- the engine's calls */

static enum MHD_Result
hand_over(struct httpd_request *req)
{
	struct MHD_Response *response = MOVE(req->response);
	enum MHD_Result r;

	CHECK(response != NULL && !req->head_sent);
	req->head_sent = true;
	r = MHD_queue_response(req->engine, req->status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result
take_body(struct httpd_request *req, const char *data, size_t *size)
{
	if (req->refused.code == 0)
		buf_put(&req->body, data, *size);
	if (req->refused.code != 0 || req->body.error != 0)
		req->dropped += *size;
	*size = 0;
	return req->dropped > PATIENCE * req->h->p.max_body ? MHD_NO : MHD_YES;
}

static void
handle(struct httpd_request *req)
{
	if (req->refused.code == 0 && req->body.error != 0)
		refuse(req, MHD_HTTP_CONTENT_TOO_LARGE, ERR_LIMIT, "the body is too long");
	if (req->refused.code == 0 && req->body.len > 0 && !body_is_json(req))
		refuse(req, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, ERR_INVALID,
		    "the body must be " JSON_TYPE);
	if (req->refused.code == 0 && req->h->closing)
		refuse(req, MHD_HTTP_SERVICE_UNAVAILABLE, ERR_UNAVAIL, "the server is going down");
	if (req->refused.code != 0) {
		set_error(req, req->refused_status, &req->refused);
		req->state = REQUEST_ANSWERED;
		return;
	}
	req->state = REQUEST_HANDLER;
	req->route->handle(req, req->h->p.arg);
	CHECK(req->state != REQUEST_HANDLER);
}

static enum MHD_Result
begin(struct httpd_request *req, const char *method)
{
	req->begun = true;
	req->method = method;
	admit(req);
	if (announced_length(req) <= req->h->p.max_body)
		return MHD_YES;
	/* Not worth reading: the answer now, and the engine closes the connection after it. */
	if (req->refused.code == 0)
		refuse(req, MHD_HTTP_CONTENT_TOO_LARGE, ERR_LIMIT, "the body is too long");
	set_error(req, req->refused_status, &req->refused);
	req->state = REQUEST_ANSWERED;
	return hand_over(req);
}

enum MHD_Result
request_on_data(void *arg, struct MHD_Connection *engine, const char *url, const char *method,
    const char *version, const char *data, size_t *size, void **con)
{
	struct httpd_request *req = OBJ_CAST(struct httpd_request, *con, REQUEST_MAGIC);

	(void)arg;
	(void)engine;
	(void)url;
	(void)version;
	if (!req->begun)
		return begin(req, method);
	if (*size > 0)
		return take_body(req, data, size);
	if (!req->complete) {
		req->complete = true;
		handle(req);
	}
	if (req->state == REQUEST_DEFERRED) {
		req->suspended = true;
		MHD_suspend_connection(req->engine);
		return MHD_YES;
	}
	return hand_over(req);
}
