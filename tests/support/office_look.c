/* What tests look up in an office, and spoil in it. */

#include "tests/support/office.h"

#include <setjmp.h>

#include <cmocka.h>

const struct index_record *
office_credential(struct office *o, const char *name)
{
	const struct index_record *r = index_named(o->index, KIND_CREDENTIAL, name);

	assert_non_null(r);
	return r;
}

const struct index_record *
office_active(struct office *o, const char *name)
{
	const struct index_record *r = index_active(o->index, office_credential(o, name));

	assert_non_null(r);
	return r;
}

static void
spoil(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct office *o = arg;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++) {
		union {
			const struct index_record *is;
			struct index_record *spoilt;
		} r = {index_get(o->index, &records[i].record->id)};

		if (r.is != NULL && r.is->kind == o->spoilt)
			r.spoilt->recipients.bytes[0] ^= 1;
	}
}

void
office_spoil(struct office *o, enum record_kind kind)
{
	if (o->spoilt == KIND_UNKNOWN && kind != KIND_UNKNOWN)
		commit_observe(o->commit, spoil, o);
	if (o->spoilt != KIND_UNKNOWN && kind == KIND_UNKNOWN)
		commit_unobserve(o->commit, spoil, o);
	o->spoilt = kind;
}
