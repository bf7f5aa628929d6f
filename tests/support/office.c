#include "tests/support/office.h"

#include "common/crypto/sign.h"
#include "common/wire/public_wire.h"

#include <stdio.h>
#include <string.h>

static void
must(int rc, const char *what, const struct err *err)
{
	if (rc < 0)
		fprintf(stderr, "%s: %s: %s\n", what, err_name(rc), err->text);
	CHECK(rc >= 0);
}

static bool
is_called(void *arg)
{
	return ((struct office *)arg)->called;
}

static void
on_status(void *arg, int status, const struct err *err)
{
	struct office *o = arg;

	o->called = true;
	o->status = status;
	if (err != NULL)
		o->err = *err;
}

static void
on_closed(void *arg)
{
	((struct office *)arg)->called = true;
}

int
office_wait(struct office *o, int started)
{
	if (started < 0)
		return started;
	CHECK(virtual_until(&o->time, is_called, o, 600000));
	return o->status;
}

void
office_settle(struct office *o)
{
	virtual_pass(&o->time, 60000);
}

void
office_sleep(struct office *o, int64_t seconds)
{
	o->time.now += (uint64_t)seconds * 1000;
	office_settle(o);
}

/* --- the signer, as it is introduced --- */

struct introduction {
	struct signer_call call;
	struct office *o;
};

static void
on_introduced(struct signer_call *call, int status, struct span done, const struct err *err)
{
	(void)done;
	on_status(CONTAINER_OF(call, struct introduction, call)->o, status, err);
}

static void
submit(void *arg, struct span request)
{
	struct introduction *in = arg;

	in->call = (struct signer_call){.cb = on_introduced};
	in->o->called = false;
	must(signer_submit(in->o->signer, &in->call, request, &in->o->err), "introduce",
	    &in->o->err);
	must(office_wait(in->o, 0), "introduce", &in->o->err);
}

static void
start_signer(struct office *o)
{
	AUTO(buf_freep)
	struct buf *start = buf_new(LIMIT_SIGNER_FRAME);
	struct introduction in = {.o = o};
	struct keyfile keys = world_keys(&o->world);

	must(signer_local_new(&o->time.rt, &keys, &o->signer, &o->err), "signer", &o->err);
	world_put_start(&o->world, start);
	submit(&in, buf_span(start));
	must(nodes_introduce(o->index, submit, &in, &o->err), "introduce", &o->err);
}

/* --- start and end --- */

static int on_due(void *arg, const struct id *credential, struct err *err);

struct due {
	struct office *o;
	struct id credential;
};

static void
on_due_done(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct due *d = arg;

	(void)result;
	(void)err;
	if (d->o->sched != NULL)
		sched_done(d->o->sched, &d->credential, status);
	mem_free(d);
}

static int
on_due(void *arg, const struct id *credential, struct err *err)
{
	struct due *d = mem_zalloc(sizeof(*d));
	int rc;

	d->o = arg;
	d->credential = *credential;
	rc = flow_credential_due(d->o->flow, credential, on_due_done, d, err);
	if (rc < 0)
		mem_free(d);
	return rc;
}

static void
on_removed(void *arg, const struct id *node)
{
	(void)node;
	((struct office *)arg)->thrown_out++;
}

static const struct receipt *
get_receipt(void *arg, const struct id *node, const struct id *credential)
{
	struct office *o = arg;
	const struct index_record *c = index_of_kind(o->index, KIND_CREDENTIAL, credential);

	(void)node;
	o->receipt = (struct receipt){
	    .credential = *credential, .has_generation = true, .generation = c->credential->active};
	return o->serves ? &o->receipt : NULL;
}

