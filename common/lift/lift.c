#include "common/lift/lift_priv.h"

#include "common/base/str.h"
#include "common/crypto/ber.h"

#include <stdio.h>
#include <string.h>

#define CURVE_MAX 1024
#define LABEL_SHOWN 40

/* --- the object --------------------------------------------------------------------------------
 */

struct names {
	struct names *next;
	char text[];
};

struct lift *
lift_new(const struct lift_params *p)
{
	struct lift *l = mem_zalloc(sizeof(*l));

	CHECK(p->password_count <= LIMIT_IMPORT_PASSWORDS);
	l->params = *p;
	l->own_budget = PBE_BUDGET;
	l->budget = p->budget != NULL ? p->budget : &l->own_budget;
	l->curve = BUF_INIT(CURVE_MAX);
	return l;
}

static void
drop(const void *p)
{
	mem_free((void *)(uintptr_t)p);
}

void
lift_free(struct lift *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->count; i++) {
		drop(l->items[i].place);
		drop(l->items[i].label);
		drop(l->items[i].text);
		drop(l->items[i].der.data);
		pkey_unref(l->items[i].key);
		cert_unref(l->items[i].cert);
	}
	mem_free(l->items);
	while (l->names != NULL) {
		struct names *next = l->names->next;

		mem_free(l->names);
		l->names = next;
	}
	buf_fini(&l->curve);
	mem_free(l);
}

/* Items point at the name of their file, so that it lives as long as they do. */
static const char *
keep_name(struct lift *l, const char *name)
{
	size_t len = strlen(name) + 1;
	struct names *n = mem_zalloc(sizeof(*n) + len);

	memcpy(n->text, name, len);
	n->next = l->names;
	l->names = n;
	return n->text;
}

size_t
lift_count(const struct lift *l)
{
	return l->count;
}

const struct lift_item *
lift_at(const struct lift *l, size_t i)
{
	CHECK(i < l->count);
	return &l->items[i];
}

size_t
lift_count_of(const struct lift *l, enum lift_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < l->count; i++)
		n += l->items[i].kind == kind;
	return n;
}

int
lift_why_code(enum lift_why why)
{
	static const enum err_code codes[] = {
	    [LIFT_DAMAGED] = ERR_PARSE,
	    [LIFT_NOTHING] = ERR_NOTFOUND,
	    [LIFT_FOREIGN] = ERR_UNAVAIL,
	    [LIFT_PASSWORD_NEEDED] = ERR_DENIED,
	    [LIFT_PASSWORD_WRONG] = ERR_DENIED,
	    [LIFT_UNSUPPORTED] = ERR_UNAVAIL,
	    [LIFT_NOT_TAKEN] = ERR_INVALID,
	    [LIFT_TOO_MUCH] = ERR_LIMIT,
	};
	_Static_assert(ARRAY_LEN(codes) == LIFT_IGNORED, "every problem has a code");

	return (size_t)why < ARRAY_LEN(codes) ? (int)codes[why] : 0;
}

int
lift_check(const struct lift *l, struct err *err)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].kind == LIFT_PROBLEM && l->items[i].why < LIFT_IGNORED)
			return err_set(err, (enum err_code)lift_why_code(l->items[i].why), "%s",
			    l->items[i].text);
	return 0;
}

/* --- one thing ---------------------------------------------------------------------------------
 */

void
lift_key(struct lift *l, struct span der, enum der_kind kind, const char *label, bool was_locked)
{
	struct pkey *key;
	struct err err;
	int r;

	if (l->full)
		return;
	if (kind == KIND_PKCS8)
		r = pkey_from_foreign_pkcs8(der, &key, &err);
	else if (kind == KIND_PKCS1)
		r = pkey_from_pkcs1(der, &key, &err);
	else if (kind == KIND_SEC1)
		r = pkey_from_sec1(der, buf_span(&l->curve), &key, &err);
	else if (kind == KIND_DSA)
		r = err_set(&err, ERR_INVALID,
		    "a DSA key; RSA, EC (P-256, P-384, P-521) and Ed25519 are taken");
	else
		r = err_set(&err, ERR_PARSE, "not a private key");
	if (r < 0)
		add_failure(l, &err);
	else
		add_key(l, key, label, was_locked);
}

