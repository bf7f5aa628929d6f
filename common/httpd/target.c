#include "common/httpd/target.h"

#include "common/base/str.h"

#include <string.h>

void
target_fini(struct target *t)
{
	mem_free(t->path);
	mem_free(t->text);
	memset(t, 0, sizeof(*t));
}

/* Decodes in place; a + is a blank in a query. */
static int
decode(char *text, bool query, struct err *err)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		char c = *from;

		if (c == '%') {
			char digits[3] = {from[1], from[1] != '\0' ? from[2] : '\0', '\0'};
			uint8_t byte;

			if (hex_decode(digits, &byte, 1, NULL) < 0)
				return err_set(err, ERR_INVALID,
				    "the address has a %% without two hexadecimal digits");
			c = (char)byte;
			from += 2;
		} else if (c == '+' && query) {
			c = ' ';
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return err_set(
			    err, ERR_INVALID, "the address has a control character in it");
		*to++ = c;
	}
	*to = '\0';
	return 0;
}

static int
parse_path(struct target *t, char *path, struct err *err)
{
	char *segment;

	if (*path != '/')
		return err_set(err, ERR_INVALID, "the address does not begin with /");
	path++;
	while ((segment = strsep(&path, "/")) != NULL) {
		int r;

		if (t->segment_count == TARGET_SEGMENTS_MAX)
			return err_set(err, ERR_LIMIT, "the address has more than %d parts",
			    TARGET_SEGMENTS_MAX);
		r = decode(segment, false, err);
		if (r < 0)
			return r;
		t->segments[t->segment_count++] = segment;
	}
	return 0;
}

static int
parse_query(struct target *t, char *query, struct err *err)
{
	char *name;

	while ((name = strsep(&query, "&")) != NULL) {
		char *value = strchr(name, '=');
		int r;

		if (*name == '\0')
			continue;
		if (t->query_count == TARGET_QUERY_MAX)
			return err_set(
			    err, ERR_LIMIT, "the query has more than %d members", TARGET_QUERY_MAX);
		if (value != NULL)
			*value++ = '\0';
		else
			value = name + strlen(name);
		r = decode(name, true, err);
		if (r == 0)
			r = decode(value, true, err);
		if (r < 0)
			return r;
		t->names[t->query_count] = name;
		t->values[t->query_count++] = value;
	}
	return 0;
}

int
target_parse(const char *uri, struct target *out, struct err *err)
{
	struct target t = {0};
	size_t n = strnlen(uri, TARGET_MAX + 1);
	char *query;
	int r;

	if (n > TARGET_MAX)
		return err_set(err, ERR_LIMIT, "the address is longer than %d bytes", TARGET_MAX);
	t.text = mem_strdup(uri);
	query = strchr(t.text, '?');
	if (query != NULL)
		*query++ = '\0';
	t.path = mem_strdup(t.text);
	r = parse_path(&t, t.text, err);
	if (r == 0 && query != NULL)
		r = parse_query(&t, query, err);
	if (r < 0) {
		target_fini(&t);
		return r;
	}
	*out = t;
	return 0;
}

/* The next segment of a route, without its slash; an empty span at the end. */
static struct span
next_segment(const char **route)
{
	struct span s;

	if (**route == '\0')
		return SPAN(NULL, 0);
	(*route)++;
	s = SPAN(*route, strcspn(*route, "/"));
	*route += s.len;
	return s;
}

static bool
is_param(struct span s)
{
	return s.len > 2 && s.data[0] == '{';
}

bool
target_fits(const struct target *t, const char *route)
{
	for (size_t i = 0; i < t->segment_count; i++) {
		struct span s = next_segment(&route);

		if (s.data == NULL)
			return false;
		if (is_param(s) ? t->segments[i][0] == '\0'
				: !span_equal(s, span_str(t->segments[i])))
			return false;
	}
	return *route == '\0' && t->segment_count > 0;
}

const char *
target_param(const struct target *t, const char *route, const char *name)
{
	for (size_t i = 0; i < t->segment_count; i++) {
		struct span s = next_segment(&route);

		if (is_param(s) && span_equal(SPAN(s.data + 1, s.len - 2), span_str(name)))
			return t->segments[i];
	}
	return NULL;
}

const char *
target_query(const struct target *t, const char *name)
{
	for (size_t i = 0; i < t->query_count; i++)
		if (str_equal(t->names[i], name))
			return t->values[i];
	return NULL;
}
