/* What a reader has found, between frames and structs. */

#include "server/import/frame.h"

#include "common/base/arena.h"

#include <string.h>

/* All keys of a set, each with the most certificates, would not fit: no honest set has that. */
#define FOUND_BUDGET (16U * 1024 * 1024)

void
found_init(struct import_found *f, enum import_wish wish)
{
	*f = (struct import_found){.wish = wish, .memory = arena_new(FOUND_BUDGET)};
}

void
import_found_fini(struct import_found *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->unit_count; i++)
		secret_free(f->units[i].key);
	mem_free(f->units);
	mem_free(f->refusals);
	mem_free(f->remarks);
	arena_free(f->memory);
	*f = (struct import_found){.units = NULL};
}

void
found_put_unit(struct buf *out, const struct import_unit *u)
{
	frame_put_text(out, u->file);
	frame_put_text(out, u->place);
	frame_put_text(out, u->label);
	frame_put_text(out, u->key_type);
	frame_put_text(out, u->names);
	buf_put_be64(out, (uint64_t)u->not_after);
	buf_put_u8(out, (uint8_t)u->cert_count);
	for (size_t i = 0; i < u->cert_count; i++) {
		buf_put_be32(out, (uint32_t)u->certs[i].len);
		buf_put_span(out, u->certs[i]);
	}
}

void
found_put_refusal(
    struct buf *out, int code, bool needs_password, const char *file, const char *text)
{
	buf_put_u8(out, (uint8_t)-code);
	buf_put_u8(out, needs_password);
	frame_put_text(out, file);
	frame_put_text(out, text);
}

static int
get_certs(struct import_found *f, struct cursor *c, struct import_unit *u, struct err *err)
{
	u->cert_count = cursor_u8(c);
	if (c->failed || u->cert_count == 0 || u->cert_count > IMPORT_CERTS_MOST)
		return err_set(err, ERR_PROTO, "a key with %zu certificates", u->cert_count);
	u->certs = arena_array(f->memory, u->cert_count, sizeof(*u->certs));
	for (size_t i = 0; u->certs != NULL && i < u->cert_count; i++) {
		struct span der = cursor_bytes(c, cursor_be32(c));

		if (c->failed || der.len == 0 || der.len > LIMIT_CERT)
			return err_set(err, ERR_PROTO, "a certificate that is none");
		u->certs[i] = arena_span(f->memory, der);
		if (u->certs[i].data == NULL)
			u->certs = NULL;
	}
	return u->certs != NULL ? 0 : err_set(err, ERR_LIMIT, "more was found than fits");
}

static int
add_unit(struct import_found *f, struct cursor *c, struct secret **key, struct err *err)
{
	const bool keys = f->wish == IMPORT_KEYS;
	const size_t most = keys ? LIMIT_IMPORT_KEYS : LIMIT_IMPORT_ITEMS;
	struct import_unit u = {.file = NULL};
	const char **texts[] = {&u.file, &u.place, &u.label, &u.key_type, &u.names};
	int r = 0;

	if (keys != (*key != NULL))
		return err_set(err, ERR_PROTO, "certificates %s a key", keys ? "without" : "with");
	if (f->unit_count == most)
		return err_set(
		    err, ERR_LIMIT, "more than %zu %s", most, keys ? "keys" : "certificates");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(texts); i++)
		r = frame_get_text(c, f->memory, texts[i], err);
	u.not_after = (int64_t)cursor_be64(c);
	if (r == 0)
		r = get_certs(f, c, &u, err);
	if (r == 0 && c->rest.len > 0)
		r = err_set(err, ERR_PROTO, "bytes behind the certificates");
	if (r < 0)
		return r;
	u.key = MOVE(*key);
	f->units = mem_grow(f->units, f->unit_count + 1, sizeof(*f->units));
	f->units[f->unit_count++] = u;
	return 0;
}

static void
add_note(struct import_note **notes, size_t *count, struct import_note note)
{
	*notes = mem_grow(*notes, *count + 1, sizeof(**notes));
	(*notes)[(*count)++] = note;
}

static int
add_refusal(struct import_found *f, struct cursor *c, struct err *err)
{
	struct import_note note = {.code = -(int)cursor_u8(c)};
	unsigned needs_password = cursor_u8(c);
	int r = frame_get_text(c, f->memory, &note.file, err);

	if (r == 0)
		r = frame_get_text(c, f->memory, &note.text, err);
	if (r < 0)
		return r;
	if (c->rest.len > 0 || needs_password > 1 || note.code == 0 || note.code < ERR_BUG)
		return err_set(err, ERR_PROTO, "a refusal that is none");
	f->needs_password |= needs_password == 1;
	add_note(&f->refusals, &f->refusal_count, note);
	return 0;
}

int
found_add(struct import_found *f, enum frame_kind kind, struct span content, struct secret **key,
    struct err *err)
{
	struct cursor c = {content, false};
	struct import_note note = {.code = 0};
	int r;

	if (f->refusal_count + f->remark_count > 2 * LIMIT_IMPORT_ITEMS)
		return err_set(err, ERR_LIMIT, "more was found than fits");
	if (kind == FRAME_UNIT)
		return add_unit(f, &c, key, err);
	if (kind == FRAME_REFUSAL)
		return add_refusal(f, &c, err);
	if (kind != FRAME_REMARK)
		return err_set(err, ERR_PROTO, "a frame %s", frame_kind_name(kind));
	r = frame_get_text(&c, f->memory, &note.text, err);
	if (r == 0 && c.rest.len > 0)
		r = err_set(err, ERR_PROTO, "a remark that is none");
	if (r == 0)
		add_note(&f->remarks, &f->remark_count, note);
	return r;
}

void
found_refuse(struct import_found *f, int code, const char *text)
{
	const char *kept = arena_text(f->memory, span_str(text));

	add_note(&f->refusals, &f->refusal_count,
	    (struct import_note){code, "", kept != NULL ? kept : "more was found than fits"});
}
