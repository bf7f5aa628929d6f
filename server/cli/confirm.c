#include "server/cli/cli.h"

#include <stdio.h>
#include <unistd.h>

int
cli_confirm(struct cli *c, const char *question, const char *refused, struct err *err)
{
	char line[16] = "";
	int r = cli_flush(c, err);

	if (r < 0)
		return r;
	fprintf(stderr, "%s ", question);
	if (fgets(line, sizeof(line), stdin) != NULL && str_equal(line, "yes\n"))
		return 0;
	return err_set(err, ERR_DENIED, "%s", refused);
}

bool
cli_can_confirm(const struct cli *c)
{
	return !c->json && isatty(STDIN_FILENO);
}
