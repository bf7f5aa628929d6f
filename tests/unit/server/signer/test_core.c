/* Each operation as it should be. */

#include "tests/unit/server/signer/signer_tests.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "common/sys/file.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY INT64_C(86400)

/* Opens what the last operation sealed. */
static int
open_last(struct signer_world *w, uint32_t kind, const struct record_ref *ref,
    const struct pkey *key, struct secret **out)
{
	const struct seal_binding b = {.domain = w->domain,
	    .record = ref->id,
	    .version = ref->version,
	    .kind = kind,
	    .public_part = w->last.public_part};

	return envelope_open(&b, w->last.sealed, key, out, NULL);
}

/* The private key that the last operation sealed is the one of the SPKI. */
static void
check_key(struct signer_world *w, uint32_t kind, const struct record_ref *ref,
    const struct pkey *opener, struct span spki)
{
	struct secret *payload = NULL, *pkcs8 = NULL;
	struct pkey *key = NULL;

	assert_int_equal(open_last(w, kind, ref, opener, &payload), 0);
	assert_int_equal(wire_private_key_decode(payload, &pkcs8, NULL), 0);
	assert_int_equal(pkey_from_pkcs8(secret_span(pkcs8), &key, NULL), 0);
	assert_true(span_equal(pkey_spki(key), spki));
	secret_free(payload);
	secret_free(pkcs8);
	pkey_unref(key);
}

static void
test_start(void **state)
{
	struct signer_world *w = *state;
	struct signed_designation d;
	struct signer_request r = world_start_request(w, &d);

	world_restart(w);
	assert_int_equal(world_ask(w, &r), 0);
	assert_true(span_equal(w->last.sealing_key, pkey_spki(w->public.sealing)));
	assert_true(span_equal(w->last.manager_key, pkey_spki(w->public.manager)));
}

static void
test_issue(void **state)
{
	static const char *const types[] = {"ec-p256", "ec-p384", "rsa-2048"};
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1"), other = world_add_node(w, "web2");
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p384");
	const struct ids access = {&web.id, 1};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct record_ref ref = {.version = 1};
		struct generation_public g;
		struct cert *leaf = NULL, *issuer = NULL;
		struct secret *none = NULL;

		assert_int_equal(world_issue(w, ca, types[i], access, &ref.id), 0);
		assert_int_equal(wire_generation_public_decode(w->last.public_part, &g, NULL), 0);
		assert_int_equal(g.chain.count, 2);
		assert_int_equal(cert_parse(g.chain.items[0], &leaf, NULL), 0);
		assert_int_equal(cert_parse(g.chain.items[1], &issuer, NULL), 0);
		assert_true(cert_is_ca(issuer) && !cert_is_ca(leaf));
		assert_int_equal(cert_each_name(leaf, NULL, NULL), 2);
		assert_int_equal(g.names.count, 2);
		assert_int_equal(g.not_after, cert_not_after(leaf));
		assert_int_equal(g.activated_at_ms, WORLD_NOW * 1000);
		check_key(w, KIND_GENERATION, &ref, web.sealing, g.key);
		assert_int_equal(
		    open_last(w, KIND_GENERATION, &ref, other.sealing, &none), ERR_NOTFOUND);
		/* Sealed to the key of `managers`, not to its members one by one. */
		assert_int_equal(
		    open_last(w, KIND_GENERATION, &ref, w->manager.sealing, &none), ERR_NOTFOUND);
		generation_public_fini(&g);
		cert_unref(leaf);
		cert_unref(issuer);
	}
	world_node_fini(&web);
	world_node_fini(&other);
}

static struct world_record *
sign_generation(struct signer_world *w, struct id id)
{
	struct world_draft d = {.kind = KIND_GENERATION, .id = id, .version = 1, .name = "g"};
	struct buf public = BUF_INIT(LIMIT_PUBLIC), sealed = BUF_INIT(LIMIT_SEALED);
	struct world_record *r;

	buf_put_span(&public, w->last.public_part);
	buf_put_span(&sealed, w->last.sealed);
	d.public_part = buf_span(&public);
	d.sealed = buf_span(&sealed);
	r = world_sign(w, &d);
	buf_fini(&public);
	buf_fini(&sealed);
	return r;
}

