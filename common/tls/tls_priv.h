#ifndef COMMON_TLS_TLS_PRIV_H
#define COMMON_TLS_TLS_PRIV_H

/* The inside of contexts and streams, shared by the files of this folder that meet OpenSSL. */

#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"
#include "common/tls/stream.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

struct tls_identity {
	atomic_uint refs;
	struct cert *leaf;
	struct cert *issuers[LIMIT_CHAIN];
	size_t issuer_count;
	struct cert *root; /* behind them, or NULL */
	struct pkey *key;
	STACK_OF(X509) * chain; /* of the issuers, borrowed from them */
};

/* Gives the certificate and key to one handshake; with_root: its root is sent too. ERR_CRYPTO. */
NODISCARD int tls_identity_use(
    const struct tls_identity *id, bool with_root, SSL *ssl, struct err *err);

struct ticket_key_set {
	atomic_uint refs;
	struct secret *bytes;
};

struct tls_ctx {
	atomic_uint refs;
	SSL_CTX *ssl;
	bool server, tickets, alpn_ignore_unknown, send_root;
	struct tls_alpn alpn[TLS_ALPN_MAX];
	char alpn_names[TLS_ALPN_MAX][TLS_ALPN_NAME_MAX];
	size_t alpn_count;
	enum tls_client_cert client_cert;
	struct cert *pinned;
	tls_accept_cb *accept;
	void *accept_arg;
	const struct tls_select_ops *select;
	pthread_mutex_t lock; /* of the two below */
	struct tls_identity *identity;
	struct ticket_key_set *ticket_keys;
};

/* New reference, or NULL. */
struct tls_identity *tls_ctx_identity(struct tls_ctx *c);

/* verify.c: judging the peer's chain. */
int tls_verify_mode(enum tls_client_cert rule);
int tls_verify_pinned(X509_STORE_CTX *store, void *arg);
NODISCARD int tls_cert_of(X509 *x509, struct cert **out, struct err *err);

/*
 * probe.c: for looks at servers that are not believed. A context that takes whatever is spoken,
 * NULL with an error; and the certificates that the server has sent, leaf first, for the caller to
 * unref.
 */
SSL_CTX *tls_curious_ctx(struct err *err);
NODISCARD int tls_sent_chain(
    SSL *ssl, struct cert *out[static LIMIT_CHAIN], size_t *count, struct err *err);
DEFINE_OSSL_FREEP(SSL_CTX, SSL_CTX_free)

/* select.c: the choices of a server. */
void tls_select_install(struct tls_ctx *c);

/* ticket.c */
void tls_ticket_install(struct tls_ctx *c);
void ticket_key_set_unref(struct ticket_key_set *keys);

/* bio.c: a BIO over the stream's socket that never raises SIGPIPE. NULL without memory. */
BIO *tls_bio_new(struct tls_stream *s);
/* Sends what is held back; the rest, if the socket is full, when it is writable or SSL writes. */
void tls_bio_flush(struct tls_stream *s);
#define TLS_HELD_MAX (16 * 1024)

struct tls_stream {
	uint32_t magic;
	struct loop *loop;
	struct tls_ctx *ctx;
	SSL *ssl;
	int fd;
	struct loop_fd *watch;
	const struct tls_stream_events *events;
	void *arg;

	enum {
		STREAM_CONNECTING,
		STREAM_HANDSHAKE,
		STREAM_SUSPENDED, /* inside the handshake, until tls_stream_resume */
		STREAM_READY,
		STREAM_FAILED,
	} state;
	unsigned want;          /* the owner's */
	unsigned handshake_for; /* what the handshake waits for */
	bool reset;             /* the watch has stopped itself */
	bool held_bytes;        /* OpenSSL may have something to read without the socket */
	bool read_wants_write, write_wants_read;
	bool broken;   /* an error after which SSL must be left alone */
	bool finished; /* close_notify is sent */
	bool corked;   /* what SSL writes is held back, to leave in one piece */
	struct buf held;
	struct timer deadline, kick;

	struct tls_identity *identity; /* ours, as long as SSL uses it */
	struct cert *peer;
	bool peer_expired;
	struct err refusal; /* what the accept callback said; code 0 if nothing */
	bool has_ticket;
	uint8_t ticket[TLS_TICKET_LEN];
};

#define STREAM_MAGIC 0x7c15a9e1U
#define STREAM_OF(ssl) OBJ_CAST(struct tls_stream, SSL_get_app_data(ssl), STREAM_MAGIC)

#endif
