/*
 * Makes what a server of many names starts from: bench_member_data NAMES DIR PEMDIR. DIR becomes
 * the data directory of a replica that holds NAMES P-256 credentials (keys sealed to it, every
 * record signed), PEMDIR gets the same certificates and keys for other servers, one file each. The
 * domain exists nowhere else; its manager's address leads nowhere.
 */

#include "tests/bench/bench.h"

#include "common/crypto/envelope.h"
#include "common/crypto/pem.h"
#include "common/crypto/sign.h"
#include "common/member/member.h"
#include "common/store/store.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "tests/support/pki.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TERM (UINT64_C(1) << 32)
#define BATCH 500
#define SECURE_HEAP (1U << 20)

struct domain {
	struct pki pki;
	struct id node;
	struct pkey *sealing, *identity, *term_key;
	struct store *store;
	uint64_t seq;
	/* of the transaction being collected */
	struct stored_record records[2 * BATCH];
	struct buf *bodies[2 * BATCH], *signatures[2 * BATCH];
	char names[2 * BATCH][BENCH_NAME_MAX + 8];
	size_t count;
};

static struct pkey *
new_key(void)
{
	struct pkey *key = NULL;

	CHECK(pkey_generate(KEY_EC_P256, &key, NULL) == 0);
	return key;
}

static void
flush(struct domain *d)
{
	const struct store_change change = {.records = d->records, .record_count = d->count};

	CHECK(store_apply(d->store, &change, NULL) == 0);
	for (size_t i = 0; i < d->count; i++) {
		buf_free(d->bodies[i]);
		buf_free(d->signatures[i]);
	}
	d->count = 0;
}

static void
publish(struct domain *d, struct record *r, const char *name)
{
	struct stored_record *s = &d->records[d->count];
	struct buf *body = buf_new(LIMIT_RECORD), *signature = buf_new(SIGNATURE_MAX);

	r->term = TERM;
	r->seq = r->mutation = ++d->seq;
	r->version = 1;
	r->committed_at_ms = d->pki.now * 1000;
	snprintf(r->author, sizeof(r->author), "bench");
	snprintf(r->name, sizeof(r->name), "%s", name);
	CHECK(wire_record_encode(r, body, NULL) == 0);
	CHECK(sign_put(d->term_key, SIGN_RECORD, &d->pki.domain, buf_span(body), signature, NULL) ==
	    0);
	snprintf(d->names[d->count], sizeof(d->names[0]), "%s", name);
	*s = (struct stored_record){.id = r->id,
	    .kind = r->kind,
	    .name = d->names[d->count],
	    .at = record_position(r),
	    .mutation = r->mutation,
	    .version = r->version,
	    .committed_at_ms = r->committed_at_ms,
	    .body = buf_span(body),
	    .signature = buf_span(signature)};
	hash_of(s->body, &s->hash);
	d->bodies[d->count] = body;
	d->signatures[d->count++] = signature;
}

static void
publish_designation(struct domain *d)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_DESIGNATION);
	AUTO(buf_freep)
	struct buf *signature = buf_new(SIGNATURE_MAX);
	AUTO(buf_freep)
	struct buf *public_part = buf_new(LIMIT_PUBLIC);
	const struct designation first = {.term = TERM,
	    .node = d->pki.manager_node,
	    .term_key = pkey_spki(d->term_key),
	    .made_at = d->pki.now};
	struct designation_public p = {.designation.signer = SIGNER_ROOT_KEY};
	struct record r = {.kind = KIND_DESIGNATION};
	char name[DESIGNATION_NAME_MAX];

	CHECK(wire_designation_encode(&first, body, NULL) == 0);
	CHECK(sign_put(d->pki.root_key, SIGN_DESIGNATION, &d->pki.domain, buf_span(body), signature,
		  NULL) == 0);
	p.designation.body = buf_span(body);
	p.designation.signature = buf_span(signature);
	CHECK(wire_designation_public_encode(&p, public_part, NULL) == 0);
	r.public_part = buf_span(public_part);
	id_random(&r.id);
	publish(d, &r, wire_designation_name(TERM, name));
}

