#include "common/http/http.h"

#include "common/base/str.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define CONNECT_MS 10000
#define TOTAL_MS 60000
#define SILENCE_MS 30000
#define REPLY_MAX (4 * 1024 * 1024)
#define LINE_MAX_BYTES (1024 * 1024)
#define PEM_MAX (64 * 1024)
#define PEM_LINE 64
#define SYSTEM_CAPATH "/etc/ssl/certs"
#define ESCAPED_MAX (16 * 1024)

/* One request while it runs. */
struct call {
	const struct http_params *params;
	struct http_reply *reply;
	CURL *curl;
	struct curl_slist *headers;
	struct buf ca_pem;
	char text[CURL_ERROR_SIZE];
	/* a stream */
	http_line_cb *on_line;
	void *arg;
	struct buf line;
	bool stopped, over, silent, told;
	uint64_t heard_ms;
	curl_off_t heard; /* bytes, until then */
};

int
http_init(struct err *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, ERR_BUG, "libcurl cannot be initialised");
	return 0;
}

void
http_fini(void)
{
	curl_global_cleanup();
}

void
http_reply_fini(struct http_reply *reply)
{
	buf_fini(&reply->body);
	buf_fini(&reply->peer_chain);
	reply->status = 0;
}

void
http_put_escaped(struct buf *out, const char *text)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text != '\0'; text++)
		if (strchr(plain, *text) != NULL)
			buf_put_u8(out, (uint8_t)*text);
		else
			buf_putf(out, "%%%02X", (unsigned char)*text);
}

static int
translate(const struct call *c, CURLcode code, struct err *err)
{
	const char *text = c->text[0] != '\0' ? c->text : curl_easy_strerror(code);
	const char *where =
	    c->params->unix_socket != NULL ? c->params->unix_socket : c->params->url;
	long number = 0;
	enum err_code kind;

	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	/* A handshake that was cut off. Who shows the wrong certificate has another code. */
	case CURLE_SSL_CONNECT_ERROR:
		kind = ERR_UNAVAIL;
		break;
	case CURLE_OPERATION_TIMEDOUT:
		kind = ERR_TIMEOUT;
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		kind = ERR_CRYPTO;
		break;
	case CURLE_URL_MALFORMAT:
		kind = ERR_INVALID;
		break;
	case CURLE_OUT_OF_MEMORY:
		kind = ERR_NOMEM;
		break;
	default:
		kind = ERR_PROTO;
		break;
	}
	curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &number);
	if (kind == ERR_UNAVAIL && c->params->unix_socket != NULL && number == EACCES)
		return err_set(err, ERR_DENIED,
		    "'%.100s' may not be opened by this user; try as root or as a member of its "
		    "group",
		    where);
	if (code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING)
		return err_set(
		    err, kind, "'%.100s' ended the connection in the middle of its answer", where);
	if (kind == ERR_UNAVAIL && c->params->unix_socket != NULL)
		return err_set(err, kind, "nobody answers on '%.100s': %s", where,
		    number != 0 ? strerrordesc_np((int)number) : text);
	return err_set(err, kind, "'%.100s': %s", where, text);
}

static int
split_lines(struct call *c, struct span data)
{
	while (data.len > 0 && !c->stopped) {
		const uint8_t *end = memchr(data.data, '\n', data.len);
		size_t n = end != NULL ? (size_t)(end - data.data) : data.len;

		buf_put(&c->line, data.data, n);
		if (c->line.error != 0)
			return -1;
		if (end == NULL)
			return 0;
		if (c->line.len > 0 && c->line.data[c->line.len - 1] == '\r')
			c->line.data[--c->line.len] = 0;
		if (c->line.len > 0 && c->on_line(buf_span(&c->line), c->arg) != 0)
			c->stopped = true;
		buf_clear(&c->line);
		data.data += n + 1;
		data.len -= n + 1;
	}
	return c->stopped ? -1 : 0;
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct call *c = arg;
	size_t n = size * count;
	long status = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (c->on_line != NULL && status == 200) {
		if (split_lines(c, SPAN(data, n)) == 0)
			return n;
		c->over = !c->stopped;
		return 0;
	}
	buf_put(&c->reply->body, data, n);
	c->over = c->reply->body.error != 0;
	return c->over ? 0 : n;
}

/* libcurl has a pinned certificate only as PEM. */
static void
put_pem(struct buf *out, struct span der)
{
	struct buf text = BUF_INIT(PEM_MAX);

	base64_put(&text, der);
	buf_put_str(out, "-----BEGIN CERTIFICATE-----\n");
	for (size_t i = 0; i < text.len; i += PEM_LINE) {
		buf_put(out, text.data + i, text.len - i < PEM_LINE ? text.len - i : PEM_LINE);
		buf_put_str(out, "\n");
	}
	buf_put_str(out, "-----END CERTIFICATE-----\n");
	buf_fini(&text);
}

