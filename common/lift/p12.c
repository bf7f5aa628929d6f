#include "common/base/str.h"
#include "common/crypto/ber.h"
#include "common/lift/lift_priv.h"

#include <stdio.h>
#include <string.h>

/*
 * PKCS#12 (RFC 7292), read here rather than by OpenSSL, so that every key in it is found, the work
 * that it asks for is known before it is done, and an error says where. The integrity code is
 * checked first: it tells a wrong password from damage.
 */

#define FRIENDLY_SHOWN 80

static const uint8_t oid_data[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
static const uint8_t oid_signed[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
static const uint8_t oid_enveloped[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03};
static const uint8_t oid_encrypted[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06};
/* the bag types but for their last number */
static const uint8_t oid_bags[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01};
static const uint8_t oid_x509_cert[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01};
static const uint8_t oid_x509_crl[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x17, 0x01};
static const uint8_t oid_friendly_name[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x14};

enum bag_type { BAG_KEY = 1, BAG_LOCKED_KEY, BAG_CERT, BAG_CRL, BAG_SECRET, BAG_NESTED };

struct p12 {
	struct lift *l;
	char outer[64];   /* the place of the whole file */
	size_t safe, bag; /* numbers, from 1 */
};

static void
set_place(struct p12 *p)
{
	char bag[32] = "";

	if (p->bag > 0)
		snprintf(bag, sizeof(bag), ", bag %zu", p->bag);
	snprintf(p->l->place, sizeof(p->l->place), "%s%sPKCS#12 part %zu%s", p->outer,
	    p->outer[0] != '\0' ? ", " : "", p->safe, bag);
}

/* BMPString as UTF-8, fit for a terminal; NULL when there is none. */
static char *
friendly_name(struct span attributes)
{
	struct der_reader set = DER_READER(attributes);
	struct buf utf8 = BUF_INIT(LIMIT_TEXT), shown = BUF_INIT(LIMIT_TEXT);
	char *name = NULL;

	while (name == NULL && set.rest.len > 0 && !set.failed) {
		struct der_reader a = der_enter(&set, DER_SEQUENCE);
		struct span oid = der_take(&a, DER_OID), text;
		struct der_reader values = der_enter(&a, DER_SET);

		if (!span_equal(oid, SPAN_OF(oid_friendly_name)))
			continue;
		text = der_take(&values, DER_BMP_STRING);
		for (size_t i = 0; i + 1 < text.len; i += 2) {
			unsigned c = (unsigned)text.data[i] << 8 | text.data[i + 1];

			if (c == 0) /* some end it like C */
				break;
			if (c >= 0x800)
				buf_put_u8(&utf8, (uint8_t)(0xe0 | c >> 12));
			if (c >= 0x80)
				buf_put_u8(&utf8,
				    (uint8_t)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6));
			buf_put_u8(&utf8, (uint8_t)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
		}
		str_put_printable(&shown, buf_span(&utf8), FRIENDLY_SHOWN);
		name = shown.len > 0 ? mem_strdup(buf_str(&shown)) : NULL;
	}
	buf_fini(&utf8);
	buf_fini(&shown);
	return name;
}

/* CertBag and CRLBag: the type, and the thing in an OCTET STRING. */
static struct span
wrapped(struct span value, struct span wanted)
{
	struct der_reader r = DER_READER(value);
	struct der_reader bag = der_enter(&r, DER_SEQUENCE);
	struct span oid = der_take(&bag, DER_OID);
	struct der_reader holder = der_enter(&bag, DER_CONTEXT_CONS(0));
	struct span thing = der_take(&holder, DER_OCTET_STRING);

	if (holder.failed || !span_equal(oid, wanted))
		return SPAN(NULL, 0);
	return thing;
}

static void
locked_key_bag(struct p12 *p, struct span value, const char *label)
{
	struct der_reader r = DER_READER(value);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	struct span algorithm = whole.rest, ciphertext;
	AUTO(secret_freep)
	struct secret *plain = NULL;

	(void)der_take(&whole, DER_SEQUENCE);
	algorithm.len -= whole.rest.len;
	ciphertext = der_take(&whole, DER_OCTET_STRING);
	if (whole.failed)
		add_problem(p->l, LIFT_DAMAGED, "a damaged key");
	else if (unlock(p->l, algorithm, ciphertext, true, &plain))
		lift_key(p->l, secret_span(plain), der_kind(secret_span(plain)), label, true);
}

static void read_bags(struct p12 *p, struct span bags, unsigned depth);

static void
read_bag(struct p12 *p, unsigned type, struct span value, const char *label, unsigned depth)
{
	struct span thing;

	switch (type) {
	case BAG_KEY:
		lift_key(p->l, value, der_kind(value), label, false);
		break;
	case BAG_LOCKED_KEY:
		locked_key_bag(p, value, label);
		break;
	case BAG_CERT:
		thing = wrapped(value, SPAN_OF(oid_x509_cert));
		if (thing.len > 0)
			add_cert(p->l, thing, label);
		else
			add_problem(p->l, LIFT_DAMAGED, "a certificate that is none of X.509");
		break;
	case BAG_CRL:
		thing = wrapped(value, SPAN_OF(oid_x509_crl));
		if (thing.len > 0)
			add_crl(p->l, thing);
		else
			add_problem(p->l, LIFT_DAMAGED, "a revocation list that is none of X.509");
		break;
	case BAG_NESTED:
		if (depth < LIMIT_IMPORT_DEPTH)
			read_bags(p, value, depth + 1);
		else
			add_problem(p->l, LIFT_TOO_MUCH, "bags inside bags, more than %d deep",
			    LIMIT_IMPORT_DEPTH);
		break;
	case BAG_SECRET:
		add_problem(p->l, LIFT_IGNORED, "a secret that is no key of a certificate");
		break;
	default:
		add_problem(p->l, LIFT_IGNORED, "a bag of unknown type");
		break;
	}
}

/* SafeContents, whole element. */
static void
read_bags(struct p12 *p, struct span bags, unsigned depth)
{
	struct der_reader r = DER_READER(bags);
	struct der_reader list = der_enter(&r, DER_SEQUENCE);

	while (list.rest.len > 0 && !list.failed && !p->l->full) {
		struct der_reader bag = der_enter(&list, DER_SEQUENCE);
		struct span oid = der_take(&bag, DER_OID);
		struct span value = der_take(&bag, DER_CONTEXT_CONS(0));
		char *label = NULL;
		unsigned type = 0;

		p->bag++;
		set_place(p);
		if (bag.failed)
			break;
		if (bag.rest.len > 0)
			label = friendly_name(der_take(&bag, DER_SET));
		if (oid.len == sizeof(oid_bags) + 1 &&
		    memcmp(oid.data, oid_bags, sizeof(oid_bags)) == 0)
			type = oid.data[sizeof(oid_bags)];
		read_bag(p, type, value, label, depth);
		mem_free(label);
	}
	if (r.failed || (list.rest.len > 0 && !p->l->full)) {
		set_place(p);
		add_problem(p->l, LIFT_DAMAGED, "damaged here");
	}
}

static void
read_safe(struct p12 *p, struct span contents)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_IMPORT_FILE);
	struct err err;

	if (ber_to_der(contents, der, &err) < 0)
		add_failure(p->l, &err);
	else
		read_bags(p, buf_span(der), 1);
}