static void
start_writers(struct office *o)
{
	static const char *const endpoints[] = {"192.0.2.1:7443", NULL};
	const struct commit_params cp = {.runtime = &o->time.rt,
	    .store = o->store,
	    .signer = o->signer,
	    .domain = o->world.domain,
	    .term = WORLD_TERM,
	    .lookup = index_commit_lookup(o->index),
	    .audit = local_audit_append,
	    .beside = o->beside != NULL ? o->beside(o->beside_arg) : (struct commit_beside){NULL}};

	o->called = false;
	must(commit_new(&cp, on_status, o, &o->commit, &o->err), "commit", &o->err);
	commit_observe(o->commit, index_observe, o->index);
	must(office_wait(o, 0), "commit", &o->err);
	const struct nodes_params np = {.runtime = &o->time.rt,
	    .store = o->store,
	    .index = o->index,
	    .commit = o->commit,
	    .signer = o->signer,
	    .trust = o->trust,
	    .self = o->world.manager.id,
	    .endpoints = office_texts(endpoints),
	    .on_removed = on_removed,
	    .arg = o};

	o->called = false;
	must(nodes_new(&np, on_status, o, &o->nodes, &o->err), "nodes", &o->err);
	must(office_wait(o, 0), "nodes", &o->err);
	must(flow_new(&(struct flow_params){.runtime = &o->time.rt,
			  .index = o->index,
			  .commit = o->commit,
			  .signer = o->signer,
			  .domain_name = "test.example",
			  .receipt = get_receipt,
			  .arg = o},
		 &o->flow, &o->err),
	    "flow", &o->err);
	if (o->with_sched)
		must(sched_new(&(struct sched_params){.runtime = &o->time.rt,
				   .index = o->index,
				   .commit = o->commit,
				   .start = on_due,
				   .arg = o},
			 &o->sched, &o->err),
		    "sched", &o->err);
}

static void
start(struct office *o)
{
	struct store_params sp = {.path = "store.db", .full = true};

	vfs_fault_use(o->disk, &sp);
	must(store_open(&sp, &o->store, &o->err), "store", &o->err);
	must(local_open(o->store, &o->err), "tables", &o->err);
	o->index = index_new(&o->time.rt, o->store);
	o->called = false;
	index_load(o->index, on_status, o);
	must(office_wait(o, 0), "index", &o->err);
	start_signer(o);
	start_writers(o);
}

static void
stop(struct office *o)
{
	sched_free(o->sched);
	o->sched = NULL;
	o->called = false;
	flow_close(o->flow, on_closed, o);
	CHECK(virtual_until(&o->time, is_called, o, 600000));
	o->called = false;
	nodes_close(o->nodes, on_closed, o);
	CHECK(virtual_until(&o->time, is_called, o, 600000));
	o->called = false;
	commit_close(o->commit, on_closed, o);
	CHECK(virtual_until(&o->time, is_called, o, 600000));
	if (o->beside_end != NULL)
		o->beside_end(o->beside_arg);
	signer_local_free(o->signer);
	index_free(o->index);
	store_close(o->store);
}

void
office_restart(struct office *o)
{
	stop(o);
	start(o);
}

/* The records of the first mutation, as the bootstrap would have committed them. */
static void
put_first(struct office *o)
{
	struct store_params sp = {.path = "store.db", .full = true};

	vfs_fault_use(o->disk, &sp);
	must(store_open(&sp, &o->store, &o->err), "store", &o->err);
	for (struct world_record *r = o->world.records; r != NULL; r = r->next) {
		struct stored_record s = {.id = r->record.id,
		    .kind = r->record.kind,
		    .name = r->record.name,
		    .at = record_position(&r->record),
		    .mutation = r->record.mutation,
		    .version = r->record.version,
		    .committed_at_ms = r->record.committed_at_ms,
		    .body = r->bytes.body,
		    .signature = r->bytes.signature};

		hash_of(s.body, &s.hash);
		must(store_apply(o->store, &(struct store_change){.records = &s, .record_count = 1},
			 &o->err),
		    "first", &o->err);
	}
	store_close(o->store);
}

