#include "server/main/server.h"

#include "common/log/log.h"
#include "common/wire/signer_messages.h"

/*
 * The signer believes only signed records about who may open what. It is told all of them when it
 * comes up; server/nodes tells it each change from then on, as soon as that is durable.
 */

typedef void add_cb(void *add_arg, struct span request);

void
server_introduce(void *arg, add_cb *add, void *add_arg)
{
	struct server *s = arg;
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_SIGNER_FRAME);
	size_t count = trust_designation_count(s->trust);
	struct signed_designation *designations = mem_array(count, sizeof(*designations));
	struct signer_request request = {.op = SIGNER_START};
	struct err err;
	int r;

	for (size_t i = 0; i < count; i++)
		designations[i] = *trust_designation(s->trust, i);
	request.start = (struct signer_start){
	    .root_fingerprint = s->member.root_fingerprint,
	    .domain = s->member.domain,
	    .node = s->member.node,
	    .designations = {designations, count},
	    .root_certificate = cert_der(s->member.root),
	};
	r = wire_signer_request_encode(&request, text, &err);
	if (r == 0) {
		add(add_arg, buf_span(text));
		r = nodes_introduce(s->index, add, add_arg, &err);
	}
	if (r < 0)
		log_error("signer", "cannot tell it what it must know: %s", err.text);
	mem_free(designations);
}