/* The pieces of a string that BER had under its implicit tag, put together. */
static void
join_pieces(struct span pieces, struct buf *out)
{
	struct der_reader r = DER_READER(pieces);

	while (r.rest.len > 0 && !r.failed)
		buf_put_span(out, der_take(&r, DER_OCTET_STRING));
}

static void
encrypted_safe(struct p12 *p, struct der_reader holder)
{
	struct der_reader data = der_enter(&holder, DER_SEQUENCE), info;
	AUTO(buf_freep)
	struct buf *joined = buf_new(LIMIT_IMPORT_FILE);
	AUTO(secret_freep)
	struct secret *plain = NULL;
	struct span algorithm, ciphertext;
	unsigned tag = 0;

	(void)der_take_small(&data);
	info = der_enter(&data, DER_SEQUENCE);
	(void)der_take(&info, DER_OID);
	algorithm = info.rest;
	(void)der_take(&info, DER_SEQUENCE);
	algorithm.len -= info.rest.len;
	if (info.failed || !der_next(&info, &tag, &ciphertext)) {
		add_problem(p->l, LIFT_DAMAGED, "a damaged encrypted part");
		return;
	}
	if (tag == DER_CONTEXT_CONS(0)) {
		join_pieces(ciphertext, joined);
		ciphertext = buf_span(joined);
	}
	if (unlock(p->l, algorithm, ciphertext, true, &plain))
		read_safe(p, secret_span(plain));
}

