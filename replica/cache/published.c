#include "replica/cache/published.h"

#include "common/wire/public_wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* There are a few CAs, so a list is enough. */
struct entry {
	struct id record, ca;
	enum pki_file kind;
	struct published_file *file;
};

struct published {
	pthread_mutex_t lock;
	struct entry *entries;
	size_t count;
};

void
published_file_unref(struct published_file *f)
{
	if (f == NULL || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1)
		return;
	mem_free((void *)(uintptr_t)f->bytes.data);
	mem_free(f);
}

static struct published_file *
file_new(struct span bytes)
{
	struct published_file *f = mem_zalloc(sizeof(*f));

	atomic_init(&f->refs, 1);
	f->bytes = SPAN(mem_dup(bytes.data, bytes.len), bytes.len);
	return f;
}

struct published *
published_new(void)
{
	struct published *p = mem_zalloc(sizeof(*p));

	CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
	return p;
}

static void
drop_entries(struct entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		published_file_unref(entries[i].file);
	mem_free(entries);
}

void
published_free(struct published *p)
{
	if (p == NULL)
		return;
	drop_entries(p->entries, p->count);
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

/* Puts one in the place of the record's last one; file NULL: none any more. */
static void
put(struct published *p, const struct entry *fresh)
{
	struct published_file *old = NULL;
	size_t i = 0;

	CHECK(pthread_mutex_lock(&p->lock) == 0);
	while (i < p->count && !id_equal(&p->entries[i].record, &fresh->record))
		i++;
	if (i < p->count)
		old = p->entries[i].file;
	if (fresh->file == NULL) {
		if (i < p->count)
			p->entries[i] = p->entries[--p->count];
	} else {
		if (i == p->count)
			p->entries = mem_grow(p->entries, ++p->count, sizeof(*p->entries));
		p->entries[i] = *fresh;
	}
	pthread_mutex_unlock(&p->lock);
	published_file_unref(old);
}

void
published_forget(struct published *p, const struct id *record)
{
	put(p, &(struct entry){.record = *record});
}

static int
learn_ca(struct published *p, const struct record *record, struct err *err)
{
	struct ca_public ca = {0};
	int r = wire_ca_public_decode(record->public_part, &ca, err);

	if (r < 0)
		return r;
	put(p, &(struct entry){record->id, record->id, PKI_CA, file_new(ca.chain.items[0])});
	ca_public_fini(&ca);
	return 0;
}

static int
learn_crl(struct published *p, const struct record *record, struct err *err)
{
	struct crl_public crl = {0};
	int r = wire_crl_public_decode(record->public_part, &crl, err);

	if (r < 0)
		return r;
	put(p, &(struct entry){record->id, crl.ca, PKI_CRL, file_new(crl.der)});
	crl_public_fini(&crl);
	return 0;
}

int
published_learn(struct published *p, const struct record *record, struct err *err)
{
	int r = 0;

	if (record->kind != KIND_CA && record->kind != KIND_CRL)
		return 0;
	if (!record->removed)
		r = record->kind == KIND_CA ? learn_ca(p, record, err) : learn_crl(p, record, err);
	if (record->removed || r < 0)
		published_forget(p, &record->id);
	return r;
}

void
published_replace(struct published *p, struct published *from)
{
	struct entry *old;
	size_t count;

	CHECK(pthread_mutex_lock(&p->lock) == 0);
	old = p->entries;
	count = p->count;
	p->entries = from->entries;
	p->count = from->count;
	pthread_mutex_unlock(&p->lock);
	from->entries = NULL;
	from->count = 0;
	drop_entries(old, count);
}

struct published_file *
published_find(struct published *p, enum pki_file file, const struct id *ca)
{
	struct published_file *found = NULL;

	CHECK(pthread_mutex_lock(&p->lock) == 0);
	for (size_t i = 0; i < p->count && found == NULL; i++)
		if (p->entries[i].kind == file && id_equal(&p->entries[i].ca, ca))
			found = p->entries[i].file;
	if (found != NULL)
		atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&p->lock);
	return found;
}
