#include "tests/support/signer_world.h"

#include "common/crypto/sign.h"

#include <string.h>

/*
 * Any bytes as a request to a signer that holds keys, as if main were hostile. So that inputs get
 * behind the signatures, a signed record whose body is a single byte stands for the record of that
 * number in a small domain, and an id of zeroes and one byte for that record's id. What the signer
 * answers must be a reply to the request, and contain no private key.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct signer_world world;
static struct world_record *records[32];
static size_t record_count;
static struct world_import import;
/* A sound key that is made with an export, and an export of it, as the command seals them. */
static struct signer_request made;
static struct buf make_password, export_password;
static struct id export_nonce;
static struct secret *forbidden; /* PKCS#8 of the manager's sealing key */

/* A revocation list with one entry. */
static void
prepare_list(const struct world_record *ca)
{
	static const uint8_t serial[] = {7};
	const struct revoked_certificate revoked = {
	    .serial = SPAN_OF(serial), .revoked_at = WORLD_NOW, .not_after = WORLD_NOW + 1000};
	struct signer_request r = {.op = SIGNER_SIGN_CRL};
	struct buf public = BUF_INIT(LIMIT_PUBLIC_CRL);

	r.sign_crl = (struct signer_sign_crl){.ca = ca->bytes,
	    .revoked = {&revoked, 1},
	    .this_update = WORLD_NOW,
	    .next_update = WORLD_NOW + 100};
	CHECK(world_ask(&world, &r) == 0);
	buf_put_span(&public, world.last.public_part);
	world_sign(&world,
	    &(struct world_draft){.kind = KIND_CRL,
		.id = ca->record.id, /* none of its own is needed */
		.version = 1,
		.name = "list",
		.public_part = buf_span(&public)});
	buf_fini(&public);
}

static void
prepare_export(const struct id *credential)
{
	static const char text[] = "violet hammock 72 rain";
	struct buf public = BUF_INIT(LIMIT_PUBLIC), sealed = BUF_INIT(LIMIT_SEALED);
	struct secret *password, *payload;
	struct export_key_public p;
	struct export_purpose purpose;
	struct hash key;
	struct id id;

	make_password = export_password = BUF_INIT(LIMIT_SEALED);
	made = world_request(credential, "ec-p256");
	CHECK(secret_new(sizeof(text) - 1, &password, NULL) == 0);
	memcpy(secret_bytes(password), text, sizeof(text) - 1);
	CHECK(
	    wire_password_encode(password, pkey_spki(world.manager.sealing), &payload, NULL) == 0);
	world_seal_foreign(&world, SEAL_MAKE_EXPORT, SPAN(credential->bytes, ID_LEN), payload,
	    &made.make_request.generation.id, &make_password);
	id_random(&id);
	made.make_request.export = (struct signer_make_export){
	    .record = {id, 1}, .password = buf_span(&make_password), .made_at = WORLD_NOW};
	CHECK(world_ask(&world, &made) == 0);
	buf_put_span(&public, world.last.export_public);
	buf_put_span(&sealed, world.last.export_sealed);
	world_sign(&world,
	    &(struct world_draft){.kind = KIND_EXPORT_KEY,
		.id = id,
		.version = 1,
		.name = "x",
		.public_part = buf_span(&public),
		.sealed = buf_span(&sealed)});
	CHECK(wire_export_key_public_decode(buf_span(&public), &p, NULL) == 0);
	hash_of(p.key, &key);
	purpose = export_purpose(&id, &key);
	world_seal_foreign(
	    &world, SEAL_EXPORT, SPAN_OF(purpose.bytes), payload, &export_nonce, &export_password);
	export_key_public_fini(&p);
	buf_fini(&public);
	buf_fini(&sealed);
	secret_free(password);
	secret_free(payload);
}

static void
prepare(void)
{
	struct world_record *ca;
	struct buf public = BUF_INIT(LIMIT_PUBLIC), sealed = BUF_INIT(LIMIT_SEALED);
	struct world_node node;
	struct id id;

	world_init(&world);
	ca = world_add_ca(&world, "Micro CA", "ec-p256");
	node = world_add_node(&world, "web1");
	world_node_fini(&node);
	world_add_group(&world, "mail");
	CHECK(world_issue(&world, ca, "ec-p256", (struct ids){NULL, 0}, &id) == 0);
	buf_put_span(&public, world.last.public_part);
	buf_put_span(&sealed, world.last.sealed);
	world_sign(&world,
	    &(struct world_draft){.kind = KIND_GENERATION,
		.id = id,
		.version = 1,
		.name = "g",
		.public_part = buf_span(&public),
		.sealed = buf_span(&sealed)});
	buf_fini(&public);
	buf_fini(&sealed);
	prepare_export(&id);
	prepare_list(ca);
	for (struct world_record *r = world.records; r != NULL; r = r->next)
		if (record_count < ARRAY_LEN(records))
			records[record_count++] = r;
	world_import_init(&world, "www.example.org", "ec-p256", &id, &import);
	CHECK(pkey_to_pkcs8(world.manager.sealing, &forbidden, NULL) == 0);
}

static const struct world_record *
record_at(uint8_t n)
{
	return records[n % record_count];
}

static void
put_record(struct signed_bytes *s)
{
	if (s->body.len == 1)
		*s = record_at(s->body.data[0])->bytes;
}

static void
put_id(struct id *id)
{
	static const uint8_t zero[ID_LEN - 1];

	if (memcmp(id->bytes, zero, sizeof(zero)) == 0)
		*id = record_at(id->bytes[ID_LEN - 1])->record.id;
}

static void
put_ids(struct ids *ids, struct id storage[static LIMIT_ACCESS])
{
	for (size_t i = 0; i < ids->count && i < LIMIT_ACCESS; i++) {
		storage[i] = ids->items[i];
		put_id(&storage[i]);
	}
	ids->items = storage;
}

