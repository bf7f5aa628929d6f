/* A new credential. */

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "server/cli/commands.h"
#include "server/cli/export.h"

#include <string.h>

/* A draft has no key yet, so that it is only marked: its password comes when it is submitted. */
static int
begin_export(struct cli *c, struct export_session *s, struct err *err)
{
	const char *const *names = (const char *const *)c->words;
	bool asked = false;
	int r = export_options(c, &asked, err);

	if (r < 0 || !asked)
		return r;
	if (!cli_flag(c, "draft"))
		return export_session_begin(c, names, c->word_count, NULL, s, err);
	if (cli_option(c, "export-password-file") != NULL || cli_flag(c, "generate-password"))
		return err_set(err, ERR_INVALID,
		    "a draft has no key yet: give its export password to 'certherd cert submit'");
	return 0;
}

static int
put_export(struct cli *c, const struct export_session *s, struct json_writer *w, struct err *err)
{
	struct id credential;

	if (cli_flag(c, "exportable") || s->password != NULL)
		json_put_bool(w, "exportable", true);
	id_random(&credential);
	return export_session_put(s, w, &credential, err);
}

static int
run_add(struct cli *c, struct err *err)
{
	struct buf body = BUF_INIT(LIMIT_HTTP_BODY);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	const char *percent = cli_option(c, "renew-percent");
	struct export_session export = {.password = NULL};
	int r = cli_wait_check(c, err);

	if (r == 0 && cli_flag(c, "new-key") && cli_flag(c, "keep-key"))
		r = err_set(err, ERR_INVALID, "--new-key and --keep-key contradict each other");
	if (r == 0)
		r = begin_export(c, &export, err);
	if (r < 0)
		return r;
	json_put_object(&w, NULL);
	json_put_array(&w, "names");
	for (size_t i = 0; i < c->word_count; i++)
		json_put_text(&w, NULL, c->words[i]);
	json_put_end(&w);
	cli_put_option(c, &w, "name", "name");
	cli_put_option(c, &w, "key_type", "key-type");
	cli_put_option(c, &w, "issuer", "issuer");
	cli_put_option(c, &w, "ca", "ca");
	cli_put_option(c, &w, "lifetime", "lifetime");
	cli_put_option(c, &w, "stale_after", "stale-after");
	if (cli_option(c, "access") != NULL)
		cli_put_list(c, &w, "access", "access");
	/* A word that is no number is refused by the server, like one that is out of range. */
	if (percent != NULL && *percent != '\0' && strspn(percent, "0123456789") == strlen(percent))
		json_put_raw(&w, "renew_percent", span_str(percent));
	else
		cli_put_option(c, &w, "renew_percent", "renew-percent");
	if (cli_flag(c, "new-key") || cli_flag(c, "keep-key"))
		json_put_bool(&w, "new_key", cli_flag(c, "new-key"));
	if (cli_flag(c, "subject"))
		cli_put_each(c, &w, "subject", "subject");
	cli_put_option(c, &w, "profile", "profile");
	if (cli_flag(c, "draft"))
		json_put_bool(&w, "draft", true);
	r = put_export(c, &export, &w, err);
	json_put_end(&w);
	if (r == 0)
		r = cli_call(c, "POST", "/v1/certs", &body, &reply, err);
	buf_fini(&body);
	if (r == 0)
		r = cli_wait_served(c, reply, "is made", err);
	export_session_fini(c, &export);
	return r;
}

/* ------------------------------------------------------------------------- the table */

static const struct cli_option add_options[] = {
    {"access", "NODE,@GROUP,...", "Who may open it; the domain's default access if not given."},
    {"name", "NAME", "Name of the credential; the first of its names if not given."},
    {"key-type", "TYPE", CLI_KEY_TYPES "; setting key-type if not given."},
    {"issuer", "ISSUER",
	"micro: a Micro CA of this domain; manual: a CA outside; setting issuer if not given."},
    {"subject", "PART", "O=Example and the like; once for each part, in their order."},
    {"profile", "PROFILE", "server (default), client, both, smime: what certificates are for."},
    {"draft", NULL, "Make nothing yet: 'cert submit' does."},
    {"ca", "NAME", "Which Micro CA; the default one if not given, made on demand."},
    {"lifetime", "DURATION", "Of each certificate; setting lifetime if not given."},
    {"renew-percent", "NUMBER",
	"Renew when so much of the lifetime is left; setting renew-percent if not given."},
    {"new-key", NULL, "A new key at each renewal."},
    {"keep-key", NULL, "Keep the key at renewals; so it is anyway unless setting new-key is yes."},
    CLI_EXPORT_OPTIONS,
    {"stale-after", "DURATION",
	"A node without news for so long stops serving it; never if not given."},
    CLI_WAIT_OPTIONS,
};

const struct cli_command command_cert_add = {
    .noun = "cert",
    .verb = "add",
    .args = "NAME...",
    .summary = "Make a credential: key, certificate, and who may open it.",
    .examples = "  certherd cert add www.example.org '*.example.org' --access web1,web2\n"
		"  certherd cert add mail.example.org --access @mail --key-type rsa-2048\n"
		"  certherd cert add shop.example.org --issuer manual --subject C=DE --subject "
		"O=Example\n",
    .least = 1,
    .most = 100,
    .options = add_options,
    .option_count = ARRAY_LEN(add_options),
    .run = run_add,
};
