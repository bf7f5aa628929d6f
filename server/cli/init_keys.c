#include "server/cli/init.h"

#include "common/crypto/sign.h"
#include "common/sys/file.h"

#include <stdio.h>

int
init_keys_make(const char *domain_name, bool with_recovery, int64_t now, struct init_keys *out,
    struct err *err)
{
	struct init_keys k = {.root_key = NULL};
	int r;

	random_bytes(k.domain.bytes, sizeof(k.domain.bytes));
	r = pkey_generate(KEY_EC_P384, &k.root_key, err);
	if (r == 0 && with_recovery)
		r = pkey_generate(KEY_EC_P256, &k.recovery, err);
	if (r == 0)
		r = cert_issue_root(k.root_key, domain_name, &k.domain, now, &k.root, err);
	if (r < 0) {
		init_keys_fini(&k);
		return r;
	}
	*out = k;
	return 0;
}

void
init_keys_fini(struct init_keys *k)
{
	pkey_unref(k->root_key);
	pkey_unref(k->recovery);
	cert_unref(k->root);
	*k = (struct init_keys){.root_key = NULL};
}

static int
write_key(const char *dir, const char *file, const struct pkey *key,
    const struct secret *passphrase, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/%s", dir, file);
	AUTO(buf_freep)
	struct buf *pem = buf_new(LIMIT_PEM_FILE);
	int r = pkey_to_encrypted_pem(key, passphrase, pem, err);

	return r < 0 ? r : file_write_private(path, buf_span(pem), err);
}

static const char readme[] =
    "These files belong to no running program. Move them to a place that is offline, and keep\n"
    "copies; without root.key nobody can replace a lost manager.\n"
    "\n"
    "root.key      The domain's root key, under your passphrase. It decides who is manager:\n"
    "              whoever has it and the passphrase can make themselves manager.\n"
    "root.pem      Its certificate. Public; its fingerprint is in every join token.\n";

static const char readme_recovery[] =
    "recovery.key  The recovery key, under its passphrase. It signs nothing and opens everything:\n"
    "              whoever has it, its passphrase and the database of any node can read every\n"
    "              private key of the domain. With the root key it makes a new manager out of any\n"
    "              node's database when all servers are lost.\n";

static const char readme_none[] =
    "There is no recovery key: if every server that may be manager is lost, the private keys of\n"
    "the domain are lost for management. Nodes go on serving what they have.\n";

static int
write_readme(const struct init_keys *k, const char *dir, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/README", dir);
	AUTO(mem_freep)
	char *text =
	    mem_printf("%s%s", readme, k->recovery != NULL ? readme_recovery : readme_none);

	return file_write_atomic(path, 0600, span_str(text), err);
}

int
init_keys_write(const struct init_keys *k, const char *dir, const struct secret *root_passphrase,
    const struct secret *recovery_passphrase, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/root.pem", dir);
	AUTO(buf_freep)
	struct buf *pem = buf_new(LIMIT_PEM_FILE);
	int r;

	cert_put_pem(cert_der(k->root), pem);
	if ((r = dir_make_private(dir, err)) < 0 || (r = buf_error(pem, "root.pem", err)) < 0 ||
	    (r = write_key(dir, "root.key", k->root_key, root_passphrase, err)) < 0 ||
	    (r = file_write_atomic(path, 0644, buf_span(pem), err)) < 0)
		return r;
	if (k->recovery != NULL &&
	    (r = write_key(dir, "recovery.key", k->recovery, recovery_passphrase, err)) < 0)
		return r;
	return write_readme(k, dir, err);
}
