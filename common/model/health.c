#include "common/model/health.h"

#include "common/base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY INT64_C(86400)
#define NODES_NAMED 3

static const char *const grades[] = {
    [HEALTH_GREEN] = "green",
    [HEALTH_YELLOW] = "yellow",
    [HEALTH_RED] = "red",
};
_Static_assert(ARRAY_LEN(grades) == HEALTH_GRADE__COUNT, "every grade has a name");

const char *
health_grade_name(enum health_grade grade)
{
	CHECK(grade < HEALTH_GRADE__COUNT);
	return grades[grade];
}

void
health_say(
    struct health_report *out, const char *code, enum health_grade grade, const char *fmt, ...)
{
	struct health_reason *r;
	va_list ap;

	if (grade > out->grade)
		out->grade = grade;
	if (out->count == HEALTH_REASONS_MAX)
		return;
	r = &out->reasons[out->count++];
	r->code = code;
	r->grade = grade;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

const struct health_reason *
health_worst(const struct health_report *r)
{
	const struct health_reason *worst = NULL;

	for (size_t i = 0; i < r->count; i++)
		if (worst == NULL || r->reasons[i].grade > worst->grade)
			worst = &r->reasons[i];
	return worst;
}

/* --- times and state --- */

enum health_grade
health_of_times(int64_t not_before, int64_t not_after, int64_t now)
{
	int64_t lifetime = not_after - not_before, left = not_after - now;

	if (now < not_before || left < 0)
		return HEALTH_RED;
	if (left < lifetime / 6 || (left < DAY && lifetime > 3 * DAY))
		return HEALTH_RED;
	return left < lifetime / 3 ? HEALTH_YELLOW : HEALTH_GREEN;
}

int64_t
health_next_change(int64_t not_before, int64_t not_after, int64_t now)
{
	int64_t lifetime = not_after - not_before, next = 0;
	const int64_t moments[] = {not_before, not_after - lifetime / 3 + 1,
	    not_after - lifetime / 6 + 1, not_after - DAY + 1, not_after + 1};

	for (size_t i = 0; i < ARRAY_LEN(moments); i++)
		if (moments[i] > now && (next == 0 || moments[i] < next))
			next = moments[i];
	return next;
}

static void
judge_times(const struct active_facts *a, int64_t now, struct health_report *out)
{
	enum health_grade grade = health_of_times(a->not_before, a->not_after, now);
	char when[TIME_TEXT_MAX], left[DURATION_TEXT_MAX];

	if (now > a->not_after)
		health_say(out, "expired", grade, "the certificate ran out on %s",
		    time_text(a->not_after, when));
	else if (now < a->not_before)
		health_say(out, "not-yet-valid", grade, "the certificate is valid only from %s on",
		    time_text(a->not_before, when));
	else if (grade != HEALTH_GREEN)
		health_say(out, "expiring", grade, "the certificate runs out on %s, in %s",
		    time_text(a->not_after, when), duration_text(a->not_after - now, left));
}

void
health_judge_state(const struct credential_public *c, const struct active_facts *active,
    bool has_access, int64_t now, struct health_report *out)
{
	char when[TIME_TEXT_MAX];

	if (c->archived)
		return;
	if (c->state == CREDENTIAL_REVOKED || (active != NULL && active->revoked))
		health_say(out, "revoked", HEALTH_RED, "the certificate is revoked or withdrawn");
	if (active != NULL)
		judge_times(active, now, out);
	else if (c->has_pending)
		health_say(out, "waiting", HEALTH_YELLOW,
		    "there is no certificate yet: its CSR waits for one");
	if (c->state == CREDENTIAL_FAILED)
		health_say(out, "failed", HEALTH_YELLOW, "the last try failed: %.160s%s%s",
		    c->error != NULL ? c->error : "", c->next_try > 0 ? "; the next is on " : "",
		    c->next_try > 0 ? time_text(c->next_try, when) : "");
	if (active != NULL && !has_access)
		health_say(out, "no-access", HEALTH_YELLOW, "no server may open it");
}

/* --- own CAs --- */

/* A renewal that comes a day late has failed more than once. */
#define RENEWAL_LATE DAY

void
health_judge_ca(const struct ca_facts *ca, int64_t now, struct health_report *out)
{
	const struct active_facts times = {
	    .not_before = ca->not_before, .not_after = ca->not_after};
	char when[TIME_TEXT_MAX];

	if (now > ca->not_after || now < ca->not_before || (ca->renewal == 0 && !ca->superseded))
		judge_times(&times, now, out);
	else if (!ca->superseded && now > ca->renewal + RENEWAL_LATE)
		health_say(out, "renewal-late", HEALTH_YELLOW,
		    "it should have been renewed on %s, and its certificates are cut short",
		    time_text(ca->renewal, when));
	if (ca->crl_update != 0 && now > ca->crl_update && now <= ca->not_after)
		health_say(out, "crl-expired", HEALTH_RED,
		    "its revocation list ran out on %s: who asks for it refuses its certificates",
		    time_text(ca->crl_update, when));
}

/* --- what servers say --- */

static size_t
count_of(const struct health_node *nodes, size_t count, enum health_serves serves)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += nodes[i].serves == serves;
	return n;
}

