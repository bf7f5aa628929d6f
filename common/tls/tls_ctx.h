#ifndef COMMON_TLS_TLS_CTX_H
#define COMMON_TLS_TLS_CTX_H

/*
 * What the ends of TLS connections have in common: versions, algorithms, who is believed, who we
 * are. Two ways to judge a peer: "pinned" for members of the domain (the chain must end in the one
 * pinned root, then the caller is asked about the key), and "roots" for client certificates of a
 * port. A context is reference-counted and may be used by the loops of several threads; only
 * tls_ctx_set_identity and tls_ctx_set_ticket_keys change it, and both may be called while
 * handshakes run elsewhere.
 */

#include "common/crypto/cert.h"

struct tls_ctx;
struct tls_stream;

/*
 * A leaf with its chain and private key as OpenSSL uses them: made once, shared by all handshakes.
 * Immutable, reference-counted; the private key is wiped with the last reference.
 */
struct tls_identity;

/*
 * chain: the leaf first; a root at its end is sent only by contexts with send_root. ERR_CRYPTO: not
 * the leaf's key.
 */
NODISCARD int tls_identity_new(const struct cert *const *chain, size_t count,
    const struct pkey *key, struct tls_identity **out, struct err *err);
struct tls_identity *tls_identity_ref(struct tls_identity *id);
void tls_identity_unref(struct tls_identity *id);
DEFINE_FREEP(struct tls_identity, tls_identity_unref)
const struct cert *tls_identity_leaf(const struct tls_identity *id); /* borrowed */

enum tls_version {
	TLS_1_2,
	TLS_1_3,
};

enum tls_client_cert {
	TLS_CLIENT_NONE,    /* not asked for */
	TLS_CLIENT_REQUEST, /* asked for; one that is given must be good */
	TLS_CLIENT_REQUIRE,
};

/* A protocol by its ALPN name; on a server with its own rule for client certificates. */
struct tls_alpn {
	const char *name;
	enum tls_client_cert client_cert;
};

#define TLS_ALPN_MAX 8
#define TLS_ALPN_NAME_MAX 32

/*
 * Is this member's certificate accepted? Called during the handshake, when the chain to the pinned
 * root is good; expired says that the leaf has run out, and nothing else is wrong. 0, or a
 * negative code, which ends the handshake. The connection must not be closed from inside.
 */
typedef int tls_accept_cb(void *arg, const struct cert *peer, bool expired, struct err *err);

/* What a client can verify, for the choice between certificates of one name. */
#define TLS_CAN_ECDSA_P256 1U
#define TLS_CAN_ECDSA_P384 2U
#define TLS_CAN_ECDSA_P521 4U
#define TLS_CAN_RSA 8U
#define TLS_CAN_ED25519 16U

struct tls_hello {
	const char *name; /* SNI as sent, or NULL */
	unsigned can;
};

/* Goes into a ticket: credential id, generation id, hash of the port's policy. */
#define TLS_TICKET_LEN 48

enum tls_select {
	TLS_SELECT_OK,      /* *identity is a new reference, ticket is filled in */
	TLS_SELECT_PENDING, /* tls_stream_resume will be called; the handshake waits */
	TLS_SELECT_NONE,    /* nothing that this client can use: handshake failure */
};

/*
 * Choosing the certificate of each handshake. arg is that of the stream (its owner); none of these
 * may close the stream from inside. All are called on the stream's loop.
 */
struct tls_select_ops {
	/* Cheap: is there anything for that name? False ends with unrecognized_name. */
	bool (*knows)(void *arg, const char *name);
	/* Called again after a resume. */
	enum tls_select (*select)(void *arg, struct tls_stream *s, const struct tls_hello *hello,
	    struct tls_identity **identity, uint8_t ticket[static TLS_TICKET_LEN]);
	/*
	 * May this ticket be resumed? False: a full handshake follows. name: of the handshake in
	 * which the ticket was made, or NULL.
	 */
	bool (*may_resume)(
	    void *arg, const char *name, const uint8_t ticket[static TLS_TICKET_LEN]);
};

struct tls_ctx_params {
	bool server;
	enum tls_version min, max;
	const char *ciphers;      /* TLS 1.2, OpenSSL's names; NULL: forward secret AEAD only */
	const char *ciphersuites; /* TLS 1.3; NULL: OpenSSL's */
	const char *groups;       /* NULL: X25519:P-256:P-384 */
	const struct tls_alpn
	    *alpn; /* server: in order of our preference; client: what is offered */
	size_t alpn_count;
	bool alpn_ignore_unknown; /* server: go on without when nothing fits; else an alert */

	/* Judging the peer: pinned, or roots, or (both absent) not at all, on a server only. */
	const struct cert *pinned;
	tls_accept_cb *accept; /* with pinned; NULL: whoever chains to it */
	void *accept_arg;
	const struct cert *const *roots;
	size_t root_count;
	enum tls_client_cert client_cert; /* server, where no rule of alpn applies */

	struct tls_identity *identity; /* ours, referenced; NULL: none, or select */
	const struct tls_select_ops *select;
	bool send_root; /* behind the chain of the identity, if it has one */

	bool tickets; /* server: resumption, by the keys of tls_ctx_set_ticket_keys */
	struct span
	    ticket_scope; /* at most 32 bytes: tickets of another scope are not known here */
};

/* ERR_INVALID names the list that OpenSSL does not understand. */
NODISCARD int tls_ctx_new(const struct tls_ctx_params *p, struct tls_ctx **out, struct err *err);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *c);
void tls_ctx_unref(struct tls_ctx *c);
DEFINE_FREEP(struct tls_ctx, tls_ctx_unref)

/* For the handshakes that begin from now on. */
void tls_ctx_set_identity(struct tls_ctx *c, struct tls_identity *id);

/*
 * Keys of tickets, 80 bytes each: name 16, AES-256 32, HMAC 32; the first one makes new tickets,
 * all of them open old ones. Copied onto the secure heap. ERR_INVALID for other lengths.
 */
#define TLS_TICKET_KEY_LEN 80
#define TLS_TICKET_KEYS_MAX 4
NODISCARD int tls_ctx_set_ticket_keys(
    struct tls_ctx *c, const struct secret *keys, struct err *err);

#endif
