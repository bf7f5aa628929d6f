/* Join tokens: made for a name, kept hashed, good for one pair of keys and a short time. */

#include "common/model/names.h"
#include "server/nodes/nodes_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
nodes_new_id(struct nodes *n, struct id *out)
{
	do
		runtime_random(n->p.runtime, out->bytes, ID_LEN);
	while (id_is_zero(out));
}

void
tokens_free(struct nodes *n)
{
	size_t at = 0;
	void *value;

	while (map_next(n->tokens, &at, NULL, &value))
		mem_free(value);
	map_free(n->tokens);
}

struct token_task {
	struct task t;
	const char *name;
	int64_t ttl;
	struct local_token row;
	struct secret *secret;
	struct id forgotten; /* zero: none */
};

/* Nobody can join with it any more. */
static bool
is_past(const struct token *token)
{
	return token->row.claimed || token->row.tries >= TOKEN_TRIES;
}

static void
drop_expired(struct nodes *n)
{
	int64_t now = runtime_wall_s(n->p.runtime);
	struct id ids[64];
	size_t at = 0, count = 0;
	void *value;

	while (count < ARRAY_LEN(ids) && map_next(n->tokens, &at, NULL, &value)) {
		struct token *token = value;

		if (token->row.expires_at < now && !token->busy)
			ids[count++] = token->row.id;
	}
	for (size_t i = 0; i < count; i++)
		mem_free(map_del(n->tokens, ids[i].bytes, ID_LEN));
}

/*
 * Only tokens that are still good count towards the limit. Of the others, which wait for a repeated
 * join, the one that runs out first gives way when there are too many; its join is refused then.
 */
static int
make_room(struct token_task *tt, struct err *err)
{
	struct nodes *n = tt->t.nodes;
	const struct token *first = NULL;
	size_t good = 0, past = 0, at = 0;
	void *value;

	while (map_next(n->tokens, &at, NULL, &value)) {
		const struct token *token = value;

		good += !is_past(token);
		past += is_past(token);
		if (is_past(token) && !token->busy &&
		    (first == NULL || token->row.expires_at < first->row.expires_at))
			first = token;
	}
	if (good >= LIMIT_TOKENS)
		return err_set(err, ERR_LIMIT,
		    "there are %d join tokens that are neither used nor run out; use some, or wait "
		    "until some have run out",
		    LIMIT_TOKENS);
	if (past > LIMIT_TOKENS_PAST && first != NULL) {
		tt->forgotten = first->row.id;
		mem_free(map_del(n->tokens, tt->forgotten.bytes, ID_LEN));
	}
	return 0;
}

static int
look_token(struct task *t, struct err *err)
{
	struct token_task *tt = CONTAINER_OF(t, struct token_task, t);
	struct nodes *n = t->nodes;
	int rc;

	drop_expired(n);
	if (index_named(n->p.index, KIND_NODE, tt->name) != NULL)
		return err_set(err, ERR_EXISTS,
		    "there is a node '%s' already; remove it first with 'certherd node remove', or "
		    "choose another name",
		    tt->name);
	if (n->endpoints.count == 0)
		return err_set(
		    err, ERR_UNAVAIL, "the public port is not open yet, so nobody could join");
	rc = make_room(tt, err);
	if (rc < 0)
		return rc;
	rc = secret_random(JOIN_TOKEN_SECRET_LEN, &tt->secret, err);
	if (rc < 0)
		return rc;
	nodes_new_id(n, &tt->row.id);
	hash_of(secret_span(tt->secret), &tt->row.secret);
	snprintf(tt->row.name, sizeof(tt->row.name), "%s", tt->name);
	tt->row.expires_at = runtime_wall_s(n->p.runtime) + tt->ttl;
	t->uses_job = true;
	return 0;
}

static int
run_token(struct task *t, struct err *err)
{
	struct token_task *tt = CONTAINER_OF(t, struct token_task, t);

	int rc = 0;

	if (!id_is_zero(&tt->forgotten))
		rc = local_token_delete(t->nodes->p.store, &tt->forgotten, err);
	return rc < 0 ? rc : local_token_put(t->nodes->p.store, &tt->row, err);
}

static int
format_token(struct token_task *tt, struct secret **text, struct err *err)
{
	const struct nodes *n = tt->t.nodes;
	struct join_token token = {.secret = tt->secret,
	    .root_fingerprint = *trust_root_fingerprint(n->p.trust),
	    .domain = *trust_domain(n->p.trust),
	    .endpoints = n->endpoints,
	    .term = trust_current_term(n->p.trust),
	    .name = tt->name,
	    .expires_at = tt->row.expires_at};

	memcpy(token.token_id, tt->row.id.bytes, ID_LEN);
	return join_token_format(&token, text, err);
}

static void
finish_token(struct task *t, int status, const struct commit_result *commit, const struct err *err)
{
	struct token_task *tt = CONTAINER_OF(t, struct token_task, t);
	nodes_token_cb *done = (nodes_token_cb *)t->done;
	AUTO(secret_freep)
	struct secret *text = NULL;
	struct token *token;
	struct err own;

	(void)commit;
	if (status == 0) {
		status = format_token(tt, &text, &own);
		err = &own;
	}
	if (status == 0) {
		token = mem_zalloc(sizeof(*token));
		token->row = tt->row;
		map_put(t->nodes->tokens, token->row.id.bytes, ID_LEN, token);
	}
	done(t->arg, status, text, &tt->row.id, tt->row.expires_at, err);
}

