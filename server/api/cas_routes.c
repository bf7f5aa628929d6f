#include "server/api/api_priv.h"

#include "common/base/runtime.h"
#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/model/pki.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "server/index/index_ca.h"

#include <string.h>

static const char *
state_of(const struct index_record *r)
{
	if (r->ca->has_successor)
		return "superseded";
	return r->ca->enabled ? "enabled" : "disabled";
}

/* The name of another CA record that this one points to. */
static void
put_other(const struct api *a, struct json_writer *w, const char *member, bool has, struct id id)
{
	const struct index_record *other = has ? index_of_kind(a->p.index, KIND_CA, &id) : NULL;

	if (other != NULL)
		json_put_text(w, member, other->name);
}

static void
put_list_facts(const struct api *a, struct json_writer *w, const struct index_record *ca)
{
	const struct index_record *crl = index_crl_of(a->p.index, ca);
	char url[CA_URL_MAX];

	if (ca->ca->address != NULL && ca->ca->address[0] != '\0') {
		json_put_text(w, "address", ca->ca->address);
		json_put_text(w, "crl_url", ca_crl_url(ca->ca->address, &ca->id, url));
		json_put_text(
		    w, "certificate_url", ca_certificate_url(ca->ca->address, &ca->id, url));
	}
	if (crl == NULL)
		return;
	json_put_object(w, "crl");
	json_put_uint(w, "number", crl->crl->number);
	json_put_time(w, "this_update", crl->crl->this_update);
	json_put_time(w, "next_update", crl->crl->next_update);
	json_put_uint(w, "entries", crl->crl->list.count);
	json_put_uint(w, "unlisted", index_unlisted(a->p.index, ca, runtime_wall_s(a->rt)));
	json_put_end(w);
}

static void
put_ca(const struct api *a, struct json_writer *w, const struct index_record *r)
{
	AUTO(cert_unrefp)
	struct cert *cert = NULL;
	const struct index_record *chosen = index_default_ca(a->p.index);
	struct hash fingerprint;
	int64_t due;

	api_put_id(w, "id", &r->id);
	json_put_text(w, "name", r->name);
	json_put_text(w, "key_type", r->ca->key_type);
	json_put_text(w, "state", state_of(r));
	json_put_bool(w, "default", chosen != NULL && id_equal(&chosen->id, &r->id));
	json_put_time(w, "not_after", r->ca->not_after);
	due = index_ca_due_at(a->p.index, r);
	if (due > 0)
		json_put_time(w, "renewal", due);
	put_other(a, w, "parent", r->ca->has_parent, r->ca->parent);
	put_other(a, w, "successor", r->ca->has_successor, r->ca->successor);
	put_list_facts(a, w, r);
	if (r->ca->chain.count > 0 && cert_parse(r->ca->chain.items[0], &cert, NULL) == 0) {
		cert_fingerprint(cert, &fingerprint);
		api_put_hash(w, "fingerprint", &fingerprint);
	}
	api_put_ca_health(a, w, r);
}

struct list {
	const struct api *api;
	struct api_reply *r;
};

static bool
put_one(void *arg, const struct index_record *r)
{
	struct list *l = arg;

	json_put_object(&l->r->w, NULL);
	put_ca(l->api, &l->r->w, r);
	json_put_end(&l->r->w);
	return l->r->body.len < API_PAGE_BYTES;
}

void
handle_cas(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct api_reply r;
	struct list list = {a, &r};

	api_begin(&r);
	json_put_array(&r.w, "cas");
	index_each(a->p.index, KIND_CA, put_one, &list);
	json_put_end(&r.w);
	api_send(req, &r);
}

/* NULL: it has been answered with not-found. */
static const struct index_record *
find_ca(const struct api *a, struct httpd_request *req)
{
	const char *name = httpd_param(req, "name");
	const struct index_record *ca = index_named(a->p.index, KIND_CA, name);
	struct err err;

	if (ca == NULL) {
		err_set(&err, ERR_NOTFOUND, "there is no Micro CA '%.100s'", name);
		api_fail(req, &err);
	}
	return ca;
}

