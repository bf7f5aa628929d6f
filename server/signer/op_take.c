/* Keys that come from outside, sealed by the command. */

#include "server/signer/core_priv.h"

#include "common/crypto/envelope.h"

/*
 * What lies in the seal, in the one form that this program writes itself: nothing of a foreign file
 * gets any further.
 */
static int
read_key(const struct secret *payload, struct pkey **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL, *canonical = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	int r = wire_private_key_decode(payload, &pkcs8, err);

	if (r == 0)
		r = pkey_from_pkcs8(secret_span(pkcs8), &key, err);
	if (r == 0)
		r = pkey_to_pkcs8(key, &canonical, err);
	if (r < 0)
		return r;
	if (!secret_equal(canonical, secret_span(pkcs8)))
		return err_set(err, ERR_PARSE, "the imported key is not in the form of its kind");
	*out = MOVE(key);
	return 0;
}

/*
 * The seal is bound to the certificate, so that main cannot put a key under another one, and to the
 * export password or to there being none: main, which can seal one of its own, would else get the
 * key by it.
 */
static int
open_imported(struct signer_core *c, const struct signer_take_key *s, struct span leaf,
    struct pkey **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *purpose = buf_new(LIMIT_PUBLIC);
	struct sealed_part part = {
	    .ref = {s->nonce, 0}, .kind = SEAL_IMPORTED_KEY, .sealed = s->key};
	AUTO(secret_freep)
	struct secret *payload = NULL;
	int r = imported_key_purpose(leaf, s->export.password, purpose, err);

	part.public_part = buf_span(purpose);
	if (r == 0)
		r = core_open(c, &part, &payload, err);
	return r < 0 ? r : read_key(payload, out, err);
}

static int
check_leaf(const struct generation_public *g, const struct pkey *key, struct err *err)
{
	AUTO(cert_unrefp)
	struct cert *leaf = NULL;
	int r = cert_parse_of(g->chain.items[0], key, &leaf, err);

	if (r < 0)
		return r;
	if (!cert_has_key(leaf, key) || !span_equal(g->key, pkey_spki(key)))
		return err_set(
		    err, ERR_CRYPTO, "the imported key is not the one of its certificate");
	if (cert_is_ca(leaf))
		return err_set(
		    err, ERR_DENIED, "the key of a CA is not taken in as one of a credential");
	return 0;
}

int
do_take_key(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_take_key *s = &r->take_key;
	const struct sealed_part part = {
	    .ref = s->generation, .kind = KIND_GENERATION, .public_part = s->public_part};
	struct generation_public g = {0};
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct export_wish export = {.make = &s->export, .generation = s->generation.id};
	AUTO(secret_freep)
	struct secret *password = NULL;
	struct audience to = {0};
	int rc = wire_generation_public_decode(s->public_part, &g, err);

	if (rc == 0 && (s->generation.version != 1 || g.chain.count == 0))
		rc = err_set(err, ERR_INVALID,
		    "an imported key gets a new generation, with its certificate");
	if (rc == 0)
		rc = beliefs_audience(c->beliefs, s->access, &to, err);
	if (rc == 0) {
		export.credential = g.credential;
		export.bound = g.chain.items[0];
		export.names = g.names;
		rc = core_export_password(c, &export, &password, err);
	}
	if (rc == 0)
		rc = open_imported(c, s, g.chain.items[0], &key, err);
	if (rc == 0)
		rc = check_leaf(&g, key, err);
	if (rc == 0)
		rc = core_seal_key(c, &part, key, &to, &out->sealed, err);
	if (rc == 0)
		rc = core_export_key(c, &export, key, password, out, err);
	audience_fini(&to);
	generation_public_fini(&g);
	out->done.sealed = buf_span(&out->sealed);
	return rc;
}
