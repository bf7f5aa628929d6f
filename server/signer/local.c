#include "server/signer/local.h"

#include "server/signer/core.h"

#define LOCAL_MAGIC 0x51c0a1e5

struct signer_local {
	struct signer base; /* first: what callers hold */
	uint32_t magic;
	struct runtime *rt;
	struct signer_core *core;
	struct timer timer;
	struct signer_call *head, **tail; /* answered, and not told yet */
};

static void
set_error(struct signer_call *call, int status, const char *text)
{
	call->status = err_set(&call->err, (enum err_code)status, "%s", text);
}

/* Runs the request and keeps the reply in the call. */
static void
execute(struct signer_local *l, struct signer_call *call, struct span request)
{
	struct buf reply = BUF_INIT(LIMIT_SIGNER_FRAME);
	struct signer_request r;
	struct signer_reply answer;
	struct err err = {0};
	int rc = wire_signer_request_decode(request, &r, &err);

	if (rc == 0) {
		rc = signer_core_execute(l->core, &r, &reply, &err);
		signer_request_fini(&r);
	}
	if (rc == 0)
		rc = wire_signer_reply_decode(buf_span(&reply), &answer, &err);
	if (rc < 0) {
		set_error(call, rc, err.text);
	} else {
		if (answer.code < 0)
			set_error(call, answer.code, answer.text);
		else
			buf_put_span(call->reply, answer.done);
		signer_reply_fini(&answer);
	}
	buf_fini(&reply);
}

static int
submit(struct signer *s, struct signer_call *call, struct span request, struct err *err)
{
	struct signer_local *l = OBJ_CAST(struct signer_local, s, LOCAL_MAGIC);

	if (request.len > LIMIT_SIGNER_FRAME)
		return err_set(err, ERR_LIMIT, "a request of %zu bytes to the signer", request.len);
	call->next = NULL;
	call->status = 0;
	call->reply = buf_new(LIMIT_SIGNER_FRAME);
	call->err = (struct err){0};
	execute(l, call, request);
	*l->tail = call;
	l->tail = &call->next;
	if (!timer_is_armed(&l->timer))
		runtime_timer_start(l->rt, &l->timer, 0);
	return 0;
}

/* Those that were there when it fired; what they submit is for the next turn. */
static void
answer(void *arg)
{
	struct signer_local *l = arg;
	struct signer_call *call = l->head;

	l->head = NULL;
	l->tail = &l->head;
	while (call != NULL) {
		struct signer_call *next = call->next;
		struct buf *reply = MOVE(call->reply);
		struct err err = call->err;

		call->cb(call, call->status, buf_span(reply), &err);
		buf_free(reply);
		call = next;
	}
}

static const struct signer_ops local_ops = {.submit = submit};

int
signer_local_new(struct runtime *rt, struct keyfile *keys, struct signer **out, struct err *err)
{
	struct signer_core *core;
	struct signer_local *l;
	int r = signer_core_new(keys, &core, err);

	if (r < 0)
		return r;
	l = mem_zalloc(sizeof(*l));
	l->base.ops = &local_ops;
	l->magic = LOCAL_MAGIC;
	l->rt = rt;
	l->core = core;
	l->timer = (struct timer){.cb = answer, .arg = l};
	l->tail = &l->head;
	*out = &l->base;
	return 0;
}

void
signer_local_free(struct signer *s)
{
	struct signer_local *l;

	if (s == NULL)
		return;
	l = OBJ_CAST(struct signer_local, s, LOCAL_MAGIC);
	runtime_timer_stop(l->rt, &l->timer);
	for (struct signer_call *call = l->head; call != NULL; call = call->next)
		buf_free(MOVE(call->reply));
	signer_core_free(l->core);
	mem_free(l);
}
