#include "server/api/api_priv.h"

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/crypto/sign.h"

#include <string.h>

#define BASE64_OF(bytes) (((bytes) + 2) / 3 * 4)
#define TOKEN_BYTES 16

void
handle_root(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct domain_id domain = *trust_domain(a->p.trust);
	char hex[HASH_HEX_MAX];
	struct api_reply r;

	api_begin(&r);
	json_put_text(&r.w, "domain", a->p.domain_name);
	json_put_text(&r.w, "domain_id", hex_encode(domain.bytes, HASH_LEN, hex));
	api_put_hash(&r.w, "fingerprint", trust_root_fingerprint(a->p.trust));
	json_put_base64(&r.w, "certificate", cert_der(trust_root(a->p.trust)));
	api_send(req, &r);
}

/* ------------------------------------------------------------------------- tokens */

struct token_body {
	char *name;
	int64_t ttl;
};

static const struct json_field token_fields[] = {
    {.name = "name",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct token_body, name),
	.min = 1,
	.max = LIMIT_LABEL},
    {.name = "ttl",
	.kind = JSON_DURATION,
	.offset = offsetof(struct token_body, ttl),
	.min = 1,
	.max = TOKEN_TTL_MOST},
};

static void
on_token(void *arg, int status, const struct secret *text, const struct id *token,
    int64_t expires_at, const struct err *err)
{
	struct api_reply r;
	struct httpd_request *req = answer_begin(arg, status, err, &r);

	if (req == NULL)
		return;
	api_put_id(&r.w, "id", token);
	json_put_time(&r.w, "expires_at", expires_at);
	json_put_span(&r.w, "token", secret_reveal(text));
	api_send(req, &r);
}

void
handle_token_create(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct token_body b = {.ttl = TOKEN_TTL_DEFAULT};
	struct answer *op = answer_new(a, req);
	struct err err;
	int r = api_decode(req, token_fields, ARRAY_LEN(token_fields), &b, &err);

	if (r == 0)
		r = nodes_token_create(
		    a->p.nodes, b.name, b.ttl, api_author(req), on_token, op, &err);
	json_release(token_fields, ARRAY_LEN(token_fields), &b);
	answer_started(op, r, &err);
}

static void
put_token(void *arg, const struct id *token, const char *name, int64_t expires_at, bool used)
{
	struct json_writer *w = arg;

	json_put_object(w, NULL);
	api_put_id(w, "id", token);
	json_put_text(w, "name", name);
	json_put_time(w, "expires_at", expires_at);
	json_put_bool(w, "used", used);
	json_put_end(w);
}

void
handle_tokens(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct api_reply r;

	api_begin(&r);
	json_put_array(&r.w, "tokens");
	nodes_tokens(a->p.nodes, put_token, &r.w);
	json_put_end(&r.w);
	api_send(req, &r);
}

static void
on_revoked(void *arg, int status, size_t count, const struct err *err)
{
	struct api_reply r;
	struct httpd_request *req = answer_begin(arg, status, err, &r);

	if (req == NULL)
		return;
	json_put_uint(&r.w, "revoked", count);
	api_send(req, &r);
}

void
handle_token_revoke(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct err err;

	answer_started(op,
	    nodes_token_revoke(
		a->p.nodes, httpd_param(req, "name"), api_author(req), on_revoked, op, &err),
	    &err);
}

/* ------------------------------------------------------------------------- join */

struct join_body {
	char *token, *secret, *name, *csr, *sealing_key, *sealing_proof, *software;
	struct json_texts addresses;
};

#define TEXT(field, need, least, most)                                                             \
	{                                                                                          \
		.name = #field, .kind = JSON_TEXT, .flags = (need),                                \
		.offset = offsetof(struct join_body, field), .min = (least), .max = (most)         \
	}
static const struct json_field join_fields[] = {
    TEXT(token, JSON_REQUIRED, 2 * ID_LEN, 2 * ID_LEN),
    TEXT(secret, JSON_REQUIRED, 2 * TOKEN_BYTES, 2 * TOKEN_BYTES),
    TEXT(name, JSON_REQUIRED, 1, LIMIT_LABEL),
    TEXT(csr, JSON_REQUIRED, 1, BASE64_OF(LIMIT_CERT)),
    TEXT(sealing_key, JSON_REQUIRED, 1, BASE64_OF(LIMIT_SPKI)),
    TEXT(sealing_proof, JSON_REQUIRED, 1, BASE64_OF(LIMIT_CERT)),
    TEXT(software, 0, 0, 64),
    {.name = "addresses",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct join_body, addresses),
	.min = 0,
	.max = LIMIT_ADDRESSES},
};

