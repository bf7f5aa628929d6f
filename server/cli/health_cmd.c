/* How credentials are: looks from outside, and what other commands print of it. */

#include "server/cli/commands.h"

#include <string.h>

/* ------------------------------------------------------------------------- shared */

static void
put_reasons(struct cli *c, const struct json *reasons)
{
	for (size_t i = 0; i < json_count(reasons); i++)
		cli_printf(c, "%-14s%s\n", "", json_text(json_item(reasons, i), "text"));
}

void
cli_put_health(struct cli *c, const struct json *cert)
{
	const struct json *health = json_member(cert, "health");

	if (*json_text(health, "grade") == '\0')
		return;
	cli_printf(c, "%-14s%s\n", "health", json_text(health, "grade"));
	put_reasons(c, json_member(health, "reasons"));
}

static void
put_result(struct cli_table *t, const struct json *x)
{
	char time[CLI_TIME_MAX];
	bool seen = *json_text(x, "at") != '\0';

	cli_table_text(t, json_text(x, "address"));
	cli_table_text(t, cli_time(x, "at", time));
	cli_table_text(t, json_text(x, "grade"));
	cli_table_printf(t, "%.16s", json_text(x, "fingerprint"));
	cli_table_text(t, cli_time(x, "not_after", time));
	cli_table_text(t,
	    !seen                               ? "nobody has looked yet"
		: *json_text(x, "text") != '\0' ? json_text(x, "text")
						: "as it should be");
}

#define RESULT_HEADINGS "ADDRESS", "LOOKED AT", "IS", "CERTIFICATE", "UNTIL", "FOUND"

void
cli_put_checks(struct cli *c, const struct json *cert)
{
	static const char *const headings[] = {RESULT_HEADINGS, NULL};
	const struct json *list = json_member(cert, "checks");
	struct cli_table t;

	if (json_count(list) == 0)
		return;
	if (c->out.len > 0)
		cli_printf(c, "\n");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++)
		put_result(&t, json_item(list, i));
	cli_table_end(c, &t, "");
}

/* {"name": ..., member: what the server said} */
static void
put_tree(struct json_writer *w, const char *name, const char *member, const struct json *tree)
{
	struct buf text = BUF_INIT(LIMIT_JSON_TEXT);

	json_put_object(w, NULL);
	json_put_text(w, "name", name);
	json_put_tree(&text, tree, 0);
	json_put_raw(w, member, buf_span(&text));
	json_put_end(w);
	buf_fini(&text);
}

/* ------------------------------------------------------------------------- status */

static void
put_summary(struct cli *c, const struct json *health)
{
	const struct json *worst = json_member(health, "worst");
	long long open = (long long)json_number(health, "unseen") +
	    (long long)json_number(health, "chains_unseen");

	cli_printf(c, "%-14s%lld green, %lld yellow, %lld red\n", "health",
	    (long long)json_number(health, "green"), (long long)json_number(health, "yellow"),
	    (long long)json_number(health, "red"));
	if (open > 0)
		cli_printf(c, "%-14s%lld are still to be looked at since the start\n", "", open);
	if (json_number(health, "addresses") > 0)
		cli_printf(c,
		    "%-14s%lld addresses are looked at from outside, %lld are not as they should "
		    "be\n",
		    "", (long long)json_number(health, "addresses"),
		    (long long)json_number(health, "addresses_bad"));
	for (size_t i = 0; i < json_count(worst); i++) {
		const struct json *x = json_item(worst, i), *reasons = json_member(x, "reasons");
		const struct json *shown = NULL;

		/* The first of the worst. */
		for (size_t k = 0; k < json_count(reasons); k++)
			if (shown == NULL &&
			    str_equal(
				json_text(json_item(reasons, k), "grade"), json_text(x, "grade")))
				shown = json_item(reasons, k);
		cli_printf(c, "%-14s%-7s %s: %s\n", "", json_text(x, "grade"), json_text(x, "cert"),
		    json_text(shown, "text"));
	}
}

void
cli_put_domain_health(struct cli *c, const struct json *status)
{
	const struct json *health = json_member(status, "health");
	const struct json *runway = json_member(status, "runway");
	const struct json *with = json_member(runway, "with_manager");
	char time[CLI_TIME_MAX];

	if (health != NULL)
		put_summary(c, health);
	if (*json_text(runway, "until") != '\0')
		cli_printf(c, "%-14suntil %s if nobody acts, not even this server: %s\n", "runway",
		    cli_time(runway, "until", time), json_text(runway, "because"));
	if (*json_text(with, "until") != '\0')
		cli_printf(c, "%-14suntil %s if no administrator acts: %s\n", "",
		    cli_time(with, "until", time), json_text(with, "because"));
}

/* ------------------------------------------------------------------------- check */

/* "--address mx:25 --starttls smtp" is "smtp://mx:25". */
static int
put_addresses(const struct cli *c, struct buf *body, struct err *err)
{
	const char *protocol = cli_option(c, "starttls");
	struct json_writer w = JSON_WRITER(body);
	bool any = false;

	json_put_object(&w, NULL);
	for (size_t i = 0; i < c->value_count; i++) {
		const char *text = c->values[i].value;

		if (!str_equal(c->values[i].name, "address"))
			continue;
		if (protocol != NULL && strstr(text, "://") != NULL)
			return err_set(err, ERR_INVALID,
			    "'%.150s' names its protocol itself: leave out --starttls", text);
		if (!any)
			json_put_array(&w, "addresses");
		any = true;
		json_put_textf(&w, NULL, "%s%s%s", protocol != NULL ? protocol : "",
		    protocol != NULL ? "://" : "", text);
	}
	if (any)
		json_put_end(&w);
	json_put_end(&w);
	if (any && c->word_count != 1)
		return err_set(err, ERR_INVALID, "--address goes with the name of one credential");
	if (!any && protocol != NULL)
		return err_set(err, ERR_INVALID, "--starttls goes with --address");
	return 0;
}

