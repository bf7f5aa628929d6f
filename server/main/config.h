#ifndef SERVER_MAIN_CONFIG_H
#define SERVER_MAIN_CONFIG_H

/* Configuration of certherd-server: docs/man/certherd-server.conf.5 is made of this table. */

#include "common/conf/conf.h"
#include "server/events/events.h"

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
	int64_t node_stale_after;
	struct conf_sections events; /* struct events_config */
};

/* A receiver of events. */
struct events_config {
	char *name;
	struct conf_list command;
	char *webhook;
	char *secret_file;
	struct conf_list kinds;
	int64_t timeout;
};

/* As events wants it; what it points to is the config's. */
struct event_receiver config_receiver(const struct events_config *c);

extern const struct conf_schema server_schema;

#endif
