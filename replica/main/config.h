#ifndef REPLICA_MAIN_CONFIG_H
#define REPLICA_MAIN_CONFIG_H

/* Configuration of certherd-replica: docs/man/certherd-replica.conf.5 is made of this table. */

#include "common/conf/conf.h"

struct replica_config {
	char *data;
	int log_level;
	bool log_json;
	int64_t threads;
	int64_t opened_keys;
	int64_t secure_memory;
	struct conf_sections ports; /* struct port_config */
	/* of the command "join" */
	char *token_file;
	char *name;
	struct conf_list addresses;
};

extern const struct conf_schema replica_schema;

/* What one port needs besides the table: a backend for tls, roots for client certificates. */

#endif
