/* What tests look up in an office, and spoil in it. */

#include "server/index/index_ca.h"
#include "tests/support/office.h"

#include <setjmp.h>
#include <string.h>

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

const struct index_record *
office_ca(struct office *o, const char *name)
{
	const struct index_record *ca = index_named(o->index, KIND_CA, name);

	assert_non_null(ca);
	return ca;
}

int
office_add_of(struct office *o, const char *name, const char *ca)
{
	const struct credential_spec c = {.names = {&name, 1}, .ca = ca, .author = "test"};

	o->called = false;
	return office_wait(o, flow_credential_add(o->flow, &c, office_on_flow, o, &o->err));
}

int
office_revoke(struct office *o, const char *name, uint64_t number, const char *reason)
{
	o->called = false;
	return office_wait(o,
	    flow_credential_revoke(
		o->flow, name, number, reason, "test", office_on_flow, o, &o->err));
}

bool
office_is_listed(struct office *o, const struct id *generation)
{
	const struct index_record *g = index_of_kind(o->index, KIND_GENERATION, generation);

	assert_non_null(g);
	assert_true(g->generation->revoked);
	return index_is_listed(index_crl_of(o->index, index_ca_of(o->index, g)), g);
}

void
office_check_text(const char *text, const char *what)
{
	if (strstr(text, what) == NULL)
		fail_msg("'%s' does not say '%s'", text, what);
}
