#include "samples.h"
#include "values.h"

#define REF ((struct record_ref){id_a, 2})

static const struct revoked_certificate revoked[] = {
    {{(const uint8_t *)"one", 3}, 1, 2, 3},
    {{(const uint8_t *)"two", 3}, 4, 5, 6},
};

static int
encode_signer(struct signer_request r, enum signer_op op, struct buf *out, struct err *err)
{
	r.id = 42;
	r.op = op;
	return wire_signer_request_encode(&r, out, err);
}

#define SIGNER_SAMPLE(field, op, ...)                                                              \
	static int encode_signer_##field(struct buf *out, struct err *err)                         \
	{                                                                                          \
		return encode_signer(                                                              \
		    (struct signer_request){.field = {__VA_ARGS__}}, op, out, err);                \
	}

#define MAKE_EXPORT                                                                                \
	{                                                                                          \
		.record = {id_c, 1}, .password = BYTES("password"), .made_at = 1763731921          \
	}

SIGNER_SAMPLE(start, SIGNER_START, .root_fingerprint = hash_a, .domain = domain, .node = id_a,
    .designations = DESIGNATIONS, .root_certificate = BYTES("root"))
SIGNER_SAMPLE(learn, SIGNER_LEARN, .records = PAIRS)
SIGNER_SAMPLE(sign_batch, SIGNER_SIGN_BATCH, .bodies = SPANS(BYTES("one"), BYTES("two")),
    .head = BYTES("head"))
SIGNER_SAMPLE(sign_head, SIGNER_SIGN_HEAD, .head = BYTES("head"))
SIGNER_SAMPLE(issue, SIGNER_ISSUE, .generation = REF, .credential = id_b, .number = 3,
    .names = TEXTS("a.example.org", "b.example.org"), .key_type = "rsa-2048", .not_before = 5,
    .not_after = 6, .ca = pairs[0], .keep_key = true, .key_of = pairs[1], .access = TWO_IDS,
    .activated_at_ms = 7, .subject = TEXTS("O=Example", "C=DE"), .profile = "both",
    .export = MAKE_EXPORT)
SIGNER_SAMPLE(make_ca, SIGNER_MAKE_CA, .ca = REF, .name = "Micro CA", .key_type = "ec-p384",
    .not_before = 5, .not_after = 6, .is_default = true, .has_parent = true, .parent = pairs[0],
    .has_predecessor = true, .predecessor = pairs[1], .address = "http://pki.example.org")
SIGNER_SAMPLE(renew_ca, SIGNER_RENEW_CA, .ca = pairs[0], .to = REF, .not_before = 5, .not_after = 6,
    .has_parent = true, .parent = pairs[1])
SIGNER_SAMPLE(sign_crl, SIGNER_SIGN_CRL, .ca = pairs[0], .has_earlier = true, .earlier = pairs[1],
    .revoked = {revoked, ARRAY_LEN(revoked)}, .this_update = 5, .next_update = 6)
SIGNER_SAMPLE(reseal, SIGNER_RESEAL, .record = pair, .to = REF, .public_part = BYTES("public"),
    .access = TWO_IDS)
SIGNER_SAMPLE(issue_identity, SIGNER_ISSUE_IDENTITY, .csr = BYTES("csr"), .node = id_a,
    .name = "web1", .addresses = TEXTS("192.0.2.1"), .not_before = 5, .not_after = 6,
    .manager_certificate = BYTES("manager"))
SIGNER_SAMPLE(make_group, SIGNER_MAKE_GROUP, .group = REF, .new_key = true, .has_current = true,
    .current = pair, .built_in = true)
SIGNER_SAMPLE(make_membership, SIGNER_MAKE_MEMBERSHIP, .membership = REF, .group = id_b,
    .node = id_c, .has_group_record = true, .group_record = pair, .group_public = BYTES("public"),
    .group_sealed = BYTES("sealed"), .group_version = 9, .node_public = BYTES("node"))
SIGNER_SAMPLE(seal, SIGNER_SEAL, .record = REF, .kind = KIND_TICKET_KEY,
    .public_part = BYTES("public"), .payload = BYTES("payload"), .access = TWO_IDS)

SIGNER_SAMPLE(make_request, SIGNER_MAKE_REQUEST, .generation = REF, .credential = id_b, .number = 3,
    .names = TEXTS("a.example.org", "b.example.org"), .key_type = "ed25519",
    .subject = TEXTS("O=Example", "C=DE"), .profile = "client", .keep_key = true, .key_of = pair,
    .export = MAKE_EXPORT)

