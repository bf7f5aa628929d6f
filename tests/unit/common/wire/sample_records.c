#include "samples.h"
#include "values.h"

#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"

#include <string.h>

#define SAMPLE_OF(type, value)                                                                     \
	static int encode_##type(struct buf *out, struct err *err)                                 \
	{                                                                                          \
		return wire_##type##_encode(&(value), out, err);                                   \
	}

/* Types whose values own nothing, and types that end with a _fini. */
#define VALUE_SAMPLE(type, ctype, value)                                                           \
	SAMPLE_OF(type, value)                                                                     \
	static int recode_##type(struct span in, struct buf *out, struct err *err)                 \
	{                                                                                          \
		struct ctype v;                                                                    \
		int rc = wire_##type##_decode(in, &v, err);                                        \
                                                                                                   \
		return rc < 0 ? rc : wire_##type##_encode(&v, out, err);                           \
	}
#define OWNING_SAMPLE(type, fini, ctype, value)                                                    \
	SAMPLE_OF(type, value)                                                                     \
	static int recode_##type(struct span in, struct buf *out, struct err *err)                 \
	{                                                                                          \
		struct ctype v;                                                                    \
		int rc = wire_##type##_decode(in, &v, err);                                        \
                                                                                                   \
		if (rc < 0)                                                                        \
			return rc;                                                                 \
		rc = wire_##type##_encode(&v, out, err);                                           \
		fini(&v);                                                                          \
		return rc;                                                                         \
	}

static const struct record record = {.id = {{0xa1, 2, 3}},
    .kind = 77, /* of a later version: kept and passed on */
    .term = TERM,
    .seq = 12,
    .mutation = 11,
    .version = 3,
    .committed_at_ms = 1763731913000,
    .public_part = {(const uint8_t *)"public", 6},
    .sealed = {(const uint8_t *)"sealed", 6},
    .access_count = 2,
    .access = {{{1}}, {{2}}},
    .name = "www.example.org",
    .author = "unix:root"};
VALUE_SAMPLE(record, record, record)

static const struct record removed = {.id = {{0xa1, 2, 3}},
    .kind = KIND_NODE,
    .term = TERM,
    .seq = 13,
    .mutation = 13,
    .version = 4,
    .removed = true,
    .name = "web1"};

static int
encode_removed(struct buf *out, struct err *err)
{
	return wire_record_encode(&removed, out, err);
}

SAMPLE_OF(signed, pair)

static int
recode_signed(struct span in, struct buf *out, struct err *err)
{
	struct signed_bytes v;
	int rc = wire_signed_decode(in, LIMIT_RECORD, &v, err);

	return rc < 0 ? rc : wire_signed_encode(&v, out, err);
}

static const struct head head = {.term = TERM,
    .seq = 12,
    .beat = 40,
    .floor = {TERM, 2},
    .digest = {{7, 7, 7}},
    .has_audit = true,
    .audit_head = {{8, 8}},
    .time_ms = 1763731914000};
VALUE_SAMPLE(head, head, head)

static const struct designation designation = {.term = TERM + 1,
    .node = {{5, 5}},
    .term_key = {(const uint8_t *)"key", 3},
    .reason = REASON_PLANNED,
    .has_cut = true,
    .cut = {TERM, 99},
    .cut_digest = {{9}},
    .has_previous = true,
    .previous = {{6}},
    .made_at = 1763731915};
VALUE_SAMPLE(designation, designation, designation)

VALUE_SAMPLE(signed_designation, signed_designation, designations[1])

static const struct root_statement statement = {.certificate = {(const uint8_t *)"root", 4},
    .has_previous = true,
    .previous = {{3}},
    .made_at = 1763731916};
VALUE_SAMPLE(root_statement, root_statement, statement)

static const struct root_public root_public = {
    .statement = {{(const uint8_t *)"body", 4}, {(const uint8_t *)"sig", 3}}};
OWNING_SAMPLE(root_public, root_public_fini, root_public, root_public)

static const struct designation_public designation_public = {
    .designation = {{(const uint8_t *)"body", 4}, {(const uint8_t *)"sig", 3}, SIGNER_TERM_KEY}};
