/*
 * Groups, and the removal of nodes. What membership asks for and is not so yet (a group with a
 * member that is gone, a membership sealed to an old key) is repaired, one group at a time; the
 * records say what is to be done, so that nothing is lost by a crash.
 */

#include "common/model/names.h"
#include "common/model/renewal.h"
#include "server/nodes/group_task.h"

#include <stdio.h>
#include <string.h>

/* --- repair --- */

struct repair_trouble {
	unsigned tries; /* after which it was as wrong as before */
	uint64_t not_before;
};

struct search {
	struct nodes *n;
	const struct index_record *due;
	uint64_t now, next; /* monotonic, ms; next: of those that wait */
};

static bool
on_group(void *arg, const struct index_record *r)
{
	struct search *s = arg;
	const struct repair_trouble *t;

	if (!plan_is_due(s->n->p.index, r))
		return true;
	t = map_get(s->n->repair_troubles, r->id.bytes, ID_LEN);
	if (t == NULL || t->not_before <= s->now)
		s->due = r;
	else if (t->not_before < s->next)
		s->next = t->not_before;
	return s->due == NULL;
}

struct pending {
	const struct index *ix;
	bool found;
};

static bool
on_left(void *arg, const struct index_record *r)
{
	struct pending *p = arg;

	/* A group goes with all its memberships; without one there is nothing to be repaired. */
	p->found = index_of_kind(p->ix, KIND_GROUP, &r->membership->group) != NULL;
	return !p->found;
}

bool
repair_is_pending(const struct nodes *n, const struct id *node)
{
	struct pending p = {n->p.index, false};

	index_memberships(n->p.index, node, on_left, &p);
	return p.found;
}

static void remove_resume(struct nodes *n, const struct err *err);

/* It is as wrong as before: others go first, and it waits longer each time. */
static void
put_off(struct nodes *n, int status)
{
	struct repair_trouble *t = map_get(n->repair_troubles, n->repair_group.bytes, ID_LEN);

	if (t == NULL) {
		t = mem_zalloc(sizeof(*t));
		(void)map_put(n->repair_troubles, n->repair_group.bytes, ID_LEN, t);
	}
	t->tries++;
	/* Once without waiting: it has changed while it was being repaired, most likely. */
	if (status < 0 || t->tries > 1)
		t->not_before = runtime_mono_ms(n->p.runtime) + renewal_retry_soon_ms(t->tries);
}

static void
on_repaired(struct nodes *n, int status, const struct err *err)
{
	const struct index_record *group;
	bool failed = status < 0 && status != ERR_EXISTS && status != ERR_NOTFOUND;

	n->repairing = false;
	if (n->closing)
		return;
	group = index_of_kind(n->p.index, KIND_GROUP, &n->repair_group);
	if (group != NULL && plan_is_due(n->p.index, group))
		put_off(n, status);
	else
		mem_free(map_del(n->repair_troubles, n->repair_group.bytes, ID_LEN));
	remove_resume(n, failed ? err : NULL);
	repair_start(n);
}

void
repair_run(void *arg)
{
	struct nodes *n = arg;
	struct search s = {.n = n, .now = runtime_mono_ms(n->p.runtime), .next = UINT64_MAX};
	struct err err;

	if (n->repairing || n->closing)
		return;
	index_each(n->p.index, KIND_GROUP, on_group, &s);
	if (s.due != NULL) {
		n->repairing = true;
		n->repair_group = s.due->id;
		task_start(&group_task_new(
		    n, GROUP_REPAIR, s.due->name, "certherd", (void (*)(void))on_repaired, NULL)
				->t);
	} else if (s.next != UINT64_MAX) {
		err_set(&err, ERR_AGAIN, "a group could not be given a new key");
		runtime_timer_start(n->p.runtime, &n->repair_timer, s.next - s.now);
		remove_resume(n, &err);
	} else {
		remove_resume(n, NULL);
	}
}

void
repair_start(struct nodes *n)
{
	if (!n->repairing && !n->closing)
		runtime_timer_start(n->p.runtime, &n->repair_timer, 0);
}

/* Those that wait may go well now. What a repair itself changes says nothing of that. */
static void
repair_anew(struct nodes *n)
{
	size_t at = 0;
	void *value;

	if (n->repairing)
		return;
	while (map_next(n->repair_troubles, &at, NULL, &value))
		((struct repair_trouble *)value)->not_before = 0;
	repair_start(n);
}

void
repair_observe(struct nodes *n, const struct record *r)
{
	/* A new one is in no group, and has no member that could be wrong. */
	if ((r->kind == KIND_NODE || r->kind == KIND_GROUP) && r->version > 1)
		repair_anew(n);
	/* Sealed while its group was given a new key, or its node removed. */
	else if (r->kind == KIND_MEMBERSHIP && !r->removed && !plan_is_sound(n->p.index, &r->id))
		repair_start(n);
}

