/* Events: what was told to administrators, and whether it arrives. */

#include "server/cli/commands.h"

#include "common/base/num.h"

#include <time.h>

#define TEST_WAIT_MS 10000
#define TEST_LOOK_MS 50
#define SHOWN_MAX 1000

static void
put_receivers(struct cli *c, const struct json *reply)
{
	const struct json *list = json_member(reply, "receivers");
	char time[CLI_TIME_MAX];

	if (json_count(list) == 0)
		cli_printf(c,
		    "%sNobody is told: no section events is in the server's "
		    "configuration, see certherd-server.conf(5).\n",
		    c->out.len > 0 ? "\n" : "");
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *s = json_item(list, i);

		if (*json_text(s, "trouble") != '\0')
			cli_printf(c, "\n%s takes none since %s, %lld wait: %s\n",
			    json_text(s, "name"), cli_time(s, "since", time),
			    (long long)json_number(s, "behind"), json_text(s, "trouble"));
	}
}

static void
put_line(struct cli *c, const struct json *e)
{
	char time[CLI_TIME_MAX];
	long long lost = (long long)json_number(e, "lost");

	cli_printf(c, "%s  %-7s  %-24s  ", cli_time(e, "time", time), json_text(e, "level"),
	    json_text(e, "event"));
	if (lost > 0)
		cli_printf(c, "%lld ", lost);
	str_put_printable(&c->out, span_str(json_text(e, "text")), LIMIT_TEXT);
	cli_printf(c, "\n");
}

static char *
list_path(const struct cli *c)
{
	const char *limit = cli_option(c, "limit");

	return limit != NULL ? cli_path("/v1/events?limit=%s", limit, NULL)
			     : mem_strdup("/v1/events");
}

static int
check_limit(const struct cli *c, struct err *err)
{
	const char *limit = cli_option(c, "limit");
	uint64_t number;

	if (limit == NULL || (num_parse_u64(limit, 1, SHOWN_MAX, &number, err) == 0))
		return 0;
	(void)!err_wrap(err, "option --limit");
	return err->code = ERR_INVALID;
}

static int
run_list(struct cli *c, struct err *err)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	AUTO(mem_freep)
	char *path = list_path(c);
	const struct json *list;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	list = json_member(reply, "events");
	for (size_t i = 0; i < json_count(list); i++)
		put_line(c, json_item(list, i));
	if (json_count(list) == 0)
		cli_printf(c, "There are no events.\n");
	put_receivers(c, reply);
	return 0;
}

/* --- as they come ---------------------------------------------------------------------------- */

struct follow {
	struct cli *c;
	int64_t shown; /* numbers up to this */
	struct err err;
	bool failed;
};

static void
show(struct follow *f, const struct json *e)
{
	if (json_number(e, "number") <= f->shown)
		return;
	f->shown = json_number(e, "number");
	if (f->c->json) {
		json_put_tree(&f->c->out, e, 0);
		buf_put_u8(&f->c->out, '\n');
	} else {
		put_line(f->c, e);
	}
}

/* The stream has begun, so that nothing falls between what there was and what comes. */
static int
show_before(struct follow *f)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	AUTO(mem_freep)
	char *path = list_path(f->c);
	const struct json *list;
	int r = cli_call(f->c, "GET", path, NULL, &reply, &f->err);

	if (r < 0)
		return r;
	list = json_member(reply, "events");
	for (size_t i = 0; i < json_count(list); i++)
		show(f, json_item(list, i));
	return 0;
}

static int
on_line(struct span line, void *arg)
{
	struct follow *f = arg;
	AUTO(json_freep)
	struct json *e = NULL;
	struct err err;

	if (json_parse(line, 1024 * 1024, &e, &err) < 0)
		return 0;
	if (str_equal(json_text(e, "event"), "begin")) {
		f->failed = show_before(f) < 0;
		if (f->failed)
			return 1;
	} else {
		show(f, e);
	}
	return cli_flush(f->c, &err) < 0;
}

