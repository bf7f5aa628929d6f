/* What is wanted of a credential, changed. */

#include "server/cli/commands.h"
#include "server/cli/export.h"

#include "common/base/str.h"

#include <string.h>

static void
put_body(const struct cli *c, struct json_writer *w)
{
	const char *percent = cli_option(c, "renew-percent");

	json_put_object(w, NULL);
	if (cli_flag(c, "add-name"))
		cli_put_list(c, w, "add_names", "add-name");
	if (cli_flag(c, "remove-name"))
		cli_put_list(c, w, "remove_names", "remove-name");
	cli_put_option(c, w, "key_type", "key-type");
	cli_put_option(c, w, "issuer", "issuer");
	cli_put_option(c, w, "ca", "ca");
	cli_put_option(c, w, "profile", "profile");
	cli_put_option(c, w, "lifetime", "lifetime");
	cli_put_option(c, w, "stale_after", "stale-after");
	if (cli_flag(c, "no-subject")) {
		json_put_array(w, "subject");
		json_put_end(w);
	} else if (cli_flag(c, "subject")) {
		cli_put_each(c, w, "subject", "subject");
	}
	/* A word that is no number is refused by the server, like one that is out of range. */
	if (percent != NULL && *percent != '\0' && strspn(percent, "0123456789") == strlen(percent))
		json_put_raw(w, "renew_percent", span_str(percent));
	else
		cli_put_option(c, w, "renew_percent", "renew-percent");
	if (cli_flag(c, "new-key") || cli_flag(c, "keep-key"))
		json_put_bool(w, "new_key", cli_flag(c, "new-key"));
}

static int
check_options(struct cli *c, struct err *err)
{
	if (cli_flag(c, "new-key") && cli_flag(c, "keep-key"))
		return err_set(err, ERR_INVALID, "--new-key and --keep-key contradict each other");
	if (cli_flag(c, "subject") && cli_flag(c, "no-subject"))
		return err_set(
		    err, ERR_INVALID, "--subject and --no-subject contradict each other");
	return cli_wait_check(c, err);
}

static int
run_change(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/change", c->words[0], NULL);
	struct export_session export = {.password = NULL};
	struct buf body = BUF_INIT(256 * 1024);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	bool asked = false;
	int r = check_options(c, err);

	if (r == 0)
		r = export_prepare(c, &asked, err);
	if (r < 0)
		return r;
	put_body(c, &w);
	/* Another key type is what takes a new key. */
	r = export_session_ask(c, c->words[0],
	    cli_flag(c, "key-type") ? EXPORT_NEW_KEY : EXPORT_IF_ASKED, asked, &export, &w, err);
	json_put_end(&w);
	if (r == 0)
		r = cli_call(c, "POST", path, &body, &reply, err);
	buf_fini(&body);
	if (r == 0 && !json_flag(reply, "unchanged"))
		r = cli_wait_served(c, reply, "is changed", err);
	else if (r == 0 && !cli_json(c, reply))
		cli_printf(c, "credential %s is like that already\n", json_text(reply, "name"));
	export_session_fini(c, &export);
	return r;
}

static const struct cli_option change_options[] = {
    {"add-name", "NAME,...", "Names that its certificate is to have besides."},
    {"remove-name", "NAME,...", "Names that it is not to have any more."},
    {"key-type", "TYPE", "Of its key, which is a new one then: " CLI_KEY_TYPES "."},
    {"issuer", "ISSUER", "micro: a Micro CA of this domain; manual: a CA outside."},
    {"ca", "NAME", "Which Micro CA; the default one if not given."},
    {"subject", "PART", "O=Example and the like; once for each part, instead of those before."},
    {"no-subject", NULL, "No parts of the subject any more."},
    {"profile", "PROFILE", "server, client, both, smime: what certificates are for."},
    {"lifetime", "DURATION", "Of the certificates that follow."},
    {"renew-percent", "NUMBER", "Renew when so much of the lifetime is left."},
    {"new-key", NULL, "From now on a new key at each renewal."},
    {"keep-key", NULL, "From now on the same key at renewals."},
    CLI_EXPORT_OPTIONS,
    {"no-export", NULL, "Ask for no export password: the new key cannot be exported."},
    {"stale-after", "DURATION", "A node without news for so long stops serving it; 0s: never."},
    CLI_WAIT_OPTIONS,
};

const struct cli_command command_cert_change = {
    .noun = "cert",
    .verb = "change",
    .args = "NAME",
    .summary = "Change names, key type, issuer and the like: with a new certificate at once, or "
	       "a CSR.",
    .examples = "  certherd cert change www.example.org --add-name shop.example.org\n"
		"  certherd cert change www.example.org --key-type rsa-2048 --lifetime 30d\n"
		"  certherd cert change mail.example.org --issuer manual\n",
    .least = 1,
    .most = 1,
    .options = change_options,
    .option_count = ARRAY_LEN(change_options),
    .run = run_change,
};
