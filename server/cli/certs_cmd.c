#include "server/cli/commands.h"
#include "server/cli/export.h"

#include "common/base/str.h"
#include "common/model/names.h"

#include <stdio.h>
#include <string.h>

#define PAGE "500"

/* ------------------------------------------------------------------------- lists */

int
cli_each_page(struct cli *c, const char *filter, int (*take)(void *arg, const struct json *page),
    void *arg, struct err *err)
{
	struct buf after = BUF_INIT(1024);
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		AUTO(mem_freep)
		char *path = cli_path("/v1/certs?limit=" PAGE "&after=%s&filter=%s",
		    buf_str(&after), filter != NULL ? filter : "");
		AUTO(json_freep)
		struct json *page = NULL;
		const struct json *certs;

		r = cli_call(c, "GET", path, NULL, &page, err);
		if (r < 0)
			break;
		certs = json_member(page, "certs");
		more = json_flag(page, "more") && json_count(certs) > 0;
		r = take(arg, page);
		buf_clear(&after);
		if (more)
			buf_put_str(
			    &after, json_text(json_item(certs, json_count(certs) - 1), "name"));
	}
	buf_fini(&after);
	return r;
}

static int
take_rows(void *arg, const struct json *page)
{
	const struct json *certs = json_member(page, "certs");
	struct cli_table *t = arg;
	char time[CLI_TIME_MAX];

	for (size_t i = 0; i < json_count(certs); i++) {
		const struct json *cert = json_item(certs, i);

		cli_table_name(t, json_text(cert, "name"));
		/* A CSR may wait for a certificate that is in force still. */
		cli_table_printf(t, "%s%s", json_text(cert, "state"),
		    !json_flag(cert, "csr") || str_equal(json_text(cert, "state"), "waiting") ||
			    str_equal(json_text(cert, "state"), "submitted")
			? ""
			: json_flag(cert, "submitted") ? ", submitted"
						       : ", csr");
		cli_table_text(t, json_text(json_member(cert, "health"), "grade"));
		if (json_number(cert, "generation") > 0)
			cli_table_printf(t, "%lld", (long long)json_number(cert, "generation"));
		else
			cli_table_text(t, NULL);
		cli_table_text(t, cli_time(cert, "not_after", time));
		cli_table_text(t, json_text(cert, "key_type"));
		cli_table_text(t,
		    *json_text(cert, "ca") != '\0' ? json_text(cert, "ca")
						   : json_text(cert, "issuer"));
		if (json_number(cert, "expected") > 0)
			cli_table_printf(t, "%lld of %lld", (long long)json_number(cert, "served"),
			    (long long)json_number(cert, "expected"));
		else
			cli_table_text(t, NULL);
		cli_table_names(t, json_member(cert, "access"));
	}
	return 0;
}

struct json_pages {
	struct json_writer *w;
	struct cli *c;
};

static int
take_json(void *arg, const struct json *page)
{
	const struct json *certs = json_member(page, "certs");
	struct json_pages *p = arg;

	for (size_t i = 0; i < json_count(certs); i++) {
		struct buf text = BUF_INIT(1024 * 1024);

		json_put_tree(&text, json_item(certs, i), 0);
		json_put_raw(p->w, NULL, buf_span(&text));
		buf_fini(&text);
	}
	return 0;
}

static int
run_list(struct cli *c, struct err *err)
{
	static const char *const headings[] = {
	    "NAME", "STATE", "HEALTH", "GEN", "EXPIRES", "KEY", "ISSUER", "SERVED", "ACCESS", NULL};
	struct json_writer w = JSON_WRITER(&c->out);
	struct json_pages pages = {&w, c};
	struct cli_table t;
	int r;

	if (c->json) {
		json_put_object(&w, NULL);
		json_put_array(&w, "certs");
		r = cli_each_page(c, cli_option(c, "filter"), take_json, &pages, err);
		if (r < 0) {
			/* Half a list is no JSON. */
			buf_clear(&c->out);
			return r;
		}
		json_put_end(&w);
		json_put_end(&w);
		cli_printf(c, "\n");
		return 0;
	}
	cli_table_begin(&t, headings);
	r = cli_each_page(c, cli_option(c, "filter"), take_rows, &t, err);
	cli_table_end(c, &t,
	    cli_flag(c, "filter")
		? "No credential fits the filter."
		: "There are no credentials; 'certherd cert add NAME' makes one.");
	if (r < 0)
		buf_clear(&c->out);
	return r;
}

