/* Bringing keys and certificates in that were made elsewhere. */

#include "server/cli/commands.h"

#include "common/base/num.h"
#include "common/base/str.h"
#include "server/cli/foreign.h"
#include "server/cli/export.h"
#include "server/cli/init.h"

#define GO_ON "the same command goes on where it was: what was imported is recognised"

struct import {
	struct cli *c;
	struct import_sets sets;
	struct managers managers;
	struct export_session export;
	struct foreign foreign;
	struct import_run run;
	size_t with_keys; /* files in which keys lie */
	const char *with_key;
};

static void
import_fini(struct import *im)
{
	foreign_fini(&im->foreign);
	export_session_fini(im->c, &im->export);
	managers_fini(&im->managers);
	import_sets_fini(&im->sets);
	mem_free(im->run.first_text);
}

/* --- which of several keys --- */

static void
put_choice(struct cli *c, const struct import_found *f)
{
	static const char *const headings[] = {
	    "KEY", "NAMES", "TYPE", "EXPIRES", "FILE", "PLACE", NULL};
	struct cli_table t;
	char time[TIME_TEXT_MAX];

	cli_table_begin(&t, headings);
	for (size_t i = 0; i < f->unit_count; i++) {
		const struct import_unit *u = &f->units[i];

		cli_table_printf(&t, "%zu", i + 1);
		cli_table_text(&t, u->names);
		cli_table_text(&t, u->key_type);
		/* As cli_time has it. */
		time_text(u->not_after, time);
		cli_table_printf(&t, "%.10s %.5s UTC", time, time + 11);
		cli_table_text(&t, u->file);
		cli_table_printf(&t, "%s%s%s", u->place, *u->label != '\0' ? " " : "", u->label);
	}
	cli_table_end(c, &t, "");
}

/* The same for a program, which has the results as an empty list beside it. */
static void
put_choice_json(struct import_run *r, const struct import_found *f)
{
	struct json_writer *w = &r->json;
	char time[TIME_TEXT_MAX];

	json_put_end(w);
	json_put_array(w, "keys");
	for (size_t i = 0; i < f->unit_count; i++) {
		const struct import_unit *u = &f->units[i];

		json_put_object(w, NULL);
		json_put_uint(w, "key", i + 1);
		json_put_text(w, "names", u->names);
		json_put_text(w, "key_type", u->key_type);
		json_put_text(w, "not_after", time_text(u->not_after, time));
		json_put_text(w, "file", u->file);
		json_put_text(w, "place", u->place);
		json_put_text(w, "label", u->label);
		json_put_end(w);
	}
}

/* From *first on *count of the units are taken. */
static int
choose(
    struct import *im, const struct import_found *f, size_t *first, size_t *count, struct err *err)
{
	const char *text = cli_option(im->c, "key");
	uint64_t n;
	int r;

	*first = 0;
	*count = f->unit_count;
	if (text != NULL) {
		r = num_parse_u64(text, 1, f->unit_count > 0 ? f->unit_count : 1, &n, err);
		if (r < 0) {
			(void)!err_wrap(err, "option --key");
			return err->code = ERR_INVALID;
		}
		*first = (size_t)n - 1;
		*count = 1;
	}
	if (*count <= 1)
		return 0;
	if (cli_option(im->c, "name") != NULL)
		return err_set(err, ERR_INVALID,
		    "--name is for one credential, and there are %zu keys: choose one with --key N",
		    *count);
	if (im->run.batch || cli_flag(im->c, "all"))
		return 0;
	if (im->c->json)
		put_choice_json(&im->run, f);
	else
		put_choice(im->c, f);
	cli_hint(im->c, "--key N takes one of them, --all takes all");
	return err_set(
	    err, ERR_INVALID, "there are %zu keys in it, each with a certificate", *count);
}

/* --- all --- */

static void
refuse(struct import *im, const struct import_set *set, const struct import_found *f)
{
	im->run.lines |= f->refusal_count > 1;
	for (size_t i = 0; i < f->refusal_count; i++) {
		const struct import_note *n = &f->refusals[i];

		import_run_fail(
		    &im->run, *n->file != '\0' ? n->file : set->paths[0], n->code, n->text);
	}
}

/*
 * In a directory one file that is locked, or of a foreign kind, keeps nobody from the others. One
 * that is damaged does: it may be the chain of what lies beside it.
 */
static bool
keeps_others(const struct import *im, const struct import_found *f)
{
	for (size_t i = 0; i < f->refusal_count; i++)
		if (!im->run.batch || f->refusals[i].code == ERR_PARSE ||
		    f->refusals[i].code == ERR_LIMIT || f->refusals[i].code == ERR_PROTO)
			return true;
	return false;
}

static void
count_keys(struct import *im, const struct import_set *set, const struct import_found *f)
{
	for (size_t i = 0; i < set->count; i++) {
		bool has_key = false;

		for (size_t j = 0; j < f->unit_count; j++)
			has_key |= str_equal(f->units[j].file, set->paths[i]);
		has_key &= !str_equal(set->paths[i], "-");
		if (has_key && im->with_keys++ == 0)
			im->with_key = set->paths[i];
	}
}

static int
send_found(
    struct import *im, const struct import_set *set, const struct import_found *f, struct err *err)
{
	size_t first, count;
	int r = choose(im, f, &first, &count, err);

