/* Certificates from a CA outside: drafts, CSRs, answers, renewal. */

#include "common/wire/public_wire.h"
#include "tests/support/office.h"
#include "tests/support/outside.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"

struct stage {
	struct office o;
	struct outside ca;
	struct cert *answer[8];
	size_t answers;
};

static int64_t
now(struct office *o)
{
	return virtual_wall_ms(&o->time.rt) / 1000;
}

static struct pkey *
make_key(enum key_type type)
{
	struct pkey *key = NULL;

	assert_int_equal(pkey_generate(type, &key, NULL), 0);
	return key;
}

static int
setup(void **state)
{
	struct stage *s = mem_zalloc(sizeof(*s));

	office_init(&s->o, 1);
	outside_init(&s->ca, now(&s->o));
	*state = s;
	return 0;
}

static void
forget_answer(struct stage *s)
{
	while (s->answers > 0)
		cert_unref(s->answer[--s->answers]);
}

static int
teardown(void **state)
{
	struct stage *s = *state;

	forget_answer(s);
	office_fini(&s->o);
	outside_fini(&s->ca);
	mem_free(s);
	return 0;
}

static const char *const web1[] = {"web1", NULL};
static const char *at = WWW; /* the credential that the helpers below are about */
static const char *const two_names[] = {WWW, "example.org"};

#define OK(call) assert_int_equal((s->o.called = false, office_wait(&s->o, (call))), 0)
#define FAILS(code, call)                                                                          \
	assert_int_equal((s->o.called = false, office_wait(&s->o, (call))), (code))
#define SAYS(what) office_check_text(s->o.err.text, (what))
#define WARNS(what) office_check_text(s->o.warning, (what))

static int
add(struct stage *s, bool draft)
{
	static const char *const subject[] = {"C=DE", "o=Example"};
	const struct credential_spec spec = {.name = at,
	    .names = {two_names, 2},
	    .issuer = ISSUER_MANUAL,
	    .subject = {subject, 2},
	    .profile = "both",
	    .draft = draft,
	    .has_access = true,
	    .access = office_texts(web1),
	    .author = "test"};

	return flow_credential_add(s->o.flow, &spec, office_on_flow, &s->o, &s->o.err);
}

static int
submit(struct stage *s, bool new_key)
{
	return flow_credential_submit(
	    s->o.flow, at, new_key, "test", office_on_flow, &s->o, &s->o.err);
}

static int
renew(struct stage *s, bool new_key)
{
	return flow_credential_renew(
	    s->o.flow, at, new_key, "test", office_on_flow, &s->o, &s->o.err);
}

static int
paste(struct stage *s)
{
	struct span ders[ARRAY_LEN(s->answer)];

	for (size_t i = 0; i < s->answers; i++)
		ders[i] = cert_der(s->answer[i]);
	return flow_credential_paste(s->o.flow, at, (struct spans){ders, s->answers}, "test",
	    office_on_flow, &s->o, &s->o.err);
}

static const struct index_record *
credential(struct stage *s)
{
	return office_credential(&s->o, at);
}

static const char *
shown(struct stage *s)
{
	return credential_shown_name(index_state(s->o.index, credential(s), now(&s->o)));
}

static const struct index_record *
pending(struct stage *s)
{
	const struct index_record *c = credential(s), *r;

	assert_true(c->credential->has_pending);
	r = index_of_kind(s->o.index, KIND_GENERATION, &c->credential->pending);
	assert_non_null(r);
	assert_true(r->generation->waits);
	return r;
}

/* The key of the CSR that waits. */
static struct pkey *
requested_key(struct stage *s)
{
	struct record *r = office_fetch(&s->o, &pending(s)->id);
	struct generation_public g;
	struct pkey *key = NULL;

	assert_int_equal(wire_generation_public_decode(r->public_part, &g, NULL), 0);
	assert_int_equal(g.chain.count, 0);
	assert_int_equal(csr_key(g.csr, &key, NULL), 0);
	assert_true(span_equal(pkey_spki(key), g.key));
	generation_public_fini(&g);
	record_free(r);
	return key;
}

