#include "common/crypto/subject.h"

#include "common/base/str.h"
#include "common/base/utf8.h"
#include "common/crypto/cert_build.h"

#include <stdio.h>
#include <string.h>

enum text_type {
	TEXT_UTF8,
	TEXT_PRINTABLE, /* PrintableString: letters, digits and a few signs */
	TEXT_IA5,       /* ASCII */
};

static const struct attribute {
	const char *name;
	uint8_t oid[9];
	uint8_t oid_len;
	uint8_t least, most; /* characters: the upper bounds of RFC 5280 */
	enum text_type type;
} attributes[] = {
    {"CN", {0x55, 0x04, 0x03}, 3, 1, 64, TEXT_UTF8},
    {"O", {0x55, 0x04, 0x0a}, 3, 1, 64, TEXT_UTF8},
    {"OU", {0x55, 0x04, 0x0b}, 3, 1, 64, TEXT_UTF8},
    {"L", {0x55, 0x04, 0x07}, 3, 1, 128, TEXT_UTF8},
    {"ST", {0x55, 0x04, 0x08}, 3, 1, 128, TEXT_UTF8},
    {"C", {0x55, 0x04, 0x06}, 3, 2, 2, TEXT_PRINTABLE},
    {"STREET", {0x55, 0x04, 0x09}, 3, 1, 128, TEXT_UTF8},
    {"postalCode", {0x55, 0x04, 0x11}, 3, 1, 40, TEXT_UTF8},
    {"serialNumber", {0x55, 0x04, 0x05}, 3, 1, 64, TEXT_PRINTABLE},
    {"emailAddress", {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01}, 9, 3, 255, TEXT_IA5},
};

static const char printable[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				" '()+,-./:=?";

static bool
same_name(const char *name, const char *text, size_t len)
{
	if (strlen(name) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char a = name[i], b = text[i];

		a = a >= 'A' && a <= 'Z' ? (char)(a + ('a' - 'A')) : a;
		b = b >= 'A' && b <= 'Z' ? (char)(b + ('a' - 'A')) : b;
		if (a != b)
			return false;
	}
	return true;
}

static const struct attribute *
find(const char *part)
{
	size_t len = strcspn(part, "=");

	for (size_t i = 0; part[len] == '=' && i < ARRAY_LEN(attributes); i++)
		if (same_name(attributes[i].name, part, len))
			return &attributes[i];
	return NULL;
}

static int
unknown(const char *part, struct err *err)
{
	struct buf text = BUF_INIT(ERR_TEXT_MAX);

	str_put_escaped(&text, span_str(part), 60);
	err_set(err, ERR_INVALID,
	    "part of a subject '%s': write it as O=Example; the attributes are CN, O, OU, L, ST, "
	    "C, "
	    "STREET, postalCode, serialNumber, emailAddress",
	    buf_str(&text));
	buf_fini(&text);
	return ERR_INVALID;
}

/* Characters, not bytes: those that continue one are not counted. */
static size_t
count_characters(struct span value)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++)
		n += (value.data[i] & 0xc0) != 0x80;
	return n;
}

static int
check_value(const struct attribute *a, struct span value, struct err *err)
{
	size_t n = count_characters(value);

	if (!utf8_is_text(value))
		return err_set(err, ERR_INVALID, "part %s of a subject is not UTF-8", a->name);
	if (a->least == a->most && n != (size_t)a->most)
		return err_set(err, ERR_INVALID, "part %s of a subject has %zu characters, not %d",
		    a->name, n, a->most);
	if (n < a->least || n > a->most)
		return err_set(err, ERR_INVALID,
		    "part %s of a subject has %zu characters; %d to %d are possible", a->name, n,
		    a->least, a->most);
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];

		if (c < 0x20 || c == 0x7f ||
		    (a->type == TEXT_PRINTABLE && strchr(printable, c) == NULL) ||
		    (a->type == TEXT_IA5 && (c > 0x7e || c == ' ')))
			return err_set(err, ERR_INVALID,
			    "part %s of a subject: byte %zu (\\x%02x) cannot stand there", a->name,
			    i + 1, c);
	}
	return 0;
}

static struct span
value_of(const char *part)
{
	const char *v = strchr(part, '=') + 1;
	size_t len;

	v += strspn(v, " ");
	len = strlen(v);
	while (len > 0 && v[len - 1] == ' ')
		len--;
	return SPAN(v, len);
}

int
subject_check(const char *part, char out[static SUBJECT_PART_MAX], struct err *err)
{
	char normal[SUBJECT_PART_MAX];
	const struct attribute *a = find(part);
	struct span value;
	int r, n;

	if (a == NULL)
		return unknown(part, err);
	value = value_of(part);
	r = check_value(a, value, err);
	if (r < 0)
		return r;
	n = snprintf(
	    normal, sizeof(normal), "%s=%.*s", a->name, (int)value.len, (const char *)value.data);
	if (n < 0 || (size_t)n >= sizeof(normal))
		return err_set(err, ERR_INVALID, "part %s of a subject is too long", a->name);
	memcpy(out, normal, (size_t)n + 1);
	return 0;
}

bool
subject_is(const char *part, const char *attribute)
{
	size_t n = strlen(attribute);

	return str_starts(part, attribute) && part[n] == '=';
}

static void
put_attribute(struct der *d, struct span oid, enum text_type type, struct span value)
{
	static const unsigned tags[] = {
	    [TEXT_UTF8] = DER_UTF8_STRING,
	    [TEXT_PRINTABLE] = DER_PRINTABLE_STRING,
	    [TEXT_IA5] = DER_IA5_STRING,
	};

	der_begin(d, DER_SET);
	der_begin(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid);
	der_put(d, tags[type], value);
	der_end(d);
	der_end(d);
}

int
der_put_subject(
    struct der *d, const char *const *parts, size_t count, const char *common_name, struct err *err)
{
	der_begin(d, DER_SEQUENCE);
	if (count > SUBJECT_PARTS_MAX)
		return err_set(
		    err, ERR_LIMIT, "a subject of %zu parts; at most %d", count, SUBJECT_PARTS_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct attribute *a = find(parts[i]);
		int r =
		    a != NULL ? check_value(a, value_of(parts[i]), err) : unknown(parts[i], err);

		if (r < 0)
			return r;
		put_attribute(d, SPAN(a->oid, a->oid_len), a->type, value_of(parts[i]));
		if (subject_is(parts[i], "CN"))
			common_name = NULL;
	}
	if (common_name != NULL)
		put_attribute(d, SPAN(attributes[0].oid, attributes[0].oid_len), TEXT_UTF8,
		    span_str(common_name));
	der_end(d);
	return 0;
}
