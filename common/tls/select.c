#include "common/tls/tls_priv.h"

#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <string.h>

/* ------------------------------------------------------------------------- ALPN */

static bool
offers(const uint8_t *list, unsigned len, const char *name, const uint8_t **at)
{
	size_t name_len = strlen(name);
	struct cursor c = {SPAN(list, len), false};

	while (c.rest.len > 0) {
		struct span item = cursor_bytes(&c, cursor_u8(&c));

		if (!c.failed && span_equal(item, SPAN(name, name_len))) {
			*at = item.data;
			return true;
		}
	}
	return false;
}

/* Our order decides; the rule of the protocol says whether a client certificate is needed. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned in_len, void *arg)
{
	const struct tls_ctx *c = arg;

	for (size_t i = 0; i < c->alpn_count; i++) {
		if (!offers(in, in_len, c->alpn[i].name, out))
			continue;
		*out_len = (unsigned char)strlen(c->alpn[i].name);
		SSL_set_verify(ssl, tls_verify_mode(c->alpn[i].client_cert), NULL);
		return SSL_TLSEXT_ERR_OK;
	}
	return c->alpn_ignore_unknown ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ------------------------------------------------------------------------- what the client can */

static bool
has_group(SSL *ssl, int nid)
{
	int groups[64];
	int count = (int)SSL_get1_groups(ssl, NULL);

	if (count == 0)
		return true; /* the client has no opinion */
	if (count < 0 || (size_t)count > ARRAY_LEN(groups))
		return false;
	SSL_get1_groups(ssl, groups);
	for (int i = 0; i < count; i++)
		if (groups[i] == nid)
			return true;
	return false;
}

#define TLS12_ECDSA 64U /* with any curve, that is */
#define TLS12_RSA 128U

static unsigned
can_by_signatures(SSL *ssl)
{
	int count = SSL_get_sigalgs(ssl, 0, NULL, NULL, NULL, NULL, NULL);
	unsigned can = 0;

	for (int i = 0; i < count; i++) {
		unsigned char sign, hash;

		SSL_get_sigalgs(ssl, i, NULL, NULL, NULL, &sign, &hash);
		switch ((unsigned)hash << 8 | sign) { /* RFC 8446, 4.2.3 */
		case 0x0403:
			can |= TLS_CAN_ECDSA_P256 | TLS12_ECDSA;
			break;
		case 0x0503:
			can |= TLS_CAN_ECDSA_P384 | TLS12_ECDSA;
			break;
		case 0x0603:
			can |= TLS_CAN_ECDSA_P521 | TLS12_ECDSA;
			break;
		case 0x0804:
		case 0x0805:
		case 0x0806:
			can |= TLS_CAN_RSA | TLS12_RSA;
			break;
		case 0x0401:
		case 0x0501:
		case 0x0601:
			can |= TLS12_RSA;
			break;
		case 0x0807:
			can |= TLS_CAN_ED25519;
			break;
		default:
			break;
		}
	}
	return can;
}

/* In TLS 1.2 the cipher decides about the key type, the groups about the curve. */
static unsigned
can_by_ciphers(SSL *ssl, unsigned signatures)
{
	STACK_OF(SSL_CIPHER) *theirs = SSL_get_client_ciphers(ssl), *ours = SSL_get_ciphers(ssl);
	bool ecdsa = false, rsa = false;
	unsigned can = 0;

	for (int i = 0; i < sk_SSL_CIPHER_num(theirs); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(theirs, i);

		if (sk_SSL_CIPHER_find(ours, cipher) < 0)
			continue;
		ecdsa = ecdsa || SSL_CIPHER_get_auth_nid(cipher) == NID_auth_ecdsa;
		rsa = rsa || SSL_CIPHER_get_auth_nid(cipher) == NID_auth_rsa;
	}
	if (rsa && (signatures & TLS12_RSA) != 0)
		can |= TLS_CAN_RSA;
	if (ecdsa && (signatures & TLS_CAN_ED25519) != 0)
		can |= TLS_CAN_ED25519;
	if (!ecdsa || (signatures & TLS12_ECDSA) == 0)
		return can;
	if (has_group(ssl, NID_X9_62_prime256v1))
		can |= TLS_CAN_ECDSA_P256;
	if (has_group(ssl, NID_secp384r1))
		can |= TLS_CAN_ECDSA_P384;
	if (has_group(ssl, NID_secp521r1))
		can |= TLS_CAN_ECDSA_P521;
	return can;
}

static unsigned
client_can(SSL *ssl)
{
	unsigned signatures = can_by_signatures(ssl);

	if (SSL_version(ssl) >= TLS1_3_VERSION)
		return signatures & ~(TLS12_ECDSA | TLS12_RSA);
	return can_by_ciphers(ssl, signatures);
}

/* ------------------------------------------------------------------------- the certificate */

static int
on_certificate(SSL *ssl, void *arg)
{
	const struct tls_ctx *c = arg;
	struct tls_stream *s = STREAM_OF(ssl);
	AUTO(tls_identity_unrefp)
	struct tls_identity *id = NULL;
	struct tls_hello hello = {
	    .name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
	    .can = client_can(ssl),
	};

	switch (c->select->select(s->arg, s, &hello, &id, s->ticket)) {
	case TLS_SELECT_PENDING:
		return -1;
	case TLS_SELECT_NONE:
		/* Without a certificate OpenSSL itself ends with the alert that fits. */
		return 1;
	case TLS_SELECT_OK:
		break;
	}
	CHECK(id != NULL);
	if (tls_identity_use(id, c->send_root, ssl, &s->refusal) < 0)
		return 0;
	tls_identity_unref(s->identity);
	s->identity = MOVE(id);
	s->has_ticket = true;
	return 1;
}

/* Before the certificate is chosen, because only here the alert can be unrecognized_name. */
static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls_ctx *c = arg;
	struct tls_stream *s = STREAM_OF(ssl);

	if (c->select->knows(s->arg, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)))
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	err_set(&s->refusal, ERR_NOTFOUND, "no certificate for the name that was asked for");
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void
tls_select_install(struct tls_ctx *c)
{
	if (c->alpn_count > 0)
		SSL_CTX_set_alpn_select_cb(c->ssl, on_alpn, c);
	if (c->select == NULL)
		return;
	SSL_CTX_set_cert_cb(c->ssl, on_certificate, c);
	SSL_CTX_set_tlsext_servername_callback(c->ssl, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(c->ssl, c);
}