	im->run.lines |= count > 1;
	for (size_t i = 0; r == 0 && i < f->remark_count; i++)
		import_run_remark(&im->run, f->remarks[i].text);
	count_keys(im, set, f);
	for (size_t i = first; r == 0 && i < first + count; i++)
		r = import_run_add(&im->run, &f->units[i], cli_option(im->c, "name"), err);
	return r;
}

static int
import_set(struct import *im, const struct import_set *set, struct err *err)
{
	struct import_found found = {.units = NULL};
	int r = foreign_read(&im->foreign, IMPORT_KEYS, "keys and certificates",
	    (const char *const *)set->paths, set->count, &found, err);

	/* Whatever that made of the reader. */
	if (interrupt_came()) {
		import_found_fini(&found);
		return err_set(err, ERR_CANCELED, "interrupted: not all has been looked at");
	}
	/* A file that cannot be opened is one failure of many. */
	if (r < 0 && im->run.batch && (r == ERR_DENIED || r == ERR_NOTFOUND || r == ERR_LIMIT)) {
		import_run_fail(&im->run, set->paths[0], r, err->text);
		r = 0;
	} else if (r == 0) {
		refuse(im, set, &found);
		if (!keeps_others(im, &found))
			r = send_found(im, set, &found, err);
	}
	import_found_fini(&found);
	import_run_progress(&im->run);
	return r;
}

static int
import_all(struct import *im, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < im->sets.count; i++)
		r = import_set(im, &im->sets.items[i], err);
	return r < 0 ? r : import_run_send(&im->run, err);
}

static void
put_left(struct import *im)
{
	if (im->c->json || im->run.imported + im->run.unchanged == 0 || im->with_keys == 0)
		return;
	if (im->with_keys == 1)
		cli_printf(im->c,
		    "%s is left as it is, with its private key: remove it when nothing needs it\n",
		    im->with_key);
	else
		cli_printf(im->c,
		    "%zu files are left as they are, with their private keys: remove them when "
		    "nothing needs them\n",
		    im->with_keys);
}

/* What was done stands in the output; the command says what was not. */
static int
judge(struct import *im, struct err *err)
{
	const struct import_run *run = &im->run;

	if (run->failed == 0)
		return 0;
	if (run->failed == 1 && run->imported + run->unchanged == 0)
		return foreign_refused(im->c, run->first.code, run->first_text, err);
	if (run->imported + run->unchanged > 0)
		cli_hint(im->c,
		    "mend what failed and repeat the command: what was imported is recognised");
	return err_set(err,
	    run->first.code == ERR_INVALID ? ERR_PARSE : (enum err_code)run->first.code,
	    "%zu of %zu are not imported; each says above why", run->failed,
	    run->failed + run->imported + run->unchanged);
}

static void
clear_bar(void *arg)
{
	import_bar_clear(&((struct import *)arg)->run.bar);
}

static int
prepare(struct import *im, struct err *err)
{
	struct cli *c = im->c;
	bool exportable = false;
	int r = 0;

	if (cli_flag(c, "all") && cli_option(c, "key") != NULL)
		return err_set(err, ERR_INVALID, "either --all or --key");
	r = import_sets_make(c->words, c->word_count, &im->sets, err);
	if (r == 0)
		r = foreign_begin(&im->foreign, c, err);
	if (r == 0)
		r = export_options(c, &exportable, err);
	if (r == 0)
		r = managers_get(c, &im->managers, err);
	if (r == 0 && exportable)
		r = export_session_begin(c, NULL, 0, &im->managers, &im->export, err);
	return r;
}

static int
run_import(struct cli *c, struct err *err)
{
	struct import im = {.c = c};
	bool interrupted;
	int r = prepare(&im, err);

	if (r == 0) {
		im.run = (struct import_run){.c = c,
		    .managers = &im.managers,
		    .export = &im.export,
		    .batch = im.sets.batch,
		    .sets = im.sets.count};
		im.foreign.on_question = clear_bar;
		im.foreign.arg = &im;
		import_run_begin(&im.run);
		interrupt_begin();
		interrupt_second_ends();
		r = import_all(&im, err);
		import_run_end(&im.run);
		interrupted = interrupt_came();
		interrupt_end();
		if (im.run.imported > 0)
			cli_show_made_password(c);
		put_left(&im);
		if (r == 0)
			r = judge(&im, err);
		else if (interrupted || im.run.imported + im.run.unchanged > 0)
			cli_hint(c, GO_ON);
	}
	import_fini(&im);
	return r;
}

/* ------------------------------------------------------------------------- the table */

static const struct cli_option import_options[] = {
    {"access", "NODE,@GROUP,...", "Who may open them; the domain's default access if not given."},
    {"name", "NAME", "Name of the credential; the first name of its certificate if not given."},
    FOREIGN_OPTIONS,
    {"key", "NUMBER", "Take this one of several keys, as they are listed without it."},
    {"all", NULL, "Take all keys that there are."},
    {"replace", NULL, "Make it the next generation of what was imported under its name before."},
    CLI_EXPORT_OPTIONS,
};

const struct cli_command command_cert_import = {
    .noun = "cert",
    .verb = "import",
    .args = "FILE...",
    .summary = "Bring in keys and certificates that were made elsewhere.",
    .examples = "  certherd cert import bundle.p12 --access @mail --password-file p12.password\n"
		"  certherd cert import key.pem cert.pem chain.pem --access web1\n"
		"  certherd cert import /etc/ssl/sites --json\n",
    .least = 1,
    .most = CLI_FILES_MAX,
    .options = import_options,
    .option_count = ARRAY_LEN(import_options),
    .run = run_import,
};
