/* Micro CAs: renewed, below and after another, and their revocation lists. */

#include "common/crypto/crl.h"
#include "common/crypto/sign.h"
#include "tests/unit/server/signer/signer_tests.h"

#include <string.h>

#define DAY INT64_C(86400)

static struct revoked_certificate
revoked_of(const uint8_t *serial, size_t len, int64_t not_after)
{
	return (struct revoked_certificate){.serial = SPAN(serial, len),
	    .revoked_at = WORLD_NOW,
	    .reason = 1,
	    .not_after = not_after};
}

static struct signer_request
list_request(const struct world_record *ca, const struct world_record *earlier, int64_t at,
    const struct revoked_certificate *items, size_t count)
{
	struct signer_request r = {.op = SIGNER_SIGN_CRL};

	r.sign_crl = (struct signer_sign_crl){.ca = ca->bytes,
	    .has_earlier = earlier != NULL,
	    .earlier = earlier != NULL ? earlier->bytes : (struct signed_bytes){{0}, {0}},
	    .revoked = {items, count},
	    .this_update = at,
	    .next_update = at + 7 * DAY};
	return r;
}

/* What the last request has made, signed as a record. */
static struct world_record *
sign_public(struct signer_world *w, uint32_t kind, const struct id *id, uint64_t version)
{
	struct buf public = BUF_INIT(LIMIT_PUBLIC_CRL), sealed = BUF_INIT(LIMIT_SEALED);
	struct world_draft d = {.kind = kind, .id = *id, .version = version, .name = "made"};
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

static struct crl_public
last_list(struct signer_world *w, struct crl *l)
{
	struct crl_public p;

	assert_int_equal(wire_crl_public_decode(w->last.public_part, &p, NULL), 0);
	assert_int_equal(crl_read(p.der, l, NULL), 0);
	assert_int_equal(l->count * CRL_END_LEN, p.ends.len);
	return p;
}

static struct cert *
cert_of(const struct world_record *ca)
{
	struct ca_public p;
	struct cert *c;

	assert_int_equal(wire_ca_public_decode(ca->record.public_part, &p, NULL), 0);
	assert_int_equal(cert_parse(p.chain.items[0], &c, NULL), 0);
	ca_public_fini(&p);
	return c;
}

static void
test_lists(void **state)
{
	static const uint8_t one[] = {1}, two[] = {0, 0x82}, three[] = {3};
	const struct revoked_certificate first[] = {
	    revoked_of(one, 1, WORLD_NOW + DAY), revoked_of(two, 2, WORLD_NOW + 100 * DAY)};
	const struct revoked_certificate again[] = {revoked_of(two + 1, 1, WORLD_NOW + 100 * DAY),
	    revoked_of(three, 1, WORLD_NOW + 9 * DAY)};
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *earlier;
	struct signer_request r = list_request(ca, NULL, WORLD_NOW, first, ARRAY_LEN(first));
	struct cert *cert = cert_of(ca);
	struct crl_public p;
	struct id id;
	struct crl l;

	id_random(&id);
	assert_int_equal(world_ask(w, &r), 0);
	assert_int_equal(w->last.sealed.len, 0);
	p = last_list(w, &l);
	assert_int_equal(l.count, 2);
	assert_int_equal(p.number, 1);
	assert_true(id_equal(&p.ca, &ca->record.id));
	assert_true(crl_signed_by(p.der, cert));
	/* The term goes before the number: that of 2^32 has five bytes. */
	assert_int_equal(l.number_len, 13);
	assert_int_equal(l.number[0], 1);
	crl_fini(&l);
	crl_public_fini(&p);

	/* Nothing is there twice, and nothing leaves it. */
	earlier = sign_public(w, KIND_CRL, &id, 1);
	r = list_request(ca, earlier, WORLD_NOW + 4 * DAY, again, ARRAY_LEN(again));
	assert_int_equal(world_ask(w, &r), 0);
	p = last_list(w, &l);
	assert_int_equal(l.count, 3);
	assert_int_equal(p.number, 2);
	crl_fini(&l);
	crl_public_fini(&p);

	/* What has run out stays for one more list. */
	earlier = sign_public(w, KIND_CRL, &id, 2);
	r = list_request(ca, earlier, WORLD_NOW + 8 * DAY, NULL, 0);
	assert_int_equal(world_ask(w, &r), 0);
	p = last_list(w, &l);
	assert_int_equal(l.count, 2);
	assert_int_equal(p.number, 3);
	crl_fini(&l);
	crl_public_fini(&p);

	/* A clock that was set ahead, and back again, costs none that still runs. */
	earlier = sign_public(w, KIND_CRL, &id, 3);
	r = list_request(ca, earlier, WORLD_NOW + 50 * DAY, NULL, 0);
	assert_int_equal(world_ask(w, &r), 0);
	earlier = sign_public(w, KIND_CRL, &id, 4);
	r = list_request(ca, earlier, WORLD_NOW + 8 * DAY, NULL, 0);
	assert_int_equal(world_ask(w, &r), 0);
	p = last_list(w, &l);
	assert_int_equal(l.count, 2);
	assert_int_equal(p.number, 5);
	crl_fini(&l);
	crl_public_fini(&p);
	cert_unref(cert);
}

/* Main cannot have entries dropped by a list that the CA has not signed. */
static void
test_lists_refused(void **state)
{
	static const uint8_t one[] = {1};
	const struct revoked_certificate first = revoked_of(one, 1, WORLD_NOW + DAY);
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *mine, *forged;
	struct world_record *other = world_add_ca(w, "Other CA", "ec-p256");
	struct signer_request r = list_request(other, NULL, WORLD_NOW, &first, 1);
	struct crl_public p;
	struct id id;

	id_random(&id);
	assert_int_equal(world_ask(w, &r), 0);
	mine = sign_public(w, KIND_CRL, &id, 1);
	r = list_request(ca, mine, WORLD_NOW, NULL, 0);
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	assert_int_equal(wire_crl_public_decode(mine->record.public_part, &p, NULL), 0);
	p.ca = ca->record.id;
	w->last.public_part = SPAN(NULL, 0);
	{
		struct buf public = BUF_INIT(LIMIT_PUBLIC_CRL);

		assert_int_equal(wire_crl_public_encode(&p, &public, NULL), 0);
		id_random(&id);
		forged = world_sign(w,
		    &(struct world_draft){.kind = KIND_CRL,
			.id = id,
			.version = 1,
			.name = "forged",
			.public_part = buf_span(&public)});
		buf_fini(&public);
	}
	r = list_request(ca, forged, WORLD_NOW, NULL, 0);
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	crl_public_fini(&p);
	/* A CA is no list. */
	r = list_request(ca, other, WORLD_NOW, NULL, 0);
	assert_int_not_equal(world_ask(w, &r), 0);
}

static void
test_full_list(void **state)
{
	static uint8_t serials[LIMIT_CRL_ENTRIES][3];
	static const uint8_t more[] = {1, 0, 0, 0};
	struct revoked_certificate *all = mem_array(LIMIT_CRL_ENTRIES, sizeof(*all));
	const struct revoked_certificate extra = revoked_of(more, 4, WORLD_NOW + 100 * DAY);
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *earlier;
	struct signer_request r = list_request(ca, NULL, WORLD_NOW, all, LIMIT_CRL_ENTRIES);
	struct crl_public p;
	struct id id;
	struct crl l;

	for (size_t i = 0; i < LIMIT_CRL_ENTRIES; i++) {
		serials[i][0] = 1;
		serials[i][1] = (uint8_t)(i >> 8);
		serials[i][2] = (uint8_t)i;
		all[i] = revoked_of(serials[i], 3, WORLD_NOW + 100 * DAY);
	}
	id_random(&id);
	assert_int_equal(world_ask(w, &r), 0);
	p = last_list(w, &l);
	assert_int_equal(l.count, LIMIT_CRL_ENTRIES);
	crl_fini(&l);
	crl_public_fini(&p);
	earlier = sign_public(w, KIND_CRL, &id, 1);
	r = list_request(ca, earlier, WORLD_NOW + DAY, &extra, 1);
	assert_int_equal(world_ask(w, &r), ERR_LIMIT);
	r.sign_crl.revoked.count = 0;
	assert_int_equal(world_ask(w, &r), 0);
	mem_free(all);
}

static struct signer_request
renewal(const struct world_record *ca, uint64_t version, int64_t not_after)
{
	struct signer_request r = {.op = SIGNER_RENEW_CA};

	r.renew_ca = (struct signer_renew_ca){.ca = ca->bytes,
	    .to = {ca->record.id, version},
	    .not_before = WORLD_NOW,
	    .not_after = not_after};
	return r;
}

static void
test_renewal(void **state)
{
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *renewed;
	struct signer_request r = renewal(ca, 2, WORLD_NOW + 9000 * DAY);
	struct cert *before = cert_of(ca), *after;
	struct ca_public p, q;

	assert_int_equal(world_ask(w, &r), 0);
	assert_int_equal(wire_ca_public_decode(ca->record.public_part, &p, NULL), 0);
	assert_int_equal(wire_ca_public_decode(w->last.public_part, &q, NULL), 0);
	assert_true(span_equal(p.key, q.key));
	assert_int_equal(q.not_after, WORLD_NOW + 9000 * DAY);
	ca_public_fini(&p);
	ca_public_fini(&q);
	renewed = sign_public(w, KIND_CA, &ca->record.id, 2);
	after = cert_of(renewed);
	assert_true(cert_names_issuer(after, before));
	assert_false(span_equal(cert_der(before), cert_der(after)));
	cert_unref(before);
	cert_unref(after);
	/* Not as another record, and not as a version that was. */
	r.renew_ca.to.version = 1;
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	r.renew_ca.to.version = 3;
	id_random(&r.renew_ca.to.id);
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
	/* Not below another one. */
	r = renewal(ca, 2, WORLD_NOW + DAY);
	r.renew_ca.has_parent = true;
	r.renew_ca.parent = world_add_ca(w, "Root", "ec-p256")->bytes;
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
}

static struct signer_request
new_ca(const char *name)
{
	struct signer_request r = {.op = SIGNER_MAKE_CA};

	r.make_ca = (struct signer_make_ca){.ca = {.version = 1},
	    .name = name,
	    .key_type = "ec-p256",
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 100 * DAY};
	id_random(&r.make_ca.ca.id);
	return r;
}

static void
test_intermediate(void **state)
{
	struct signer_world *w = *state;
	struct world_record *root = world_add_ca(w, "Root", "ec-p384"), *between;
	struct signer_request r = new_ca("Between");
	struct generation_public g;
	struct ca_public p;
	struct cert *cert;
	struct id id;

	r.make_ca.has_parent = true;
	r.make_ca.parent = root->bytes;
	r.make_ca.address = "http://pki.example.org";
	assert_int_equal(world_ask(w, &r), 0);
	assert_int_equal(wire_ca_public_decode(w->last.public_part, &p, NULL), 0);
	assert_int_equal(p.chain.count, 2);
	assert_true(p.has_parent && id_equal(&p.parent, &root->record.id));
	assert_string_equal(p.address, "http://pki.example.org");
	ca_public_fini(&p);
	between = sign_public(w, KIND_CA, &r.make_ca.ca.id, 1);
	cert = cert_of(root);
	cert_unref(cert);
	assert_int_equal(world_issue(w, between, "ec-p256", (struct ids){0}, &id), 0);
	assert_int_equal(wire_generation_public_decode(w->last.public_part, &g, NULL), 0);
	assert_int_equal(g.chain.count, 3);
	generation_public_fini(&g);
	/* None below it. */
	r = new_ca("Below");
	r.make_ca.has_parent = true;
	r.make_ca.parent = between->bytes;
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
}

static void
test_successor(void **state)
{
	struct signer_world *w = *state;
	struct world_record *old = world_add_ca(w, "Old", "ec-p256"), *next;
	struct signer_request r = new_ca("");
	struct cert *before = cert_of(old), *after, *cross;
	struct generation_public g;
	struct ca_public p;
	struct id id;

	r.make_ca.has_predecessor = true;
	r.make_ca.predecessor = old->bytes;
	assert_int_equal(world_ask(w, &r), 0);
	assert_int_equal(wire_ca_public_decode(w->last.public_part, &p, NULL), 0);
	assert_int_equal(cert_parse(p.cross, &cross, NULL), 0);
	ca_public_fini(&p);
	next = sign_public(w, KIND_CA, &r.make_ca.ca.id, 1);
	after = cert_of(next);
	assert_true(cert_names_issuer(after, before) && cert_names_issuer(cross, before));
	assert_false(span_equal(cert_der(after), cert_der(cross)));
	assert_int_equal(world_issue(w, next, "ec-p256", (struct ids){0}, &id), 0);
	assert_int_equal(wire_generation_public_decode(w->last.public_part, &g, NULL), 0);
	assert_int_equal(g.chain.count, 3);
	assert_true(span_equal(g.chain.items[1], cert_der(cross)));
	generation_public_fini(&g);
	cert_unref(before);
	cert_unref(after);
	cert_unref(cross);
}

int
run_ca_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_lists),
	    TEST(test_lists_refused),
	    TEST(test_full_list),
	    TEST(test_renewal),
	    TEST(test_intermediate),
	    TEST(test_successor),
	};

	return cmocka_run_group_tests_name("ca", tests, NULL, NULL);
}