/* A single byte stands for the part of a sound import. */
static void
put_import(struct signer_take_key *t)
{
	if (t->key.len == 1) {
		t->key = buf_span(&import.sealed);
		t->nonce = import.nonce;
	}
	if (t->public_part.len == 1)
		t->public_part = buf_span(&import.public_part);
}

/* The same for exports. */
static void
put_make_export(struct signer_make_request *m)
{
	if (m->export.password.len != 1)
		return;
	m->export.password = buf_span(&make_password);
	m->generation = made.make_request.generation;
	m->credential = made.make_request.credential;
}

static void
put_export(struct signer_export *e)
{
	put_record(&e->record);
	if (e->password.len != 1)
		return;
	e->password = buf_span(&export_password);
	e->nonce = export_nonce;
}

static void
substitute(struct signer_request *r, struct id ids[static LIMIT_ACCESS], struct signed_bytes *one)
{
	switch (r->op) {
	case SIGNER_LEARN:
		if (r->learn.records.count == 1) {
			*one = r->learn.records.items[0];
			put_record(one);
			r->learn.records.items = one;
		}
		break;
	case SIGNER_ISSUE:
		put_record(&r->issue.ca);
		put_record(&r->issue.key_of);
		put_ids(&r->issue.access, ids);
		break;
	case SIGNER_MAKE_REQUEST:
		put_record(&r->make_request.key_of);
		put_make_export(&r->make_request);
		break;
	case SIGNER_EXPORT:
		put_export(&r->export);
		break;
	case SIGNER_TAKE_KEY:
		put_import(&r->take_key);
		put_ids(&r->take_key.access, ids);
		break;
	case SIGNER_RESEAL:
		put_record(&r->reseal.record);
		put_id(&r->reseal.to.id);
		put_ids(&r->reseal.access, ids);
		if (r->reseal.public_part.len == 1)
			r->reseal.public_part =
			    record_at(r->reseal.public_part.data[0])->record.public_part;
		break;
	case SIGNER_MAKE_GROUP:
		put_record(&r->make_group.current);
		put_id(&r->make_group.group.id);
		break;
	case SIGNER_MAKE_MEMBERSHIP:
		put_record(&r->make_membership.group_record);
		put_id(&r->make_membership.group);
		put_id(&r->make_membership.node);
		put_id(&r->make_membership.membership.id);
		r->make_membership.membership.id =
		    wire_membership_id(&r->make_membership.group, &r->make_membership.node);
		break;
	case SIGNER_SEAL:
		put_ids(&r->seal.access, ids);
		break;
	case SIGNER_MAKE_CA:
		put_record(&r->make_ca.parent);
		put_record(&r->make_ca.predecessor);
		break;
	case SIGNER_RENEW_CA:
		put_record(&r->renew_ca.ca);
		put_record(&r->renew_ca.parent);
		put_id(&r->renew_ca.to.id);
		break;
	case SIGNER_SIGN_CRL:
		put_record(&r->sign_crl.ca);
		put_record(&r->sign_crl.earlier);
		break;
	case SIGNER_START:
	case SIGNER_SIGN_BATCH:
	case SIGNER_SIGN_HEAD:
	case SIGNER_ISSUE_IDENTITY:
	case SIGNER_NOTHING:
	case SIGNER__COUNT:
		break;
	}
}

static void
check_reply(const struct signer_request *request, struct span bytes)
{
	struct signer_reply reply;
	struct signer_done done;
	struct err err;

	CHECK(wire_signer_reply_decode(bytes, &reply, &err) == 0);
	CHECK(reply.id == request->id);
	if (reply.code == 0) {
		CHECK(wire_signer_done_decode(request->op, reply.done, &done, &err) == 0);
		signer_done_fini(&done);
	}
	/* The private number of the key that all seals of this server hang on. */
	CHECK(memmem(bytes.data, bytes.len, secret_span(forbidden).data + 36, 32) == NULL);
	signer_reply_fini(&reply);
}

/* A core that has started and learnt; it takes less time than it looks. */
static void
fresh_core(bool started)
{
	struct signed_designation d;
	struct signer_request start = world_start_request(&world, &d);

	world_restart(&world);
	if (!started)
		return;
	CHECK(world_ask(&world, &start) == 0);
	for (size_t i = 0; i < record_count; i++) {
		uint32_t kind = records[i]->record.kind;

		if (kind == KIND_NODE || kind == KIND_GROUP || kind == KIND_MEMBERSHIP)
			CHECK(world_learn(&world, records[i]) == 0);
	}
}

/* Making RSA keys is slow, and not a matter of input. */
static bool
is_quick(const struct signer_request *r)
{
	struct signer_request without = *r;

	if (r->op == SIGNER_MAKE_REQUEST)
		without.make_request.export.password = SPAN(NULL, 0);
	return r->op == SIGNER_EXPORT || signer_core_lane(&without) != SIGNER_SLOW;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf reply = BUF_INIT(LIMIT_SIGNER_FRAME);
	struct id ids[LIMIT_ACCESS];
	struct signer_request r;
	struct signed_bytes one;
	struct err err;

	if (record_count == 0)
		prepare();
	if (wire_signer_request_decode(SPAN(data, size), &r, &err) < 0)
		return 0;
	substitute(&r, ids, &one);
	if (is_quick(&r)) {
		fresh_core(r.op != SIGNER_START);
		if (signer_core_execute(world.core, &r, &reply, &err) == 0)
			check_reply(&r, buf_span(&reply));
		else
			CHECK(err.code == ERR_PROTO);
	}
	signer_request_fini(&r);
	buf_fini(&reply);
	return 0;
}
