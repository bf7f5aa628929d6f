#include "tests/unit/common/follow/script.h"

#include "common/crypto/cert.h"
#include "common/crypto/sign.h"
#include "common/wire/public_wire.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- the link ------------------------------------------------------------------------------------
 */

static int
link_start(struct link_client *c, const struct link_call *call, struct err *err)
{
	struct script *s = CONTAINER_OF(c, struct script, link);

	(void)err;
	assert_false(s->asked);
	s->call = *call;
	buf_clear(s->request);
	buf_put_span(s->request, call->request);
	s->asked = true;
	return 0;
}

static void
end_call(struct script *s, int status, struct span reply, const struct err *err)
{
	assert_true(s->asked);
	s->asked = false;
	s->call.cb(s->call.arg, status, reply, err);
}

static void
on_cancel(void *arg)
{
	script_send_error(arg, ERR_CANCELED);
}

static void
link_cancel(struct link_client *c)
{
	struct script *s = CONTAINER_OF(c, struct script, link);

	runtime_timer_start(&s->time.rt, &s->cancel_timer, 0);
}

static const struct link_client_ops link_ops = {link_start, link_cancel, NULL};

void
script_send_error(struct script *s, int code)
{
	struct err err;

	err_set(&err, (enum err_code)code, "as the test says");
	end_call(s, code, SPAN(NULL, 0), &err);
}

void
script_send_bytes(struct script *s, struct span bytes)
{
	end_call(s, 0, bytes, NULL);
}

/* --- the manager ---------------------------------------------------------------------------------
 */

static void
designate(struct script *s, uint64_t term, uint32_t reason)
{
	size_t n = s->designation_count++;
	struct designation d = {.term = term, .node = s->manager, .reason = reason, .made_at = 1};
	AUTO(buf_freep)
	struct buf *spki = buf_new(4096);
	struct err err;

	assert_int_equal(pkey_generate(KEY_EC_P256, &s->term_keys[n], &err), 0);
	assert_int_equal(pkey_put_spki(s->term_keys[n], spki, &err), 0);
	d.term_key = buf_span(spki);
	if (n > 0) {
		d.has_previous = true;
		hash_of(s->designations[n - 1].body, &d.previous);
		d.has_cut = true;
		d.cut = (struct position){s->term, s->seq};
		digest_root(s->digest, &d.cut_digest);
	}
	s->designation_bodies[n] = buf_new(4096);
	s->designation_signatures[n] = buf_new(SIGNATURE_MAX);
	assert_int_equal(wire_designation_encode(&d, s->designation_bodies[n], &err), 0);
	assert_int_equal(
	    sign_put(s->root_key, SIGN_DESIGNATION, &s->domain, buf_span(s->designation_bodies[n]),
		s->designation_signatures[n], &err),
	    0);
	s->designations[n] = (struct signed_designation){buf_span(s->designation_bodies[n]),
	    buf_span(s->designation_signatures[n]), SIGNER_ROOT_KEY};
	s->term = term;
}

void
script_designate(struct script *s)
{
	designate(s, term_make(term_epoch(s->term) + 1, 0), REASON_LOST);
}

struct script *
script_new(void)
{
	struct script *s = mem_zalloc(sizeof(*s));
	struct err err;

	virtual_init(&s->time, 1);
	s->link.ops = &link_ops;
	s->request = buf_new(LIMIT_REQUEST);
	s->cancel_timer.cb = on_cancel;
	s->cancel_timer.arg = s;
	s->digest = digest_new();
	random_bytes(s->domain.bytes, sizeof(s->domain.bytes));
	id_random(&s->manager);
	id_random(&s->node);
	assert_int_equal(pkey_generate(KEY_EC_P384, &s->root_key, &err), 0);
	assert_int_equal(
	    cert_issue_root(s->root_key, "test", &s->domain, 1700000000, &s->root, &err), 0);
	designate(s, term_make(1, 0), REASON_FIRST);
	return s;
}

void
script_free(struct script *s)
{
	vfs_fault_free(s->disk);
	for (size_t i = 0; i < s->count; i++) {
		buf_free(s->records[i].body);
		buf_free(s->records[i].signature);
	}
	for (size_t i = 0; i < s->designation_count; i++) {
		pkey_unref(s->term_keys[i]);
		buf_free(s->designation_bodies[i]);
		buf_free(s->designation_signatures[i]);
	}
	pkey_unref(s->root_key);
	cert_unref(s->root);
	digest_free(s->digest);
	buf_free(s->request);
	virtual_fini(&s->time);
	mem_free(s);
}

