#include "server/cli/commands.h"

#include "common/base/str.h"

#include <stdio.h>

/* Of one commit, in a line for people. */
#define RECORDS_SHOWN 5

/* ------------------------------------------------------------------------- explain */

static int
run_explain(struct cli *c, struct err *err)
{
	static const char *const headings[] = {
	    "CREDENTIAL", "MATCH", "KEY", "GEN", "EXPIRES", "STALE AFTER", "SERVES", "WHY", NULL};
	const char *node = cli_option(c, "node");
	AUTO(mem_freep)
	char *path = cli_path("/v1/explain?name=%s&node=%s", c->words[0], node != NULL ? node : "");
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *list;
	char time[CLI_TIME_MAX], stale[DURATION_TEXT_MAX];
	struct cli_table t;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	list = json_member(reply, "candidates");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *x = json_item(list, i);

		cli_table_text(&t, json_text(x, "cert"));
		cli_table_text(&t, json_text(x, "match"));
		cli_table_text(&t, json_text(x, "key_type"));
		cli_table_printf(&t, "%lld", (long long)json_number(x, "generation"));
		cli_table_text(&t, cli_time(x, "not_after", time));
		cli_table_text(&t, cli_stale_after(x, stale));
		cli_table_text(&t, json_flag(x, "serves") ? "yes" : "no");
		cli_table_text(&t, json_text(x, "why"));
	}
	cli_table_end(c, &t, "No credential has this name, nor a wildcard that fits it.");
	return 0;
}

/* ------------------------------------------------------------------------- who can read */

static int
run_who_can_read(struct cli *c, struct err *err)
{
	static const char *const headings[] = {"NODE", "ROLE", "BY", NULL};
	AUTO(mem_freep)
	char *path = cli_path("/v1/who-can-read?cert=%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *list;
	struct cli_table t;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	list = json_member(reply, "readers");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *x = json_item(list, i);

		cli_table_text(&t, json_text(x, "node"));
		cli_table_text(&t, json_text(x, "role"));
		cli_table_text(&t, json_text(x, "by"));
	}
	cli_table_end(c, &t, "Nobody.");
	if (json_number(reply, "unknown") > 0)
		cli_printf(c, "%lld names in its access no longer exist\n",
		    (long long)json_number(reply, "unknown"));
	cli_put_exposed(c, reply);
	return 0;
}

/* ------------------------------------------------------------------------- why not */

static int
run_why_not(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/why-not?node=%s&cert=%s", c->words[0], c->words[1]);
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *receipt;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	receipt = json_member(reply, "receipt");
	if (json_flag(reply, "serves")) {
		cli_printf(c, "%s serves %s: generation %lld, the one in force\n", c->words[0],
		    c->words[1], (long long)json_number(receipt, "generation"));
		return 0;
	}
	cli_printf(c, "%s %s serve %s: %s\n", c->words[0],
	    json_flag(reply, "should_serve") ? "should" : "should not", c->words[1],
	    json_text(reply, "why"));
	if (receipt != NULL && json_number(receipt, "generation") > 0)
		cli_printf(c, "it says: it serves generation %lld\n",
		    (long long)json_number(receipt, "generation"));
	if (*json_text(receipt, "error") != '\0')
		cli_printf(c, "it says: %s\n", json_text(receipt, "error"));
	cli_put_exposed(c, reply);
	return 0;
}

/* ------------------------------------------------------------------------- status */

/* Every state that some credential is in. */
static void
put_states(struct cli *c, const struct json *certs)
{
	static const struct {
		const char *member, *word;
	} states[] = {
	    {"issued", "issued"},
	    {"renewal_due", "due for renewal"},
	    {"waiting", "waiting for a certificate"},
	    {"submitted", "with their CA"},
	    {"draft", "in draft"},
	    {"failed", "failed"},
	    {"expired", "expired"},
	    {"revoked", "revoked"},
	    {"archived", "archived"},
	    {"unknown", "in a state not known here"},
	};
	bool first = true;

	if (json_number(certs, "total") == 0) {
		cli_printf(c, "%-14snone\n", "credentials");
		return;
	}
	cli_printf(c, "%-14s%lld", "credentials", (long long)json_number(certs, "total"));
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		long long count = (long long)json_number(certs, states[i].member);

		if (count == 0)
			continue;
		cli_printf(c, "%s %lld %s", first ? ":" : ",", count, states[i].word);
		first = false;
	}
	cli_printf(c, "\n");
}

