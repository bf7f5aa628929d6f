/* Certificates from a CA outside: the CSR, and the answer. */

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "server/api/api_priv.h"

static void
put_csr(struct json_writer *w, const struct generation_public *g)
{
	struct buf pem = BUF_INIT(LIMIT_PEM_FILE);

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
	if (c->credential->issuer == ISSUER_MANUAL)
		err_set(&err, ERR_NOTFOUND,
		    "credential '%.120s' has no CSR that waits: 'certherd cert submit' makes one",
		    c->name);
	else
		err_set(&err, ERR_INVALID,
		    "credential '%.120s' needs no CSR: its issuer is in this domain", c->name);
	api_fail(req, &err);
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

struct pasted {
	struct buf ders[FLOW_PASTE_MOST];
	struct span spans[FLOW_PASTE_MOST];
	size_t count;
};

static void
pasted_fini(struct pasted *p)
{
	for (size_t i = 0; i < p->count; i++)
		buf_fini(&p->ders[i]);
}

/* Base64 of DER each; what is in it is for the flow to judge. */
static int
decode_certificates(const struct json_texts *texts, struct pasted *out, struct err *err)
{
	out->count = 0;
	for (size_t i = 0; i < texts->count; i++) {
		struct buf *der = &out->ders[i];
		int r;

		*der = BUF_INIT(LIMIT_CERT);
		out->count++;
		r = base64_decode(span_str(texts->items[i]), der, err);
		if (r < 0)
			return err_wrap(err, "certificate %zu", i + 1);
		out->spans[i] = buf_span(der);
	}
	return 0;
}

void
handle_cert_paste(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct pasted *pasted = mem_zalloc(sizeof(*pasted));
	struct paste_body b = {{NULL, 0}};
	struct err err;
	int r = api_decode(req, paste_fields, ARRAY_LEN(paste_fields), &b, &err);

	if (r == 0)
		r = decode_certificates(&b.certificates, pasted, &err);
	if (r == 0)
		r = flow_credential_paste(a->p.flow, httpd_param(req, "name"),
		    (struct spans){pasted->spans, pasted->count}, api_author(req), answer_on_flow,
		    op, &err);
	json_release(paste_fields, ARRAY_LEN(paste_fields), &b);
	pasted_fini(pasted);
	mem_free(pasted);
	answer_started(op, r, &err);
}
