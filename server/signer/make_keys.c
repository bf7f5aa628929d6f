#include "server/signer/core_priv.h"

#include "common/sys/file.h"

#include <stdio.h>

void
signer_public_fini(struct signer_public *p)
{
	pkey_unref(p->sealing);
	pkey_unref(p->manager);
	pkey_unref(p->term);
	*p = (struct signer_public){0};
}

static int
add_key(struct keyfile *keys, const char *name, struct pkey **public, struct err *err)
{
	struct keyfile_entry *entry = &keys->entries[keys->count];
	int r = pkey_generate(KEY_EC_P256, &entry->key, err);

	if (r < 0)
		return r;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	keys->count++;
	return pkey_from_spki(pkey_spki(entry->key), public, err);
}

int
signer_make_keys(const char *path, uint64_t term, struct signer_public *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *text = NULL;
	char term_name[TERM_KEY_NAME_MAX];
	struct signer_public public = {0};
	struct keyfile keys = {0};
	int r = add_key(&keys, "sealing", &public.sealing, err);

	if (r == 0)
		r = add_key(&keys, "manager", &public.manager, err);
	if (r == 0)
		r = add_key(&keys, term_key_name(term, term_name), &public.term, err);
	if (r == 0)
		r = keyfile_format(&keys, &text, err);
	if (r == 0)
		r = file_write_private(path, secret_span(text), err);
	keyfile_fini(&keys);
	if (r < 0) {
		signer_public_fini(&public);
		return r;
	}
	*out = public;
	return 0;
}
