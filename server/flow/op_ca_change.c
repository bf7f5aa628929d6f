/* Micro CAs that there are: changed, renewed, and succeeded by one with another key. */

#include "common/crypto/cert.h"
#include "common/model/pki.h"
#include "common/wire/public_wire.h"
#include "server/flow/op_ca.h"

#include <stdio.h>
#include <string.h>

/* --- records of CAs, written anew --- */

void
look_ca_at(struct flow_op *op, unsigned call, const struct index_record *ca)
{
	op->cas[call] = ca->id;
	op->ca_versions[call] = ca->version;
}

static int
find_ca(struct flow_op *op, const struct id *id, const struct index_record **out, struct err *err)
{
	*out = index_of_kind(op->flow->index, KIND_CA, id);
	return *out != NULL
	    ? 0
	    : err_set(err, ERR_CONFLICT, "the CA has been removed by somebody else meanwhile");
}

/* What is sealed is for one version: another one in between is a conflict. */
static int
find_ca_at(struct flow_op *op, unsigned call, const struct index_record **out, struct err *err)
{
	int rc = find_ca(op, &op->cas[call], out, err);

	if (rc == 0 && (*out)->version != op->ca_versions[call])
		rc = err_set(
		    err, ERR_CONFLICT, "the CA has been changed by somebody else meanwhile");
	return rc;
}

int
request_ca_as(
    struct flow_op *op, unsigned call, const struct ca_public *p, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_RESEAL};
	const struct index_record *ca;
	int rc = find_ca_at(op, call, &ca, err);

	if (rc < 0)
		return rc;
	op->ca_parts[call] = buf_new(LIMIT_PUBLIC);
	rc = wire_ca_public_encode(p, op->ca_parts[call], err);
	if (rc < 0)
		return rc;
	op->asked[call] = SIGNER_RESEAL;
	r.reseal.record = ca->signed_record;
	r.reseal.to = (struct record_ref){ca->id, ca->version + 1};
	r.reseal.public_part = buf_span(op->ca_parts[call]);
	return wire_signer_request_encode(&r, out, err);
}

int
request_not_default(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct index_record *ca;
	struct ca_public p;
	int rc = find_ca_at(op, call, &ca, err);

	if (rc < 0)
		return rc;
	p = *ca->ca;
	p.is_default = false;
	return request_ca_as(op, call, &p, out, err);
}

int
draft_ca(struct flow_op *op, struct mutation *m, unsigned call, const char *name, struct err *err)
{
	const struct index_record *ca;
	struct draft *d;
	int rc = find_ca_at(op, call, &ca, err);

	if (rc < 0)
		return rc;
	d = mutation_add(m);
	d->id = ca->id;
	d->kind = KIND_CA;
	d->expect_version = ca->version;
	snprintf(d->name, sizeof(d->name), "%s", name != NULL ? name : ca->name);
	buf_put_span(d->public_part,
	    op->ca_parts[call] != NULL ? buf_span(op->ca_parts[call])
				       : op->replies[call].public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, op->replies[call].sealed);
	return buf_error(d->public_part, "public part of a CA", err);
}