static struct curl_blob
blob(struct span s)
{
	return (struct curl_blob){
	    .data = (void *)(uintptr_t)s.data, .len = s.len, .flags = CURL_BLOB_NOCOPY};
}

/*
 * The blob takes the place of the host's file of authorities, not of their directory, which has the
 * same ones by their hashes.
 */
static CURLcode
set_more_roots(CURL *curl, struct span pem)
{
	struct curl_blob roots = blob(pem);
	CURLcode r = curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &roots);

	if (curl_version_info(CURLVERSION_NOW)->capath == NULL)
		r |= curl_easy_setopt(curl, CURLOPT_CAPATH, SYSTEM_CAPATH);
	return r;
}

static CURLcode
set_trust(struct call *c)
{
	const struct http_params *p = c->params;
	CURL *curl = c->curl;
	struct curl_blob ca;
	CURLcode r = CURLE_OK;

	if (p->trust == HTTP_TRUST_NOBODY) {
		r |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		r |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
		r |= curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
		return r;
	}
	r |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	r |= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (p->trust == HTTP_TRUST_SYSTEM)
		return p->more_roots.len > 0 ? r | set_more_roots(curl, p->more_roots) : r;
	/*
	 * The directory of the host's authorities is compiled into libcurl and would be trusted
	 * beside the blob.
	 */
	put_pem(&c->ca_pem, p->ca);
	ca = blob(buf_span(&c->ca_pem));
	r |= curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	r |= curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
	r |= curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
	r |= curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	return r;
}

static CURLcode
set_identity(struct call *c)
{
	struct curl_blob chain = blob(c->params->identity_chain);
	struct curl_blob key = blob(c->params->identity_key);
	CURLcode r = CURLE_OK;

	if (chain.len == 0)
		return r;
	r |= curl_easy_setopt(c->curl, CURLOPT_SSLCERT_BLOB, &chain);
	r |= curl_easy_setopt(c->curl, CURLOPT_SSLCERTTYPE, "PEM");
	r |= curl_easy_setopt(c->curl, CURLOPT_SSLKEY_BLOB, &key);
	r |= curl_easy_setopt(c->curl, CURLOPT_SSLKEYTYPE, "DER");
	return r;
}

static CURLcode
add_header(struct call *c, const char *header)
{
	struct curl_slist *more = curl_slist_append(c->headers, header);

	if (more == NULL)
		return CURLE_OUT_OF_MEMORY;
	c->headers = more;
	return CURLE_OK;
}

static CURLcode
set_request(struct call *c)
{
	const struct http_params *p = c->params;
	CURL *curl = c->curl;
	CURLcode r = CURLE_OK;

	r |= curl_easy_setopt(curl, CURLOPT_URL, p->url);
	if (p->unix_socket != NULL)
		r |= curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, p->unix_socket);
	if (p->body.data != NULL) {
		AUTO(mem_freep)
		char *type = mem_printf("Content-Type: %s",
		    p->content_type != NULL ? p->content_type : "application/json");

		r |= curl_easy_setopt(curl, CURLOPT_POST, 1L);
		r |= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)p->body.data);
		r |= curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body.len);
		r |= add_header(c, type);
		/* Servers that answer 417 are older than this code; nobody waits for a 100. */
		r |= add_header(c, "Expect:");
	}
	if (p->method != NULL)
		r |= curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, p->method);
	for (size_t i = 0; p->headers != NULL && p->headers[i] != NULL; i++)
		r |= add_header(c, p->headers[i]);
	r |= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, c->headers);
	return r;
}

static long
or_default(uint32_t value, long otherwise)
{
	return value != 0 ? (long)value : otherwise;
}

/* What is the same for each request, and the limits. */
static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Comes about once a second when nothing moves. */
static int
on_progress(void *arg, curl_off_t all, curl_off_t got, curl_off_t all_sent, curl_off_t sent)
{
	struct call *c = arg;
	uint64_t now = now_ms();

	(void)all;
	(void)all_sent;
	if (c->heard_ms == 0 || got + sent != c->heard) {
		c->heard = got + sent;
		c->heard_ms = now;
	}
	if (c->params->stop != NULL && atomic_load(c->params->stop))
		c->told = true;
	else if (c->on_line != NULL)
		c->silent =
		    now - c->heard_ms >= (uint64_t)or_default(c->params->silence_ms, SILENCE_MS);
	return c->silent || c->told;
}

