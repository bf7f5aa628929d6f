#include "samples.h"
#include "values.h"

#include "common/wire/public_wire.h"

#include <string.h>

static struct secret *
secret_sample(const char *text)
{
	struct secret *s;
	struct err err;

	CHECK(secret_new(strlen(text), &s, &err) == 0);
	memcpy(secret_bytes(s), text, strlen(text));
	return s;
}

static int
put_secret(int rc, struct secret *s, struct buf *out)
{
	if (rc < 0)
		return rc;
	buf_put_span(out, secret_span(s));
	secret_free(s);
	return 0;
}

static struct secret *
secret_of(struct span in)
{
	struct secret *s;
	struct err err;

	CHECK(secret_new(in.len, &s, &err) == 0);
	if (in.len > 0)
		memcpy(secret_bytes(s), in.data, in.len);
	return s;
}

static int
encode_private_key(struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *key = secret_sample("pkcs8");
	struct secret *s = NULL;
	int rc = wire_private_key_encode(key, &s, err);

	return put_secret(rc, s, out);
}

static int
recode_private_key(struct span in, struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *whole = secret_of(in);
	AUTO(secret_freep)
	struct secret *key = NULL;
	struct secret *s = NULL;
	int rc = wire_private_key_decode(whole, &key, err);

	if (rc == 0)
		rc = wire_private_key_encode(key, &s, err);
	return put_secret(rc, s, out);
}

static int
encode_password(struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *password = secret_sample("correct horse");
	struct secret *s = NULL;
	int rc = wire_password_encode(password, SPAN(NULL, 0), &s, err);

	return put_secret(rc, s, out);
}

static int
encode_export_password(struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *password = secret_sample("correct horse");
	struct secret *s = NULL;
	int rc = wire_password_encode(password, BYTES("reply key"), &s, err);

	return put_secret(rc, s, out);
}

static int
recode_password(struct span in, struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *whole = secret_of(in);
	AUTO(secret_freep)
	struct secret *password = NULL;
	struct secret *s = NULL;
	struct span reply_key;
	int rc = wire_password_decode(whole, &password, &reply_key, err);

	if (rc == 0)
		rc = wire_password_encode(password, reply_key, &s, err);
	return put_secret(rc, s, out);
}

static int
encode_export_key(struct buf *out, struct err *err)
{
	struct secret *s = NULL;
	int rc = wire_export_key_encode(BYTES("encrypted pkcs8"), &s, err);

	return put_secret(rc, s, out);
}

static int
recode_export_key(struct span in, struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *whole = secret_of(in);
	struct secret *s = NULL;
	struct span encrypted;
	int rc = wire_export_key_decode(whole, &encrypted, err);

	if (rc == 0)
		rc = wire_export_key_encode(encrypted, &s, err);
	return put_secret(rc, s, out);
}

static int
encode_imported_key(struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *key = secret_sample("imported pkcs8");
	struct secret *s = NULL;
	int rc = wire_private_key_encode(key, &s, err);

	return put_secret(rc, s, out);
}

static int
encode_group_keys(struct buf *out, struct err *err)
{
	struct group_keys k = {.count = 2};
	struct secret *s = NULL;
	int rc;

	k.pkcs8[0] = secret_sample("new key");
	k.pkcs8[1] = secret_sample("old key");
	rc = wire_group_keys_encode(&k, &s, err);
	group_keys_fini(&k);
	return put_secret(rc, s, out);
}

static int
recode_group_keys(struct span in, struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *whole = secret_of(in);
	struct secret *s = NULL;
	struct group_keys k;
	int rc = wire_group_keys_decode(whole, &k, err);

	if (rc < 0)
		return rc;
	rc = wire_group_keys_encode(&k, &s, err);
	group_keys_fini(&k);
	return put_secret(rc, s, out);
}

static int
encode_ticket_keys(struct buf *out, struct err *err)
{
	struct ticket_keys k = {.count = 1};
	struct secret *s = NULL;
	int rc;

	k.keys[0] = secret_sample("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
				  "0123456789abcdef");
	rc = wire_ticket_keys_encode(&k, &s, err);
	ticket_keys_fini(&k);
	return put_secret(rc, s, out);
}

static int
recode_ticket_keys(struct span in, struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *whole = secret_of(in);
	struct secret *s = NULL;
	struct ticket_keys k;
	int rc = wire_ticket_keys_decode(whole, &k, err);

	if (rc < 0)
		return rc;
	rc = wire_ticket_keys_encode(&k, &s, err);
	ticket_keys_fini(&k);
	return put_secret(rc, s, out);
}

static int
encode_join_token(struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *key = secret_sample("0123456789abcdef");
	struct join_token t = {.token_id = "abcdefghijklmno",
	    .secret = key,
	    .root_fingerprint = hash_a,
	    .domain = domain,
	    .endpoints = TEXTS("192.0.2.1:7443", "[2001:db8::1]:7443"),
	    .term = TERM,
	    .name = "web1",
	    .expires_at = 1763732813};
	struct secret *s = NULL;
	int rc = join_token_format(&t, &s, err);

	return put_secret(rc, s, out);
}

static int
recode_join_token(struct span in, struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *whole = secret_of(in);
	struct secret *s = NULL;
	struct join_token t;
	int rc = join_token_parse(whole, &t, err);

	if (rc < 0)
		return rc;
	rc = join_token_format(&t, &s, err);
	join_token_fini(&t);
	return put_secret(rc, s, out);
}

static const struct sample items[] = {
    {"token/token", encode_join_token, recode_join_token},
    {"payload/private_key", encode_private_key, recode_private_key},
    {"payload/password", encode_password, recode_password},
    {"payload/export_password", encode_export_password, recode_password},
    {"payload/export_key", encode_export_key, recode_export_key},
    {"payload/imported_key", encode_imported_key, recode_private_key},
    {"payload/group_keys", encode_group_keys, recode_group_keys},
    {"payload/ticket_keys", encode_ticket_keys, recode_ticket_keys},
};

const struct samples secret_samples = {items, ARRAY_LEN(items)};
