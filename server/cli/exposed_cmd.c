/* Who knows keys without having access to them: shown, and driven until nobody serves these keys.
 */

#include "server/cli/commands.h"

#include <stdio.h>
#include <time.h>

#define WAIT_MS 60000
#define LOOK_MS 100

/* ------------------------------------------------------------------------- the list */

/* Every page: take is called for each exposure. node "": of all. */
static int
each_exposure(struct cli *c, const char *node, void (*take)(void *arg, const struct json *x),
    void *arg, struct err *err)
{
	struct buf after = BUF_INIT(1024);
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		AUTO(mem_freep)
		char *path = cli_path("/v1/exposures?node=%s&after=%s", node, buf_str(&after));
		AUTO(json_freep)
		struct json *page = NULL;
		const struct json *list;

		r = cli_call(c, "GET", path, NULL, &page, err);
		if (r < 0)
			break;
		list = json_member(page, "exposures");
		for (size_t i = 0; i < json_count(list); i++)
			take(arg, json_item(list, i));
		more = json_flag(page, "more");
		buf_clear(&after);
		buf_put_str(&after, json_text(page, "after"));
	}
	buf_fini(&after);
	return r;
}

static void
put_list(struct buf *out, const char *label, const struct json *array)
{
	for (size_t i = 0; i < json_count(array); i++)
		buf_putf(out, "%s%s", i == 0 ? label : ", ", json_value_text(json_item(array, i)));
}

static void
put_state(struct cli_table *t, const struct json *x)
{
	static const struct {
		const char *state, *text;
	} texts[] = {
	    {"kept", "in force, no new key is asked for"},
	    {"leaving", "it is about to lose its access"},
	    {"csr", "a CSR with a new key waits for its certificate"},
	    {"import", "in force: import another ('cert import --replace')"},
	    {"resting", "in force, and served by nobody"},
	    {"replaced", "replaced"},
	    {"proven", "replaced, and served by nobody"},
	    {"moot", "it has access again"},
	};
	struct buf text = BUF_INIT(64 * 1024);
	const char *state = json_text(x, "state"), *trouble = json_text(x, "trouble");

	if (str_equal(state, "waiting"))
		buf_putf(&text, "%s%s", *trouble != '\0' ? "in force: " : "a new key is made next",
		    trouble);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_equal(state, texts[i].state))
			buf_put_str(&text, texts[i].text);
	put_list(&text, "; still served by ", json_member(x, "served_by"));
	put_list(&text, "; not heard of: ", json_member(x, "not_heard"));
	cli_table_text(t, buf_str(&text));
	buf_fini(&text);
}

static void
put_row(struct cli_table *t, const struct json *x)
{
	char time[CLI_TIME_MAX];

	cli_table_name(t, json_text(x, "cert"));
	cli_table_printf(t, "%s%s", json_flag(x, "others") ? "others" : json_text(x, "node"),
	    json_flag(x, "member") || json_flag(x, "others") ? "" : " (gone)");
	cli_table_text(t, cli_time(x, "since", time));
	cli_table_text(t, json_text(x, "why"));
	cli_table_printf(t, "%.16s", json_text(x, "key"));
	put_state(t, x);
}

static const char *const headings[] = {"CREDENTIAL", "NODE", "SINCE", "WHY", "KEY", "STATE", NULL};

void
cli_put_exposed(struct cli *c, const struct json *reply)
{
	const struct json *list = json_member(reply, "exposed");
	struct cli_table t;

	if (json_count(list) == 0)
		return;
	cli_printf(c, "\nWithout access, but in knowledge of a key:\n");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++)
		put_row(&t, json_item(list, i));
	cli_table_end(c, &t, "");
}

static void
take_row(void *arg, const struct json *x)
{
	put_row(arg, x);
}

static void
take_json(void *arg, const struct json *x)
{
	struct json_writer *w = arg;
	struct buf text = BUF_INIT(1024 * 1024);

	json_put_tree(&text, x, 0);
	json_put_raw(w, NULL, buf_span(&text));
	buf_fini(&text);
}

static int
put_table(struct cli *c, const char *node, struct err *err)
{
	AUTO(mem_freep)
	char *none = NULL;
	struct cli_table t;
	int r;

	cli_table_begin(&t, headings);
	r = each_exposure(c, node, take_row, &t, err);
	if (*node != '\0')
		none = mem_printf("Of '%s' it is not known that it knows a key without having "
				  "access to it.",
		    node);
	cli_table_end(
	    c, &t, none != NULL ? none : "Nobody knows a key without having access to it.");
	return r;
}

