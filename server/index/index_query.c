/* Questions of administrators, answered by the rules of common/model over the index. */

#include "common/model/choose.h"
#include "common/model/names.h"
#include "server/index/index_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t
lookup_kind(void *arg, const struct id *id)
{
	const struct index_record *r = index_get(arg, id);

	return r != NULL ? r->kind : KIND_UNKNOWN;
}

static bool
lookup_node(void *arg, const struct id *id, struct access_node *out)
{
	const struct index_record *r = index_of_kind(arg, KIND_NODE, id);

	if (r == NULL)
		return false;
	out->id = r->id;
	out->role = r->node->role;
	snprintf(out->name, sizeof(out->name), "%s", r->name);
	return true;
}

struct member_walk {
	void (*cb)(void *cb_arg, const struct id *node);
	void *cb_arg;
};

static bool
on_member(void *arg, const struct index_record *r)
{
	struct member_walk *w = arg;

	w->cb(w->cb_arg, &r->membership->node);
	return true;
}

static void
lookup_members(void *arg, const struct id *group, void (*cb)(void *cb_arg, const struct id *node),
    void *cb_arg)
{
	struct member_walk w = {cb, cb_arg};

	index_members(arg, group, on_member, &w);
}

struct access_lookup
index_access_lookup(const struct index *ix)
{
	/* The rules take a pointer that is not const; they only read. */
	return (struct access_lookup){
	    (void *)(uintptr_t)ix, lookup_kind, lookup_node, lookup_members};
}

/* Of the generation in force; NULL: there is none. */
static const struct active_facts *
facts_of_active(
    const struct index *ix, const struct index_record *credential, struct active_facts *out)
{
	const struct index_record *r = index_active(ix, credential);

	if (r == NULL)
		return NULL;
	*out = (struct active_facts){r->id, r->generation->not_before, r->generation->not_after,
	    r->generation->revoked || r->generation->withdrawn};
	return out;
}

enum credential_shown
index_state(const struct index *ix, const struct index_record *credential, int64_t now)
{
	struct active_facts active;

	return credential_state_at(
	    credential->credential, facts_of_active(ix, credential, &active), now);
}

int64_t
index_changes_at(const struct index *ix, const struct index_record *credential, int64_t now)
{
	struct active_facts active;

	return credential_changes_at(
	    credential->credential, facts_of_active(ix, credential, &active), now);
}

struct generation_marks
index_generation_marks(const struct index *ix, const struct index_record *generation)
{
	const struct index_generation *g = generation->generation;
	const struct index_record *c = index_of_kind(ix, KIND_CREDENTIAL, &g->credential);

	return (struct generation_marks){.number = g->number,
	    .active = c != NULL && index_active(ix, c) == generation,
	    .waits = g->waits,
	    .archived = g->archived,
	    .revoked = g->revoked,
	    .withdrawn = g->withdrawn,
	    .not_after = g->not_after};
}

struct numbered {
	uint64_t number;
	const struct index_record *found;
};

static bool
on_numbered(void *arg, const struct index_record *r)
{
	struct numbered *n = arg;

	if (r->generation->number == n->number)
		n->found = r;
	return n->found == NULL && r->generation->number > n->number;
}

int
index_generation_find(const struct index *ix, const struct index_record *credential,
    uint64_t number, const struct index_record **out, struct err *err)
{
	struct numbered n = {number, NULL};

	index_generations(ix, &credential->id, on_numbered, &n);
	if (n.found == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "'%.120s' has no generation %llu; 'certherd cert generations' shows them",
		    credential->name, (unsigned long long)number);
	*out = n.found;
	return 0;
}

static bool
has_id(struct ids ids, const struct id *id)
{
	for (size_t i = 0; i < ids.count; i++)
		if (id_equal(&ids.items[i], id))
			return true;
	return false;
}