void
handle_ca(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *ca = find_ca(a, req);
	struct buf pem = BUF_INIT(LIMIT_PEM_FILE);
	struct api_reply r;

	if (ca == NULL)
		return;
	for (size_t i = 0; i < ca->ca->chain.count; i++)
		cert_put_pem(ca->ca->chain.items[i], &pem);
	api_begin(&r);
	put_ca(a, &r.w, ca);
	json_put_span(&r.w, "certificate", buf_span(&pem));
	api_send(req, &r);
	buf_fini(&pem);
}

/* --- the list --- */

static void
put_entries(struct json_writer *w, const struct index_crl *crl)
{
	char hex[2 * LIMIT_SERIAL + 1];

	json_put_array(w, "revoked");
	for (size_t i = 0; i < crl->list.count; i++) {
		const struct crl_entry *e = &crl->list.entries[i];

		json_put_object(w, NULL);
		json_put_text(w, "serial", hex_encode(e->serial.bytes, e->serial.len, hex));
		json_put_time(w, "revoked_at", e->revoked_at);
		json_put_text(w, "reason", revocation_reason_name(e->reason));
		json_put_end(w);
	}
	json_put_end(w);
}

/* The list itself is in the record as it was signed. */
static int
put_pem(struct json_writer *w, const struct index_record *crl, struct err *err)
{
	struct record *record = mem_zalloc(sizeof(*record));
	struct buf pem = BUF_INIT(2 * LIMIT_CRL);
	struct crl_public p = {0};
	int rc = wire_record_decode(crl->signed_record.body, record, err);

	if (rc == 0)
		rc = wire_crl_public_decode(record->public_part, &p, err);
	if (rc == 0) {
		crl_put_pem(p.der, &pem);
		json_put_span(w, "pem", buf_span(&pem));
	}
	crl_public_fini(&p);
	buf_fini(&pem);
	mem_free(record);
	return rc;
}

void
handle_ca_crl(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *ca = find_ca(a, req), *crl;
	struct api_reply r;
	struct err err;
	int rc = 0;

	if (ca == NULL)
		return;
	crl = index_crl_of(a->p.index, ca);
	if (crl == NULL) {
		err_set(&err, ERR_NOTFOUND,
		    "CA '%.64s' has no revocation list: it has revoked nothing, and no address",
		    ca->name);
		api_fail(req, &err);
		return;
	}
	api_begin(&r);
	json_put_text(&r.w, "ca", ca->name);
	json_put_uint(&r.w, "number", crl->crl->number);
	json_put_time(&r.w, "this_update", crl->crl->this_update);
	json_put_time(&r.w, "next_update", crl->crl->next_update);
	put_entries(&r.w, crl->crl);
	rc = put_pem(&r.w, crl, &err);
	if (rc == 0) {
		api_send(req, &r);
		return;
	}
	buf_fini(&r.body);
	api_fail(req, &err);
}

/* --- changes --- */

struct ca_body {
	char *name, *key_type, *parent, *address;
	int64_t lifetime;
	bool is_default;
};

static const struct json_field ca_fields[] = {
    {.name = "name",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct ca_body, name),
	.min = 1,
	.max = 64},
    {.name = "key_type",
	.kind = JSON_TEXT,
	.offset = offsetof(struct ca_body, key_type),
	.min = 1,
	.max = 32},
    {.name = "lifetime",
	.kind = JSON_DURATION,
	.offset = offsetof(struct ca_body, lifetime),
	.min = 86400,
	.max = 30 * 365 * INT64_C(86400)},
    {.name = "parent",
	.kind = JSON_TEXT,
	.offset = offsetof(struct ca_body, parent),
	.min = 1,
	.max = LIMIT_NAME},
    {.name = "address",
	.kind = JSON_TEXT,
	.offset = offsetof(struct ca_body, address),
	.max = LIMIT_CA_ADDRESS},
    {.name = "default", .kind = JSON_BOOL, .offset = offsetof(struct ca_body, is_default)},
};

