#include "common/base/str.h"
#include "common/lift/lift_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_ROOM 16
#define NAME_SHOWN 120

static const char *const why_names[] = {
    [LIFT_DAMAGED] = "damaged",
    [LIFT_NOTHING] = "nothing",
    [LIFT_FOREIGN] = "foreign",
    [LIFT_PASSWORD_NEEDED] = "password-needed",
    [LIFT_PASSWORD_WRONG] = "password-wrong",
    [LIFT_UNSUPPORTED] = "unsupported",
    [LIFT_NOT_TAKEN] = "not-taken",
    [LIFT_TOO_MUCH] = "too-much",
    [LIFT_IGNORED] = "ignored",
    [LIFT_UNVERIFIED] = "unverified",
};
_Static_assert(ARRAY_LEN(why_names) == LIFT_WHY__COUNT, "every reason has a name");

static const char *const kind_names[] = {
    [LIFT_KEY] = "key",
    [LIFT_CERT] = "certificate",
    [LIFT_CSR] = "request",
    [LIFT_CRL] = "revocation-list",
    [LIFT_PROBLEM] = "problem",
};
_Static_assert(ARRAY_LEN(kind_names) == LIFT_KIND__COUNT, "every kind has a name");

const char *
lift_why_name(enum lift_why why)
{
	CHECK(why < LIFT_WHY__COUNT);
	return why_names[why];
}

const char *
lift_kind_name(enum lift_kind kind)
{
	CHECK(kind < LIFT_KIND__COUNT);
	return kind_names[kind];
}

static struct lift_item *
new_item(struct lift *l, enum lift_kind kind)
{
	struct lift_item *item;

	if (l->count == l->room) {
		l->room = l->room > 0 ? 2 * l->room : FIRST_ROOM;
		l->items = mem_grow(l->items, l->room, sizeof(*l->items));
	}
	item = &l->items[l->count++];
	*item = (struct lift_item){
	    .kind = kind, .file = l->file, .place = mem_strdup(l->place), .pair = LIFT_NO_PAIR};
	return item;
}

/* One item more than the limit is a problem that says so, and ends the reading. */
static bool
has_room(struct lift *l)
{
	if (l->full)
		return false;
	if (l->count < LIMIT_IMPORT_ITEMS && l->keys < LIMIT_IMPORT_KEYS)
		return true;
	add_problem(l, LIFT_TOO_MUCH, "more than %d things or %d keys in one import: split it",
	    LIMIT_IMPORT_ITEMS, LIMIT_IMPORT_KEYS);
	l->full = true;
	return false;
}

void
add_problem(struct lift *l, enum lift_why why, const char *fmt, ...)
{
	struct buf text = BUF_INIT(LIMIT_TEXT + NAME_SHOWN * 4);
	struct lift_item *item;
	va_list ap;

	/* Remarks may be as many as other things; after the limit there is one more item. */
	if (l->full || (why >= LIFT_IGNORED && l->count >= LIMIT_IMPORT_ITEMS))
		return;
	buf_put_str(&text, "'");
	str_put_printable(&text, span_str(l->file), NAME_SHOWN);
	buf_putf(&text, "'%s%s: ", l->place[0] != '\0' ? ", " : "", l->place);
	va_start(ap, fmt);
	buf_vputf(&text, fmt, ap);
	va_end(ap);
	item = new_item(l, LIFT_PROBLEM);
	item->why = why;
	item->text = mem_strdup(buf_str(&text));
	buf_fini(&text);
	if (l->count > LIMIT_IMPORT_ITEMS)
		l->full = true;
}

void
add_failure(struct lift *l, const struct err *err)
{
	enum lift_why why = LIFT_DAMAGED;

	if (err->code == ERR_DENIED)
		why = LIFT_PASSWORD_WRONG;
	else if (err->code == ERR_UNAVAIL)
		why = LIFT_UNSUPPORTED;
	else if (err->code == ERR_INVALID)
		why = LIFT_NOT_TAKEN;
	else if (err->code == ERR_LIMIT || err->code == ERR_NOMEM)
		why = LIFT_TOO_MUCH;
	add_problem(l, why, "%s", err->text);
}

static bool
is_there(struct lift *l, enum lift_kind kind, struct span der)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct lift_item *item = &l->items[i];

		if (item->kind != kind)
			continue;
		if (kind == LIFT_KEY ? !span_equal(pkey_spki(item->key), der)
				     : !span_equal(cert_der(item->cert), der))
			continue;
		add_problem(l, LIFT_IGNORED, "the same %s once more", kind_names[kind]);
		return true;
	}
	return false;
}

void
add_key(struct lift *l, struct pkey *key, const char *label, bool was_locked)
{
	struct lift_item *item;

	if (!has_room(l) || is_there(l, LIFT_KEY, pkey_spki(key))) {
		pkey_unref(key);
		return;
	}
	item = new_item(l, LIFT_KEY);
	item->key = key;
	item->label = label != NULL ? mem_strdup(label) : NULL;
	item->was_locked = was_locked;
	l->keys++;
}

void
add_cert(struct lift *l, struct span der, const char *label)
{
	struct lift_item *item;
	struct cert *cert;
	struct err err;

	if (!has_room(l) || is_there(l, LIFT_CERT, der))
		return;
	if (cert_parse(der, &cert, &err) < 0) {
		add_failure(l, &err);
		return;
	}
	item = new_item(l, LIFT_CERT);
	item->cert = cert;
	item->label = label != NULL ? mem_strdup(label) : NULL;
}

void
add_csr(struct lift *l, struct span der)
{
	struct lift_item *item;
	struct pkey *key;
	struct err err;

	if (!has_room(l))
		return;
	if (csr_key(der, &key, &err) < 0) {
		add_failure(l, &err);
		return;
	}
	item = new_item(l, LIFT_CSR);
	item->key = key;
	item->der = SPAN(mem_dup(der.data, der.len), der.len);
}

void
add_crl(struct lift *l, struct span der)
{
	struct lift_item *item;
	struct err err;

	if (!has_room(l))
		return;
	if (crl_check(der, &err) < 0) {
		add_failure(l, &err);
		return;
	}
	item = new_item(l, LIFT_CRL);
	item->der = SPAN(mem_dup(der.data, der.len), der.len);
}
