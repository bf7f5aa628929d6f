#include "server/cli/commands.h"
#include "server/cli/export.h"

#include <time.h>

#define WAIT_MS 5000
#define LOOK_MS 10

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* How far the nodes are. */
struct progress {
	int64_t served, expected;
	uint64_t after_ms;
};

/*
 * Looks until all nodes with access serve the generation, or the time is over. Receipts come with
 * the nodes' next pulls, within milliseconds.
 */
static int
follow(
    struct cli *c, const struct json *made, uint64_t limit_ms, struct progress *p, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s", json_text(made, "name"), NULL);
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	uint64_t begun = now_ms();

	for (;;) {
		AUTO(json_freep)
		struct json *cert = NULL;
		int r = cli_call(c, "GET", path, NULL, &cert, err);

		if (r < 0)
			return r;
		p->served = json_number(cert, "served");
		p->expected = json_number(cert, "expected");
		p->after_ms = now_ms() - begun;
		if (p->served >= p->expected || p->after_ms >= limit_ms)
			return 0;
		nanosleep(&pause, NULL);
	}
}

static void
put_json(struct cli *c, const struct json *made, const struct progress *p)
{
	struct json_writer w = cli_result(c, json_text(made, "name"), made);

	json_put_int(&w, "served", p->served);
	json_put_int(&w, "expected", p->expected);
	json_put_uint(&w, "after_ms", p->after_ms);
	cli_put_made_password(c, &w);
	cli_result_end(c, &w);
}

/* Who asked not to wait is not told how far the nodes had come at once: it would read like a
 * failure. */
static void
put_progress(struct cli *c, const char *name, const struct progress *p, uint64_t limit_ms)
{
	if (p->expected == 0 || limit_ms == 0)
		return;
	if (p->served >= p->expected)
		cli_printf(c, "served by %lld of %lld nodes after %llu ms\n", (long long)p->served,
		    (long long)p->expected, (unsigned long long)p->after_ms);
	else
		cli_printf(c,
		    "served by %lld of %lld nodes after %llu s; the others follow when they can: "
		    "'certherd cert show %s' says which\n",
		    (long long)p->served, (long long)p->expected,
		    (unsigned long long)(p->after_ms / 1000), name);
}

static bool
has_certificate(const struct json *made)
{
	return json_number(made, "generation") > 0 && !json_flag(made, "csr");
}

static void
put_next_step(struct cli *c, const struct json *made)
{
	const char *name = json_text(made, "name");

	if (json_flag(made, "csr"))
		cli_printf(c,
		    "credential %s waits for its certificate: 'certherd cert csr %s' prints the "
		    "CSR "
		    "for the CA, 'certherd cert paste %s' takes its answer\n",
		    name, name, name);
	else
		cli_printf(
		    c, "credential %s is a draft: 'certherd cert submit %s' goes on\n", name, name);
	cli_put_warnings(c, made);
}

int
cli_wait_check(const struct cli *c, struct err *err)
{
	uint64_t ignored;

	return cli_duration(c, "wait", WAIT_MS, &ignored, err);
}

int
cli_wait_served(struct cli *c, const struct json *made, const char *done, struct err *err)
{
	struct progress p = {0, 0, 0};
	uint64_t limit_ms;
	char time[CLI_TIME_MAX];
	int r = cli_duration(c, "wait", WAIT_MS, &limit_ms, err);

	if (cli_flag(c, "no-wait"))
		limit_ms = 0;
	/* Before anything else can go wrong, or somebody ends the wait: it is done. */
	cli_show_made_password(c);
	if (!c->json && has_certificate(made)) {
		cli_printf(c, "credential %s %s: generation %lld, until %s\n",
		    json_text(made, "name"), done, (long long)json_number(made, "generation"),
		    cli_time(made, "not_after", time));
		cli_put_warnings(c, made);
	}
	if (r == 0 && !c->json)
		r = cli_flush(c, err);
	if (r == 0 && has_certificate(made))
		r = follow(c, made, limit_ms, &p, err);
	if (c->json)
		put_json(c, made, &p);
	if (r < 0 || c->json)
		return r;
	if (!has_certificate(made)) {
		put_next_step(c, made);
		return 0;
	}
	put_progress(c, json_text(made, "name"), &p, limit_ms);
	return cli_flush(c, err);
}

static int
ask_one(struct cli *c, const char *name, const char *verb, const char *done, bool asked,
    struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/%s", name, verb);
	struct export_session export = {.password = NULL};
	AUTO(json_freep)
	struct json *reply = NULL;
	struct buf body = BUF_INIT(LIMIT_HTTP_BODY);
	struct json_writer w = JSON_WRITER(&body);
	int r;

	json_put_object(&w, NULL);
	if (cli_flag(c, "new-key"))
		json_put_bool(&w, "new_key", true);
	r = export_session_ask(c, name, EXPORT_IF_NEW_KEY, asked, &export, &w, err);
	json_put_end(&w);
	if (r == 0)
		r = cli_call(c, "POST", path, &body, &reply, err);
	buf_fini(&body);
	if (r == 0)
		r = cli_wait_served(c, reply, done, err);
	export_session_fini(c, &export);
	return r;
}

int
cli_certs_each(struct cli *c, const char *verb, const char *done, struct err *err)
{
	bool asked = false;
	int r = cli_wait_check(c, err);

	if (r == 0)
		r = export_prepare(c, &asked, err);
	if (r < 0)
		return r;
	cli_results_begin(c);
	for (size_t i = 0; r == 0 && i < c->word_count; i++) {
		r = ask_one(c, c->words[i], verb, done, asked, err);
		if (r < 0 && i + 1 < c->word_count && c->hint.len == 0)
			cli_hint(c, "nothing was done for '%s' and what stands behind it",
			    c->words[i + 1]);
	}
	cli_results_end(c);
	return r;
}
