/*
 * Plaintexts of seals. Reading borrows from the secret and copies into new ones; writing packs
 * straight into a new one: key bytes never lie on the common heap.
 */

#include "common/crypto/sign.h"
#include "common/wire/fields.h"
#include "common/wire/public_wire.h"

#include <string.h>

static int
secret_of(ProtobufCBinaryData in, struct secret **out, struct err *err)
{
	struct secret *s;
	int rc = secret_new(in.len, &s, err);

	if (rc < 0)
		return rc;
	memcpy(secret_bytes(s), in.data, in.len);
	*out = s;
	return 0;
}

static int
pack_secret(const ProtobufCMessage *m, struct secret **out, struct err *err)
{
	struct secret *s;
	int rc = secret_new(protobuf_c_message_get_packed_size(m), &s, err);

	if (rc < 0)
		return rc;
	protobuf_c_message_pack(m, secret_bytes(s));
	*out = s;
	return 0;
}

/* The parts of a list, each with its own bounds, as secrets; all or none. */
static int
secrets_of(struct fields *f, const char *field, size_t count, const ProtobufCBinaryData *in,
    size_t max_count, size_t min, size_t max, struct secret **out)
{
	struct spans parts = get_spans(f, field, count, in, max_count, max);
	size_t n = 0;
	int rc = 0;

	get_rule(f, count > 0, "it is empty");
	for (size_t i = 0; i < parts.count; i++)
		get_rule(f, parts.items[i].len >= min, "a key is too short");
	if (f->error < 0)
		return f->error;
	while (rc == 0 && n < count) {
		rc = secret_of(in[n], &out[n], f->err);
		n += rc == 0;
	}
	while (rc < 0 && n > 0) {
		secret_free(out[--n]);
		out[n] = NULL;
	}
	return rc;
}

static ProtobufCBinaryData *
put_secrets(struct arena *a, struct secret *const *keys, size_t count)
{
	struct span items[LIMIT_GROUP_KEYS];

	CHECK(count <= ARRAY_LEN(items));
	for (size_t i = 0; i < count; i++)
		items[i] = secret_span(keys[i]);
	return put_spans(a, (struct spans){items, count});
}

int
wire_private_key_decode(const struct secret *in, struct secret **pkcs8, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	Certherd__PrivateKey *m;
	void *message;
	int rc = fields_open(&f, &certherd__private_key__descriptor, secret_span(in), LIMIT_SEALED,
	    false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	get_bytes(&f, "pkcs8", m->pkcs8, 1, LIMIT_KEY);
	return f.error < 0 ? f.error : secret_of(m->pkcs8, pkcs8, err);
}

int
wire_private_key_encode(const struct secret *pkcs8, struct secret **out, struct err *err)
{
	Certherd__PrivateKey m = CERTHERD__PRIVATE_KEY__INIT;

	m.pkcs8 = put_span(secret_span(pkcs8));
	return pack_secret(&m.base, out, err);
}

void
group_keys_fini(struct group_keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->count; i++)
		secret_free(k->pkcs8[i]);
	memset(k, 0, sizeof(*k));
}

int
wire_group_keys_decode(const struct secret *in, struct group_keys *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct group_keys keys = {0};
	Certherd__GroupKeys *m;
	void *message;
	int rc = fields_open(&f, &certherd__group_keys__descriptor, secret_span(in), LIMIT_SEALED,
	    false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	rc = secrets_of(
	    &f, "pkcs8", m->n_pkcs8, m->pkcs8, LIMIT_GROUP_KEYS, 1, LIMIT_KEY, keys.pkcs8);
	if (rc < 0)
		return rc;
	keys.count = m->n_pkcs8;
	*out = keys;
	return 0;
}

int
wire_group_keys_encode(const struct group_keys *k, struct secret **out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__GroupKeys m = CERTHERD__GROUP_KEYS__INIT;

	m.n_pkcs8 = k->count;
	m.pkcs8 = put_secrets(arena, k->pkcs8, k->count);
	return pack_secret(&m.base, out, err);
}

void
ticket_keys_fini(struct ticket_keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->count; i++)
		secret_free(k->keys[i]);
	memset(k, 0, sizeof(*k));
}

int
wire_ticket_keys_decode(const struct secret *in, struct ticket_keys *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct ticket_keys keys = {0};
	Certherd__TicketKeys *m;
	void *message;
	int rc = fields_open(&f, &certherd__ticket_keys__descriptor, secret_span(in), LIMIT_SEALED,
	    false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	rc = secrets_of(&f, "keys", m->n_keys, m->keys, LIMIT_TICKET_KEYS, TICKET_KEY_LEN,
	    TICKET_KEY_LEN, keys.keys);
	if (rc < 0)
		return rc;
	keys.count = m->n_keys;
	*out = keys;
	return 0;
}

int
wire_ticket_keys_encode(const struct ticket_keys *k, struct secret **out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__TicketKeys m = CERTHERD__TICKET_KEYS__INIT;

	m.n_keys = k->count;
	m.keys = put_secrets(arena, k->keys, k->count);
	return pack_secret(&m.base, out, err);
}

int
wire_password_decode(
    const struct secret *in, struct secret **password, struct span *reply_key, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	Certherd__SealedPassword *m;
	void *message;
	int rc = fields_open(&f, &certherd__sealed_password__descriptor, secret_span(in),
	    LIMIT_SEALED, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	get_bytes(&f, "password", m->password, 1, LIMIT_KEY);
	*reply_key = get_bytes(&f, "reply_key", m->reply_key, 0, LIMIT_SPKI);
	return f.error < 0 ? f.error : secret_of(m->password, password, err);
}

int
wire_password_encode(
    const struct secret *password, struct span reply_key, struct secret **out, struct err *err)
{
	Certherd__SealedPassword m = CERTHERD__SEALED_PASSWORD__INIT;

	m.password = put_span(secret_span(password));
	m.reply_key = put_span(reply_key);
	return pack_secret(&m.base, out, err);
}

int
wire_export_key_decode(const struct secret *in, struct span *encrypted, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	Certherd__ExportKey *m;
	void *message;
	int rc = fields_open(&f, &certherd__export_key__descriptor, secret_span(in), LIMIT_SEALED,
	    false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	*encrypted = get_bytes(&f, "encrypted_pkcs8", m->encrypted_pkcs8, 1, LIMIT_KEY + 1024);
	return f.error;
}

int
wire_export_key_encode(struct span encrypted, struct secret **out, struct err *err)
{
	Certherd__ExportKey m = CERTHERD__EXPORT_KEY__INIT;

	m.encrypted_pkcs8 = put_span(encrypted);
	return pack_secret(&m.base, out, err);
}

struct export_purpose
export_purpose(const struct id *record, const struct hash *key)
{
	struct export_purpose p;

	memcpy(p.bytes, record->bytes, ID_LEN);
	memcpy(p.bytes + ID_LEN, key->bytes, HASH_LEN);
	return p;
}

int
imported_key_purpose(
    struct span certificate, struct span export_password, struct buf *out, struct err *err)
{
	struct hash hash;

	buf_put_span(out, certificate);
	if (export_password.len > 0) {
		hash_of(export_password, &hash);
		buf_put_span(out, SPAN(hash.bytes, HASH_LEN));
	}
	return buf_error(out, "what an imported key is for", err);
}
