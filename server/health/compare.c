/* What a look has found, held against what should be there. */

#include "common/model/names.h"
#include "server/health/health_priv.h"

#include <string.h>

void
asked_name(const struct health *h, const struct index_record *c, const struct check_target *target,
    char out[static NAME_TEXT_MAX])
{
	const struct index_record *active = index_active(h->p.index, c);
	struct texts names = active != NULL ? active->generation->names : (struct texts){NULL, 0};

	out[0] = '\0';
	if (target->name[0] != '\0')
		(void)!str_copy(out, NAME_TEXT_MAX, target->name, NULL);
	else if (!target->is_ip)
		(void)!str_copy(out, NAME_TEXT_MAX, target->host, NULL);
	/* An address has no name that could be asked for: the first that the certificate has. */
	for (size_t i = 0; i < names.count && out[0] == '\0'; i++)
		if (!name_is_wildcard(names.items[i]) && !name_is_ip(names.items[i]) &&
		    !name_is_email(names.items[i]))
			(void)!str_copy(out, NAME_TEXT_MAX, names.items[i], NULL);
}

static void
say_failure(const struct check_answer *answer, struct check_result *out)
{
	const char *text = answer->err->text;

	switch (answer->stage) {
	case CHECK_RESOLVE:
	case CHECK_CONNECT:
		check_result_say(out, FOUND_UNREACHABLE, "not to be reached: %s", text);
		return;
	case CHECK_STARTTLS:
		check_result_say(out, FOUND_NO_STARTTLS, "STARTTLS failed: %s", text);
		return;
	case CHECK_HANDSHAKE:
	case CHECK_DONE:
	case CHECK_STAGE__COUNT:
		break;
	}
	check_result_say(out, FOUND_NO_HANDSHAKE, "the handshake failed: %s", text);
}

struct search {
	const struct hash *fingerprint;
	const struct index_record *found;
};

static bool
on_generation(void *arg, const struct index_record *g)
{
	struct search *s = arg;

	if (!g->generation->waits && hash_equal(&g->generation->fingerprint, s->fingerprint))
		s->found = g;
	return s->found == NULL;
}

/* Which certificate that is, if it is one of the credential's. */
static void
say_which(const struct health *h, const struct index_record *c, struct check_result *out)
{
	const struct index_record *active = index_active(h->p.index, c);
	struct search s = {.fingerprint = &out->fingerprint};
	char hex[HASH_HEX_MAX], when[TIME_TEXT_MAX];

	index_generations(h->p.index, &c->id, on_generation, &s);
	if (s.found == NULL) {
		check_result_say(out, FOUND_WRONG_CERTIFICATE,
		    "another certificate is served: SHA-256 %.16s, until %s",
		    hash_hex(&out->fingerprint, hex), time_text(out->not_after, when));
		return;
	}
	out->generation = s.found->generation->number;
	if (active != NULL && s.found != active)
		check_result_say(out, FOUND_OLDER_GENERATION,
		    "generation %llu is still served, until %s, and %llu is in force",
		    (unsigned long long)out->generation, time_text(out->not_after, when),
		    (unsigned long long)active->generation->number);
}

struct matching {
	const char *asked;
	bool found;
};

static void
on_name(void *arg, const char *name)
{
	struct matching *m = arg;
	char normal[NAME_TEXT_MAX];
	enum name_type type;

	if (name_normalise(name, normal, &type, NULL) == 0 && name_matches(normal, m->asked))
		m->found = true;
}

/* Whether it leads to an issuer that is not sent: clients will not find it either. */
static void
say_chain(struct health *h, const struct check_answer *answer, struct check_result *out)
{
	struct chain chain = {.count = 0};

	if (anchors_hold(h, (const struct cert *const *)answer->chain, answer->count))
		return;
	flow_chain_of(h->p.flow,
	    (struct certs){(const struct cert *const *)answer->chain, answer->count}, LEAF_SERVER,
	    NULL, NULL, &chain);
	for (size_t i = 0; i < chain.reason_count; i++)
		if (chain.reasons[i].code == CHAIN_INCOMPLETE)
			check_result_say(out, FOUND_CHAIN_INCOMPLETE,
			    "what is sent is incomplete: %s", chain.reasons[i].text);
	chain_fini(&chain);
}

void
compare(struct health *h, const struct index_record *c, const char *asked,
    const struct check_answer *answer, struct check_result *out)
{
	struct matching names = {.asked = asked};
	char when[TIME_TEXT_MAX];

	if (answer->stage != CHECK_DONE) {
		say_failure(answer, out);
		return;
	}
	out->has_certificate = true;
	cert_fingerprint(answer->chain[0], &out->fingerprint);
	out->not_after = cert_not_after(answer->chain[0]);
	say_which(h, c, out);
	if (out->not_after < out->at)
		check_result_say(out, FOUND_EXPIRED, "what is served ran out on %s",
		    time_text(out->not_after, when));
	cert_each_name(answer->chain[0], on_name, &names);
	if (asked[0] != '\0' && !names.found)
		check_result_say(out, FOUND_NAME_MISMATCH,
		    "the certificate that is served is not for '%.100s'", asked);
	say_chain(h, answer, out);
}
