#include "tests/support/signer_world.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"

#include <stdio.h>
#include <string.h>

#define DAY INT64_C(86400)

static void
must(int r, const char *what, const struct err *err)
{
	if (r < 0)
		fprintf(stderr, "%s: %s\n", what, err != NULL ? err->text : err_name(r));
	CHECK(r >= 0);
}

static struct span
keep(struct span s)
{
	return SPAN(mem_dup(s.data, s.len), s.len);
}

static void
make_designation(struct signer_world *w)
{
	const struct designation d = {.term = WORLD_TERM,
	    .node = w->manager.id,
	    .term_key = pkey_spki(w->public.term),
	    .reason = REASON_FIRST,
	    .made_at = WORLD_NOW};

	w->designation = BUF_INIT(LIMIT_DESIGNATION);
	w->designation_signature = BUF_INIT(LIMIT_SIGNATURE);
	must(wire_designation_encode(&d, &w->designation, &w->err), "designation", &w->err);
	must(sign_put(w->root_key, SIGN_DESIGNATION, &w->domain, buf_span(&w->designation),
		 &w->designation_signature, &w->err),
	    "designation", &w->err);
}

static void
make_key(struct signer_world *w, const char *name, struct pkey **public)
{
	struct keyfile_entry *e = &w->keys.entries[w->keys.count++];

	snprintf(e->name, sizeof(e->name), "%s", name);
	must(pkey_generate(KEY_EC_P256, &e->key, &w->err), name, &w->err);
	must(pkey_from_spki(pkey_spki(e->key), public, &w->err), name, &w->err);
}

struct keyfile
world_keys(const struct signer_world *w)
{
	struct keyfile copy = w->keys;

	for (size_t i = 0; i < copy.count; i++)
		copy.entries[i].key = pkey_ref(copy.entries[i].key);
	return copy;
}

void
world_restart(struct signer_world *w)
{
	struct keyfile keys = world_keys(w);

	signer_core_free(w->core);
	must(signer_core_new(&keys, &w->core, &w->err), "core", &w->err);
}

void
world_init_bare(struct signer_world *w)
{
	*w = (struct signer_world){
	    .reply = BUF_INIT(LIMIT_SIGNER_FRAME), .done = BUF_INIT(LIMIT_SIGNER_FRAME)};
	w->tail = &w->records;
	random_bytes(w->domain.bytes, sizeof(w->domain.bytes));
	id_random(&w->manager.id);
	id_random(&w->recovery.id);
	id_random(&w->managers);
	must(pkey_generate(KEY_EC_P384, &w->root_key, &w->err), "root", &w->err);
	must(cert_issue_root(w->root_key, "example.org", &w->domain, WORLD_NOW, &w->root, &w->err),
	    "root", &w->err);
	make_key(w, "sealing", &w->public.sealing);
	make_key(w, "manager", &w->public.manager);
	make_key(w, "term-0000000100000000", &w->public.term);
	must(cert_issue_manager(w->root, w->root_key, w->public.manager, &w->manager.id, WORLD_NOW,
		 &w->manager_cert, &w->err),
	    "manager", &w->err);
	must(pkey_generate(KEY_EC_P256, &w->recovery.sealing, &w->err), "recovery", &w->err);
	w->manager.sealing = pkey_ref(w->keys.entries[0].key);
	make_designation(w);
	world_restart(w);
}

struct signer_request
world_start_request(const struct signer_world *w, struct signed_designation *storage)
{
	struct signer_request r = {.op = SIGNER_START};

	*storage = (struct signed_designation){
	    buf_span(&w->designation), buf_span(&w->designation_signature), SIGNER_ROOT_KEY};
	cert_fingerprint(w->root, &r.start.root_fingerprint);
	r.start.domain = w->domain;
	r.start.node = w->manager.id;
	r.start.designations = (struct designation_list){storage, 1};
	r.start.root_certificate = cert_der(w->root);
	return r;
}