static void
put_counts(struct cli *c, const struct json *s)
{
	const struct json *nodes = json_member(s, "nodes"), *certs = json_member(s, "certs");
	const struct json *renewals = json_member(s, "renewals");
	char time[CLI_TIME_MAX];

	if (json_number(nodes, "total") > 0)
		cli_printf(c, "%-14s%lld of %lld connected\n", "nodes",
		    (long long)json_number(nodes, "connected"),
		    (long long)json_number(nodes, "total"));
	else
		cli_printf(c, "%-14snone but this server\n", "nodes");
	put_states(c, certs);
	if (json_number(s, "certs_without_access") > 0)
		cli_printf(c,
		    "%-14s%lld of them may be opened by no server: 'certherd cert list'\n", "",
		    (long long)json_number(s, "certs_without_access"));
	if (json_number(renewals, "waiting") > 0)
		cli_printf(c, "%-14s%lld planned, the next %s\n", "renewals",
		    (long long)json_number(renewals, "waiting"),
		    cli_time(renewals, "next_at", time));
	else
		cli_printf(c, "%-14snone planned\n", "renewals");
	if (json_number(renewals, "due") + json_number(renewals, "running") > 0)
		cli_printf(c, "%-14s%lld due now, %lld under way, at most %lld a minute\n", "",
		    (long long)json_number(renewals, "due"),
		    (long long)json_number(renewals, "running"),
		    (long long)json_number(renewals, "per_minute"));
}

static int
run_status(struct cli *c, struct err *err)
{
	AUTO(json_freep)
	struct json *s = NULL;
	const struct json *troubles, *public;
	char uptime[DURATION_TEXT_MAX];
	int r = cli_call(c, "GET", "/v1/status", NULL, &s, err);

	if (r < 0 || cli_json(c, s))
		return r;
	public = json_value_text(json_item(json_member(s, "public"), 0)) != NULL
	    ? json_item(json_member(s, "public"), 0)
	    : NULL;
	cli_printf(c, "%-14s%s\n", "domain", json_text(s, "domain"));
	cli_printf(c, "%-14s%s (%s), %s, up %s\n", "server",
	    json_text(json_member(s, "node"), "name"), json_text(s, "role"),
	    json_text(s, "software"), duration_text(json_number(s, "uptime_s"), uptime));
	cli_printf(c, "%-14s%s\n", "public port", public != NULL ? json_value_text(public) : "-");
	cli_printf(c, "%-14sterm %s, seq %lld\n", "log", json_text(s, "term"),
	    (long long)json_number(s, "seq"));
	put_counts(c, s);
	cli_put_domain_health(c, s);
	troubles = json_member(s, "troubles");
	for (size_t i = 0; i < json_count(troubles); i++)
		cli_printf(c, "%-14s%s\n", "TROUBLE", json_value_text(json_item(troubles, i)));
	return 0;
}

/* ------------------------------------------------------------------------- watch */

/* Some have no name of their own: what follows from another change, and says nothing alone. */
static bool
is_named(const struct json *record)
{
	return *json_text(record, "name") != '\0' || json_number(record, "generation") > 0;
}

static void
put_commit(struct cli *c, const struct json *e)
{
	const struct json *records = json_member(e, "records");
	size_t named = 0, shown = 0;

	for (size_t i = 0; i < json_count(records); i++)
		named += is_named(json_item(records, i));
	cli_printf(c, "seq %lld:", (long long)json_number(e, "seq"));
	for (size_t i = 0; i < json_count(records) && shown < RECORDS_SHOWN; i++) {
		const struct json *x = json_item(records, i);

		if (named > 0 && !is_named(x))
			continue;
		cli_printf(c, "%s %s%s%s", shown++ > 0 ? "," : "", json_text(x, "kind"),
		    *json_text(x, "name") != '\0' ? " " : "", json_text(x, "name"));
		if (json_number(x, "generation") > 0)
			cli_printf(c, " %lld of %s", (long long)json_number(x, "generation"),
			    json_text(x, "cert"));
		if (*json_text(x, "state") != '\0')
			cli_printf(c, " (%s%s)", json_text(x, "state"),
			    json_flag(x, "csr") ? ", csr" : "");
		cli_printf(c, "%s", json_flag(x, "removed") ? " (removed)" : "");
	}
	if (named > shown)
		cli_printf(c, " and %zu more", named - shown);
	cli_printf(c, "\n");
}

/* What has become of credentials while nobody did anything. */
static void
put_clock(struct cli *c, const struct json *e)
{
	const struct json *records = json_member(e, "records");

	for (size_t i = 0; i < json_count(records); i++) {
		const struct json *x = json_item(records, i);

		cli_printf(c, "%s credential %s (%s)",
		    i > 0 ? "," : "by the clock:", json_text(x, "name"), json_text(x, "state"));
	}
	cli_printf(c, "\n");
}