SIGNER_SAMPLE(take_key, SIGNER_TAKE_KEY, .generation = REF, .public_part = BYTES("public"),
    .nonce = id_b, .key = BYTES("sealed"), .access = TWO_IDS, .export = MAKE_EXPORT)
SIGNER_SAMPLE(export, SIGNER_EXPORT, .record = pair, .nonce = id_b, .password = BYTES("password"))

static int
recode_signer_request(struct span in, struct buf *out, struct err *err)
{
	struct signer_request v;
	int rc = wire_signer_request_decode(in, &v, err);

	if (rc < 0)
		return rc;
	rc = wire_signer_request_encode(&v, out, err);
	signer_request_fini(&v);
	return rc;
}

static int
encode_signer_reply(struct buf *out, struct err *err)
{
	const struct signer_reply r = {
	    .id = 42, .code = ERR_NOTFOUND, .text = "no such key", .done = BYTES("done")};

	return wire_signer_reply_encode(&r, out, err);
}

static int
recode_signer_reply(struct span in, struct buf *out, struct err *err)
{
	struct signer_reply v;
	int rc = wire_signer_reply_decode(in, &v, err);

	if (rc < 0)
		return rc;
	rc = wire_signer_reply_encode(&v, out, err);
	signer_reply_fini(&v);
	return rc;
}

/* What each operation gives back; fields of the others are set too and must not appear. */
#define DONE_SAMPLE(field, op)                                                                     \
	static int encode_done_##field(struct buf *out, struct err *err)                           \
	{                                                                                          \
		return encode_done(op, out, err);                                                  \
	}                                                                                          \
	static int recode_done_##field(struct span in, struct buf *out, struct err *err)           \
	{                                                                                          \
		return recode_done(op, in, out, err);                                              \
	}

static int
encode_done(enum signer_op op, struct buf *out, struct err *err)
{
	const struct signer_done d = {.sealing_key = BYTES("sealing"),
	    .manager_key = BYTES("manager"),
	    .taken = 3,
	    .signatures = SPANS(BYTES("s1"), BYTES("s2")),
	    .head_signature = BYTES("s3"),
	    .public_part = BYTES("public"),
	    .sealed = BYTES("sealed"),
	    .export_public = BYTES("export public"),
	    .export_sealed = BYTES("export sealed"),
	    .certificate = BYTES("certificate")};

	return wire_signer_done_encode(op, &d, out, err);
}

static int
recode_done(enum signer_op op, struct span in, struct buf *out, struct err *err)
{
	struct signer_done v;
	int rc = wire_signer_done_decode(op, in, &v, err);

	if (rc < 0)
		return rc;
	rc = wire_signer_done_encode(op, &v, out, err);
	signer_done_fini(&v);
	return rc;
}

DONE_SAMPLE(start, SIGNER_START)
DONE_SAMPLE(learn, SIGNER_LEARN)
DONE_SAMPLE(sign_batch, SIGNER_SIGN_BATCH)
DONE_SAMPLE(sign_head, SIGNER_SIGN_HEAD)
DONE_SAMPLE(issue, SIGNER_ISSUE)
DONE_SAMPLE(issue_identity, SIGNER_ISSUE_IDENTITY)
DONE_SAMPLE(seal, SIGNER_SEAL)
DONE_SAMPLE(take_key, SIGNER_TAKE_KEY)
DONE_SAMPLE(export, SIGNER_EXPORT)

#define SIGNER(field)                                                                              \
	{                                                                                          \
		"signer-request/" #field, encode_signer_##field, recode_signer_request             \
	}
#define DONE(field)                                                                                \
	{                                                                                          \
		"signer-done/" #field, encode_done_##field, recode_done_##field                    \
	}

static const struct sample items[] = {
    {"signer-reply/error", encode_signer_reply, recode_signer_reply},
    SIGNER(start),
    SIGNER(learn),
    SIGNER(sign_batch),
    SIGNER(sign_head),
    SIGNER(issue),
    SIGNER(make_ca),
    SIGNER(renew_ca),
    SIGNER(sign_crl),
    SIGNER(reseal),
    SIGNER(issue_identity),
    SIGNER(make_group),
    SIGNER(make_membership),
    SIGNER(seal),
    SIGNER(make_request),
    SIGNER(take_key),
    SIGNER(export),
    DONE(start),
    DONE(learn),
    DONE(sign_batch),
    DONE(sign_head),
    DONE(issue),
    DONE(issue_identity),
    DONE(seal),
    DONE(take_key),
    DONE(export),
};

const struct samples signer_samples = {items, ARRAY_LEN(items)};
