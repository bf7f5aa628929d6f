#include "server/bootstrap/bootstrap.h"
#include "server/main/config.h"
#include "server/main/server.h"
#include "server/signer/serve.h"

#include "common/base/str.h"
#include "common/log/log.h"
#include "common/sys/process.h"

#include <stdio.h>

static int
complain(const struct err *err, int status)
{
	fprintf(stderr, "certherd-server: %s\n", err->text);
	return status;
}

static int
serve(const struct server_config *config, struct err *err)
{
	AUTO(mem_freep)
	char *program = NULL;
	int r = self_path(&program, err);

	return r < 0 ? r : server_run(config, program, err);
}

static int
start(int argc, char **argv)
{
	struct server_config config;
	enum conf_action action = CONF_DONE;
	struct err err;
	int rest = argc, r, status = 0;

	conf_init(&server_schema, &config);
	r = conf_from_args(&server_schema, argc, argv, &config, &rest, &action, &err);
	if (r == 0 && rest < argc)
		r = err_set(&err, ERR_INVALID, "'%s' is no option; see --help", argv[rest]);
	if (r < 0) {
		status = complain(&err, 2);
	} else if (action == CONF_RUN) {
		log_setup(&(struct log_params){.level = (enum log_level)config.log_level,
		    .json = config.log_json,
		    .program = "certherd-server"});
		r = serve(&config, &err);
		/* A listener that makes no sense is found out late. */
		if (r < 0)
			status = complain(&err, r == ERR_INVALID ? 2 : 1);
	}
	conf_fini(&server_schema, &config);
	return status;
}

/* Three processes in one program: the server, its signer, and the first step of a domain. */
int
main(int argc, char **argv)
{
	if (argc > 1 && str_equal(argv[1], "--signer"))
		return signer_main(argc - 1, argv + 1);
	if (argc > 1 && str_equal(argv[1], "--bootstrap"))
		return bootstrap_main(argc - 1, argv + 1);
	return start(argc, argv);
}