static void
publish_generation(struct domain *d, const char *name, const struct id *credential,
    const struct id *generation, const struct cert *leaf, const struct pkey *key)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_PUBLIC);
	AUTO(buf_freep)
	struct buf *sealed = buf_new(LIMIT_SEALED);
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL;
	AUTO(secret_freep)
	struct secret *plain = NULL;
	const struct span chain = cert_der(leaf);
	const struct generation_public p = {.credential = *credential,
	    .number = 1,
	    .key = pkey_spki(key),
	    .chain = {&chain, 1},
	    .not_before = cert_not_before(leaf),
	    .not_after = cert_not_after(leaf),
	    .activated_at_ms = d->pki.now * 1000,
	    .names = {&name, 1}};
	struct record r = {
	    .kind = KIND_GENERATION, .id = *generation, .access = {d->node}, .access_count = 1};
	struct seal_binding binding = {
	    .domain = d->pki.domain, .record = *generation, .version = 1, .kind = KIND_GENERATION};
	const struct pkey *to = d->sealing;

	CHECK(wire_generation_public_encode(&p, body, NULL) == 0);
	r.public_part = binding.public_part = buf_span(body);
	CHECK(pkey_to_pkcs8(key, &pkcs8, NULL) == 0);
	CHECK(wire_private_key_encode(pkcs8, &plain, NULL) == 0);
	CHECK(envelope_seal(&binding, plain, &to, 1, sealed, NULL) == 0);
	r.sealed = buf_span(sealed);
	publish(d, &r, name);
}

static void
publish_credential(
    struct domain *d, const char *name, const struct id *credential, const struct id *generation)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_PUBLIC);
	const struct credential_public p = {.names = {&name, 1},
	    .key_type = key_type_name(KEY_EC_P256),
	    .lifetime = 90 * 86400,
	    .has_active = true,
	    .active = *generation,
	    .generations = 1,
	    .state = CREDENTIAL_ISSUED,
	    .error = ""};
	struct record r = {
	    .kind = KIND_CREDENTIAL, .id = *credential, .access = {d->node}, .access_count = 1};

	CHECK(wire_credential_public_encode(&p, body, NULL) == 0);
	r.public_part = buf_span(body);
	publish(d, &r, name);
}

static void
write_pem(const char *dir, const char *name, const struct cert *leaf, const struct pkey *key)
{
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL;
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_PEM_FILE);
	char path[512];
	FILE *file;

	CHECK(pkey_to_pkcs8(key, &pkcs8, NULL) == 0);
	cert_put_pem(cert_der(leaf), text);
	pem_put(text, "PRIVATE KEY", secret_span(pkcs8));
	snprintf(path, sizeof(path), "%s/%s.pem", dir, name);
	file = fopen(path, "w");
	CHECK(file != NULL && fwrite(text->data, 1, text->len, file) == text->len);
	CHECK(fclose(file) == 0);
}

static void
add_name(struct domain *d, uint64_t number, const char *pems)
{
	char name[BENCH_NAME_MAX];
	struct id credential, generation;
	AUTO(pkey_unrefp)
	struct pkey *key = new_key();
	AUTO(cert_unrefp)
	struct cert *leaf = pki_leaf(&d->pki, bench_name(number, name), key);

	id_random(&credential);
	id_random(&generation);
	publish_generation(d, name, &credential, &generation, leaf, key);
	publish_credential(d, name, &credential, &generation);
	write_pem(pems, name, leaf, key);
	if (d->count + 2 > 2 * BATCH)
		flush(d);
}

static void
write_member(struct domain *d, const char *dir)
{
	struct member m = {.domain_name = "bench.test",
	    .name = "node",
	    .endpoints = {"127.0.0.1:1"},
	    .endpoint_count = 1,
	    .domain = d->pki.domain,
	    .node = d->node,
	    .root = cert_ref(d->pki.root),
	    .identity_key = pkey_ref(d->identity),
	    .chain_count = 2,
	    .high_term = TERM};

	cert_fingerprint(m.root, &m.root_fingerprint);
	m.chain[0] = pki_node_leaf(&d->pki, &d->node, d->identity, false);
	m.chain[1] = cert_ref(d->pki.manager);
	CHECK(member_save_key(dir, "identity", d->identity, NULL) == 0);
	CHECK(member_save_key(dir, "sealing", d->sealing, NULL) == 0);
	CHECK(member_write(dir, &m, NULL) == 0);
	member_fini(&m);
}

int
main(int argc, char **argv)
{
	struct domain *d = mem_zalloc(sizeof(*d));
	struct store_params params = {0};
	AUTO(mem_freep)
	char *path = NULL;
	uint64_t names;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_member_data NAMES DIR PEMDIR\n");
		return 2;
	}
	names = bench_number(argv[1]);
	path = mem_printf("%s/store.db", argv[2]);
	params.path = path;
	CHECK(secret_heap_init(SECURE_HEAP, NULL) == 0);
	CHECK(member_make_dirs(argv[2], NULL) == 0);
	CHECK(mkdir(argv[3], 0700) == 0);
	pki_init(&d->pki);
	id_random(&d->node);
	d->sealing = new_key();
	d->identity = new_key();
	d->term_key = new_key();
	CHECK(store_open(&params, &d->store, NULL) == 0);
	publish_designation(d);
	for (uint64_t i = 0; i < names; i++)
		add_name(d, i, argv[3]);
	flush(d);
	store_close(d->store);
	write_member(d, argv[2]);
	return 0;
}
