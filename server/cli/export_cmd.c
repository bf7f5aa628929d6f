/* Giving a key out of the domain, to whoever knows its password. */

#include "server/cli/commands.h"
#include "server/cli/export.h"
#include "server/cli/export_files.h"
#include "server/cli/init.h"

#include "common/base/str.h"
#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "common/export/password.h"
#include "common/wire/public_wire.h"

#include <string.h>

struct exporting {
	struct cli *c;
	struct export_plan plan;
	struct json *cert, *reply;
	/* of the key */
	struct id record, nonce;
	struct hash key_hash;
	struct managers managers;
	struct secret *password, *file_password, *payload;
	struct pkey *reply_key, *key;
	struct span locked; /* borrowed from payload */
	struct buf *certs[LIMIT_CHAIN];
	struct span ders[LIMIT_CHAIN];
	size_t cert_count;
};

static void
exporting_fini(struct exporting *x)
{
	json_free(x->cert);
	json_free(x->reply);
	managers_fini(&x->managers);
	secret_free(x->password);
	secret_free(x->file_password);
	secret_free(x->payload);
	pkey_unref(x->reply_key);
	pkey_unref(x->key);
	for (size_t i = 0; i < x->cert_count; i++)
		buf_free(x->certs[i]);
}

/* --- before anything is asked --- */

static int
refuse(const struct exporting *x, const char *name, struct err *err)
{
	const char *state = json_text(x->cert, "export");

	if (str_equal(state, "waiting"))
		return err_set(err, ERR_CONFLICT,
		    "credential '%.100s' has no certificate for its exportable key yet", name);
	return err_set(err, ERR_INVALID,
	    str_equal(state, "lapsed")
		? "the key of '%.80s' cannot be exported any more: it was made without an export "
		  "password; 'certherd cert renew %.60s --exportable' makes a new one"
		: "the key of '%.80s' cannot be exported: it was not made exportable, and no key "
		  "becomes so later; 'certherd cert renew %.60s --exportable' makes a new one",
	    name, name);
}

static int
look(struct exporting *x, const char *name, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s", name, NULL);
	const struct json *key;
	int r = cli_call(x->c, "GET", path, NULL, &x->cert, err);

	if (r < 0)
		return r;
	key = json_member(x->cert, "export_key");
	if (!json_is_map(key))
		return refuse(x, json_text(x->cert, "name"), err);
	r = id_parse(json_text(key, "id"), &x->record, err);
	return r < 0 ? r : hash_parse(json_text(key, "key"), &x->key_hash, err);
}

/* Passwords go from the terminal or a file into locked memory, and from there only sealed. */
static int
get_passwords(struct exporting *x, const char *name, struct err *err)
{
	const char *file = cli_option(x->c, "file-password-file");
	int r = export_password_old(x->c, name, &x->password, err);

	if (r == 0 && file != NULL)
		r = password_from_file(file, &x->file_password, err);
	if (r < 0 || x->file_password == NULL)
		return r;
	r = password_check(x->file_password, &name, 1, err);
	return r < 0 ? err_wrap(err, "'%.120s'", file) : 0;
}

/* --- the question --- */

static int
seal_password(struct exporting *x, struct span purpose, struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *payload = NULL;
	int r = pkey_generate(KEY_EC_P256, &x->reply_key, err);

	if (r == 0)
		r = wire_password_encode(x->password, pkey_spki(x->reply_key), &payload, err);
	return r < 0
	    ? r
	    : managers_seal(&x->managers, SEAL_EXPORT, purpose, payload, &x->nonce, out, err);
}

static int
put_question(struct exporting *x, struct buf *body, struct err *err)
{
	const struct export_purpose purpose = export_purpose(&x->record, &x->key_hash);
	AUTO(buf_freep)
	struct buf *sealed = buf_new(LIMIT_SEALED);
	struct json_writer w = JSON_WRITER(body);
	char hex[ID_HEX_MAX];
	int r = 0;

	json_put_object(&w, NULL);
	if (x->password != NULL) {
		r = seal_password(x, SPAN_OF(purpose.bytes), sealed, err);
		json_put_text(&w, "export_key", id_hex(&x->record, hex));
		json_put_text(&w, "nonce", id_hex(&x->nonce, hex));
		json_put_base64(&w, "password", buf_span(sealed));
	}
	json_put_end(&w);
	return r;
}