OWNING_SAMPLE(designation_public, designation_public_fini, designation_public, designation_public)

static int
encode_node_public(struct buf *out, struct err *err)
{
	const struct node_public p = {.role = ROLE_MANAGER,
	    .identity_key = BYTES("identity"),
	    .sealing_key = BYTES("sealing"),
	    .certificate = BYTES("certificate"),
	    .addresses = TEXTS("web1.example.org", "192.0.2.1", "2001:db8::1"),
	    .next_term_key = BYTES("next"),
	    .manager_certificate = BYTES("manager"),
	    .joined_at = 1763731917,
	    .software = "certherd 0.1.0",
	    .endpoint = "192.0.2.1:7443"};

	return wire_node_public_encode(&p, out, err);
}

static int
encode_group_public(struct buf *out, struct err *err)
{
	const struct group_public p = {.key = BYTES("key 2"),
	    .live_keys = SPANS(BYTES("key 1"), BYTES("key 0")),
	    .generation = 3,
	    .built_in = true};

	return wire_group_public_encode(&p, out, err);
}

static int
encode_membership_public(struct buf *out, struct err *err)
{
	const struct membership_public p = {.group = id_a,
	    .node = id_b,
	    .key_ids = SPANS(BYTES("01234567890123456789"), BYTES("abcdefghijabcdefghij"))};

	return wire_membership_public_encode(&p, out, err);
}

static int
encode_credential_public(struct buf *out, struct err *err)
{
	const struct credential_public p = {.names = TEXTS("www.example.org", "*.example.org"),
	    .key_type = "ec-p256",
	    .issuer = ISSUER_CONNECTOR,
	    .has_issuer_record = true,
	    .issuer_record = id_a,
	    .lifetime = 7776000,
	    .fraction_percent = 25,
	    .new_key = true,
	    .has_active = true,
	    .active = id_b,
	    .generations = 4,
	    .archived = true,
	    .stale_after = 3600,
	    .state = CREDENTIAL_FAILED,
	    .error = "nothing answers: größer", /* UTF-8 is allowed in texts */
	    .next_try = 1763731918,
	    .failures = 2,
	    .created_at = 1763731919,
	    .subject = TEXTS("O=Example"),
	    .exportable = true,
	    .has_pending = true,
	    .pending = id_c,
	    .profile = "both",
	    .checks = TEXTS("tls://www.example.org:443", "smtp://192.0.2.1:25/mx.example.org"),
	    .exported_at = 1763731922,
	    .export_refusals = 3};

	return wire_credential_public_encode(&p, out, err);
}

static int
encode_generation_public(struct buf *out, struct err *err)
{
	const struct generation_public p = {.credential = id_a,
	    .number = 4,
	    .key = BYTES("key"),
	    .chain = SPANS(BYTES("leaf"), BYTES("intermediate"), BYTES("root")),
	    .not_before = 1763731920,
	    .not_after = 1771507920,
	    .activated_at_ms = 1763731920001,
	    .names = TEXTS("www.example.org"),
	    .revoked = true,
	    .withdrawn = true,
	    .csr = BYTES("csr"),
	    .revoked_at = 1763731921,
	    .revocation_reason = 1,
	    .profile = "both",
	    .archived = true};

	return wire_generation_public_encode(&p, out, err);
}

static int
encode_ca_public(struct buf *out, struct err *err)
{
	const struct ca_public p = {.key_type = "ec-p384",
	    .key = BYTES("key"),
	    .chain = SPANS(BYTES("certificate")),
	    .not_after = 2079091920,
	    .enabled = true,
	    .is_default = true,
	    .address = "http://pki.example.org",
	    .has_parent = true,
	    .parent = id_a,
	    .has_successor = true,
	    .successor = id_b,
	    .cross = BYTES("cross")};

	return wire_ca_public_encode(&p, out, err);
}

static int
encode_crl_public(struct buf *out, struct err *err)
{
	const struct crl_public p = {.ca = id_a,
	    .der = BYTES("list"),
	    .number = 7,
	    .this_update = 2079091920,
	    .next_update = 2079091921,
	    .ends = BYTES("end.one.end.two.")};

	return wire_crl_public_encode(&p, out, err);
}