/* "web1, web2, web3 and 4 more" */
static const char *
list_nodes(const struct health_node *nodes, size_t count, enum health_serves serves, char *out,
    size_t size)
{
	size_t all = count_of(nodes, count, serves), named = 0, len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < count && named < NODES_NAMED; i++) {
		if (nodes[i].serves != serves)
			continue;
		len += (size_t)snprintf(
		    out + len, size - len, "%s%s", named > 0 ? ", " : "", nodes[i].name);
		named++;
	}
	if (all > named)
		snprintf(out + len, size - len, " and %zu more", all - named);
	return out;
}

/* What the first that has an error says. */
static const char *
first_error(const struct health_node *nodes, size_t count, enum health_serves serves)
{
	for (size_t i = 0; i < count; i++)
		if (nodes[i].serves == serves && nodes[i].error != NULL &&
		    nodes[i].error[0] != '\0')
			return nodes[i].error;
	return NULL;
}

static const struct {
	const char *code, *text;
	enum health_grade grade;
} serving[] = {
    [SERVES_ACTIVE] = {NULL, NULL, HEALTH_GREEN},
    [SERVES_NOTHING] = {"not-served", "not served by ", HEALTH_RED},
    [SERVES_OLDER] = {"older-served", "another generation is still served by ", HEALTH_YELLOW},
    [SERVES_UNKNOWN] = {"not-known", "nothing is heard from ", HEALTH_YELLOW},
};
_Static_assert(ARRAY_LEN(serving) == SERVES__COUNT, "every answer has a rule");

void
health_judge_serving(const struct health_node *nodes, size_t count, struct health_report *out)
{
	for (enum health_serves s = SERVES_ACTIVE + 1; s < SERVES__COUNT; s++) {
		char names[(NODES_NAMED + 1) * (LIMIT_LABEL + 2)];
		const char *error = first_error(nodes, count, s);
		enum health_grade grade = serving[s].grade;

		if (count_of(nodes, count, s) == 0)
			continue;
		for (size_t i = 0; s == SERVES_OLDER && i < count; i++)
			if (nodes[i].serves == s && nodes[i].expired)
				grade = HEALTH_RED;
		health_say(out, serving[s].code, grade, "%s%s%s%.100s", serving[s].text,
		    list_nodes(nodes, count, s, names, sizeof(names)), error != NULL ? ": " : "",
		    error != NULL ? error : "");
	}
}

/* --- what was found from outside --- */

static const struct {
	const char *name, *code;
	enum health_grade grade;
} findings[] = {
    [FOUND_UNREACHABLE] = {"unreachable", "check-unreachable", HEALTH_RED},
    [FOUND_NO_STARTTLS] = {"no-starttls", "check-no-starttls", HEALTH_RED},
    [FOUND_NO_HANDSHAKE] = {"no-handshake", "check-no-handshake", HEALTH_RED},
    [FOUND_WRONG_CERTIFICATE] = {"wrong-certificate", "check-wrong-certificate", HEALTH_RED},
    [FOUND_OLDER_GENERATION] = {"older-generation", "check-older-generation", HEALTH_YELLOW},
    [FOUND_EXPIRED] = {"expired", "check-expired", HEALTH_RED},
    [FOUND_NAME_MISMATCH] = {"name-mismatch", "check-name-mismatch", HEALTH_RED},
    [FOUND_CHAIN_INCOMPLETE] = {"chain-incomplete", "check-chain-incomplete", HEALTH_YELLOW},
};
_Static_assert(ARRAY_LEN(findings) == FOUND__COUNT, "every finding has a name");

const char *
check_finding_name(enum check_finding finding)
{
	CHECK(finding < FOUND__COUNT);
	return findings[finding].name;
}

enum health_grade
check_finding_grade(enum check_finding finding)
{
	CHECK(finding < FOUND__COUNT);
	return findings[finding].grade;
}

void
check_result_say(struct check_result *r, enum check_finding finding, const char *fmt, ...)
{
	size_t len = strlen(r->text);
	va_list ap;

	r->findings |= 1U << finding;
	if (len > 0 && len + 3 < sizeof(r->text)) {
		memcpy(r->text + len, "; ", 3);
		len += 2;
	}
	va_start(ap, fmt);
	vsnprintf(r->text + len, sizeof(r->text) - len, fmt, ap);
	va_end(ap);
}

/* FOUND__COUNT: nothing was. */
static enum check_finding
worst_finding(const struct check_result *r)
{
	enum check_finding worst = FOUND__COUNT;

	for (enum check_finding f = 0; f < FOUND__COUNT; f++)
		if ((r->findings & 1U << f) != 0 &&
		    (worst == FOUND__COUNT || findings[f].grade > findings[worst].grade))
			worst = f;
	return worst;
}

enum health_grade
check_result_grade(const struct check_result *r)
{
	enum check_finding worst = worst_finding(r);

	return worst == FOUND__COUNT ? HEALTH_GREEN : findings[worst].grade;
}

void
health_judge_check(const char *address, const struct check_result *r, struct health_report *out)
{
	enum check_finding worst = worst_finding(r);

	if (r->at == 0 || worst == FOUND__COUNT)
		return;
	health_say(
	    out, findings[worst].code, findings[worst].grade, "%.120s: %s", address, r->text);
}