/* EncryptedPrivateKeyInfo. */
static void
locked_key(struct lift *l, struct span der)
{
	struct der_reader r = DER_READER(der);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	struct span algorithm = whole.rest, ciphertext;
	AUTO(secret_freep)
	struct secret *plain = NULL;

	(void)der_take(&whole, DER_SEQUENCE);
	algorithm.len -= whole.rest.len;
	ciphertext = der_take(&whole, DER_OCTET_STRING);
	if (!der_done(&whole)) {
		add_problem(l, LIFT_DAMAGED, "a key under a password, damaged");
		return;
	}
	if (unlock(l, algorithm, ciphertext, false, &plain))
		lift_key(l, secret_span(plain), der_kind(secret_span(plain)), NULL, true);
}

static void
lift_of_kind(struct lift *l, struct span der, enum der_kind kind)
{
	switch (kind) {
	case KIND_CERT:
		add_cert(l, der, NULL);
		break;
	case KIND_CSR:
		add_csr(l, der);
		break;
	case KIND_CRL:
		add_crl(l, der);
		break;
	case KIND_PKCS8:
	case KIND_PKCS1:
	case KIND_SEC1:
	case KIND_DSA:
		lift_key(l, der, kind, NULL, false);
		break;
	case KIND_LOCKED:
		locked_key(l, der);
		break;
	case KIND_P7:
		lift_p7(l, der);
		break;
	case KIND_P12:
		lift_p12(l, der);
		break;
	case KIND_CURVE:
		buf_clear(&l->curve);
		buf_put_span(&l->curve, der);
		break;
	case KIND_PUBLIC:
		add_problem(
		    l, LIFT_IGNORED, "a public key or parameters, which are of no use here");
		break;
	case KIND_UNKNOWN:
		add_problem(l, LIFT_DAMAGED,
		    "%zu bytes of DER that are no certificate, key, request, revocation list, "
		    "PKCS#7 or PKCS#12",
		    der.len);
		break;
	}
}

void
lift_der(struct lift *l, struct span der)
{
	AUTO(buf_freep)
	struct buf *plain = buf_new(LIMIT_IMPORT_FILE);
	enum der_kind kind = der_kind(der);
	struct err err;

	/* Containers may be BER; a certificate is taken as it is, since its bytes were signed. */
	if (kind != KIND_UNKNOWN && kind != KIND_P7 && kind != KIND_P12) {
		lift_of_kind(l, der, kind);
		return;
	}
	if (ber_to_der(der, plain, &err) < 0) {
		add_failure(l, &err);
		return;
	}
	lift_of_kind(l, buf_span(plain), der_kind(buf_span(plain)));
}

/* --- texts -------------------------------------------------------------------------------------
 */

static bool
label_is(struct span label, const char *text)
{
	return span_equal(label, span_str(text));
}

static void
lift_body(struct lift *l, struct span label, struct span der, struct span dek_info)
{
	AUTO(secret_freep)
	struct secret *plain = NULL;
	size_t whole = der_whole_len(der);

	if (dek_info.len > 0) {
		if (unlock_traditional(l, dek_info, der, &plain))
			lift_key(l, secret_span(plain), der_kind(secret_span(plain)), NULL, true);
		return;
	}
	if (der.len == 0) {
		add_problem(l, LIFT_DAMAGED, "an empty block");
		return;
	}
	/* What OpenSSL keeps about trust stands behind the certificate, and is not believed. */
	if (label_is(label, "TRUSTED CERTIFICATE") && whole > 0 && whole < der.len)
		der.len = whole;
	if (whole != SIZE_MAX && whole > der.len)
		add_problem(l, LIFT_DAMAGED, "cut short: it has %zu of %zu bytes", der.len, whole);
	else
		lift_der(l, der);
}