/* The body's texts as bytes. */
struct join_bytes {
	struct buf csr, sealing_key, sealing_proof;
	struct secret *secret;
};

static void
join_bytes_fini(struct join_bytes *b)
{
	buf_fini(&b->csr);
	buf_fini(&b->sealing_key);
	buf_fini(&b->sealing_proof);
	secret_free(b->secret);
}

static int
decode_one(const char *what, const char *text, struct buf *out, struct err *err)
{
	int r = base64_decode(span_str(text), out, err);

	return r < 0 ? err_wrap(err, "member '%s'", what) : 0;
}

static int
decode_bytes(const struct join_body *b, struct join_bytes *out, struct err *err)
{
	uint8_t secret[TOKEN_BYTES];
	int r;

	if (hex_decode(b->secret, secret, sizeof(secret), err) < 0)
		return err_set(err, ERR_INVALID, "member 'secret' is not hexadecimal");
	/* It wipes the copy on the stack. */
	r = secret_take(secret, sizeof(secret), &out->secret, err);
	if (r == 0)
		r = decode_one("csr", b->csr, &out->csr, err);
	if (r == 0)
		r = decode_one("sealing_key", b->sealing_key, &out->sealing_key, err);
	if (r == 0)
		r = decode_one("sealing_proof", b->sealing_proof, &out->sealing_proof, err);
	return r;
}

struct join_op {
	struct answer *op;
	char name[LIMIT_LABEL + 1];
	char domain[LIMIT_NAME + 1];
};

static void
on_join(void *arg, int status, const struct join_answer *answer, const struct err *err)
{
	struct join_op *j = arg;
	struct api_reply r;
	struct httpd_request *req = answer_begin(j->op, status, err, &r);

	if (req != NULL) {
		api_put_id(&r.w, "node", &answer->node);
		json_put_text(&r.w, "name", j->name);
		json_put_text(&r.w, "domain", j->domain);
		json_put_base64(&r.w, "certificate", answer->certificate);
		json_put_base64(&r.w, "manager_certificate", answer->manager_certificate);
		api_put_texts(&r.w, "endpoints", answer->endpoints);
		json_put_uint(&r.w, "term", answer->term);
		api_send(req, &r);
	}
	mem_free(j);
}

static int
start_join(struct api *a, const struct join_body *b, struct join_op *j, struct err *err)
{
	struct join_bytes bytes = {.csr = BUF_INIT(LIMIT_CERT),
	    .sealing_key = BUF_INIT(LIMIT_SPKI),
	    .sealing_proof = BUF_INIT(LIMIT_CERT)};
	struct join_request request = {.name = b->name, .addresses = api_texts(&b->addresses)};
	int r = id_parse(b->token, &request.token, err);

	if (r == 0)
		r = decode_bytes(b, &bytes, err);
	if (r == 0)
		r = str_copy(j->name, sizeof(j->name), b->name, err);
	if (r == 0) {
		request.secret = bytes.secret;
		request.csr = buf_span(&bytes.csr);
		request.sealing_key = buf_span(&bytes.sealing_key);
		request.sealing_proof = buf_span(&bytes.sealing_proof);
		request.software = b->software != NULL ? b->software : "";
		r = nodes_join(a->p.nodes, &request, on_join, j, err);
	}
	join_bytes_fini(&bytes);
	return r;
}

void
handle_join(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct join_op *j = mem_zalloc(sizeof(*j));
	struct join_body b = {0};
	struct err err;
	int r = str_copy(j->domain, sizeof(j->domain), a->p.domain_name, &err);

	j->op = answer_new(a, req);
	if (r == 0)
		r = api_decode(req, join_fields, ARRAY_LEN(join_fields), &b, &err);
	if (r == 0)
		r = start_join(a, &b, j, &err);
	json_release(join_fields, ARRAY_LEN(join_fields), &b);
	answer_started(j->op, r, &err);
	if (r < 0)
		mem_free(j);
}