/* AuthenticatedSafe: parts in clear and encrypted ones. */
static void
read_safes(struct p12 *p, struct span safes)
{
	struct der_reader r = DER_READER(safes);
	struct der_reader list = der_enter(&r, DER_SEQUENCE);

	while (list.rest.len > 0 && !list.failed && !p->l->full) {
		struct der_reader part = der_enter(&list, DER_SEQUENCE);
		struct span oid = der_take(&part, DER_OID);
		struct der_reader holder = der_enter(&part, DER_CONTEXT_CONS(0));

		p->safe++;
		p->bag = 0;
		set_place(p);
		if (holder.failed)
			break;
		if (span_equal(oid, SPAN_OF(oid_data)))
			read_safe(p, der_take(&holder, DER_OCTET_STRING));
		else if (span_equal(oid, SPAN_OF(oid_encrypted)))
			encrypted_safe(p, holder);
		else if (span_equal(oid, SPAN_OF(oid_enveloped)))
			add_problem(p->l, LIFT_UNSUPPORTED,
			    "encrypted for a certificate rather than with a password; export it "
			    "anew with a password");
		else
			add_problem(p->l, LIFT_IGNORED, "a part of unknown type");
	}
	if (r.failed || (list.rest.len > 0 && !p->l->full))
		add_problem(p->l, LIFT_DAMAGED, "a damaged list of parts");
}

void
lift_p12(struct lift *l, struct span der)
{
	struct der_reader r = DER_READER(der);
	struct der_reader pfx = der_enter(&r, DER_SEQUENCE), info, holder;
	AUTO(buf_freep)
	struct buf *safes = buf_new(LIMIT_IMPORT_FILE);
	struct p12 p = {.l = l};
	struct span oid, content, mac = SPAN(NULL, 0);
	size_t before = l->count;
	struct err err;

	snprintf(p.outer, sizeof(p.outer), "%s", l->place);
	(void)der_take_small(&pfx);
	info = der_enter(&pfx, DER_SEQUENCE);
	oid = der_take(&info, DER_OID);
	holder = der_enter(&info, DER_CONTEXT_CONS(0));
	if (!info.failed && span_equal(oid, SPAN_OF(oid_signed))) {
		add_problem(l, LIFT_UNSUPPORTED,
		    "a PKCS#12 file under a signature; export it anew with a password");
		return;
	}
	content = der_take(&holder, DER_OCTET_STRING);
	if (pfx.rest.len > 0)
		mac = der_take(&pfx, DER_SEQUENCE);
	if (holder.failed || !der_done(&pfx) || !span_equal(oid, SPAN_OF(oid_data))) {
		add_problem(l, LIFT_DAMAGED, "a damaged PKCS#12 file");
		return;
	}
	if (mac.len > 0 && !unlock_mac(l, mac, content))
		return;
	if (mac.len == 0)
		add_problem(l, LIFT_UNVERIFIED,
		    "a PKCS#12 file without an integrity code: nothing shows that it is as it was "
		    "written");
	if (ber_to_der(content, safes, &err) < 0)
		add_failure(l, &err);
	else
		read_safes(&p, buf_span(safes));
	snprintf(l->place, sizeof(l->place), "%s", p.outer);
	if (l->count == before + (mac.len == 0))
		add_problem(l, LIFT_NOTHING, "an empty PKCS#12 file");
}
