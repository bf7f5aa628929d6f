#include "common/tls/tls_priv.h"

#include "common/crypto/ossl.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#define NAME_LEN 16
#define AES_LEN 32
#define MAC_LEN 32

static struct ticket_key_set *
keys_of(struct tls_ctx *c)
{
	struct ticket_key_set *keys;

	pthread_mutex_lock(&c->lock);
	keys = c->ticket_keys;
	atomic_fetch_add(&keys->refs, 1);
	pthread_mutex_unlock(&c->lock);
	return keys;
}

void
ticket_key_set_unref(struct ticket_key_set *keys)
{
	if (keys == NULL || atomic_fetch_sub(&keys->refs, 1) != 1)
		return;
	secret_free(keys->bytes);
	mem_free(keys);
}

DEFINE_FREEP(struct ticket_key_set, ticket_key_set_unref)

int
tls_ctx_set_ticket_keys(struct tls_ctx *c, const struct secret *keys, struct err *err)
{
	size_t len = secret_span(keys).len;
	struct ticket_key_set *fresh, *old;
	struct secret *copy;
	int r;

	if (len == 0 || len % TLS_TICKET_KEY_LEN != 0 ||
	    len > TLS_TICKET_KEYS_MAX * TLS_TICKET_KEY_LEN)
		return err_set(err, ERR_INVALID,
		    "ticket keys have %d bytes each, and are %d at the most", TLS_TICKET_KEY_LEN,
		    TLS_TICKET_KEYS_MAX);
	r = secret_copy(keys, &copy, err);
	if (r < 0)
		return r;
	fresh = mem_zalloc(sizeof(*fresh));
	atomic_init(&fresh->refs, 1);
	fresh->bytes = copy;
	pthread_mutex_lock(&c->lock);
	old = c->ticket_keys;
	c->ticket_keys = fresh;
	pthread_mutex_unlock(&c->lock);
	ticket_key_set_unref(old);
	return 0;
}

/* The key of that name, or the first one for NULL; NULL if there is none of that name. */
static const uint8_t *
find_key(const struct ticket_key_set *keys, const uint8_t *name)
{
	struct span all = secret_span(keys->bytes);

	if (name == NULL)
		return all.data;
	for (size_t i = 0; i < all.len; i += TLS_TICKET_KEY_LEN)
		if (memcmp(all.data + i, name, NAME_LEN) == 0)
			return all.data + i;
	return NULL;
}

static bool
set_mac(EVP_MAC_CTX *mac, const uint8_t *key)
{
	uint8_t copy[MAC_LEN];
	char digest[] = "SHA256";
	OSSL_PARAM params[3];
	bool ok;

	memcpy(copy, key, sizeof(copy));
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, copy, sizeof(copy));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	ok = EVP_MAC_CTX_set_params(mac, params) == 1;
	OPENSSL_cleanse(copy, sizeof(copy));
	return ok;
}

/* Returns as OpenSSL wants it: -1 error, 0 unknown key, 1 fine, 2 fine and make a new ticket. */
static int
on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int encrypt)
{
	struct tls_ctx *c = STREAM_OF(ssl)->ctx;
	AUTO(ticket_key_set_unrefp)
	struct ticket_key_set *keys = keys_of(c);
	const uint8_t *key = find_key(keys, encrypt ? NULL : name);
	const EVP_CIPHER *aes = algorithms()->aes256_cbc;

	if (key == NULL)
		return 0;
	if (encrypt) {
		memcpy(name, key, NAME_LEN);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1)
			return -1;
	}
	if (EVP_CipherInit_ex2(cipher, aes, key + NAME_LEN, iv, encrypt, NULL) != 1 ||
	    !set_mac(mac, key + NAME_LEN + AES_LEN))
		return -1;
	/* A ticket of TLS 1.3 is for one use, so each use brings the next one. */
	return !encrypt && (SSL_version(ssl) >= TLS1_3_VERSION || key != find_key(keys, NULL)) ? 2
											       : 1;
}

static int
on_new_ticket(SSL *ssl, void *arg)
{
	struct tls_stream *s = STREAM_OF(ssl);

	(void)arg;
	if (!s->has_ticket)
		return 1;
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), s->ticket, sizeof(s->ticket));
}

static SSL_TICKET_RETURN
on_old_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_len,
    SSL_TICKET_STATUS status, void *arg)
{
	const struct tls_ctx *c = arg;
	struct tls_stream *s = STREAM_OF(ssl);
	const char *host;
	void *ticket;
	size_t len;

	(void)name;
	(void)name_len;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (c->select == NULL)
		return SSL_TICKET_RETURN_USE_RENEW;
	/* The name of the first handshake; what is asked for now is not parsed yet. */
	host = SSL_SESSION_get0_hostname(session);
	if (SSL_SESSION_get0_ticket_appdata(session, &ticket, &len) != 1 || len != TLS_TICKET_LEN ||
	    !c->select->may_resume(s->arg, host, ticket))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	memcpy(s->ticket, ticket, TLS_TICKET_LEN);
	s->has_ticket = true;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void
tls_ticket_install(struct tls_ctx *c)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(c->ssl, on_ticket_key);
	SSL_CTX_set_session_ticket_cb(c->ssl, on_new_ticket, on_old_ticket, c);
}
