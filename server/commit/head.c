#include "server/commit/commit_priv.h"

#include "common/wire/record_wire.h"
#include "common/wire/signer_messages.h"

void
head_fill(struct commit *c, struct head *h, uint64_t last_seq, struct position floor)
{
	static const struct hash none;

	*h = (struct head){
	    .term = c->params.term,
	    .seq = last_seq,
	    .beat = c->next_beat++, /* used up whatever comes */
	    .floor = floor,
	    .has_audit = !hash_equal(&c->audit_head, &none),
	    .audit_head = c->audit_head,
	    .time_ms = runtime_wall_ms(c->params.runtime),
	};
	digest_root(c->digest, &h->digest);
}

void
head_publish(struct commit *c, const struct head *h, struct buf *body, struct buf *signature,
    const struct committed *records, size_t count)
{
	struct signed_bytes s;

	buf_clear(&c->head_body);
	buf_put_span(&c->head_body, buf_span(body));
	buf_clear(&c->head_signature);
	buf_put_span(&c->head_signature, buf_span(signature));
	c->head = *h;
	c->has_head = true;
	s = (struct signed_bytes){buf_span(&c->head_body), buf_span(&c->head_signature)};
	runtime_timer_start(c->params.runtime, &c->beat_timer, BEAT_MS);
	for (size_t i = 0; i < OBSERVERS_MAX; i++)
		if (c->observers[i].cb != NULL)
			c->observers[i].cb(c->observers[i].arg, records, count, &c->head, s);
	if (c->ready != NULL) {
		commit_ready_cb *ready = MOVE(c->ready);

		ready(c->ready_arg, 0, NULL);
	}
}

uint64_t
commit_beats_left(const struct commit *c)
{
	return c->next_beat <= c->reserve.beat ? c->reserve.beat - c->next_beat + 1 : 0;
}

bool
commit_may_beat(const struct commit *c)
{
	switch ((enum phase)c->phase.state) {
	case PHASE_IDLE:
	case PHASE_READING:
	case PHASE_REBUILDING:
	case PHASE_WAITING:
		/* Without a reservation there is no number left to sign. */
		return !c->beating && !c->closing && commit_beats_left(c) > 0;
	case PHASE_LOADING:
	case PHASE_SIGNING:
	case PHASE_STORING:
	case PHASE_DEAD:
	case PHASE_CLOSED:
	case PHASE__COUNT:
		break;
	}
	return false;
}

static void
beat_failed(struct commit *c, const struct err *err)
{
	c->signer_trouble = true;
	commit_trouble(c, err);
	runtime_timer_start(c->params.runtime, &c->beat_timer, BEAT_RETRY_MS);
}

static int
take_signature(struct span done, struct buf *out, struct err *err)
{
	struct signer_done d = {0};
	int rc = wire_signer_done_decode(SIGNER_SIGN_HEAD, done, &d, err);

	if (rc == 0) {
		buf_put_span(out, d.head_signature);
		rc = buf_error(out, "signature", err);
	}
	signer_done_fini(&d);
	return rc;
}

static void
on_beat_signed(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct commit *c = call->arg;
	struct buf signature = BUF_INIT(LIMIT_SIGNATURE);
	struct err own;

	c->beating = false;
	if (status == 0) {
		status = take_signature(done, &signature, &own);
		err = &own;
	}
	if (c->closing) {
		buf_fini(&signature);
		commit_wake(c);
		return;
	}
	if (status < 0) {
		beat_failed(c, err);
	} else {
		/* Trouble of the disk is not over by it. */
		if (c->signer_trouble)
			commit_trouble(c, NULL);
		c->signer_trouble = false;
		if (commit_beats_left(c) < BEAT_BLOCK / 2)
			c->want_reserve = true;
		head_publish(c, &c->beat_head, &c->beat_body, &signature, NULL, 0);
	}
	buf_fini(&signature);
	commit_wake(c);
}

int
commit_ask_signer(struct commit *c, signer_done_cb *cb, struct err *err)
{
	struct signer *s = c->params.signer;

	c->call = (struct signer_call){.cb = cb, .arg = c};
	return s->ops->submit(s, &c->call, buf_span(&c->request), err);
}

void
commit_beat(struct commit *c)
{
	struct signer_request request = {.op = SIGNER_SIGN_HEAD};
	struct err err;
	int rc;

	head_fill(c, &c->beat_head, c->reserve.last_seq, c->reserve.floor);
	buf_clear(&c->beat_body);
	rc = wire_head_encode(&c->beat_head, &c->beat_body, &err);
	if (rc == 0) {
		request.sign_head.head = buf_span(&c->beat_body);
		buf_clear(&c->request);
		rc = wire_signer_request_encode(&request, &c->request, &err);
	}
	if (rc == 0)
		rc = commit_ask_signer(c, on_beat_signed, &err);
	if (rc < 0) {
		beat_failed(c, &err);
		return;
	}
	c->beating = true;
}
