#include "common/conf/scan.h"

/*
 * States of libconfuse's lexer, as far as they matter for what is looked for here.
 */
enum where { PLAIN, DOUBLE, SINGLE, LINE_COMMENT, BLOCK_COMMENT };

struct scan {
	const char *name;
	struct span text;
	size_t at;
	unsigned line, begun;    /* begun: line of the present string or comment */
	unsigned braces, opened; /* open ones, and the line of the last that was opened */
	enum where where;
	struct buf *out;
	struct err *err;
};

static uint8_t
peek(const struct scan *s)
{
	return s->at + 1 < s->text.len ? s->text.data[s->at + 1] : 0;
}

static int
fail(struct scan *s, unsigned line, const char *text)
{
	return err_set(s->err, ERR_PARSE, "%s:%u: %s", s->name, line, text);
}

static void
copy_two(struct scan *s)
{
	buf_put(s->out, s->text.data + s->at, 2);
	s->at++;
}

static int
scan_plain(struct scan *s, uint8_t c)
{
	if (c == '"' || c == '\'') {
		s->where = c == '"' ? DOUBLE : SINGLE;
		s->begun = s->line;
	} else if (c == '#' || (c == '/' && (peek(s) == '/' || peek(s) == '*'))) {
		/* Comments are left out: libconfuse counts the lines of some of them wrongly. */
		s->where = c != '#' && peek(s) == '*' ? BLOCK_COMMENT : LINE_COMMENT;
		s->begun = s->line;
		s->at += c == '/';
		c = ' ';
	} else if (c == '\\' || c == ';' || c == '(' || c == ')') {
		return fail(s, s->line, "unexpected character; put the text in double quotes");
	}
	if (c == '{') {
		s->braces++;
		s->opened = s->line;
	} else if (c == '}' && s->braces > 0) {
		s->braces--;
	}
	buf_put_u8(s->out, c);
	return 0;
}

static int
scan_string(struct scan *s, uint8_t c)
{
	uint8_t quote = s->where == DOUBLE ? '"' : '\'';

	if (c == '\n')
		return fail(s, s->begun, "this text has no closing quote in its line");
	if (c == '\\') {
		uint8_t next = peek(s);

		if (next != '\\' && next != quote)
			return fail(s, s->line,
			    "in a quoted text, a backslash stands before a quote or a backslash");
		copy_two(s);
		return 0;
	}
	if (c == quote)
		s->where = PLAIN;
	buf_put_u8(s->out, c);
	return 0;
}

static void
scan_comment(struct scan *s, uint8_t c)
{
	if (c == '\n') {
		if (s->where == LINE_COMMENT)
			s->where = PLAIN;
		buf_put_u8(s->out, c);
	} else if (s->where == BLOCK_COMMENT && c == '*' && peek(s) == '/') {
		s->where = PLAIN;
		s->at++;
	}
}

static int
scan_byte(struct scan *s, uint8_t c)
{
	if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
		return fail(s, s->line, "control character (a file with DOS line ends?)");
	switch (s->where) {
	case PLAIN:
		return scan_plain(s, c);
	case DOUBLE:
	case SINGLE:
		return scan_string(s, c);
	case LINE_COMMENT:
	case BLOCK_COMMENT:
		scan_comment(s, c);
		break;
	}
	return 0;
}

int
conf_scan(const char *name, struct span text, struct buf *out, struct err *err)
{
	struct scan s = {.name = name, .text = text, .line = 1, .out = out, .err = err};

	for (; s.at < text.len; s.at++) {
		uint8_t c = text.data[s.at];
		bool mask = c == '$' && peek(&s) == '{';
		int r = scan_byte(&s, c);

		if (r < 0)
			return r;
		if (mask && s.where != LINE_COMMENT && s.where != BLOCK_COMMENT)
			buf_put_u8(out, CONF_MASK);
		if (c == '\n')
			s.line++;
	}
	if (s.where == DOUBLE || s.where == SINGLE)
		return fail(&s, s.begun, "this text has no closing quote in its line");
	if (s.where == BLOCK_COMMENT)
		return fail(&s, s.begun, "this comment has no end");
	/* libconfuse takes the end of the file for the end of a section. */
	if (s.braces > 0)
		return fail(&s, s.opened, "this brace is never closed");
	return buf_error(out, "the configuration", err);
}

void
conf_unmask(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++)
		if (*from != CONF_MASK)
			*to++ = *from;
	*to = '\0';
}