static int
run_events(struct cli *c, struct err *err)
{
	struct follow f = {.c = c, .shown = -1};
	int r = check_limit(c, err);

	if (r < 0 || !cli_flag(c, "follow"))
		return r < 0 ? r : run_list(c, err);
	r = cli_stream(c, "/v1/watch?events=1", on_line, &f, err);
	if (f.failed) {
		*err = f.err;
		return f.err.code;
	}
	return r < 0 ? r : err_set(err, ERR_UNAVAIL, "the server has ended the stream");
}

/* --- a test ---------------------------------------------------------------------------------- */

/* The number of the test event; 0: it is not there yet. */
static int64_t
number_of_test(const struct json *reply)
{
	const struct json *list = json_member(reply, "events");

	for (size_t i = 0; i < json_count(list); i++)
		if (str_equal(json_text(json_item(list, i), "event"), "events.test"))
			return json_number(json_item(list, i), "number");
	return 0;
}

static bool
has_arrived(const struct json *reply)
{
	const struct json *list = json_member(reply, "receivers");
	int64_t number = number_of_test(reply);

	for (size_t i = 0; i < json_count(list); i++)
		if (json_number(json_item(list, i), "done") < number)
			return false;
	return number > 0;
}

static int
put_outcome(struct cli *c, const struct json *reply, struct err *err)
{
	const struct json *list = json_member(reply, "receivers");
	bool all = has_arrived(reply);

	if (cli_json(c, reply))
		return all ? 0 : err_set(err, ERR_TIMEOUT, "not all have taken the test");
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *s = json_item(list, i);
		const char *trouble = json_text(s, "trouble");
		bool taken = json_number(s, "done") >= number_of_test(reply);

		cli_printf(c, "%s: %s%s\n", json_text(s, "name"),
		    taken                  ? "taken"
			: *trouble == '\0' ? "has not answered yet"
					   : "not taken: ",
		    taken ? "" : trouble);
	}
	if (json_count(list) == 0)
		put_receivers(c, reply);
	return all
	    ? 0
	    : err_set(err, ERR_TIMEOUT, "not all receivers have taken the test; it is tried again");
}

static int
run_test(struct cli *c, struct err *err)
{
	const struct timespec pause = {.tv_nsec = TEST_LOOK_MS * 1000000L};
	AUTO(json_freep)
	struct json *begun = NULL;
	AUTO(mem_freep)
	char *path = NULL;
	uint64_t limit_ms = 0;
	int r = cli_duration(c, "wait", TEST_WAIT_MS, &limit_ms, err);

	if (r == 0)
		r = cli_call(c, "POST", "/v1/events/test", NULL, &begun, err);
	if (r < 0)
		return r;
	path = mem_printf("/v1/events?above=%lld", (long long)json_number(begun, "above"));
	for (uint64_t waited = 0;; waited += TEST_LOOK_MS) {
		AUTO(json_freep)
		struct json *reply = NULL;

		r = cli_call(c, "GET", path, NULL, &reply, err);
		if (r < 0)
			return r;
		if (has_arrived(reply) || waited >= limit_ms)
			return put_outcome(c, reply, err);
		nanosleep(&pause, NULL);
	}
}

/* --- the table ------------------------------------------------------------------------------- */

static const struct cli_option events_options[] = {
    {"follow", NULL, "Go on with those that come."},
    {"limit", "NUMBER", "The last so many, at most 1000; 100 if not given."},
};

const struct cli_command command_events = {
    .noun = "events",
    .summary = "What administrators were told: the last events, and whether they arrive.",
    .examples = "  certherd events\n  certherd events --follow --json | jq .text\n",
    .options = events_options,
    .option_count = ARRAY_LEN(events_options),
    .run = run_events,
};

static const struct cli_option test_options[] = {
    {"wait", "DURATION", "How long to wait until all have taken it; 10s if not given."},
};

const struct cli_command command_events_test = {
    .noun = "events",
    .verb = "test",
    .summary = "Tell the receivers of events of a test, and say which have taken it.",
    .examples = "  certherd events test\n",
    .options = test_options,
    .option_count = ARRAY_LEN(test_options),
    .run = run_test,
};
