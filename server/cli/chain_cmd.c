/* The chain of a credential: what is to be said of it, and completing it. */

#include "common/base/str.h"
#include "server/cli/commands.h"

/* Green, yellow or red, and each reason on a line of its own. */
void
cli_put_chain_health(struct cli *c, const struct json *health)
{
	const struct json *reasons = json_member(health, "reasons");

	if (health == NULL || *json_text(health, "grade") == '\0')
		return;
	cli_printf(c, "%-14s%s\n", "chain", json_text(health, "grade"));
	for (size_t i = 0; i < json_count(reasons); i++)
		cli_printf(c, "%-14s%s\n", "", json_text(json_item(reasons, i), "text"));
	if (json_flag(health, "can_complete"))
		cli_printf(c,
		    "%-14sa better one can be made of what is stored now: 'certherd cert chain "
		    "NAME --complete'\n",
		    "");
}

static void
put_certificates(struct cli *c, const struct json *reply)
{
	static const char *const headings[] = {"CERTIFICATE", "UNTIL", "STORED", "SHA-256", NULL};
	const struct json *list = json_member(reply, "certificates");
	char time[CLI_TIME_MAX];
	struct cli_table t;

	cli_printf(c, "\n");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *cert = json_item(list, i);

		cli_table_text(&t, json_text(cert, "subject"));
		cli_table_text(&t, cli_time(cert, "not_after", time));
		cli_table_text(&t, json_flag(cert, "stored") ? "yes" : "no");
		cli_table_printf(&t, "%.16s", json_text(cert, "fingerprint"));
	}
	cli_table_end(c, &t, "There is no certificate.");
}

static int
show(struct cli *c, const char *path, struct err *err)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	cli_put_chain_health(c, json_member(reply, "health"));
	put_certificates(c, reply);
	return 0;
}

/* Nothing to do is no failure, so that a script may say it for every credential. */
static int
complete(struct cli *c, const char *path, struct err *err)
{
	AUTO(json_freep)
	struct json *before = NULL;
	AUTO(json_freep)
	struct json *made = NULL;
	int r = cli_wait_check(c, err);

	if (r == 0)
		r = cli_call(c, "GET", path, NULL, &before, err);
	if (r < 0)
		return r;
	if (!json_flag(json_member(before, "health"), "can_complete")) {
		if (cli_json(c, before))
			return 0;
		cli_printf(c, "nothing better can be made of what is stored\n");
		cli_put_chain_health(c, json_member(before, "health"));
		return 0;
	}
	r = cli_call(c, "POST", path, NULL, &made, err);
	return r < 0 ? r : cli_wait_served(c, made, "has a new chain", err);
}

/* It counts from now on; the chain in force follows if there is a way to that root. */
static int
prefer(struct cli *c, const char *root, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/preferred-root", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_HTTP_BODY);
	struct json_writer w = JSON_WRITER(body);

	json_put_object(&w, NULL);
	json_put_text(&w, "root", root);
	json_put_end(&w);
	return cli_call(c, "PUT", path, body, &reply, err);
}

static int
run_chain(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/chain", c->words[0], NULL);
	const char *root = cli_option(c, "prefer-root");
	int r = root != NULL ? prefer(c, root, err) : 0;

	if (r < 0)
		return r;
	r = cli_flag(c, "complete") || root != NULL ? complete(c, path, err) : show(c, path, err);
	/* Of a draft, or while the certificate is waited for: what comes will follow it. */
	if (r == ERR_NOTFOUND && root != NULL && !c->json) {
		cli_printf(c, "its chain will end in that root if it can\n");
		r = 0;
	}
	return r;
}

static const struct cli_option chain_options[] = {
    {"complete", NULL, "Make it anew from trusted roots and stored intermediates."},
    {"prefer-root", "ROOT", "End in this one if possible: its SHA-256, or a part of its subject."},
    CLI_WAIT_OPTIONS,
};

const struct cli_command command_cert_chain = {
    .noun = "cert",
    .verb = "chain",
    .args = "NAME",
    .summary = "Show the chain in force: green, yellow or red, and why.",
    .examples = "  certherd cert chain mail.example.org\n"
		"  certherd cert chain mail.example.org --complete\n"
		"  certherd cert chain mail.example.org --prefer-root 'CN=Old Root'\n",
    .least = 1,
    .most = 1,
    .options = chain_options,
    .option_count = ARRAY_LEN(chain_options),
    .run = run_chain,
};