static void
put(struct stage *s, struct cert *c)
{
	s->answer[s->answers++] = c;
}

/* The issuer outside signs for a key, into the answer. */
static void
sign_for(struct stage *s, const struct pkey *key, const char *const *names, size_t count,
    int64_t from, int64_t to)
{
	put(s, outside_sign(&s->ca, key, names, count, from, to));
}

static void
sign_csr(struct stage *s)
{
	struct pkey *key = requested_key(s);

	sign_for(s, key, two_names, 2, now(&s->o) - 60, now(&s->o) + 90 * DAY - 1);
	pkey_unref(key);
}

/* Number and length of the chain in force. */
static void
check_active(struct stage *s, uint64_t number, size_t chain)
{
	const struct index_record *a = index_active(s->o.index, credential(s));
	struct generation_public g;
	struct record *r;

	assert_non_null(a);
	assert_int_equal(a->generation->number, number);
	assert_false(a->generation->waits);
	r = office_fetch(&s->o, &a->id);
	assert_int_equal(wire_generation_public_decode(r->public_part, &g, NULL), 0);
	assert_int_equal(g.chain.count, chain);
	assert_int_equal(g.csr.len, 0);
	generation_public_fini(&g);
	record_free(r);
}

static void
test_from_draft_to_service(void **state)
{
	struct stage *s = *state;
	struct office_node *one = office_add_node(&s->o, "web1");
	struct pkey *key;

	OK(add(s, true));
	assert_string_equal(shown(s), "draft");
	assert_int_equal(index_count(s->o.index, KIND_GENERATION), 0);
	assert_int_equal(s->o.result.generation, 0);
	assert_false(s->o.result.waits);
	assert_string_equal(credential(s)->credential->subject.items[1], "O=Example");
	assert_string_equal(credential(s)->credential->profile, "both");
	OK(submit(s, false));
	assert_true(s->o.result.waits);
	assert_string_equal(shown(s), "waiting");
	assert_false(credential(s)->credential->has_active);
	/* Until there is a certificate the key is for managers alone. */
	assert_int_equal(pending(s)->access.count, 0);
	assert_int_equal(pending(s)->recipient_count, 1);
	key = requested_key(s);
	/* Everything in the wrong order, and something that has no part in it. */
	put(s, cert_ref(s->ca.root));
	put(s, cert_ref(s->ca.other));
	put(s, cert_ref(s->ca.issuer));
	sign_csr(s);
	OK(paste(s));
	assert_string_equal(shown(s), "issued");
	assert_false(s->o.result.waits);
	assert_int_equal(s->o.result.not_after, cert_not_after(s->answer[3]));
	WARNS("1 of the certificates given are not part of the chain");
	check_active(s, 1, 3);
	assert_false(credential(s)->credential->has_pending);
	assert_int_equal(credential(s)->credential->generations, 1);
	assert_true(office_can_open(&s->o, one, WWW));
	pkey_unref(key);
}

static void
test_one_step(void **state)
{
	struct stage *s = *state;

	office_add_node(&s->o, "web1");
	OK(add(s, false));
	assert_string_equal(shown(s), "waiting");
	/* No Micro CA was made for it. */
	assert_null(index_default_ca(s->o.index));
	/* The leaf alone: it is served, and clients may lack its issuer. */
	sign_csr(s);
	OK(paste(s));
	WARNS("the issuer 'CN=certherd manager");
	check_active(s, 1, 1);
}

