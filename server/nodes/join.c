/* Joining with a token. The asker is anybody: it learns nothing from a refusal. */

#include "common/model/names.h"
#include "common/wire/public_wire.h"
#include "server/nodes/nodes_priv.h"

#include <stdio.h>
#include <string.h>

#define SOFTWARE_MAX 64

struct join_task {
	struct task t;
	struct id token;
	struct hash secret; /* SHA-256 of what was shown */
	const char *name, *software;
	struct span csr, sealing_key, sealing_proof;
	struct texts addresses;
	struct hash keys; /* SHA-256 of csr key and sealing key: who joins */
	struct local_token row;
	bool holds_token;
	struct id node;
	struct identity_facts facts;
	struct buf *certificate;
};

static bool
same_hash(const struct hash *a, const struct hash *b)
{
	uint8_t differ = 0;

	/* In constant time, although what is compared are hashes. */
	for (size_t i = 0; i < HASH_LEN; i++)
		differ |= (uint8_t)(a->bytes[i] ^ b->bytes[i]);
	return differ == 0;
}

static int
denied(struct nodes *n, struct err *err)
{
	n->join_failures++;
	return err_set(err, ERR_DENIED,
	    "this join token is not accepted: it is used, too old, or not for this name; make "
	    "another one with 'certherd node token'");
}

static bool
is_flooded(struct nodes *n)
{
	uint64_t now = runtime_mono_ms(n->p.runtime);

	if (now - n->join_window_ms >= 60000) {
		n->join_window_ms = now;
		n->join_failures = 0;
	}
	return n->join_failures >= JOIN_TRIES_MIN;
}

/* A wrong secret is counted on disk too, without anybody waiting for it. */
struct keep {
	struct job job;
	struct nodes *nodes;
	struct local_token row;
};

static void
run_keep(struct job *job)
{
	struct keep *k = CONTAINER_OF(job, struct keep, job);
	struct err err;

	/* Lost tries count again after a restart; nothing else can be done about it here. */
	if (local_token_put(k->nodes->p.store, &k->row, &err) < 0)
		return;
}

static void
on_kept(struct job *job)
{
	struct keep *k = CONTAINER_OF(job, struct keep, job);
	struct nodes *n = k->nodes;

	mem_free(k);
	n->pending--;
	nodes_check_closed(n);
}

static void
keep_tries(struct nodes *n, const struct local_token *row)
{
	struct keep *k = mem_zalloc(sizeof(*k));

	k->job = (struct job){.run = run_keep, .done = on_kept};
	k->nodes = n;
	k->row = *row;
	n->pending++;
	runtime_work(n->p.runtime, &k->job);
}

static int
check_token(struct join_task *j, struct token **out, struct err *err)
{
	struct nodes *n = j->t.nodes;
	struct token *token = map_get(n->tokens, j->token.bytes, ID_LEN);

	if (token == NULL || token->row.tries >= TOKEN_TRIES ||
	    token->row.expires_at < runtime_wall_s(n->p.runtime))
		return denied(n, err);
	if (!same_hash(&token->row.secret, &j->secret)) {
		token->row.tries++;
		keep_tries(n, &token->row);
		return denied(n, err);
	}
	if (strcmp(token->row.name, j->name) != 0)
		return denied(n, err);
	*out = token;
	return 0;
}

/* The node that has joined with these keys before: it gets the same answer. */
static bool
is_joined(struct join_task *j, const struct index_record *r)
{
	return r != NULL && span_equal(r->node->identity_key, buf_span(j->facts.identity_key)) &&
	    span_equal(r->node->sealing_key, j->sealing_key);
}

static int
look_join(struct task *t, struct err *err)
{
	struct join_task *j = CONTAINER_OF(t, struct join_task, t);
	const struct index_record *r;
	struct token *token = NULL;
	int rc;

	if (is_flooded(t->nodes))
		return err_set(err, ERR_AGAIN, "too many joins have failed; try again in a minute");
	rc = check_token(j, &token, err);
	/* Only with a good token does anybody make this server compute. */
	if (rc == 0)
		rc = identity_check(
		    t, j->csr, j->sealing_key, j->sealing_proof, j->addresses, &j->facts, err);
	if (rc < 0)
		return rc;
	hash_of_parts(
	    (const struct span[]){buf_span(j->facts.identity_key), j->sealing_key}, 2, &j->keys);
	if (token->row.claimed && !same_hash(&token->row.claimed_by, &j->keys))
		return denied(t->nodes, err);
	if (token->busy && !j->holds_token)
		return err_set(
		    err, ERR_BUSY, "a join with this token is under way; ask again in a moment");
	r = index_named(t->nodes->p.index, KIND_NODE, j->name);
	if (token->row.claimed && is_joined(j, r)) {
		j->node = r->id;
		j->certificate = buf_new(LIMIT_CERT);
		buf_put_span(j->certificate, r->node->certificate);
		t->answered = true;
		return 0;
	}
	if (r != NULL)
		return err_set(err, ERR_EXISTS, "there is a node '%s' already", j->name);
	token->busy = true;
	j->holds_token = true;
	token->row.claimed = true;
	token->row.claimed_by = j->keys;
	j->row = token->row;
	nodes_new_id(t->nodes, &j->node);
	t->uses_job = true;
	t->calls = 1;
	return 0;
}

