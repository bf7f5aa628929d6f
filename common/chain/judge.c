#include "common/base/str.h"
#include "common/chain/search.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_SHOWN 80

static const struct {
	const char *name;
	enum chain_grade grade;
} codes[] = {
    [CHAIN_SURPLUS] = {"surplus", CHAIN_GREEN},
    [CHAIN_INCOMPLETE] = {"incomplete", CHAIN_YELLOW},
    [CHAIN_ROOT_UNTRUSTED] = {"root-untrusted", CHAIN_YELLOW},
    [CHAIN_ROOT_EXPIRED] = {"root-expired", CHAIN_YELLOW},
    [CHAIN_NOT_PREFERRED] = {"not-preferred", CHAIN_YELLOW},
    [CHAIN_NOT_YET_VALID] = {"not-yet-valid", CHAIN_YELLOW},
    [CHAIN_WEAK_HASH] = {"weak-hash", CHAIN_YELLOW},
    [CHAIN_PURPOSE] = {"purpose", CHAIN_YELLOW},
    [CHAIN_NO_NAMES] = {"no-names", CHAIN_YELLOW},
    [CHAIN_ISSUER_ENDS] = {"issuer-ends", CHAIN_YELLOW},
    [CHAIN_SEARCH_CUT] = {"search-cut", CHAIN_YELLOW},
    [CHAIN_LEAF_EXPIRED] = {"leaf-expired", CHAIN_RED},
    [CHAIN_LEAF_IS_CA] = {"leaf-is-ca", CHAIN_RED},
    [CHAIN_KEY_MISMATCH] = {"key-mismatch", CHAIN_RED},
    [CHAIN_ISSUER_EXPIRED] = {"issuer-expired", CHAIN_RED},
    [CHAIN_ISSUER_NOT_CA] = {"issuer-not-ca", CHAIN_RED},
    [CHAIN_KEY_USAGE] = {"key-usage", CHAIN_RED},
    [CHAIN_PATH_LENGTH] = {"path-length", CHAIN_RED},
    [CHAIN_NAME_CONSTRAINTS] = {"name-constraints", CHAIN_RED},
    [CHAIN_BROKEN_HASH] = {"broken-hash", CHAIN_RED},
    [CHAIN_WEAK_KEY] = {"weak-key", CHAIN_RED},
    [CHAIN_NOT_VERIFIED] = {"not-verified", CHAIN_RED},
};
_Static_assert(ARRAY_LEN(codes) == CHAIN_CODE__COUNT, "every code has a name and a grade");

const char *
chain_code_name(enum chain_code code)
{
	CHECK(code < CHAIN_CODE__COUNT);
	return codes[code].name;
}

enum chain_grade
chain_code_grade(enum chain_code code)
{
	CHECK(code < CHAIN_CODE__COUNT);
	return codes[code].grade;
}

