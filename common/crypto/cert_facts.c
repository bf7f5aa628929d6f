#include "common/crypto/cert_facts.h"

#include "common/crypto/cert_priv.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"
#include "common/crypto/pkey_der.h"
#include "common/crypto/rsa_weak.h"
#include "common/crypto/sign.h"

#include <stdio.h>

#include <openssl/core_names.h>
#include <openssl/x509v3.h>

#define RSA_BITS_STRONG 2048
#define RSA_BITS_MAX 8192
#define RSA_EXPONENT_BITS_MAX 64
#define OTHER_BITS_MAX 3072

DEFINE_OSSL_FREEP(X509_STORE, X509_STORE_free)
DEFINE_OSSL_FREEP(X509_STORE_CTX, X509_STORE_CTX_free)
DEFINE_OSSL_FREEP(NAME_CONSTRAINTS, NAME_CONSTRAINTS_free)

static struct span
octets(const ASN1_OCTET_STRING *s)
{
	return s != NULL ? SPAN(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s))
			 : SPAN(NULL, 0);
}

static void
strength_of_hash(X509 *x, struct cert_facts *out)
{
	int nid = NID_undef;

	if (X509_get_signature_info(x, &nid, NULL, NULL, NULL) != 1)
		nid = NID_undef;
	crypto_err_forget();
	if (nid == NID_sha1)
		out->weak_hash = "SHA-1";
	else if (nid == NID_md5 || nid == NID_md5_sha1)
		out->weak_hash = "MD5";
	else if (nid == NID_md2 || nid == NID_md4)
		out->weak_hash = "MD2";
	out->is_broken_hash = out->weak_hash != NULL && nid != NID_sha1;
}

static void
strength_of_key(X509 *x, struct cert_facts *out)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	const char *weakness;
	char group[40];

	if (key == NULL) {
		snprintf(out->weak_key, sizeof(out->weak_key), "of an unknown type");
	} else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
		weakness = EVP_PKEY_get_bits(key) >= RSA_BITS_STRONG &&
			EVP_PKEY_get_bits(key) <= RSA_BITS_MAX
		    ? rsa_weakness(key)
		    : NULL;
		if (EVP_PKEY_get_bits(key) < RSA_BITS_STRONG)
			snprintf(out->weak_key, sizeof(out->weak_key), "RSA of %d bits",
			    EVP_PKEY_get_bits(key));
		else if (weakness != NULL)
			snprintf(out->weak_key, sizeof(out->weak_key), "%s", weakness);
	} else if (EVP_PKEY_is_a(key, "EC")) {
		if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
			snprintf(
			    out->weak_key, sizeof(out->weak_key), "EC on a curve without name");
		else if (ec_curve_by_group(group) == NULL)
			snprintf(out->weak_key, sizeof(out->weak_key), "EC on curve %.20s", group);
	} else if (!EVP_PKEY_is_a(key, "ED25519") && !EVP_PKEY_is_a(key, "ED448")) {
		snprintf(
		    out->weak_key, sizeof(out->weak_key), "%.20s", EVP_PKEY_get0_type_name(key));
	}
	crypto_err_forget();
}

void
cert_facts(const struct cert *c, struct cert_facts *out)
{
	X509 *x = cert_x509(c);
	uint32_t flags = X509_get_extension_flags(x), usage = X509_get_extended_key_usage(x);
	bool any = (flags & EXFLAG_XKUSAGE) == 0 || (usage & XKU_ANYEKU) != 0;
	unsigned char *spki = NULL;
	long path_len = X509_get_pathlen(x);
	int len;

	*out = (struct cert_facts){
	    .key_id = cert_subject_key_id(c),
	    .issuer_key_id = octets(X509_get0_authority_key_id(x)),
	    .not_before = cert_not_before(c),
	    .not_after = cert_not_after(c),
	    .self_issued = cert_names_issuer(c, c),
	    .is_ca = cert_is_ca(c) || cert_is_old_root(c),
	    .may_issue = (X509_get_key_usage(x) & KU_KEY_CERT_SIGN) != 0,
	    .server_auth = any || (usage & XKU_SSL_SERVER) != 0,
	    .client_auth = any || (usage & XKU_SSL_CLIENT) != 0,
	    .email = any || (usage & XKU_SMIME) != 0,
	    .has_names = X509_get_ext_by_NID(x, NID_subject_alt_name, -1) >= 0,
	    .has_constraints = X509_get_ext_by_NID(x, NID_name_constraints, -1) >= 0,
	    .path_len = path_len >= 0 && path_len < INT16_MAX ? (int)path_len : -1,
	};
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
	if (len > 0)
		hash_of(SPAN(spki, (size_t)len), &out->key);
	OPENSSL_free(spki);
	strength_of_hash(x, out);
	strength_of_key(x, out);
}