void
repair_free(struct nodes *n)
{
	size_t at = 0;
	void *value;

	while (map_next(n->repair_troubles, &at, NULL, &value))
		mem_free(value);
	map_free(n->repair_troubles);
}

/* --- removal --- */

struct remove_task {
	struct task t;
	struct id id;
	uint64_t version;
	struct id
	    *tokens; /* that are still good for its name: whoever has one must not come back */
	size_t token_count;
};

#define REMOVE_OF(task) CONTAINER_OF(task, struct remove_task, t)

static int
look_remove(struct task *t, struct err *err)
{
	struct remove_task *rt = REMOVE_OF(t);
	const struct index_record *r = index_named(t->nodes->p.index, KIND_NODE, t->object);

	if (r == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no node '%s'; 'certherd node list' shows them", t->object);
	if (id_equal(&r->id, &t->nodes->p.self))
		return err_set(err, ERR_DENIED,
		    "'%s' is this server, the manager; it cannot remove itself", t->object);
	rt->id = r->id;
	rt->version = r->version;
	rt->token_count = tokens_take_out(t->nodes, t->object, NULL, &rt->tokens);
	t->uses_job = rt->token_count > 0;
	if (r->node->role == ROLE_RECOVERY)
		t->warning =
		    "the domain has no recovery key any more: when all managers are lost, so "
		    "are all private keys";
	return 0;
}

static int
run_remove(struct task *t, struct err *err)
{
	return tokens_delete(t->nodes, REMOVE_OF(t)->tokens, REMOVE_OF(t)->token_count, err);
}

static void
forget_remove(struct task *t)
{
	mem_free(REMOVE_OF(t)->tokens);
	REMOVE_OF(t)->tokens = NULL;
}

static int
mutation_remove(struct task *t, struct mutation *m, struct err *err)
{
	struct remove_task *rt = REMOVE_OF(t);
	struct draft *d = mutation_add(m);

	(void)err;
	d->id = rt->id;
	d->kind = KIND_NODE;
	d->expect_version = rt->version;
	d->removed = true;
	snprintf(d->name, sizeof(d->name), "%s", t->object);
	t->waits = repair_is_pending(t->nodes, &rt->id);
	return 0;
}

static void
finish_remove(struct task *t, int status, const struct commit_result *commit, const struct err *err)
{
	task_finish_plain(t, &REMOVE_OF(t)->id, status, commit, err);
}

static const struct task_type remove_type = {.action = "node.remove",
    .size = sizeof(struct remove_task),
    .look = look_remove,
    .run = run_remove,
    .mutation = mutation_remove,
    .finish = finish_remove,
    .forget = forget_remove};

/* Removals whose groups have new keys are done; all of them when that fails, with a warning. */
static void
remove_resume(struct nodes *n, const struct err *err)
{
	struct task *next;

	for (struct task *t = n->tasks; t != NULL; t = next) {
		next = t->next;
		if (t->type != &remove_type || t->sm.state != TASK_WAIT)
			continue;
		if (err != NULL)
			t->warning = "it is removed, but its groups have no new keys yet; this is "
				     "tried again until they have";
		if (err != NULL || !repair_is_pending(n, &REMOVE_OF(t)->id))
			task_resume(t);
	}
}

int
nodes_remove(struct nodes *n, const char *name, const char *author, nodes_done_cb *done, void *arg,
    struct err *err)
{
	int rc = nodes_check_open(n, err);

	if (rc == 0)
		rc = label_check("node", name, err);
	if (rc < 0)
		return rc;
	task_start(task_new(n, &remove_type, author, name, (void (*)(void))done, arg));
	return 0;
}

/* --- what a node could open --- */

void
nodes_exposed(const struct nodes *n, const struct id *node, index_each_cb *cb, void *arg)
{
	index_readable_by(n->p.index, node, cb, arg);
}

/* --- what administrators ask for --- */

static int
check_group(struct nodes *n, const char *group, struct err *err)
{
	int rc = nodes_check_open(n, err);

	if (rc == 0)
		rc = label_check("group", group, err);
	if (rc == 0 && strcmp(group, GROUP_MANAGERS) == 0)
		rc = err_set(err, ERR_DENIED,
		    "the group '%s' is certherd's own: it holds the servers that may open "
		    "everything",
		    GROUP_MANAGERS);
	return rc;
}

int
nodes_group_create(struct nodes *n, const char *name, struct texts members, const char *author,
    nodes_done_cb *done, void *arg, struct err *err)
{
	struct group_task *g;
	int rc = check_group(n, name, err);

	if (rc == 0 && members.count > LIMIT_MEMBERS)
		rc = err_set(err, ERR_LIMIT, "a group has at most %d members", LIMIT_MEMBERS);
	if (rc < 0)
		return rc;
	g = group_task_new(n, GROUP_CREATE, name, author, (void (*)(void))done, arg);
	g->members = task_texts(&g->t, members);
	task_start(&g->t);
	return 0;
}

static int
start_member(struct nodes *n, enum group_change change, const char *group, const char *node,
    bool keep_keys, const char *author, nodes_done_cb *done, void *arg, struct err *err)
{
	struct group_task *g;
	int rc = check_group(n, group, err);

	if (rc == 0)
		rc = label_check("node", node, err);
	if (rc < 0)
		return rc;
	g = group_task_new(n, change, group, author, (void (*)(void))done, arg);
	g->node = task_text(&g->t, node);
	g->keep_keys = keep_keys;
	task_start(&g->t);
	return 0;
}

int
nodes_group_add(struct nodes *n, const char *group, const char *node, const char *author,
    nodes_done_cb *done, void *arg, struct err *err)
{
	return start_member(n, GROUP_ADD, group, node, false, author, done, arg, err);
}

int
nodes_group_remove(struct nodes *n, const char *group, const char *node, bool keep_keys,
    const char *author, nodes_done_cb *done, void *arg, struct err *err)
{
	return start_member(n, GROUP_REMOVE, group, node, keep_keys, author, done, arg, err);
}

/* --- deletion --- */

static bool
on_user(void *arg, const struct index_record *r)
{
	const struct index_record **out = arg;

	if (r->kind == KIND_CREDENTIAL)
		*out = r;
	return *out == NULL;
}

static bool
in_default_access(const struct index *ix, const struct id *group)
{
	const struct setting_public *s = index_setting(ix, SETTING_DEFAULT_ACCESS);

	for (size_t i = 0; s != NULL && i < s->records.count; i++)
		if (id_equal(&s->records.items[i], group))
			return true;
	return false;
}

static int
check_users(struct task *t, const struct id *group, struct err *err)
{
	const struct index *ix = t->nodes->p.index;
	const struct index_record *user = NULL;

	index_with_access(ix, group, on_user, &user);
	if (user != NULL)
		return err_set(err, ERR_BUSY,
		    "the group '%s' has access to '%s'; take it away first with 'certherd cert "
		    "access NAME --remove @%s'",
		    t->object, user->name, t->object);
	if (in_default_access(ix, group))
		return err_set(err, ERR_BUSY,
		    "the group '%s' is part of the default access; set another first with "
		    "'certherd default-access set NAME...'",
		    t->object);
	return 0;
}

static int
look_delete(struct task *t, struct err *err)
{
	struct remove_task *rt = REMOVE_OF(t);
	const struct index_record *r = index_named(t->nodes->p.index, KIND_GROUP, t->object);

	if (r == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no group '%s'; 'certherd group list' shows them", t->object);
	rt->id = r->id;
	rt->version = r->version;
	return check_users(t, &r->id, err);
}

static bool
on_dropped(void *arg, const struct index_record *r)
{
	struct draft *d = mutation_add(arg);

	d->id = r->id;
	d->kind = r->kind;
	d->expect_version = r->version;
	d->removed = true;
	return true;
}

static bool
on_counted(void *arg, const struct index_record *r)
{
	(void)r;
	++*(size_t *)arg;
	return true;
}

/* Nobody has come meanwhile: neither a user of the group nor a member. */
static int
check_delete(void *arg, const struct mutation *m, struct err *err)
{
	struct task *t = arg;
	size_t members = 0;

	index_members(t->nodes->p.index, &REMOVE_OF(t)->id, on_counted, &members);
	if (members + 1 != m->count)
		return err_set(
		    err, ERR_CONFLICT, "the group '%s' has other members meanwhile", t->object);
	return check_users(t, &REMOVE_OF(t)->id, err);
}

static int
mutation_delete(struct task *t, struct mutation *m, struct err *err)
{
	struct remove_task *rt = REMOVE_OF(t);
	struct draft *d = mutation_add(m);

	(void)err;
	d->id = rt->id;
	d->kind = KIND_GROUP;
	d->expect_version = rt->version;
	d->removed = true;
	snprintf(d->name, sizeof(d->name), "%s", t->object);
	index_members(t->nodes->p.index, &rt->id, on_dropped, m);
	m->check = check_delete;
	m->check_arg = t;
	return 0;
}

static const struct task_type delete_type = {.action = "group.delete",
    .size = sizeof(struct remove_task),
    .look = look_delete,
    .mutation = mutation_delete,
    .finish = finish_remove};

int
nodes_group_delete(struct nodes *n, const char *group, const char *author, nodes_done_cb *done,
    void *arg, struct err *err)
{
	int rc = check_group(n, group, err);

	if (rc < 0)
		return rc;
	task_start(task_new(n, &delete_type, author, group, (void (*)(void))done, arg));
	return 0;
}
