/* Identities: what a node shows to get one, and their renewal. */

#include "common/crypto/cert.h"
#include "common/model/names.h"
#include "common/wire/public_wire.h"
#include "server/nodes/nodes_priv.h"

#include <stdio.h>
#include <string.h>

#define IDENTITY_LIFETIME (365 * INT64_C(86400))
#define IDENTITY_BACKDATE 300

static int
check_p256(const struct pkey *key, const char *what, struct err *err)
{
	enum key_type type;
	int rc = pkey_type(key, &type, err);

	if (rc == 0 && type != KEY_EC_P256)
		rc = err_set(err, ERR_INVALID, "the %s key is no P-256 key", what);
	return rc;
}

/* The proof is bound to the request, so that it is worth nothing in another. */
static int
check_sealing_key(
    const struct nodes *n, struct span csr, struct span spki, struct span proof, struct err *err)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct hash h;
	int rc = pkey_from_spki(spki, &key, err);

	if (rc == 0)
		rc = check_p256(key, "sealing", err);
	if (rc < 0)
		return rc;
	hash_of(csr, &h);
	rc = sign_verify(key, SIGN_JOIN, trust_domain(n->p.trust), SPAN_OF(h.bytes), proof, err);
	return rc < 0 ? err_wrap(err, "proof of the sealing key") : 0;
}

static int
take_addresses(struct task *t, struct texts in, struct texts *out, struct err *err)
{
	const char **items = arena_array(t->memory, in.count, sizeof(*items));
	size_t count = 0;

	if (in.count > LIMIT_ADDRESSES || items == NULL)
		return err_set(err, ERR_LIMIT, "a node has at most %d addresses", LIMIT_ADDRESSES);
	for (size_t i = 0; i < in.count; i++) {
		char name[NAME_TEXT_MAX];
		enum name_type type;
		bool known = false;
		int rc = name_normalise(in.items[i], name, &type, err);

		if (rc == 0 && type == NAME_WILDCARD)
			rc = err_set(err, ERR_INVALID, "an address of a node is no wildcard");
		if (rc < 0)
			return rc;
		for (size_t k = 0; k < count && !known; k++)
			known = strcmp(items[k], name) == 0;
		if (!known)
			items[count++] = task_text(t, name);
	}
	*out = (struct texts){items, count};
	return 0;
}

int
identity_check(struct task *t, struct span csr, struct span sealing_key, struct span sealing_proof,
    struct texts addresses, struct identity_facts *out, struct err *err)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	int rc = csr_key(csr, &key, err);

	if (rc == 0)
		rc = check_p256(key, "identity", err);
	if (rc == 0 && sealing_key.len > 0)
		rc = check_sealing_key(t->nodes, csr, sealing_key, sealing_proof, err);
	if (rc == 0)
		rc = take_addresses(t, addresses, &out->addresses, err);
	if (rc < 0)
		return rc;
	buf_free(out->identity_key);
	out->identity_key = buf_new(LIMIT_SPKI);
	out->sealing_key = sealing_key;
	return pkey_put_spki(key, out->identity_key, err);
}

/* "host:port" or "[address]:port" to the host in normal form. */
static bool
host_of(const char *endpoint, char out[static NAME_TEXT_MAX])
{
	const char *colon = strrchr(endpoint, ':');
	size_t len = colon != NULL ? (size_t)(colon - endpoint) : strlen(endpoint);
	char host[LIMIT_ENDPOINT + 1];
	enum name_type type;

	if (len > 1 && endpoint[0] == '[' && endpoint[len - 1] == ']') {
		endpoint++;
		len -= 2;
	}
	if (len > LIMIT_ENDPOINT)
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)len, endpoint);
	return name_normalise(host, out, &type, NULL) == 0;
}

struct claim {
	const char *name;
	const struct id *node;
	bool of_server;
};

static bool
is_host_of(const char *endpoint, const char *name)
{
	char host[NAME_TEXT_MAX];

	return endpoint != NULL && host_of(endpoint, host) && strcmp(host, name) == 0;
}

