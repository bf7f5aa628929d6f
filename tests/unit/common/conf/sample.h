#ifndef TESTS_UNIT_COMMON_CONF_SAMPLE_H
#define TESTS_UNIT_COMMON_CONF_SAMPLE_H

/* A schema with a key of every type, for the tests and for the fuzz target. */

#include "common/conf/conf.h"

struct sample_port {
	char *name;
	struct conf_list listen;
	int kind;
	char *backend;
	bool is_default;
};

struct sample_conf {
	char *data;
	char *label;
	int level;
	int64_t workers, memory, timeout;
	bool verbose;
	struct conf_list peers;
	struct conf_sections ports;
};

extern const struct conf_schema sample_schema;

#endif
