#include "common/join/answer.h"

#include "common/base/str.h"
#include "common/json/json.h"
#include "common/model/names.h"

#include <string.h>

#define ANSWER_MAX (256 * 1024)
#define CERT_TEXT_MAX (LIMIT_CERT * 4 / 3 + 4)

int
join_answer_error(int status, struct span body, const char *server, struct err *err)
{
	AUTO(json_freep)
	struct json *root = NULL;
	struct buf text = BUF_INIT(ERR_TEXT_MAX);
	const struct json *error;
	int code = 0;

	if (json_parse(body, ANSWER_MAX, &root, NULL) == 0) {
		error = json_member(root, "error");
		code = err_code_by_name(json_text(error, "code"));
		/* Said by somebody else, and shown on a terminal. */
		str_put_printable(&text, span_str(json_text(error, "text")), 150);
	}
	if (code == 0)
		code = status >= 500 ? ERR_UNAVAIL : ERR_PROTO;
	err_set(err, (enum err_code)code, "server '%s': %s", server,
	    text.len > 0 ? buf_str(&text) : "answers with an error that it does not explain");
	buf_fini(&text);
	return code;
}

static int
decode_cert(const char *base64, struct cert **out, struct err *err)
{
	struct buf der = BUF_INIT(LIMIT_CERT);
	int r = base64_decode(span_str(base64), &der, err);

	if (r == 0)
		r = cert_parse(buf_span(&der), out, err);
	buf_fini(&der);
	return r;
}

struct root_fields {
	char *domain, *domain_id, *fingerprint, *certificate;
};

#define ROOT_FIELD(field, most)                                                                    \
	{                                                                                          \
		.name = #field, .kind = JSON_TEXT, .flags = JSON_REQUIRED,                         \
		.offset = offsetof(struct root_fields, field), .min = 1, .max = (most)             \
	}
static const struct json_field root_fields[] = {
    ROOT_FIELD(domain, LIMIT_NAME),
    ROOT_FIELD(domain_id, 2 * HASH_LEN),
    ROOT_FIELD(fingerprint, 2 * HASH_LEN),
    ROOT_FIELD(certificate, CERT_TEXT_MAX),
};

int
join_answer_root(
    struct span body, const struct hash *fingerprint, struct cert **out, struct err *err)
{
	AUTO(json_freep)
	struct json *root = NULL;
	AUTO(cert_unrefp)
	struct cert *cert = NULL;
	struct root_fields f = {0};
	struct hash found;
	int r = json_parse(body, ANSWER_MAX, &root, err);

	if (r == 0)
		r = json_decode(root, root_fields, ARRAY_LEN(root_fields), &f, err);
	if (r == 0)
		r = decode_cert(f.certificate, &cert, err);
	json_release(root_fields, ARRAY_LEN(root_fields), &f);
	if (r < 0)
		return err_wrap(err, "root certificate");
	cert_fingerprint(cert, &found);
	if (!hash_equal(&found, fingerprint))
		return err_set(err, ERR_CRYPTO,
		    "its root certificate is not the one that the token names; either it is a "
		    "server "
		    "of another domain, or somebody stands in between");
	*out = MOVE(cert);
	return 0;
}

struct identity_fields {
	char *node, *name, *domain, *certificate, *manager_certificate;
	struct json_texts endpoints;
	int64_t term;
};

#define TEXT_FIELD(field, most)                                                                    \
	{                                                                                          \
		.name = #field, .kind = JSON_TEXT, .flags = JSON_REQUIRED,                         \
		.offset = offsetof(struct identity_fields, field), .min = 1, .max = (most)         \
	}
static const struct json_field identity_fields[] = {
    TEXT_FIELD(node, 2 * ID_LEN),
    TEXT_FIELD(name, LIMIT_NAME),
    TEXT_FIELD(domain, LIMIT_NAME),
    TEXT_FIELD(certificate, CERT_TEXT_MAX),
    TEXT_FIELD(manager_certificate, CERT_TEXT_MAX),
    {.name = "endpoints",
	.kind = JSON_TEXTS,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct identity_fields, endpoints),
	.min = 1,
	.max = MEMBER_ENDPOINTS_MAX},
    {.name = "term",
	.kind = JSON_INT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct identity_fields, term),
	.min = 1,
	.max = INT64_MAX},
};

/* That the certificate is what it should be: ours, of this node, of this domain. */
static int
verify(const struct member *m, const struct join_expected *expected, struct err *err)
{
	const struct cert *manager = m->chain[1];
	struct domain_id domain;
	struct id node;
	int r = cert_verify_identity(
	    m->chain[0], &manager, 1, expected->root, expected->now, false, err);

	if (r < 0)
		return r;
	r = cert_identity(m->chain[0], &domain, &node, err);
	if (r < 0)
		return r;
	if (memcmp(domain.bytes, expected->domain->bytes, HASH_LEN) != 0 ||
	    !id_equal(&node, &m->node) || !cert_has_key(m->chain[0], expected->identity_key))
		return err_set(
		    err, ERR_CRYPTO, "the certificate is not for this node's key in this domain");
	return 0;
}

static int
take_identity(const struct identity_fields *f, const struct join_expected *expected,
    struct member *m, struct err *err)
{
	int r;

	if ((r = id_parse(f->node, &m->node, err)) < 0 ||
	    (r = str_copy(m->name, sizeof(m->name), f->name, err)) < 0 ||
	    (r = label_check("node", m->name, err)) < 0 ||
	    (r = str_copy(m->domain_name, sizeof(m->domain_name), f->domain, err)) < 0)
		return r;
	for (size_t i = 0; i < f->endpoints.count; i++) {
		r = str_copy(m->endpoints[i], sizeof(m->endpoints[i]), f->endpoints.items[i], err);
		if (r < 0)
			return err_wrap(err, "endpoint");
		m->endpoint_count++;
	}
	m->high_term = (uint64_t)f->term;
	m->domain = *expected->domain;
	m->root = cert_ref(expected->root);
	cert_fingerprint(m->root, &m->root_fingerprint);
	if ((r = decode_cert(f->certificate, &m->chain[0], err)) < 0)
		return r;
	m->chain_count = 1;
	if ((r = decode_cert(f->manager_certificate, &m->chain[1], err)) < 0)
		return r;
	m->chain_count = 2;
	return verify(m, expected, err);
}

int
join_answer_identity(
    struct span body, const struct join_expected *expected, struct member *out, struct err *err)
{
	AUTO(json_freep)
	struct json *root = NULL;
	struct identity_fields f = {0};
	struct member m = {0};
	int r = json_parse(body, ANSWER_MAX, &root, err);

	if (r == 0)
		r = json_decode(root, identity_fields, ARRAY_LEN(identity_fields), &f, err);
	if (r == 0)
		r = take_identity(&f, expected, &m, err);
	json_release(identity_fields, ARRAY_LEN(identity_fields), &f);
	if (r < 0) {
		member_fini(&m);
		return err_wrap(err, "answer to the join");
	}
	*out = m;
	return 0;
}