static int
look_named_ca(struct flow_op *op, const struct index_record **out, struct err *err)
{
	const struct index_record *ca = id_is_zero(&op->in.record)
	    ? index_named(op->flow->index, KIND_CA, op->in.name)
	    : index_of_kind(op->flow->index, KIND_CA, &op->in.record);

	if (ca == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no CA '%.100s'; 'certherd ca list' shows them", op->in.name);
	op->credential = ca->id;
	op->credential_version = ca->version;
	look_ca_at(op, 0, ca);
	op->calls = 1;
	op->not_after = ca->ca->not_after;
	*out = ca;
	return 0;
}

/* --- change --- */

static int
check_change(struct flow_op *op, const struct index_record *ca, struct err *err)
{
	const struct index_record *chosen = index_default_ca(op->flow->index);

	if (ca->ca->has_successor && (op->in.is_default || op->in.enabled))
		return err_set(err, ERR_CONFLICT,
		    "CA '%s' issues no more: another one with a new key does that in its place",
		    ca->name);
	if (op->in.has_enabled && !op->in.enabled && chosen == ca)
		return err_set(err, ERR_CONFLICT,
		    "CA '%s' is the default one: choose another with 'certherd ca default' first",
		    ca->name);
	if (op->in.is_default && !ca->ca->enabled && !op->in.enabled)
		return err_set(err, ERR_CONFLICT,
		    "CA '%s' is not enabled: 'certherd ca enable' comes first", ca->name);
	return 0;
}

/* Of what is asked for nothing would differ. */
static bool
is_same(const struct flow_op *op, const struct index_record *ca)
{
	const struct ca_public *p = ca->ca;
	const char *address = p->address != NULL ? p->address : "";

	return (op->in.label == NULL || strcmp(op->in.label, address) == 0) &&
	    (!op->in.has_enabled || op->in.enabled == p->enabled) &&
	    (!op->in.is_default || index_default_ca(op->flow->index) == ca);
}

static int
look_ca_change(struct flow_op *op, struct err *err)
{
	const struct index_record *ca;
	int rc = look_named_ca(op, &ca, err);

	if (rc == 0)
		rc = check_change(op, ca, err);
	if (rc < 0)
		return rc;
	op->unchanged = is_same(op, ca);
	if (op->in.is_default)
		look_other_defaults(op);
	if (op->in.label != NULL && !op->unchanged)
		flow_op_warn(op,
		    "certificates that it has signed name what was its address then; new ones "
		    "name the new one");
	return 0;
}

static int
request_ca_change(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct index_record *ca;
	struct ca_public p;
	int rc;

	if (call > 0)
		return request_not_default(op, call, out, err);
	rc = find_ca_at(op, call, &ca, err);
	if (rc < 0)
		return rc;
	p = *ca->ca;
	if (op->in.label != NULL)
		p.address = op->in.label;
	if (op->in.has_enabled)
		p.enabled = op->in.enabled;
	if (op->in.is_default)
		p.is_default = true;
	else if (!p.enabled)
		p.is_default = false;
	return request_ca_as(op, call, &p, out, err);
}

static int
mutation_all_cas(struct flow_op *op, struct mutation *m, struct err *err)
{
	int rc = 0;

	for (unsigned call = 0; rc == 0 && call < op->calls; call++)
		rc = draft_ca(op, m, call, NULL, err);
	return rc;
}

const struct flow_op_type flow_op_ca_change = {
    "ca.change", look_ca_change, request_ca_change, mutation_all_cas};

int
flow_ca_change(
    struct flow *f, const struct ca_change *change, flow_done_cb *done, void *arg, struct err *err)
{
	char address[LIMIT_CA_ADDRESS + 1] = "";
	struct flow_op *op;
	int rc = 0;

	if (change->address == NULL && !change->has_enabled && !change->make_default)
		return err_set(err, ERR_INVALID, "nothing is to be changed");
	if (change->address != NULL && change->address[0] != '\0')
		rc = ca_address_check(change->address, address, err);
	if (rc == 0)
		rc = flow_start_named(
		    f, &flow_op_ca_change, change->name, change->author, done, arg, &op, err);
	if (rc < 0)
		return rc;
	op->in.label = flow_op_text(op, change->address != NULL ? address : NULL);
	op->in.has_enabled = change->has_enabled;
	op->in.enabled = change->enabled;
	op->in.is_default = change->make_default;
	return 0;
}

/* --- renewal --- */

static int64_t
lifetime_of(const struct index_record *ca)
{
	AUTO(cert_unrefp)
	struct cert *c = NULL;

	if (ca->ca->chain.count == 0 || cert_parse(ca->ca->chain.items[0], &c, NULL) < 0)
		return 0;
	return cert_not_after(c) - cert_not_before(c) + 1;
}

/* The CA above, if there is one; the times of the new certificate. */
static int
look_renewal(struct flow_op *op, const struct index_record *ca, struct err *err)
{
	int64_t lifetime = op->in.lifetime > 0 ? op->in.lifetime : lifetime_of(ca);
	const struct index_record *parent = NULL;

	if (ca->ca->has_successor)
		return err_set(err, ERR_CONFLICT,
		    "CA '%s' issues no more: another one with a new key does that in its place",
		    ca->name);
	if (ca->ca->has_parent) {
		parent = index_of_kind(op->flow->index, KIND_CA, &ca->ca->parent);
		if (parent == NULL)
			return err_set(
			    err, ERR_NOTFOUND, "the CA above '%s' is not there any more", ca->name);
		parent = index_ca_successor(op->flow->index, parent);
		op->has_ca = true;
		op->ca = parent->id;
	}
	return look_ca_times(op, parent, lifetime, err);
}

static int
look_ca_renew(struct flow_op *op, struct err *err)
{
	const struct index_record *ca;
	char end[TIME_TEXT_MAX];
	int rc = look_named_ca(op, &ca, err);

	if (rc == 0)
		rc = look_renewal(op, ca, err);
	if (rc < 0)
		return rc;
	if (op->has_ca && !id_equal(&op->ca, &ca->ca->parent))
		return err_set(err, ERR_CONFLICT,
		    "the CA above '%s' has another key now: 'certherd ca renew --new-key' makes "
		    "one below that",
		    ca->name);
	if (op->not_after <= ca->ca->not_after)
		return err_set(err, ERR_INVALID,
		    "CA '%s' would not last any longer than it does, to %s", ca->name,
		    time_text(ca->ca->not_after, end));
	if (!ca->ca->has_parent)
		flow_op_warn(op,
		    "who trusts the certificate of before needs this one when that runs out: "
		    "'certherd ca export' writes it");
	return 0;
}

static int
put_parent(struct flow_op *op, bool *has_parent, struct signed_bytes *parent, struct err *err)
{
	const struct index_record *r;
	int rc;

	if (!op->has_ca)
		return 0;
	rc = find_ca(op, &op->ca, &r, err);
	if (rc < 0)
		return rc;
	*has_parent = true;
	*parent = r->signed_record;
	return 0;
}

static int
request_ca_renew(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_RENEW_CA};
	const struct index_record *ca;
	int rc = find_ca_at(op, call, &ca, err);

	if (rc == 0)
		rc = put_parent(op, &r.renew_ca.has_parent, &r.renew_ca.parent, err);
	if (rc < 0)
		return rc;
	op->asked[call] = SIGNER_RENEW_CA;
	r.renew_ca.ca = ca->signed_record;
	r.renew_ca.to = (struct record_ref){ca->id, ca->version + 1};
	r.renew_ca.not_before = op->not_before;
	r.renew_ca.not_after = op->not_after;
	return wire_signer_request_encode(&r, out, err);
}

