#include "tests/support/fake_signer.h"

#include "common/crypto/sign.h"
#include "common/wire/record_wire.h"
#include "common/wire/signer_messages.h"

#include <string.h>

#define MADE_AT INT64_C(1795000000)

static struct signed_designation
designate(struct test_term *t, const struct designation *d, struct buf *body, struct buf *signature)
{
	*body = BUF_INIT(LIMIT_DESIGNATION);
	*signature = BUF_INIT(LIMIT_SIGNATURE);
	CHECK(wire_designation_encode(d, body, NULL) == 0);
	CHECK(sign_put(
		  t->root_key, SIGN_DESIGNATION, &t->domain, buf_span(body), signature, NULL) == 0);
	return (struct signed_designation){buf_span(body), buf_span(signature), SIGNER_ROOT_KEY};
}

void
test_term_init(struct test_term *t)
{
	struct buf spki = BUF_INIT(LIMIT_SPKI);
	struct designation d = {.reason = REASON_FIRST, .made_at = MADE_AT};
	struct signed_designation s;
	struct hash pin;

	*t = (struct test_term){.term = term_make(1, 0)};
	CHECK(pkey_generate(KEY_EC_P384, &t->root_key, NULL) == 0);
	CHECK(pkey_generate(KEY_EC_P256, &t->key, NULL) == 0);
	random_bytes(&t->domain, sizeof(t->domain));
	id_random(&t->node);
	CHECK(cert_issue_root(
		  t->root_key, "example.org", &t->domain, MADE_AT - 86400, &t->root, NULL) == 0);
	hash_of(cert_der(t->root), &pin);
	CHECK(trust_new(cert_der(t->root), &pin, &t->trust, NULL) == 0);
	CHECK(pkey_put_spki(t->key, &spki, NULL) == 0);
	d.term = t->term;
	d.node = t->node;
	d.term_key = buf_span(&spki);
	s = designate(t, &d, &t->designation_body, &t->designation_signature);
	CHECK(trust_add_designation(t->trust, &s, NULL) == 0);
	buf_fini(&spki);
}

/* One by the root that names a fresh key and node; the caller says which. */
static struct signed_designation
designate_anybody(
    struct test_term *t, struct designation *d, struct buf *body, struct buf *signature)
{
	struct buf spki = BUF_INIT(LIMIT_SPKI);
	struct signed_designation s;
	struct pkey *key = NULL;

	CHECK(pkey_generate(KEY_EC_P256, &key, NULL) == 0);
	CHECK(pkey_put_spki(key, &spki, NULL) == 0);
	id_random(&d->node);
	d->term_key = buf_span(&spki);
	s = designate(t, d, body, signature);
	pkey_unref(key);
	buf_fini(&spki);
	return s;
}

struct signed_designation
test_term_rival(struct test_term *t, struct buf *body, struct buf *signature)
{
	struct designation d = {.term = t->term, .reason = REASON_FIRST, .made_at = MADE_AT};

	return designate_anybody(t, &d, body, signature);
}

struct signed_designation
test_term_successor(struct test_term *t, struct buf *body, struct buf *signature)
{
	struct designation d = {.reason = REASON_LOST, .made_at = MADE_AT + 60};

	d.term = term_make(term_epoch(t->term) + 1, 0);
	d.has_cut = true;
	d.cut = (struct position){t->term, 1};
	d.has_previous = true;
	hash_of(buf_span(&t->designation_body), &d.previous);
	return designate_anybody(t, &d, body, signature);
}

void
test_term_fini(struct test_term *t)
{
	trust_free(t->trust);
	cert_unref(t->root);
	pkey_unref(t->root_key);
	pkey_unref(t->key);
	buf_fini(&t->designation_body);
	buf_fini(&t->designation_signature);
}

static void
check_head(struct fake_signer *f, struct span body)
{
	struct head h;

	CHECK(wire_head_decode(body, &h, NULL) == 0);
	CHECK(h.beat > f->last_beat && h.term == f->term->term);
	f->last_beat = h.beat;
	f->heads++;
}