void
world_put_start(const struct signer_world *w, struct buf *out)
{
	struct signed_designation d;
	struct signer_request r = world_start_request(w, &d);
	struct err err;

	must(wire_signer_request_encode(&r, out, &err), "start", &err);
}

static bool
is_about_recipients(uint32_t kind)
{
	return kind == KIND_NODE || kind == KIND_GROUP || kind == KIND_MEMBERSHIP;
}

void
world_put_learn(const struct signer_world *w, struct buf *out)
{
	struct signer_request r = {.op = SIGNER_LEARN};
	struct signed_bytes items[256];
	struct err err;

	for (struct world_record *i = w->records; i != NULL; i = i->next)
		if (is_about_recipients(i->record.kind) && r.learn.records.count < ARRAY_LEN(items))
			items[r.learn.records.count++] = i->bytes;
	r.learn.records.items = items;
	must(wire_signer_request_encode(&r, out, &err), "learn", &err);
}

/* Through the bytes, as between two processes. */
int
world_ask(struct signer_world *w, const struct signer_request *r)
{
	struct buf bytes = BUF_INIT(LIMIT_SIGNER_FRAME);
	struct signer_request decoded;
	struct signer_reply reply;
	int rc;

	signer_done_fini(&w->last);
	buf_clear(&w->reply);
	buf_clear(&w->done);
	must(wire_signer_request_encode(r, &bytes, &w->err), "request", &w->err);
	must(wire_signer_request_decode(buf_span(&bytes), &decoded, &w->err), "request", &w->err);
	rc = signer_core_execute(w->core, &decoded, &w->reply, &w->err);
	signer_request_fini(&decoded);
	buf_fini(&bytes);
	if (rc < 0)
		return rc;
	must(wire_signer_reply_decode(buf_span(&w->reply), &reply, &w->err), "reply", &w->err);
	rc = reply.code;
	if (rc < 0) {
		err_set(&w->err, (enum err_code)rc, "%s", reply.text);
	} else {
		buf_put_span(&w->done, reply.done);
		must(wire_signer_done_decode(r->op, buf_span(&w->done), &w->last, &w->err), "done",
		    &w->err);
	}
	signer_reply_fini(&reply);
	return rc;
}

struct world_record *
world_sign(struct signer_world *w, const struct world_draft *d)
{
	struct world_record *out = mem_zalloc(sizeof(*out));
	struct buf body = BUF_INIT(LIMIT_RECORD);
	struct signer_request r = {.op = SIGNER_SIGN_BATCH};
	struct record record = {.id = d->id,
	    .kind = d->kind,
	    .term = WORLD_TERM,
	    .seq = ++w->seq,
	    .mutation = w->seq,
	    .version = d->version,
	    .committed_at_ms = WORLD_NOW * 1000,
	    .removed = d->removed,
	    .public_part = d->public_part,
	    .sealed = d->sealed,
	    .access_count = d->access.count};
	struct span item;

	if (d->access.count > 0)
		memcpy(record.access, d->access.items, d->access.count * sizeof(struct id));
	snprintf(record.name, sizeof(record.name), "%s", d->name);
	snprintf(record.author, sizeof(record.author), "test");
	must(wire_record_encode(&record, &body, &w->err), "record", &w->err);
	item = keep(buf_span(&body));
	buf_fini(&body);
	r.sign_batch.bodies = (struct spans){&item, 1};
	must(world_ask(w, &r), "sign", &w->err);
	out->bytes = (struct signed_bytes){item, keep(w->last.signatures.items[0])};
	must(wire_record_decode(item, &out->record, &w->err), "record", &w->err);
	*w->tail = out;
	w->tail = &out->next;
	return out;
}

int
world_learn(struct signer_world *w, const struct world_record *record)
{
	struct signer_request r = {.op = SIGNER_LEARN};

	r.learn.records = (struct signed_list){&record->bytes, 1};
	return world_ask(w, &r);
}

