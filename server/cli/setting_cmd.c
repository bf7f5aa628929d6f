/* Settings of the domain: what credentials are made with when nothing else is said. */

#include "common/base/str.h"
#include "server/cli/commands.h"

#define ACCESS "default-access"

static int
run_list(struct cli *c, struct err *err)
{
	static const char *const headings[] = {"NAME", "VALUE", "OTHERWISE", "MEANS", NULL};
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *list;
	struct cli_table t;
	int r = cli_call(c, "GET", "/v1/settings", NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	list = json_member(reply, "settings");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *s = json_item(list, i);

		cli_table_text(&t, json_text(s, "name"));
		cli_table_text(&t, json_text(s, "value"));
		cli_table_text(&t, json_text(s, "otherwise"));
		cli_table_text(&t, json_text(s, "help"));
	}
	cli_table_end(c, &t, "There are no settings.");
	return 0;
}

static int
run_get(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = str_equal(c->words[0], ACCESS)
	    ? mem_strdup("/v1/settings")
	    : cli_path("/v1/settings/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *one, *list;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r < 0)
		return r;
	/* The address of the default access has had an answer of its own from the beginning. */
	one = reply;
	list = json_member(reply, "settings");
	for (size_t i = 0; i < json_count(list); i++)
		if (str_equal(json_text(json_item(list, i), "name"), ACCESS))
			one = json_item(list, i);
	if (!cli_json(c, one))
		cli_printf(c, "%s\n", json_text(one, "value"));
	return 0;
}

static int
changed(
    struct cli *c, const char *method, const char *name, const struct buf *body, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/settings/%s", name, NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, method, path, body, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "%s is %s, for what is made from now on\n", name,
	    body != NULL ? "set" : "as it was at first");
	cli_put_warnings(c, reply);
	return 0;
}

static int
run_set(struct cli *c, struct err *err)
{
	bool access = str_equal(c->words[0], ACCESS);
	struct buf body = BUF_INIT(64 * 1024);
	struct json_writer w = JSON_WRITER(&body);
	int r;

	if (!access && c->word_count > 2)
		return err_set(err, ERR_INVALID, "setting %.60s has one value", c->words[0]);
	json_put_object(&w, NULL);
	if (access)
		json_put_array(&w, "access");
	for (size_t i = 1; i < c->word_count; i++)
		json_put_text(&w, access ? NULL : "value", c->words[i]);
	if (access)
		json_put_end(&w);
	json_put_end(&w);
	r = changed(c, "PUT", c->words[0], &body, err);
	buf_fini(&body);
	return r;
}

static int
run_reset(struct cli *c, struct err *err)
{
	return changed(c, "DELETE", c->words[0], NULL, err);
}

const struct cli_command command_setting_list = {
    .noun = "setting",
    .verb = "list",
    .summary = "List what credentials and CAs are made with when nothing else is said.",
    .examples = "  certherd setting list\n",
    .run = run_list,
};

const struct cli_command command_setting_get = {
    .noun = "setting",
    .verb = "get",
    .args = "NAME",
    .summary = "Print the value of a setting.",
    .examples = "  certherd setting get key-type\n",
    .least = 1,
    .most = 1,
    .run = run_get,
};

const struct cli_command command_setting_set = {
    .noun = "setting",
    .verb = "set",
    .args = "NAME VALUE...",
    .summary = "Set it; what there is already stays as it is.",
    .examples = "  certherd setting set key-type rsa-3072\n"
		"  certherd setting set lifetime 30d\n"
		"  certherd setting set default-access web1 @edge\n",
    .least = 2,
    .most = 64,
    .run = run_set,
};

const struct cli_command command_setting_reset = {
    .noun = "setting",
    .verb = "reset",
    .args = "NAME",
    .summary = "Take back what was set.",
    .examples = "  certherd setting reset lifetime\n",
    .least = 1,
    .most = 1,
    .run = run_reset,
};
