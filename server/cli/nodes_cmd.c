#include "server/cli/commands.h"

#include "common/base/str.h"

/* ------------------------------------------------------------------------- node */

static int
run_token(struct cli *c, struct err *err)
{
	struct buf body = BUF_INIT(4096);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	const char *name = cli_option(c, "name");
	int r;

	if (name == NULL) {
		cli_hint(c, "certherd node token --name web1");
		return err_set(err, ERR_INVALID, "a token is for one node: give its --name");
	}
	json_put_object(&w, NULL);
	json_put_text(&w, "name", name);
	cli_put_option(c, &w, "ttl", "ttl");
	json_put_end(&w);
	r = cli_call(c, "POST", "/v1/tokens", &body, &reply, err);
	buf_fini(&body);
	if (r < 0)
		return r;
	/* The token alone on standard output, so that it can go to a file or a pipe. */
	if (!cli_json(c, reply))
		cli_printf(c, "%s\n", json_text(reply, "token"));
	return 0;
}

static int
run_tokens(struct cli *c, struct err *err)
{
	static const char *const headings[] = {"NAME", "EXPIRES", "USED", "ID", NULL};
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *tokens;
	char time[CLI_TIME_MAX];
	struct cli_table t;
	int r = cli_call(c, "GET", "/v1/tokens", NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	tokens = json_member(reply, "tokens");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(tokens); i++) {
		const struct json *token = json_item(tokens, i);

		cli_table_text(&t, json_text(token, "name"));
		cli_table_text(&t, cli_time(token, "expires_at", time));
		cli_table_text(&t, json_flag(token, "used") ? "yes" : "no");
		cli_table_text(&t, json_text(token, "id"));
	}
	cli_table_end(c, &t, "There are no tokens; 'certherd node token --name NAME' makes one.");
	return 0;
}

static int
run_revoke_token(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/tokens/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "DELETE", path, NULL, &reply, err);
	long long n;

	if (r < 0 || cli_json(c, reply))
		return r;
	n = (long long)json_number(reply, "revoked");
	if (n == 1)
		cli_printf(c, "the token is void: nobody can join with it any more\n");
	else
		cli_printf(c, "%lld tokens are void: nobody can join with them any more\n", n);
	return 0;
}

static const char *
touch_of(const struct json *node)
{
	if (json_flag(node, "self"))
		return "this server";
	if (str_equal(json_text(node, "role"), "recovery"))
		return "offline";
	return json_flag(node, "connected") ? "connected" : "away";
}

static int
run_list(struct cli *c, struct err *err)
{
	static const char *const headings[] = {
	    "NAME", "ROLE", "STATE", "BEHIND", "GROUPS", "JOINED", "SOFTWARE", NULL};
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *nodes;
	char time[CLI_TIME_MAX];
	struct cli_table t;
	int r = cli_call(c, "GET", "/v1/nodes", NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	nodes = json_member(reply, "nodes");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(nodes); i++) {
		const struct json *node = json_item(nodes, i);

		cli_table_text(&t, json_text(node, "name"));
		cli_table_text(&t, json_text(node, "role"));
		cli_table_text(&t, touch_of(node));
		if (json_member(node, "behind") != NULL)
			cli_table_printf(&t, "%lld", (long long)json_number(node, "behind"));
		else
			cli_table_text(&t, NULL);
		cli_table_names(&t, json_member(node, "groups"));
		cli_table_text(&t, cli_time(node, "joined_at", time));
		cli_table_text(&t, json_text(node, "software"));
	}
	cli_table_end(c, &t, "There are no nodes.");
	return 0;
}

static void
put_names(struct cli *c, const char *label, const struct json *array)
{
	size_t n = json_count(array);

	cli_printf(c, "%-16s", label);
	for (size_t i = 0; i < n; i++) {
		const char *name = json_value_text(json_item(array, i));

		cli_printf(c, "%s%s", i > 0 ? ", " : "", name != NULL ? name : "?");
	}
	cli_printf(c, "%s\n", n == 0 ? "-" : "");
}

static bool
has_name(const struct json *array, const char *name)
{
	for (size_t i = 0; i < json_count(array); i++) {
		const char *text = json_value_text(json_item(array, i));

		if (text != NULL && str_equal(text, name))
			return true;
	}
	return false;
}

static int
run_show(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/nodes/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *node = NULL;
	const struct json *identity;
	char time[CLI_TIME_MAX];
	int r = cli_call(c, "GET", path, NULL, &node, err);

	if (r < 0 || cli_json(c, node))
		return r;
	identity = json_member(node, "identity");
	cli_printf(c, "%-16s%s\n", "name", json_text(node, "name"));
	cli_printf(c, "%-16s%s\n", "id", json_text(node, "id"));
	cli_printf(c, "%-16s%s\n", "role", json_text(node, "role"));
	cli_printf(c, "%-16s%s\n", "state", touch_of(node));
	cli_printf(c, "%-16s%s\n", "software", json_text(node, "software"));
	cli_printf(c, "%-16s%s\n", "joined", cli_time(node, "joined_at", time));
	cli_printf(c, "%-16s%s\n", "identity until", cli_time(identity, "not_after", time));
	put_names(c, "addresses", json_member(node, "addresses"));
	put_names(c, "groups", json_member(node, "groups"));
	if (has_name(json_member(node, "groups"), "managers"))
		cli_printf(c, "%-16s%s\n", "can open", "everything, as a member of managers");
	else
		put_names(c, "can open", json_member(node, "can_open"));
	return 0;
}

