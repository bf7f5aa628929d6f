/* Public parts of the kinds that administrators name: credentials, generations, CAs, roots,
 * settings. */

#include "common/wire/public_wire.h"

#include "common/wire/fields.h"

static void
decode_names(struct fields *f, size_t count, char **in, struct texts *out)
{
	*out = get_texts(f, "names", count, in, LIMIT_NAMES, LIMIT_NAME);
}

static void
decode_exposed(struct fields *f, size_t count, Certherd__Exposure **in, struct exposures *out)
{
	struct exposure *items;

	get_rule(f, count <= LIMIT_EXPOSED, "it lists too many exposures");
	items = f->error == 0 ? arena_array(f->arena, count, sizeof(*items)) : NULL;
	get_rule(f, f->error < 0 || items != NULL || count == 0, "it takes too much memory");
	if (items == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		items[i] = (struct exposure){.since = in[i]->since,
		    .why = (uint32_t)in[i]->why,
		    .replace = in[i]->replace != 0};
		(void)opt_id(f, "exposed.node", in[i]->node, &items[i].node);
		items[i].name = get_text(f, "exposed.node_name", in[i]->node_name, LIMIT_LABEL);
		get_hash(f, "exposed.key", in[i]->key, &items[i].key);
	}
	*out = (struct exposures){items, count};
}