static struct span
put_node(struct signer_world *w, const struct pkey *sealing, uint32_t role)
{
	const struct node_public public = {.role = role,
	    .identity_key = role == ROLE_RECOVERY ? SPAN(NULL, 0) : pkey_spki(sealing),
	    .sealing_key = pkey_spki(sealing),
	    .manager_certificate = role == ROLE_MANAGER ? cert_der(w->manager_cert) : SPAN(NULL, 0),
	    .joined_at = WORLD_NOW,
	    .software = "certherd test",
	    .endpoint = ""};
	struct buf out = BUF_INIT(LIMIT_PUBLIC);
	struct span kept;

	must(wire_node_public_encode(&public, &out, &w->err), "node", &w->err);
	kept = keep(buf_span(&out));
	buf_fini(&out);
	return kept;
}

static void
drop(struct span s)
{
	mem_free((void *)(uintptr_t)s.data);
}

static struct world_record *
sign_node(struct signer_world *w, const struct world_node *n, const char *name, uint32_t role)
{
	struct span public = put_node(w, n->sealing, role);
	struct world_record *r = world_sign(w,
	    &(struct world_draft){
		.kind = KIND_NODE, .id = n->id, .version = 1, .name = name, .public_part = public});

	drop(public);
	return r;
}

static struct world_node
add_node(struct signer_world *w, const char *name, uint32_t role)
{
	struct world_node n = {0};

	id_random(&n.id);
	must(pkey_generate(KEY_EC_P256, &n.sealing, &w->err), name, &w->err);
	n.record = sign_node(w, &n, name, role);
	must(world_learn(w, n.record), name, &w->err);
	return n;
}

struct world_node
world_add_node(struct signer_world *w, const char *name)
{
	return add_node(w, name, ROLE_REPLICA);
}

struct world_node
world_add_standby(struct signer_world *w, const char *name)
{
	return add_node(w, name, ROLE_STANDBY);
}

void
world_node_fini(struct world_node *n)
{
	pkey_unref(n->sealing);
}

void
world_remove_node(struct signer_world *w, const struct world_node *n)
{
	struct world_record *r = world_sign(w,
	    &(struct world_draft){.kind = KIND_NODE,
		.id = n->id,
		.version = n->record->record.version + 1,
		.name = n->record->record.name,
		.removed = true});

	must(world_learn(w, r), "remove", &w->err);
}

/* MEMBERSHIP of the first mutation, when no node is known. */
static struct world_record *
first_member(struct signer_world *w, const struct world_node *n, uint32_t role, struct span group)
{
	struct signer_request r = {.op = SIGNER_MAKE_MEMBERSHIP};
	struct span public = put_node(w, n->sealing, role), made, sealed;
	struct world_record *record;

	r.make_membership = (struct signer_make_membership){
	    .membership = {wire_membership_id(&w->managers, &n->id), 1},
	    .group = w->managers,
	    .node = n->id,
	    .group_public = group,
	    .group_version = 1,
	    .node_public = public};
	must(world_ask(w, &r), "membership", &w->err);
	made = keep(w->last.public_part);
	sealed = keep(w->last.sealed);
	record = world_sign(w,
	    &(struct world_draft){.kind = KIND_MEMBERSHIP,
		.id = r.make_membership.membership.id,
		.version = 1,
		.name = "",
		.public_part = made,
		.sealed = sealed});
	drop(public);
	drop(made);
	drop(sealed);
	return record;
}

void
world_init(struct signer_world *w)
{
	struct signer_request make = {.op = SIGNER_MAKE_GROUP};
	struct signed_designation d;
	struct signer_request start;
	struct span group;

	world_init_bare(w);
	start = world_start_request(w, &d);
	must(world_ask(w, &start), "start", &w->err);
	make.make_group = (struct signer_make_group){.group = {w->managers, 1}, .built_in = true};
	must(world_ask(w, &make), "managers", &w->err);
	group = keep(w->last.public_part);
	first_member(w, &w->manager, ROLE_MANAGER, group);
	first_member(w, &w->recovery, ROLE_RECOVERY, group);
	w->managers_record = world_sign(w,
	    &(struct world_draft){.kind = KIND_GROUP,
		.id = w->managers,
		.version = 1,
		.name = GROUP_MANAGERS,
		.public_part = group});
	drop(group);
	w->manager.record = sign_node(w, &w->manager, "manager", ROLE_MANAGER);
	w->recovery.record = sign_node(w, &w->recovery, "recovery", ROLE_RECOVERY);
	for (struct world_record *r = w->records; r != NULL; r = r->next)
		must(world_learn(w, r), "learn", &w->err);
}