/* --- the answer --- */

static int
take_certs(struct exporting *x, struct err *err)
{
	const struct json *list = json_member(x->reply, "certificates");

	if (json_count(list) == 0 || json_count(list) > LIMIT_CHAIN)
		return err_set(err, ERR_PROTO, "the server answers without a chain");
	for (size_t i = 0; i < json_count(list); i++) {
		const char *text = json_value_text(json_item(list, i));
		int r;

		x->certs[i] = buf_new(LIMIT_CERT);
		x->cert_count++;
		r = base64_decode(span_str(text != NULL ? text : ""), x->certs[i], err);
		if (r < 0)
			return r;
		x->ders[i] = buf_span(x->certs[i]);
	}
	return 0;
}

/* Sealed to the key that this process has made for it: the server could not look at it. */
static int
open_answer(struct exporting *x, struct err *err)
{
	const struct export_purpose purpose = export_purpose(&x->record, &x->key_hash);
	const struct seal_binding b = {.domain = *trust_domain(x->managers.trust),
	    .record = x->nonce,
	    .kind = SEAL_EXPORTED,
	    .public_part = SPAN_OF(purpose.bytes)};
	AUTO(buf_freep)
	struct buf *sealed = buf_new(LIMIT_SEALED);
	int r = base64_decode(span_str(json_text(x->reply, "exported")), sealed, err);

	if (r == 0)
		r = envelope_open(&b, buf_span(sealed), x->reply_key, &x->payload, err);
	if (r == 0)
		r = wire_export_key_decode(x->payload, &x->locked, err);
	if (r == 0)
		r = pkey_from_encrypted_pkcs8(x->locked, x->password, &x->key, err);
	return r < 0 ? err_wrap(err, "the exported key") : 0;
}

/* Whatever the server says: this key, and the certificate for it. */
static int
check_answer(const struct exporting *x, struct err *err)
{
	AUTO(cert_unrefp)
	struct cert *leaf = NULL;
	struct hash hash;
	int r = cert_parse(x->ders[0], &leaf, err);

	if (r < 0)
		return r;
	hash_of(pkey_spki(x->key), &hash);
	if (!hash_equal(&hash, &x->key_hash) || !cert_has_key(leaf, x->key))
		return err_set(err, ERR_CRYPTO,
		    "the server has answered with a key that is not the one of the certificate");
	return 0;
}

static int
ask(struct exporting *x, const char *name, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/export", name, NULL);
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_HTTP_BODY);
	int r = put_question(x, body, err);

	if (r == 0)
		r = cli_call(x->c, "POST", path, body, &x->reply, err);
	if (r == 0)
		r = take_certs(x, err);
	if (r < 0 || x->password == NULL)
		return r;
	r = open_answer(x, err);
	return r < 0 ? r : check_answer(x, err);
}

/* --- what is said of it --- */

static bool
is_ascii(const struct secret *s)
{
	for (size_t i = 0; s != NULL && i < secret_span(s).len; i++)
		if (secret_span(s).data[i] >= 0x80)
			return false;
	return true;
}

/* Where the password of the file is one that Java cannot take. */
static const char *
java_warning(const struct exporting *x)
{
	const struct secret *s = x->file_password != NULL ? x->file_password : x->password;

	return x->plan.format == FORMAT_P12 && !x->plan.legacy && !is_ascii(s)
	    ? "Java opens no PKCS#12 whose password has characters beyond ASCII; "
	      "--file-password-file gives the file another one, --legacy another form"
	    : NULL;
}

