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

/* --- all of them --- */

struct name_list {
	char **items;
	size_t count;
};

static int
take_names(void *arg, const struct json *page)
{
	const struct json *certs = json_member(page, "certs");
	struct name_list *l = arg;

	for (size_t i = 0; i < json_count(certs); i++) {
		if (json_number(json_item(certs, i), "generation") == 0)
			continue;
		l->items = mem_grow(l->items, l->count + 1, sizeof(*l->items));
		l->items[l->count++] = mem_strdup(json_text(json_item(certs, i), "name"));
	}
	return 0;
}

/* *done counts. One that was deleted meanwhile keeps nobody from the others. */
static int
complete_one(struct cli *c, const char *name, size_t *done, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/chain", name, NULL);
	AUTO(json_freep)
	struct json *before = NULL;
	AUTO(json_freep)
	struct json *made = NULL;
	int r = cli_call(c, "GET", path, NULL, &before, err);

	if (r == 0 && json_flag(json_member(before, "health"), "can_complete")) {
		r = cli_call(c, "POST", path, NULL, &made, err);
		if (r == 0 && c->json) {
			struct json_writer w = cli_result(c, name, made);

			cli_result_end(c, &w);
		} else if (r == 0) {
			cli_printf(c, "credential %s has a new chain\n", name);
		}
		*done += r == 0;
	}
	return r == ERR_NOTFOUND ? 0 : r;
}

/* What a root or an intermediate that came later is good for. */
static int
complete_all(struct cli *c, struct err *err)
{
	struct name_list names = {NULL, 0};
	size_t done = 0;
	int r = cli_each_page(c, NULL, take_names, &names, err);

	cli_results_begin(c);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = complete_one(c, names.items[i], &done, err);
	cli_results_end(c);
	if (r == 0 && !c->json)
		cli_printf(c, "%zu of %zu chains are made anew\n", done, names.count);
	while (names.count > 0)
		mem_free(names.items[--names.count]);
	mem_free(names.items);
	return r;
}

/* --- the preferred root --- */

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
	char *path = NULL;
	const char *root = cli_option(c, "prefer-root");
	bool all = cli_flag(c, "all");
	int r;

	if (all != (c->word_count == 0) || (all && (root != NULL || !cli_flag(c, "complete"))))
		return err_set(err, ERR_INVALID,
		    "name one credential, or complete the chains of all: --complete --all");
	if (all)
		return complete_all(c, err);
	path = cli_path("/v1/certs/%s/chain", c->words[0], NULL);
	r = root != NULL ? prefer(c, root, err) : 0;
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
    {"all", NULL, "With --complete: of all credentials."},
    {"prefer-root", "ROOT", "End in this one if possible: its SHA-256, or a part of its subject."},
    CLI_WAIT_OPTIONS,
};

const struct cli_command command_cert_chain = {
    .noun = "cert",
    .verb = "chain",
    .args = "[NAME]",
    .summary = "Show the chain in force: green, yellow or red, and why.",
    .examples = "  certherd cert chain mail.example.org\n"
		"  certherd cert chain mail.example.org --complete\n"
		"  certherd cert chain --complete --all\n"
		"  certherd cert chain mail.example.org --prefer-root 'CN=Old Root'\n",
    .most = 1,
    .options = chain_options,
    .option_count = ARRAY_LEN(chain_options),
    .run = run_chain,
};