static int
encode_trusted_root_public(struct buf *out, struct err *err)
{
	const struct trusted_root_public p = {
	    .certificate = BYTES("certificate"), .label = "Example Root", .categories = 5};

	return wire_trusted_root_public_encode(&p, out, err);
}

static int
encode_export_key_public(struct buf *out, struct err *err)
{
	const struct export_key_public p = {
	    .credential = id_a, .key = BYTES("spki"), .made_at = 1763731921};

	return wire_export_key_public_encode(&p, out, err);
}

static int
encode_setting_public(struct buf *out, struct err *err)
{
	const struct setting_public p = {.value = "text", .records = TWO_IDS};

	return wire_setting_public_encode(&p, out, err);
}

static int
encode_ticket_key_public(struct buf *out, struct err *err)
{
	const struct ticket_key_public p = {
	    .current = BYTES("0123456789abcdef"), .made_at = 1763731921};

	return wire_ticket_key_public_encode(&p, out, err);
}

#define RECODE(type)                                                                               \
	static int recode_##type(struct span in, struct buf *out, struct err *err)                 \
	{                                                                                          \
		struct type v;                                                                     \
		int rc = wire_##type##_decode(in, &v, err);                                        \
                                                                                                   \
		if (rc < 0)                                                                        \
			return rc;                                                                 \
		rc = wire_##type##_encode(&v, out, err);                                           \
		type##_fini(&v);                                                                   \
		return rc;                                                                         \
	}

RECODE(node_public)
RECODE(group_public)
RECODE(membership_public)
static int
encode_exposed_credential(struct buf *out, struct err *err)
{
	const struct exposure exposed[] = {{.node = id_a,
					       .name = "web1",
					       .since = 1763731920,
					       .key = {{7}},
					       .why = EXPOSED_GROUP,
					       .replace = true},
	    {.name = "", .since = 1763731921, .key = {{8}}, .why = EXPOSED_ACCESS}};
	const struct credential_public p = {.names = TEXTS("www.example.org"),
	    .key_type = "ec-p256",
	    .state = CREDENTIAL_ISSUED,
	    .exposed = {exposed, 2},
	    .retiring = {&id_a, 1},
	    .compromised = {&id_b, 1}};

	return wire_credential_public_encode(&p, out, err);
}

RECODE(credential_public)
RECODE(generation_public)
RECODE(export_key_public)
RECODE(ca_public)
RECODE(crl_public)
RECODE(trusted_root_public)
RECODE(setting_public)
RECODE(ticket_key_public)

static const struct sample items[] = {
    {"record/every-field", encode_record, recode_record},
    {"record/removed", encode_removed, recode_record},
    {"designation/every-field", encode_designation, recode_designation},
    {"value/signed", encode_signed, recode_signed},
    {"value/head", encode_head, recode_head},
    {"value/signed_designation", encode_signed_designation, recode_signed_designation},
    {"value/root_statement", encode_root_statement, recode_root_statement},
    {"public/root", encode_root_public, recode_root_public},
    {"public/designation", encode_designation_public, recode_designation_public},
    {"public/node", encode_node_public, recode_node_public},
    {"public/group", encode_group_public, recode_group_public},
    {"public/membership", encode_membership_public, recode_membership_public},
    {"public/credential", encode_credential_public, recode_credential_public},
    {"public/credential_exposed", encode_exposed_credential, recode_credential_public},
    {"public/generation", encode_generation_public, recode_generation_public},
    {"public/export_key", encode_export_key_public, recode_export_key_public},
    {"public/ca", encode_ca_public, recode_ca_public},
    {"public/crl", encode_crl_public, recode_crl_public},
    {"public/trusted_root", encode_trusted_root_public, recode_trusted_root_public},
    {"public/setting", encode_setting_public, recode_setting_public},
    {"public/ticket_key", encode_ticket_key_public, recode_ticket_key_public},
};

const struct samples record_samples = {items, ARRAY_LEN(items)};