void
office_init(struct office *o, uint64_t seed)
{
	const struct signed_designation *d = NULL;
	struct signed_designation storage;
	struct hash pin;

	memset(o, 0, sizeof(*o));
	world_init(&o->world);
	virtual_init(&o->time, seed);
	/* An hour after init, so that what is issued may begin a little earlier. */
	o->time.wall_at_zero = (WORLD_NOW + 3600) * 1000;
	o->disk = vfs_fault_new("office", seed);
	o->certificate = BUF_INIT(LIMIT_CERT);
	put_first(o);
	cert_fingerprint(o->world.root, &pin);
	must(trust_new(cert_der(o->world.root), &pin, &o->trust, &o->err), "trust", &o->err);
	(void)world_start_request(&o->world, &storage);
	d = &storage;
	must(trust_add_designation(o->trust, d, &o->err), "designation", &o->err);
	o->with_sched = true;
	start(o);
}

void
office_fini(struct office *o)
{
	stop(o);
	for (size_t i = 0; i < o->member_count; i++) {
		pkey_unref(o->members[i].identity);
		pkey_unref(o->members[i].sealing);
	}
	secret_free(o->token);
	buf_fini(&o->certificate);
	trust_free(o->trust);
	virtual_fini(&o->time);
	vfs_fault_free(o->disk);
	world_fini(&o->world);
}

int
office_setup(void **state)
{
	struct office *o = mem_zalloc(sizeof(*o));

	office_init(o, 1);
	*state = o;
	return 0;
}

int
office_teardown(void **state)
{
	struct office *o = *state;

	office_fini(o);
	mem_free(o);
	return 0;
}

/* --- operations --- */

static void
note(struct office *o, const char *name, const char *warning)
{
	snprintf(o->name, sizeof(o->name), "%s", name != NULL ? name : "");
	snprintf(o->warning, sizeof(o->warning), "%s", warning != NULL ? warning : "");
}

void
office_on_flow(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct office *o = arg;
	struct buf warnings = BUF_INIT(64 * 1024);

	on_status(o, status, err);
	if (result == NULL)
		return;
	o->result = *result;
	o->result.warnings = (struct texts){NULL, 0}; /* borrowed for the time of the call */
	for (size_t i = 0; i < result->warnings.count; i++)
		buf_putf(&warnings, "%s%s", i > 0 ? "; " : "", result->warnings.items[i]);
	note(o, result->name, buf_str(&warnings));
	buf_fini(&warnings);
}

void
office_on_nodes(void *arg, int status, const struct nodes_result *result, const struct err *err)
{
	struct office *o = arg;

	on_status(o, status, err);
	if (result == NULL)
		return;
	o->node_result = *result;
	note(o, NULL, result->warning);
}

static void
on_token(void *arg, int status, const struct secret *text, const struct id *token,
    int64_t expires_at, const struct err *err)
{
	struct office *o = arg;

	(void)expires_at;
	on_status(o, status, err);
	if (status < 0)
		return;
	secret_free(o->token);
	must(secret_copy(text, &o->token, &o->err), "token", &o->err);
	o->token_id = *token;
}

int
office_token(struct office *o, const char *name)
{
	o->called = false;
	return office_wait(o, nodes_token_create(o->nodes, name, 0, "test", on_token, o, &o->err));
}

static void
on_join(void *arg, int status, const struct join_answer *answer, const struct err *err)
{
	struct office *o = arg;

	on_status(o, status, err);
	if (status < 0)
		return;
	o->answer = *answer;
	buf_clear(&o->certificate);
	buf_put_span(&o->certificate, answer->certificate);
}

int
office_join_with(
    struct office *o, const char *name, const struct pkey *identity, const struct pkey *sealing)
{
	AUTO(buf_freep)
	struct buf *csr = buf_new(LIMIT_CERT);
	AUTO(buf_freep)
	struct buf *proof = buf_new(LIMIT_SIGNATURE);
	static const char *const addresses[] = {"node.example.org", "192.0.2.9", NULL};
	struct join_request r = {.name = name,
	    .addresses = office_texts(addresses),
	    .sealing_key = pkey_spki(sealing),
	    .software = "certherd test"};
	struct join_token t;
	struct hash h;
	int rc;

