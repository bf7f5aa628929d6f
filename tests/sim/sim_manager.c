#include "tests/sim/sim.h"

#include "common/crypto/sign.h"
#include "server/signer/local.h"

#include <stdio.h>
#include <string.h>

#define STORE_PATH "store.db"
#define DOMAIN_NAME "sim.example.org"
#define NEW_TERM_PPM 250000 /* of its starts */
#define LEARN_MAX 512

/* --- keys and statements, made once --------------------------------------------------------------
 */

static void
make_keys(struct sim_manager *m)
{
	const struct {
		enum key_type type;
		struct pkey **key;
	} keys[] = {
	    {KEY_EC_P384, &m->root_key},
	    {KEY_EC_P256, &m->recovery},
	    {KEY_EC_P256, &m->sealing},
	    {KEY_EC_P256, &m->manager_key},
	    {KEY_EC_P256, &m->identity},
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		CHECK(pkey_generate(keys[i].type, keys[i].key, NULL) == 0);
}

static void
make_statements(struct sim_manager *m)
{
	int64_t now = SIM_START_WALL_MS / 1000;
	struct root_statement root = {.certificate = cert_der(m->root), .made_at = now};

	m->statement_body = buf_new(LIMIT_CERT + 1024);
	m->statement_signature = buf_new(SIGNATURE_MAX);
	CHECK(wire_root_statement_encode(&root, m->statement_body, NULL) == 0);
	CHECK(sign_put(m->root_key, SIGN_ROOT, &m->domain, buf_span(m->statement_body),
		  m->statement_signature, NULL) == 0);
}

void
manager_init(struct sim *s)
{
	struct sim_manager *m = &s->manager;
	int64_t now = SIM_START_WALL_MS / 1000;

	m->sim = s;
	id_random(&m->node);
	random_bytes(&m->domain, sizeof(m->domain));
	make_keys(m);
	CHECK(cert_issue_root(m->root_key, DOMAIN_NAME, &m->domain, now, &m->root, NULL) == 0);
	CHECK(cert_issue_manager(m->root, m->root_key, m->manager_key, &m->node, now,
		  &m->manager_certificate, NULL) == 0);
	cert_fingerprint(m->root, &m->root_fingerprint);
	make_statements(m);
	term_begin(s);
	m->disk = vfs_fault_new("sim-manager", sim_draw(&s->chance));
	sim_runtime_init(&m->rt, &s->clock, sim_draw(&s->chance));
}

void
manager_fini(struct sim *s)
{
	struct sim_manager *m = &s->manager;
	struct pkey *keys[] = {m->root_key, m->recovery, m->sealing, m->manager_key, m->identity};

	CHECK(m->state == SIM_DOWN);
	sim_runtime_fini(&m->rt);
	vfs_fault_free(m->disk);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		pkey_unref(keys[i]);
	cert_unref(m->root);
	cert_unref(m->manager_certificate);
	buf_free(m->statement_body);
	buf_free(m->statement_signature);
	term_free_all(m);
}

/* --- the signer ----------------------------------------------------------------------------------
 */

int
manager_ask(struct sim *s, struct signer_call *call, const struct signer_request *request)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_SIGNER_FRAME);
	struct err err;
	int r = wire_signer_request_encode(request, body, &err);

	if (r == 0)
		r = signer_submit(s->manager.signer, call, buf_span(body), &err);
	if (r < 0)
		sim_fail(s, "the signer takes no request: %s", err.text);
	else
		s->manager.calls++;
	return r;
}

struct plain_call {
	struct signer_call call;
	struct sim *sim;
};

static void
on_plain(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct plain_call *p = call->arg;

	(void)done;
	p->sim->manager.calls--;
	if (status < 0)
		sim_fail(p->sim, "the signer refuses what it must take: %s", err->text);
	mem_free(p);
}

static void
ask_plain(struct sim *s, const struct signer_request *request)
{
	struct plain_call *p = mem_zalloc(sizeof(*p));

	p->sim = s;
	p->call.cb = on_plain;
	p->call.arg = p;
	if (manager_ask(s, &p->call, request) < 0)
		mem_free(p);
}

static bool
is_belief(uint32_t kind)
{
	return kind == KIND_NODE || kind == KIND_GROUP || kind == KIND_MEMBERSHIP;
}

static void
learn(struct sim *s, const struct signed_bytes *records, size_t count)
{
	struct signer_request request = {.op = SIGNER_LEARN};

	if (count == 0)
		return;
	request.learn.records = (struct signed_list){records, count};
	ask_plain(s, &request);
}