void
world_fini(struct signer_world *w)
{
	while (w->records != NULL) {
		struct world_record *next = w->records->next;

		drop(w->records->bytes.body);
		drop(w->records->bytes.signature);
		mem_free(w->records);
		w->records = next;
	}
	signer_done_fini(&w->last);
	signer_core_free(w->core);
	signer_public_fini(&w->public);
	keyfile_fini(&w->keys);
	pkey_unref(w->root_key);
	pkey_unref(w->manager.sealing);
	pkey_unref(w->recovery.sealing);
	cert_unref(w->root);
	cert_unref(w->manager_cert);
	buf_fini(&w->designation);
	buf_fini(&w->designation_signature);
	buf_fini(&w->reply);
	buf_fini(&w->done);
}

/* What the last operation made, signed as a record. */
static struct world_record *
sign_made(struct signer_world *w, uint32_t kind, const struct record_ref *ref, const char *name)
{
	struct span public = keep(w->last.public_part), sealed = keep(w->last.sealed);
	struct world_record *r = world_sign(w,
	    &(struct world_draft){.kind = kind,
		.id = ref->id,
		.version = ref->version,
		.name = name,
		.public_part = public,
		.sealed = sealed});

	drop(public);
	drop(sealed);
	return r;
}

struct world_record *
world_add_ca(struct signer_world *w, const char *name, const char *key_type)
{
	struct signer_request r = {.op = SIGNER_MAKE_CA};

	r.make_ca = (struct signer_make_ca){.ca = {.version = 1},
	    .name = name,
	    .key_type = key_type,
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 3650 * DAY};
	id_random(&r.make_ca.ca.id);
	must(world_ask(w, &r), name, &w->err);
	return sign_made(w, KIND_CA, &r.make_ca.ca, name);
}

struct world_record *
world_add_group(struct signer_world *w, const char *name)
{
	struct signer_request r = {.op = SIGNER_MAKE_GROUP};
	struct world_record *record;

	r.make_group = (struct signer_make_group){.group = {.version = 1}};
	id_random(&r.make_group.group.id);
	must(world_ask(w, &r), name, &w->err);
	record = sign_made(w, KIND_GROUP, &r.make_group.group, name);
	must(world_learn(w, record), name, &w->err);
	return record;
}

int
world_issue(struct signer_world *w, const struct world_record *ca, const char *key_type,
    struct ids access, struct id *generation)
{
	static const char *const names[] = {"www.example.org", "*.example.org"};
	struct signer_request r = {.op = SIGNER_ISSUE};

	r.issue = (struct signer_issue){.generation = {.version = 1},
	    .number = 1,
	    .names = {names, ARRAY_LEN(names)},
	    .key_type = key_type,
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 90 * DAY,
	    .ca = ca->bytes,
	    .access = access,
	    .activated_at_ms = WORLD_NOW * 1000};
	id_random(&r.issue.generation.id);
	id_random(&r.issue.credential);
	*generation = r.issue.generation.id;
	return world_ask(w, &r);
}

struct signer_request
world_request(const struct id *credential, const char *key_type)
{
	static const char *const names[] = {"www.example.org", "*.example.org"};
	static const char *const subject[] = {"C=DE", "O=Example"};
	struct signer_request r = {.op = SIGNER_MAKE_REQUEST};

	r.make_request = (struct signer_make_request){.generation = {.version = 1},
	    .credential = *credential,
	    .number = 7,
	    .names = {names, 2},
	    .key_type = key_type,
	    .subject = {subject, 2},
	    .profile = "both"};
	id_random(&r.make_request.generation.id);
	return r;
}

