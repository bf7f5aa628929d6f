/* A stand-in for server/health. */

#include "fakes.h"

#include "common/base/runtime.h"

#include <stdio.h>
#include <string.h>

static struct timer later;
static health_checked_cb *checked_done;

static const struct check_result found = {.at = 1800000000,
    .findings = 1U << FOUND_OLDER_GENERATION,
    .has_certificate = true,
    .not_after = 1800000001,
    .generation = 2,
    .text = "generation 2 is still served"};

void
health_of(const struct health *h, const struct index_record *credential, struct health_report *out)
{
	(void)h;
	*out = (struct health_report){.count = 0};
	if (fakes.unwell)
		health_say(out, "expiring", HEALTH_YELLOW, "'%s' runs out", credential->name);
}

void
health_of_ca(const struct health *h, const struct index_record *ca, struct health_report *out)
{
	(void)h;
	(void)ca;
	*out = (struct health_report){.count = 0};
}

const struct check_result *
health_found(const struct health *h, const struct id *credential, const char *address)
{
	(void)h;
	(void)credential;
	(void)address;
	return &found;
}

static void
on_later(void *arg)
{
	const struct health_checked one = {"tls://www.example.org:443", found};

	checked_done(arg, 0, &one, 1, NULL);
}

int
health_check(struct health *h, const struct index_record *credential, struct texts addresses,
    health_checked_cb *done, void *arg, struct err *err)
{
	size_t len =
	    (size_t)snprintf(fakes.called, sizeof(fakes.called), "check %s at=", credential->name);

	(void)h;
	(void)err;
	for (size_t i = 0; i < addresses.count; i++)
		len += (size_t)snprintf(fakes.called + len, sizeof(fakes.called) - len, "%s%s",
		    i > 0 ? "," : "", addresses.items[i]);
	checked_done = done;
	later = (struct timer){.cb = on_later, .arg = arg};
	runtime_timer_start(fakes.rt, &later, 0);
	return 0;
}

void
health_summary(const struct health *h, struct health_summary *out)
{
	(void)h;
	*out = (struct health_summary){.grades = {1, 2, 3}};
}

size_t
health_worst_ones(const struct health *h, const struct index_record *out[static HEALTH_WORST])
{
	(void)h;
	(void)out;
	return 0;
}

void
health_runway(const struct health *h, struct runway *out)
{
	(void)h;
	*out = (struct runway){.first = {{1800000000, "www.example.org"}, {1900000000, "default"}},
	    .manual = {{1900000000, "m.example.org"}}};
}

const char *
runway_kind_name(enum runway_kind kind)
{
	return kind == RUNWAY_CA ? "ca" : "certificate";
}
