#include "common/member/member_trust.h"

#include "common/store/store.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"

#include <stdlib.h>

struct found {
	uint64_t term;
	struct designation_public public_part;
};

struct collected {
	struct found *items;
	size_t count, skipped;
};

static int
collect(const struct stored_record *stored, void *arg, struct err *err)
{
	struct collected *c = arg;
	struct record *record = mem_zalloc(sizeof(*record));
	struct found found = {0};
	struct designation d;
	int r = wire_record_decode(stored->body, record, err);

	if (r == 0 && !record->removed) {
		r = wire_designation_public_decode(record->public_part, &found.public_part, err);
		if (r == 0 &&
		    (r = wire_designation_decode(found.public_part.designation.body, &d, err)) < 0)
			designation_public_fini(&found.public_part);
		if (r == 0) {
			found.term = d.term;
			c->items = mem_grow(c->items, c->count + 1, sizeof(*c->items));
			c->items[c->count++] = found;
		}
	}
	c->skipped += r < 0;
	mem_free(record);
	return 0;
}

static int
by_term(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->term < y->term ? -1 : x->term > y->term;
}

int
member_trust(const struct member *m, struct store *store, struct trust **out, size_t *skipped,
    struct err *err)
{
	AUTO(trust_freep)
	struct trust *trust = NULL;
	struct collected c = {0};
	int r = trust_new(cert_der(m->root), &m->root_fingerprint, &trust, err);

	if (r == 0)
		r = store_each(store, KIND_DESIGNATION, true, collect, &c, err);
	if (c.count > 1)
		qsort(c.items, c.count, sizeof(*c.items), by_term);
	for (size_t i = 0; i < c.count; i++) {
		struct err why;

		if (r == 0 &&
		    trust_add_designation(trust, &c.items[i].public_part.designation, &why) < 0)
			c.skipped++;
		designation_public_fini(&c.items[i].public_part);
	}
	mem_free(c.items);
	if (r < 0)
		return r;
	*skipped = c.skipped;
	*out = MOVE(trust);
	return 0;
}