static void
lift_block(struct lift *l, const struct pem_block *b, size_t number)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_IMPORT_FILE);
	AUTO(buf_freep)
	struct buf *dek_info = buf_new(LIMIT_TEXT);
	struct err err;

	snprintf(l->place, sizeof(l->place), "%sblock %zu at line %zu (%.*s)", l->within, number,
	    b->line, (int)(b->label.len < LABEL_SHOWN ? b->label.len : LABEL_SHOWN),
	    (const char *)b->label.data);
	if (sniff_foreign_label(l, b->label))
		return;
	if (!b->has_end)
		add_problem(l, LIFT_DAMAGED, "its end line is missing, or is one of another kind");
	else if (text_decode(b->body, der, dek_info, &err) < 0)
		add_failure(l, &err);
	else
		lift_body(l, b->label, buf_span(der), buf_span(dek_info));
}

/* Whether there was any block in it. */
static bool
lift_text(struct lift *l, struct span bytes)
{
	struct text t = {bytes, 0, 1};
	struct pem_block b;
	size_t number = 0;

	buf_clear(&l->curve);
	while (!l->full && text_next_block(&t, &b))
		lift_block(l, &b, ++number);
	l->place[0] = '\0';
	return number > 0;
}

static void
lift_binary(struct lift *l, struct span bytes)
{
	size_t whole = der_whole_len(bytes);

	if (whole != SIZE_MAX && whole > bytes.len)
		add_problem(
		    l, LIFT_DAMAGED, "cut short: it has %zu of %zu bytes", bytes.len, whole);
	else
		lift_der(l, bytes);
}

/* Blanks and line ends behind a DER file, which editors and transfers add. */
static struct span
without_trailing_blanks(struct span bytes, size_t least)
{
	while (bytes.len > least && memchr("\r\n\t \x1a", bytes.data[bytes.len - 1], 5) != NULL)
		bytes.len--;
	return bytes;
}

/* Values in base64 that are PEM, as in the YAML and JSON of Kubernetes secrets. */
static bool
lift_wrapped(struct lift *l, struct span bytes)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_IMPORT_FILE);
	size_t at = 0, number = 0;

	while (!l->full && text_next_wrapped(bytes, &at, text)) {
		snprintf(l->within, sizeof(l->within), "value %zu, ", ++number);
		(void)lift_text(l, buf_span(text));
	}
	l->within[0] = '\0';
	return number > 0;
}

/* No DER from end to end: a text, base64 alone, or DER that was cut or has more behind it. */
static void
lift_text_or_rest(struct lift *l, struct span bytes, size_t whole)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_IMPORT_FILE);

	if (lift_text(l, bytes) || lift_wrapped(l, bytes))
		return;
	if (text_decode_bare(bytes, der, NULL) == 0)
		lift_body(l, SPAN("", 0), buf_span(der), SPAN(NULL, 0));
	else if (whole > 0 && bytes.len > 1 && (bytes.data[1] & 0x80) != 0)
		lift_binary(l, bytes);
}

void
lift_add(struct lift *l, const char *name, struct span bytes)
{
	AUTO(buf_freep)
	struct buf *other = buf_new(LIMIT_IMPORT_FILE);
	size_t whole = der_whole_len(bytes), before = l->count;

	l->file = keep_name(l, name);
	l->place[0] = '\0';
	if (bytes.len > LIMIT_IMPORT_FILE) {
		add_problem(
		    l, LIFT_TOO_MUCH, "%zu bytes; at most %d", bytes.len, LIMIT_IMPORT_FILE);
		return;
	}
	if (sniff_foreign(l, name, bytes))
		return;
	/* A text may begin like DER ("0 s:CN=..."); only what fits to the end is taken for it. */
	if (whole == SIZE_MAX ||
	    (whole > 0 && without_trailing_blanks(bytes, whole).len == whole)) {
		lift_binary(l, whole == SIZE_MAX ? bytes : SPAN(bytes.data, whole));
	} else {
		if (text_from_utf16(bytes, other))
			bytes = buf_span(other);
		lift_text_or_rest(l, bytes, whole);
	}
	if (l->count == before)
		sniff_nothing(l, name, bytes);
}
