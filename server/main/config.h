#ifndef SERVER_MAIN_CONFIG_H
#define SERVER_MAIN_CONFIG_H

/* Configuration of certherd-server: docs/man/certherd-server.conf.5 is made of this table. */

#include "common/conf/conf.h"

struct server_config {
	char *data;
	struct conf_list listen;
	struct conf_list advertise;
	char *socket;
	char *group;
	int log_level;
	bool log_json;
	int64_t connections;
	int64_t pending;
	int64_t pending_per_address;
	int64_t tries_per_second;
	int64_t signer_memory;
};

extern const struct conf_schema server_schema;

#endif