static void
forget_token(struct task *t)
{
	struct token_task *tt = CONTAINER_OF(t, struct token_task, t);

	secret_free(tt->secret);
	tt->secret = NULL;
}

static const struct task_type token_type = {.action = "node.token",
    .size = sizeof(struct token_task),
    .look = look_token,
    .run = run_token,
    .finish = finish_token,
    .forget = forget_token};

int
nodes_token_create(struct nodes *n, const char *name, int64_t ttl, const char *author,
    nodes_token_cb *done, void *arg, struct err *err)
{
	struct token_task *tt;
	int rc = label_check("node", name, err);

	if (rc == 0 && (ttl < 0 || ttl > TOKEN_TTL_MOST))
		rc = err_set(err, ERR_INVALID, "a join token is good for a second to %d days",
		    TOKEN_TTL_MOST / 86400);
	if (rc == 0)
		rc = nodes_check_open(n, err);
	if (rc < 0)
		return rc;
	tt = CONTAINER_OF(task_new(n, &token_type, author, name, (void (*)(void))done, arg),
	    struct token_task, t);
	tt->name = tt->t.object;
	tt->ttl = ttl > 0 ? ttl : TOKEN_TTL_DEFAULT;
	task_start(&tt->t);
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct token *x = *(const struct token *const *)a;
	const struct token *y = *(const struct token *const *)b;
	int names = strcmp(x->row.name, y->row.name);

	if (names != 0)
		return names;
	return (x->row.expires_at > y->row.expires_at) - (x->row.expires_at < y->row.expires_at);
}

void
nodes_tokens(const struct nodes *n,
    void (*cb)(void *arg, const struct id *token, const char *name, int64_t expires_at, bool used),
    void *arg)
{
	int64_t now = runtime_wall_s(n->p.runtime);
	const struct token **sorted =
	    mem_array(map_count(n->tokens) + 1, sizeof(const struct token *));
	size_t at = 0, count = 0;
	void *value;

	while (map_next(n->tokens, &at, NULL, &value)) {
		const struct token *token = value;

		/* Nobody can join by a name that somebody has. */
		if (token->row.expires_at >= now && token->row.tries < TOKEN_TRIES &&
		    index_named(n->p.index, KIND_NODE, token->row.name) == NULL)
			sorted[count++] = token;
	}
	qsort(sorted, count, sizeof(const struct token *), by_name);
	for (size_t i = 0; i < count; i++)
		cb(arg, &sorted[i]->row.id, sorted[i]->row.name, sorted[i]->row.expires_at,
		    sorted[i]->row.claimed);
	mem_free(sorted);
}

/* --- tokens that are taken back --- */

size_t
tokens_take_out(struct nodes *n, const char *name, const struct id *id, struct id **out)
{
	size_t at = 0, count = 0;
	void *value;

	*out = mem_array(map_count(n->tokens) + 1, sizeof(**out));
	while (map_next(n->tokens, &at, NULL, &value)) {
		const struct token *token = value;

		/* A used one answers who has joined with it; it lets nobody else in. */
		if (is_past(token) || token->busy)
			continue;
		if (strcmp(token->row.name, name) == 0 ||
		    (id != NULL && id_equal(&token->row.id, id)))
			(*out)[count++] = token->row.id;
	}
	for (size_t i = 0; i < count; i++)
		mem_free(map_del(n->tokens, (*out)[i].bytes, ID_LEN));
	return count;
}

int
tokens_delete(struct nodes *n, const struct id *ids, size_t count, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = local_token_delete(n->p.store, &ids[i], err);
	return rc;
}

struct revoke_task {
	struct task t;
	struct id *ids;
	size_t count;
};

#define REVOKE_OF(task) CONTAINER_OF(task, struct revoke_task, t)

/* Out of memory at once: whatever becomes of the disk, nobody joins with it while this runs. */
static int
look_revoke(struct task *t, struct err *err)
{
	struct revoke_task *r = REVOKE_OF(t);
	struct id id;
	bool is_id = id_parse(t->object, &id, NULL) == 0;

	drop_expired(t->nodes);
	r->count = tokens_take_out(t->nodes, t->object, is_id ? &id : NULL, &r->ids);
	if (r->count == 0)
		return err_set(err, ERR_NOTFOUND,
		    "there is no join token '%.100s' that somebody could join with; 'certherd node "
		    "tokens' lists them",
		    t->object);
	t->uses_job = true;
	return 0;
}

static int
run_revoke(struct task *t, struct err *err)
{
	return tokens_delete(t->nodes, REVOKE_OF(t)->ids, REVOKE_OF(t)->count, err);
}

static void
finish_revoke(struct task *t, int status, const struct commit_result *commit, const struct err *err)
{
	nodes_revoked_cb *done = (nodes_revoked_cb *)t->done;

	(void)commit;
	done(t->arg, status, REVOKE_OF(t)->count, err);
}

static void
forget_revoke(struct task *t)
{
	mem_free(REVOKE_OF(t)->ids);
	REVOKE_OF(t)->ids = NULL;
}

static const struct task_type revoke_type = {.action = "node.revoke-token",
    .size = sizeof(struct revoke_task),
    .look = look_revoke,
    .run = run_revoke,
    .finish = finish_revoke,
    .forget = forget_revoke};

int
nodes_token_revoke(struct nodes *n, const char *token, const char *author, nodes_revoked_cb *done,
    void *arg, struct err *err)
{
	int rc = nodes_check_open(n, err);

	if (rc < 0)
		return rc;
	task_start(task_new(n, &revoke_type, author, token, (void (*)(void))done, arg));
	return 0;
}
