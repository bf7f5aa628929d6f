/* The key of the managers, believed for its signatures, and what is sealed to it. */

#include "server/cli/import.h"

#include "common/base/str.h"
#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "common/sys/file.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"

#include <string.h>

#define DOMAIN_FILE_MAX (64 * 1024)

/* The file that says which root this host was made a member under lies beside the socket. */
static int
pin_from_file(struct cli *c, struct hash *out, struct err *err)
{
	AUTO(mem_freep)
	char *socket = NULL;
	AUTO(mem_freep)
	char *path = NULL;
	AUTO(buf_freep)
	struct buf *text = buf_new(DOMAIN_FILE_MAX);
	AUTO(json_freep)
	struct json *root = NULL;
	const char *slash;
	int r = cli_socket(c, &socket, err);

	if (r < 0)
		return r;
	slash = strrchr(socket, '/');
	path = mem_printf("%.*s/domain.json", slash != NULL ? (int)(slash - socket) : 1,
	    slash != NULL ? socket : ".");
	if (file_read(path, DOMAIN_FILE_MAX, text, err) < 0 ||
	    json_parse(buf_span(text), DOMAIN_FILE_MAX, &root, err) < 0 ||
	    hash_parse(json_text(root, "root_fingerprint"), out, err) < 0) {
		cli_hint(c,
		    "say which root the domain has: --root FINGERPRINT, as 'certherd init' has "
		    "printed it");
		return err_set(err, ERR_DENIED,
		    "'%.160s' does not say which root the domain has, so nothing can be sealed to "
		    "its managers",
		    path);
	}
	return 0;
}

static int
pin_get(struct cli *c, struct hash *out, struct err *err)
{
	const char *given = cli_option(c, "root");
	int r;

	if (given == NULL)
		return pin_from_file(c, out, err);
	r = hash_parse(given, out, err);
	if (r < 0) {
		(void)!err_wrap(err, "option --root");
		return err->code = ERR_INVALID;
	}
	return 0;
}

static int
decode(const char *text, size_t max, struct buf *out, struct err *err)
{
	buf_fini(out);
	*out = BUF_INIT(max);
	return base64_decode(span_str(text), out, err);
}

static int
believe(const struct json *reply, const struct hash *pin, struct trust **out, struct err *err)
{
	const struct json *list = json_member(reply, "designations");
	struct buf bytes = BUF_INIT(0);
	AUTO(trust_freep)
	struct trust *t = NULL;
	int r = decode(json_text(reply, "root"), LIMIT_CERT, &bytes, err);

	if (r == 0)
		r = trust_new(buf_span(&bytes), pin, &t, err);
	for (size_t i = 0; r == 0 && i < json_count(list); i++) {
		const char *text = json_value_text(json_item(list, i));
		struct signed_designation d;

		r = decode(text != NULL ? text : "", LIMIT_DESIGNATION + 1024, &bytes, err);
		if (r == 0)
			r = wire_signed_designation_decode(buf_span(&bytes), &d, err);
		if (r == 0)
			r = trust_add_designation(t, &d, err);
	}
	buf_fini(&bytes);
	if (r == 0)
		*out = MOVE(t);
	return r;
}

static int
key_of_group(const struct record *record, struct pkey **out, struct err *err)
{
	struct group_public g = {0};
	int r;

	if (record->kind != KIND_GROUP || record->removed)
		return err_set(err, ERR_CRYPTO, "the record is none of a group");
	r = wire_group_public_decode(record->public_part, &g, err);
	if (r == 0 && !g.built_in)
		r = err_set(
		    err, ERR_CRYPTO, "'%.60s' is not the group of the managers", record->name);
	if (r == 0)
		r = pkey_from_spki(g.key, out, err);
	group_public_fini(&g);
	return r;
}

static int
take_group(const struct json *reply, const struct trust *t, struct pkey **out, struct err *err)
{
	struct buf bytes = BUF_INIT(0);
	struct signed_bytes s;
	struct record record;
	int r = decode(json_text(reply, "group"), LIMIT_RECORD + 1024, &bytes, err);

	if (r == 0)
		r = wire_signed_decode(buf_span(&bytes), LIMIT_RECORD, &s, err);
	if (r == 0)
		r = wire_record_decode(s.body, &record, err);
	if (r == 0)
		r = trust_verify_record(t, &record, s.body, s.signature, err);
	if (r == 0)
		r = key_of_group(&record, out, err);
	buf_fini(&bytes);
	return r;
}

int
managers_get(struct cli *c, struct managers *out, struct err *err)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	struct managers m = {NULL, NULL};
	struct hash pin;
	int r = pin_get(c, &pin, err);

	if (r == 0)
		r = cli_call(c, "GET", "/v1/managers", NULL, &reply, err);
	if (r < 0)
		return r;
	r = believe(reply, &pin, &m.trust, err);
	if (r == 0)
		r = take_group(reply, m.trust, &m.key, err);
	if (r < 0) {
		managers_fini(&m);
		return err_wrap(err, "the key of the managers, as the server gives it");
	}
	*out = m;
	return 0;
}

void
managers_fini(struct managers *m)
{
	trust_free(m->trust);
	pkey_unref(m->key);
	*m = (struct managers){NULL, NULL};
}

int
managers_seal(const struct managers *m, uint32_t kind, struct span public_part,
    const struct secret *payload, struct id *nonce, struct buf *out, struct err *err)
{
	const struct pkey *const recipients[] = {m->key};
	struct seal_binding b = {
	    .domain = *trust_domain(m->trust), .kind = kind, .public_part = public_part};
	int r;

	id_random(&b.record);
	r = envelope_seal(&b, payload, recipients, 1, out, err);
	if (r == 0)
		*nonce = b.record;
	return r;
}
