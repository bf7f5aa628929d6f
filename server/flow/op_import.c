/* Keys and certificates that were made elsewhere. */

#include "common/crypto/cert_facts.h"
#include "common/crypto/sign.h"
#include "common/model/names.h"
#include "common/model/state.h"
#include "server/flow/answer.h"
#include "server/flow/export.h"
#include "server/flow/flow_priv.h"
#include "server/index/index_ca.h"

static const char *
profile_of(const struct cert *leaf)
{
	struct cert_facts facts;

	cert_facts(leaf, &facts);
	if (facts.server_auth)
		return leaf_profile_name(LEAF_SERVER);
	if (facts.client_auth)
		return leaf_profile_name(LEAF_CLIENT);
	return leaf_profile_name(facts.email ? LEAF_SMIME : LEAF_SERVER);
}

/* Under whatever name: what was revoked once does not come back by being imported. c: NULL: none.
 */
static int
check_key(const struct flow_op *op, const struct index_record *c, struct err *err)
{
	const struct index *ix = op->flow->index;
	const struct index_record *gone, *owner;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct hash hash, fingerprint;
	int rc = cert_key(op->in.certs[0], &key, err);

	if (rc < 0)
		return rc;
	hash_of(pkey_spki(key), &hash);
	cert_fingerprint(op->in.certs[0], &fingerprint);
	gone = index_disowned(ix, &hash, &fingerprint);
	owner =
	    gone != NULL ? index_of_kind(ix, KIND_CREDENTIAL, &gone->generation->credential) : NULL;
	if (gone != NULL && !gone->generation->withdrawn)
		return err_set(err, ERR_DENIED,
		    "this certificate is revoked, as generation %llu of '%.120s': have another one "
		    "made",
		    (unsigned long long)gone->generation->number, owner != NULL ? owner->name : "");
	if (gone != NULL || (c != NULL && retire_is_lost(ix, c, &hash)))
		return err_set(err, ERR_DENIED,
		    "this key of '%.120s' is compromised, so it never comes into force again: make "
		    "another one",
		    owner != NULL   ? owner->name
			: c != NULL ? c->name
				    : "");
	return 0;
}

/* The next generation of a credential that was imported before. */
static int
look_next(struct flow_op *op, const struct index_record *c, struct err *err)
{
	int rc;

	if (!op->in.replace)
		return err_set(err, ERR_EXISTS,
		    "there is a credential '%.120s' already, with another certificate: --replace "
		    "makes this the next generation of it, --name gives this one another name",
		    c->name);
	if (c->credential->issuer != ISSUER_IMPORTED)
		return err_set(err, ERR_INVALID,
		    "the certificates of '%.120s' come from its issuer '%s': --name gives this one "
		    "another name",
		    c->name, issuer_type_name(c->credential->issuer));
	rc = credential_may(c->credential, c->name, CREDENTIAL_ISSUE, err);
	if (rc == 0)
		rc = check_key(op, c, err);
	if (rc < 0)
		return rc;
	op->credential = c->id;
	op->credential_version = c->version;
	op->number = c->credential->generations + 1;
	look_access(op, c->access);
	return 0;
}

static int
look_first(struct flow_op *op, struct err *err)
{
	int rc = check_key(op, NULL, err);

	if (rc == 0)
		rc = look_default_access(op, err);
	new_id(op->flow, &op->credential);
	op->credential_version = 0;
	op->number = 1;
	return rc;
}

static bool
has_access_of(const struct flow_op *op, struct ids access)
{
	size_t found = 0;

	for (size_t i = 0; i < access.count; i++)
		for (size_t j = 0; j < op->access_count; j++)
			found += id_equal(&access.items[i], &op->access[j]);
	return found == access.count && found == op->access_count;
}

/* It is here already. Nothing of it is changed, which may not be what was meant. */
static int
look_twin(struct flow_op *op, const struct index_record *c, const struct index_record *twin,
    struct err *err)
{
	const struct credential_public *p = c->credential;
	int rc = op->in.has_access ? look_default_access(op, err) : 0;

	if (rc < 0)
		return rc;
	op->unchanged = true;
	op->credential = c->id;
	op->generation = twin->id;
	op->number = twin->generation->number;
	if (twin->generation->revoked)
		flow_op_warn(op,
		    "'%.100s' has this certificate as generation %llu, which is revoked", c->name,
		    (unsigned long long)op->number);
	else if (p->archived || !p->has_active || !id_equal(&p->active, &twin->id))
		flow_op_warn(op,
		    "'%.100s' has this certificate as generation %llu, which is not in force: "
		    "'certherd cert activate %.100s %llu' brings it there",
		    c->name, (unsigned long long)op->number, c->name,
		    (unsigned long long)op->number);
	if (op->in.has_access && !has_access_of(op, c->access))
		flow_op_warn(op,
		    "the access of '%.100s' stays as it is: 'certherd cert access' changes it",
		    c->name);
	return 0;
}

