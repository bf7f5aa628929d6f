#include "common/model/renewal.h"

int64_t
renewal_due_at(int64_t not_before, int64_t not_after, uint32_t fraction_percent, uint32_t jitter)
{
	uint32_t percent = fraction_percent > 0 ? fraction_percent : RENEWAL_FRACTION_PERCENT;
	int64_t lifetime, spread, due;

	/* Both numbers may come from a foreign certificate. */
	if (__builtin_sub_overflow(not_after, not_before, &lifetime) || lifetime <= 0)
		return not_before;
	if (percent > 99)
		percent = 99;
	/* Divided first: lifetimes of CAs times 100 would still fit, but foreign ones need not. */
	due = not_after - (lifetime / 100 * percent + lifetime % 100 * percent / 100);
	spread =
	    lifetime / 100 * RENEWAL_JITTER_PERCENT + lifetime % 100 * RENEWAL_JITTER_PERCENT / 100;
	due -= (int64_t)(jitter % ((uint64_t)spread + 1));
	return due > not_before ? due : not_before;
}

uint32_t
renewal_jitter(const struct id *generation)
{
	const uint8_t *b = generation->bytes;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

int64_t
renewal_retry_after(uint32_t failures, uint32_t jitter)
{
	int64_t wait = RENEWAL_RETRY_FIRST;

	for (uint32_t i = 1; i < failures && wait < RENEWAL_RETRY_MOST; i++)
		wait *= 2;
	if (wait > RENEWAL_RETRY_MOST)
		wait = RENEWAL_RETRY_MOST;
	/* Between half of it and all of it, so that many do not come back at once. */
	return wait / 2 + (int64_t)(jitter % ((uint64_t)(wait - wait / 2) + 1));
}

uint64_t
renewal_retry_soon_ms(uint32_t failures)
{
	return (uint64_t)renewal_retry_after(failures, 0) * 100;
}