int
wire_credential_public_decode(struct span in, struct credential_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct credential_public p = {0};
	Certherd__CredentialPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__credential_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	decode_names(&f, m->n_names, m->names, &p.names);
	p.key_type = get_text(&f, "key_type", m->key_type, LIMIT_LABEL);
	if (m->issuer != NULL) {
		p.issuer = (uint32_t)m->issuer->type;
		p.has_issuer_record = opt_id(&f, "issuer", m->issuer->record, &p.issuer_record);
	}
	if (m->renewal != NULL) {
		p.lifetime = m->renewal->lifetime;
		p.fraction_percent = m->renewal->fraction_percent;
		p.new_key = m->renewal->new_key != 0;
	}
	p.has_active = opt_id(&f, "active", m->active, &p.active);
	p.generations = m->generations;
	p.archived = m->archived != 0;
	p.stale_after = m->stale_after;
	p.state = (uint32_t)m->state;
	p.error = get_text(&f, "error", m->error, LIMIT_TEXT);
	p.next_try = m->next_try;
	p.failures = m->failures;
	p.created_at = m->created_at;
	p.subject = get_texts(&f, "subject", m->n_subject, m->subject, LIMIT_NAMES, LIMIT_TEXT);
	p.exportable = m->exportable != 0;
	p.has_pending = opt_id(&f, "pending", m->pending, &p.pending);
	p.profile = get_text(&f, "profile", m->profile, LIMIT_LABEL);
	p.checks =
	    get_texts(&f, "checks", m->n_checks, m->checks, LIMIT_CHECKS, LIMIT_CHECK_TARGET);
	p.preferred_root = get_text(&f, "preferred root", m->preferred_root, LIMIT_NAME);
	decode_exposed(&f, m->n_exposed, m->exposed, &p.exposed);
	p.retiring = get_ids(&f, "retiring", m->n_retiring, m->retiring, LIMIT_RETIRING);
	p.compromised =
	    get_ids(&f, "compromised", m->n_compromised, m->compromised, LIMIT_RETIRING);
	p.exported_at = m->exported_at;
	p.export_refusals = m->export_refusals;
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

static Certherd__Exposure **
encode_exposed(struct arena *arena, struct exposures in)
{
	Certherd__Exposure **list = arena_array(arena, in.count + 1, sizeof(Certherd__Exposure *));
	Certherd__Exposure *items = arena_array(arena, in.count + 1, sizeof(*items));

	CHECK(list != NULL && items != NULL);
	for (size_t i = 0; i < in.count; i++) {
		const struct exposure *e = &in.items[i];

		certherd__exposure__init(&items[i]);
		items[i].node = put_opt_id(!id_is_zero(&e->node), &e->node);
		items[i].node_name = put_text(e->name);
		items[i].since = e->since;
		items[i].key = put_hash(&e->key);
		items[i].why = (Certherd__Exposure__Why)e->why;
		items[i].replace = e->replace;
		list[i] = &items[i];
	}
	return list;
}

int
wire_credential_public_encode(const struct credential_public *p, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__CredentialPublic m = CERTHERD__CREDENTIAL_PUBLIC__INIT;
	Certherd__Issuer issuer = CERTHERD__ISSUER__INIT;
	Certherd__Renewal renewal = CERTHERD__RENEWAL__INIT;

	issuer.type = (Certherd__Issuer__Type)p->issuer;
	issuer.record = put_opt_id(p->has_issuer_record, &p->issuer_record);
	renewal.lifetime = p->lifetime;
	renewal.fraction_percent = p->fraction_percent;
	renewal.new_key = p->new_key;
	m.n_names = p->names.count;
	m.names = put_texts(p->names);
	m.key_type = put_text(p->key_type);
	m.issuer = &issuer;
	m.renewal = &renewal;
	m.active = put_opt_id(p->has_active, &p->active);
	m.generations = p->generations;
	m.archived = p->archived;
	m.stale_after = p->stale_after;
	m.state = (Certherd__CredentialPublic__State)p->state;
	m.error = put_text(p->error);
	m.next_try = p->next_try;
	m.failures = p->failures;
	m.created_at = p->created_at;
	m.n_subject = p->subject.count;
	m.subject = put_texts(p->subject);
	m.exportable = p->exportable;
	m.pending = put_opt_id(p->has_pending, &p->pending);
	m.profile = put_text(p->profile);
	m.n_checks = p->checks.count;
	m.checks = put_texts(p->checks);
	m.preferred_root = put_text(p->preferred_root);
	m.n_exposed = p->exposed.count;
	m.exposed = encode_exposed(arena, p->exposed);
	m.n_retiring = p->retiring.count;
	m.retiring = put_ids(arena, p->retiring);
	m.n_compromised = p->compromised.count;
	m.compromised = put_ids(arena, p->compromised);
	m.exported_at = p->exported_at;
	m.export_refusals = p->export_refusals;
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_generation_public_decode(struct span in, struct generation_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct generation_public p = {0};
	Certherd__GenerationPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__generation_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	get_id(&f, "credential", m->credential, &p.credential);
	p.number = m->number;
	p.key = get_bytes(&f, "key", m->key, 1, LIMIT_SPKI);
	p.chain = get_spans(&f, "chain", m->n_chain, m->chain, LIMIT_CHAIN, LIMIT_CERT);
	p.not_before = m->not_before;
	p.not_after = m->not_after;
	p.activated_at_ms = m->activated_at_ms;
	decode_names(&f, m->n_names, m->names, &p.names);
	p.revoked = m->revoked != 0;
	p.withdrawn = m->withdrawn != 0;
	p.csr = get_bytes(&f, "csr", m->csr, 0, LIMIT_CSR);
	p.profile = get_text(&f, "profile", m->profile, LIMIT_LABEL);
	p.archived = m->archived != 0;
	p.revoked_at = m->revoked_at;
	p.revocation_reason = m->revocation_reason;
	get_rule(&f, p.chain.count > 0 || p.csr.len > 0, "it has neither a certificate nor a CSR");
	get_rule(&f, p.number > 0, "it has no number");
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_generation_public_encode(const struct generation_public *p, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__GenerationPublic m = CERTHERD__GENERATION_PUBLIC__INIT;

	m.credential = put_id(&p->credential);
	m.number = p->number;
	m.key = put_span(p->key);
	m.n_chain = p->chain.count;
	m.chain = put_spans(arena, p->chain);
	m.not_before = p->not_before;
	m.not_after = p->not_after;
	m.activated_at_ms = p->activated_at_ms;
	m.n_names = p->names.count;
	m.names = put_texts(p->names);
	m.revoked = p->revoked;
	m.withdrawn = p->withdrawn;
	m.csr = put_span(p->csr);
	m.revoked_at = p->revoked_at;
	m.revocation_reason = p->revocation_reason;
	m.profile = put_text(p->profile);
	m.archived = p->archived;
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_export_key_public_decode(struct span in, struct export_key_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct export_key_public p = {0};
	Certherd__ExportKeyPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__export_key_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	get_id(&f, "credential", m->credential, &p.credential);
	p.key = get_bytes(&f, "key", m->key, 1, LIMIT_SPKI);
	p.made_at = m->made_at;
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_export_key_public_encode(const struct export_key_public *p, struct buf *out, struct err *err)
{
	Certherd__ExportKeyPublic m = CERTHERD__EXPORT_KEY_PUBLIC__INIT;

	m.credential = put_id(&p->credential);
	m.key = put_span(p->key);
	m.made_at = p->made_at;
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_ca_public_decode(struct span in, struct ca_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct ca_public p = {0};
	Certherd__CaPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__ca_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	p.key_type = get_text(&f, "key_type", m->key_type, LIMIT_LABEL);
	p.key = get_bytes(&f, "key", m->key, 1, LIMIT_SPKI);
	p.chain = get_spans(&f, "chain", m->n_chain, m->chain, LIMIT_CHAIN, LIMIT_CERT);
	p.not_after = m->not_after;
	p.enabled = m->enabled != 0;
	p.is_default = m->is_default != 0;
	p.address = get_text(&f, "address", m->address, LIMIT_CA_ADDRESS);
	p.has_parent = opt_id(&f, "parent", m->parent, &p.parent);
	p.has_successor = opt_id(&f, "successor", m->successor, &p.successor);
	p.cross = get_bytes(&f, "cross", m->cross, 0, LIMIT_CERT);
	get_rule(&f, p.chain.count > 0, "it has no certificate");
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_ca_public_encode(const struct ca_public *p, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__CaPublic m = CERTHERD__CA_PUBLIC__INIT;

	m.key_type = put_text(p->key_type);
	m.key = put_span(p->key);
	m.n_chain = p->chain.count;
	m.chain = put_spans(arena, p->chain);
	m.not_after = p->not_after;
	m.enabled = p->enabled;
	m.is_default = p->is_default;
	m.address = put_text(p->address);
	m.parent = put_opt_id(p->has_parent, &p->parent);
	m.successor = put_opt_id(p->has_successor, &p->successor);
	m.cross = put_span(p->cross);
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_crl_public_decode(struct span in, struct crl_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct crl_public p = {0};
	Certherd__CrlPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__crl_public__descriptor, in, LIMIT_PUBLIC_CRL, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	get_id(&f, "ca", m->ca, &p.ca);
	p.der = get_bytes(&f, "der", m->der, 1, LIMIT_CRL);
	p.number = m->number;
	p.this_update = m->this_update;
	p.next_update = m->next_update;
	p.ends = get_bytes(&f, "ends", m->ends, 0, LIMIT_CRL_ENTRIES * CRL_END_LEN);
	get_rule(&f, p.number > 0, "it has no number");
	get_rule(&f, p.next_update > p.this_update, "it ends before it begins");
	get_rule(&f, p.ends.len % CRL_END_LEN == 0, "the ends of its entries are cut");
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_crl_public_encode(const struct crl_public *p, struct buf *out, struct err *err)
{
	Certherd__CrlPublic m = CERTHERD__CRL_PUBLIC__INIT;

	m.ca = put_id(&p->ca);
	m.der = put_span(p->der);
	m.number = p->number;
	m.this_update = p->this_update;
	m.next_update = p->next_update;
	m.ends = put_span(p->ends);
	return pack(&m.base, LIMIT_PUBLIC_CRL, out, err);
}

int
wire_trusted_root_public_decode(struct span in, struct trusted_root_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct trusted_root_public p = {0};
	Certherd__TrustedRootPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__trusted_root_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	p.certificate = get_bytes(&f, "certificate", m->certificate, 1, LIMIT_CERT);
	p.label = get_text(&f, "label", m->label, LIMIT_NAME);
	p.categories = m->categories;
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_trusted_root_public_encode(
    const struct trusted_root_public *p, struct buf *out, struct err *err)
{
	Certherd__TrustedRootPublic m = CERTHERD__TRUSTED_ROOT_PUBLIC__INIT;

	m.certificate = put_span(p->certificate);
	m.label = put_text(p->label);
	m.categories = p->categories;
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_setting_public_decode(struct span in, struct setting_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct setting_public p = {0};
	Certherd__SettingPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__setting_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	p.value = get_text(&f, "value", m->value, LIMIT_TEXT);
	p.records = get_ids(&f, "records", m->n_records, m->records, LIMIT_ACCESS);
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_setting_public_encode(const struct setting_public *p, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__SettingPublic m = CERTHERD__SETTING_PUBLIC__INIT;

	m.value = put_text(p->value);
	m.n_records = p->records.count;
	m.records = put_ids(arena, p->records);
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}

int
wire_ticket_key_public_decode(struct span in, struct ticket_key_public *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct ticket_key_public p = {0};
	Certherd__TicketKeyPublic *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__ticket_key_public__descriptor, in, LIMIT_PUBLIC, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	p.current = get_bytes(&f, "current", m->current, ID_LEN, ID_LEN);
	p.made_at = m->made_at;
	if (f.error < 0)
		return f.error;
	p.memory = MOVE(f.arena);
	*out = p;
	return 0;
}

int
wire_ticket_key_public_encode(const struct ticket_key_public *p, struct buf *out, struct err *err)
{
	Certherd__TicketKeyPublic m = CERTHERD__TICKET_KEY_PUBLIC__INIT;

	m.current = put_span(p->current);
	m.made_at = p->made_at;
	return pack(&m.base, LIMIT_PUBLIC, out, err);
}
