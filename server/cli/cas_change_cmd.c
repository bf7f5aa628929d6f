/* Micro CAs that there are: changed, renewed, written to files; and certificates that are revoked.
 */

#include "server/cli/commands.h"

#include "common/base/num.h"
#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/crypto/pem.h"
#include "common/model/pki.h"
#include "common/sys/file.h"

#include <string.h>
#include <time.h>
#include <stdio.h>
#include <unistd.h>

/* --- change, enable, disable, default --- */

static int
send_change(struct cli *c, const char *member, const char *text, const char *said, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/cas/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	struct buf body = BUF_INIT(4096);
	struct json_writer w = JSON_WRITER(&body);
	int r;

	json_put_object(&w, NULL);
	if (text != NULL)
		json_put_text(&w, member, text);
	else
		json_put_bool(&w, member, true);
	json_put_end(&w);
	r = cli_call(c, "PUT", path, &body, &reply, err);
	buf_fini(&body);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "Micro CA '%s' %s\n", c->words[0], said);
	cli_put_warnings(c, reply);
	return 0;
}

static int
run_change(struct cli *c, struct err *err)
{
	const char *address = cli_option(c, "address");

	if (address == NULL)
		return err_set(err, ERR_INVALID, "nothing is to be changed: --address is missing");
	if (str_equal(address, "none"))
		address = "";
	return send_change(c, "address", address,
	    address[0] != '\0' ? "has that address in what it signs from now on"
			       : "has no address any more",
	    err);
}

static int
run_enable(struct cli *c, struct err *err)
{
	return send_change(c, "state", "enabled", "issues", err);
}

static int
run_disable(struct cli *c, struct err *err)
{
	return send_change(
	    c, "state", "disabled", "issues no more; it goes on signing its revocation list", err);
}

static int
run_default(struct cli *c, struct err *err)
{
	return send_change(c, "default", NULL, "is the default one", err);
}

/* --- renew --- */

static int
run_renew(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/cas/%s/renew", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	struct buf body = BUF_INIT(4096);
	struct json_writer w = JSON_WRITER(&body);
	char time[CLI_TIME_MAX];
	int r;

	json_put_object(&w, NULL);
	cli_put_option(c, &w, "lifetime", "lifetime");
	if (cli_flag(c, "new-key"))
		json_put_bool(&w, "new_key", true);
	json_put_end(&w);
	r = cli_call(c, "POST", path, &body, &reply, err);
	buf_fini(&body);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "Micro CA '%s' has a new %s, until %s\n", c->words[0],
	    cli_flag(c, "new-key") ? "key and certificate" : "certificate",
	    cli_time(reply, "not_after", time));
	cli_put_warnings(c, reply);
	return 0;
}

/* --- export --- */

/* The blocks of a PEM text that are wanted: one, or all; as PEM or DER. */
static int
convert(const char *text, const char *label, bool all, bool der, struct buf *out, struct err *err)
{
	struct span rest = span_str(text);
	AUTO(buf_freep)
	struct buf *block = buf_new(LIMIT_CRL);
	int r = 0;

	for (size_t i = 0; r == 0 && (i == 0 || all); i++) {
		buf_clear(block);
		r = pem_next(&rest, label, block, err);
		if (r == ERR_NOTFOUND && i > 0)
			return 0;
		if (r == 0 && der)
			buf_put_span(out, buf_span(block));
		else if (r == 0)
			pem_put(out, label, buf_span(block));
	}
	return r;
}

static int
put_out(struct cli *c, struct span bytes, bool der, struct err *err)
{
	const char *file = cli_option(c, "out");

	if (file != NULL && !str_equal(file, "-"))
		return file_write_atomic(file, 0644, bytes, err);
	if (der && isatty(STDOUT_FILENO))
		return err_set(err, ERR_INVALID,
		    "DER is nothing for a terminal: --out FILE writes it to a file");
	/* What is printed for people loses its control characters. */
	if (der && (fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len || fflush(stdout) != 0))
		return err_set(err, ERR_IO, "cannot write to standard output");
	if (!der)
		buf_put_span(&c->out, bytes);
	return buf_error(&c->out, "output", err);
}