void
handle_ca_create(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct ca_body b = {0};
	struct err err;
	int r = api_decode(req, ca_fields, ARRAY_LEN(ca_fields), &b, &err);

	if (r == 0) {
		struct ca_spec spec = {.name = b.name,
		    .key_type = b.key_type,
		    .lifetime = b.lifetime,
		    .is_default = b.is_default,
		    .parent = b.parent,
		    .address = b.address,
		    .author = api_author(req)};

		r = flow_ca_create(a->p.flow, &spec, answer_on_flow, op, &err);
	}
	json_release(ca_fields, ARRAY_LEN(ca_fields), &b);
	answer_started(op, r, &err);
}

struct change_body {
	char *address;
	int state; /* of wanted_states; -1: as it is */
	bool make_default;
};

static const char *const wanted_states[] = {"enabled", "disabled", NULL};

static const struct json_field change_fields[] = {
    {.name = "address",
	.kind = JSON_TEXT,
	.offset = offsetof(struct change_body, address),
	.max = LIMIT_CA_ADDRESS},
    {.name = "state",
	.kind = JSON_CHOICE,
	.offset = offsetof(struct change_body, state),
	.choices = wanted_states},
    {.name = "default", .kind = JSON_BOOL, .offset = offsetof(struct change_body, make_default)},
};

void
handle_ca_change(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct change_body b = {.state = -1};
	struct err err;
	int r = api_decode(req, change_fields, ARRAY_LEN(change_fields), &b, &err);

	if (r == 0) {
		const struct ca_change change = {.name = httpd_param(req, "name"),
		    .address = b.address,
		    .has_enabled = b.state >= 0,
		    .enabled = b.state == 0,
		    .make_default = b.make_default,
		    .author = api_author(req)};

		r = flow_ca_change(a->p.flow, &change, answer_on_flow, op, &err);
	}
	json_release(change_fields, ARRAY_LEN(change_fields), &b);
	answer_started(op, r, &err);
}

struct renew_body {
	bool new_key;
	int64_t lifetime;
};

static const struct json_field renew_fields[] = {
    {.name = "new_key", .kind = JSON_BOOL, .offset = offsetof(struct renew_body, new_key)},
    {.name = "lifetime",
	.kind = JSON_DURATION,
	.offset = offsetof(struct renew_body, lifetime),
	.min = 86400,
	.max = 30 * 365 * INT64_C(86400)},
};

void
handle_ca_renew(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct renew_body b = {0};
	struct err err;
	int r = api_decode(req, renew_fields, ARRAY_LEN(renew_fields), &b, &err);

	if (r == 0)
		r = flow_ca_renew(a->p.flow, httpd_param(req, "name"), b.new_key, b.lifetime,
		    api_author(req), answer_on_flow, op, &err);
	json_release(renew_fields, ARRAY_LEN(renew_fields), &b);
	answer_started(op, r, &err);
}

/* --- a certificate that one of them has issued --- */

struct revoke_body {
	int64_t generation;
	char *reason;
};

static const struct json_field revoke_fields[] = {
    {.name = "generation",
	.kind = JSON_INT,
	.offset = offsetof(struct revoke_body, generation),
	.min = 1,
	.max = INT64_MAX},
    {.name = "reason",
	.kind = JSON_TEXT,
	.offset = offsetof(struct revoke_body, reason),
	.max = LIMIT_LABEL},
};

void
handle_cert_revoke(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct revoke_body b = {0};
	struct err err;
	int r = api_decode(req, revoke_fields, ARRAY_LEN(revoke_fields), &b, &err);

	if (r == 0)
		r = flow_credential_revoke(a->p.flow, httpd_param(req, "name"),
		    (uint64_t)b.generation, b.reason, api_author(req), answer_on_flow, op, &err);
	json_release(revoke_fields, ARRAY_LEN(revoke_fields), &b);
	answer_started(op, r, &err);
}
