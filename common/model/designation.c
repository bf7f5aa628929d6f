#include "common/model/designation.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const reason_names[] = {
    [REASON_FIRST] = "first",
    [REASON_PLANNED] = "planned",
    [REASON_RESUMED] = "resumed",
    [REASON_LOST] = "lost",
    [REASON_COMPROMISED] = "compromised",
};
_Static_assert(ARRAY_LEN(reason_names) == REASON__COUNT, "every reason has a name");

const char *
designation_reason_name(uint32_t reason)
{
	return reason < ARRAY_LEN(reason_names) ? reason_names[reason] : "unknown";
}

uint64_t
term_make(uint32_t epoch, uint32_t count)
{
	return (uint64_t)epoch << 32 | count;
}

uint32_t
term_epoch(uint64_t term)
{
	return (uint32_t)(term >> 32);
}

uint32_t
term_count(uint64_t term)
{
	return (uint32_t)term;
}

const char *
term_text(uint64_t term, char out[static TERM_TEXT_MAX])
{
	snprintf(out, TERM_TEXT_MAX, "%" PRIu32 ".%" PRIu32, term_epoch(term), term_count(term));
	return out;
}

int
designation_check(const struct designation *d, uint32_t signer, struct err *err)
{
	char term[TERM_TEXT_MAX];
	bool first = d->reason == REASON_FIRST;

	term_text(d->term, term);
	if (signer != SIGNER_ROOT_KEY && signer != SIGNER_TERM_KEY)
		return err_set(err, ERR_INVALID,
		    "designation of term %s is signed by a kind of key that is not known", term);
	if (term_epoch(d->term) == 0)
		return err_set(err, ERR_INVALID, "designation of term %s: epochs begin at 1", term);
	if (id_is_zero(&d->node) || d->term_key.len == 0)
		return err_set(
		    err, ERR_INVALID, "designation of term %s names no node or no key", term);
	if (signer == SIGNER_ROOT_KEY && term_count(d->term) != 0)
		return err_set(err, ERR_INVALID,
		    "designation of term %s by the root key: it begins an epoch, so the count is 0",
		    term);
	if (signer == SIGNER_TERM_KEY && (term_count(d->term) == 0 || first))
		return err_set(err, ERR_INVALID,
		    "designation of term %s by a term key: only the root key begins an epoch",
		    term);
	if (first != !d->has_cut || (first && d->has_previous))
		return err_set(err, ERR_INVALID,
		    "designation of term %s: the first one, and only that, continues no log", term);
	if (d->has_cut && d->cut.term >= d->term)
		return err_set(err, ERR_INVALID,
		    "designation of term %s continues a log that is not older", term);
	return 0;
}

int
designation_follows(const struct designation *prev, const struct hash *prev_hash,
    const struct designation *d, uint32_t signer, struct err *err)
{
	char term[TERM_TEXT_MAX], before[TERM_TEXT_MAX];

	term_text(d->term, term);
	if (prev == NULL) {
		if (signer == SIGNER_ROOT_KEY && d->reason == REASON_FIRST)
			return 0;
		return err_set(err, ERR_DENIED,
		    "designation of term %s: the ones before it are not known here", term);
	}
	term_text(prev->term, before);
	if (d->term <= prev->term)
		return err_set(err, ERR_DENIED, "designation of term %s is not newer than term %s",
		    term, before);
	if (d->reason == REASON_FIRST)
		return err_set(err, ERR_DENIED,
		    "designation of term %s says it is the first, but term %s came before", term,
		    before);
	if (signer == SIGNER_ROOT_KEY) {
		/* The root needs no agreement of the managers before, only a higher epoch. */
		if (term_epoch(d->term) <= term_epoch(prev->term) ||
		    term_epoch(d->term) - term_epoch(prev->term) > TERM_EPOCH_STEP)
			return err_set(err, ERR_DENIED,
			    "designation of term %s by the root key does not raise the epoch of "
			    "term %s by 1 to %u",
			    term, before, TERM_EPOCH_STEP);
		return 0;
	}
	if (d->term != prev->term + 1)
		return err_set(err, ERR_DENIED,
		    "designation of term %s by a term key does not stand right behind term %s",
		    term, before);
	if (!d->has_previous || !hash_equal(&d->previous, prev_hash))
		return err_set(err, ERR_DENIED,
		    "designation of term %s names another one before it than that of term %s", term,
		    before);
	return 0;
}

bool
designation_keeps(const struct designation *d, struct position at)
{
	if (at.term >= d->term)
		return true;
	return d->has_cut && position_compare(at, d->cut) <= 0;
}