struct script_record *
script_put(struct script *s, unsigned number, bool removed, bool joined)
{
	struct record *r = mem_zalloc(sizeof(*r));
	struct script_record *out = &s->records[s->count];
	struct hash hash;
	char text[64];
	struct err err;

	assert_true(s->count < SCRIPT_RECORDS);
	*out = (struct script_record){.kind = 999, .version = 1};
	out->id.bytes[0] = (uint8_t)(number * 37);
	out->id.bytes[1] = 1;
	out->id.bytes[14] = (uint8_t)(number >> 8);
	out->id.bytes[15] = (uint8_t)number;
	for (size_t i = 0; i < s->count; i++)
		if (id_equal(&s->records[i].id, &out->id))
			out->version++;
	out->at = (struct position){s->term, ++s->seq};
	out->mutation = joined ? s->records[s->count - 1].mutation : s->seq;
	r->id = out->id;
	r->kind = out->kind;
	r->term = out->at.term;
	r->seq = out->at.seq;
	r->mutation = out->mutation;
	r->version = out->version;
	r->removed = removed;
	snprintf(r->name, sizeof(r->name), "setting-%u", number);
	snprintf(text, sizeof(text), "value %llu", (unsigned long long)s->seq);
	if (!removed)
		r->public_part = span_str(text);
	out->body = buf_new(LIMIT_RECORD);
	out->signature = buf_new(SIGNATURE_MAX);
	if (wire_record_encode(r, out->body, &err) < 0)
		fail_msg("record: %s", err.text);
	assert_int_equal(sign_put(s->term_keys[s->designation_count - 1], SIGN_RECORD, &s->domain,
			     buf_span(out->body), out->signature, &err),
	    0);
	hash_of(buf_span(out->body), &hash);
	digest_set(s->digest, &out->id, &hash);
	mem_free(r);
	s->count++;
	return out;
}

/* --- replies -------------------------------------------------------------------------------------
 */

bool
script_wait_request(struct script *s)
{
	uint64_t end = s->time.now + 60000, due;

	while (!s->asked) {
		if (s->time.jobs == NULL && (!timers_next(&s->time.timers, &due) || due > end))
			return false;
		virtual_step(&s->time);
	}
	return true;
}

void
script_pull(struct script *s, struct request *out)
{
	struct err err;

	assert_true(script_wait_request(s));
	assert_int_equal(wire_request_decode(buf_span(s->request), out, &err), 0);
	assert_int_equal(out->ask, ASK_PULL);
}

void
script_sign_head(struct script *s, struct script_reply *r, size_t key)
{
	struct err err;

	buf_clear(r->head_body);
	buf_clear(r->head_signature);
	assert_int_equal(wire_head_encode(&r->head, r->head_body, &err), 0);
	assert_int_equal(sign_put(s->term_keys[key], SIGN_HEAD, &s->domain, buf_span(r->head_body),
			     r->head_signature, &err),
	    0);
	r->reply.delta.head =
	    (struct signed_bytes){buf_span(r->head_body), buf_span(r->head_signature)};
}

static bool
is_latest(const struct script *s, size_t i)
{
	for (size_t k = i + 1; k < s->count; k++)
		if (id_equal(&s->records[k].id, &s->records[i].id))
			return false;
	return true;
}

struct script_reply *
script_answer(struct script *s, size_t max)
{
	struct script_reply *r = mem_zalloc(sizeof(*r));
	struct request request;
	size_t n = 0;

	script_pull(s, &request);
	r->head_body = buf_new(4096);
	r->head_signature = buf_new(SIGNATURE_MAX);
	r->reply.answer = ANSWER_DELTA;
	r->reply.delta.designations =
	    (struct designation_list){s->designations, s->designation_count};
	for (size_t i = 0; i < s->count && n < max; i++) {
		if (!is_latest(s, i) ||
		    position_compare(s->records[i].at, request.pull.cursor) <= 0)
			continue;
		r->records[n++] = (struct signed_bytes){
		    buf_span(s->records[i].body), buf_span(s->records[i].signature)};
		r->reply.delta.more = i + 1 < s->count && n == max;
	}
	request_fini(&request);
	r->reply.delta.records = (struct signed_list){r->records, n};
	r->reply.delta.has_head = true;
	r->head =
	    (struct head){.term = s->term, .seq = s->seq, .beat = ++s->beat, .floor = s->floor};
	digest_root(s->digest, &r->head.digest);
	script_sign_head(s, r, s->designation_count - 1);
	return r;
}