static void
test_issue_keeps_key(void **state)
{
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *first;
	static const char *const names[] = {"www.example.org"};
	struct generation_public before, after;
	struct signer_request r = {.op = SIGNER_ISSUE};
	struct id id;

	assert_int_equal(world_issue(w, ca, "ec-p256", (struct ids){0}, &id), 0);
	first = sign_generation(w, id);
	assert_int_equal(
	    wire_generation_public_decode(first->record.public_part, &before, NULL), 0);
	r.issue = (struct signer_issue){.generation = {.version = 1},
	    .credential = before.credential,
	    .number = 2,
	    .names = {names, 1},
	    .key_type = "ec-p256",
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + DAY,
	    .ca = ca->bytes,
	    .keep_key = true,
	    .key_of = first->bytes};
	id_random(&r.issue.generation.id);
	assert_int_equal(world_ask(w, &r), 0);
	assert_int_equal(wire_generation_public_decode(w->last.public_part, &after, NULL), 0);
	assert_true(span_equal(before.key, after.key));
	assert_int_equal(after.number, 2);
	generation_public_fini(&after);
	/* Not as another type, and not for another credential. */
	r.issue.key_type = "ec-p384";
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	r.issue.key_type = "ec-p256";
	id_random(&r.issue.credential);
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	generation_public_fini(&before);
}

/* A key and a CSR for it, which managers can open and nobody else. */
static void
test_request(void **state)
{
	static const char *const types[] = {"ec-p256", "rsa-2048", "ed25519"};
	struct signer_world *w = *state;
	struct id credential;

	id_random(&credential);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct signer_request r = world_request(&credential, types[i]), again, refused;
		struct signer_request reseal = {.op = SIGNER_RESEAL};
		struct generation_public g, kept;
		struct world_record *record;
		struct pkey *key = NULL;
		char type[KEY_DESCRIPTION_MAX];

		assert_int_equal(world_ask(w, &r), 0);
		assert_int_equal(wire_generation_public_decode(w->last.public_part, &g, NULL), 0);
		assert_true(id_equal(&g.credential, &credential));
		assert_int_equal(g.number, 7);
		assert_int_equal(g.chain.count, 0);
		assert_int_equal(g.names.count, 2);
		assert_int_equal(csr_key(g.csr, &key, NULL), 0);
		assert_true(span_equal(pkey_spki(key), g.key));
		assert_string_equal(pkey_describe(key, type), types[i]);
		pkey_unref(key);
		record = sign_generation(w, r.make_request.generation.id);
		/* The private half is there: it can be sealed anew. */
		reseal.reseal = (struct signer_reseal){.record = record->bytes,
		    .to = {record->record.id, 2},
		    .public_part = record->record.public_part};
		assert_int_equal(world_ask(w, &reseal), 0);
		/* The same key once more. */
		again = world_request(&credential, types[i]);
		again.make_request.keep_key = true;
		again.make_request.key_of = record->bytes;
		assert_int_equal(world_ask(w, &again), 0);
		assert_int_equal(
		    wire_generation_public_decode(w->last.public_part, &kept, NULL), 0);
		assert_true(span_equal(kept.key, g.key));
		refused = again;
		id_random(&refused.make_request.credential);
		assert_int_equal(world_ask(w, &refused), ERR_DENIED);
		refused = again;
		refused.make_request.key_type = "ec-p521";
		assert_int_equal(world_ask(w, &refused), ERR_INVALID);
		generation_public_fini(&g);
		generation_public_fini(&kept);
	}
}

static void
test_request_refused(void **state)
{
	static const char *const bad_subject[] = {"X=1"}, *const bad_name[] = {"a b"};
	struct signer_world *w = *state;
	struct signer_request good, r;
	struct id credential;

	id_random(&credential);
	good = world_request(&credential, "ec-p256");
	r = good;
	r.make_request.key_type = "dsa";
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	r = good;
	r.make_request.profile = "ca";
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	r = good;
	r.make_request.subject = (struct texts){bad_subject, 1};
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	r = good;
	r.make_request.names = (struct texts){bad_name, 1};
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	r = good;
	r.make_request.keep_key = true;
	r.make_request.key_of = w->managers_record->bytes;
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
}

