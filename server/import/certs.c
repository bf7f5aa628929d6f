/* Certificates without keys: what a CA has answered, and roots. */

#include "server/import/report.h"

#include <stdio.h>

#define SUBJECT_MAX 512

static const char *const why_no_key[] = {
    [IMPORT_KEYS] = "",
    [IMPORT_ANSWER] = "the key of this credential was made here",
    [IMPORT_CERTS] = "keys have no place here",
};
_Static_assert(ARRAY_LEN(why_no_key) == IMPORT_WISH__COUNT, "every wish has an entry");

/* Whether somebody who is kept names it as issuer. */
static bool
is_wanted(const struct lift *l, const bool *kept, const struct cert *issuer)
{
	for (size_t i = 0; i < lift_count(l); i++)
		if (kept[i] && lift_at(l, i)->cert != issuer &&
		    cert_names_issuer(lift_at(l, i)->cert, issuer))
			return true;
	return false;
}

/* Leaves, and in rounds whatever they and their issuers name. */
static void
choose(const struct lift *l, bool all, bool *kept)
{
	bool few = all || lift_count_of(l, LIFT_CERT) <= IMPORT_CERTS_MANY, more = !few;

	for (size_t i = 0; i < lift_count(l); i++) {
		const struct lift_item *item = lift_at(l, i);

		kept[i] = item->kind == LIFT_CERT && (few || !cert_is_ca(item->cert));
	}
	for (unsigned round = 0; more && round < LIMIT_CHAIN; round++) {
		more = false;
		for (size_t i = 0; i < lift_count(l); i++) {
			const struct lift_item *item = lift_at(l, i);

			if (item->kind != LIFT_CERT || kept[i] || !is_wanted(l, kept, item->cert))
				continue;
			kept[i] = true;
			more = true;
		}
	}
}

static int
send_cert(struct report *r, const struct lift_item *item)
{
	struct buf subject = BUF_INIT(SUBJECT_MAX);
	struct span der = cert_der(item->cert);
	int rc;

	cert_put_subject(item->cert, &subject);
	rc = report_unit(r,
	    &(struct import_unit){.file = item->file,
		.place = item->place,
		.label = item->label != NULL ? item->label : "",
		.key_type = "",
		.names = buf_str(&subject),
		.not_after = cert_not_after(item->cert),
		.certs = &der,
		.cert_count = 1});
	buf_fini(&subject);
	return rc;
}

static int
send_item(struct report *r, const struct lift_item *item, bool kept)
{
	switch (item->kind) {
	case LIFT_CERT:
		return kept ? send_cert(r, item) : 0;
	case LIFT_KEY:
		return report_say(
		    r, FRAME_REMARK, 0, item, "left out: a private key; %s", why_no_key[r->wish]);
	case LIFT_CSR:
	case LIFT_CRL:
		return report_left_out(r, item);
	case LIFT_PROBLEM:
		return report_problem(r, item, lift_why_code(item->why));
	case LIFT_KIND__COUNT:
		break;
	}
	return 0;
}

/* That there is nothing has a reason; what was left out of many is counted. */
static int
send_sum(struct report *r)
{
	size_t found = lift_count_of(r->lift, LIFT_CERT);
	char text[128];

	if (r->units == found && found > 0)
		return 0;
	if (found == 0)
		snprintf(text, sizeof(text), "%s",
		    lift_count_of(r->lift, LIFT_CSR) > 0
			? "there is no certificate in it, only a request for one: the CA makes "
			  "the certificate of it"
			: "there is no certificate in it");
	else if (r->units == 0)
		snprintf(text, sizeof(text),
		    "there are %zu certificates, and all of them are of authorities (CA)", found);
	else
		snprintf(text, sizeof(text),
		    "left out: %zu certificates that have issued none of the others",
		    found - r->units);
	if (r->units > 0)
		return report_remark(r, text);
	return r->refusals > 0 ? 0 : report_refuse(r, ERR_NOTFOUND, text);
}

int
report_certs(struct report *r)
{
	bool *kept = mem_array(lift_count(r->lift) + 1, sizeof(*kept));
	int rc = 0;

	choose(r->lift, r->wish == IMPORT_CERTS, kept);
	for (size_t i = 0; rc == 0 && i < lift_count(r->lift); i++)
		rc = send_item(r, lift_at(r->lift, i), kept[i]);
	mem_free(kept);
	return rc < 0 ? rc : send_sum(r);
}