static void
start_signer(struct sim *s)
{
	static const uint32_t kinds[] = {KIND_NODE, KIND_GROUP, KIND_MEMBERSHIP};
	struct sim_manager *m = &s->manager;
	struct signed_designation designations[SIM_TERMS];
	struct signer_request request = {.op = SIGNER_START};
	struct signed_bytes records[LEARN_MAX];
	const struct sim_entry *all[LEARN_MAX];
	struct keyfile keys = {.count = 3};
	size_t count = 0;

	keys.entries[0].key = pkey_ref(m->sealing);
	keys.entries[1].key = pkey_ref(m->manager_key);
	keys.entries[2].key = pkey_ref(term_now(m)->key);
	snprintf(keys.entries[0].name, sizeof(keys.entries[0].name), "sealing");
	snprintf(keys.entries[1].name, sizeof(keys.entries[1].name), "manager");
	snprintf(keys.entries[2].name, sizeof(keys.entries[2].name), "term-%016llx",
	    (unsigned long long)term_now(m)->term);
	CHECK(signer_local_new(&m->rt.rt, &keys, &m->signer, NULL) == 0);
	request.start = (struct signer_start){
	    .root_fingerprint = m->root_fingerprint,
	    .domain = m->domain,
	    .node = m->node,
	    .designations = term_list(m, designations),
	    .root_certificate = cert_der(m->root),
	};
	ask_plain(s, &request);
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		size_t n = shelf_of_kind(&m->shelf, kinds[k], all, LEARN_MAX);
		for (size_t i = 0; i < n && count < LEARN_MAX; i++)
			records[count++] = entry_signed(all[i]);
	}
	learn(s, records, count);
}

/* --- the end of a life ---------------------------------------------------------------------------
 */

static void
on_last_call(void *arg)
{
	struct sim *s = arg;
	struct sim_manager *m = &s->manager;

	/* Answers of the signer that are still on their way belong to changes that wait for them.
	 */
	if (m->calls > 0) {
		runtime_timer_start(&m->rt.rt, &m->end, 1);
		return;
	}
	signer_local_free(m->signer);
	m->signer = NULL;
	trust_free(m->trust);
	m->trust = NULL;
	shelf_fini(&m->shelf);
	store_close(m->store);
	m->store = NULL;
	m->state = SIM_DOWN;
	sim_trace(s, "the manager is down");
	if (m->restart_after_stop)
		manager_start(s);
}

static void
on_commit_closed(void *arg)
{
	struct sim *s = arg;

	s->manager.commit = NULL;
	s->manager.end = (struct timer){.cb = on_last_call, .arg = s};
	on_last_call(s);
}

/* --- commit and publish --------------------------------------------------------------------------
 */

static uint64_t
version_of(void *arg, const struct id *id, bool *removed)
{
	struct sim *s = arg;
	const struct sim_entry *e = shelf_get(&s->manager.shelf, id);

	*removed = e != NULL && e->record->removed;
	return e != NULL ? e->record->version : 0;
}

static bool
id_by_name(void *arg, uint32_t kind, const char *name, struct id *out)
{
	struct sim *s = arg;
	const struct sim_entry *e = shelf_by_name(&s->manager.shelf, kind, name);

	if (e != NULL)
		*out = e->record->id;
	return e != NULL;
}

static struct sim_follower *
follower_of(struct sim *s, const struct id *node)
{
	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		if (id_equal(&s->followers[i].node, node))
			return &s->followers[i];
	return NULL;
}

/* A change of membership whose acknowledgement a crash has swallowed is known here again. */
static void
note_member(struct sim *s, const struct record *r)
{
	struct sim_follower *f = r->kind == KIND_NODE ? follower_of(s, &r->id) : NULL;

	if (f == NULL)
		return;
	f->joined = true;
	if (r->removed && !f->removed && s->manager.publish != NULL)
		publish_throw_out(s->manager.publish, &r->id);
	f->removed = r->removed;
	if (r->removed)
		f->removed_at = record_position(r);
}

static void
on_commit(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct sim *s = arg;
	struct signed_bytes beliefs[LEARN_MAX];
	size_t n = 0;

	oracle_note_head(&s->oracle, head, signed_head.body);
	oracle_note_committed(&s->oracle, records, count);
	for (size_t i = 0; i < count; i++) {
		shelf_put(&s->manager.shelf, records[i].record, records[i].signed_record);
		if (is_belief(records[i].record->kind) && n < LEARN_MAX)
			beliefs[n++] = records[i].signed_record;
	}
	learn(s, beliefs, n);
	for (size_t i = 0; i < count; i++)
		note_member(s, records[i].record);
}

static bool
is_live(void *arg, const struct id *node)
{
	struct sim *s = arg;
	const struct sim_entry *e = shelf_get(&s->manager.shelf, node);

	return e != NULL && e->record->kind == KIND_NODE && !e->record->removed;
}

static void
on_fenced(void *arg, const struct signed_designation *proof, uint64_t term)
{
	struct sim *s = arg;

	(void)proof;
	sim_fail(s, "the only manager is fenced off by term %llu", (unsigned long long)term);
}

