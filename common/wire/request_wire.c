/* What a follower asks. */

#include "common/wire/fields.h"

#include <string.h>

#include "link.pb-c.h"

static struct receipt_list
get_receipts(struct fields *f, size_t count, Certherd__Receipt **in)
{
	struct receipt *list;

	if (count == 0)
		return (struct receipt_list){NULL, 0};
	get_rule(f, count <= LIMIT_RECEIPTS, "it has too many receipts");
	list = f->error == 0 ? arena_array(f->arena, count, sizeof(*list)) : NULL;
	get_rule(f, list != NULL, "it has too many receipts for its size");
	if (list == NULL)
		return (struct receipt_list){NULL, 0};
	for (size_t i = 0; i < count; i++) {
		get_id(f, "credential", in[i]->credential, &list[i].credential);
		list[i].has_generation =
		    opt_id(f, "generation", in[i]->generation, &list[i].generation);
		list[i].has_fingerprint =
		    opt_hash(f, "fingerprint", in[i]->fingerprint, &list[i].fingerprint);
		list[i].error = get_text(f, "error", in[i]->error, LIMIT_TEXT);
		list[i].since_ms = in[i]->since_ms;
	}
	return (struct receipt_list){list, count};
}

static void
get_pull(struct fields *f, const Certherd__Pull *m, struct pull *out)
{
	f->message = "Pull";
	get_domain(f, "domain", m->domain, &out->domain);
	if (m->have != NULL)
		out->have = (struct have){m->have->term, m->have->seq, m->have->beat};
	out->cursor = get_position(m->cursor);
	out->has_digest = opt_hash(f, "digest", m->digest, &out->digest);
	out->designations = get_designations(f, m->n_designations, m->designations);
	out->wait_ms = m->wait_ms;
	out->max_bytes = m->max_bytes;
	out->receipts = get_receipts(f, m->n_receipts, m->receipts);
	out->receipts_complete = m->receipts_complete != 0;
	out->receipts_more = m->receipts_more != 0;
	out->offers = get_signed_list(f, "offers", m->n_offers, m->offers);
	out->have_audit = m->have_audit;
	out->software = get_text(f, "software", m->software, LIMIT_NAME);
}

static void
get_identity(struct fields *f, const Certherd__IdentityRequest *m, struct identity_request *out)
{
	f->message = "IdentityRequest";
	out->csr = get_bytes(f, "csr", m->csr, 1, LIMIT_CERT);
	out->sealing_key = get_bytes(f, "sealing_key", m->sealing_key, 0, LIMIT_SPKI);
	out->sealing_proof = get_bytes(f, "sealing_proof", m->sealing_proof, 0, LIMIT_CERT);
	out->addresses =
	    get_texts(f, "addresses", m->n_addresses, m->addresses, LIMIT_ADDRESSES, LIMIT_NAME);
	out->next_term_key = get_bytes(f, "next_term_key", m->next_term_key, 0, LIMIT_SPKI);
}

int
wire_request_decode(struct span in, struct request *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct request r;
	Certherd__Request *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__request__descriptor, in, LIMIT_REQUEST, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	memset(&r, 0, sizeof(r));
	r.protocol = m->protocol;
	r.pull.software = "";
	if (m->ask_case == CERTHERD__REQUEST__ASK_PULL) {
		r.ask = ASK_PULL;
		get_pull(&f, m->pull, &r.pull);
	} else if (m->ask_case == CERTHERD__REQUEST__ASK_IDENTITY) {
		r.ask = ASK_IDENTITY;
		get_identity(&f, m->identity, &r.identity);
	} else if (m->ask_case == CERTHERD__REQUEST__ASK_BUCKETS) {
		r.ask = ASK_BUCKETS;
	}
	if (f.error < 0)
		return f.error;
	r.memory = MOVE(f.arena);
	*out = r;
	return 0;
}

void
request_fini(struct request *r)
{
	if (r == NULL)
		return;
	arena_free(r->memory);
	memset(r, 0, sizeof(*r));
}

static Certherd__Receipt **
put_receipts(struct arena *a, struct receipt_list l)
{
	Certherd__Receipt *items, **list;

	if (l.count == 0)
		return NULL;
	items = arena_array(a, l.count, sizeof(*items));
	list = arena_array(a, l.count, sizeof(Certherd__Receipt *));
	CHECK(items != NULL && list != NULL);
	for (size_t i = 0; i < l.count; i++) {
		const struct receipt *r = &l.items[i];

		certherd__receipt__init(&items[i]);
		items[i].credential = put_id(&r->credential);
		items[i].generation = put_opt_id(r->has_generation, &r->generation);
		items[i].fingerprint = put_opt_hash(r->has_fingerprint, &r->fingerprint);
		items[i].error = put_text(r->error);
		items[i].since_ms = r->since_ms;
		list[i] = &items[i];
	}
	return list;
}

static int
encode_pull(
    struct arena *a, Certherd__Request *m, const struct pull *p, struct buf *out, struct err *err)
{
	Certherd__Pull pull = CERTHERD__PULL__INIT;
	Certherd__Have have = CERTHERD__HAVE__INIT;
	Certherd__Position cursor;

	have.term = p->have.term;
	have.seq = p->have.seq;
	have.beat = p->have.beat;
	put_position(p->cursor, &cursor);
	pull.domain = put_domain(&p->domain);
	pull.have = &have;
	pull.cursor = &cursor;
	pull.digest = put_opt_hash(p->has_digest, &p->digest);
	pull.n_designations = p->designations.count;
	pull.designations = put_designations(a, p->designations);
	pull.wait_ms = p->wait_ms;
	pull.max_bytes = p->max_bytes;
	pull.n_receipts = p->receipts.count;
	pull.receipts = put_receipts(a, p->receipts);
	pull.receipts_complete = p->receipts_complete;
	pull.receipts_more = p->receipts_more;
	pull.n_offers = p->offers.count;
	pull.offers = put_signed_list(a, p->offers);
	pull.have_audit = p->have_audit;
	pull.software = put_text(p->software);
	m->ask_case = CERTHERD__REQUEST__ASK_PULL;
	m->pull = &pull;
	return pack(&m->base, LIMIT_REQUEST, out, err);
}

static int
encode_identity(
    Certherd__Request *m, const struct identity_request *r, struct buf *out, struct err *err)
{
	Certherd__IdentityRequest identity = CERTHERD__IDENTITY_REQUEST__INIT;

	identity.csr = put_span(r->csr);
	identity.sealing_key = put_span(r->sealing_key);
	identity.sealing_proof = put_span(r->sealing_proof);
	identity.n_addresses = r->addresses.count;
	identity.addresses = put_texts(r->addresses);
	identity.next_term_key = put_span(r->next_term_key);
	m->ask_case = CERTHERD__REQUEST__ASK_IDENTITY;
	m->identity = &identity;
	return pack(&m->base, LIMIT_REQUEST, out, err);
}

int
wire_request_encode(const struct request *r, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__Request m = CERTHERD__REQUEST__INIT;

	m.protocol = r->protocol;
	if (r->ask == ASK_PULL)
		return encode_pull(arena, &m, &r->pull, out, err);
	if (r->ask == ASK_IDENTITY)
		return encode_identity(&m, &r->identity, out, err);
	return err_set(err, ERR_INVALID, "a request asks for nothing");
}
