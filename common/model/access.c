#include "common/model/access.h"

#include <stdlib.h>
#include <string.h>

static const char *const why_texts[] = {
    [WHY_NOT_NOTHING] = "nothing stands in the way: it should serve it",
    [WHY_NOT_NO_NODE] = "there is no such node in the domain",
    [WHY_NOT_NO_CREDENTIAL] = "there is no such credential",
    [WHY_NOT_ARCHIVED] = "the credential is archived, so nobody serves it",
    [WHY_NOT_REVOKED] = "the certificate is revoked",
    [WHY_NOT_PROFILE] = "its certificates are for clients or e-mail, and ports do not serve them",
    [WHY_NOT_NO_GENERATION] = "no certificate has been issued yet",
    [WHY_NOT_NO_ACCESS] = "the node is not among the servers with access",
    [WHY_NOT_WITHDRAWN] = "the generation was withdrawn",
    [WHY_NOT_NOT_YET] = "the certificate is not valid yet",
    [WHY_NOT_EXPIRED] = "the certificate has run out",
    [WHY_NOT_NAME] = "the certificate in force has not this name",
};
_Static_assert(ARRAY_LEN(why_texts) == WHY_NOT__COUNT, "every reason has a text");

const char *
why_not_text(enum why_not why)
{
	return (size_t)why < ARRAY_LEN(why_texts) ? why_texts[why] : "unknown";
}

void
access_list_fini(struct access_list *l)
{
	if (l == NULL)
		return;
	mem_free(l->items);
	*l = (struct access_list){NULL, 0, 0};
}

struct expansion {
	const struct access_lookup *lookup;
	struct access_list *out;
	size_t cap;
	bool by_group;
	struct id group;
};

static void
add_node(struct expansion *e, const struct id *id)
{
	struct access_list *l = e->out;
	struct access_reader *reader;

	if (l->count == e->cap) {
		e->cap = e->cap > 0 ? 2 * e->cap : 16;
		l->items = mem_grow(l->items, e->cap, sizeof(*l->items));
	}
	reader = &l->items[l->count];
	memset(reader, 0, sizeof(*reader));
	if (!e->lookup->node(e->lookup->arg, id, &reader->node)) {
		l->unknown++;
		return;
	}
	reader->by_group = e->by_group;
	reader->group = e->group;
	l->count++;
}

static void
on_member(void *arg, const struct id *node)
{
	add_node(arg, node);
}

static void
add_group(struct expansion *e, const struct id *group)
{
	e->by_group = true;
	e->group = *group;
	e->lookup->members(e->lookup->arg, group, on_member, e);
	e->by_group = false;
	memset(&e->group, 0, sizeof(e->group));
}

/* By name, then id; of one node the entry where it is named itself comes first. */
static int
compare_readers(const void *a, const void *b)
{
	const struct access_reader *x = a, *y = b;
	int c = strcmp(x->node.name, y->node.name);

	if (c == 0)
		c = id_compare(&x->node.id, &y->node.id);
	if (c == 0)
		c = (int)x->by_group - (int)y->by_group;
	return c != 0 ? c : id_compare(&x->group, &y->group);
}

void
access_expand(const struct access_lookup *lookup, struct ids access, const struct id *managers,
    struct access_list *out)
{
	struct expansion e = {.lookup = lookup, .out = out};
	size_t kept = 0;

	*out = (struct access_list){NULL, 0, 0};
	for (size_t i = 0; i < access.count; i++) {
		uint32_t kind = lookup->kind(lookup->arg, &access.items[i]);

		if (kind == KIND_NODE)
			add_node(&e, &access.items[i]);
		else if (kind == KIND_GROUP)
			add_group(&e, &access.items[i]);
		else
			out->unknown++;
	}
	if (managers != NULL)
		add_group(&e, managers);
	if (out->count == 0)
		return;
	qsort(out->items, out->count, sizeof(*out->items), compare_readers);
	for (size_t i = 1; i < out->count; i++)
		if (!id_equal(&out->items[i].node.id, &out->items[kept].node.id))
			out->items[++kept] = out->items[i];
	out->count = kept + 1;
}

struct search {
	const struct id *node;
	bool found;
};

static void
on_search(void *arg, const struct id *node)
{
	struct search *s = arg;

	s->found = s->found || id_equal(node, s->node);
}

enum access_answer
access_check(
    const struct access_lookup *lookup, struct ids access, const struct id *node, struct id *group)
{
	for (size_t i = 0; i < access.count; i++)
		if (id_equal(&access.items[i], node))
			return ACCESS_BY_NAME;
	for (size_t i = 0; i < access.count; i++) {
		struct search s = {node, false};

		if (lookup->kind(lookup->arg, &access.items[i]) != KIND_GROUP)
			continue;
		lookup->members(lookup->arg, &access.items[i], on_search, &s);
		if (!s.found)
			continue;
		if (group != NULL)
			*group = access.items[i];
		return ACCESS_BY_GROUP;
	}
	return ACCESS_NO;
}

enum why_not
access_why_not(
    const struct access_lookup *lookup, const struct why_facts *facts, const struct id *node)
{
	const struct credential_public *c = facts->credential;
	const struct generation_public *g = facts->generation;

	if (lookup->kind(lookup->arg, node) != KIND_NODE)
		return WHY_NOT_NO_NODE;
	if (c == NULL)
		return WHY_NOT_NO_CREDENTIAL;
	if (c->archived)
		return WHY_NOT_ARCHIVED;
	if (c->state == CREDENTIAL_REVOKED || (g != NULL && g->revoked))
		return WHY_NOT_REVOKED;
	if (!generation_serves(g != NULL ? g->profile : NULL, c))
		return WHY_NOT_PROFILE;
	if (!c->has_active || g == NULL)
		return WHY_NOT_NO_GENERATION;
	if (access_check(lookup, facts->access, node, NULL) == ACCESS_NO)
		return WHY_NOT_NO_ACCESS;
	if (g->withdrawn)
		return WHY_NOT_WITHDRAWN;
	if (facts->now < g->not_before)
		return WHY_NOT_NOT_YET;
	if (facts->now > g->not_after)
		return WHY_NOT_EXPIRED;
	return WHY_NOT_NOTHING;
}