static void
test_reseal(void **state)
{
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *g;
	struct signer_request r = {.op = SIGNER_RESEAL};
	struct generation_public public;
	struct buf other = BUF_INIT(LIMIT_PUBLIC);
	struct id id;

	assert_int_equal(world_issue(w, ca, "ec-p256", (struct ids){0}, &id), 0);
	g = sign_generation(w, id);
	r.reseal = (struct signer_reseal){.record = g->bytes,
	    .to = {id, 2},
	    .public_part = g->record.public_part,
	    .access = {&web.id, 1}};
	assert_int_equal(world_ask(w, &r), 0);
	assert_int_equal(wire_generation_public_decode(g->record.public_part, &public, NULL), 0);
	w->last.public_part = g->record.public_part;
	check_key(w, KIND_GENERATION, &r.reseal.to, web.sealing, public.key);

	/* Another credential, another record, the same version, a CA's key for a node. */
	id_random(&public.credential);
	assert_int_equal(wire_generation_public_encode(&public, &other, NULL), 0);
	r.reseal.public_part = buf_span(&other);
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	r.reseal.public_part = g->record.public_part;
	r.reseal.to.version = 1;
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	r.reseal.to = (struct record_ref){web.id, 2};
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	r.reseal.to = (struct record_ref){{{0}}, 1};
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	/* Into a new generation of the same credential, but of no other. */
	r.reseal.to = (struct record_ref){web.id, 1};
	assert_int_equal(world_ask(w, &r), 0);
	w->last.public_part = g->record.public_part;
	check_key(w, KIND_GENERATION, &r.reseal.to, web.sealing, public.key);
	r.reseal.public_part = buf_span(&other);
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	r.reseal = (struct signer_reseal){.record = ca->bytes,
	    .to = {ca->record.id, 2},
	    .public_part = ca->record.public_part,
	    .access = {&web.id, 1}};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	r.reseal.access.count = 0;
	assert_int_equal(world_ask(w, &r), 0);
	generation_public_fini(&public);
	buf_fini(&other);
	world_node_fini(&web);
}

/* When `managers` gets a new key, what is sealed to them alone follows: other groups, too. */
static void
test_reseal_group(void **state)
{
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct world_record *group = world_add_group(w, "mail");
	struct signer_request r = {.op = SIGNER_RESEAL};

	r.reseal = (struct signer_reseal){.record = group->bytes,
	    .to = {group->record.id, group->record.version + 1},
	    .public_part = group->record.public_part};
	assert_int_equal(world_ask(w, &r), 0);
	assert_true(w->last.sealed.len > 0);
	r.reseal.access = (struct ids){&web.id, 1};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	r.reseal.access.count = 0;
	r.reseal.public_part = span_str("another key");
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	world_node_fini(&web);
}

static void
test_seal(void **state)
{
	static const uint32_t never[] = {KIND_UNKNOWN, KIND_ROOT, KIND_DESIGNATION, KIND_NODE,
	    KIND_GROUP, KIND_MEMBERSHIP, KIND_GENERATION, KIND_CA};
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct signer_request r = {.op = SIGNER_SEAL};
	struct secret *opened = NULL;

	r.seal = (struct signer_seal){.record = {.version = 1},
	    .kind = KIND_TICKET_KEY,
	    .public_part = span_str("public"),
	    .payload = span_str("the keys"),
	    .access = {&web.id, 1}};
	id_random(&r.seal.record.id);
	assert_int_equal(world_ask(w, &r), 0);
	w->last.public_part = r.seal.public_part;
	assert_int_equal(open_last(w, KIND_TICKET_KEY, &r.seal.record, web.sealing, &opened), 0);
	assert_true(secret_equal(opened, span_str("the keys")));
	secret_free(opened);
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		r.seal.kind = never[i];
		assert_int_equal(world_ask(w, &r), ERR_DENIED);
	}
	world_node_fini(&web);
}

