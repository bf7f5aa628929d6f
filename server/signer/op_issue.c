/* Certificates of credentials and of nodes. */

#include "server/signer/core_priv.h"

#include "common/base/str.h"
#include "common/model/names.h"

#include <string.h>

int
core_generation_key(
    struct signer_core *c, const struct key_wish *wish, struct pkey **out, struct err *err)
{
	struct generation_public before = {0};
	char type_text[KEY_DESCRIPTION_MAX];
	struct sealed_part part;
	struct record record;
	enum key_type type;
	int r = key_type_parse(wish->key_type, &type, err);

	if (r < 0 || wish->key_of == NULL)
		return r < 0 ? r : pkey_generate(type, out, err);
	r = core_take_record(c, wish->key_of, KIND_GENERATION, &record, err);
	if (r == 0)
		r = wire_generation_public_decode(record.public_part, &before, err);
	if (r == 0 && !id_equal(&before.credential, &wish->credential))
		r = err_set(err, ERR_DENIED, "the key to be kept is that of another credential");
	if (r == 0) {
		part = sealed_part_of(&record);
		r = core_open_key(c, &part, before.key, out, err);
	}
	generation_public_fini(&before);
	if (r == 0 && !str_equal(pkey_describe(*out, type_text), wish->key_type)) {
		pkey_unref(*out);
		*out = NULL;
		r = err_set(err, ERR_INVALID, "the key to be kept is of type %s, not %s", type_text,
		    wish->key_type);
	}
	return r;
}

int
core_seal_made(struct signer_core *c, const struct record_ref *ref, uint32_t kind,
    const struct pkey *key, const struct audience *to, struct op_out *out, struct err *err)
{
	const struct sealed_part part = {
	    .ref = *ref, .kind = kind, .public_part = buf_span(&out->public_part)};

	return core_seal_key(c, &part, key, to, &out->sealed, err);
}

int
core_seal_generation(struct signer_core *c, const struct record_ref *ref,
    const struct generation_public *public, const struct pkey *key, const struct audience *to,
    struct op_out *out, struct err *err)
{
	int r = wire_generation_public_encode(public, &out->public_part, err);

	return r < 0 ? r : core_seal_made(c, ref, KIND_GENERATION, key, to, out, err);
}

static int
seal_issued(struct signer_core *c, const struct signer_issue *s, const struct pkey *key,
    const struct cert *leaf, const struct open_ca *ca, const struct audience *to,
    struct op_out *out, struct err *err)
{
	struct span chain[LIMIT_CHAIN];
	size_t count = 0;

