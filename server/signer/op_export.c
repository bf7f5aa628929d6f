/*
 * Keys that may leave the domain. Whether one may is decided once, by whoever has it made: its
 * EXPORT_KEY is written in the operation that makes or takes in the key, and in no other, so that
 * nobody who holds main can have an existing key exported.
 */

#include "server/signer/core_priv.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "common/export/password.h"

#include <time.h>

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- with a key that is being made --- */

int
core_export_password(
    struct signer_core *c, const struct export_wish *wish, struct secret **out, struct err *err)
{
	const struct sealed_part part = {.ref = {wish->generation, 0},
	    .kind = SEAL_MAKE_EXPORT,
	    .public_part = wish->bound,
	    .sealed = wish->make->password};
	AUTO(secret_freep)
	struct secret *payload = NULL;
	AUTO(secret_freep)
	struct secret *password = NULL;
	struct span ignored;
	int r;

	if (part.sealed.len == 0)
		return 0;
	if (wish->keeps_key)
		return err_set(err, ERR_DENIED,
		    "a key that is there already is never made exportable; make a new one");
	r = core_open(c, &part, &payload, err);
	if (r == 0)
		r = wire_password_decode(payload, &password, &ignored, err);
	if (r == 0)
		r = password_check(password, wish->names.items, wish->names.count, err);
	if (r < 0)
		return err_wrap(err, "export password");
	*out = MOVE(password);
	return 0;
}

int
core_export_key(struct signer_core *c, const struct export_wish *wish, const struct pkey *key,
    const struct secret *password, struct op_out *out, struct err *err)
{
	const struct export_key_public public = {
	    .credential = wish->credential, .key = pkey_spki(key), .made_at = wish->make->made_at};
	struct sealed_part part = {.ref = wish->make->record, .kind = KIND_EXPORT_KEY};
	AUTO(buf_freep)
	struct buf *locked = buf_new(LIMIT_KEY + 1024);
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct audience to = {0};
	int r;

	if (password == NULL)
		return 0;
	if (wish->make->record.version != 1)
		return err_set(err, ERR_INVALID, "the key of an export is written once");
	r = pkey_put_encrypted_pkcs8(key, password, false, locked, err);
	if (r == 0)
		r = wire_export_key_encode(buf_span(locked), &payload, err);
	if (r == 0)
		r = wire_export_key_public_encode(&public, &out->export_public, err);
	if (r == 0)
		r = beliefs_audience(c->beliefs, (struct ids){NULL, 0}, &to, err);
	part.public_part = buf_span(&out->export_public);
	if (r == 0)
		r = core_seal(c, &part, payload, &to, &out->export_sealed, err);
	audience_fini(&to);
	out->done.export_public = buf_span(&out->export_public);
	out->done.export_sealed = buf_span(&out->export_sealed);
	return r;
}

/* --- given out --- */

/* What the command has sealed: the password, and whom the answer is for. */
struct asked {
	struct secret *password;
	struct pkey *reply_key;
};

static void
asked_fini(struct asked *a)
{
	secret_free(a->password);
	pkey_unref(a->reply_key);
}

static int
open_asked(struct signer_core *c, const struct signer_export *s, struct span purpose,
    struct asked *out, struct err *err)
{
	const struct sealed_part part = {.ref = {s->nonce, 0},
	    .kind = SEAL_EXPORT,
	    .public_part = purpose,
	    .sealed = s->password};
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct span reply_key;
	int r = core_open(c, &part, &payload, err);

	if (r == 0)
		r = wire_password_decode(payload, &out->password, &reply_key, err);
	if (r == 0)
		r = pkey_from_spki(reply_key, &out->reply_key, err);
	return r;
}

/* The password is right when it opens the key, and the key is that of the public part. */
static int
check_password(struct signer_core *c, const struct signer_export *s, const struct record *record,
    struct span locked, struct span spki, const struct secret *password, struct err *err)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	int r = tries_begin(c->tries, &record->id, now_ms(), err);

	if (r == 0)
		r = pkey_from_encrypted_pkcs8(locked, password, &key, err);
	if (r == ERR_DENIED)
		return err_set(err, ERR_DENIED, "the export password is wrong");
	if (r == 0 && !span_equal(pkey_spki(key), spki))
		r = err_set(err, ERR_CRYPTO, "the exported key is not that of its public part");
	return r < 0 ? r : tries_right(c->tries, &record->id, &s->nonce, err);
}

static int
seal_answer(struct signer_core *c, const struct signer_export *s, struct span purpose,
    const struct secret *payload, const struct pkey *to, struct buf *out, struct err *err)
{
	const struct seal_binding binding = {.domain = *trust_domain(c->trust),
	    .record = s->nonce,
	    .kind = SEAL_EXPORTED,
	    .public_part = purpose};

	return envelope_seal(&binding, payload, (const struct pkey *const[]){to}, 1, out, err);
}

int
do_export(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_export *s = &r->export;
	struct export_key_public public = {0};
	struct export_purpose purpose;
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct asked asked = {NULL, NULL};
	struct sealed_part part;
	struct span locked;
	struct record record;
	struct hash key;
	int rc = core_take_record(c, &s->record, KIND_EXPORT_KEY, &record, err);

	if (rc == 0)
		rc = wire_export_key_public_decode(record.public_part, &public, err);
	if (rc < 0)
		return rc;
	hash_of(public.key, &key);
	purpose = export_purpose(&record.id, &key);
	part = sealed_part_of(&record);
	rc = open_asked(c, s, SPAN_OF(purpose.bytes), &asked, err);
	if (rc == 0)
		rc = core_open(c, &part, &payload, err);
	if (rc == 0)
		rc = wire_export_key_decode(payload, &locked, err);
	if (rc == 0)
		rc = check_password(c, s, &record, locked, public.key, asked.password, err);
	if (rc == 0)
		rc = seal_answer(
		    c, s, SPAN_OF(purpose.bytes), payload, asked.reply_key, &out->sealed, err);
	asked_fini(&asked);
	export_key_public_fini(&public);
	return rc;
}