static void
put_event(struct cli *c, const struct json *e)
{
	const char *event = json_text(e, "event");
	long long second = (long long)(json_number(e, "time_ms") / 1000 % 86400);

	if (str_equal(event, "served") && *json_text(e, "cert") == '\0')
		return; /* all of a node's anew, or of a credential that is gone */
	if (!str_equal(event, "begin") && json_number(e, "time_ms") > 0)
		cli_printf(
		    c, "%02lld:%02lld:%02lld ", second / 3600, second / 60 % 60, second % 60);
	if (str_equal(event, "commit"))
		put_commit(c, e);
	else if (str_equal(event, "clock"))
		put_clock(c, e);
	else if (str_equal(event, "node"))
		cli_printf(c, "%s: %s\n", json_text(e, "node"),
		    json_flag(e, "connected") ? "connected" : "away");
	else if (str_equal(event, "served") && json_number(e, "generation") > 0)
		cli_printf(c, "%s: serves %s, generation %lld%s%s\n", json_text(e, "node"),
		    json_text(e, "cert"), (long long)json_number(e, "generation"),
		    *json_text(e, "error") != '\0' ? ": " : "", json_text(e, "error"));
	else if (str_equal(event, "served"))
		cli_printf(c, "%s: serves %s no more%s%s\n", json_text(e, "node"),
		    json_text(e, "cert"), *json_text(e, "error") != '\0' ? ": " : "",
		    json_text(e, "error"));
	else if (str_equal(event, "begin"))
		cli_printf(c, "watching from seq %lld, times in UTC; Ctrl-C ends\n",
		    (long long)json_number(e, "seq"));
}

static int
on_line(struct span line, void *arg)
{
	struct cli *c = arg;
	AUTO(json_freep)
	struct json *event = NULL;
	struct err err;

	if (c->json) {
		buf_put_span(&c->out, line);
		buf_put_u8(&c->out, '\n');
	} else if (json_parse(line, 1024 * 1024, &event, &err) == 0) {
		put_event(c, event);
	}
	/* Whoever reads has gone: so do we. */
	return cli_flush(c, &err) < 0;
}

static int
run_watch(struct cli *c, struct err *err)
{
	int r = cli_stream(c, "/v1/watch", on_line, c, err);

	if (r < 0)
		return r;
	return err_set(err, ERR_UNAVAIL, "the server has ended the stream");
}

static int
run_version(struct cli *c, struct err *err)
{
	(void)err;
	if (c->json)
		cli_printf(c, "{\"version\":\"" CERTHERD_VERSION "\"}\n");
	else
		cli_printf(c, "certherd " CERTHERD_VERSION "\n");
	return 0;
}

/* ------------------------------------------------------------------------- the table */

static const struct cli_option explain_options[] = {
    {"node", "NODE", "On this node; on any node with access if not given."},
};

const struct cli_command command_explain = {
    .noun = "explain",
    .args = "HOSTNAME",
    .summary = "Which credential serves a host name, what else fits, and why.",
    .examples = "  certherd explain www.example.org\n"
		"  certherd explain www.example.org --node web1\n",
    .least = 1,
    .most = 1,
    .options = explain_options,
    .option_count = ARRAY_LEN(explain_options),
    .run = run_explain,
};

const struct cli_command command_who_can_read = {
    .noun = "who-can-read",
    .args = "CREDENTIAL",
    .summary = "Every server that can open the key of a credential.",
    .examples = "  certherd who-can-read www.example.org\n",
    .least = 1,
    .most = 1,
    .run = run_who_can_read,
};

const struct cli_command command_why_not = {
    .noun = "why-not",
    .args = "NODE CREDENTIAL",
    .summary = "Why a node does not serve a credential.",
    .examples = "  certherd why-not web3 www.example.org\n",
    .least = 2,
    .most = 2,
    .run = run_why_not,
};

const struct cli_command command_status = {
    .noun = "status",
    .summary = "The server, the domain, and what needs attention.",
    .examples = "  certherd status\n  certherd status --json\n",
    .run = run_status,
};

const struct cli_command command_watch = {
    .noun = "watch",
    .summary = "Tell what happens: changes, and what each node serves.",
    .examples = "  certherd watch\n  certherd watch --json | jq .event\n",
    .run = run_watch,
};

const struct cli_command command_version = {
    .noun = "version",
    .summary = "Print the version.",
    .examples = "  certherd version\n",
    .run = run_version,
};
