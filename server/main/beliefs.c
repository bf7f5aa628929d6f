#include "server/main/server.h"

#include "common/log/log.h"
#include "common/wire/signer_messages.h"
#include "server/signer/signer.h"

#include <string.h>

/*
 * The signer believes only signed records about who may open what. It is told all of them when it
 * comes up, and each change as soon as it is durable, before anybody can ask for a seal that
 * depends on it: requests are executed in the order in which they were submitted.
 */

#define LEARN_AT_ONCE 128 /* records in one Learn: below LIMIT_SIGNER_FRAME at their largest */

static bool
is_belief(uint32_t kind)
{
	return kind == KIND_NODE || kind == KIND_GROUP || kind == KIND_MEMBERSHIP;
}

typedef void add_cb(void *add_arg, struct span request);

struct introduction {
	add_cb *add;
	void *add_arg;
	struct signed_bytes records[LEARN_AT_ONCE];
	size_t count, bytes;
};

static bool
encode(const struct signer_request *request, struct buf *out)
{
	struct err err;

	if (wire_signer_request_encode(request, out, &err) == 0)
		return true;
	log_error("signer", "cannot tell it what it must know: %s", err.text);
	return false;
}

static void
flush(struct introduction *in)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_SIGNER_FRAME);
	struct signer_request request = {.op = SIGNER_LEARN};

	if (in->count == 0)
		return;
	request.learn.records = (struct signed_list){in->records, in->count};
	if (encode(&request, text))
		in->add(in->add_arg, buf_span(text));
	in->count = 0;
	in->bytes = 0;
}

static bool
introduce_record(void *arg, const struct index_record *record)
{
	struct introduction *in = arg;
	size_t bytes = record->signed_record.body.len + record->signed_record.signature.len;

	if (in->count == LEARN_AT_ONCE || in->bytes + bytes > LIMIT_SIGNER_FRAME / 2)
		flush(in);
	in->records[in->count++] = record->signed_record;
	in->bytes += bytes;
	return true;
}

void
server_introduce(void *arg, add_cb *add, void *add_arg)
{
	struct server *s = arg;
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_SIGNER_FRAME);
	size_t count = trust_designation_count(s->trust);
	struct signed_designation *designations = mem_array(count, sizeof(*designations));
	struct introduction *in = mem_zalloc(sizeof(*in));
	struct signer_request request = {.op = SIGNER_START};

	for (size_t i = 0; i < count; i++)
		designations[i] = *trust_designation(s->trust, i);
	request.start = (struct signer_start){
	    .root_fingerprint = s->member.root_fingerprint,
	    .domain = s->member.domain,
	    .node = s->member.node,
	    .designations = {designations, count},
	    .root_certificate = cert_der(s->member.root),
	};
	if (encode(&request, text))
		add(add_arg, buf_span(text));
	in->add = add;
	in->add_arg = add_arg;
	/* Nodes and groups before the memberships that name them. */
	index_each(s->index, KIND_NODE, introduce_record, in);
	index_each(s->index, KIND_GROUP, introduce_record, in);
	index_each(s->index, KIND_MEMBERSHIP, introduce_record, in);
	flush(in);
	mem_free(in);
	mem_free(designations);
}

struct lesson {
	struct signer_call call;
	struct server *server;
};

static void
learned(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct lesson *lesson = call->arg;

	(void)done;
	/* A signer that died is introduced to everything when it comes up again. */
	if (status < 0 && status != ERR_UNAVAIL && status != ERR_CANCELED)
		log_error("signer", "did not take a change of recipients: %s", err->text);
	lesson->server->learning--;
	mem_free(lesson);
}

static void
teach(struct server *s, const struct signed_bytes *records, size_t count)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_SIGNER_FRAME);
	struct signer_request request = {.op = SIGNER_LEARN};
	struct lesson *lesson;
	struct err err;

	request.learn.records = (struct signed_list){records, count};
	if (count == 0 || !encode(&request, text))
		return;
	lesson = mem_zalloc(sizeof(*lesson));
	lesson->server = s;
	lesson->call.cb = learned;
	lesson->call.arg = lesson;
	if (signer_submit(s->signer, &lesson->call, buf_span(text), &err) < 0) {
		mem_free(lesson); /* there is none now; the next one is told everything */
		return;
	}
	s->learning++;
}

void
server_learn(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct server *s = arg;
	struct signed_bytes batch[LEARN_AT_ONCE];
	size_t n = 0, bytes = 0;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++) {
		if (!is_belief(records[i].record->kind))
			continue;
		if (n == LEARN_AT_ONCE ||
		    bytes + records[i].signed_record.body.len > LIMIT_SIGNER_FRAME / 2) {
			teach(s, batch, n);
			n = 0;
			bytes = 0;
		}
		batch[n++] = records[i].signed_record;
		bytes += records[i].signed_record.body.len;
	}
	teach(s, batch, n);
}