	must(join_token_parse(o->token, &t, &o->err), "token", &o->err);
	must(csr_make(identity, name, csr, &o->err), "csr", &o->err);
	hash_of(buf_span(csr), &h);
	must(sign_put(sealing, SIGN_JOIN, &o->world.domain, SPAN_OF(h.bytes), proof, &o->err),
	    "proof", &o->err);
	memcpy(r.token.bytes, t.token_id, ID_LEN);
	r.secret = t.secret;
	r.csr = buf_span(csr);
	r.sealing_proof = buf_span(proof);
	o->called = false;
	rc = nodes_join(o->nodes, &r, on_join, o, &o->err);
	join_token_fini(&t);
	return office_wait(o, rc);
}

struct office_node *
office_add_node(struct office *o, const char *name)
{
	struct office_node *n = &o->members[o->member_count++];

	CHECK(o->member_count <= OFFICE_NODES);
	snprintf(n->name, sizeof(n->name), "%s", name);
	must(pkey_generate(KEY_EC_P256, &n->identity, &o->err), name, &o->err);
	must(pkey_generate(KEY_EC_P256, &n->sealing, &o->err), name, &o->err);
	must(office_token(o, name), name, &o->err);
	must(office_join_with(o, name, n->identity, n->sealing), name, &o->err);
	n->id = o->answer.node;
	return n;
}

struct texts
office_texts(const char *const *items)
{
	struct texts t = {items, 0};

	while (items != NULL && items[t.count] != NULL)
		t.count++;
	return t;
}

int
office_add_credential(struct office *o, const char *name, const char *const *access)
{
	const struct credential_spec spec = {.names = {&name, 1},
	    .has_access = access != NULL,
	    .access = office_texts(access),
	    .author = "test"};

	o->called = false;
	return office_wait(o, flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
}

struct fetched {
	struct office *o;
	struct record *record;
};

static void
on_fetched(void *arg, int status, const struct record *record, struct signed_bytes s,
    const struct err *err)
{
	struct fetched *f = arg;

	(void)s;
	on_status(f->o, status, err);
	f->record = status == 0 ? record_dup(record) : NULL;
}

struct record *
office_fetch(struct office *o, const struct id *id)
{
	struct fetched f = {.o = o};

	o->called = false;
	index_fetch(o->index, id, on_fetched, &f);
	must(office_wait(o, 0), "fetch", &o->err);
	return f.record;
}

static bool
on_membership(void *arg, const struct index_record *r)
{
	struct keyring *k = arg;
	struct record record;
	struct err err;

	must(wire_record_decode(r->signed_record.body, &record, &err), "membership", &err);
	must(keyring_learn(k, &record, &err), "membership", &err);
	return true;
}

bool
office_can_open_generation(
    struct office *o, const struct office_node *n, const struct id *generation)
{
	AUTO(keyring_freep)
	struct keyring *k = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct generation_public p;
	struct record *r;
	int rc;

	r = office_fetch(o, generation);
	must(keyring_new(&o->world.domain, &n->id, n->sealing, &k, &o->err), "keyring", &o->err);
	index_memberships(o->index, &n->id, on_membership, k);
	must(wire_generation_public_decode(r->public_part, &p, &o->err), "generation", &o->err);
	rc = keyring_open_key(k, r, p.key, &key, &o->err);
	generation_public_fini(&p);
	record_free(r);
	CHECK(rc == 0 || rc == ERR_NOTFOUND);
	return rc == 0;
}

bool
office_can_open(struct office *o, const struct office_node *n, const char *credential)
{
	const struct index_record *c = index_named(o->index, KIND_CREDENTIAL, credential);
	struct id active;

	CHECK(c != NULL && c->credential->has_active);
	active = c->credential->active;
	return office_can_open_generation(o, n, &active);
}
