#include "common/chain/search.h"

static const char *const grade_names[] = {
    [CHAIN_GREEN] = "green",
    [CHAIN_YELLOW] = "yellow",
    [CHAIN_RED] = "red",
};
_Static_assert(ARRAY_LEN(grade_names) == CHAIN_GRADE__COUNT, "every grade has a name");

const char *
chain_grade_name(enum chain_grade grade)
{
	CHECK(grade < CHAIN_GRADE__COUNT);
	return grade_names[grade];
}

void
chain_find(const struct chain_params *p, struct chain *out)
{
	size_t path[LIMIT_CHAIN];
	struct search s;

	*out = (struct chain){0};
	search_init(&s, p);
	out->count = search_best(&s, path);
	for (size_t i = 0; i < out->count; i++)
		out->path[i] = cert_ref(s.all[path[i]].cert);
	judge(&s, path, out->count, out);
	search_fini(&s);
}

void
chain_fini(struct chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		cert_unref(c->path[i]);
	*c = (struct chain){0};
}

size_t
chain_sent(const struct chain *c, bool with_root)
{
	return c->has_root && !with_root && c->count > 1 ? c->count - 1 : c->count;
}