	if (ca->public.chain.count + 1 >= LIMIT_CHAIN)
		return err_set(err, ERR_LIMIT, "the chain of the Micro CA is too long");
	chain[count++] = cert_der(leaf);
	/* Who trusts only the CA before gets to it over this one. */
	if (ca->public.cross.len > 0)
		chain[count++] = ca->public.cross;
	for (size_t i = 0; i < ca->public.chain.count; i++)
		chain[count++] = ca->public.chain.items[i];
	const struct generation_public public = {.credential = s->credential,
	    .number = s->number,
	    .key = pkey_spki(key),
	    .chain = {chain, count},
	    /* As in the leaf, which would have to be parsed to say so. */
	    .not_before = s->not_before,
	    .not_after = s->not_after,
	    .activated_at_ms = s->activated_at_ms,
	    .names = s->names,
	    .profile = s->profile != NULL && *s->profile != '\0' ? s->profile
								 : leaf_profile_name(LEAF_SERVER)};
	return core_seal_generation(c, &s->generation, &public, key, to, out, err);
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/*
 * The flows have brought them to normal form; what is not in it came another way. Names in other
 * scripts are A-labels by now, and nothing is converted where the keys are. Of e-mail addresses the
 * leaf's profile decides.
 */
static int
check_names(struct texts names, struct err *err)
{
	for (size_t i = 0; i < names.count; i++) {
		char normal[NAME_TEXT_MAX];
		enum name_type type;
		int r;

		if (!is_ascii(names.items[i]))
			return err_set(
			    err, ERR_INVALID, "name %zu of a certificate is not ASCII", i + 1);
		if (strchr(names.items[i], '@') != NULL)
			continue;
		r = name_normalise(names.items[i], normal, &type, err);
		if (r == 0 && strcmp(normal, names.items[i]) != 0)
			r = err_set(
			    err, ERR_INVALID, "'%s' is not the normal form of that name", normal);
		if (r < 0)
			return r;
	}
	return 0;
}

int
do_issue(struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_issue *s = &r->issue;
	const struct key_wish wish = {s->key_type, s->credential, s->keep_key ? &s->key_of : NULL};
	struct leaf_params leaf_params = {.names = s->names.items,
	    .name_count = s->names.count,
	    .subject = s->subject.items,
	    .subject_count = s->subject.count,
	    .not_before = s->not_before,
	    .not_after = s->not_after};
	AUTO(open_ca_unrefp)
	struct open_ca *ca = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	AUTO(cert_unrefp)
	struct cert *leaf = NULL;
	const struct export_wish export = {.make = &s->export,
	    .generation = s->generation.id,
	    .credential = s->credential,
	    .bound = SPAN(s->credential.bytes, ID_LEN),
	    .keeps_key = s->keep_key,
	    .names = s->names};
	AUTO(secret_freep)
	struct secret *password = NULL;
	struct audience to = {0};
	struct ca_urls urls;
	int rc =
	    leaf_profile_parse(s->profile != NULL ? s->profile : "", &leaf_params.profile, err);

	/* What costs nothing is refused before a key is made. */
	if (rc == 0)
		rc = check_names(s->names, err);
	if (rc == 0)
		rc = core_open_ca(c, &s->ca, true, &ca, err);
	if (rc == 0)
		rc = beliefs_audience(c->beliefs, s->access, &to, err);
	if (rc == 0)
		rc = core_export_password(c, &export, &password, err);
	if (rc == 0)
		rc = core_generation_key(c, &wish, &key, err);
	leaf_params.key = key;
	if (rc == 0 && open_ca_urls(ca, &urls)) {
		leaf_params.crl_url = urls.crl;
		leaf_params.issuer_url = urls.certificate;
	}
	if (rc == 0)
		rc = cert_issue_leaf(ca->cert, ca->key, &leaf_params, &leaf, err);
	if (rc == 0)
		rc = seal_issued(c, s, key, leaf, ca, &to, out, err);
	if (rc == 0)
		rc = core_export_key(c, &export, key, password, out, err);
	audience_fini(&to);
	return rc;
}

/* A key whose certificate comes from outside; until then it is for managers alone. */
int
do_make_request(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_make_request *s = &r->make_request;
	const struct key_wish wish = {s->key_type, s->credential, s->keep_key ? &s->key_of : NULL};
	struct leaf_params leaf_params = {.names = s->names.items,
	    .name_count = s->names.count,
	    .subject = s->subject.items,
	    .subject_count = s->subject.count};
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	const struct export_wish export = {.make = &s->export,
	    .generation = s->generation.id,
	    .credential = s->credential,
	    .bound = SPAN(s->credential.bytes, ID_LEN),
	    .keeps_key = s->keep_key,
	    .names = s->names};
	AUTO(secret_freep)
	struct secret *password = NULL;
	struct audience to = {0};
	int rc =
	    leaf_profile_parse(s->profile != NULL ? s->profile : "", &leaf_params.profile, err);

	if (rc == 0)
		rc = check_names(s->names, err);
	if (rc == 0)
		rc = beliefs_audience(c->beliefs, (struct ids){NULL, 0}, &to, err);
	if (rc == 0)
		rc = core_export_password(c, &export, &password, err);
	if (rc == 0)
		rc = core_generation_key(c, &wish, &key, err);
	leaf_params.key = key;
	if (rc == 0)
		rc = csr_make_leaf(&leaf_params, &out->bytes, err);
	if (rc == 0) {
		const struct generation_public public = {.credential = s->credential,
		    .number = s->number,
		    .key = pkey_spki(key),
		    .names = s->names,
		    .profile = leaf_profile_name(leaf_params.profile),
		    .csr = buf_span(&out->bytes)};

		rc = core_seal_generation(c, &s->generation, &public, key, &to, out, err);
	}
	if (rc == 0)
		rc = core_export_key(c, &export, key, password, out, err);
	audience_fini(&to);
	return rc;
}

int
do_issue_identity(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_issue_identity *s = &r->issue_identity;
	AUTO(cert_unrefp)
	struct cert *manager = NULL, *cert = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	int rc = beliefs_check_not_removed(c->beliefs, &s->node, err);

	if (rc == 0)
		rc = csr_key(s->csr, &key, err);
	if (rc == 0)
		rc = cert_parse(s->manager_certificate, &manager, err);
	if (rc == 0) {
		const struct identity_params params = {.key = key,
		    .domain = *trust_domain(c->trust),
		    .node = s->node,
		    .name = s->name,
		    .addresses = s->addresses.items,
		    .address_count = s->addresses.count,
		    .not_before = s->not_before,
		    .not_after = s->not_after};

		rc = cert_issue_identity(manager, c->manager, &params, &cert, err);
	}
	if (rc < 0)
		return rc;
	buf_put_span(&out->bytes, cert_der(cert));
	out->done.certificate = buf_span(&out->bytes);
	return buf_error(&out->bytes, "certificate", err);
}
