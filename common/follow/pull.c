#include "common/follow/follow_priv.h"

#include "common/link/link_client.h"

/* What is asked of the manager: the next pull, or the identity that somebody waits for. */

#define ANSWER_MS 30000              /* for the answer, beyond what the manager may wait */
#define RECEIPTS_MOST LIMIT_RECEIPTS /* of one pull */
#define HURRY_MS 1 /* the manager answers as soon as it cares to: there is more to tell */
#define DESIGNATIONS_MOST 4

static void
fill_pull(struct follow *f, struct pull *pull, struct signed_designation *designations,
    struct receipt *receipts)
{
	const struct trust *trust = f->p.trust;
	size_t count = trust_designation_count(trust), n = 0;
	bool more = false;
	size_t first = count > DESIGNATIONS_MOST ? count - DESIGNATIONS_MOST : 0;

	for (size_t i = first; i < count; i++)
		designations[n++] = *trust_designation(trust, i);
	*pull = (struct pull){
	    .domain = *trust_domain(trust),
	    .have = {f->place.at.term, f->place.at.seq, f->place.beat},
	    .cursor = f->cursor,
	    .has_digest = f->has_root,
	    .digest = f->root,
	    .designations = {designations, n},
	    .wait_ms = f->p.wait_ms,
	    .max_bytes = f->p.max_bytes,
	    .software = f->p.software,
	};
	pull->receipts.items = receipts;
	pull->receipts.count =
	    receipts_collect(f, receipts, RECEIPTS_MOST, &pull->receipts_complete, &more);
	pull->receipts_more = more;
	if (more)
		pull->wait_ms = HURRY_MS;
}

static int
encode_pull(struct follow *f, struct buf *out, struct err *err)
{
	struct signed_designation designations[DESIGNATIONS_MOST];
	size_t kept = map_count(f->receipts);
	struct receipt *receipts =
	    mem_array(kept < RECEIPTS_MOST ? kept : RECEIPTS_MOST, sizeof(*receipts));
	struct request request = {.protocol = LINK_PROTOCOL, .ask = ASK_PULL};
	int r;

	fill_pull(f, &request.pull, designations, receipts);
	r = wire_request_encode(&request, out, err);
	mem_free(receipts);
	return r;
}

static void
send_request(struct follow *f)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_REQUEST);
	struct link_call call = {
	    .reply_max = LIMIT_DELTA,
	    .timeout_ms = f->p.wait_ms + ANSWER_MS,
	    .cb = follow_on_reply,
	    .arg = f,
	};
	struct err err;
	int r = 0;

	f->identity_sent = f->identity.request != NULL;
	if (f->identity_sent) {
		call.request = buf_span(f->identity.request);
	} else {
		r = encode_pull(f, text, &err);
		call.request = buf_span(text);
	}
	if (r == 0)
		r = link_client_start(f->p.link, &call, &err);
	if (r < 0) {
		receipts_sent(f, false);
		follow_pause(f, &err);
		return;
	}
	f->calling = true;
}

void
follow_pull(struct follow *f)
{
	if (f->want_refetch && f->sync == SYNC_DELTA && !f->staging) {
		f->status.refetched++;
		follow_begin(f, SYNC_REFETCH);
	}
	f->want_refetch = f->want_refetch && f->sync == SYNC_DELTA;
	sm_move(&f->sm, FOLLOW_PULLING);
	send_request(f);
}
