#include "server/import/frame.h"

#include <string.h>

/*
 * Any bytes as what the process says that reads foreign files, as if a file had taken it over. What
 * the command takes in is within its limits and has no NUL in a text, and comes out of the frames
 * again as it went in. A key comes only where it was asked for.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_unit(enum import_wish wish, const struct import_unit *u)
{
	AUTO(buf_freep)
	struct buf *again = buf_new((IMPORT_CERTS_MOST + 1) * LIMIT_CERT);
	struct secret *key = NULL;
	struct import_found f;
	struct err err;

	CHECK((u->key != NULL) == (wish == IMPORT_KEYS) && u->cert_count > 0 &&
	    u->cert_count <= IMPORT_CERTS_MOST);
	found_put_unit(again, u);
	CHECK(again->error == 0);
	CHECK(wish != IMPORT_KEYS || secret_new(1, &key, &err) == 0);
	found_init(&f, wish);
	CHECK(found_add(&f, FRAME_UNIT, buf_span(again), &key, &err) == 0 && key == NULL);
	CHECK(strcmp(f.units[0].names, u->names) == 0 && f.units[0].not_after == u->not_after);
	for (size_t i = 0; i < u->cert_count; i++)
		CHECK(span_equal(f.units[0].certs[i], u->certs[i]));
	import_found_fini(&f);
}

static int
take_frame(struct import_found *f, struct frame_head head, struct span content, struct secret **key,
    struct err *err)
{
	if (head.kind != FRAME_KEY)
		return found_add(f, head.kind, content, key, err);
	if (f->wish != IMPORT_KEYS || *key != NULL || head.len == 0)
		return err_set(err, ERR_PROTO, "a key that is none");
	return secret_new(head.len, key, err);
}

static void
check_wish(enum import_wish wish, const uint8_t *data, size_t size)
{
	struct cursor c = {SPAN(data, size), false};
	struct secret *key = NULL;
	struct import_found f;
	struct frame_head head;
	struct err err = {0, ""};
	int r = 0;

	found_init(&f, wish);
	while (r == 0 && c.rest.len >= FRAME_HEAD) {
		struct span bytes = cursor_bytes(&c, FRAME_HEAD);

		r = frame_head_decode(bytes.data, &head, &err);
		if (r == 0 && (head.len > c.rest.len || head.kind == FRAME_END))
			break;
		if (r == 0)
			r = take_frame(&f, head, cursor_bytes(&c, head.len), &key, &err);
	}
	CHECK(r == 0 || r == ERR_PROTO || r == ERR_LIMIT);
	CHECK(f.unit_count <= (wish == IMPORT_KEYS ? LIMIT_IMPORT_KEYS : LIMIT_IMPORT_ITEMS));
	for (size_t i = 0; i < f.unit_count; i++)
		check_unit(wish, &f.units[i]);
	for (size_t i = 0; i < f.refusal_count; i++)
		CHECK(f.refusals[i].code < 0 && f.refusals[i].code >= ERR_BUG);
	secret_free(key);
	import_found_fini(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_wish(IMPORT_KEYS, data, size);
	check_wish(IMPORT_ANSWER, data, size);
	return 0;
}
