/* Trusted roots: added from files, servers and the domain's own CAs; listed, removed, exported. */

#include "common/base/str.h"
#include "server/cli/foreign.h"
#include "server/cli/trust.h"

#include <string.h>

#define BATCH 32 /* certificates of one request; the API takes no more */

void
trust_batch_fini(struct trust_batch *b)
{
	while (b->count > 0)
		cert_unref(b->certs[--b->count]);
}

void
trust_batch_take(struct trust_batch *b, struct cert *c)
{
	if (b->count < ARRAY_LEN(b->certs))
		b->certs[b->count++] = c;
	else
		cert_unref(c);
}

/* --- add --- */

static int
take_files(struct cli *c, struct trust_batch *out, struct err *err)
{
	struct import_found found;
	int r = foreign_certs(c, IMPORT_CERTS, "the roots", c->words, c->word_count, &found, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < found.unit_count; i++) {
		struct cert *cert = NULL;

		r = cert_parse(found.units[i].certs[0], &cert, err);
		if (r == 0)
			trust_batch_take(out, cert);
	}
	import_found_fini(&found);
	return r;
}

/* The root of one of the domain's own CAs: the last one of its chain. */
static int
take_ca(struct cli *c, const char *name, struct trust_batch *out, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/cas/%s", name, NULL);
	AUTO(json_freep)
	struct json *ca = NULL;
	struct cert *chain[LIMIT_CHAIN];
	size_t count = 0;
	int r = cli_call(c, "GET", path, NULL, &ca, err);

	if (r == 0)
		r = cert_parse_pem_chain(
		    span_str(json_text(ca, "certificate")), chain, &count, err);
	if (r < 0)
		return r;
	/* The root alone: what is below it comes with its leaves. */
	for (size_t i = 0; i + 1 < count; i++)
		cert_unref(chain[i]);
	trust_batch_take(out, chain[count - 1]);
	return 0;
}

static int
post(struct cli *c, const struct trust_batch *b, size_t from, size_t count, struct json **out,
    struct err *err)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(2 * LIMIT_IMPORT_FILE);
	struct json_writer w = JSON_WRITER(body);

	json_put_object(&w, NULL);
	json_put_array(&w, "certificates");
	for (size_t i = from; i < from + count; i++)
		json_put_base64(&w, NULL, cert_der(b->certs[i]));
	json_put_end(&w);
	if (cli_option(c, "for") != NULL)
		cli_put_list(c, &w, "categories", "for");
	cli_put_option(c, &w, "label", "label");
	json_put_end(&w);
	return cli_call(c, "POST", "/v1/trust", body, out, err);
}

static int
send_all(struct cli *c, const struct trust_batch *b, struct err *err)
{
	size_t written = 0;
	int r = 0;

	cli_results_begin(c);
	for (size_t i = 0; r == 0 && i < b->count; i += BATCH) {
		size_t count = b->count - i < BATCH ? b->count - i : BATCH;
		AUTO(json_freep)
		struct json *reply = NULL;

		r = post(c, b, i, count, &reply, err);
		if (r < 0)
			break;
		written += (size_t)json_number(reply, "written");
		if (c->json) {
			struct json_writer w =
			    cli_result(c, json_text(reply, "fingerprint"), reply);

			cli_result_end(c, &w);
		} else {
			cli_put_warnings(c, reply);
		}
	}
	cli_results_end(c);
	if (!c->json && written > 0)
		cli_printf(c, "%zu of %zu certificates are stored now\n", written, b->count);
	else if (!c->json && r == 0)
		cli_printf(c, "stored already\n");
	return r;
}

static int
run_add(struct cli *c, struct err *err)
{
	const char *from = cli_option(c, "from"), *ca = cli_option(c, "ca");
	struct trust_batch *batch;
	int r;

	if ((from != NULL) + (ca != NULL) + (c->word_count > 0) > 1)
		return err_set(err, ERR_INVALID,
		    "files, --from and --ca are three ways to say which certificate; give one");
	if (cli_option(c, "yes") != NULL && from == NULL)
		return err_set(err, ERR_INVALID, "--yes answers the question of --from");
	batch = mem_zalloc(sizeof(*batch));
	if (from != NULL)
		r = trust_from_server(c, from, batch, err);
	else if (ca != NULL)
		r = take_ca(c, ca, batch, err);
	else
		r = take_files(c, batch, err);
	if (r == 0)
		r = send_all(c, batch, err);
	trust_batch_fini(batch);
	mem_free(batch);
	return r;
}

/* --- list, show, export --- */

static int
get_list(struct cli *c, const char *fmt, struct json **out, struct err *err)
{
	const char *category = cli_option(c, "for");
	AUTO(mem_freep)
	char *path = cli_path(fmt, category != NULL ? category : "", NULL);

	return cli_call(c, "GET", path, NULL, out, err);
}

static int
run_list(struct cli *c, struct err *err)
{
	static const char *const headings[] = {"LABEL", "FOR", "EXPIRES", "SHA-256", NULL};
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *list;
	char time[CLI_TIME_MAX];
	struct cli_table t;
	int r = get_list(c, "/v1/trust?category=%s", &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	list = json_member(reply, "trust");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *root = json_item(list, i);

		cli_table_text(&t, json_text(root, "label"));
		cli_table_names(&t, json_member(root, "categories"));
		cli_table_text(&t, cli_time(root, "not_after", time));
		cli_table_printf(&t, "%.16s", json_text(root, "fingerprint"));
	}
	cli_table_end(
	    c, &t, "There are none; 'certherd trust add FILE' stores roots and intermediates.");
	return 0;
}

