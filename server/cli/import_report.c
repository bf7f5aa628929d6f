/* What becomes of imports: results, and what is said once. */

#include "server/cli/commands.h"
#include "server/cli/import.h"

#include "common/base/str.h"

#include <string.h>

#define SAID_MOST 64

struct import_said {
	char *text;
	size_t times;
};

void
import_run_progress(struct import_run *r)
{
	r->sets_done++;
	import_bar_draw(&r->bar, r->sets_done, r->sets);
}

/* --- what is said once --- */

void
import_run_remark(struct import_run *r, const char *text)
{
	for (size_t i = 0; i < r->said_count; i++) {
		if (str_equal(r->said[i].text, text)) {
			r->said[i].times++;
			return;
		}
	}
	if (r->said_count == SAID_MOST) {
		r->said_more++;
		return;
	}
	r->said = mem_grow(r->said, r->said_count + 1, sizeof(*r->said));
	r->said[r->said_count++] = (struct import_said){mem_strdup(text), 1};
}

/* --- results --- */

static void
begin_result(struct import_run *r, const char *file, const char *what, const char *result)
{
	json_put_object(&r->json, NULL);
	json_put_text(&r->json, "file", file);
	if (what != NULL)
		json_put_text(&r->json, "key", what);
	json_put_text(&r->json, "result", result);
}

void
import_run_fail(struct import_run *r, const char *file, int code, const char *text)
{
	/* What is said of a set names no file of its own. */
	AUTO(mem_freep)
	char *named =
	    strstr(text, file) == NULL ? mem_printf("%s: %s", file, text) : mem_strdup(text);

	if (r->failed++ == 0) {
		(void)err_set(&r->first, (enum err_code)code, "%s", named);
		r->first_text = mem_strdup(named);
	}
	if (r->c->json) {
		begin_result(r, file, NULL, "failed");
		json_put_object(&r->json, "error");
		json_put_text(&r->json, "code", err_name(code));
		json_put_text(&r->json, "text", text);
		json_put_end(&r->json);
		json_put_end(&r->json);
	} else if (r->lines) {
		cli_printf(r->c, "failed: %s\n", named);
	}
}

static void
put_done_json(struct import_run *r, const struct import_told *t, const struct json *done)
{
	struct buf warnings = BUF_INIT(LIMIT_JSON_TEXT);
	char hex[HASH_HEX_MAX];

	begin_result(r, t->file, t->what, json_text(done, "result"));
	json_put_text(&r->json, "name", json_text(done, "name"));
	json_put_int(&r->json, "generation", json_number(done, "generation"));
	json_put_text(&r->json, "not_after", json_text(done, "not_after"));
	json_put_text(&r->json, "fingerprint", hash_hex(&t->fingerprint, hex));
	if (json_member(done, "warnings") != NULL) {
		json_put_tree(&warnings, json_member(done, "warnings"), 0);
		json_put_raw(&r->json, "warnings", buf_span(&warnings));
	}
	json_put_end(&r->json);
	buf_fini(&warnings);
}

static void
put_done(struct import_run *r, const struct import_told *t, const struct json *done)
{
	const struct json *warnings = json_member(done, "warnings");
	bool unchanged = str_equal(json_text(done, "result"), "unchanged");
	char time[CLI_TIME_MAX];

	r->unchanged += unchanged;
	r->imported += !unchanged;
	if (r->c->json) {
		put_done_json(r, t, done);
		return;
	}
	cli_printf(r->c, "%s: %s, generation %lld, until %s (%s)\n",
	    unchanged ? "unchanged" : "imported", json_text(done, "name"),
	    (long long)json_number(done, "generation"), cli_time(done, "not_after", time), t->file);
	for (size_t i = 0; i < json_count(warnings); i++) {
		const char *text = json_value_text(json_item(warnings, i));

		import_run_remark(r, text != NULL ? text : "?");
	}
}

void
import_run_result(struct import_run *r, const struct import_told *t, const struct json *result)
{
	const struct json *error = json_member(result, "error");
	AUTO(mem_freep)
	char *text = NULL;
	int code;

	if (error == NULL) {
		put_done(r, t, result);
		return;
	}
	code = err_code_by_name(json_text(error, "code"));
	text = mem_printf("%s, %s: %s", t->file, t->what, json_text(error, "text"));
	import_run_fail(r, t->file, code != 0 ? code : ERR_PROTO, text);
}

/* --- the end --- */

static void
put_said(struct import_run *r)
{
	for (size_t i = 0; i < r->said_count; i++) {
		const struct import_said *s = &r->said[i];

		if (s->times > 1)
			cli_printf(r->c, "note (%zu times): %s\n", s->times, s->text);
		else
			cli_printf(r->c, "note: %s\n", s->text);
	}
	if (r->said_more > 0)
		cli_printf(r->c, "note: %zu more of this kind; --json has all\n", r->said_more);
}

void
import_run_begin_report(struct import_run *r)
{
	r->lines |= r->batch;
	import_bar_begin(&r->bar, r->batch);
	r->json = JSON_WRITER(&r->c->out);
	if (r->c->json) {
		json_put_object(&r->json, NULL);
		json_put_array(&r->json, "results");
	}
}

void
import_run_end_report(struct import_run *r)
{
	import_bar_clear(&r->bar);
	if (r->c->json) {
		json_put_end(&r->json);
		json_put_uint(&r->json, "imported", r->imported);
		json_put_uint(&r->json, "unchanged", r->unchanged);
		json_put_uint(&r->json, "failed", r->failed);
		json_put_array(&r->json, "notes");
		for (size_t i = 0; i < r->said_count; i++)
			json_put_text(&r->json, NULL, r->said[i].text);
		json_put_end(&r->json);
		if (r->imported > 0)
			cli_put_made_password(r->c, &r->json);
		json_put_end(&r->json);
		cli_printf(r->c, "\n");
	} else {
		put_said(r);
		if (r->batch)
			cli_printf(r->c, "%zu imported, %zu unchanged, %zu failed\n", r->imported,
			    r->unchanged, r->failed);
	}
	for (size_t i = 0; i < r->said_count; i++)
		mem_free(r->said[i].text);
	mem_free(r->said);
}