static void say(struct chain *out, enum chain_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The grade counts even when there is no room for the text. */
static void
say(struct chain *out, enum chain_code code, const char *fmt, ...)
{
	struct chain_reason *r;
	va_list ap;

	if (codes[code].grade > out->grade)
		out->grade = codes[code].grade;
	if (out->reason_count == CHAIN_REASONS_MAX)
		return;
	r = &out->reasons[out->reason_count++];
	r->code = code;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

/* The subject or issuer, short and fit for a terminal. */
struct shown {
	char text[NAME_SHOWN + 1];
};

static const char *
show(const struct cert *c, bool issuer, struct shown *out)
{
	struct buf name = BUF_INIT(LIMIT_CERT);

	if (issuer)
		cert_put_issuer(c, &name);
	else
		cert_put_subject(c, &name);
	snprintf(out->text, sizeof(out->text), "%s",
	    name.len > 0 ? buf_str(&name) : "a certificate without a subject");
	buf_fini(&name);
	return out->text;
}

static void
judge_leaf(const struct search *s, const struct candidate *leaf, struct chain *out)
{
	static const char *const purposes[] = {
	    [LEAF_SERVER] = "servers",
	    [LEAF_CLIENT] = "clients",
	    [LEAF_BOTH] = "servers and clients",
	    [LEAF_SMIME] = "e-mail",
	};
	const struct chain_params *p = s->params;
	const struct cert_facts *f = &leaf->facts;
	bool server = p->purpose == LEAF_SERVER || p->purpose == LEAF_BOTH;
	bool client = p->purpose == LEAF_CLIENT || p->purpose == LEAF_BOTH;
	char when[TIME_TEXT_MAX];

	_Static_assert(ARRAY_LEN(purposes) == LEAF__COUNT, "every purpose has a text");
	if (f->not_after < p->now)
		say(out, CHAIN_LEAF_EXPIRED, "the certificate ran out on %s",
		    time_text(f->not_after, when));
	if (f->not_before > p->now)
		say(out, CHAIN_NOT_YET_VALID, "the certificate is valid only from %s on",
		    time_text(f->not_before, when));
	if (cert_is_ca(leaf->cert))
		say(out, CHAIN_LEAF_IS_CA,
		    "the certificate is one of an authority (CA), not of a server or user");
	if (p->key != NULL && !cert_has_key(leaf->cert, p->key))
		say(out, CHAIN_KEY_MISMATCH, "the certificate does not belong to the key");
	if ((server && !f->server_auth) || (client && !f->client_auth) ||
	    (p->purpose == LEAF_SMIME && !f->email))
		say(out, CHAIN_PURPOSE, "the certificate may not be used for %s",
		    purposes[p->purpose]);
	if (server && !f->has_names)
		say(out, CHAIN_NO_NAMES,
		    "the certificate has no subject alternative names; browsers do not look at the "
		    "common name");
}

static void
judge_issuer(
    const struct search *s, const struct candidate *c, size_t below, bool last, struct chain *out)
{
	const struct chain_params *p = s->params;
	const struct cert_facts *f = &c->facts;
	bool root = last && (c->is_root || c->is_self_signed);
	char when[TIME_TEXT_MAX];
	const char *outside;
	struct shown name;

	show(c->cert, false, &name);
	if (f->not_after < p->now)
		say(out, root ? CHAIN_ROOT_EXPIRED : CHAIN_ISSUER_EXPIRED, "'%s' ran out on %s",
		    name.text, time_text(f->not_after, when));
	if (f->not_before > p->now)
		say(out, root ? CHAIN_ROOT_EXPIRED : CHAIN_ISSUER_EXPIRED,
		    "'%s' is valid only from %s on", name.text, time_text(f->not_before, when));
	if (f->not_after >= p->now && f->not_after < s->all[0].facts.not_after)
		say(out, CHAIN_ISSUER_ENDS, "'%s' runs out on %s, before the certificate",
		    name.text, time_text(f->not_after, when));
	if (!f->is_ca)
		say(out, CHAIN_ISSUER_NOT_CA, "'%s' issued, and is no authority (CA)", name.text);
	if (!f->may_issue)
		say(out, CHAIN_KEY_USAGE, "'%s' may not sign certificates (key usage)", name.text);
	if (f->path_len >= 0 && (size_t)f->path_len < below)
		say(out, CHAIN_PATH_LENGTH,
		    "'%s' allows %d authorities below it, and there are %zu", name.text,
		    f->path_len, below);
	outside = f->has_constraints ? cert_outside_constraints(c->cert, s->all[0].cert) : NULL;
	if (outside != NULL)
		say(out, CHAIN_NAME_CONSTRAINTS,
		    "names of the certificate are outside what '%s' may issue: %s", name.text,
		    outside);
}

static void
judge_strength(const struct candidate *c, bool last, struct chain *out)
{
	const struct cert_facts *f = &c->facts;
	struct shown name;

	show(c->cert, false, &name);
	if (f->weak_key[0] != '\0')
		say(out, CHAIN_WEAK_KEY, "the key of '%s' is weak: %s", name.text, f->weak_key);
	/* Nobody looks at the signature of a root on itself. */
	if (f->weak_hash != NULL && !(last && f->self_issued))
		say(out, f->is_broken_hash ? CHAIN_BROKEN_HASH : CHAIN_WEAK_HASH,
		    "the signature on '%s' uses %s", name.text, f->weak_hash);
}

static void
judge_end(const struct search *s, const struct candidate *last, struct chain *out)
{
	const char *preferred = s->params->preferred;
	struct shown name;

	if (last->is_root) {
		if (preferred != NULL && preferred[0] != '\0' && !search_is_preferred(s, last))
			say(out, CHAIN_NOT_PREFERRED,
			    "no way leads to the root '%.60s'; it ends in '%s'", preferred,
			    show(last->cert, false, &name));
		return;
	}
	if (last->is_self_signed)
		say(out, CHAIN_ROOT_UNTRUSTED,
		    "it ends in '%s', which is not among the trusted roots",
		    show(last->cert, false, &name));
	else
		say(out, CHAIN_INCOMPLETE,
		    "the issuer '%s' is not here: 'certherd trust add' stores it, or its root",
		    show(last->cert, true, &name));
}

static void
judge_search(const struct search *s, const size_t *path, size_t count, struct chain *out)
{
	size_t surplus = 0;

	for (size_t i = 0; i < s->count; i++) {
		bool used = !s->all[i].is_given;

		for (size_t k = 0; k < count; k++)
			used |= path[k] == i;
		surplus += !used;
	}
	if (surplus > 0)
		say(out, CHAIN_SURPLUS, "%zu of the certificates given are not part of the chain",
		    surplus);
	if (s->cut)
		say(out, CHAIN_SEARCH_CUT,
		    "there were too many certificates to look at all of them (%d, %d signatures)",
		    LIMIT_CHAIN_CANDIDATES, LIMIT_CHAIN_SIGNATURES);
}

/* What OpenSSL says of it is "no issuer". True: that is why. */
static bool
judge_key_ids(const struct search *s, const size_t *path, size_t count, struct chain *out)
{
	struct shown name, issuer;

	for (size_t i = 0; i + 1 < count; i++) {
		const struct candidate *c = &s->all[path[i]], *by = &s->all[path[i + 1]];

		if (!candidate_ids_differ(c, by))
			continue;
		say(out, CHAIN_NOT_VERIFIED,
		    "'%.60s' names another key identifier than its issuer '%.60s' has; OpenSSL and "
		    "others refuse that",
		    show(c->cert, false, &name), show(by->cert, false, &issuer));
		return true;
	}
	return false;
}

void
judge(const struct search *s, const size_t *path, size_t count, struct chain *out)
{
	const struct cert *certs[LIMIT_CHAIN];
	const struct candidate *last = &s->all[path[count - 1]];
	const char *why;

	judge_leaf(s, &s->all[path[0]], out);
	for (size_t i = 1, below = 0; i < count; i++) {
		judge_issuer(s, &s->all[path[i]], below, i + 1 == count, out);
		/* RFC 5280: those that issued to themselves do not count. */
		below += !s->all[path[i]].facts.self_issued;
	}
	for (size_t i = 0; i < count; i++)
		judge_strength(&s->all[path[i]], i + 1 == count, out);
	judge_end(s, last, out);
	judge_search(s, path, count, out);
	out->is_trusted = last->is_root;
	out->has_root = (last->is_root && last->facts.self_issued) || last->is_self_signed;
	/* What nothing above has found, if anything: OpenSSL is asked about this one path. */
	for (size_t i = 0; i < count; i++)
		certs[i] = s->all[path[i]].cert;
	if (out->grade == CHAIN_RED)
		return;
	for (size_t i = 0; i < count; i++)
		if (!candidate_valid_at(&s->all[path[i]], s->params->now))
			return;
	why = cert_verify_path(certs, count, s->params->now);
	if (why != NULL && !judge_key_ids(s, path, count, out))
		say(out, CHAIN_NOT_VERIFIED, "OpenSSL does not verify it: %s", why);
}
