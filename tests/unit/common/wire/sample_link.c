#include "samples.h"
#include "values.h"

static int
encode_request_pull(struct buf *out, struct err *err)
{
	const struct receipt receipts[] = {{.credential = id_a,
					       .has_generation = true,
					       .generation = id_b,
					       .has_fingerprint = true,
					       .fingerprint = hash_a,
					       .error = "",
					       .since_ms = 1763731922000},
	    {.credential = id_c, .error = "the key does not fit", .since_ms = 1763731923000}};
	const struct request r = {.protocol = LINK_PROTOCOL,
	    .ask = ASK_PULL,
	    .pull = {.domain = domain,
		.have = {TERM, 12, 40},
		.cursor = {TERM, 14},
		.has_digest = true,
		.digest = hash_a,
		.designations = DESIGNATIONS,
		.wait_ms = 15000,
		.max_bytes = 1048576,
		.receipts = {receipts, 2},
		.receipts_complete = true,
		.receipts_more = true,
		.offers = PAIRS,
		.have_audit = 8,
		.software = "certherd 0.1.0"}};

	return wire_request_encode(&r, out, err);
}

static int
encode_request_identity(struct buf *out, struct err *err)
{
	const struct request r = {.protocol = LINK_PROTOCOL,
	    .ask = ASK_IDENTITY,
	    .identity = {.csr = BYTES("csr"),
		.sealing_key = BYTES("sealing"),
		.sealing_proof = BYTES("proof"),
		.addresses = TEXTS("web1.example.org"),
		.next_term_key = BYTES("next")}};

	return wire_request_encode(&r, out, err);
}

static int
encode_reply_delta(struct buf *out, struct err *err)
{
	const struct reply r = {.answer = ANSWER_DELTA,
	    .delta = {.designations = DESIGNATIONS,
		.records = PAIRS,
		.has_head = true,
		.head = pair,
		.more = true,
		.want_receipts = true,
		.has_want_offers = true,
		.want_offers_since = {TERM, 3},
		.audit = SPANS(BYTES("entry"))}};

	return wire_reply_encode(&r, out, err);
}

static int
encode_reply_identity(struct buf *out, struct err *err)
{
	const struct reply r = {.answer = ANSWER_IDENTITY,
	    .identity = {.certificate = BYTES("leaf"), .chain = SPANS(BYTES("manager"))}};

	return wire_reply_encode(&r, out, err);
}

static int
encode_reply_refusal(struct buf *out, struct err *err)
{
	const struct reply r = {.answer = ANSWER_REFUSAL,
	    .refusal = {.code = ERR_DENIED, .text = "an old term", .proof = DESIGNATIONS}};

	return wire_reply_encode(&r, out, err);
}

static int
recode_request(struct span in, struct buf *out, struct err *err)
{
	struct request v;
	int rc = wire_request_decode(in, &v, err);

	if (rc < 0)
		return rc;
	rc = wire_request_encode(&v, out, err);
	request_fini(&v);
	return rc;
}

static int
recode_reply(struct span in, struct buf *out, struct err *err)
{
	struct reply v;
	int rc = wire_reply_decode(in, &v, err);

	if (rc < 0)
		return rc;
	rc = wire_reply_encode(&v, out, err);
	reply_fini(&v);
	return rc;
}

static const struct sample items[] = {
    {"request/pull", encode_request_pull, recode_request},
    {"request/identity", encode_request_identity, recode_request},
    {"reply/delta", encode_reply_delta, recode_reply},
    {"reply/identity", encode_reply_identity, recode_reply},
    {"reply/refusal", encode_reply_refusal, recode_reply},
};

const struct samples link_samples = {items, ARRAY_LEN(items)};
