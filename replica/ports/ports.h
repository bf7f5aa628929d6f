#ifndef REPLICA_PORTS_PORTS_H
#define REPLICA_PORTS_PORTS_H

/*
 * The listeners of a replica: "tls" ports end TLS with certificates from the cache and hand plain
 * bytes to a backend; "http" ports answer plain HTTP with a redirect to TLS. Each port listens once
 * per loop thread (SO_REUSEPORT); the loops share only the cache. Made, changed and closed on the
 * main loop's thread.
 */

#include "common/conf/conf.h"

struct cache;
struct cert;
struct loop;
struct ports;

enum port_kind {
	PORT_TLS,
	PORT_HTTP,
};

/* One section `port "NAME" { ... }` of the configuration; owned by the configuration. */
struct port_config {
	char *name;
	char *listen; /* host:port, port 0 for any */
	int kind;     /* enum port_kind */
	/* tls */
	char *backend;       /* "builtin", "tcp:HOST:PORT", "unix:/PATH" */
	bool proxy_protocol; /* PROXY protocol version 2 before the first byte */
	char *fallback;      /* name whose credential serves clients without SNI or unknown names */
	int min_tls;         /* enum tls_version */
	char *ciphers;       /* TLS 1.2, NULL: default */
	char *ciphersuites;  /* TLS 1.3, NULL: default */
	char *groups;
	struct conf_list alpn;   /* offered on behalf of the backend */
	int client_certificates; /* enum tls_client_cert */
	char *client_ca;         /* PEM file of roots; NULL: those of ports_set_roots */
	bool resumption;
	bool send_root;
	int64_t connections; /* at most, over all loops */
	/* http */
	int64_t https_port; /* where redirects point to */
};

struct ports_params {
	struct loop *loop; /* the main loop */
	struct cache *cache;
	const struct port_config *configs; /* must live as long as the ports */
	size_t count;
	unsigned threads;                /* loops; 0: one for each core */
	const struct cert *const *roots; /* as for ports_set_roots */
	size_t root_count;
};

/* Whether a port could be set up: its names, files and what OpenSSL is to know. Opens nothing. */
NODISCARD int port_config_check(const struct port_config *config, struct err *err);

/* Whether it judges the certificates of clients by the roots of ports_set_roots. */
bool port_config_wants_roots(const struct port_config *config);

/* Everything listens when it returns 0; otherwise nothing does, and err names the port. */
NODISCARD int ports_new(const struct ports_params *params, struct ports **out, struct err *err);
void ports_close(struct ports *p, void (*closed)(void *arg), void *arg);

/*
 * Whom the ports without client_ca believe from the next connection on; without any no certificate
 * of a client is good. Handshakes under way keep theirs; tickets of before are worth nothing. On
 * failure all is as before. Borrowed for the call.
 */
NODISCARD int ports_set_roots(
    struct ports *p, const struct cert *const *roots, size_t count, struct err *err);

/* "127.0.0.1:8443" of the i-th port, with its real number. Borrowed. */
const char *ports_address(const struct ports *p, size_t i);

/* What the built-in page shows from now on: JSON of this node's status. Copied. */
void ports_set_status(struct ports *p, struct span json);

struct port_counts {
	uint64_t accepted, handshakes, resumed, failed, refused; /* refused: by a limit */
	uint64_t open;                                           /* now */
};
void ports_counts(const struct ports *p, size_t i, struct port_counts *out);

#endif