int
cert_name_order(const struct cert *a, enum cert_name which, const struct cert *b)
{
	const X509 *x = cert_x509(a);

	return X509_NAME_cmp(
	    which == CERT_ISSUER ? X509_get_issuer_name(x) : X509_get_subject_name(x),
	    X509_get_subject_name(cert_x509(b)));
}

/* Keys whose numbers make one verification as slow as a hundred. */
static bool
is_slow(EVP_PKEY *key)
{
	BIGNUM *e = NULL;
	bool slow;

	if (EVP_PKEY_is_a(key, "EC"))
		return EVP_PKEY_get_bits(key) > 521;
	if (!EVP_PKEY_is_a(key, "RSA") && !EVP_PKEY_is_a(key, "RSA-PSS"))
		return EVP_PKEY_get_bits(key) > OTHER_BITS_MAX;
	if (EVP_PKEY_get_bits(key) > RSA_BITS_MAX ||
	    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return true;
	slow = BN_num_bits(e) > RSA_EXPONENT_BITS_MAX;
	BN_free(e);
	return slow;
}

bool
cert_signed_by(const struct cert *c, const struct cert *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(cert_x509(issuer));
	bool good = key != NULL && !is_slow(key) && X509_verify(cert_x509(c), key) == 1;

	crypto_err_forget();
	return good;
}

const char *
cert_outside_constraints(const struct cert *issuer, const struct cert *c)
{
	int critical = 0, r;
	AUTO(NAME_CONSTRAINTS_freep)
	NAME_CONSTRAINTS *nc =
	    X509_get_ext_d2i(cert_x509(issuer), NID_name_constraints, &critical, NULL);

	if (nc == NULL) {
		crypto_err_forget();
		return critical == -1 ? NULL : "name constraints that cannot be read";
	}
	r = NAME_CONSTRAINTS_check(cert_x509(c), nc);
	if (r == X509_V_OK && !cert_is_ca(c))
		r = NAME_CONSTRAINTS_check_CN(cert_x509(c), nc);
	crypto_err_forget();
	return r == X509_V_OK ? NULL : X509_verify_cert_error_string(r);
}

UNUSED static inline void
stack_freep(STACK_OF(X509) * *pp)
{
	sk_X509_free(*pp);
}

const char *
cert_verify_path(const struct cert *const *path, size_t count, int64_t now)
{
	AUTO(X509_STORE_freep)
	X509_STORE *store = X509_STORE_new();
	AUTO(X509_STORE_CTX_freep)
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	AUTO(stack_freep)
	STACK_OF(X509) *between = sk_X509_new_null();
	X509_VERIFY_PARAM *param;
	const char *why = NULL;

	CHECK(count > 0 && store != NULL && ctx != NULL && between != NULL);
	CHECK(X509_STORE_add_cert(store, cert_x509(path[count - 1])) == 1);
	for (size_t i = 1; i + 1 < count; i++)
		CHECK(sk_X509_push(between, cert_x509(path[i])) > 0);
	CHECK(X509_STORE_CTX_init(ctx, store, cert_x509(path[0]), between) == 1);
	param = X509_STORE_CTX_get0_param(ctx);
	/* The path is given; how strong it is was judged by its facts. */
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_depth(param, LIMIT_CHAIN);
	X509_VERIFY_PARAM_set_auth_level(param, 0);
	if (X509_verify_cert(ctx) != 1)
		why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	crypto_err_forget();
	return why;
}