static bool
on_server(void *arg, const struct index_record *r)
{
	struct claim *c = arg;

	if (r->node->manager_certificate.len == 0 || id_equal(&r->id, c->node))
		return true;
	c->of_server = is_host_of(r->node->endpoint, c->name);
	for (size_t i = 0; i < r->node->addresses.count && !c->of_server; i++)
		c->of_server = strcmp(r->node->addresses.items[i], c->name) == 0;
	return !c->of_server;
}

/*
 * The addresses that a certificate of this node may be for. Whoever joins believes any of the
 * domain that is for the address that it has dialled, so that those of a server which may be
 * manager are left out, also where a replica on the same host has them too.
 */
static struct texts
names_of(struct task *t, const struct id *node, struct texts addresses)
{
	const struct nodes *n = t->nodes;
	const char **names = arena_array(t->memory, addresses.count, sizeof(*names));
	bool self = id_equal(node, &n->p.self);
	size_t count = 0;

	for (size_t i = 0; i < addresses.count && names != NULL; i++) {
		struct claim c = {addresses.items[i], node, false};

		for (size_t k = 0; k < n->endpoints.count && !self && !c.of_server; k++)
			c.of_server = is_host_of(n->endpoints.items[k], c.name);
		if (!c.of_server)
			index_each(n->p.index, KIND_NODE, on_server, &c);
		if (!c.of_server)
			names[count++] = c.name;
	}
	return (struct texts){names, count};
}

int
identity_request(struct task *t, struct span csr, const struct id *node, const char *name,
    struct texts addresses, struct signer_request *r, struct err *err)
{
	const struct nodes *n = t->nodes;
	const struct index_record *self = index_of_kind(n->p.index, KIND_NODE, &n->p.self);
	int64_t now = runtime_wall_s(n->p.runtime);

	if (self == NULL)
		return err_set(
		    err, ERR_UNAVAIL, "this server is not a node of its domain any more");
	r->op = SIGNER_ISSUE_IDENTITY;
	r->issue_identity.csr = csr;
	r->issue_identity.node = *node;
	r->issue_identity.name = name;
	r->issue_identity.addresses = names_of(t, node, addresses);
	r->issue_identity.not_before = now - IDENTITY_BACKDATE;
	r->issue_identity.not_after = now + IDENTITY_LIFETIME - 1;
	r->issue_identity.manager_certificate = self->node->manager_certificate;
	return 0;
}

struct identity_task {
	struct task t;
	struct id node;
	struct nodes_identity_request in;
	uint64_t version;
	struct identity_facts facts;
	struct buf *certificate;
};

static int
look_identity(struct task *t, struct err *err)
{
	struct identity_task *it = CONTAINER_OF(t, struct identity_task, t);
	const struct index_record *r = index_of_kind(t->nodes->p.index, KIND_NODE, &it->node);
	int rc;

	if (r == NULL)
		return err_set(err, ERR_DENIED, "this node is not a member of the domain any more");
	if (it->in.next_term_key.len > 0 && r->node->manager_certificate.len == 0)
		return err_set(err, ERR_DENIED, "node '%s' cannot become manager", r->name);
	it->version = r->version;
	t->object = task_text(t, r->name);
	rc = identity_check(t, it->in.csr, it->in.sealing_key, it->in.sealing_proof,
	    it->in.addresses, &it->facts, err);
	if (rc < 0)
		return err_wrap(err, "renewal of the identity of '%s'", r->name);
	if (it->in.addresses.count == 0)
		it->facts.addresses = task_texts(t, r->node->addresses);
	t->calls = 1;
	return 0;
}

static int
request_identity(struct task *t, unsigned call, struct signer_request *r, struct err *err)
{
	struct identity_task *it = CONTAINER_OF(t, struct identity_task, t);

	(void)call;
	return identity_request(t, it->in.csr, &it->node, t->object, it->facts.addresses, r, err);
}

