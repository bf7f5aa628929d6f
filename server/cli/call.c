#include "server/cli/cli.h"

#include "common/base/str.h"
#include "common/http/http.h"
#include "common/sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA_DEFAULT "/var/lib/certherd"
#define REPLY_MAX (32 * 1024 * 1024)
#define CALL_MS 60000
#define URL_MAX 8192

static char *
socket_below(const char *dir)
{
	char *path = mem_printf("%s/server/api.sock", dir);

	char *direct = mem_printf("%s/api.sock", dir);

	/* DIR may be that of the domain on this host, or the server's own. */
	if (!file_exists(direct)) {
		mem_free(direct);
		return path;
	}
	mem_free(path);
	return direct;
}

int
cli_socket(struct cli *c, char **out, struct err *err)
{
	const char *given = cli_option(c, "socket"), *data = cli_option(c, "data");

	if (given == NULL && data == NULL)
		given = getenv("CERTHERD_SOCKET");
	*out = given != NULL ? mem_strdup(given) : socket_below(data != NULL ? data : DATA_DEFAULT);
	if (file_exists(*out))
		return 0;
	if (errno == EACCES) {
		err_set(err, ERR_DENIED, "this user may not look at '%.180s'", *out);
		cli_hint(c,
		    "try as root; or have the server put its socket where its group may go, "
		    "with its option --socket");
		mem_free(MOVE(*out));
		return ERR_DENIED;
	}
	err_set(err, ERR_UNAVAIL, "there is no server's socket at '%.180s'", *out);
	cli_hint(c, "start certherd-server, or say where it is with --data DIR or --socket FILE");
	mem_free(MOVE(*out));
	return ERR_UNAVAIL;
}

char *
cli_path(const char *fmt, const char *first, const char *second)
{
	const char *words[] = {first, second};
	struct buf path = BUF_INIT(URL_MAX);
	size_t next = 0;
	char *out;

	for (; *fmt != '\0'; fmt++) {
		if (fmt[0] == '%' && fmt[1] == 's') {
			CHECK(next < ARRAY_LEN(words) && words[next] != NULL);
			http_put_escaped(&path, words[next++]);
			fmt++;
		} else {
			buf_put_u8(&path, (uint8_t)*fmt);
		}
	}
	out = mem_strdup(buf_str(&path));
	buf_fini(&path);
	return out;
}

/* Text of the server, which may repeat what others have sent: no control character passes. */
static const char *
plain(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < size; text++)
		out[n++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
	out[n] = '\0';
	return out;
}

/* An error about a member of the request is one about the option that it came from. */
static bool
name_option(const struct cli *c, struct err *err)
{
	static const char start[] = "member '";
	const char *name = err->text + strlen(start), *end;
	char option[64], text[ERR_TEXT_MAX];

	if (!str_starts(err->text, start) || (end = strchr(name, '\'')) == NULL ||
	    (size_t)(end - name) >= sizeof(option))
		return false;
	for (size_t i = 0; name + i < end; i++)
		option[i] = name[i] == '_' ? '-' : name[i];
	option[end - name] = '\0';
	for (size_t i = 0; i < c->command->option_count; i++)
		if (str_equal(c->command->options[i].name, option)) {
			snprintf(text, sizeof(text), "option --%s%s", option, end + 1);
			err_set(err, ERR_INVALID, "%s", text);
			return true;
		}
	return false;
}

/* The server's error as ours, and its hint. */
static int
take_error(struct cli *c, int status, const struct json *root, struct err *err)
{
	const struct json *error = json_member(root, "error");
	int code = err_code_by_name(json_text(error, "code"));
	char text[ERR_TEXT_MAX], hint[ERR_TEXT_MAX];

	if (*json_text(error, "hint") != '\0')
		cli_hint(c, "%s", plain(hint, sizeof(hint), json_text(error, "hint")));
	else if (status == 404 &&
	    str_equal(json_text(error, "text"), "there is nothing at this address"))
		cli_hint(c,
		    "the server does not know what this command asks for: it is older. Start "
		    "the new certherd-server; 'certherd status' shows which one runs");
	if (*json_text(error, "text") == '\0')
		return err_set(err, ERR_PROTO, "the server answers with status %d", status);
	code = err_set(err, (enum err_code)(code != 0 ? code : ERR_PROTO), "%s",
	    plain(text, sizeof(text), json_text(error, "text")));
	return status == 400 && name_option(c, err) ? err->code : code;
}