/* Before anything else: after a crash the token still belongs to these keys. */
static int
run_join(struct task *t, struct err *err)
{
	struct join_task *j = CONTAINER_OF(t, struct join_task, t);

	return local_token_put(t->nodes->p.store, &j->row, err);
}

static int
request_join(struct task *t, unsigned call, struct signer_request *r, struct err *err)
{
	struct join_task *j = CONTAINER_OF(t, struct join_task, t);

	(void)call;
	return identity_request(t, j->csr, &j->node, j->name, j->facts.addresses, r, err);
}

static int
reply_join(struct task *t, unsigned call, const struct signer_done *done, struct err *err)
{
	struct join_task *j = CONTAINER_OF(t, struct join_task, t);

	(void)call;
	j->certificate = buf_new(LIMIT_CERT);
	buf_put_span(j->certificate, done->certificate);
	return buf_error(j->certificate, "certificate of a node", err);
}

static int
mutation_join(struct task *t, struct mutation *m, struct err *err)
{
	struct join_task *j = CONTAINER_OF(t, struct join_task, t);
	const struct node_public p = {.role = ROLE_REPLICA,
	    .identity_key = buf_span(j->facts.identity_key),
	    .sealing_key = j->sealing_key,
	    .certificate = buf_span(j->certificate),
	    .addresses = j->facts.addresses,
	    .joined_at = runtime_wall_s(t->nodes->p.runtime),
	    .software = j->software};
	struct draft *d = mutation_add(m);

	d->id = j->node;
	d->kind = KIND_NODE;
	snprintf(d->name, sizeof(d->name), "%s", j->name);
	return wire_node_public_encode(&p, d->public_part, err);
}

static void
finish_join(struct task *t, int status, const struct commit_result *commit, const struct err *err)
{
	struct join_task *j = CONTAINER_OF(t, struct join_task, t);
	struct nodes *n = t->nodes;
	struct token *token = map_get(n->tokens, j->token.bytes, ID_LEN);
	const struct index_record *self = index_of_kind(n->p.index, KIND_NODE, &n->p.self);
	nodes_join_cb *done = (nodes_join_cb *)t->done;
	struct join_answer a = {.node = j->node};

	if (token != NULL && j->holds_token)
		token->busy = false;
	if (status == 0) {
		a.certificate = buf_span(j->certificate);
		if (self != NULL)
			a.manager_certificate = self->node->manager_certificate;
		a.root_certificate = cert_der(trust_root(n->p.trust));
		a.endpoints = n->endpoints;
		a.term = trust_current_term(n->p.trust);
		a.commit = *commit;
	}
	done(t->arg, status, status == 0 ? &a : NULL, err);
}

static void
forget_join(struct task *t)
{
	struct join_task *j = CONTAINER_OF(t, struct join_task, t);

	buf_free(j->facts.identity_key);
	buf_free(j->certificate);
	j->facts.identity_key = NULL;
	j->certificate = NULL;
}

static const struct task_type join_type = {.action = "node.join",
    .size = sizeof(struct join_task),
    .look = look_join,
    .run = run_join,
    .request = request_join,
    .reply = reply_join,
    .mutation = mutation_join,
    .finish = finish_join,
    .forget = forget_join};

int
nodes_join(struct nodes *n, const struct join_request *request, nodes_join_cb *done, void *arg,
    struct err *err)
{
	struct join_task *j;
	int rc = nodes_check_open(n, err);

	if (rc == 0)
		rc = label_check("node", request->name, err);
	if (rc == 0 &&
	    (request->csr.len > LIMIT_CERT || request->sealing_key.len > LIMIT_SPKI ||
		request->sealing_key.len == 0 || request->sealing_proof.len > LIMIT_SIGNATURE ||
		request->addresses.count > LIMIT_ADDRESSES))
		rc = err_set(err, ERR_INVALID,
		    "the join request of '%s' is not complete or too long", request->name);
	if (rc < 0)
		return rc;
	j = CONTAINER_OF(task_new(n, &join_type, "join", request->name, (void (*)(void))done, arg),
	    struct join_task, t);
	j->token = request->token;
	hash_of(secret_span(request->secret), &j->secret);
	j->name = j->t.object;
	j->software = task_text(&j->t, request->software != NULL ? request->software : "");
	if (strlen(j->software) > SOFTWARE_MAX)
		j->software = "";
	j->csr = task_span(&j->t, request->csr);
	j->sealing_key = task_span(&j->t, request->sealing_key);
	j->sealing_proof = task_span(&j->t, request->sealing_proof);
	j->addresses = task_texts(&j->t, request->addresses);
	task_start(&j->t);
	return 0;
}
