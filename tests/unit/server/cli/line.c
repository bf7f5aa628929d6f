#include "tests/unit/server/cli/line.h"

#include "tests/unit/server/cli/canned.h"

#include <stdio.h>
#include <string.h>

void
args_make(struct args *a, const char *line, const char *socket)
{
	char copy[1024], *rest = copy, *word;

	memset(a, 0, sizeof(*a));
	a->argv[a->argc++] = mem_strdup("certherd");
	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")) != NULL)
		if (*word != '\0')
			a->argv[a->argc++] = mem_strdup(word);
	if (socket != NULL) {
		a->argv[a->argc++] = mem_strdup("--socket");
		a->argv[a->argc++] = mem_strdup(socket);
	}
}

void
args_fini(struct args *a)
{
	while (a->argc > 0)
		mem_free(a->argv[--a->argc]);
}

struct cli
cli_make(void)
{
	return (struct cli){.out = BUF_INIT(1024 * 1024), .hint = BUF_INIT(4096)};
}

void
cli_fini(struct cli *c)
{
	cli_close(c);
}

int
run(struct cli *c, const char *line, struct err *err)
{
	struct args a;
	int r;

	args_make(&a, line, server.path);
	r = cli_parse(c, a.argc, a.argv, err);
	if (r == 0)
		r = c->command->run(c, err);
	args_fini(&a);
	return r;
}
