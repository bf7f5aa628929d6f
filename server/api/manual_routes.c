/* Certificates from a CA outside: the CSR, and the answer. */

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "server/api/api_priv.h"

static void
put_csr(const struct api *a, struct json_writer *w, const struct generation_public *g)
{
	struct buf pem = BUF_INIT(LIMIT_PEM_FILE);

	(void)a;
	json_put_uint(w, "generation", g->number);
	csr_put_pem(g->csr, &pem);
	json_put_span(w, "csr", buf_span(&pem));
	buf_fini(&pem);
}

void
handle_cert_csr(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *c = api_find_cert(a, req);
	struct err err;

	if (c == NULL)
		return;
	if (c->credential->has_pending) {
		api_fetch_generation(a, req, &c->credential->pending, put_csr);
		return;
	}
	if (c->credential->issuer == ISSUER_IMPORTED)
		err_set(&err, ERR_INVALID,
		    "credential '%.120s' was imported: its CSR is made where its key was made; "
		    "'certherd cert change' gives it another issuer",
		    c->name);
	else if (c->credential->issuer == ISSUER_MANUAL)
		err_set(&err, ERR_NOTFOUND,
		    "credential '%.120s' has no CSR that waits: 'certherd cert submit' makes one",
		    c->name);
	else
		err_set(&err, ERR_INVALID,
		    "credential '%.120s' needs no CSR: its issuer is in this domain", c->name);
	api_fail(req, &err);
}

void
handle_cert_submitted(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct err err;

	answer_started(op,
	    flow_credential_submitted(
		a->p.flow, httpd_param(req, "name"), api_author(req), answer_on_flow, op, &err),
	    &err);
}

struct paste_body {
	struct json_texts certificates;
};

static const struct json_field paste_fields[] = {
    {.name = "certificates",
	.kind = JSON_TEXTS,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct paste_body, certificates),
	.min = 1,
	.max = FLOW_PASTE_MOST},
};

void
handle_cert_paste(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct api_ders pasted = {NULL, NULL, 0};
	struct paste_body b = {{NULL, 0}};
	struct err err;
	int r = api_decode(req, paste_fields, ARRAY_LEN(paste_fields), &b, &err);

	if (r == 0)
		r = api_decode_ders(&b.certificates, &pasted, &err);
	if (r == 0)
		r = flow_credential_paste(a->p.flow, httpd_param(req, "name"),
		    (struct spans){pasted.items, pasted.count}, api_author(req), answer_on_flow, op,
		    &err);
	json_release(paste_fields, ARRAY_LEN(paste_fields), &b);
	api_ders_fini(&pasted);
	answer_started(op, r, &err);
}
