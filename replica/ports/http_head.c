#include "replica/ports/http_head.h"

#include "common/base/str.h"
#include "common/model/names.h"
#include "common/tls/address.h"

#include <string.h>
#include <strings.h>

static bool
is_token(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_visible(uint8_t c)
{
	return c > 0x20 && c < 0x7f;
}

/* Takes the bytes up to the separator off the front; false when there is none. */
static bool
take_until(struct span *rest, const char *separator, struct span *out)
{
	size_t len = strlen(separator);
	const uint8_t *at = memmem(rest->data, rest->len, separator, len);

	if (at == NULL)
		return false;
	*out = SPAN(rest->data, (size_t)(at - rest->data));
	*rest = SPAN(at + len, rest->len - out->len - len);
	return true;
}

static bool
copy_text(struct span s, bool (*allowed)(uint8_t), char *out, size_t size)
{
	if (s.len == 0 || s.len >= size)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!allowed(s.data[i]))
			return false;
	memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return true;
}

static bool
parse_request_line(struct span line, struct http_head *out)
{
	struct span method, target;

	if (!take_until(&line, " ", &method) || !take_until(&line, " ", &target))
		return false;
	if (!span_equal(line, span_str("HTTP/1.1")) && !span_equal(line, span_str("HTTP/1.0")))
		return false;
	return copy_text(method, is_token, out->method, sizeof(out->method)) &&
	    copy_text(target, is_visible, out->target, sizeof(out->target)) &&
	    out->target[0] == '/';
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = SPAN(s.data + 1, s.len - 1);
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool
parse_header(struct span line, struct http_head *out)
{
	struct span name;

	if (!take_until(&line, ":", &name) || name.len == 0)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!is_token(name.data[i]))
			return false;
	for (size_t i = 0; i < line.len; i++)
		if ((line.data[i] < 0x20 && line.data[i] != '\t') || line.data[i] == 0x7f)
			return false;
	if (name.len != 4 || strncasecmp((const char *)name.data, "host", 4) != 0)
		return true;
	return out->host[0] == '\0' &&
	    copy_text(trim(line), is_visible, out->host, sizeof(out->host));
}

int
http_head_parse(struct span bytes, struct http_head *out)
{
	static const char end[] = "\r\n\r\n";
	struct span line, rest = bytes, head;

	*out = (struct http_head){0};
	if (!take_until(&rest, end, &head))
		return bytes.len >= HTTP_HEAD_MAX ? ERR_LIMIT : ERR_AGAIN;
	if (head.len > HTTP_HEAD_MAX)
		return ERR_LIMIT;
	head.len += 2; /* the last line keeps its end */
	if (!take_until(&head, "\r\n", &line) || !parse_request_line(line, out))
		return ERR_PARSE;
	while (take_until(&head, "\r\n", &line))
		if (!parse_header(line, out))
			return ERR_PARSE;
	return 0;
}

bool
http_host_of(const char *header, char out[static HTTP_HOST_MAX])
{
	char host[HTTP_HOST_MAX], name[NAME_TEXT_MAX];
	const char *colon = strrchr(header, ':'), *bracket = strrchr(header, ']');
	struct address ignored;
	size_t len = strlen(header);

	if (colon != NULL && (bracket == NULL || colon > bracket)) {
		if (strspn(colon + 1, "0123456789") != strlen(colon + 1))
			return false;
		len = (size_t)(colon - header);
	}
	if (len == 0 || len >= sizeof(host))
		return false;
	memcpy(host, header, len);
	host[len] = '\0';
	if (host[0] == '[') {
		if (host[len - 1] != ']')
			return false;
		host[len - 1] = '\0';
		if (strchr(host, ':') == NULL || address_numeric(host + 1, 0, &ignored, NULL) < 0)
			return false;
		host[len - 1] = ']';
		memcpy(out, host, len + 1);
		return true;
	}
	if (strchr(host, ':') == NULL && !str_equal(host, "*") &&
	    address_numeric(host, 0, &ignored, NULL) == 0) {
		memcpy(out, host, len + 1);
		return true;
	}
	if (!name_from_sni(host, len, name))
		return false;
	memcpy(out, name, strlen(name) + 1);
	return true;
}
