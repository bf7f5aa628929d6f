#ifndef TESTS_UNIT_SERVER_CLI_LINE_H
#define TESTS_UNIT_SERVER_CLI_LINE_H

/* Lines as they are typed, parsed and run against the canned server; no quotes, no blanks in words.
 */

#include "server/cli/cli.h"

#define ARGS_MAX 40

/* Words of a command line, with the name in front; owned until args_fini. */
struct args {
	char *argv[ARGS_MAX + 4];
	int argc;
};

void args_make(struct args *a, const char *line, const char *socket);
void args_fini(struct args *a);

struct cli cli_make(void);
void cli_fini(struct cli *c);

/* Parses it and calls its command. */
int run(struct cli *c, const char *line, struct err *err);

/* What the canned server answers to a change, and to a look at it afterwards. */
#define CHANGED                                                                                    \
	"{\"id\":\"0\",\"name\":\"a.org\",\"generation\":2,\"not_after\":\"2027-01-15T08:00:"      \
	"00Z\","                                                                                   \
	"\"durability\":\"local\",\"term\":1,\"seq\":9,\"warnings\":[\"look out\"]}"
#define SERVED "{\"served\":2,\"expected\":2}"

#endif
