#include "server/bootstrap/offer.h"

#include "common/base/str.h"
#include "common/json/json.h"
#include "common/model/names.h"
#include "server/bootstrap/bootstrap.h"

#include <string.h>

#define BASE64_MAX (2 * LIMIT_CERT)

struct signed_texts {
	char *body, *signature;
};

static const struct json_field signed_fields[] = {
    {.name = "body",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct signed_texts, body),
	.min = 1,
	.max = BASE64_MAX},
    {.name = "signature",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct signed_texts, signature),
	.min = 1,
	.max = 1024},
};

struct offer_texts {
	char *domain, *domain_id, *name, *root_certificate, *manager_certificate, *recovery_key;
	struct signed_texts root_statement, designation;
	struct json_texts addresses;
};

#define TEXT(field, need, most)                                                                    \
	{                                                                                          \
		.name = #field, .kind = JSON_TEXT, .flags = (need),                                \
		.offset = offsetof(struct offer_texts, field), .min = 1, .max = (most)             \
	}
#define SIGNED(field)                                                                              \
	{                                                                                          \
		.name = #field, .kind = JSON_MEMBERS, .flags = JSON_REQUIRED,                      \
		.offset = offsetof(struct offer_texts, field), .fields = signed_fields,            \
		.field_count = ARRAY_LEN(signed_fields)                                            \
	}
static const struct json_field fields[] = {
    TEXT(domain, JSON_REQUIRED, LIMIT_NAME),
    TEXT(domain_id, JSON_REQUIRED, 2 * HASH_LEN),
    TEXT(name, JSON_REQUIRED, LIMIT_LABEL),
    TEXT(root_certificate, JSON_REQUIRED, BASE64_MAX),
    TEXT(manager_certificate, JSON_REQUIRED, BASE64_MAX),
    TEXT(recovery_key, 0, 4096),
    SIGNED(root_statement),
    SIGNED(designation),
    {.name = "addresses",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct offer_texts, addresses),
	.min = 0,
	.max = LIMIT_ADDRESSES},
};

void
offer_fini(struct offer *o)
{
	cert_unref(o->root);
	cert_unref(o->manager);
	pkey_unref(o->recovery);
	buf_fini(&o->root_statement);
	buf_fini(&o->root_signature);
	buf_fini(&o->designation);
	buf_fini(&o->designation_signature);
	for (size_t i = 0; i < o->address_count; i++)
		mem_free(o->addresses[i]);
	mem_free(o->addresses);
	trust_free(o->trust);
	memset(o, 0, sizeof(*o));
}

static int
take_bytes(const char *what, const char *text, struct buf *out, struct err *err)
{
	int r;

	*out = BUF_INIT(LIMIT_CERT);
	r = base64_decode(span_str(text), out, err);
	return r < 0 ? err_wrap(err, "member '%s'", what) : 0;
}

static int
take_cert(const char *what, const char *text, struct cert **out, struct err *err)
{
	struct buf der = BUF_INIT(0);
	int r = take_bytes(what, text, &der, err);

	if (r == 0)
		r = cert_parse(buf_span(&der), out, err);
	buf_fini(&der);
	return r;
}

static int
take_recovery(const char *text, struct pkey **out, struct err *err)
{
	struct buf der = BUF_INIT(0);
	int r;

	if (text == NULL)
		return 0;
	r = take_bytes("recovery_key", text, &der, err);
	if (r == 0)
		r = pkey_from_spki(buf_span(&der), out, err);
	buf_fini(&der);
	return r;
}

static int
take_texts(const struct offer_texts *t, struct offer *o, struct err *err)
{
	struct hash domain;
	int r;

	if ((r = str_copy(o->domain_name, sizeof(o->domain_name), t->domain, err)) < 0 ||
	    (r = str_copy(o->name, sizeof(o->name), t->name, err)) < 0 ||
	    (r = label_check("node", o->name, err)) < 0 ||
	    (r = hash_parse(t->domain_id, &domain, err)) < 0)
		return r;
	memcpy(o->domain.bytes, domain.bytes, HASH_LEN);
	if ((r = take_cert("root_certificate", t->root_certificate, &o->root, err)) < 0 ||
	    (r = take_cert("manager_certificate", t->manager_certificate, &o->manager, err)) < 0 ||
	    (r = take_recovery(t->recovery_key, &o->recovery, err)) < 0 ||
	    (r = take_bytes("root_statement", t->root_statement.body, &o->root_statement, err)) <
		0 ||
	    (r = take_bytes(
		 "root_statement", t->root_statement.signature, &o->root_signature, err)) < 0 ||
	    (r = take_bytes("designation", t->designation.body, &o->designation, err)) < 0)
		return r;
	o->addresses = mem_array(t->addresses.count + 1, sizeof(*o->addresses));
	for (; o->address_count < t->addresses.count; o->address_count++)
		o->addresses[o->address_count] = mem_strdup(t->addresses.items[o->address_count]);
	return take_bytes("designation", t->designation.signature, &o->designation_signature, err);
}

static int
verify(struct offer *o, const struct pkey *manager, const struct pkey *term, const struct id *node,
    struct err *err)
{
	const struct signed_bytes statement = {
	    buf_span(&o->root_statement), buf_span(&o->root_signature)};
	const struct signed_designation designation = {.body = buf_span(&o->designation),
	    .signature = buf_span(&o->designation_signature),
	    .signer = SIGNER_ROOT_KEY};
	const struct id *designated;
	struct hash fingerprint;
	int r;

	cert_fingerprint(o->root, &fingerprint);
	if ((r = trust_new(cert_der(o->root), &fingerprint, &o->trust, err)) < 0 ||
	    (r = trust_verify_root_statement(o->trust, &statement, err)) < 0 ||
	    (r = trust_add_designation(o->trust, &designation, err)) < 0)
		return r;
	designated = trust_manager(o->trust);
	if (memcmp(trust_domain(o->trust)->bytes, o->domain.bytes, HASH_LEN) != 0)
		return err_set(err, ERR_CRYPTO, "the root certificate is that of another domain");
	if (trust_current_term(o->trust) != BOOTSTRAP_TERM || !id_equal(designated, node) ||
	    !pkey_same_public(trust_term_key(o->trust), term))
		return err_set(err, ERR_CRYPTO, "the designation is not for this server");
	if (!cert_has_key(o->manager, manager))
		return err_set(err, ERR_CRYPTO, "the manager certificate is not for this server");
	return 0;
}

int
offer_read(struct span line, const struct pkey *manager, const struct pkey *term,
    const struct id *node, struct offer *out, struct err *err)
{
	AUTO(json_freep)
	struct json *root = NULL;
	struct offer_texts texts = {0};
	struct offer o = {0};
	int r = json_parse(line, BOOTSTRAP_LINE_MAX, &root, err);

	if (r == 0)
		r = json_decode(root, fields, ARRAY_LEN(fields), &texts, err);
	if (r == 0)
		r = take_texts(&texts, &o, err);
	json_release(fields, ARRAY_LEN(fields), &texts);
	if (r == 0)
		r = verify(&o, manager, term, node, err);
	if (r < 0) {
		offer_fini(&o);
		return err_wrap(err, "offer of the command");
	}
	*out = o;
	return 0;
}