size_t
index_audience(
    const struct index *ix, const struct index_record *r, struct id out[static LIMIT_ACCESS])
{
	const struct index_record *c = NULL;
	size_t count = 0;

	if (r->kind == KIND_GENERATION)
		c = index_of_kind(ix, KIND_CREDENTIAL, &r->generation->credential);
	/* What is in force has its own list: it may be ahead of a change that is under way. */
	if (c != NULL && index_active(ix, c) == r)
		c = NULL;
	if (c != NULL &&
	    (r->generation->archived || r->generation->revoked || r->generation->withdrawn))
		return 0;
	for (size_t i = 0; i < r->access.count && count < LIMIT_ACCESS; i++) {
		const struct index_record *a = index_get(ix, &r->access.items[i]);

		if (a == NULL || (a->kind != KIND_NODE && a->kind != KIND_GROUP) ||
		    (c != NULL && !has_id(c->access, &a->id)))
			continue;
		out[count++] = a->id;
	}
	return count;
}

int
index_resolve_access(const struct index *ix, struct texts names, struct id out[static LIMIT_ACCESS],
    size_t *count, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < names.count; i++) {
		const struct index_record *r;
		const char *name;
		bool group, known = false;
		int rc = access_name_parse(names.items[i], &name, &group, err);

		if (rc < 0)
			return rc;
		r = index_named(ix, group ? KIND_GROUP : KIND_NODE, name);
		if (r == NULL)
			return err_set(err, ERR_NOTFOUND,
			    group ? "there is no group '%s'; 'certherd group list' shows them"
				  : "there is no node '%s'; 'certherd node list' shows them, "
				    "a group is written '@name'",
			    name);
		for (size_t k = 0; k < n && !known; k++)
			known = id_equal(&out[k], &r->id);
		if (known)
			continue;
		if (n == LIMIT_ACCESS)
			return err_set(err, ERR_LIMIT,
			    "an access list has at most %d servers and groups; put servers into a "
			    "group",
			    LIMIT_ACCESS);
		out[n++] = r->id;
	}
	*count = n;
	return 0;
}

const char *
index_access_name(const struct index *ix, const struct id *id, char out[static LIMIT_NAME + 2])
{
	const struct index_record *r = index_get(ix, id);
	char hex[ID_HEX_MAX];

	if (r == NULL)
		snprintf(out, LIMIT_NAME + 2, "%s", id_hex(id, hex));
	else
		snprintf(out, LIMIT_NAME + 2, "%s%s", r->kind == KIND_GROUP ? "@" : "", r->name);
	return out;
}

static bool
on_newest(void *arg, const struct index_record *r)
{
	*(const struct index_record **)arg = r;
	return false;
}

