#ifndef SERVER_CLI_EXPORT_FILES_H
#define SERVER_CLI_EXPORT_FILES_H

/* What 'certherd cert export' writes, and where. Private to server/cli. */

#include "common/crypto/cert.h"
#include "server/cli/cli.h"

enum export_format {
	FORMAT_PEM, /* key, leaf, issuers */
	FORMAT_P12,
	FORMAT_STORED_PEM, /* the encrypted key as it is stored */
	FORMAT_NGINX,      /* two files */
	FORMAT_HAPROXY,    /* leaf, issuers, key */
	FORMAT_CHAIN,      /* leaf, issuers */
	FORMAT__COUNT,
};

/* How it is to be, by the options of the command. */
struct export_plan {
	enum export_format format;
	bool legacy, encrypt, with_root, to_stdout;
	const char *out;
};
/* ERR_INVALID for what does not go together. */
NODISCARD int export_plan(struct cli *c, struct export_plan *out, struct err *err);
const char *export_format_name(enum export_format format);

/* What there is to be written. */
struct export_content {
	const char *name;   /* of the credential */
	struct span *certs; /* DER, the leaf first; those of a root at the end are left out */
	size_t cert_count;
	const struct pkey *key;        /* NULL: only the chain */
	struct span locked;            /* EncryptedPrivateKeyInfo, as stored */
	const struct secret *password; /* of the files */
};

#define EXPORT_FILES_MAX 2
struct export_written {
	char *paths[EXPORT_FILES_MAX]; /* owned */
	size_t count;
};
void export_written_fini(struct export_written *w);
/* Each file is there whole or not at all; what holds a key is for its owner alone. */
NODISCARD int export_write(struct cli *c, const struct export_plan *plan,
    const struct export_content *content, struct export_written *out, struct err *err);

#endif