static void
test_identity(void **state)
{
	struct signer_world *w = *state;
	struct signer_request r = {.op = SIGNER_ISSUE_IDENTITY};
	struct buf csr = BUF_INIT(4096);
	struct world_node gone = world_add_node(w, "web9");
	struct cert *cert = NULL;
	struct pkey *key = NULL;
	struct domain_id domain;
	struct id node, found;
	const struct cert *chain[1];

	assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
	assert_int_equal(csr_make(key, "web1", &csr, NULL), 0);
	id_random(&node);
	r.issue_identity = (struct signer_issue_identity){.csr = buf_span(&csr),
	    .node = node,
	    .name = "web1",
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 365 * DAY,
	    .manager_certificate = cert_der(w->manager_cert)};
	assert_int_equal(world_ask(w, &r), 0);
	assert_int_equal(cert_parse(w->last.certificate, &cert, NULL), 0);
	assert_int_equal(cert_identity(cert, &domain, &found, NULL), 0);
	assert_true(id_equal(&found, &node));
	assert_memory_equal(&domain, &w->domain, sizeof(domain));
	assert_true(cert_has_key(cert, key));
	chain[0] = w->manager_cert;
	assert_int_equal(
	    cert_verify_identity(cert, chain, 1, w->root, WORLD_NOW + 1, false, NULL), 0);
	/* The root's certificate is no manager's; a node that was removed gets none. */
	r.issue_identity.manager_certificate = cert_der(w->root);
	assert_true(world_ask(w, &r) < 0);
	r.issue_identity.manager_certificate = cert_der(w->manager_cert);
	r.issue_identity.node = gone.id;
	world_remove_node(w, &gone);
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	pkey_unref(key);
	cert_unref(cert);
	buf_fini(&csr);
	world_node_fini(&gone);
}

static void
test_batch_and_head(void **state)
{
	struct signer_world *w = *state;
	struct head head = {.term = WORLD_TERM, .seq = 100, .beat = 1};
	struct signer_request r = {.op = SIGNER_SIGN_HEAD};
	struct buf body = BUF_INIT(LIMIT_HEAD);
	struct signed_bytes signed_head;
	struct trust *trust = NULL;
	struct hash pin;
	struct signed_designation d;
	struct signer_request start = world_start_request(w, &d);

	cert_fingerprint(w->root, &pin);
	assert_int_equal(trust_new(cert_der(w->root), &pin, &trust, NULL), 0);
	assert_int_equal(trust_add_designation(trust, &start.start.designations.items[0], NULL), 0);
	assert_int_equal(wire_head_encode(&head, &body, NULL), 0);
	r.sign_head.head = buf_span(&body);
	assert_int_equal(world_ask(w, &r), 0);
	signed_head = (struct signed_bytes){buf_span(&body), w->last.head_signature};
	assert_int_equal(trust_verify_head(trust, &signed_head, &head, NULL), 0);
	/* Every record of the world was signed in the same way. */
	for (struct world_record *i = w->records; i != NULL; i = i->next)
		assert_int_equal(
		    trust_verify_record(trust, &i->record, i->bytes.body, i->bytes.signature, NULL),
		    0);
	trust_free(trust);
	buf_fini(&body);
}