static int
run_export(struct cli *c, struct err *err)
{
	const char *format = cli_option(c, "format");
	bool list = cli_flag(c, "crl"), chain = cli_flag(c, "chain");
	bool der = format != NULL && str_equal(format, "der");
	AUTO(mem_freep)
	char *path = cli_path(list ? "/v1/cas/%s/crl" : "/v1/cas/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	struct buf out = BUF_INIT(4 * LIMIT_CRL);
	int r;

	if (format != NULL && !der && !str_equal(format, "pem"))
		return err_set(err, ERR_INVALID, "--format is pem or der, not '%.40s'", format);
	if (chain && (der || list))
		return err_set(err, ERR_INVALID,
		    "--chain is for certificates as PEM: DER holds one, and a list is alone");
	r = cli_call(c, "GET", path, NULL, &reply, err);
	if (r == 0 && cli_json(c, reply))
		return 0;
	if (r == 0)
		r = convert(json_text(reply, list ? "pem" : "certificate"),
		    list ? "X509 CRL" : "CERTIFICATE", chain, der, &out, err);
	if (r == 0)
		r = buf_error(&out, "output", err);
	if (r == 0)
		r = put_out(c, buf_span(&out), der, err);
	buf_fini(&out);
	return r;
}

/* --- cert revoke --- */

#define LOOK_MS 20
#define LOOKS 500

/* Until no node says any more that it serves it. */
static int
wait_gone(struct cli *c, int64_t *served, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s", c->words[0], NULL);
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};

	for (int i = 0; i < LOOKS; i++) {
		AUTO(json_freep)
		struct json *cert = NULL;
		int r = cli_call(c, "GET", path, NULL, &cert, err);

		if (r < 0)
			return r;
		*served = json_number(cert, "served");
		if (!str_equal(json_text(cert, "state"), "revoked"))
			*served = 0; /* another generation is in force, and served */
		if (*served == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int
put_number(const struct cli *c, struct json_writer *w, struct err *err)
{
	const char *text = cli_option(c, "generation");
	uint64_t number = 0;
	int r = text != NULL ? num_parse_u64(text, 1, INT64_MAX, &number, err) : 0;

	if (r < 0)
		return err_wrap(err, "--generation");
	if (text != NULL)
		json_put_uint(w, "generation", number);
	return 0;
}

static int
run_revoke(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/revoke", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	struct buf body = BUF_INIT(4096);
	struct json_writer w = JSON_WRITER(&body);
	int64_t served = 0;
	int r;

	json_put_object(&w, NULL);
	r = put_number(c, &w, err);
	cli_put_option(c, &w, "reason", "reason");
	json_put_end(&w);
	if (r == 0)
		r = cli_call(c, "POST", path, &body, &reply, err);
	buf_fini(&body);
	if (r == 0)
		r = wait_gone(c, &served, err);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "generation %lld of '%s' is revoked%s\n",
	    (long long)json_number(reply, "generation"), json_text(reply, "name"),
	    served > 0 ? "; not every node has confirmed that yet" : "");
	cli_put_warnings(c, reply);
	return 0;
}

/* --- the table --- */

static const struct cli_option change_options[] = {
    {"address", "URL", CA_ADDRESS_HELP " 'none' for none."},
};

static const struct cli_option renew_options[] = {
    {"new-key", NULL, "With another key, in place of the one before."},
    {"lifetime", "DURATION", "As long as before if not given."},
};

static const struct cli_option export_options[] = {
    {"format", "FORMAT", "pem (default) or der."},
    {"chain", NULL, "The certificates above it, too."},
    {"crl", NULL, "Its revocation list instead."},
    {"out", "FILE", "Into a file; - is standard output, as without it."},
};

static const struct cli_option revoke_options[] = {
    {"generation", "NUMBER", "That one; the one in force if not given."},
    {"reason", "REASON", REVOCATION_REASONS "."},
};

const struct cli_command command_ca_change = {
    .noun = "ca",
    .verb = "change",
    .args = "NAME",
    .summary = "Change where a Micro CA publishes its revocation list and certificate.",
    .examples = "  certherd ca change default --address http://pki.example.org\n",
    .least = 1,
    .most = 1,
    .options = change_options,
    .option_count = ARRAY_LEN(change_options),
    .run = run_change,
};

const struct cli_command command_ca_enable = {
    .noun = "ca",
    .verb = "enable",
    .args = "NAME",
    .summary = "Let a Micro CA issue again.",
    .examples = "  certherd ca enable legacy\n",
    .least = 1,
    .most = 1,
    .run = run_enable,
};

const struct cli_command command_ca_disable = {
    .noun = "ca",
    .verb = "disable",
    .args = "NAME",
    .summary = "Let a Micro CA issue no more; what it has issued stays good.",
    .examples = "  certherd ca disable legacy\n",
    .least = 1,
    .most = 1,
    .run = run_disable,
};

const struct cli_command command_ca_default = {
    .noun = "ca",
    .verb = "default",
    .args = "NAME",
    .summary = "Use a Micro CA for credentials that name none.",
    .examples = "  certherd ca default issuing\n",
    .least = 1,
    .most = 1,
    .run = run_default,
};

const struct cli_command command_ca_renew = {
    .noun = "ca",
    .verb = "renew",
    .args = "NAME",
    .summary = "Give a Micro CA a new certificate; all that it has issued stays good.",
    .examples = "  certherd ca renew default\n  certherd ca renew default --new-key\n",
    .least = 1,
    .most = 1,
    .options = renew_options,
    .option_count = ARRAY_LEN(renew_options),
    .run = run_renew,
};

const struct cli_command command_ca_export = {
    .noun = "ca",
    .verb = "export",
    .args = "NAME",
    .summary = "Write the certificate of a Micro CA, or its revocation list.",
    .examples = "  certherd ca export default --out ca.pem\n"
		"  certherd ca export default --format der --out ca.crt\n"
		"  certherd ca export default --crl --out ca.crl.pem\n",
    .least = 1,
    .most = 1,
    .options = export_options,
    .option_count = ARRAY_LEN(export_options),
    .run = run_export,
};

const struct cli_command command_cert_revoke = {
    .noun = "cert",
    .verb = "revoke",
    .args = "NAME",
    .summary = "Revoke a certificate: no node serves it, and its Micro CA lists it.",
    .examples = "  certherd cert revoke www.example.org --reason superseded\n"
		"  certherd cert revoke www.example.org --reason key-compromise\n"
		"  certherd cert revoke www.example.org --generation 3\n",
    .least = 1,
    .most = 1,
    .options = revoke_options,
    .option_count = ARRAY_LEN(revoke_options),
    .run = run_revoke,
};
