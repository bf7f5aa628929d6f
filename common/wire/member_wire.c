/* Public parts of the kinds that make up the domain: root, designations, nodes, groups. */

#include "common/wire/fields.h"
#include "common/wire/public_wire.h"

int
wire_root_public_decode(struct span in, struct root_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct root_public p = {0};
	Certherd__RootPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__root_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	get_rule(&f, m->statement != NULL, "it has no statement");
	if (m->statement != NULL) {
		p.statement.body = get_bytes(&f, "statement", m->statement->body, 1, LIMIT_PUBLIC);
		p.statement.signature =
		    get_bytes(&f, "statement", m->statement->signature, 1, LIMIT_SIGNATURE);
	}
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_root_public_encode(const struct root_public *p, struct buf *out, struct err *err)
{
	Certherd__RootPublic m = CERTHERD__ROOT_PUBLIC__INIT;
	Certherd__SignedRootStatement s = CERTHERD__SIGNED_ROOT_STATEMENT__INIT;

	s.body = put_span(p->statement.body);
	s.signature = put_span(p->statement.signature);
	m.statement = &s;
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_designation_public_decode(struct span in, struct designation_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct designation_public p = {0};
	Certherd__DesignationPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__designation_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	p.designation = get_designation(&f, m->designation);
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_designation_public_encode(const struct designation_public *p, struct buf *out, struct err *err)
{
	Certherd__DesignationPublic m = CERTHERD__DESIGNATION_PUBLIC__INIT;
	Certherd__SignedDesignation s;

	put_designation(&p->designation, &s);
	m.designation = &s;
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_node_public_decode(struct span in, struct node_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct node_public p = {0};
	Certherd__NodePublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__node_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	p.role = (uint32_t)m->role;
	p.identity_key = get_bytes(&f, "identity_key", m->identity_key, 0, LIMIT_SPKI);
	p.sealing_key = get_bytes(&f, "sealing_key", m->sealing_key, 1, LIMIT_SPKI);
	p.certificate = get_bytes(&f, "certificate", m->certificate, 0, LIMIT_CERT);
	p.addresses =
	    get_texts(&f, "addresses", m->n_addresses, m->addresses, LIMIT_ADDRESSES, LIMIT_NAME);
	p.next_term_key = get_bytes(&f, "next_term_key", m->next_term_key, 0, LIMIT_SPKI);
	p.manager_certificate =
	    get_bytes(&f, "manager_certificate", m->manager_certificate, 0, LIMIT_CERT);
	p.joined_at = m->joined_at;
	p.software = get_text(&f, "software", m->software, LIMIT_NAME);
	p.endpoint = get_text(&f, "endpoint", m->endpoint, LIMIT_ENDPOINT);
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_node_public_encode(const struct node_public *p, struct buf *out, struct err *err)
{
	Certherd__NodePublic m = CERTHERD__NODE_PUBLIC__INIT;

	m.role = (Certherd__NodePublic__Role)p->role;
	m.identity_key = put_span(p->identity_key);
	m.sealing_key = put_span(p->sealing_key);
	m.certificate = put_span(p->certificate);
	m.n_addresses = p->addresses.count;
	m.addresses = put_texts(p->addresses);
	m.next_term_key = put_span(p->next_term_key);
	m.manager_certificate = put_span(p->manager_certificate);
	m.joined_at = p->joined_at;
	m.software = put_text(p->software);
	m.endpoint = put_text(p->endpoint);
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_group_public_decode(struct span in, struct group_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct group_public p = {0};
	Certherd__GroupPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__group_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	p.key = get_bytes(&f, "key", m->key, 1, LIMIT_SPKI);
	p.live_keys =
	    get_spans(&f, "live_keys", m->n_live_keys, m->live_keys, LIMIT_GROUP_KEYS, LIMIT_SPKI);
	p.generation = m->generation;
	p.built_in = m->built_in != 0;
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_group_public_encode(const struct group_public *p, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__GroupPublic m = CERTHERD__GROUP_PUBLIC__INIT;

	m.key = put_span(p->key);
	m.n_live_keys = p->live_keys.count;
	m.live_keys = put_spans(arena, p->live_keys);
	m.generation = p->generation;
	m.built_in = p->built_in;
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_membership_public_decode(struct span in, struct membership_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct membership_public p = {0};
	Certherd__MembershipPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__membership_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	get_id(&f, "group", m->group, &p.group);
	get_id(&f, "node", m->node, &p.node);
	p.key_ids = get_spans(
	    &f, "key_ids", m->n_key_ids, m->key_ids, LIMIT_GROUP_KEYS, MEMBERSHIP_KEY_ID_LEN);
	for (size_t i = 0; i < p.key_ids.count; i++)
		get_rule(&f, p.key_ids.items[i].len == MEMBERSHIP_KEY_ID_LEN,
		    "a key identifier has not 20 bytes");
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_membership_public_encode(const struct membership_public *p, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__MembershipPublic m = CERTHERD__MEMBERSHIP_PUBLIC__INIT;

	m.group = put_id(&p->group);
	m.node = put_id(&p->node);
	m.n_key_ids = p->key_ids.count;
	m.key_ids = put_spans(arena, p->key_ids);
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

/* One function of a common form for each kind: decode, and give back. */
#define DEFINE_CHECK(type)                                                                         \
	static int check_##type(struct span in, struct err *err)                                   \
	{                                                                                          \
		struct type##_public p;                                                            \
		int rc = wire_##type##_public_decode(in, &p, err);                                 \
                                                                                                   \
		if (rc == 0)                                                                       \
			type##_public_fini(&p);                                                    \
		return rc;                                                                         \
	}

DEFINE_CHECK(root)
DEFINE_CHECK(designation)
DEFINE_CHECK(node)
DEFINE_CHECK(group)
DEFINE_CHECK(membership)
DEFINE_CHECK(credential)
DEFINE_CHECK(generation)
DEFINE_CHECK(export_key)
DEFINE_CHECK(ca)
DEFINE_CHECK(crl)
DEFINE_CHECK(trusted_root)
DEFINE_CHECK(setting)
DEFINE_CHECK(ticket_key)

int
wire_public_check(uint32_t kind, struct span in, struct err *err)
{
	static int (*const checks[KIND__COUNT])(struct span in, struct err * err) = {
	    [KIND_ROOT] = check_root,
	    [KIND_DESIGNATION] = check_designation,
	    [KIND_NODE] = check_node,
	    [KIND_GROUP] = check_group,
	    [KIND_MEMBERSHIP] = check_membership,
	    [KIND_CREDENTIAL] = check_credential,
	    [KIND_GENERATION] = check_generation,
	    [KIND_EXPORT_KEY] = check_export_key,
	    [KIND_CA] = check_ca,
	    [KIND_CRL] = check_crl,
	    [KIND_TRUSTED_ROOT] = check_trusted_root,
	    [KIND_SETTING] = check_setting,
	    [KIND_TICKET_KEY] = check_ticket_key,
	};

	if (kind >= ARRAY_LEN(checks) || checks[kind] == NULL)
		return 0;
	return checks[kind](in, err);
}