static int
look_import(struct flow_op *op, struct err *err)
{
	const struct index_record *c = index_named(op->flow->index, KIND_CREDENTIAL, op->in.name);
	const struct cert *leaf = op->in.certs[0];
	const struct index_record *twin = c != NULL ? answer_twin(op, &c->id, leaf) : NULL;
	int rc;

	op->not_after = cert_not_after(leaf);
	if (twin != NULL && op->in.has_export && index_export_key(op->flow->index, twin) == NULL) {
		if (!op->in.replace)
			return err_set(err, ERR_EXISTS,
			    "'%.120s' has this certificate already, and its key is not "
			    "exportable: "
			    "--replace imports it anew",
			    c->name);
		twin = NULL;
	}
	if (twin != NULL)
		return look_twin(op, c, twin, err);
	rc = c != NULL ? look_next(op, c, err) : look_first(op, err);
	if (rc < 0)
		return rc;
	look_readers(op);
	new_id(op->flow, &op->generation);
	op->calls = 1;
	return export_look(op, err);
}

static int
request_import(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_TAKE_KEY};
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct answer_public_params params = {
	    .credential = op->credential, .names = op->in.names, .profile = op->in.profile};
	int rc = cert_key(op->in.certs[0], &key, err);

	if (rc < 0)
		return rc;
	if (op->credential_version > 0)
		params.record = index_of_kind(op->flow->index, KIND_CREDENTIAL, &op->credential);
	params.key = pkey_spki(key);
	rc = answer_public(op, &params, err);
	if (rc < 0)
		return rc;
	op->asked[call] = SIGNER_TAKE_KEY;
	r.take_key = (struct signer_take_key){.generation = {op->generation, 1},
	    .public_part = buf_span(op->public_part),
	    .nonce = op->in.nonce,
	    .key = buf_span(op->in.sealed),
	    .access = {op->access, op->access_count},
	    .export = export_request(op)};
	return wire_signer_request_encode(&r, out, err);
}

static int
put_import(struct flow_op *op, struct credential_public *p, struct err *err)
{
	p->names = op->in.names;
	p->key_type = op->in.key_type;
	p->profile = op->in.profile;
	p->has_active = true;
	p->active = op->generation;
	p->generations = op->number;
	return credential_move(p, op->in.name, CREDENTIAL_ISSUE, err);
}

static int
mutation_import(struct flow_op *op, struct mutation *m, struct err *err)
{
	struct credential_public p = {.issuer = ISSUER_IMPORTED,
	    .state = CREDENTIAL_DRAFT,
	    .created_at = runtime_wall_s(op->flow->rt)};
	const struct index_record *c = NULL;
	int rc = op->credential_version > 0 ? draft_current(op, &c, err) : 0;

	if (rc == 0 && c != NULL)
		p = *c->credential;
	if (rc == 0)
		rc = put_import(op, &p, err);
	if (rc == 0)
		rc = export_draft(op, m, &p, 0, err);
	if (rc == 0)
		rc = draft_credential(op, m, op->in.name, &p, err);
	if (rc == 0)
		rc = draft_answered(op, m, 0, 0, err);
	if (rc == 0 && c != NULL)
		draft_superseded(op, m, c);
	return rc;
}

const struct flow_op_type flow_op_credential_import = {
    "cert.import", look_import, request_import, mutation_import};

/* --- what was given --- */

static int
take_facts(struct flow_op *op, struct err *err)
{
	const struct cert *leaf = op->in.certs[0];
	char type[KEY_DESCRIPTION_MAX];
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	int rc = cert_key(leaf, &key, err);

	if (rc < 0)
		return rc;
	if (cert_is_ca(leaf))
		return err_set(err, ERR_INVALID,
		    "the certificate is one of a CA, which no server serves as its own");
	op->in.key_type = flow_op_text(op, pkey_describe(key, type));
	op->in.profile = profile_of(leaf);
	return answer_names(op, leaf, &op->in.names, err);
}

static int
take_import(struct flow_op *op, const struct credential_import *s, struct err *err)
{
	int rc = answer_take(op, s->certificates, err);

	if (rc == 0)
		rc = take_facts(op, err);
	if (rc < 0)
		return rc;
	if (s->name == NULL && op->in.names.count == 0)
		return err_set(err, ERR_INVALID,
		    "the certificate has no name that a server has: give the credential one with "
		    "--name");
	rc = s->name != NULL ? check_credential_name(s->name, err) : 0;
	if (rc < 0)
		return rc;
	op->in.name = s->name != NULL ? flow_op_text(op, s->name) : op->in.names.items[0];
	op->in.nonce = s->nonce;
	op->in.sealed = buf_new(LIMIT_SEALED);
	buf_put_span(op->in.sealed, s->sealed);
	op->in.has_access = s->has_access;
	op->in.access = flow_op_texts(op, s->access);
	op->in.replace = s->replace;
	op->in.author = flow_op_text(op, s->author);
	rc = export_take(op, s->export, err);
	return rc < 0 ? rc : buf_error(op->in.sealed, "the sealed key", err);
}

int
flow_credential_import(struct flow *f, const struct credential_import *spec, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	op = flow_op_new(f, &flow_op_credential_import, done, arg);
	rc = take_import(op, spec, err);
	if (rc < 0) {
		flow_op_free(op);
		return rc;
	}
	flow_op_start(op);
	return 0;
}