static CURLcode
set_manners(struct call *c)
{
	const struct http_params *p = c->params;
	CURL *curl = c->curl;
	CURLcode r = CURLE_OK;

	r |= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->text);
	r |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	r |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	r |= curl_easy_setopt(curl, CURLOPT_PROXY, "");
	r |= curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	r |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* Who is told to stop does not wait for a name server. */
	if (p->stop != NULL)
		r |= curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	r |= curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	r |= curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
	r |= curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	r |= curl_easy_setopt(curl, CURLOPT_USERAGENT, "certherd/" CERTHERD_VERSION);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	r |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	r |= curl_easy_setopt(
	    curl, CURLOPT_CONNECTTIMEOUT_MS, or_default(p->connect_ms, CONNECT_MS));
	if (c->on_line == NULL) {
		r |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, or_default(p->total_ms, TOTAL_MS));
	}
	if (c->on_line != NULL || p->stop != NULL) {
		/* libcurl's own limit is one of speed, below which signs of life are, too. */
		r |= curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
		r |= curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
		r |= curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
	}
	return r;
}

static void
keep_chain(struct call *c)
{
	struct curl_certinfo *shown = NULL;

	if (curl_easy_getinfo(c->curl, CURLINFO_CERTINFO, &shown) != CURLE_OK || shown == NULL)
		return;
	for (int i = 0; i < shown->num_of_certs; i++)
		for (struct curl_slist *s = shown->certinfo[i]; s != NULL; s = s->next)
			if (str_starts(s->data, "Cert:"))
				buf_put_str(&c->reply->peer_chain, s->data + strlen("Cert:"));
}

static int
perform(struct call *c, struct err *err)
{
	CURLcode r = CURLE_OK;
	long status = 0;

	/* A refused option would leave a request that is not what was asked for. */
	r |= set_manners(c);
	r |= set_trust(c);
	r |= set_identity(c);
	r |= set_request(c);
	if (r != CURLE_OK)
		return err_set(err, ERR_BUG, "libcurl refuses an option of the request to '%.100s'",
		    c->params->url);
	r = curl_easy_perform(c->curl);
	if (c->stopped)
		return err_set(err, ERR_CANCELED, "the stream was stopped");
	if (c->told)
		return err_set(err, ERR_CANCELED, "the request was stopped");
	if (c->silent)
		return err_set(err, ERR_TIMEOUT, "nothing has come from the server for too long");
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (c->params->status_only && status >= 200) {
		c->reply->status = (int)status;
		return 0;
	}
	if (c->over)
		return err_set(err, ERR_LIMIT, "the reply of '%.100s' is too long", c->params->url);
	if (r != CURLE_OK)
		return translate(c, r, err);
	c->reply->status = (int)status;
	if (c->params->trust == HTTP_TRUST_NOBODY)
		keep_chain(c);
	return 0;
}

static int
check_params(const struct http_params *p, struct err *err)
{
	if (p->trust == HTTP_TRUST_NOBODY && (p->body.data != NULL || p->identity_chain.len > 0))
		return err_set(
		    err, ERR_INVALID, "nothing is sent to a server that was not verified");
	if (p->trust == HTTP_TRUST_PINNED && p->ca.len == 0)
		return err_set(
		    err, ERR_INVALID, "a pinned certificate is asked for, and none given");
	if (!str_starts(p->url, "https://") && !str_starts(p->url, "http://"))
		return err_set(err, ERR_INVALID, "'%.100s' is not an address of HTTP", p->url);
	if (p->trust != HTTP_TRUST_SYSTEM && p->unix_socket == NULL &&
	    !str_starts(p->url, "https://"))
		return err_set(err, ERR_INVALID, "'%.100s' does not begin with https://", p->url);
	return 0;
}

static int
run(struct call *c, struct err *err)
{
	const struct http_params *p = c->params;
	int r = check_params(p, err);

	if (r < 0)
		return r;
	http_reply_fini(c->reply);
	c->reply->body = BUF_INIT(p->max_reply != 0 ? p->max_reply : REPLY_MAX);
	c->reply->peer_chain = BUF_INIT(PEM_MAX);
	c->ca_pem = BUF_INIT(PEM_MAX);
	c->line = BUF_INIT(LINE_MAX_BYTES);
	c->curl = curl_easy_init();
	if (c->curl == NULL)
		return err_set(err, ERR_NOMEM, "no memory for a request");
	r = perform(c, err);
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	buf_fini(&c->ca_pem);
	buf_fini(&c->line);
	if (r < 0)
		http_reply_fini(c->reply);
	return r;
}

int
http_request(const struct http_params *params, struct http_reply *reply, struct err *err)
{
	struct call c = {.params = params, .reply = reply};

	return run(&c, err);
}

int
http_stream(const struct http_params *params, http_line_cb *on_line, void *arg,
    struct http_reply *reply, struct err *err)
{
	struct call c = {.params = params, .reply = reply, .on_line = on_line, .arg = arg};

	return run(&c, err);
}
