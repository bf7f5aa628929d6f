#include "replica/main/replica.h"

#include "common/base/str.h"
#include "common/http/http.h"
#include "common/join/join.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/wire/link_messages.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define JOIN_SECURE (256U << 10)

static int
read_token(const char *path, struct secret **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_JOIN_TOKEN);
	int r;

	if (path == NULL)
		return err_set(err, ERR_INVALID,
		    "join needs --token-file FILE (- is standard input); 'certherd node token "
		    "--name NAME' on the manager makes a token");
	if (str_equal(path, "-")) {
		r = secret_read_fd(STDIN_FILENO, LIMIT_JOIN_TOKEN, true, out, err);
		return r < 0 ? err_wrap(err, "join token on standard input") : 0;
	}
	/* Any permissions: a token is good once and for minutes, and shells make files for all. */
	if ((r = file_read(path, LIMIT_JOIN_TOKEN, text, err)) < 0)
		return r;
	return secret_take(text->data, text->len, out, err);
}

/* A member's certificate should name this host; without --address, by its own name. */
static void
default_address(struct join_params *p, char host[static 256], const char **item)
{
	if (p->addresses.count > 0 || gethostname(host, 255) != 0)
		return;
	host[255] = '\0';
	*item = host;
	p->addresses = (struct texts){item, 1};
}

int
replica_join(const struct replica_config *config, struct err *err)
{
	AUTO(secret_freep)
	struct secret *token = NULL;
	struct join_params p = {
	    .dir = config->data,
	    .name = config->name,
	    .addresses = {(const char *const *)config->addresses.items, config->addresses.count},
	    .software = "certherd " CERTHERD_VERSION,
	    .now = (int64_t)time(NULL),
	};
	struct join_result result;
	char host[256];
	const char *item;
	int r;

	if ((r = process_harden(err)) < 0 || (r = secret_heap_init(JOIN_SECURE, err)) < 0 ||
	    (r = http_init(err)) < 0 || (r = read_token(config->token_file, &token, err)) < 0)
		return r;
	p.token = token;
	default_address(&p, host, &item);
	if ((r = join_run(&p, &result, err)) < 0)
		return r;
	printf("joined domain %s as node %s; start it with: certherd-replica --data %s\n",
	    result.domain, result.name, config->data);
	return 0;
}