/* ------------------------------------------------------------------------- one */

static void
put_line(struct cli *c, const char *label, const char *text)
{
	cli_printf(c, "%-14s%s\n", label, *text != '\0' ? text : "-");
}

static void
put_names(struct cli *c, const char *label, const struct json *array)
{
	struct buf text = BUF_INIT(64 * 1024);

	for (size_t i = 0; i < json_count(array); i++) {
		const char *name = json_value_text(json_item(array, i));

		buf_putf(&text, "%s%s", i > 0 ? ", " : "", name != NULL ? name : "?");
	}
	put_line(c, label, buf_str(&text));
	buf_fini(&text);
}

/* In their own script, and as they stand in the certificate where that is not the same. */
static void
put_dns_names(struct cli *c, const char *label, const struct json *array)
{
	struct buf text = BUF_INIT(128 * 1024);
	char shown[NAME_SHOWN_MAX];

	for (size_t i = 0; i < json_count(array); i++) {
		const char *name = json_value_text(json_item(array, i));

		name = name != NULL ? name : "?";
		buf_putf(&text, "%s%s", i > 0 ? ", " : "", name_shown(name, shown));
		if (!str_equal(shown, name))
			buf_putf(&text, " (%s)", name);
	}
	put_line(c, label, buf_str(&text));
	buf_fini(&text);
}

static bool
same_texts(const struct json *a, const struct json *b)
{
	bool same = json_count(a) == json_count(b);

	for (size_t i = 0; same && i < json_count(a); i++)
		same =
		    str_equal(json_value_text(json_item(a, i)), json_value_text(json_item(b, i)));
	return same;
}

/* What is served has its own names while a change waits for its certificate. */
static void
put_all_names(struct cli *c, const struct json *cert)
{
	const struct json *list = json_member(cert, "generations");

	put_dns_names(c, "names", json_member(cert, "names"));
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *names = json_member(json_item(list, i), "names");

		if (json_flag(json_item(list, i), "active") &&
		    !same_texts(names, json_member(cert, "names")))
			put_dns_names(c, "in force", names);
	}
}

static void
put_generations(struct cli *c, const struct json *cert)
{
	static const char *const headings[] = {
	    "GENERATION", "FROM", "UNTIL", "STATE", "FINGERPRINT", NULL};
	const struct json *list = json_member(cert, "generations");
	char time[CLI_TIME_MAX];
	struct cli_table t;

	cli_printf(c, "\n");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *g = json_item(list, i);

		cli_table_printf(&t, "%lld", (long long)json_number(g, "number"));
		cli_table_text(&t, cli_time(g, "not_before", time));
		cli_table_text(&t, cli_time(g, "not_after", time));
		cli_table_text(&t, json_text(g, "state"));
		cli_table_printf(&t, "%.16s", json_text(g, "fingerprint"));
	}
	cli_table_end(c, &t, "No certificate yet.");
}

static void
put_nodes(struct cli *c, const struct json *cert)
{
	static const char *const headings[] = {"NODE", "SERVES", "SINCE", "SAYS", NULL};
	const struct json *list = json_member(cert, "nodes");
	char time[CLI_TIME_MAX];
	struct cli_table t;

	cli_printf(c, "\n");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *n = json_item(list, i);

		cli_table_text(&t, json_text(n, "node"));
		if (json_number(n, "generation") > 0)
			cli_table_printf(
			    &t, "generation %lld", (long long)json_number(n, "generation"));
		else
			cli_table_text(&t, "nothing");
		cli_table_text(&t, cli_time(n, "since", time));
		cli_table_text(&t,
		    json_member(n, "since") != NULL ? json_text(n, "error")
						    : "it has not answered yet");
	}
	cli_table_end(c, &t, "No node has to serve it, and none says that it does.");
}

/* Whether its key can be exported, and what has become of that. */
static void
put_export(struct cli *c, const struct json *cert)
{
	const char *state = json_text(cert, "export");
	char since[CLI_TIME_MAX], last[CLI_TIME_MAX];

	if (str_equal(state, "yes")) {
		cli_printf(c, "%-14syes, since %s, %s%s", "export",
		    cli_time(json_member(cert, "export_key"), "made_at", since),
		    json_text(cert, "exported_at")[0] != '\0' ? "last exported " : "never exported",
		    json_text(cert, "exported_at")[0] != '\0' ? cli_time(cert, "exported_at", last)
							      : "");
		if (json_number(cert, "export_refusals") > 0)
			cli_printf(c, "; wrong passwords since: %lld",
			    (long long)json_number(cert, "export_refusals"));
		cli_printf(c, "\n");
	} else if (str_equal(state, "waiting")) {
		put_line(c, "export", "once its key has a certificate");
	} else if (str_equal(state, "lapsed")) {
		cli_printf(c,
		    "%-14slapsed: its key has no export password; 'certherd cert renew %s "
		    "--exportable' makes one that has\n",
		    "export", json_text(cert, "name"));
	} else {
		put_line(c, "export", state);
	}
}