/* Without the recovery key a lost manager cannot be replaced. */
static int
confirm_recovery(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/nodes/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *node = NULL;
	int r;

	if (cli_flag(c, "yes"))
		return 0;
	r = cli_call(c, "GET", path, NULL, &node, err);
	if (r < 0 || !str_equal(json_text(node, "role"), "recovery"))
		return r;
	if (cli_can_confirm(c))
		return cli_confirm(c,
		    "This is the recovery key. Without it all private keys are lost when all "
		    "managers are.\nType yes to remove it:",
		    "nothing was removed", err);
	cli_hint(c, "certherd node remove %s --yes", c->words[0]);
	return err_set(err, ERR_INVALID,
	    "'%.63s' is the recovery key: without it all private keys are lost when all managers "
	    "are; --yes removes it all the same",
	    c->words[0]);
}

static void
put_exposed(struct cli *c, const struct json *reply)
{
	const struct json *exposed = json_member(reply, "exposed");
	const char *node = c->words[0];

	if (json_count(exposed) == 0)
		return;
	cli_printf(c, "it could open these keys, and still has what it has seen:\n");
	for (size_t i = 0; i < json_count(exposed); i++)
		cli_printf(c, "  %s\n", json_value_text(json_item(exposed, i)));
	if (json_flag(reply, "new_keys"))
		cli_printf(c,
		    "each gets a new key where that needs nobody: 'certherd exposed %s' shows how "
		    "far that is, and what is left to you\n",
		    node);
	else
		cli_printf(c, "'certherd cert rekey --exposed-to %s' gives each a new key\n", node);
}

static int
run_remove(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path =
	    cli_path(cli_flag(c, "keep-keys") ? "/v1/nodes/%s?keep_keys=1" : "/v1/nodes/%s",
		c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = confirm_recovery(c, err);

	if (r == 0)
		r = cli_call(c, "DELETE", path, NULL, &reply, err);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "node %s is removed\n", c->words[0]);
	cli_put_warnings(c, reply);
	put_exposed(c, reply);
	return 0;
}

static const struct cli_option remove_options[] = {
    {"keep-keys", NULL, "Make no new keys, although it knows those that it could open."},
    {"yes", NULL, "Also when it is the recovery key."},
};

static const struct cli_option token_options[] = {
    {"name", "NAME", "Name of the node that will join. Required."},
    {"ttl", "DURATION", "How long the token is good: 15m if not given, at most 7d."},
};

const struct cli_command command_node_token = {
    .noun = "node",
    .verb = "token",
    .summary = "Print a token with which a server can join, once.",
    .examples = "  certherd node token --name web1 > token\n"
		"  certherd node token --name web1 --ttl 1h | ssh web1 certherd-replica join "
		"--token-file -\n",
    .options = token_options,
    .option_count = ARRAY_LEN(token_options),
    .run = run_token,
};

const struct cli_command command_node_tokens = {
    .noun = "node",
    .verb = "tokens",
    .summary = "List the join tokens that somebody could still join with.",
    .examples = "  certherd node tokens\n",
    .run = run_tokens,
};

const struct cli_command command_node_revoke_token = {
    .noun = "node",
    .verb = "revoke-token",
    .args = "NAME|ID",
    .summary = "Make the join tokens for a name, or one of them, void.",
    .examples = "  certherd node revoke-token web1\n",
    .least = 1,
    .most = 1,
    .run = run_revoke_token,
};

const struct cli_command command_node_list = {
    .noun = "node",
    .verb = "list",
    .summary = "List the nodes of the domain.",
    .examples = "  certherd node list\n  certherd node list --json\n",
    .run = run_list,
};

const struct cli_command command_node_show = {
    .noun = "node",
    .verb = "show",
    .args = "NAME",
    .summary = "Show a node: its identity, and what it can open.",
    .examples = "  certherd node show web1\n",
    .least = 1,
    .most = 1,
    .run = run_show,
};

const struct cli_command command_node_remove = {
    .noun = "node",
    .verb = "remove",
    .args = "NAME",
    .summary = "Remove a node; the keys that it could open are replaced.",
    .examples = "  certherd node remove web3\n  certherd node remove web3 --keep-keys\n",
    .least = 1,
    .most = 1,
    .options = remove_options,
    .option_count = ARRAY_LEN(remove_options),
    .run = run_remove,
};

/* ------------------------------------------------------------------------- group */

