/* New keys, and why. */

#include "server/cli/commands.h"
#include "server/cli/export.h"

#include "common/base/str.h"

/* What becomes of the certificates for the key of before. */
static void
put_revoked(struct cli *c, const struct json *reply, const char *reason)
{
	if (c->json || json_flag(reply, "csr") || str_equal(reason, "new"))
		return;
	if (str_equal(reason, "compromised"))
		cli_printf(c,
		    "what was certified for the key of before is revoked, and that key never "
		    "comes into force again\n");
	else
		cli_printf(c,
		    "what was certified for the key of before is revoked when every node serves "
		    "the new one: 'certherd cert generations %s' shows it\n",
		    json_text(reply, "name"));
}

static int
rekey_one(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/rekey", c->words[0], NULL);
	const char *reason = cli_option(c, "reason");
	struct export_session export = {.password = NULL};
	struct buf body = BUF_INIT(LIMIT_HTTP_BODY);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	bool asked = false;
	int r = cli_wait_check(c, err);

	if (r == 0)
		r = export_prepare(c, &asked, err);
	if (r < 0)
		return r;
	json_put_object(&w, NULL);
	cli_put_option(c, &w, "reason", "reason");
	r = export_session_ask(c, c->words[0], EXPORT_NEW_KEY, asked, &export, &w, err);
	json_put_end(&w);
	if (r == 0)
		r = cli_call(c, "POST", path, &body, &reply, err);
	buf_fini(&body);
	if (r == 0)
		r = cli_wait_served(c, reply, "has a new key", err);
	export_session_fini(c, &export);
	if (r == 0)
		put_revoked(c, reply, reason != NULL ? reason : "new");
	return r;
}

static int
run_rekey(struct cli *c, struct err *err)
{
	const char *node = cli_option(c, "exposed-to");

	if ((node != NULL) == (c->word_count > 0))
		return err_set(err, ERR_INVALID,
		    "say whose key: of one credential, or with --exposed-to NODE all that it "
		    "knows");
	if (node != NULL && cli_flag(c, "reason"))
		return err_set(err, ERR_INVALID, "--reason is of one credential");
	if (node != NULL &&
	    (cli_flag(c, "exportable") || cli_flag(c, "export-password-file") ||
		cli_flag(c, "generate-password")))
		return err_set(err, ERR_INVALID, "an export password is of one credential");
	return node != NULL ? cli_rekey_exposed(c, node, err) : rekey_one(c, err);
}

static const struct cli_option rekey_options[] = {
    {"exposed-to", "NODE",
	"Every key that this node could open, until no server shows one of them any more."},
    {"reason", "REASON",
	"new (default); revoke: the old certificate when the new one is served; compromised: at "
	"once."},
    CLI_EXPORT_OPTIONS,
    {"no-export", NULL, "Ask for no export password: the new key cannot be exported."},
    {"wait", "DURATION",
	"How long to wait until the nodes serve it; 5s if not given, 1m with --exposed-to."},
    {"no-wait", NULL, "Do not wait."},
};

const struct cli_command command_cert_rekey = {
    .noun = "cert",
    .verb = "rekey",
    .args = "[NAME]",
    .summary = "Make a new key and certificate now, and revoke those of before if asked to.",
    .examples = "  certherd cert rekey www.example.org\n"
		"  certherd cert rekey www.example.org --reason revoke\n"
		"  certherd cert rekey www.example.org --reason compromised\n"
		"  certherd cert rekey --exposed-to web3\n",
    .most = 1,
    .options = rekey_options,
    .option_count = ARRAY_LEN(rekey_options),
    .run = run_rekey,
};