struct checking {
	struct cli *c;
	struct cli_table table;
	struct buf *body;
	size_t done, bad;
	struct err *err;
};

static int
check_one(struct checking *k, const char *name)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/check", name, NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *list;
	int r = cli_call(k->c, "POST", path, k->body, &reply, k->err);

	if (r < 0)
		return r;
	k->done++;
	k->bad += !json_flag(reply, "good");
	list = json_member(reply, "results");
	if (k->c->json) {
		put_tree(&k->c->results, name, "results", list);
		return 0;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		cli_table_name(&k->table, name);
		put_result(&k->table, json_item(list, i));
	}
	return 0;
}

/* Without names: all that have addresses. */
static int
take_page(void *arg, const struct json *page)
{
	const struct json *certs = json_member(page, "certs");
	struct checking *k = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_count(certs); i++)
		if (json_number(json_item(certs, i), "addresses") > 0)
			r = check_one(k, json_text(json_item(certs, i), "name"));
	return r;
}

static int
run_check(struct cli *c, struct err *err)
{
	static const char *const headings[] = {"CREDENTIAL", RESULT_HEADINGS, NULL};
	struct buf body = BUF_INIT(64 * 1024);
	struct checking k = {.c = c, .body = &body, .err = err};
	int r = put_addresses(c, &body, err);

	if (r < 0) {
		buf_fini(&body);
		return r;
	}
	if (c->json)
		cli_results_begin(c);
	else
		cli_table_begin(&k.table, headings);
	for (size_t i = 0; r == 0 && i < c->word_count; i++)
		r = check_one(&k, c->words[i]);
	if (c->word_count == 0)
		r = cli_each_page(c, NULL, take_page, &k, err);
	if (c->json)
		cli_results_end(c);
	else
		cli_table_end(c, &k.table,
		    r < 0 ? ""
			  : "No credential has addresses to be looked at; 'certherd cert checks "
			    "NAME --add HOST:PORT' gives it one.");
	buf_fini(&body);
	if (r == 0 && k.bad > 0)
		r = err_set(
		    err, ERR_CONFLICT, "%zu of %zu are not seen as they should be", k.bad, k.done);
	return r;
}

static const struct cli_option check_options[] = {
    {"address", "ADDRESS", "Look there, in place of where it is stored; may be given again."},
    {"starttls", "PROTOCOL", "Of --address: smtp, imap, pop3, ldap or postgres."},
};

const struct cli_command command_check = {
    .noun = "check",
    .args = "[NAME...]",
    .summary = "Look from outside whether credentials are served as they should be.",
    .examples = "  certherd check\n"
		"  certherd check www.example.org --address www.example.org:443\n"
		"  certherd check mail.example.org --address mx.example.org:25 --starttls smtp\n",
    .least = 0,
    .most = CLI_WORDS_MAX,
    .options = check_options,
    .option_count = ARRAY_LEN(check_options),
    .run = run_check,
};

/* ------------------------------------------------------------------------- addresses */

static int
show_checks(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *cert = NULL;
	int r = cli_call(c, "GET", path, NULL, &cert, err);

	if (r < 0)
		return r;
	if (c->json) {
		struct json_writer w = JSON_WRITER(&c->out);

		put_tree(&w, c->words[0], "checks", json_member(cert, "checks"));
		cli_printf(c, "\n");
	} else if (json_count(json_member(cert, "checks")) == 0) {
		cli_printf(c, "%s is looked at nowhere\n", c->words[0]);
	} else {
		cli_put_checks(c, cert);
	}
	return 0;
}

static int
run_checks(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/checks", c->words[0], NULL);
	struct buf body = BUF_INIT(64 * 1024);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r;

	if (!cli_flag(c, "add") && !cli_flag(c, "remove"))
		return show_checks(c, err);
	json_put_object(&w, NULL);
	cli_put_each(c, &w, "add", "add");
	cli_put_each(c, &w, "remove", "remove");
	json_put_end(&w);
	r = cli_call(c, "PUT", path, &body, &reply, err);
	buf_fini(&body);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c,
	    "the addresses of %s are changed; 'certherd check %s' looks at them now, the server "
	    "every day\n",
	    c->words[0], c->words[0]);
	cli_put_warnings(c, reply);
	return 0;
}

static const struct cli_option checks_options[] = {
    {"add", "ADDRESS",
	"Look there, too: HOST:PORT, smtp://HOST, imap://, pop3://, ldap://, postgres://."},
    {"remove", "ADDRESS", "Look there no more."},
};

const struct cli_command command_cert_checks = {
    .noun = "cert",
    .verb = "checks",
    .args = "NAME",
    .summary = "Where the server looks from outside whether it is served: show, add, remove.",
    .examples = "  certherd cert checks mail.example.org\n"
		"  certherd cert checks mail.example.org --add smtp://mx.example.org:25\n"
		"  certherd cert checks www.example.org --add 192.0.2.1:443/www.example.org\n",
    .least = 1,
    .most = 1,
    .options = checks_options,
    .option_count = ARRAY_LEN(checks_options),
    .run = run_checks,
};
