#include "replica/main/config.h"
#include "replica/main/replica.h"

#include "common/base/str.h"
#include "common/log/log.h"

#include <stdio.h>

static int
complain(const struct err *err, int status)
{
	fprintf(stderr, "certherd-replica: %s\n", err->text);
	return status;
}

static int
run_command(struct replica_config *config, const char *command, struct err *err)
{
	if (str_equal(command, "run"))
		return replica_run(config, err);
	if (str_equal(command, "join"))
		return replica_join(config, err);
	return err_set(err, ERR_INVALID,
	    "no command '%s'; there are run (the default) and join; see --help", command);
}

int
main(int argc, char **argv)
{
	struct replica_config config;
	enum conf_action action = CONF_DONE;
	struct err err;
	int rest = argc, r, status = 0;

	conf_init(&replica_schema, &config);
	r = conf_from_args(&replica_schema, argc, argv, &config, &rest, &action, &err);
	if (r < 0) {
		status = complain(&err, 2);
	} else if (action == CONF_RUN && rest + 1 < argc) {
		err_set(&err, ERR_INVALID, "'%s' is one word too many; see --help", argv[rest + 1]);
		status = complain(&err, 2);
	} else if (action == CONF_RUN) {
		log_setup(&(struct log_params){.level = (enum log_level)config.log_level,
		    .json = config.log_json,
		    .program = "certherd-replica"});
		r = run_command(&config, rest < argc ? argv[rest] : "run", &err);
		if (r < 0)
			status = complain(&err, r == ERR_INVALID ? 2 : 1);
	}
	conf_fini(&replica_schema, &config);
	return status;
}