static int
run_group_list(struct cli *c, struct err *err)
{
	static const char *const headings[] = {"NAME", "MEMBERS", "KEY", "BUILT IN", NULL};
	AUTO(json_freep)
	struct json *reply = NULL;
	const struct json *groups;
	struct cli_table t;
	int r = cli_call(c, "GET", "/v1/groups", NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	groups = json_member(reply, "groups");
	cli_table_begin(&t, headings);
	for (size_t i = 0; i < json_count(groups); i++) {
		const struct json *group = json_item(groups, i);

		cli_table_text(&t, json_text(group, "name"));
		cli_table_names(&t, json_member(group, "members"));
		cli_table_printf(&t, "%lld", (long long)json_number(group, "key_generation"));
		cli_table_text(&t, json_flag(group, "built_in") ? "yes" : "no");
	}
	cli_table_end(c, &t, "There are no groups.");
	return 0;
}

static int
run_group_create(struct cli *c, struct err *err)
{
	struct buf body = BUF_INIT(64 * 1024);
	struct json_writer w = JSON_WRITER(&body);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r;

	json_put_object(&w, NULL);
	json_put_text(&w, "name", c->words[0]);
	json_put_array(&w, "members");
	for (size_t i = 1; i < c->word_count; i++)
		json_put_text(&w, NULL, c->words[i]);
	json_put_end(&w);
	json_put_end(&w);
	r = cli_call(c, "POST", "/v1/groups", &body, &reply, err);
	buf_fini(&body);
	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "group %s is made; in access lists it is '@%s'\n", c->words[0], c->words[0]);
	cli_put_warnings(c, reply);
	return 0;
}

static int
change_member(
    struct cli *c, const char *method, const char *node, const char *done, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path(cli_flag(c, "keep-keys") ? "/v1/groups/%s/members/%s?keep_keys=1"
						       : "/v1/groups/%s/members/%s",
	    c->words[0], node);
	AUTO(json_freep)
	struct json *reply = NULL;
	struct json_writer w;
	int r = cli_call(c, method, path, NULL, &reply, err);

	if (r < 0)
		return r;
	if (c->json) {
		w = cli_result(c, node, reply);
		cli_result_end(c, &w);
		return 0;
	}
	cli_printf(c, "%s %s group %s\n", node, done, c->words[0]);
	cli_put_warnings(c, reply);
	return 0;
}

/* Each node behind the group's name, one change after the other. */
static int
change_members(struct cli *c, const char *method, const char *done, struct err *err)
{
	int r = 0;

	cli_results_begin(c);
	for (size_t i = 1; r == 0 && i < c->word_count; i++)
		r = change_member(c, method, c->words[i], done, err);
	cli_results_end(c);
	return r;
}

static int
run_group_add(struct cli *c, struct err *err)
{
	return change_members(c, "PUT", "is now in", err);
}

static int
run_group_remove(struct cli *c, struct err *err)
{
	int r = change_members(c, "DELETE", "is no longer in", err);

	if (r == 0 && !c->json && !cli_flag(c, "keep-keys"))
		cli_printf(c,
		    "keys that it could open are replaced where that needs nobody: 'certherd "
		    "exposed' shows how far that is\n");
	return r;
}

static const struct cli_option leave_options[] = {
    {"keep-keys", NULL, "Make no new keys, although they know those that they could open."},
};

static int
run_group_delete(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/groups/%s", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "DELETE", path, NULL, &reply, err);

	if (r < 0 || cli_json(c, reply))
		return r;
	cli_printf(c, "group %s is deleted\n", c->words[0]);
	cli_put_warnings(c, reply);
	return 0;
}

const struct cli_command command_group_list = {
    .noun = "group",
    .verb = "list",
    .summary = "List the groups and their members.",
    .examples = "  certherd group list\n",
    .run = run_group_list,
};

const struct cli_command command_group_create = {
    .noun = "group",
    .verb = "create",
    .args = "NAME [NODE...]",
    .summary = "Make a group of nodes.",
    .examples = "  certherd group create mail mx1 mx2\n",
    .least = 1,
    .most = CLI_WORDS_MAX,
    .run = run_group_create,
};

const struct cli_command command_group_add = {
    .noun = "group",
    .verb = "add",
    .args = "GROUP NODE...",
    .summary = "Put nodes into a group.",
    .examples = "  certherd group add mail mx3\n",
    .least = 2,
    .most = CLI_WORDS_MAX,
    .run = run_group_add,
};

const struct cli_command command_group_remove = {
    .noun = "group",
    .verb = "remove",
    .args = "GROUP NODE...",
    .summary = "Take nodes out of a group, which gets a new key; so do its credentials.",
    .examples = "  certherd group remove mail mx1\n  certherd group remove mail mx1 --keep-keys\n",
    .least = 2,
    .most = CLI_WORDS_MAX,
    .options = leave_options,
    .option_count = ARRAY_LEN(leave_options),
    .run = run_group_remove,
};

const struct cli_command command_group_delete = {
    .noun = "group",
    .verb = "delete",
    .args = "NAME",
    .summary = "Delete a group that no credential names.",
    .examples = "  certherd group delete mail\n",
    .least = 1,
    .most = 1,
    .run = run_group_delete,
};