void
script_send(struct script *s, struct script_reply *r)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_DELTA);
	struct err err;

	assert_int_equal(wire_reply_encode(&r->reply, bytes, &err), 0);
	buf_free(r->head_body);
	buf_free(r->head_signature);
	mem_free(r);
	end_call(s, 0, buf_span(bytes), NULL);
}

/* --- the follower --------------------------------------------------------------------------------
 */

static void
on_applied(void *arg, const struct change *changes, size_t count, bool complete, struct position at)
{
	struct script *s = arg;
	struct follow_status status;

	follow_status(s->follow, &status);
	assert_int_equal(position_compare(status.at, at), 0);
	for (size_t i = 0; i < count; i++)
		assert_true(changes[i].record->seq <= at.seq);
	s->applied++;
	s->changes += (unsigned)count;
	s->complete = complete;
}

static void
on_freshness(void *arg, enum freshness f)
{
	((struct script *)arg)->freshness = f;
}

static void
on_term(void *arg, uint64_t term)
{
	(void)term;
	((struct script *)arg)->terms++;
}

static void
on_refused(void *arg, int code, const char *text)
{
	(void)code;
	(void)text;
	((struct script *)arg)->refusals++;
}

static void
on_trouble(void *arg, const struct err *err)
{
	((struct script *)arg)->troubles++;
	((struct script *)arg)->trouble = *err;
}

static void
on_closed(void *arg)
{
	((struct script *)arg)->closed = true;
}

void
script_start(struct script *s, bool wipe)
{
	struct store_params sp = {.path = "store.db"};
	struct hash pin;
	struct trust *trust = NULL;
	struct err err;

	if (wipe) {
		vfs_fault_free(s->disk);
		s->disk = vfs_fault_new("follow", 1);
	}
	vfs_fault_use(s->disk, &sp);
	assert_int_equal(store_open(&sp, &s->store, &err), 0);
	cert_fingerprint(s->root, &pin);
	assert_int_equal(trust_new(cert_der(s->root), &pin, &trust, &err), 0);
	s->closed = false;
	s->freshness = FRESH_UNKNOWN;
	assert_int_equal(follow_new(&(struct follow_params){.runtime = &s->time.rt,
					.link = &s->link,
					.store = s->store,
					.trust = trust,
					.node = s->node,
					.software = "test",
					.events = {s, on_applied, on_freshness, on_term, on_refused,
					    on_trouble}},
			     &s->follow, &err),
	    0);
}

void
script_stop(struct script *s)
{
	follow_close(s->follow, on_closed, s);
	while (!s->closed && virtual_step(&s->time))
		;
	assert_true(s->closed);
	assert_false(s->asked);
	store_close(s->store);
	s->store = NULL;
}

void
script_settle(struct script *s)
{
	struct follow_status status;

	for (int i = 0; i < 100; i++) {
		follow_status(s->follow, &status);
		if (s->freshness == FRESH && status.at.term == s->term && status.at.seq == s->seq)
			return;
		script_send(s, script_answer(s, 100));
		assert_true(script_wait_request(s));
	}
	fail_msg("did not settle: %s", status.last_error.text);
}

/* What the store holds has the digest of the log. */
static int
add_to(const struct stored_record *r, void *arg, struct err *err)
{
	struct hash h;

	(void)err;
	hash_of(r->body, &h);
	assert_true(hash_equal(&h, &r->hash));
	digest_set(arg, &r->id, &h);
	return 0;
}

void
script_assert_state(struct script *s)
{
	AUTO(digest_freep)
	struct digest *d = digest_new();
	struct hash mine, theirs;
	struct err err;

	assert_int_equal(store_each(s->store, STORE_ALL_KINDS, true, add_to, d, &err), 0);
	digest_root(d, &mine);
	digest_root(s->digest, &theirs);
	assert_true(hash_equal(&mine, &theirs));
}
