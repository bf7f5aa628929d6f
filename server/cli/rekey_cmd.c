#include "server/cli/commands.h"

static int
run_rekey(struct cli *c, struct err *err)
{
	const char *node = cli_option(c, "exposed-to");

	if (node != NULL)
		return cli_rekey_exposed(c, node, err);
	cli_hint(c, "certherd cert renew --new-key NAME gives one credential a new key");
	return err_set(err, ERR_INVALID, "say whose keys: --exposed-to NODE");
}

static const struct cli_option rekey_options[] = {
    {"exposed-to", "NODE",
	"Every key that this node could open, until no server shows one of them any more."},
    {"wait", "DURATION", "How long to wait until then; 1m if not given."},
    {"no-wait", NULL, "Do not wait."},
};

const struct cli_command command_cert_rekey = {
    .noun = "cert",
    .verb = "rekey",
    .args = "--exposed-to NODE",
    .summary = "Replace every key that a node knows.",
    .examples = "  certherd cert rekey --exposed-to web3\n",
    .options = rekey_options,
    .option_count = ARRAY_LEN(rekey_options),
    .run = run_rekey,
};