static int
show_chain(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/chain", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r == 0 && !cli_json(c, reply))
		cli_printf(c, "%s", json_text(reply, "chain"));
	return r;
}

static int
run_show(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s?health=1", c->words[0], NULL);
	AUTO(json_freep)
	struct json *cert = NULL;
	char time[CLI_TIME_MAX], stale[DURATION_TEXT_MAX];
	int r;

	if (cli_flag(c, "chain"))
		return show_chain(c, err);
	r = cli_call(c, "GET", path, NULL, &cert, err);
	if (r < 0 || cli_json(c, cert))
		return r;
	put_line(c, "name", json_text(cert, "name"));
	put_all_names(c, cert);
	put_line(c, "state", json_text(cert, "state"));
	if (*json_text(cert, "error") != '\0') {
		put_line(c, "error", json_text(cert, "error"));
		put_line(c, "next try", cli_time(cert, "next_try", time));
	}
	if (json_flag(cert, "csr"))
		cli_printf(c,
		    "%-14s%s: 'certherd cert csr' prints it, 'certherd cert paste' takes the "
		    "answer\n",
		    "csr",
		    json_flag(cert, "submitted") ? "is with its CA" : "waits for its certificate");
	put_line(c, "key", json_text(cert, "key_type"));
	put_line(c, "profile", json_text(cert, "profile"));
	if (json_count(json_member(cert, "subject")) > 0)
		put_names(c, "subject", json_member(cert, "subject"));
	cli_printf(c, "%-14s%s%s%s\n", "issuer", json_text(cert, "issuer"),
	    *json_text(cert, "ca") != '\0' ? " " : "", json_text(cert, "ca"));
	if (*json_text(cert, "preferred_root") != '\0')
		put_line(c, "root", json_text(cert, "preferred_root"));
	put_names(c, "access", json_member(cert, "access"));
	put_line(c, "stale after", cli_stale_after(cert, stale));
	put_line(c, "expires", cli_time(cert, "not_after", time));
	put_line(c, "renewal", cli_time(cert, "renew_at", time));
	put_export(c, cert);
	if (json_number(cert, "expected") > 0)
		cli_printf(c, "%-14s%lld of %lld nodes serve generation %lld\n", "served",
		    (long long)json_number(cert, "served"),
		    (long long)json_number(cert, "expected"),
		    (long long)json_number(cert, "generation"));
	else
		put_line(c, "served", "by no node");
	cli_put_health(c, cert);
	cli_put_chain_health(c, json_member(cert, "chain_health"));
	put_generations(c, cert);
	put_nodes(c, cert);
	cli_put_checks(c, cert);
	cli_put_exposed(c, cert);
	return 0;
}

/* ------------------------------------------------------------------------- renew, access */

static int
run_renew(struct cli *c, struct err *err)
{
	return cli_certs_each(c, "renew", "is renewed", err);
}

static int
run_access(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/access", c->words[0], NULL);
	struct buf body = BUF_INIT(64 * 1024);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r;

	if (!cli_flag(c, "add") && !cli_flag(c, "remove")) {
		cli_hint(c, "certherd cert access %s --add web2 --remove web1", c->words[0]);
		return err_set(err, ERR_INVALID, "say who: --add or --remove");
	}
	r = cli_wait_check(c, err);
	if (r < 0)
		return r;
	json_put_object(&w, NULL);
	cli_put_list(c, &w, "add", "add");
	cli_put_list(c, &w, "remove", "remove");
	json_put_bool(&w, "keep_key", cli_flag(c, "keep-key"));
	json_put_end(&w);
	r = cli_call(c, "PUT", path, &body, &reply, err);
	buf_fini(&body);
	return r < 0 ? r : cli_wait_served(c, reply, "has its new access", err);
}

/* ------------------------------------------------------------------------- archive, delete */