void
world_seal_foreign(const struct signer_world *w, uint32_t kind, struct span public_part,
    const struct secret *payload, struct id *nonce, struct buf *out)
{
	struct seal_binding b = {.domain = w->domain, .kind = kind, .public_part = public_part};
	struct group_public g;
	struct pkey *key;

	must(wire_group_public_decode(w->managers_record->record.public_part, &g, NULL), "import",
	    NULL);
	must(pkey_from_spki(g.key, &key, NULL), "import", NULL);
	id_random(&b.record);
	must(envelope_seal(&b, payload, (const struct pkey *const[]){key}, 1, out, NULL), "import",
	    NULL);
	*nonce = b.record;
	group_public_fini(&g);
	pkey_unref(key);
}

void
world_import_seal(const struct signer_world *w, struct world_import *i, struct span export_password)
{
	struct buf purpose = BUF_INIT(LIMIT_PUBLIC);
	struct secret *pkcs8 = NULL, *payload = NULL;

	must(pkey_to_pkcs8(i->key, &pkcs8, NULL), "import", NULL);
	must(wire_private_key_encode(pkcs8, &payload, NULL), "import", NULL);
	must(imported_key_purpose(cert_der(i->leaf), export_password, &purpose, NULL), "import",
	    NULL);
	buf_clear(&i->sealed);
	world_seal_foreign(
	    w, SEAL_IMPORTED_KEY, buf_span(&purpose), payload, &i->nonce, &i->sealed);
	buf_fini(&purpose);
	secret_free(pkcs8);
	secret_free(payload);
}

void
world_import_init(struct signer_world *w, const char *name, const char *key_type,
    const struct id *credential, struct world_import *out)
{
	struct leaf_params params = {.names = &name,
	    .name_count = 1,
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 90 * DAY};
	struct generation_public g;
	struct span chain[2];
	enum key_type type;

	*out = (struct world_import){
	    .sealed = BUF_INIT(LIMIT_SEALED), .public_part = BUF_INIT(LIMIT_PUBLIC)};
	must(key_type_parse(key_type, &type, NULL), "import", NULL);
	must(pkey_generate(type, &out->key, NULL), "import", NULL);
	must(pkey_generate(KEY_EC_P256, &out->ca_key, NULL), "import", NULL);
	must(cert_issue_ca(
		 out->ca_key, "elsewhere", WORLD_NOW - DAY, WORLD_NOW + 1000 * DAY, &out->ca, NULL),
	    "import", NULL);
	params.key = out->key;
	if (name != NULL)
		must(cert_issue_leaf(out->ca, out->ca_key, &params, &out->leaf, NULL), "import",
		    NULL);
	else
		must(cert_issue_ca(out->key, "below", WORLD_NOW, WORLD_NOW + DAY, &out->leaf, NULL),
		    "import", NULL);
	world_import_seal(w, out, SPAN(NULL, 0));
	chain[0] = cert_der(out->leaf);
	chain[1] = cert_der(out->ca);
	g = (struct generation_public){.credential = *credential,
	    .number = 1,
	    .key = pkey_spki(out->key),
	    .chain = {chain, 2},
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 90 * DAY};
	must(wire_generation_public_encode(&g, &out->public_part, NULL), "import", NULL);
}

void
world_import_fini(struct world_import *i)
{
	pkey_unref(i->key);
	pkey_unref(i->ca_key);
	cert_unref(i->leaf);
	cert_unref(i->ca);
	buf_fini(&i->sealed);
	buf_fini(&i->public_part);
}

struct signer_request
world_take(const struct world_import *i, struct ids access)
{
	struct signer_request r = {.op = SIGNER_TAKE_KEY};

	r.take_key = (struct signer_take_key){.generation = {.version = 1},
	    .public_part = buf_span(&i->public_part),
	    .nonce = i->nonce,
	    .key = buf_span(&i->sealed),
	    .access = access};
	id_random(&r.take_key.generation.id);
	return r;
}
