/* How credentials are: in lists and alone, looks from outside, and the summary of the domain. */

#include "common/tls/check.h"
#include "server/api/api_priv.h"
#include "server/health/health.h"

static void
put_reasons(struct json_writer *w, const struct health_report *r)
{
	json_put_text(w, "grade", health_grade_name(r->grade));
	json_put_array(w, "reasons");
	for (size_t i = 0; i < r->count; i++) {
		json_put_object(w, NULL);
		json_put_text(w, "code", r->reasons[i].code);
		json_put_text(w, "grade", health_grade_name(r->reasons[i].grade));
		json_put_text(w, "text", r->reasons[i].text);
		json_put_end(w);
	}
	json_put_end(w);
}

void
api_put_health(const struct api *a, struct json_writer *w, const struct index_record *credential)
{
	struct health_report report;

	health_of(a->p.health, credential, &report);
	json_put_object(w, "health");
	put_reasons(w, &report);
	json_put_end(w);
}

void
api_put_ca_health(const struct api *a, struct json_writer *w, const struct index_record *ca)
{
	struct health_report report;

	health_of_ca(a->p.health, ca, &report);
	json_put_object(w, "health");
	put_reasons(w, &report);
	json_put_end(w);
}

struct troubles {
	const struct api *api;
	struct json_writer *w;
};

static bool
on_ca(void *arg, const struct index_record *ca)
{
	struct troubles *t = arg;
	struct health_report report;

	health_of_ca(t->api->p.health, ca, &report);
	if (health_worst(&report) != NULL)
		json_put_textf(
		    t->w, NULL, "the Micro CA '%s': %s", ca->name, health_worst(&report)->text);
	return true;
}

void
api_put_ca_troubles(const struct api *a, struct json_writer *w)
{
	struct troubles t = {a, w};

	index_each(a->p.index, KIND_CA, on_ca, &t);
}

/* ------------------------------------------------------------------------- looks */

static void
put_result(struct json_writer *w, const char *address, const struct check_result *r)
{
	json_put_object(w, NULL);
	json_put_text(w, "address", address);
	if (r == NULL) {
		json_put_null(w, "at");
		json_put_end(w);
		return;
	}
	json_put_time(w, "at", r->at);
	json_put_text(w, "grade", health_grade_name(check_result_grade(r)));
	json_put_array(w, "findings");
	for (enum check_finding f = 0; f < FOUND__COUNT; f++)
		if ((r->findings & 1U << f) != 0)
			json_put_text(w, NULL, check_finding_name(f));
	json_put_end(w);
	json_put_text(w, "text", r->text);
	if (r->has_certificate) {
		api_put_hash(w, "fingerprint", &r->fingerprint);
		json_put_time(w, "not_after", r->not_after);
	}
	if (r->generation > 0)
		json_put_uint(w, "generation", r->generation);
	json_put_end(w);
}

void
api_put_checks(const struct api *a, struct json_writer *w, const struct index_record *credential)
{
	struct texts checks = credential->credential->checks;

	json_put_array(w, "checks");
	for (size_t i = 0; i < checks.count; i++)
		put_result(w, checks.items[i],
		    health_found(a->p.health, &credential->id, checks.items[i]));
	json_put_end(w);
}

static void
on_checked(
    void *arg, int status, const struct health_checked *list, size_t count, const struct err *err)
{
	struct api_reply r;
	struct httpd_request *req = answer_begin(arg, status, err, &r);
	bool all_well = true;

	if (req == NULL)
		return;
	json_put_array(&r.w, "results");
	for (size_t i = 0; i < count; i++) {
		put_result(&r.w, list[i].address, &list[i].result);
		all_well = all_well && list[i].result.findings == 0;
	}
	json_put_end(&r.w);
	json_put_bool(&r.w, "good", all_well);
	api_send(req, &r);
}

struct check_body {
	struct json_texts addresses;
};

static const struct json_field check_fields[] = {
    {.name = "addresses",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct check_body, addresses),
	.max = LIMIT_CHECKS},
};

void
handle_cert_check(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *c = api_find_cert(a, req);
	struct answer *op;
	struct check_body b = {0};
	struct err err;
	int r;

	if (c == NULL)
		return;
	op = answer_new(a, req);
	r = api_decode(req, check_fields, ARRAY_LEN(check_fields), &b, &err);
	if (r == 0)
		r = health_check(a->p.health, c, api_texts(&b.addresses), on_checked, op, &err);
	json_release(check_fields, ARRAY_LEN(check_fields), &b);
	answer_started(op, r, &err);
}

/* ------------------------------------------------------------------------- addresses */

/* Texts of addresses in normal form. */
struct normal {
	char texts[LIMIT_CHECKS][LIMIT_CHECK_TARGET + 1];
	const char *items[LIMIT_CHECKS];
};

static int
normalise(const struct json_texts *in, struct normal *out, struct texts *list, struct err *err)
{
	for (size_t i = 0; i < in->count; i++) {
		struct check_target target;
		int r = check_target_parse(in->items[i], &target, err);

		if (r < 0)
			return r;
		out->items[i] = check_target_text(&target, out->texts[i]);
	}
	*list = (struct texts){out->items, in->count};
	return 0;
}