static int
run_exposed(struct cli *c, struct err *err)
{
	const char *node = c->word_count > 0 ? c->words[0] : "";
	struct json_writer w = JSON_WRITER(&c->out);
	int r;

	if (!c->json) {
		r = put_table(c, node, err);
	} else {
		json_put_object(&w, NULL);
		json_put_array(&w, "exposures");
		r = each_exposure(c, node, take_json, &w, err);
		json_put_end(&w);
		json_put_end(&w);
		cli_printf(c, "\n");
	}
	if (r < 0)
		buf_clear(&c->out);
	return r;
}

/* ------------------------------------------------------------------------- new keys */

struct count {
	unsigned long long all, driven, replaced;
};

static void
take_count(void *arg, const struct json *x)
{
	struct count *n = arg;
	const char *state = json_text(x, "state");

	n->all++;
	n->replaced += str_equal(state, "replaced") || str_equal(state, "proven");
	n->driven += str_equal(state, "waiting") || str_equal(state, "leaving");
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int
put_progress(struct cli *c, const struct count *n, unsigned long long most, struct err *err)
{
	if (c->json)
		return 0;
	cli_printf(c, "%llu of %llu keys have no use any more, %llu are replaced, %llu not yet\n",
	    most - n->all, most, n->replaced, n->all - n->replaced);
	return cli_flush(c, err);
}

/* Until nothing is left, or nothing that goes on by itself, or the time is over. */
static int
follow(struct cli *c, const char *node, uint64_t limit_ms, struct count *n,
    unsigned long long *most, struct err *err)
{
	uint64_t begun = now_ms();
	struct count last = {0};

	for (bool first = true;; first = false) {
		uint64_t asked = now_ms(), pause;
		int r;

		*n = (struct count){0};
		r = each_exposure(c, node, take_count, n, err);
		if (r < 0)
			return r;
		if (n->all > *most)
			*most = n->all;
		if (first || n->all != last.all || n->replaced != last.replaced)
			r = put_progress(c, n, *most, err);
		if (r < 0 || n->driven + n->replaced == 0 || now_ms() - begun >= limit_ms)
			return r;
		last = *n;
		/* A long list costs the server something, too. */
		pause = 5 * (now_ms() - asked) + LOOK_MS;
		nanosleep(&(const struct timespec){.tv_sec = (time_t)(pause / 1000),
			      .tv_nsec = (long)(pause % 1000) * 1000000L},
		    NULL);
	}
}

static void
put_json(struct cli *c, const struct json *reply, const struct count *n, unsigned long long most)
{
	struct json_writer w = JSON_WRITER(&c->out);
	struct buf text = BUF_INIT(1024 * 1024);

	json_put_tree(&text, reply, 0);
	json_put_object(&w, NULL);
	json_put_raw(&w, "change", buf_span(&text));
	json_put_uint(&w, "keys", most);
	json_put_uint(&w, "replaced", n->replaced);
	json_put_uint(&w, "remaining", n->all);
	json_put_bool(&w, "proven", n->all == 0);
	json_put_end(&w);
	cli_printf(c, "\n");
	buf_fini(&text);
}

static int
put_end(struct cli *c, const char *node, const struct count *n, bool waited, struct err *err)
{
	int r = 0;

	if (!c->json && n->all == 0)
		cli_printf(c, "no server shows a key any more that %s knows\n", node);
	else if (!c->json)
		r = put_table(c, node, err);
	if (r < 0 || n->all == 0 || !waited)
		return r;
	cli_hint(c, "it goes on by itself: certherd exposed %s", node);
	r = cli_flush(c, err);
	return r < 0
	    ? r
	    : err_set(err, ERR_TIMEOUT,
		  "not proven yet: %llu keys that '%.63s' knows may be in use", n->all, node);
}

int
cli_rekey_exposed(struct cli *c, const char *node, struct err *err)
{
	struct buf body = BUF_INIT(4096);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	struct count n = {0};
	unsigned long long most;
	uint64_t limit_ms;
	int r = cli_duration(c, "wait", WAIT_MS, &limit_ms, err);

	if (r < 0)
		return r;
	if (cli_flag(c, "no-wait"))
		limit_ms = 0;
	json_put_object(&w, NULL);
	json_put_text(&w, "node", node);
	json_put_end(&w);
	r = cli_call(c, "POST", "/v1/exposures", &body, &reply, err);
	buf_fini(&body);
	if (r < 0)
		return r;
	if (!c->json)
		cli_put_warnings(c, reply);
	most = (unsigned long long)json_number(reply, "changed");
	r = follow(c, node, limit_ms, &n, &most, err);
	if (r < 0)
		return r;
	if (c->json)
		put_json(c, reply, &n, most);
	return put_end(c, node, &n, limit_ms > 0, err);
}

/* ------------------------------------------------------------------------- the table */

const struct cli_command command_exposed = {
    .noun = "exposed",
    .args = "[NODE]",
    .summary = "Who knows keys without having access to them, and who serves these still.",
    .examples = "  certherd exposed\n  certherd exposed web3\n",
    .most = 1,
    .run = run_exposed,
};
