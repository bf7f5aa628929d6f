#include "server/cli/commands.h"

#include "common/base/str.h"

static int
run_create(struct cli *c, struct err *err)
{
	struct buf body = BUF_INIT(4096);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	char time[CLI_TIME_MAX];
	int r;

	json_put_object(&w, NULL);
	json_put_text(&w, "name", c->words[0]);
	cli_put_option(c, &w, "key_type", "key-type");
	cli_put_option(c, &w, "lifetime", "lifetime");
	cli_put_option(c, &w, "parent", "under");
	cli_put_option(c, &w, "address", "address");
	if (cli_flag(c, "default"))
		json_put_bool(&w, "default", true);
	json_put_end(&w);
	r = cli_call(c, "POST", "/v1/cas", &body, &reply, err);
	buf_fini(&body);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "Micro CA '%s' is made, until %s\n", c->words[0],
	    cli_time(reply, "not_after", time));
	cli_put_warnings(c, reply);
	return 0;
}

/* "until 2026-12-01 (7)": how long the list is good, and how many are in it. */
static void
put_list_cell(struct cli_table *t, const struct json *ca)
{
	const struct json *crl = json_member(ca, "crl");
	char time[CLI_TIME_MAX];

	if (crl == NULL)
		cli_table_text(t, NULL);
	else
		cli_table_printf(t, "%lld, until %s", (long long)json_number(crl, "entries"),
		    cli_time(crl, "next_update", time));
}

static int
run_list(struct cli *c, struct err *err)
{
	static const char *const headings[] = {"NAME", "STATE", "HEALTH", "DEFAULT", "KEY",
	    "EXPIRES", "RENEWAL", "BELOW", "REVOKED", "FINGERPRINT", NULL};
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *cas;
	char time[CLI_TIME_MAX];
	struct cli_table t;
	int r = cli_call(c, "GET", "/v1/cas", NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	cas = json_member(reply, "cas");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(cas); i++) {
		const struct json *ca = json_item(cas, i);

		cli_table_text(&t, json_text(ca, "name"));
		cli_table_text(&t, json_text(ca, "state"));
		cli_table_text(&t, json_text(json_member(ca, "health"), "grade"));
		cli_table_text(&t, json_flag(ca, "default") ? "yes" : "no");
		cli_table_text(&t, json_text(ca, "key_type"));
		cli_table_text(&t, cli_time(ca, "not_after", time));
		cli_table_text(&t, cli_time(ca, "renewal", time));
		cli_table_text(&t, json_text(ca, "parent"));
		put_list_cell(&t, ca);
		cli_table_printf(&t, "%.16s", json_text(ca, "fingerprint"));
	}
	cli_table_end(
	    c, &t, "There are no Micro CAs; the first 'certherd cert add' makes the default one.");
	return 0;
}

static void
put_line(struct cli *c, const char *label, const char *text)
{
	if (text != NULL && text[0] != '\0')
		cli_printf(c, "%-14s%s\n", label, text);
}

static void
put_details(struct cli *c, const struct json *ca)
{
	const struct json *crl = json_member(ca, "crl");
	char time[CLI_TIME_MAX];

	put_line(c, "renewal",
	    json_member(ca, "renewal") != NULL ? cli_time(ca, "renewal", time) : NULL);
	put_line(c, "below", json_text(ca, "parent"));
	put_line(c, "followed by", json_text(ca, "successor"));
	put_line(c, "address", json_text(ca, "address"));
	put_line(c, "list at", json_text(ca, "crl_url"));
	if (crl == NULL)
		return;
	cli_printf(c, "%-14snumber %lld, %lld revoked, until %s\n", "list",
	    (long long)json_number(crl, "number"), (long long)json_number(crl, "entries"),
	    cli_time(crl, "next_update", time));
	if (json_number(crl, "unlisted") > 0)
		cli_printf(c, "%-14s%lld revoked and not in the list yet\n", "",
		    (long long)json_number(crl, "unlisted"));
}

