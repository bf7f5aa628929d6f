/* Keys with their certificates, and what is said of the rest of a set. */

#include "server/import/report.h"

#include "common/base/str.h"
#include "common/crypto/cert_facts.h"
#include "common/crypto/sign.h"

#define NAMES_SHOWN 3
#define NAMES_MAX 512

struct shown {
	struct buf *out;
	size_t count;
};

static void
on_name(void *arg, const char *name)
{
	struct shown *s = arg;

	if (s->count < NAMES_SHOWN)
		buf_putf(s->out, "%s%s", s->count > 0 ? ", " : "", name);
	s->count++;
}

static void
put_names(const struct cert *leaf, struct buf *out)
{
	struct shown s = {out, 0};

	cert_each_name(leaf, on_name, &s);
	if (s.count > NAMES_SHOWN)
		buf_putf(out, " and %zu more", s.count - NAMES_SHOWN);
	if (s.count == 0)
		cert_put_subject(leaf, out);
}

/* The leaf, and by name whatever may be above it. Which of them is right is for others to find. */
static size_t
gather(const struct lift *l, size_t leaf, struct span out[static IMPORT_CERTS_MOST])
{
	size_t found[IMPORT_CERTS_MOST] = {leaf}, count = 1;

	for (size_t at = 0; at < count; at++) {
		const struct cert *below = lift_at(l, found[at])->cert;

		for (size_t i = 0; i < lift_count(l) && count < IMPORT_CERTS_MOST; i++) {
			const struct lift_item *item = lift_at(l, i);
			bool is_there =
			    item->kind != LIFT_CERT || !cert_names_issuer(below, item->cert);

			for (size_t j = 0; j < count; j++)
				is_there |= found[j] == i;
			if (!is_there)
				found[count++] = i;
		}
	}
	for (size_t i = 0; i < count; i++)
		out[i] = cert_der(lift_at(l, found[i])->cert);
	return count;
}

static int
send_key(struct report *r, const struct lift_item *item)
{
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL;
	int rc = pkey_to_pkcs8(item->key, &pkcs8, r->err);

	return rc < 0 ? rc : frame_send(r->fd, FRAME_KEY, secret_reveal(pkcs8), r->err);
}

static int
send_unit(struct report *r, const struct lift_item *item)
{
	const struct cert *leaf = lift_at(r->lift, item->pair)->cert;
	struct span certs[IMPORT_CERTS_MOST];
	struct buf names = BUF_INIT(NAMES_MAX);
	char type[KEY_DESCRIPTION_MAX];
	int rc = send_key(r, item);

	put_names(leaf, &names);
	if (rc == 0) {
		const struct import_unit u = {.file = item->file,
		    .place = item->place,
		    .label = item->label != NULL ? item->label : "",
		    .key_type = pkey_describe(item->key, type),
		    .names = buf_str(&names),
		    .not_after = cert_not_after(leaf),
		    .certs = certs,
		    .cert_count = gather(r->lift, item->pair, certs)};

		rc = report_unit(r, &u);
	}
	buf_fini(&names);
	return rc;
}

/* A certificate that has no key here may be the one that was meant. */
static const struct lift_item *
lonely_leaf(const struct lift *l)
{
	for (size_t i = 0; i < lift_count(l); i++) {
		const struct lift_item *item = lift_at(l, i);

		if (item->kind == LIFT_CERT && item->is_leaf && item->pair == LIFT_NO_PAIR)
			return item;
	}
	return NULL;
}

static int
refuse_lonely_key(struct report *r, const struct lift_item *item)
{
	const struct lift_item *leaf = lonely_leaf(r->lift);
	struct buf names = BUF_INIT(NAMES_MAX);
	int rc;

	if (leaf == NULL)
		return report_say(r, FRAME_REFUSAL, ERR_NOTFOUND, item,
		    "the certificate of this key is not here; give its file too");
	put_names(leaf->cert, &names);
	rc = report_say(r, FRAME_REFUSAL, ERR_NOTFOUND, item,
	    "the certificate of this key is not here; that for %s (%s) is of another key",
	    buf_str(&names), leaf->file);
	buf_fini(&names);
	return rc;
}

static int
send_pair(struct report *r, const struct lift_item *item)
{
	if (item->pair == LIFT_NO_PAIR)
		return refuse_lonely_key(r, item);
	if (cert_is_ca(lift_at(r->lift, item->pair)->cert))
		return report_say(r, FRAME_REFUSAL, ERR_INVALID, item,
		    "the certificate of this key is one of a CA, which no server serves as its "
		    "own");
	return send_unit(r, item);
}

/* --- the rest --- */

static int
remark_cert(struct report *r, const struct lift_item *item)
{
	struct buf subject = BUF_INIT(NAMES_MAX), text = BUF_INIT(FRAME_TEXT);
	char hex[HASH_HEX_MAX];
	struct cert_facts facts;
	struct hash hash;
	int rc = 0;

	cert_facts(item->cert, &facts);
	cert_put_subject(item->cert, &subject);
	if (facts.self_issued && facts.is_ca) {
		cert_fingerprint(item->cert, &hash);
		buf_putf(&text,
		    "a root is in the files, and not trusted for that: %s, SHA-256 %s ('certherd "
		    "trust add' stores roots)",
		    buf_str(&subject), hash_hex(&hash, hex));
		rc = report_remark(r, buf_str(&text));
	} else if (item->is_leaf && item->pair == LIFT_NO_PAIR) {
		rc = report_say(r, FRAME_REMARK, 0, item,
		    "left out: the key of this certificate is not here (%s)", buf_str(&subject));
	}
	buf_fini(&subject);
	buf_fini(&text);
	return rc;
}

static int
send_item(struct report *r, const struct lift_item *item)
{
	int code;

	switch (item->kind) {
	case LIFT_KEY:
		return send_pair(r, item);
	case LIFT_CERT:
		return remark_cert(r, item);
	case LIFT_CSR:
	case LIFT_CRL:
		return report_left_out(r, item);
	case LIFT_PROBLEM:
		/* A note beside the keys is no reason to refuse them. */
		code = item->why != LIFT_NOTHING ? lift_why_code(item->why) : 0;
		return report_problem(r, item, code);
	case LIFT_KIND__COUNT:
		break;
	}
	return 0;
}

static bool
is_one_file(const struct lift *l)
{
	for (size_t i = 1; i < lift_count(l); i++)
		if (!str_equal(lift_at(l, i)->file, lift_at(l, 0)->file))
			return false;
	return true;
}

/* One file of nothing says best itself what it is. */
static int
refuse_all(struct report *r)
{
	const struct lift_item *item = lift_count(r->lift) > 0 ? lift_at(r->lift, 0) : NULL;
	struct buf text = BUF_INIT(FRAME_TEXT);
	int rc;

	if (item != NULL && item->kind == LIFT_PROBLEM && lift_count(r->lift) == 1)
		return report_problem(r, item, ERR_NOTFOUND);
	if (item != NULL && is_one_file(r->lift))
		buf_putf(&text, "'%s': ", item->file);
	buf_put_str(&text,
	    "there is no private key in it; a credential is imported with its key. Certificates "
	    "for keys that were made here are for 'certherd cert paste', roots for 'certherd trust "
	    "add'");
	rc = report_refuse(r, ERR_NOTFOUND, buf_str(&text));
	buf_fini(&text);
	return rc;
}

int
report_keys(struct report *r)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < lift_count(r->lift); i++)
		rc = send_item(r, lift_at(r->lift, i));
	if (rc == 0 && r->units + r->refusals == 0)
		rc = refuse_all(r);
	return rc;
}
