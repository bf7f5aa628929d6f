#include "common/model/choose.h"

int
candidate_compare(const struct candidate *a, const struct candidate *b)
{
	if (a->wildcard != b->wildcard)
		return a->wildcard ? 1 : -1;
	if (a->rsa != b->rsa)
		return a->rsa ? 1 : -1;
	if (a->activated_at_ms != b->activated_at_ms)
		return a->activated_at_ms > b->activated_at_ms ? -1 : 1;
	return id_compare(&a->credential, &b->credential);
}

size_t
candidate_choose(const struct candidate *items, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count; i++)
		if (candidate_compare(&items[i], &items[best]) < 0)
			best = i;
	return best;
}
