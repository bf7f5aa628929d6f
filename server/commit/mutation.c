#include "server/commit/commit_priv.h"

#include <stdarg.h>
#include <stdio.h>

struct mutation *
mutation_new(const char *author, const char *action, const char *object)
{
	struct mutation *m = mem_zalloc(sizeof(*m));

	snprintf(m->author, sizeof(m->author), "%s", author);
	snprintf(m->action, sizeof(m->action), "%s", action);
	snprintf(m->object, sizeof(m->object), "%s", object);
	return m;
}

struct draft *
mutation_add(struct mutation *m)
{
	struct draft *d;

	/* Room grows at each power of two. */
	if ((m->count & (m->count - 1)) == 0)
		m->drafts =
		    mem_grow(m->drafts, m->count > 0 ? 2 * m->count : 1, sizeof(*m->drafts));
	d = &m->drafts[m->count++];
	*d = (struct draft){.public_part = buf_new(LIMIT_PUBLIC_CRL)};
	return d;
}

void
mutation_expect(struct mutation *m, const struct id *id, uint64_t version)
{
	if ((m->expected_count & (m->expected_count - 1)) == 0)
		m->expected = mem_grow(m->expected,
		    m->expected_count > 0 ? 2 * m->expected_count : 1, sizeof(*m->expected));
	m->expected[m->expected_count++] = (struct expectation){*id, version};
}

void
mutation_tell(struct mutation *m, const char *event, const struct id *id, const char *name,
    const char *fmt, ...)
{
	struct buf text = BUF_INIT(LIMIT_TEXT);
	struct tidings *t;
	va_list ap;

	m->tidings = mem_grow(m->tidings, m->tidings_count + 1, sizeof(*m->tidings));
	t = &m->tidings[m->tidings_count++];
	*t = (struct tidings){.id = *id};
	snprintf(t->event, sizeof(t->event), "%s", event);
	snprintf(t->name, sizeof(t->name), "%s", name);
	va_start(ap, fmt);
	buf_vputf(&text, fmt, ap);
	va_end(ap);
	t->text = mem_strdup(buf_str(&text));
	buf_fini(&text);
}

void
mutation_free(struct mutation *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->tidings_count; i++)
		mem_free(m->tidings[i].text);
	mem_free(m->tidings);
	for (size_t i = 0; i < m->count; i++) {
		buf_free(m->drafts[i].public_part);
		buf_free(m->drafts[i].sealed);
	}
	mem_free(m->drafts);
	mem_free(m->expected);
	mem_free(m);
}

void
queue_init(struct queue *q)
{
	*q = (struct queue){.tail = &q->head};
}

void
queue_push(struct queue *q, struct queued *item)
{
	item->next = NULL;
	*q->tail = item;
	q->tail = &item->next;
	q->count++;
}

struct queued *
queue_pop(struct queue *q)
{
	struct queued *item = q->head;

	if (item == NULL)
		return NULL;
	q->head = item->next;
	if (q->head == NULL)
		q->tail = &q->head;
	q->count--;
	item->next = NULL;
	return item;
}

#define RESERVE_VERSION 1

void
reserve_encode(const struct reserve *r, struct buf *out)
{
	buf_put_u8(out, RESERVE_VERSION);
	buf_put_be64(out, r->seq);
	buf_put_be64(out, r->beat);
	buf_put_be64(out, r->last_seq);
	buf_put_be64(out, r->floor.term);
	buf_put_be64(out, r->floor.seq);
}

int
reserve_decode(struct span in, struct reserve *out, struct err *err)
{
	struct cursor c = {.rest = in};
	uint8_t version = cursor_u8(&c);
	struct reserve r;

	r.seq = cursor_be64(&c);
	r.beat = cursor_be64(&c);
	r.last_seq = cursor_be64(&c);
	r.floor.term = cursor_be64(&c);
	r.floor.seq = cursor_be64(&c);
	if (c.failed || c.rest.len > 0 || version != RESERVE_VERSION)
		return err_set(
		    err, ERR_PARSE, "the row that keeps the numbers of the log is damaged");
	*out = r;
	return 0;
}