static void
test_refusals(void **state)
{
	struct stage *s = *state;
	struct pkey *key = make_key(KEY_EC_P256);
	struct span none = SPAN("no certificate", 14);
	struct spans many = {&none, 1};

	office_add_node(&s->o, "web1");
	FAILS(ERR_NOTFOUND, submit(s, false));
	put(s, cert_ref(s->ca.root));
	FAILS(ERR_NOTFOUND, paste(s));
	SAYS("'www.example.org'");
	OK(add(s, true));
	FAILS(ERR_CONFLICT, paste(s));
	SAYS("no CSR yet");
	OK(submit(s, false));
	FAILS(ERR_CONFLICT, submit(s, false));
	SAYS("waits for its certificate already");
	FAILS(ERR_CONFLICT, renew(s, false));
	/* Nothing, garbage, too much, another key, a CA. */
	forget_answer(s);
	FAILS(ERR_INVALID, paste(s));
	SAYS("no certificate in the answer");
	FAILS(ERR_PARSE,
	    flow_credential_paste(s->o.flow, WWW, many, "test", office_on_flow, &s->o, &s->o.err));
	SAYS("certificate 1");
	many.count = FLOW_PASTE_MOST + 1;
	FAILS(ERR_LIMIT,
	    flow_credential_paste(s->o.flow, WWW, many, "test", office_on_flow, &s->o, &s->o.err));
	sign_for(s, key, two_names, 2, now(&s->o), now(&s->o) + DAY);
	FAILS(ERR_INVALID, paste(s));
	SAYS("is for the key of 'www.example.org'");
	SAYS("cert csr");
	pkey_unref(key);
	forget_answer(s);
	key = requested_key(s);
	put(s, NULL);
	assert_int_equal(cert_issue_manager(s->ca.root, s->ca.root_key, key, &(struct id){{1}},
			     now(&s->o), &s->answer[0], NULL),
	    0);
	FAILS(ERR_INVALID, paste(s));
	SAYS("one of a CA");
	pkey_unref(key);
	forget_answer(s);
	/* Nothing of that has changed anything; the right one still goes. */
	assert_string_equal(shown(s), "waiting");
	sign_csr(s);
	OK(flow_credential_archive(s->o.flow, WWW, true, "test", office_on_flow, &s->o, &s->o.err));
	FAILS(ERR_CONFLICT, paste(s));
	SAYS("cert archive --undo");
	FAILS(ERR_CONFLICT, submit(s, true));
	OK(flow_credential_archive(
	    s->o.flow, WWW, false, "test", office_on_flow, &s->o, &s->o.err));
	OK(paste(s));
	FAILS(ERR_INVALID, paste(s));
	SAYS("generation 1 of 'www.example.org' already");
}

static void
test_spec_refused(void **state)
{
	static const char *const bad[] = {"X=1"}, *const email[] = {"a@example.org"};
	static const char *many[17];
	struct stage *s = *state;
	const struct credential_spec good = {
	    .names = {two_names, 2}, .issuer = ISSUER_MANUAL, .author = "test"};
	struct credential_spec spec;

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = "OU=a";
#define BAD(code, says, change)                                                                    \
	do {                                                                                       \
		spec = good;                                                                       \
		change;                                                                            \
		FAILS(code,                                                                        \
		    flow_credential_add(s->o.flow, &spec, office_on_flow, &s->o, &s->o.err));      \
		SAYS(says);                                                                        \
	} while (0)
	BAD(ERR_INVALID, "O=Example", spec.subject = ((struct texts){bad, 1}));
	BAD(ERR_LIMIT, "17", spec.subject = ((struct texts){many, 17}));
	BAD(ERR_INVALID, "smime", spec.profile = "mail");
	BAD(ERR_INVALID, "issuer micro", spec.ca = "default");
	BAD(ERR_INVALID, "lifetime", spec.lifetime = DAY);
	BAD(ERR_INVALID, "imported", spec.issuer = ISSUER_IMPORTED);
	BAD(ERR_INVALID, "--profile", spec.names = ((struct texts){email, 1}));
#undef BAD
	assert_int_equal(index_count(s->o.index, KIND_CREDENTIAL), 0);
	/* Certificates of an own CA are not pasted. */
	assert_int_equal(office_add_credential(&s->o, WWW, NULL), 0);
	put(s, cert_ref(s->ca.root));
	FAILS(ERR_INVALID, paste(s));
	SAYS("'micro'");
	FAILS(ERR_CONFLICT, submit(s, false));
	SAYS("cert renew");
}