static int
run_show(struct cli *c, struct err *err)
{
	static const char *const lines[][2] = {{"label", "label"}, {"subject", "subject"},
	    {"issuer", "issuer"}, {"SHA-256", "fingerprint"}};
	AUTO(mem_freep)
	char *path = cli_path("/v1/trust/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *root = NULL;
	const struct json *categories;
	char time[CLI_TIME_MAX];
	int r = cli_call(c, "GET", path, NULL, &root, err);

	if (r < 0 || cli_json(c, root))
		return r;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		cli_printf(c, "%-14s%s\n", lines[i][0], json_text(root, lines[i][1]));
	categories = json_member(root, "categories");
	cli_printf(c, "%-14s", "for");
	for (size_t i = 0; i < json_count(categories); i++)
		cli_printf(c, "%s%s", i > 0 ? ", " : "", json_value_text(json_item(categories, i)));
	cli_printf(c, "\n%-14s%s\n", "from", cli_time(root, "not_before", time));
	cli_printf(c, "%-14s%s\n", "until", cli_time(root, "not_after", time));
	cli_printf(c, "%s", json_text(root, "certificate"));
	return 0;
}

static int
run_export(struct cli *c, struct err *err)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *list;
	bool named = cli_option(c, "for") != NULL;
	int r = get_list(c,
	    named ? "/v1/trust?pem=1&category=%s" : "/v1/trust?pem=1&category=completion", &reply,
	    err);

	if (r < 0 || cli_json(c, reply))
		return r;
	list = json_member(reply, "trust");
	if (json_count(list) == 0)
		return err_set(err, ERR_NOTFOUND, "no trusted root is of that category");
	if (json_flag(reply, "more"))
		return err_set(err, ERR_LIMIT, "they are too many for one answer");
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *root = json_item(list, i);

		cli_printf(c, "# %s\n%s", json_text(root, "label"), json_text(root, "certificate"));
	}
	return 0;
}

/* --- remove --- */

static int
remove_one(struct cli *c, const char *name, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/trust/%s", name, NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "DELETE", path, NULL, &reply, err);

	if (r < 0)
		return r;
	if (c->json) {
		struct json_writer w = cli_result(c, name, reply);

		cli_result_end(c, &w);
		return 0;
	}
	cli_printf(c, "%s is trusted no longer\n", name);
	cli_put_warnings(c, reply);
	return 0;
}

static int
run_remove(struct cli *c, struct err *err)
{
	int r = 0;

	cli_results_begin(c);
	for (size_t i = 0; r == 0 && i < c->word_count; i++)
		r = remove_one(c, c->words[i], err);
	cli_results_end(c);
	return r;
}

/* --- the table --- */

#define CATEGORIES "completion, client (certificates), outgoing (TLS), or intermediate."

static const struct cli_option add_options[] = {
    {"for", "CATEGORY,...", CATEGORIES},
    {"label", "TEXT", "What it is called here; from its subject if not given."},
    {"from", "HOST:PORT", "What this server sends, after a question."},
    {"yes", "SHA-256", "Of the last CA that the server sends: the answer to the question."},
    {"ca", "NAME", "The root of this Micro CA."},
    FOREIGN_OPTIONS,
};

static const struct cli_option list_options[] = {
    {"for", "CATEGORY", "Only those of this one."},
};

static const struct cli_option export_options[] = {
    {"for", "CATEGORY", "Those of this one; completion if not given."},
};

const struct cli_command command_trust_add = {
    .noun = "trust",
    .verb = "add",
    .args = "[FILE...]",
    .summary = "Store roots that are trusted, and intermediates that complete chains.",
    .examples = "  certherd trust add corporate-root.pem\n"
		"  certherd trust add bundle.pem --for completion,outgoing\n"
		"  certherd trust add --from intranet.example.org:443\n"
		"  certherd trust add --ca default --for client\n",
    .most = CLI_WORDS_MAX,
    .options = add_options,
    .option_count = ARRAY_LEN(add_options),
    .run = run_add,
};

const struct cli_command command_trust_list = {
    .noun = "trust",
    .verb = "list",
    .summary = "List trusted roots and stored intermediates.",
    .examples = "  certherd trust list\n  certherd trust list --for client\n",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = run_list,
};

const struct cli_command command_trust_show = {
    .noun = "trust",
    .verb = "show",
    .args = "NAME",
    .summary = "Show one, by its label or the beginning of its SHA-256.",
    .examples = "  certherd trust show 'Corporate Root'\n  certherd trust show 96bcec06\n",
    .least = 1,
    .most = 1,
    .run = run_show,
};

const struct cli_command command_trust_remove = {
    .noun = "trust",
    .verb = "remove",
    .args = "NAME...",
    .summary = "Trust it no longer; chains that end in it stay as they are.",
    .examples = "  certherd trust remove 'Old Root'\n",
    .least = 1,
    .most = CLI_WORDS_MAX,
    .run = run_remove,
};

const struct cli_command command_trust_export = {
    .noun = "trust",
    .verb = "export",
    .summary = "Print a bundle, PEM, for other programs.",
    .examples = "  certherd trust export --for client > client-cas.pem\n",
    .options = export_options,
    .option_count = ARRAY_LEN(export_options),
    .run = run_export,
};
