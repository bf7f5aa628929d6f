#include "tests/unit/server/signer/stage.h"

#include "common/crypto/sign.h"
#include "common/sys/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
stage_introduce(void *arg, signer_add_cb *add, void *add_arg)
{
	struct stage *s = arg;
	struct buf start = BUF_INIT(LIMIT_SIGNER_FRAME), learn = BUF_INIT(LIMIT_SIGNER_FRAME);

	world_put_start(&s->w, &start);
	if (s->wrong_start)
		start.data[start.len / 2] ^= 1;
	world_put_learn(&s->w, &learn);
	add(add_arg, buf_span(&start));
	add(add_arg, buf_span(&learn));
	for (size_t i = 0; i < s->more_count; i++)
		add(add_arg, buf_span(s->more));
	buf_fini(&start);
	buf_fini(&learn);
}

static void
on_ready(void *arg, struct span done)
{
	struct stage *s = arg;
	struct signer_done d;

	assert_int_equal(wire_signer_done_decode(SIGNER_START, done, &d, NULL), 0);
	assert_true(span_equal(d.sealing_key, pkey_spki(s->w.public.sealing)));
	signer_done_fini(&d);
	s->ready = true;
}

static void
on_lost(void *arg, const struct err *err)
{
	struct stage *s = arg;

	s->ready = false;
	s->lost++;
	s->lost_err = *err;
}

static void
on_closed(void *arg)
{
	((struct stage *)arg)->closed = true;
}

const char *const stage_program[] = {SIGNER_PROGRAM, "--signer", "--log-level", "warning", NULL};

void
stage_prepare(struct stage *s)
{
	struct secret *text = NULL;

	memset(s, 0, sizeof(*s));
	world_init(&s->w);
	s->ca = world_add_ca(&s->w, "Micro CA", "ec-p256");
	snprintf(s->dir, sizeof(s->dir), "/tmp/test_server_signer.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->keys, sizeof(s->keys), "%s/signer.keys", s->dir);
	assert_int_equal(keyfile_format(&s->w.keys, &text, NULL), 0);
	assert_int_equal(file_write_private(s->keys, secret_span(text), NULL), 0);
	secret_free(text);
	assert_int_equal(loop_new(&s->loop, NULL), 0);
}

void
stage_start(struct stage *s)
{
	const struct signer_process_params params = {.loop = s->loop,
	    .path = SIGNER_PROGRAM,
	    .argv = stage_program,
	    .key_path = s->keys,
	    .introduce = stage_introduce,
	    .ready = on_ready,
	    .lost = on_lost,
	    .arg = s};
	struct err err;

	if (signer_process_new(&params, &s->signer, &err) < 0)
		fail_msg("%s", err.text);
}

void
stage_fini(struct stage *s)
{
	if (s->signer != NULL) {
		signer_process_close(s->signer, on_closed, s);
		assert_true(wait_until(s->loop, wait_flag, &s->closed));
	}
	loop_free(s->loop);
	unlink(s->keys);
	rmdir(s->dir);
	world_fini(&s->w);
}

void
stage_answered(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct ask *a = call->arg;

	assert_false(a->called);
	a->called = true;
	a->status = status;
	buf_put_span(&a->done, done);
	if (err != NULL)
		a->err = *err;
}

void
stage_submit(struct stage *s, struct ask *a, const struct signer_request *r)
{
	struct buf bytes = BUF_INIT(LIMIT_SIGNER_FRAME);

	*a = (struct ask){
	    .call = {.cb = stage_answered, .arg = a}, .done = BUF_INIT(LIMIT_SIGNER_FRAME)};
	assert_int_equal(wire_signer_request_encode(r, &bytes, NULL), 0);
	assert_int_equal(signer_submit(s->signer, &a->call, buf_span(&bytes), &a->err), 0);
	buf_fini(&bytes);
}

struct signer_request
stage_issue_request(struct stage *s, const char *key_type)
{
	static const char *const names[] = {"www.example.org"};
	struct signer_request r = {.op = SIGNER_ISSUE, .id = 77};

	r.issue = (struct signer_issue){.generation = {.version = 1},
	    .number = 1,
	    .names = {names, 1},
	    .key_type = key_type,
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 86400,
	    .ca = s->ca->bytes,
	    .access = {&s->w.manager.id, 1}};
	id_random(&r.issue.generation.id);
	id_random(&r.issue.credential);
	return r;
}

int
stage_ask(struct stage *s, const struct signer_request *r)
{
	struct ask a;

	stage_submit(s, &a, r);
	assert_true(wait_until(s->loop, wait_flag, &a.called));
	buf_fini(&a.done);
	return a.status;
}

int
stage_ask_head(struct stage *s, uint64_t beat)
{
	const struct head head = {.term = WORLD_TERM, .seq = 1, .beat = beat};
	struct signer_request r = {.op = SIGNER_SIGN_HEAD};
	struct buf body = BUF_INIT(LIMIT_HEAD);
	int status;

	assert_int_equal(wire_head_encode(&head, &body, NULL), 0);
	r.sign_head.head = buf_span(&body);
	status = stage_ask(s, &r);
	buf_fini(&body);
	return status;
}