static int
run_show(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/cas/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *ca = NULL;
	char time[CLI_TIME_MAX];
	int r = cli_call(c, "GET", path, NULL, &ca, err);

	if (r < 0 || cli_json(c, ca))
		return r;
	if (cli_flag(c, "pem")) {
		cli_printf(c, "%s", json_text(ca, "certificate"));
		return 0;
	}
	cli_printf(c, "%-14s%s\n", "name", json_text(ca, "name"));
	cli_printf(c, "%-14s%s%s\n", "state", json_text(ca, "state"),
	    json_flag(ca, "default") ? " (default)" : "");
	cli_printf(c, "%-14s%s\n", "key", json_text(ca, "key_type"));
	cli_printf(c, "%-14s%s\n", "expires", cli_time(ca, "not_after", time));
	cli_printf(c, "%-14s%s\n", "fingerprint", json_text(ca, "fingerprint"));
	cli_put_health(c, ca);
	put_details(c, ca);
	cli_printf(c, "%s", json_text(ca, "certificate"));
	return 0;
}

static const struct cli_option create_options[] = {
    {"key-type", "TYPE", CLI_KEY_TYPES "; setting key-type if not given."},
    {"lifetime", "DURATION", "Of its certificate; setting ca-lifetime if not given."},
    {"under", "CA", "A root that signs it: its leaves come with its certificate."},
    {"address", "URL", CA_ADDRESS_HELP},
    {"default", NULL, "Use it for credentials that name no CA."},
};

static const struct cli_option show_options[] = {
    {"pem", NULL, "Print the certificate alone."},
};

const struct cli_command command_ca_create = {
    .noun = "ca",
    .verb = "create",
    .args = "NAME",
    .summary = "Make a Micro CA.",
    .examples = "  certherd ca create 'Example Inner CA' --address http://pki.example.org\n"
		"  certherd ca create issuing --under 'Example Inner CA' --default\n"
		"  certherd ca create legacy --key-type rsa-3072 --lifetime 5y\n",
    .least = 1,
    .most = 1,
    .options = create_options,
    .option_count = ARRAY_LEN(create_options),
    .run = run_create,
};

const struct cli_command command_ca_list = {
    .noun = "ca",
    .verb = "list",
    .summary = "List the Micro CAs.",
    .examples = "  certherd ca list\n",
    .run = run_list,
};

const struct cli_command command_ca_show = {
    .noun = "ca",
    .verb = "show",
    .args = "NAME",
    .summary = "Show a Micro CA and its certificate, to be trusted by clients.",
    .examples = "  certherd ca show default\n"
		"  certherd ca show default --pem > ca.pem\n",
    .least = 1,
    .most = 1,
    .options = show_options,
    .option_count = ARRAY_LEN(show_options),
    .run = run_show,
};

/* ------------------------------------------------------------------------- default access */

static int
print_access(struct cli *c, const struct json *reply)
{
	const struct json *access = json_member(reply, "access");

	if (cli_json(c, reply))
		return 0;
	for (size_t i = 0; i < json_count(access); i++)
		cli_printf(c, "%s\n", json_value_text(json_item(access, i)));
	if (json_count(access) == 0)
		cli_printf(c, "Nobody: credentials made without --access are served by no node.\n");
	return 0;
}

static int
run_access_show(struct cli *c, struct err *err)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "GET", "/v1/settings/default-access", NULL, &reply, err);

	return r < 0 ? r : print_access(c, reply);
}

static int
run_access_set(struct cli *c, struct err *err)
{
	struct buf body = BUF_INIT(64 * 1024);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r;

	json_put_object(&w, NULL);
	json_put_array(&w, "access");
	for (size_t i = 0; i < c->word_count; i++)
		json_put_text(&w, NULL, c->words[i]);
	json_put_end(&w);
	json_put_end(&w);
	r = cli_call(c, "PUT", "/v1/settings/default-access", &body, &reply, err);
	buf_fini(&body);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "credentials that are made without --access from now on can be opened by ");
	for (size_t i = 0; i < c->word_count; i++)
		cli_printf(c, "%s%s", i > 0 ? ", " : "", c->words[i]);
	cli_printf(c, "%s\n", c->word_count == 0 ? "nobody" : "");
	cli_put_warnings(c, reply);
	return 0;
}

const struct cli_command command_access_show = {
    .noun = "default-access",
    .verb = "show",
    .summary = "Who may open a credential that is made without --access.",
    .examples = "  certherd default-access show\n",
    .run = run_access_show,
};

const struct cli_command command_access_set = {
    .noun = "default-access",
    .verb = "set",
    .args = "[NODE|@GROUP...]",
    .summary = "Set it; with no names, nobody.",
    .examples = "  certherd default-access set web1 @edge\n",
    .most = 63,
    .run = run_access_set,
};