const struct flow_op_type flow_op_ca_renew = {
    "ca.renew", look_ca_renew, request_ca_renew, mutation_all_cas};

/* --- a new key --- */

/* Call 0 makes the new CA, call 1 writes the old one anew. */
static int
look_ca_rekey(struct flow_op *op, struct err *err)
{
	const struct index_record *ca;
	int rc = look_named_ca(op, &ca, err);

	if (rc == 0)
		rc = look_renewal(op, ca, err);
	if (rc < 0)
		return rc;
	look_ca_at(op, 1, ca);
	op->calls = 2;
	/* The result is about the new one. */
	new_id(op->flow, &op->credential);
	if (!ca->ca->has_parent)
		flow_op_warn(op,
		    "leaves come with its certificate by the CA before, so who trusts only that "
		    "believes them as long as that lasts; 'certherd ca export' writes the new one");
	return 0;
}

static int
request_ca_rekey(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_MAKE_CA};
	const struct index_record *old;
	struct ca_public p;
	int rc = find_ca_at(op, 1, &old, err);

	if (rc < 0)
		return rc;
	if (call == 1) {
		p = *old->ca;
		p.enabled = p.is_default = false;
		p.has_successor = true;
		p.successor = op->credential;
		return request_ca_as(op, call, &p, out, err);
	}
	rc = put_parent(op, &r.make_ca.has_parent, &r.make_ca.parent, err);
	if (rc < 0)
		return rc;
	op->asked[call] = SIGNER_MAKE_CA;
	r.make_ca.ca = (struct record_ref){op->credential, 1};
	r.make_ca.name = op->in.name;
	r.make_ca.key_type = old->ca->key_type;
	r.make_ca.not_before = op->not_before;
	r.make_ca.not_after = op->not_after;
	r.make_ca.is_default = old->ca->is_default;
	r.make_ca.address = old->ca->address;
	r.make_ca.has_predecessor = true;
	r.make_ca.predecessor = old->signed_record;
	return wire_signer_request_encode(&r, out, err);
}

/* The old one goes on under a name that nobody has: "default.1". */
static int
old_name(const struct flow_op *op, char out[static LIMIT_NAME + 1], struct err *err)
{
	for (unsigned i = 1; i < 1000; i++) {
		snprintf(out, LIMIT_NAME + 1, "%.200s.%u", op->in.name, i);
		if (index_named(op->flow->index, KIND_CA, out) == NULL)
			return 0;
	}
	return err_set(err, ERR_LIMIT, "CA '%s' has had too many keys", op->in.name);
}

static int
mutation_ca_rekey(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *old;
	char name[LIMIT_NAME + 1];
	int rc = find_ca_at(op, 1, &old, err);

	if (rc == 0 && old->version != op->credential_version)
		rc = err_set(
		    err, ERR_CONFLICT, "the CA has been changed by somebody else meanwhile");
	if (rc == 0)
		rc = old_name(op, name, err);
	/* Renamed first: names are unique at each moment. */
	if (rc == 0)
		rc = draft_ca(op, m, 1, name, err);
	return rc < 0 ? rc : draft_new_ca(op, m, 0, err);
}

const struct flow_op_type flow_op_ca_rekey = {
    "ca.renew", look_ca_rekey, request_ca_rekey, mutation_ca_rekey};

int
flow_ca_renew(struct flow *f, const char *name, bool new_key, int64_t lifetime, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = lifetime > 0 ? check_ca_lifetime(lifetime, err) : 0;

	if (rc == 0)
		rc = flow_start_named(f, new_key ? &flow_op_ca_rekey : &flow_op_ca_renew, name,
		    author, done, arg, &op, err);
	if (rc == 0)
		op->in.lifetime = lifetime;
	return rc;
}
