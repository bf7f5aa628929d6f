#ifndef COMMON_JSON_JSON_H
#define COMMON_JSON_JSON_H

/*
 * JSON, strictly. Reading: a text becomes a tree (struct json, owned, wiped when freed) and at once
 * a C struct by a table of fields; duplicate and unknown members, NUL in a string, more depth than
 * LIMIT_JSON_DEPTH and more bytes than the caller allows are refused with the member's name.
 * Writing: straight into a buf, with no tree. The tree's memory is wiped, so that a token in a
 * request leaves no copy. Any thread; an object belongs to one at a time.
 */

#include "common/base/buf.h"
#include "common/base/limits.h"

struct json; /* a value of any type; children are borrowed from the root */

/* One object or array, UTF-8, at most max bytes. ERR_PARSE with line and column, ERR_LIMIT. */
NODISCARD int json_parse(struct span text, size_t max, struct json **out, struct err *err);
void json_free(struct json *root);
DEFINE_FREEP(struct json, json_free)

/* Looks into a reply; all take NULL and then find nothing. */
const struct json *json_member(const struct json *object, const char *name); /* or NULL */
size_t json_count(const struct json *array);                                 /* 0 if none */
const struct json *json_item(const struct json *array, size_t at);           /* or NULL */
bool json_is_map(const struct json *v);
bool json_is_list(const struct json *v);
bool json_is_text(const struct json *v);
const char *json_text(const struct json *object, const char *name); /* "" if none */
int64_t json_number(const struct json *object, const char *name);   /* 0 if none */
bool json_flag(const struct json *object, const char *name);        /* false if none */
/* The value itself, when it is a string; else NULL. */
const char *json_value_text(const struct json *v);

/* The whole value as text again, for --json output; indent 0 is one line. */
void json_put_tree(struct buf *out, const struct json *v, unsigned indent);

enum json_kind {
	JSON_TEXT,     /* char *, owned; min and max are its length in bytes */
	JSON_BOOL,     /* bool */
	JSON_INT,      /* int64_t; min and max */
	JSON_DURATION, /* int64_t seconds, from "90d"; min and max in seconds */
	JSON_TEXTS,    /* struct json_texts; min and max are the number of items */
	JSON_CHOICE,   /* int, index into choices */
	JSON_MEMBERS,  /* a struct inside the struct, by its own fields */
	JSON_OBJECTS,  /* struct json_list of structs, by their own fields; min and max as of texts
			*/
};

struct json_texts {
	char **items;
	size_t count;
};

struct json_list {
	void *items; /* an array of structs, owned */
	size_t count;
};

#define JSON_REQUIRED 0x1u

struct json_field {
	const char *name;
	enum json_kind kind;
	unsigned flags;
	size_t offset;
	int64_t min, max;           /* both 0: the kind's own limits (LIMIT_JSON_TEXT, ...) */
	const char *const *choices; /* JSON_CHOICE, ends with NULL */
	const struct json_field *fields;
	size_t field_count;
	size_t size;     /* JSON_OBJECTS: of one struct */
	ptrdiff_t given; /* offset of a bool that says whether the member was there; 0: none */
};

#define LIMIT_JSON_TEXT 65536
#define LIMIT_JSON_TEXTS 1000

/*
 * Decodes an object into *out, which the caller has set to its defaults (zeroes, or values with no
 * owned memory). null counts as not given. ERR_INVALID or ERR_LIMIT with the member's name; then
 * *out owns nothing. json_release wipes and frees what it owns.
 */
NODISCARD int json_decode(const struct json *object, const struct json_field *fields, size_t count,
    void *out, struct err *err);
void json_release(const struct json_field *fields, size_t count, void *out);

/*
 * The writer. Members of an object have a name; items of an array have NULL. Opening and closing
 * must match and not be deeper than LIMIT_JSON_DEPTH (CHECKed: it is this program's shape). Texts
 * that are not UTF-8 get U+FFFD for each bad byte. The buf's own error says when it was too long.
 */
struct json_writer {
	struct buf *out;
	unsigned depth;
	uint32_t filled; /* bit per depth: something stands before the next value */
	uint32_t arrays; /* bit per depth: it is an array */
};

#define JSON_WRITER(b) ((struct json_writer){(b), 0, 0, 0})

void json_put_object(struct json_writer *w, const char *name);
void json_put_array(struct json_writer *w, const char *name);
void json_put_end(struct json_writer *w); /* of the innermost object or array */
void json_put_text(struct json_writer *w, const char *name, const char *text); /* NULL is null */
void json_put_span(struct json_writer *w, const char *name, struct span text);
void json_put_base64(struct json_writer *w, const char *name, struct span bytes);
void json_put_textf(struct json_writer *w, const char *name, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void json_put_int(struct json_writer *w, const char *name, int64_t v);
void json_put_uint(struct json_writer *w, const char *name, uint64_t v);
void json_put_bool(struct json_writer *w, const char *name, bool v);
void json_put_null(struct json_writer *w, const char *name);
void json_put_time(struct json_writer *w, const char *name, int64_t seconds); /* RFC 3339; 0 null */
/* A value that is JSON already. */
void json_put_raw(struct json_writer *w, const char *name, struct span value);
/* Only the escaped text in its quotes, for lines that are not written by a writer. */
void json_put_quoted(struct buf *out, struct span text);

#endif