static void
on_conflict(void *arg, const struct id *node, const struct signed_designation *other)
{
	struct sim *s = arg;

	(void)node;
	(void)other;
	sim_fail(s, "a second designation of one term");
}

static void
start_publish(struct sim *s)
{
	struct sim_manager *m = &s->manager;
	struct publish_params p = {
	    .runtime = &m->rt.rt,
	    .commit = m->commit,
	    .store = m->store,
	    .trust = m->trust,
	    .events =
		{
		    .arg = s,
		    .is_live = is_live,
		    .on_fenced = on_fenced,
		    .on_conflict = on_conflict,
		},
	};
	struct err err;

	CHECK(link_memory_server_new(s->net, &m->node, LIMIT_REQUEST, &m->server, &err) == 0);
	p.link = m->server;
	if (publish_new(&p, &m->publish, &err) < 0)
		sim_fail(s, "publish: %s", err.text);
}

static void
on_ready(void *arg, int status, const struct err *err)
{
	struct sim *s = arg;
	struct sim_manager *m = &s->manager;

	if (status < 0) {
		sim_fail(s, "the manager cannot commit: %s", err->text);
		m->state = SIM_STOPPING;
		m->restart_after_stop = false;
		commit_close(m->commit, on_commit_closed, s);
		return;
	}
	start_publish(s);
	m->state = SIM_UP;
	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		if (s->followers[i].state != SIM_STOPPING)
			fault_apply(&s->followers[i]);
	sim_trace(s, "the manager is up, life %u", m->life);
	if (shelf_by_name(&m->shelf, KIND_GROUP, GROUP_MANAGERS) == NULL)
		bootstrap_domain(s);
	else
		term_record(s);
}

/* --- start and stop ------------------------------------------------------------------------------
 */

static int
open_store(struct sim_manager *m, struct err *err)
{
	struct store_params p = {.path = STORE_PATH, .full = true, .check = STORE_CHECK_QUICK};

	vfs_fault_use(m->disk, &p);
	return store_open(&p, &m->store, err);
}

void
manager_start(struct sim *s)
{
	struct sim_manager *m = &s->manager;
	struct signed_designation designations[SIM_TERMS];
	struct designation_list list;
	struct commit_params p = {
	    .runtime = &m->rt.rt,
	    .domain = m->domain,
	    .lookup = {s, version_of, id_by_name},
	};
	size_t at = 0;
	struct err err;

	CHECK(m->state == SIM_DOWN);
	m->life++;
	m->dying = false;
	m->state = SIM_STARTING;
	vfs_fault_heal(m->disk);
	shelf_init(&m->shelf);
	if (open_store(m, &err) < 0 || shelf_load(&m->shelf, m->store, &err) < 0) {
		sim_fail(s, "the manager cannot start: %s", err.text);
		m->state = SIM_DOWN;
		shelf_fini(&m->shelf);
		store_close(m->store);
		m->store = NULL;
		return;
	}
	oracle_check_manager(s, m->store);
	for (const struct sim_entry *e; (e = shelf_next(&m->shelf, &at)) != NULL;)
		note_member(s, e->record);
	CHECK(trust_new(cert_der(m->root), &m->root_fingerprint, &m->trust, NULL) == 0);
	if (!s->quiet && shelf_by_name(&m->shelf, KIND_GROUP, GROUP_MANAGERS) != NULL &&
	    sim_chance(&s->chance, NEW_TERM_PPM))
		term_begin(s);
	list = term_list(m, designations);
	for (size_t i = 0; i < list.count; i++)
		CHECK(trust_add_designation(m->trust, &list.items[i], NULL) == 0);
	start_signer(s);
	p.term = term_now(m)->term;
	p.store = m->store;
	p.signer = m->signer;
	CHECK(commit_new(&p, on_ready, s, &m->commit, &err) == 0);
	commit_observe(m->commit, on_commit, s);
}

static void
on_publish_closed(void *arg)
{
	struct sim *s = arg;

	s->manager.publish = NULL;
	commit_close(s->manager.commit, on_commit_closed, s);
}

static void
on_server_closed(void *arg)
{
	struct sim *s = arg;

	s->manager.server = NULL;
	publish_close(s->manager.publish, on_publish_closed, s);
}

void
manager_stop(struct sim *s, bool power, bool restart)
{
	struct sim_manager *m = &s->manager;

	m->restart_after_stop = restart;
	if (m->state != SIM_UP)
		return;
	sim_trace(s, "the manager %s", power ? "loses power" : "is killed");
	m->state = SIM_STOPPING;
	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		link_net_partition(s->net, &s->followers[i].node, &m->node, true);
	if (power)
		vfs_fault_crash(m->disk);
	else
		vfs_fault_fail(m->disk, VFS_WRITE, 1, VFS_EIO, true);
	link_server_close(m->server, on_server_closed, s);
}