static void
check_record(struct fake_signer *f, struct span body)
{
	struct record r;

	CHECK(wire_record_decode(body, &r, NULL) == 0);
	CHECK(r.seq > f->last_seq && r.term == f->term->term);
	f->last_seq = r.seq;
	f->records++;
}

static struct span
sign_one(struct fake_signer *f, enum sign_type type, struct span body, struct buf *out)
{
	size_t before = out->len;

	CHECK(sign_put(f->term->key, type, &f->term->domain, body, out, NULL) == 0);
	return SPAN(out->data + before, out->len - before);
}

static struct buf *
answer(struct fake_signer *f, const struct signer_request *r)
{
	struct buf *reply = buf_new(LIMIT_SIGNER_FRAME);
	bool batch = r->op == SIGNER_SIGN_BATCH;
	size_t count = batch ? r->sign_batch.bodies.count : 0;
	struct span *signatures = mem_array(count, sizeof(*signatures));
	struct buf *bytes = buf_new((count + 1) * LIMIT_SIGNATURE);
	struct signer_done d = {.signatures = {signatures, count}};
	struct span head = batch ? r->sign_batch.head : r->sign_head.head;

	/* All room at once, since the spans point into it. */
	CHECK(buf_reserve(bytes, (count + 1) * LIMIT_SIGNATURE) != NULL);
	for (size_t i = 0; i < count; i++) {
		check_record(f, r->sign_batch.bodies.items[i]);
		signatures[i] = sign_one(f, SIGN_RECORD, r->sign_batch.bodies.items[i], bytes);
	}
	check_head(f, head);
	d.head_signature = sign_one(f, SIGN_HEAD, head, bytes);
	if (batch)
		f->batches++;
	if (f->wrong && count > 0)
		d.signatures.count--;
	CHECK(wire_signer_done_encode(r->op, &d, reply, NULL) == 0);
	buf_free(bytes);
	mem_free(signatures);
	return reply;
}

static int
submit(struct signer *s, struct signer_call *call, struct span request, struct err *err)
{
	struct fake_signer *f = CONTAINER_OF(s, struct fake_signer, signer);
	struct signer_request r;

	if (f->unreachable)
		return err_set(err, ERR_UNAVAIL, "there is no signer");
	CHECK(wire_signer_request_decode(request, &r, NULL) == 0);
	CHECK(r.op == SIGNER_SIGN_BATCH || r.op == SIGNER_SIGN_HEAD);
	/* It signs, and then perhaps dies before it can say so. */
	call->reply = answer(f, &r);
	call->status = 0;
	if (f->dead)
		call->status = err_set(&call->err, ERR_UNAVAIL, "the signer died");
	signer_request_fini(&r);
	call->next = NULL;
	*f->tail = call;
	f->tail = &call->next;
	if (!f->silent)
		runtime_timer_start(f->rt, &f->timer, 0);
	return 0;
}

static void
on_timer(void *arg)
{
	struct fake_signer *f = arg;
	struct signer_call *calls = f->calls, *call;

	f->calls = NULL;
	f->tail = &f->calls;
	while ((call = calls) != NULL) {
		struct buf *reply = MOVE(call->reply);

		calls = call->next;
		call->cb(call, call->status, call->status == 0 ? buf_span(reply) : SPAN(NULL, 0),
		    &call->err);
		buf_free(reply);
	}
}

void
fake_signer_init(struct fake_signer *f, struct runtime *rt, const struct test_term *term)
{
	static const struct signer_ops ops = {.submit = submit};

	*f = (struct fake_signer){.signer.ops = &ops, .rt = rt, .term = term};
	f->tail = &f->calls;
	f->timer = (struct timer){.cb = on_timer, .arg = f};
}

void
fake_signer_go_on(struct fake_signer *f)
{
	f->silent = false;
	runtime_timer_start(f->rt, &f->timer, 0);
}