struct checks_body {
	struct json_texts add, remove;
};

static const struct json_field checks_fields[] = {
    {.name = "add",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct checks_body, add),
	.max = LIMIT_CHECKS},
    {.name = "remove",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct checks_body, remove),
	.max = LIMIT_CHECKS},
};

void
handle_cert_checks(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct checks_body b = {0};
	struct checks_change change = {.name = httpd_param(req, "name"), .author = api_author(req)};
	struct normal *add = mem_zalloc(sizeof(*add)), *remove = mem_zalloc(sizeof(*remove));
	struct err err;
	int r = api_decode(req, checks_fields, ARRAY_LEN(checks_fields), &b, &err);

	if (r == 0)
		r = normalise(&b.add, add, &change.add, &err);
	if (r == 0)
		r = normalise(&b.remove, remove, &change.remove, &err);
	if (r == 0 && change.add.count + change.remove.count == 0)
		r = err_set(&err, ERR_INVALID, "neither 'add' nor 'remove' names an address");
	if (r == 0)
		r = flow_credential_checks(a->p.flow, &change, answer_on_flow, op, &err);
	json_release(checks_fields, ARRAY_LEN(checks_fields), &b);
	mem_free(add);
	mem_free(remove);
	answer_started(op, r, &err);
}

/* ------------------------------------------------------------------------- the domain */

void
api_put_domain_health(const struct api *a, struct json_writer *w)
{
	const struct index_record *worst[HEALTH_WORST];
	struct health_summary sum;
	size_t count = health_worst_ones(a->p.health, worst);

	health_summary(a->p.health, &sum);
	json_put_object(w, "health");
	for (enum health_grade g = 0; g < HEALTH_GRADE__COUNT; g++)
		json_put_uint(w, health_grade_name(g), sum.grades[g]);
	json_put_uint(w, "unseen", sum.unseen);
	json_put_uint(w, "chains_unseen", sum.chains_unseen);
	json_put_uint(w, "addresses", sum.addresses);
	json_put_uint(w, "addresses_unseen", sum.addresses_unseen);
	json_put_uint(w, "addresses_bad", sum.addresses_bad);
	json_put_array(w, "worst");
	for (size_t i = 0; i < count; i++) {
		struct health_report report;

		health_of(a->p.health, worst[i], &report);
		json_put_object(w, NULL);
		json_put_text(w, "cert", worst[i]->name);
		put_reasons(w, &report);
		json_put_end(w);
	}
	json_put_end(w);
	json_put_end(w);
}

static void
put_because(struct json_writer *w, enum runway_kind kind, const char *name)
{
	switch (kind) {
	case RUNWAY_CERTIFICATE:
		json_put_textf(w, "because", "credential '%s' runs out then", name);
		return;
	case RUNWAY_CA:
		json_put_textf(w, "because", "the Micro CA '%s' runs out then", name);
		return;
	case RUNWAY_CRL:
		json_put_textf(w, "because", "the revocation list of '%s' runs out then", name);
		return;
	case RUNWAY_IDENTITY:
		json_put_textf(w, "because", "the identity of node '%s' runs out then", name);
		return;
	case RUNWAY_MANAGER:
		json_put_textf(w, "because", "the certificate of manager '%s' runs out then", name);
		return;
	case RUNWAY__COUNT:
		return;
	}
}

/* The earliest of all kinds. */
static void
put_first(struct json_writer *w, const struct runway_end list[static RUNWAY__COUNT])
{
	enum runway_kind first = RUNWAY__COUNT;

	for (enum runway_kind k = 0; k < RUNWAY__COUNT; k++)
		if (list[k].until != 0 &&
		    (first == RUNWAY__COUNT || list[k].until < list[first].until))
			first = k;
	json_put_time(w, "until", first < RUNWAY__COUNT ? list[first].until : 0);
	if (first < RUNWAY__COUNT)
		put_because(w, first, list[first].name);
}

static void
put_ends(struct json_writer *w, const struct runway_end list[static RUNWAY__COUNT])
{
	json_put_array(w, "ends");
	for (enum runway_kind k = 0; k < RUNWAY__COUNT; k++) {
		if (list[k].until == 0)
			continue;
		json_put_object(w, NULL);
		json_put_text(w, "kind", runway_kind_name(k));
		json_put_text(w, "name", list[k].name);
		json_put_time(w, "until", list[k].until);
		json_put_end(w);
	}
	json_put_end(w);
}

void
api_put_runway(const struct api *a, struct json_writer *w)
{
	struct runway runway;

	health_runway(a->p.health, &runway);
	json_put_object(w, "runway");
	put_first(w, runway.first);
	put_ends(w, runway.first);
	json_put_object(w, "with_manager");
	put_first(w, runway.manual);
	put_ends(w, runway.manual);
	json_put_end(w);
	json_put_end(w);
}
