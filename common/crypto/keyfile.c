#include "common/crypto/pkey.h"

#include "common/base/limits.h"
#include "common/base/str.h"
#include "common/crypto/pem.h"

#include <string.h>

#define LABEL "PRIVATE KEY"
#define FILE_MAX (KEYFILE_MAX * 2 * LIMIT_KEY)
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

static const char name_line[] = "certherd key ";
static const char begin_line[] = "-----BEGIN " LABEL "-----\n";

void
keyfile_fini(struct keyfile *f)
{
	for (size_t i = 0; i < f->count; i++)
		pkey_unref(f->entries[i].key);
	explicit_bzero(f, sizeof(*f));
}

const struct pkey *
keyfile_find(const struct keyfile *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (str_equal(f->entries[i].name, name))
			return f->entries[i].key;
	return NULL;
}

static bool
starts(struct span text, const char *with)
{
	size_t len = strlen(with);

	return text.len >= len && memcmp(text.data, with, len) == 0;
}

/* "certherd key NAME" and its newline. */
static int
take_name(struct span *text, char *name, size_t size, struct err *err)
{
	const uint8_t *start, *end;
	size_t len;

	if (!starts(*text, name_line))
		return err_set(err, ERR_PARSE, "no line 'certherd key NAME' where one should be");
	start = text->data + strlen(name_line);
	end = memchr(start, '\n', (size_t)(text->data + text->len - start));
	len = end != NULL ? (size_t)(end - start) : 0;
	if (len == 0 || len >= size)
		return err_set(
		    err, ERR_PARSE, "a key without a name of 1 to %zu characters", size - 1);
	memcpy(name, start, len);
	name[len] = '\0';
	if (strspn(name, NAME_CHARACTERS) != len)
		return err_set(err, ERR_PARSE, "a key's name is not of a-z, 0-9 and '-'");
	*text = SPAN(end + 1, (size_t)(text->data + text->len - end - 1));
	return 0;
}

static int
take_entry(struct span *text, struct keyfile *f, struct err *err)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_KEY);
	struct keyfile_entry entry = {0};
	int r;

	if (f->count == KEYFILE_MAX)
		return err_set(err, ERR_LIMIT, "more than %d keys", KEYFILE_MAX);
	r = take_name(text, entry.name, sizeof(entry.name), err);
	if (r < 0)
		return r;
	if (keyfile_find(f, entry.name) != NULL)
		return err_set(err, ERR_PARSE, "two keys named '%s'", entry.name);
	if (!starts(*text, begin_line))
		return err_set(err, ERR_PARSE, "no private key behind the name '%s'", entry.name);
	r = pem_next(text, LABEL, der, err);
	if (r == 0)
		r = pkey_from_pkcs8(buf_span(der), &entry.key, err);
	if (r < 0) {
		err_wrap(err, "key '%s'", entry.name);
		return r;
	}
	while (starts(*text, "\n"))
		*text = SPAN(text->data + 1, text->len - 1);
	f->entries[f->count++] = entry;
	return 0;
}

int
keyfile_parse(const struct secret *text, struct keyfile *out, struct err *err)
{
	struct span rest = secret_span(text);
	struct keyfile f = {0};
	int r = 0;

	if (rest.len == 0 || rest.len > FILE_MAX)
		return err_set(
		    err, ERR_PARSE, "key file: %zu bytes; 1 to %d are taken", rest.len, FILE_MAX);
	while (r == 0 && rest.len > 0)
		r = take_entry(&rest, &f, err);
	if (r < 0) {
		keyfile_fini(&f);
		err_wrap(err, "key file");
		return r;
	}
	*out = f;
	return 0;
}

int
keyfile_format(const struct keyfile *f, struct secret **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(FILE_MAX);
	int r;

	for (size_t i = 0; i < f->count; i++) {
		AUTO(secret_freep)
		struct secret *der = NULL;

		r = pkey_to_pkcs8(f->entries[i].key, &der, err);
		if (r < 0) {
			err_wrap(err, "key '%s'", f->entries[i].name);
			return r;
		}
		buf_putf(text, "%s%s\n", name_line, f->entries[i].name);
		pem_put(text, LABEL, secret_span(der));
	}
	r = buf_error(text, "key file", err);
	return r < 0 ? r : secret_take(text->data, text->len, out, err);
}
