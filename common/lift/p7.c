#include "common/lift/lift_priv.h"

#include <stdio.h>

/* PKCS#7 and CMS signed data: the certificates and lists in it. Signatures are not looked at. */

static const uint8_t oid_signed[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};

static void
each_of(struct lift *l, struct span set, const char *what)
{
	struct der_reader r = DER_READER(set);
	char before[sizeof(l->place)];
	struct span start, content;
	unsigned tag;

	snprintf(before, sizeof(before), "%s", l->place);
	for (size_t n = 1; !l->full; n++) {
		start = r.rest;
		if (!der_next(&r, &tag, &content))
			break;
		start.len -= r.rest.len;
		snprintf(l->place, sizeof(l->place), "%.60s%s%s %zu of PKCS#7", before,
		    before[0] != '\0' ? ", " : "", what, n);
		if (tag == DER_SEQUENCE)
			lift_der(l, start);
		else
			add_problem(
			    l, LIFT_IGNORED, "an attribute certificate or another old form");
	}
	if (r.failed)
		add_problem(l, LIFT_DAMAGED, "damaged behind this");
	snprintf(l->place, sizeof(l->place), "%s", before);
}

void
lift_p7(struct lift *l, struct span der)
{
	struct der_reader r = DER_READER(der);
	struct der_reader info = der_enter(&r, DER_SEQUENCE);
	struct span oid = der_take(&info, DER_OID);
	struct der_reader content, data;
	size_t before = l->count;

	if (!span_equal(oid, SPAN_OF(oid_signed))) {
		add_problem(l, LIFT_UNSUPPORTED,
		    "PKCS#7 that is no signed data. If it is encrypted: openssl cms -decrypt -in "
		    "FILE -inkey KEY");
		return;
	}
	content = der_enter(&info, DER_CONTEXT_CONS(0));
	data = der_enter(&content, DER_SEQUENCE);
	(void)der_take_small(&data);
	(void)der_take(&data, DER_SET);
	(void)der_take(&data, DER_SEQUENCE);
	if (!data.failed && data.rest.len > 0 && data.rest.data[0] == DER_CONTEXT_CONS(0))
		each_of(l, der_take(&data, DER_CONTEXT_CONS(0)), "certificate");
	if (!data.failed && data.rest.len > 0 && data.rest.data[0] == DER_CONTEXT_CONS(1))
		each_of(l, der_take(&data, DER_CONTEXT_CONS(1)), "revocation list");
	if (data.failed)
		add_problem(l, LIFT_DAMAGED, "damaged PKCS#7");
	else if (l->count == before)
		add_problem(l, LIFT_NOTHING, "PKCS#7 without a certificate");
}