static void
test_make_keys(void **state)
{
	char dir[] = "/tmp/test_server_signer.XXXXXX", path[64];
	struct signer_public public;
	struct secret *text = NULL;
	struct keyfile keys = {0};
	struct stat st;
	int fd = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/signer.keys", dir);
	assert_int_equal(signer_make_keys(path, WORLD_TERM, &public, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(file_open_private(path, &fd, NULL), 0);
	assert_int_equal(secret_read_fd(fd, 32768, false, &text, NULL), 0);
	assert_int_equal(keyfile_parse(text, &keys, NULL), 0);
	assert_true(pkey_same_public(keyfile_find(&keys, "sealing"), public.sealing));
	assert_true(pkey_same_public(keyfile_find(&keys, "manager"), public.manager));
	assert_true(pkey_same_public(keyfile_find(&keys, "term-0000000100000000"), public.term));
	assert_false(pkey_has_private(public.term));
	assert_int_equal(keys.count, 3);
	close(fd);
	unlink(path);
	rmdir(dir);
	keyfile_fini(&keys);
	secret_free(text);
	signer_public_fini(&public);
}

/* Lanes: what must never stand in front of a signature. */
static void
test_lanes(void **state)
{
	const struct {
		struct signer_request r;
		enum signer_lane lane;
	} cases[] = {
	    {{.op = SIGNER_START}, SIGNER_INLINE},
	    {{.op = SIGNER_LEARN}, SIGNER_INLINE},
	    {{.op = SIGNER_SIGN_BATCH}, SIGNER_SIGN},
	    {{.op = SIGNER_SIGN_HEAD}, SIGNER_SIGN},
	    {{.op = SIGNER_ISSUE, .issue = {.key_type = "ec-p256"}}, SIGNER_GENERAL},
	    {{.op = SIGNER_ISSUE, .issue = {.key_type = "rsa-4096"}}, SIGNER_SLOW},
	    {{.op = SIGNER_ISSUE, .issue = {.key_type = "rsa-4096", .keep_key = true}},
		SIGNER_GENERAL},
	    {{.op = SIGNER_MAKE_CA, .make_ca = {.key_type = "rsa-2048"}}, SIGNER_SLOW},
	    {{.op = SIGNER_SEAL}, SIGNER_GENERAL},
	    {{.op = SIGNER_TAKE_KEY}, SIGNER_GENERAL},
	    {{.op = SIGNER_MAKE_REQUEST, .make_request = {.key_type = "ed25519"}}, SIGNER_GENERAL},
	    {{.op = SIGNER_MAKE_REQUEST, .make_request = {.key_type = "rsa-2048"}}, SIGNER_SLOW},
	    {{.op = SIGNER_MAKE_REQUEST,
		 .make_request = {.key_type = "rsa-2048", .keep_key = true}},
		SIGNER_GENERAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(signer_core_lane(&cases[i].r), cases[i].lane);
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct load {
	struct signer_world *w;
	const struct world_record *ca;
	pthread_t thread;
	unsigned count, done;
};

static void *
issue_many(void *arg)
{
	static const char *const names[] = {"www.example.org"};
	struct load *l = arg;
	struct signer_request r = {.op = SIGNER_ISSUE};
	struct buf reply = BUF_INIT(LIMIT_SIGNER_FRAME);

	r.issue = (struct signer_issue){.generation = {.version = 1},
	    .number = 1,
	    .names = {names, 1},
	    .key_type = "ec-p256",
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + DAY,
	    .ca = l->ca->bytes,
	    .access = {&l->w->manager.id, 1}};
	for (unsigned i = 0; i < l->count; i++) {
		struct signer_reply answer;

		buf_clear(&reply);
		if (signer_core_execute(l->w->core, &r, &reply, NULL) == 0 &&
		    wire_signer_reply_decode(buf_span(&reply), &answer, NULL) == 0) {
			l->done += answer.code == 0;
			signer_reply_fini(&answer);
		}
	}
	buf_fini(&reply);
	return NULL;
}

/* Several threads at once, all right; prints how many a second. */
static void
test_throughput(void **state)
{
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256");

	for (unsigned threads = 1; threads <= 2; threads++) {
		struct load loads[2];
		double start = seconds();

		for (unsigned i = 0; i < threads; i++) {
			loads[i] = (struct load){.w = w, .ca = ca, .count = 500};
			assert_int_equal(
			    pthread_create(&loads[i].thread, NULL, issue_many, &loads[i]), 0);
		}
		for (unsigned i = 0; i < threads; i++) {
			pthread_join(loads[i].thread, NULL);
			assert_int_equal(loads[i].done, loads[i].count);
		}
		printf("issue ec-p256, %u thread%s: %.0f a second\n", threads,
		    threads == 1 ? "" : "s", 500 * threads / (seconds() - start));
	}
}

int
run_core_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_start),
	    TEST(test_issue),
	    TEST(test_issue_keeps_key),
	    TEST(test_request),
	    TEST(test_request_refused),
	    TEST(test_reseal),
	    TEST(test_reseal_group),
	    TEST(test_seal),
	    TEST(test_identity),
	    TEST(test_batch_and_head),
	    TEST(test_make_keys),
	    TEST(test_lanes),
	    TEST(test_throughput),
	};

	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