/* Not earlier: init makes the locked memory for its keys before anything uses OpenSSL. */
static int
begin_http(struct err *err)
{
	static bool begun;
	int r = 0;

	if (!begun)
		r = http_init(err);
	begun = r == 0;
	return r;
}

static int
ask(struct cli *c, const struct http_params *p, struct http_reply *reply, struct err *err)
{
	int r = begin_http(err);

	if (r == 0)
		r = http_request(p, reply, err);

	if (r == ERR_UNAVAIL)
		cli_hint(c, "is certherd-server running? its log says more");
	else if (r == ERR_TIMEOUT)
		cli_hint(c,
		    "the server is there and does not answer; its log says more. Look what was "
		    "done before you repeat the command");
	return r;
}

int
cli_call(struct cli *c, const char *method, const char *path, const struct buf *body,
    struct json **out, struct err *err)
{
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	AUTO(mem_freep)
	char *socket = NULL;
	AUTO(mem_freep)
	char *url = mem_printf("http://localhost%s", path);
	AUTO(json_freep)
	struct json *root = NULL;
	struct http_params p = {
	    .method = method, .url = url, .total_ms = CALL_MS, .max_reply = REPLY_MAX};
	int r = body != NULL ? buf_error(body, "the request", err) : 0;

	if (r == 0)
		r = cli_socket(c, &socket, err);
	if (r < 0)
		return r;
	p.unix_socket = socket;
	if (body != NULL)
		p.body = buf_span(body);
	r = ask(c, &p, &reply, err);
	if (r < 0)
		return r;
	r = json_parse(buf_span(&reply.body), REPLY_MAX, &root, err);
	if (reply.status != 200)
		return take_error(c, reply.status, root, err);
	if (r < 0)
		return err_wrap(err, "answer of the server");
	*out = MOVE(root);
	return 0;
}

int
cli_stream(struct cli *c, const char *path, int (*on_line)(struct span, void *), void *arg,
    struct err *err)
{
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	AUTO(mem_freep)
	char *socket = NULL;
	AUTO(mem_freep)
	char *url = mem_printf("http://localhost%s", path);
	AUTO(json_freep)
	struct json *root = NULL;
	struct http_params p = {.url = url};
	int r = cli_socket(c, &socket, err);

	if (r < 0)
		return r;
	p.unix_socket = socket;
	if ((r = begin_http(err)) < 0)
		return r;
	r = http_stream(&p, on_line, arg, &reply, err);
	if (r < 0)
		cli_hint(c, "is certherd-server running? its log says more");
	if (r < 0 || reply.status == 200)
		return r;
	if (json_parse(buf_span(&reply.body), REPLY_MAX, &root, NULL) < 0)
		root = NULL;
	return take_error(c, reply.status, root, err);
}

bool
cli_json(struct cli *c, const struct json *reply)
{
	if (!c->json)
		return false;
	json_put_tree(&c->out, reply, 2);
	cli_printf(c, "\n");
	return true;
}

void
cli_results_begin(struct cli *c)
{
	c->several = true;
	c->results = JSON_WRITER(&c->out);
	if (!c->json)
		return;
	json_put_object(&c->results, NULL);
	json_put_array(&c->results, "results");
}

void
cli_results_end(struct cli *c)
{
	c->several = false;
	if (!c->json)
		return;
	json_put_end(&c->results);
	json_put_end(&c->results);
	cli_printf(c, "\n");
}

struct json_writer
cli_result(struct cli *c, const char *name, const struct json *change)
{
	struct json_writer w = c->several ? c->results : JSON_WRITER(&c->out);
	struct buf text = BUF_INIT(LIMIT_JSON_TEXT);

	json_put_tree(&text, change, 0);
	json_put_object(&w, NULL);
	json_put_text(&w, "name", name);
	json_put_raw(&w, "change", buf_span(&text));
	buf_fini(&text);
	return w;
}

void
cli_result_end(struct cli *c, struct json_writer *w)
{
	json_put_end(w);
	if (c->several)
		c->results = *w;
	else
		cli_printf(c, "\n");
}

void
cli_put_warnings(struct cli *c, const struct json *reply)
{
	const struct json *warnings = json_member(reply, "warnings");

	for (size_t i = 0; i < json_count(warnings); i++) {
		const char *text = json_value_text(json_item(warnings, i));

		cli_printf(c, "warning: %s\n", text != NULL ? text : "?");
	}
}