static void
test_warnings(void **state)
{
	static const char *const others[] = {WWW, "ftp.example.org"};
	struct stage *s = *state;
	struct pkey *key;

	office_add_node(&s->o, "web1");
	OK(add(s, false));
	key = requested_key(s);
	sign_for(s, key, others, 2, now(&s->o) + DAY, now(&s->o) + 2 * DAY);
	OK(paste(s));
	WARNS("lacks names of the credential: example.org;");
	WARNS("names that the credential has not: ftp.example.org");
	WARNS("is valid only from");
	/* A further certificate for the same key, of yesterday. */
	forget_answer(s);
	sign_for(s, key, two_names, 2, now(&s->o) - 2 * DAY, now(&s->o) - DAY);
	OK(paste(s));
	WARNS("ran out on");
	assert_string_equal(shown(s), "expired");
	check_active(s, 2, 1);
	pkey_unref(key);
}

/* Due: the CSR is ready, with the same key, and the old certificate is served until the answer. */
static void
test_renewal(void **state)
{
	struct stage *s = *state;
	struct office_node *one = office_add_node(&s->o, "web1");
	struct hash key;
	struct id first;

	OK(add(s, false));
	sign_csr(s);
	put(s, cert_ref(s->ca.issuer));
	put(s, cert_ref(s->ca.root));
	OK(paste(s));
	first = index_active(s->o.index, credential(s))->id;
	key = index_active(s->o.index, credential(s))->generation->key;
	assert_true(sched_due_at(s->o.sched, &credential(s)->id) > now(&s->o));
	office_sleep(&s->o, 70 * DAY);
	assert_string_equal(shown(s), "renewal-due");
	assert_true(hash_equal(&pending(s)->generation->key, &key));
	assert_int_equal(sched_due_at(s->o.sched, &credential(s)->id), 0);
	assert_true(id_equal(&index_active(s->o.index, credential(s))->id, &first));
	assert_true(office_can_open(&s->o, one, WWW));
	/* A restart forgets nothing of that. */
	office_restart(&s->o);
	assert_string_equal(shown(s), "renewal-due");
	/* The leaf alone is enough: its issuers are those of the one in force. */
	forget_answer(s);
	sign_csr(s);
	OK(paste(s));
	assert_string_equal(s->o.warning, "");
	assert_string_equal(shown(s), "issued");
	check_active(s, 2, 3);
	assert_false(id_equal(&index_active(s->o.index, credential(s))->id, &first));
	assert_true(office_can_open(&s->o, one, WWW));
	assert_true(sched_due_at(s->o.sched, &credential(s)->id) > now(&s->o));
}

/* What came with one credential completes the next; what is gone does so no more. */
static void
test_known_issuers(void **state)
{
	struct stage *s = *state;

	office_add_node(&s->o, "web1");
	OK(add(s, false));
	sign_csr(s);
	put(s, cert_ref(s->ca.issuer));
	put(s, cert_ref(s->ca.root));
	OK(paste(s));
	at = "second";
	OK(add(s, false));
	forget_answer(s);
	sign_csr(s);
	OK(paste(s));
	assert_string_equal(s->o.warning, "");
	check_active(s, 1, 3);
	OK(flow_credential_delete(s->o.flow, at, "test", office_on_flow, &s->o, &s->o.err));
	OK(flow_credential_delete(s->o.flow, WWW, "test", office_on_flow, &s->o, &s->o.err));
	office_restart(&s->o);
	OK(add(s, false));
	forget_answer(s);
	sign_csr(s);
	OK(paste(s));
	WARNS("is not here");
	at = WWW;
}