static int
run_archive(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/archive", c->words[0], NULL);
	struct buf body = BUF_INIT(64);
	AUTO(json_freep)
	struct json *reply = NULL;
	bool undo = cli_flag(c, "undo");
	int r;

	if (undo && cli_flag(c, "generation"))
		return err_set(err, ERR_INVALID,
		    "a generation is brought back with 'certherd cert activate', not with --undo");
	if (cli_flag(c, "generation"))
		return cli_archive_generation(c, cli_option(c, "generation"), err);
	buf_putf(&body, "{\"archived\":%s}", undo ? "false" : "true");
	r = cli_call(c, "POST", path, &body, &reply, err);
	buf_fini(&body);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c,
	    undo ? "credential %s is back\n"
		 : "credential %s is archived: nodes stop serving it as they hear of it, --undo "
		   "brings "
		   "it back\n",
	    c->words[0]);
	cli_put_warnings(c, reply);
	return 0;
}

static int
run_delete(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "DELETE", path, NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "credential %s is deleted, with all its keys\n", c->words[0]);
	cli_put_warnings(c, reply);
	return 0;
}

/* ------------------------------------------------------------------------- the table */

static const struct cli_option list_options[] = {
    {"filter", "TEXT", "Only those with this text in one of their names."},
};

static const struct cli_option show_options[] = {
    {"chain", NULL, "Print the certificate chain in force, PEM."},
};

static const struct cli_option renew_options[] = {
    {"new-key", NULL, "With a new key."},
    CLI_EXPORT_OPTIONS,
    {"no-export", NULL, "Ask for no export password: the new key cannot be exported."},
    CLI_WAIT_OPTIONS,
};

static const struct cli_option access_options[] = {
    {"add", "NODE,@GROUP,...", "Who may open it from now on."},
    {"remove", "NODE,@GROUP,...", "Who may not any more."},
    {"keep-key", NULL, "Make no new key, although those who are removed have seen this one."},
    CLI_WAIT_OPTIONS,
};

static const struct cli_option archive_options[] = {
    {"generation", "NUMBER", "Only this older key and certificate; the credential goes on."},
    {"undo", NULL, "Bring it back."},
};

const struct cli_command command_cert_list = {
    .noun = "cert",
    .verb = "list",
    .summary = "List the credentials.",
    .examples = "  certherd cert list\n  certherd cert list --filter example.org --json\n",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = run_list,
};

const struct cli_command command_cert_show = {
    .noun = "cert",
    .verb = "show",
    .args = "NAME",
    .summary = "Show a credential, its generations, and what each node serves.",
    .examples = "  certherd cert show www.example.org\n"
		"  certherd cert show www.example.org --chain | openssl x509 -noout -text\n",
    .least = 1,
    .most = 1,
    .options = show_options,
    .option_count = ARRAY_LEN(show_options),
    .run = run_show,
};

const struct cli_command command_cert_renew = {
    .noun = "cert",
    .verb = "renew",
    .args = "NAME...",
    .summary = "Make a new generation now.",
    .examples = "  certherd cert renew www.example.org\n"
		"  certherd cert renew www.example.org --new-key\n",
    .least = 1,
    .most = CLI_WORDS_MAX,
    .options = renew_options,
    .option_count = ARRAY_LEN(renew_options),
    .run = run_renew,
};

const struct cli_command command_cert_access = {
    .noun = "cert",
    .verb = "access",
    .args = "NAME",
    .summary = "Change who may open a credential.",
    .examples = "  certherd cert access www.example.org --add web3,@edge\n"
		"  certherd cert access www.example.org --remove web1\n",
    .least = 1,
    .most = 1,
    .options = access_options,
    .option_count = ARRAY_LEN(access_options),
    .run = run_access,
};

const struct cli_command command_cert_archive = {
    .noun = "cert",
    .verb = "archive",
    .args = "NAME",
    .summary = "Have nobody serve a credential, but keep it.",
    .examples = "  certherd cert archive old.example.org\n"
		"  certherd cert archive old.example.org --undo\n"
		"  certherd cert archive www.example.org --generation 3\n",
    .least = 1,
    .most = 1,
    .options = archive_options,
    .option_count = ARRAY_LEN(archive_options),
    .run = run_archive,
};

const struct cli_command command_cert_delete = {
    .noun = "cert",
    .verb = "delete",
    .args = "NAME",
    .summary = "Delete a credential and all its keys.",
    .examples = "  certherd cert delete old.example.org\n",
    .least = 1,
    .most = 1,
    .run = run_delete,
};