int
index_who_can_read(
    const struct index *ix, const char *credential, struct access_list *out, struct err *err)
{
	const struct index_record *c = index_credential(ix, credential);
	const struct index_record *managers = index_managers(ix), *g = NULL;
	struct access_lookup lookup = index_access_lookup(ix);

	if (c == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no credential '%s'; 'certherd cert list' shows them", credential);
	g = index_active(ix, c);
	if (g == NULL)
		index_generations(ix, &c->id, on_newest, &g);
	access_expand(&lookup, g != NULL ? g->access : c->access,
	    managers != NULL ? &managers->id : NULL, out);
	return 0;
}

static enum why_not
why_not(const struct index *ix, const struct id *node, const struct index_record *c,
    const struct index_record *g, int64_t now)
{
	struct access_lookup lookup = index_access_lookup(ix);
	struct generation_public p = {0};
	struct why_facts facts = {.credential = c != NULL ? c->credential : NULL, .now = now};

	if (g != NULL) {
		p.not_before = g->generation->not_before;
		p.not_after = g->generation->not_after;
		p.profile = g->generation->profile;
		p.revoked = g->generation->revoked;
		p.withdrawn = g->generation->withdrawn;
		facts.generation = &p;
		facts.access = g->access;
	}
	return access_why_not(&lookup, &facts, node);
}

enum why_not
index_why_not(const struct index *ix, const char *node, const char *credential, int64_t now)
{
	const struct index_record *n = index_named(ix, KIND_NODE, node);
	const struct index_record *c = index_credential(ix, credential);

	if (n == NULL)
		return WHY_NOT_NO_NODE;
	return why_not(ix, &n->id, c, c != NULL ? index_active(ix, c) : NULL, now);
}

struct explaining {
	const struct index *ix;
	const struct id *node;
	const char *name; /* or the wildcard that stands for it */
	int64_t now;
	bool wildcard;
	struct explained *out;
	size_t count;
};

/* Without a node, who has access is no question, as long as there is somebody. */
static enum why_not
why_nobody(const struct index_record *c, const struct index_record *g, int64_t now)
{
	if (c->credential->archived)
		return WHY_NOT_ARCHIVED;
	if (!generation_serves(g != NULL ? g->generation->profile : NULL, c->credential))
		return WHY_NOT_PROFILE;
	if (g == NULL)
		return WHY_NOT_NO_GENERATION;
	if (c->credential->state == CREDENTIAL_REVOKED || g->generation->revoked)
		return WHY_NOT_REVOKED;
	if (g->generation->withdrawn)
		return WHY_NOT_WITHDRAWN;
	if (c->access.count == 0)
		return WHY_NOT_NO_ACCESS;
	if (now < g->generation->not_before)
		return WHY_NOT_NOT_YET;
	return now > g->generation->not_after ? WHY_NOT_EXPIRED : WHY_NOT_NOTHING;
}

static bool
on_fitting(void *arg, const struct index_record *c)
{
	struct explaining *x = arg;
	struct explained *e = NULL;

	for (size_t i = 0; i < x->count && e == NULL; i++)
		if (x->out[i].credential == c)
			e = &x->out[i];
	/* One that has both the name and the wildcard fits once, by the name. */
	if (e != NULL && e->why != WHY_NOT_NAME)
		return true;
	if (e == NULL && x->count == EXPLAIN_MAX)
		return false;
	if (e == NULL)
		e = &x->out[x->count++];
	memset(e, 0, sizeof(*e));
	e->credential = c;
	e->generation = index_active(x->ix, c);
	e->wildcard = x->wildcard;
	e->nobody = c->access.count == 0;
	e->why = x->node != NULL ? why_not(x->ix, x->node, c, e->generation, x->now)
				 : why_nobody(c, e->generation, x->now);
	/* What it is to have does not count before there is a certificate for it. */
	if (e->generation != NULL && !index_has_name(e->generation, x->name))
		e->why = WHY_NOT_NAME;
	return true;
}

static struct candidate
candidate_of(const struct explained *e)
{
	return (struct candidate){.credential = e->credential->id,
	    .wildcard = e->wildcard,
	    .rsa = e->generation != NULL && e->generation->generation->is_rsa,
	    .activated_at_ms =
		e->generation != NULL ? e->generation->generation->activated_at_ms : 0};
}

/* What can be served first, then by the rule. */
static int
compare(const void *a, const void *b)
{
	const struct explained *x = a, *y = b;
	struct candidate cx = candidate_of(x), cy = candidate_of(y);
	bool nx = x->why != WHY_NOT_NOTHING, ny = y->why != WHY_NOT_NOTHING;

	return nx != ny ? (int)nx - (int)ny : candidate_compare(&cx, &cy);
}

size_t
index_explain(const struct index *ix, const struct id *node, const char *name, int64_t now,
    struct explained out[static EXPLAIN_MAX])
{
	struct explaining x = {.ix = ix, .node = node, .name = name, .now = now, .out = out};
	bool serves[2] = {false, false}; /* ECDSA, RSA: each client type has its own */
	char wildcard[NAME_TEXT_MAX];

	index_for_name(ix, name, on_fitting, &x);
	x.wildcard = true;
	x.name = wildcard;
	if (name_wildcard_of(name, wildcard))
		index_for_name(ix, wildcard, on_fitting, &x);
	if (x.count > 1)
		qsort(out, x.count, sizeof(*out), compare);
	for (size_t i = 0; i < x.count; i++) {
		bool rsa = out[i].generation != NULL && out[i].generation->generation->is_rsa;

		out[i].serves = out[i].why == WHY_NOT_NOTHING && !serves[rsa];
		serves[rsa] = serves[rsa] || out[i].serves;
	}
	return x.count;
}