static int
reply_identity(struct task *t, unsigned call, const struct signer_done *done, struct err *err)
{
	struct identity_task *it = CONTAINER_OF(t, struct identity_task, t);

	(void)call;
	it->certificate = buf_new(LIMIT_CERT);
	buf_put_span(it->certificate, done->certificate);
	return buf_error(it->certificate, "certificate of a node", err);
}

static int
mutation_identity(struct task *t, struct mutation *m, struct err *err)
{
	struct identity_task *it = CONTAINER_OF(t, struct identity_task, t);
	const struct index_record *r = index_of_kind(t->nodes->p.index, KIND_NODE, &it->node);
	struct node_public p;
	struct draft *d;

	if (r == NULL || r->version != it->version)
		return err_set(err, ERR_CONFLICT, "node '%s' has changed meanwhile", t->object);
	p = *r->node;
	p.identity_key = buf_span(it->facts.identity_key);
	p.certificate = buf_span(it->certificate);
	p.addresses = it->facts.addresses;
	if (it->facts.sealing_key.len > 0)
		p.sealing_key = it->facts.sealing_key;
	if (it->in.next_term_key.len > 0)
		p.next_term_key = it->in.next_term_key;
	d = mutation_add(m);
	d->id = r->id;
	d->kind = KIND_NODE;
	d->expect_version = r->version;
	snprintf(d->name, sizeof(d->name), "%s", r->name);
	return wire_node_public_encode(&p, d->public_part, err);
}

static void
finish_identity(
    struct task *t, int status, const struct commit_result *commit, const struct err *err)
{
	struct identity_task *it = CONTAINER_OF(t, struct identity_task, t);
	const struct nodes *n = t->nodes;
	const struct index_record *self = index_of_kind(n->p.index, KIND_NODE, &n->p.self);
	nodes_identity_cb *done = (nodes_identity_cb *)t->done;

	(void)commit;
	done(t->arg, status, status == 0 ? buf_span(it->certificate) : SPAN(NULL, 0),
	    self != NULL ? self->node->manager_certificate : SPAN(NULL, 0), err);
}

static void
forget_identity(struct task *t)
{
	struct identity_task *it = CONTAINER_OF(t, struct identity_task, t);

	buf_free(it->facts.identity_key);
	buf_free(it->certificate);
	it->facts.identity_key = NULL;
	it->certificate = NULL;
}

static const struct task_type identity_type = {.action = "node.identity",
    .size = sizeof(struct identity_task),
    .look = look_identity,
    .request = request_identity,
    .reply = reply_identity,
    .mutation = mutation_identity,
    .finish = finish_identity,
    .forget = forget_identity};

int
nodes_identity(struct nodes *n, const struct id *node, const struct nodes_identity_request *request,
    nodes_identity_cb *done, void *arg, struct err *err)
{
	struct identity_task *it;
	int rc = nodes_check_open(n, err);

	if (rc < 0)
		return rc;
	it = CONTAINER_OF(task_new(n, &identity_type, "link", "", (void (*)(void))done, arg),
	    struct identity_task, t);
	it->node = *node;
	it->in.csr = task_span(&it->t, request->csr);
	it->in.sealing_key = task_span(&it->t, request->sealing_key);
	it->in.sealing_proof = task_span(&it->t, request->sealing_proof);
	it->in.next_term_key = task_span(&it->t, request->next_term_key);
	it->in.addresses = task_texts(&it->t, request->addresses);
	task_start(&it->t);
	return 0;
}

bool
nodes_is_live(const struct nodes *n, const struct id *node, const struct pkey *key)
{
	const struct index_record *r = index_of_kind(n->p.index, KIND_NODE, node);
	AUTO(buf_freep)
	struct buf *spki = buf_new(LIMIT_SPKI);

	if (r == NULL || pkey_put_spki(key, spki, NULL) < 0)
		return false;
	return spki->len > 0 && span_equal(buf_span(spki), r->node->identity_key);
}
