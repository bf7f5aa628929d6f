/* Generations of a credential: which there are, and an older one that comes back or is put away. */

#include "server/cli/commands.h"

static void
put_rows(struct cli_table *t, const struct json *list, bool with_names)
{
	char time[CLI_TIME_MAX];

	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *g = json_item(list, i);

		cli_table_printf(t, "%lld", (long long)json_number(g, "number"));
		cli_table_printf(t, "%s%s", json_text(g, "state"),
		    *json_text(g, "retires") != '\0' ? ", to be revoked" : "");
		cli_table_text(t, cli_time(g, "not_before", time));
		cli_table_text(t, cli_time(g, "not_after", time));
		cli_table_printf(t, "%.10s", cli_time(g, "kept_until", time));
		cli_table_printf(t, "%s %.8s", json_text(g, "key_type"), json_text(g, "key"));
		cli_table_printf(t, "%.16s", json_text(g, "fingerprint"));
		if (with_names)
			cli_table_names(t, json_member(g, "names"));
	}
}

/* Names of all generations are worth a wide column only where they differ. */
static bool
names_differ(const struct json *list)
{
	const struct json *first = json_member(json_item(list, 0), "names");

	for (size_t i = 1; i < json_count(list); i++) {
		const struct json *names = json_member(json_item(list, i), "names");

		if (json_count(names) != json_count(first))
			return true;
		for (size_t k = 0; k < json_count(names); k++)
			if (!str_equal(json_value_text(json_item(names, k)),
				json_value_text(json_item(first, k))))
				return true;
	}
	return false;
}

static int
run_generations(struct cli *c, struct err *err)
{
	const char *headings[] = {
	    "GENERATION", "STATE", "FROM", "UNTIL", "KEPT UNTIL", "KEY", "FINGERPRINT", NULL, NULL};
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/generations", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *list;
	struct cli_table t;
	bool with_names;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	list = json_member(reply, "generations");
	with_names = names_differ(list);
	headings[ARRAY_LEN(headings) - 2] = with_names ? "NAMES" : NULL;
	cli_table_begin(&t, headings);
	put_rows(&t, list, with_names);
	cli_table_end(c, &t, "There is no certificate yet, nor a CSR for one.");
	return 0;
}

/* A POST to an address with the credential and the number of a generation in it. */
static int
ask_numbered(
    struct cli *c, const char *path_form, const char *number, struct json **reply, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path(path_form, c->words[0], number);

	if (*number == '\0')
		return err_set(err, ERR_INVALID,
		    "that is no number of a generation: 'certherd cert generations' shows them");
	return cli_call(c, "POST", path, NULL, reply, err);
}

static int
run_activate(struct cli *c, struct err *err)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_wait_check(c, err);

	if (r == 0)
		r = ask_numbered(
		    c, "/v1/certs/%s/generations/%s/activate", c->words[1], &reply, err);
	return r < 0 ? r : cli_wait_served(c, reply, "has an older certificate in force", err);
}

int
cli_archive_generation(struct cli *c, const char *number, struct err *err)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = ask_numbered(c, "/v1/certs/%s/generations/%s/archive", number, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c,
	    "generation %s of %s is archived: only managers can open it, 'certherd cert activate' "
	    "brings it back\n",
	    number, c->words[0]);
	cli_put_warnings(c, reply);
	return 0;
}

/* ------------------------------------------------------------------------- the table */

static const struct cli_option activate_options[] = {
    CLI_WAIT_OPTIONS,
};

const struct cli_command command_cert_generations = {
    .noun = "cert",
    .verb = "generations",
    .args = "NAME",
    .summary = "List its keys and certificates: the one in force, older ones, one that waits.",
    .examples = "  certherd cert generations www.example.org\n",
    .least = 1,
    .most = 1,
    .run = run_generations,
};

const struct cli_command command_cert_activate = {
    .noun = "cert",
    .verb = "activate",
    .args = "NAME GENERATION",
    .summary = "Bring an older key and certificate into force again.",
    .examples = "  certherd cert activate www.example.org 3\n",
    .least = 2,
    .most = 2,
    .options = activate_options,
    .option_count = ARRAY_LEN(activate_options),
    .run = run_activate,
};