static void
report_json(struct exporting *x, const struct export_written *written)
{
	struct json_writer w = JSON_WRITER(&x->c->out);
	const char *warning = java_warning(x);

	json_put_object(&w, NULL);
	json_put_text(&w, "name", json_text(x->reply, "name"));
	json_put_int(&w, "generation", json_number(x->reply, "generation"));
	json_put_text(&w, "not_after", json_text(x->reply, "not_after"));
	json_put_text(&w, "format", export_format_name(x->plan.format));
	json_put_array(&w, "files");
	for (size_t i = 0; i < written->count; i++)
		json_put_text(&w, NULL, written->paths[i]);
	json_put_end(&w);
	json_put_array(&w, "warnings");
	if (warning != NULL)
		json_put_text(&w, NULL, warning);
	json_put_end(&w);
	json_put_end(&w);
	cli_printf(x->c, "\n");
}

static void
report(struct exporting *x, const struct export_written *written)
{
	struct cli *c = x->c;

	if (c->json) {
		report_json(x, written);
		return;
	}
	if (x->plan.to_stdout)
		return;
	cli_printf(c, "%s of credential %s, generation %lld, as %s:",
	    x->key != NULL ? "key and certificate" : "certificates", json_text(x->reply, "name"),
	    (long long)json_number(x->reply, "generation"), export_format_name(x->plan.format));
	for (size_t i = 0; i < written->count; i++)
		cli_printf(c, " %s", written->paths[i]);
	cli_printf(c, "\n");
	if (java_warning(x) != NULL)
		cli_printf(c, "warning: %s\n", java_warning(x));
	cli_put_warnings(c, x->reply);
}

static int
write_out(struct exporting *x, struct err *err)
{
	const struct export_content content = {.name = json_text(x->reply, "name"),
	    .certs = x->ders,
	    .cert_count = x->cert_count,
	    .key = x->key,
	    .locked = x->locked,
	    .password = x->file_password != NULL ? x->file_password : x->password};
	struct export_written written = {.count = 0};
	int r = export_write(x->c, &x->plan, &content, &written, err);

	if (r == 0)
		report(x, &written);
	export_written_fini(&written);
	return r;
}

static int
run_export(struct cli *c, struct err *err)
{
	const char *name = c->words[0];
	struct exporting x = {.c = c};
	int r = export_plan(c, &x.plan, err);

	if (r == 0)
		r = import_heap(err);
	if (r == 0 && x.plan.format != FORMAT_CHAIN) {
		r = look(&x, name, err);
		if (r == 0)
			r = get_passwords(&x, name, err);
		if (r == 0)
			r = managers_get(c, &x.managers, err);
	}
	if (r == 0)
		r = ask(&x, name, err);
	if (r == 0)
		r = write_out(&x, err);
	exporting_fini(&x);
	return r;
}

/* ------------------------------------------------------------------------- the table */

static const struct cli_option export_options_table[] = {
    {"format", "FORMAT", "pem (default), p12, stored-pem, nginx (two files), haproxy, chain."},
    {"out", "FILE", "Where to; - is standard output. Of nginx the name before .key and .crt."},
    {"legacy", NULL, "p12 for old readers (Windows before Server 2019, Java before 8u301)."},
    {"stored-pem", NULL, "The encrypted key as it is stored; the same as that --format."},
    {"encrypt", NULL, "The key of pem or nginx under the password of the file."},
    {"with-root", NULL, "The root too, which readers have themselves as a rule."},
    {"export-password-file", "FILE", "The export password, in a file."},
    {"file-password-file", "FILE", "Another password for the file that is made, in a file."},
    {"force", NULL, "Write a key to a terminal."},
    {"root", "FINGERPRINT", "The domain's root; from the files beside the socket if not given."},
};

const struct cli_command command_cert_export = {
    .noun = "cert",
    .verb = "export",
    .args = "NAME",
    .summary = "Write key and certificate for another program; the key asks for its password.",
    .examples = "  certherd cert export www.example.org --format p12 --out www.p12\n"
		"  certherd cert export www.example.org --format nginx --out /etc/nginx/www\n"
		"  certherd cert export www.example.org --format chain > chain.pem\n",
    .least = 1,
    .most = 1,
    .options = export_options_table,
    .option_count = ARRAY_LEN(export_options_table),
    .run = run_export,
};