static void
test_other_csr(void **state)
{
	struct stage *s = *state;
	struct hash key, other;
	struct id old;

	office_add_node(&s->o, "web1");
	OK(add(s, false));
	key = pending(s)->generation->key;
	old = pending(s)->id;
	sign_csr(s);
	/* Another key: the old CSR is gone, and its certificate does not fit any more. */
	OK(submit(s, true));
	other = pending(s)->generation->key;
	assert_false(hash_equal(&key, &other));
	assert_null(index_get(s->o.index, &old));
	FAILS(ERR_INVALID, paste(s));
	forget_answer(s);
	sign_csr(s);
	OK(paste(s));
	/* A new CSR with a new key; meanwhile the CA issues anew for the key in force. */
	OK(renew(s, true));
	old = pending(s)->id;
	forget_answer(s);
	{
		struct record *r =
		    office_fetch(&s->o, &index_active(s->o.index, credential(s))->id);
		struct generation_public g;
		struct pkey *active = NULL;

		assert_int_equal(wire_generation_public_decode(r->public_part, &g, NULL), 0);
		assert_int_equal(pkey_from_spki(g.key, &active, NULL), 0);
		sign_for(s, active, two_names, 2, now(&s->o), now(&s->o) + 80 * DAY);
		pkey_unref(active);
		generation_public_fini(&g);
		record_free(r);
	}
	OK(paste(s));
	assert_string_equal(shown(s), "waiting");
	assert_true(id_equal(&pending(s)->id, &old));
	check_active(s, 4, 1);
	forget_answer(s);
	sign_csr(s);
	OK(paste(s));
	assert_string_equal(shown(s), "issued");
	check_active(s, 3, 1);
}

/* People have e-mail addresses: in the CSR, and in the answer. */
static void
test_email(void **state)
{
	static const char *const written[] = {"Jane@Example.ORG"},
				 *const names[] = {"Jane@example.org"};
	struct stage *s = *state;
	const struct credential_spec spec = {.names = {written, 1},
	    .name = WWW,
	    .issuer = ISSUER_MANUAL,
	    .profile = "smime",
	    .author = "test"};
	struct pkey *key;

	OK(flow_credential_add(s->o.flow, &spec, office_on_flow, &s->o, &s->o.err));
	key = requested_key(s);
	sign_for(s, key, names, 1, now(&s->o) - 60, now(&s->o) + DAY);
	OK(paste(s));
	WARNS("may not be used for e-mail");
	assert_null(strstr(s->o.warning, "names"));
	pkey_unref(key);
}

/* Access may change while the certificate is waited for, and the CSR outlives that. */
static void
test_access_while_waiting(void **state)
{
	static const char *const web2[] = {"web2", NULL};
	struct stage *s = *state;
	struct office_node *one = office_add_node(&s->o, "web1"),
			   *two = office_add_node(&s->o, "web2");
	const struct access_change c = {
	    .name = WWW, .add = office_texts(web2), .remove = office_texts(web1), .author = "test"};

	OK(add(s, false));
	sign_csr(s);
	OK(flow_credential_access(s->o.flow, &c, office_on_flow, &s->o, &s->o.err));
	assert_int_equal(pending(s)->access.count, 0);
	OK(paste(s));
	assert_true(office_can_open(&s->o, two, WWW));
	assert_false(office_can_open(&s->o, one, WWW));
	OK(flow_credential_delete(s->o.flow, WWW, "test", office_on_flow, &s->o, &s->o.err));
	assert_int_equal(index_count(s->o.index, KIND_GENERATION), 0);
}

/* A draft of an own CA waits for submit too. */
static void
test_micro_draft(void **state)
{
	struct stage *s = *state;
	struct credential_spec spec = {
	    .names = {two_names, 2}, .draft = true, .author = "test", .profile = "client"};

	OK(flow_credential_add(s->o.flow, &spec, office_on_flow, &s->o, &s->o.err));
	assert_string_equal(shown(s), "draft");
	assert_null(index_default_ca(s->o.index));
	OK(submit(s, false));
	assert_string_equal(shown(s), "issued");
	assert_non_null(index_default_ca(s->o.index));
	assert_true(credential(s)->credential->has_issuer_record);
	check_active(s, 1, 2);
	OK(renew(s, false));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_from_draft_to_service),
	    TEST(test_one_step),
	    TEST(test_refusals),
	    TEST(test_spec_refused),
	    TEST(test_warnings),
	    TEST(test_renewal),
	    TEST(test_known_issuers),
	    TEST(test_other_csr),
	    TEST(test_email),
	    TEST(test_access_while_waiting),
	    TEST(test_micro_draft),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
