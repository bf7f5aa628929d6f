#include "common/lift/lift_priv.h"

#include <string.h>

/*
 * Passwords: each one that was given, in both spellings where they differ, then for PKCS#12 the
 * empty and the absent one. What opened something is tried first from then on. All that fails costs
 * rounds of the one budget.
 */

#define CANDIDATES_MAX (3 * LIMIT_IMPORT_PASSWORDS + 2)

struct candidates {
	struct pbe_password list[CANDIDATES_MAX];
	size_t count;
};

static void
add_candidate(struct candidates *c, struct span utf8, bool absent, enum pbe_spelling spelling)
{
	c->list[c->count++] = (struct pbe_password){utf8, absent, spelling};
}

static void
list_candidates(const struct lift *l, bool with_empty, struct candidates *out)
{
	out->count = 0;
	for (size_t i = 0; i < l->params.password_count; i++) {
		struct span utf8 = secret_span(l->params.passwords[i]);

		add_candidate(out, utf8, false, SPELL_STANDARD);
		if (pbe_spells_bytes(utf8))
			add_candidate(out, utf8, false, SPELL_BYTES);
	}
	if (!with_empty)
		return;
	add_candidate(out, SPAN("", 0), false, SPELL_STANDARD);
	add_candidate(out, SPAN("", 0), true, SPELL_STANDARD);
	for (size_t i = 0; i < l->params.password_count; i++)
		add_candidate(out, secret_span(l->params.passwords[i]), false, SPELL_NSS);
}

/* One attempt: 0, ERR_DENIED for the next one, or what ends it. */
typedef int attempt(struct lift *l, const struct pbe_password *p, void *arg, struct err *err);

static bool
try_all(struct lift *l, bool with_empty, attempt *try, void *arg)
{
	struct candidates c;
	struct err err;
	int r = ERR_DENIED;

	list_candidates(l, with_empty, &c);
	for (size_t i = 0; i < c.count && r == ERR_DENIED; i++) {
		/* The one that worked last comes first, and the first one in its place. */
		size_t which = i == 0 ? l->last_password : i == l->last_password ? 0 : i;

		if (which >= c.count)
			which = i;
		r = try(l, &c.list[which], arg, &err);
		if (r == 0)
			l->last_password = which;
	}
	if (r == 0)
		return true;
	if (r != ERR_DENIED)
		add_failure(l, &err);
	else if (l->params.password_count == 0)
		add_problem(l, LIFT_PASSWORD_NEEDED, "it is protected by a password");
	else if (l->params.password_count == 1)
		add_problem(l, LIFT_PASSWORD_WRONG, "the password given does not open it");
	else
		add_problem(l, LIFT_PASSWORD_WRONG, "none of the %zu passwords given opens it",
		    l->params.password_count);
	return false;
}

/* A wrong key passes the padding once in 256 times; what it gives is then no whole element. */
static int
check_plain(struct secret *plain, struct secret **out, struct err *err)
{
	size_t whole = der_whole_len(secret_span(plain));

	if (whole == secret_span(plain).len || whole == SIZE_MAX) {
		*out = plain;
		return 0;
	}
	secret_free(plain);
	return err_set(err, ERR_DENIED, "the password is wrong");
}

struct locked {
	struct span algorithm, ciphertext;
	struct secret **out;
};

static int
try_open(struct lift *l, const struct pbe_password *p, void *arg, struct err *err)
{
	struct locked *k = arg;
	struct secret *plain;
	int r = pbe_open(k->algorithm, k->ciphertext, p, l->budget, &plain, err);

	return r < 0 ? r : check_plain(plain, k->out, err);
}

bool
unlock(struct lift *l, struct span algorithm, struct span ciphertext, bool with_empty,
    struct secret **out)
{
	struct locked k = {algorithm, ciphertext, out};

	return !l->full && try_all(l, with_empty, try_open, &k);
}

static int
try_traditional(struct lift *l, const struct pbe_password *p, void *arg, struct err *err)
{
	struct locked *k = arg;
	struct secret *plain;
	int r = pbe_open_traditional(k->algorithm, k->ciphertext, p, &plain, err);

	(void)l;
	return r < 0 ? r : check_plain(plain, k->out, err);
}

bool
unlock_traditional(
    struct lift *l, struct span dek_info, struct span ciphertext, struct secret **out)
{
	struct locked k = {dek_info, ciphertext, out};

	return !l->full && try_all(l, false, try_traditional, &k);
}

static int
try_mac(struct lift *l, const struct pbe_password *p, void *arg, struct err *err)
{
	const struct locked *k = arg;

	return pbe_check_mac(k->algorithm, k->ciphertext, p, l->budget, err);
}

bool
unlock_mac(struct lift *l, struct span mac_data, struct span content)
{
	struct locked k = {mac_data, content, NULL};

	return !l->full && try_all(l, true, try_mac, &k);
}
