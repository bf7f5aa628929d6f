#include "sample.h"

#include <string.h>

/*
 * Reads any bytes as a configuration. After each, a good one must be read as ever: libconfuse's
 * lexer has global state that a broken file must not leave behind.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char good[] = "data = \"/d\" port \"p\" { listen = {a:1} }\n";
	struct sample_conf conf;
	struct err err;

	conf_init(&sample_schema, &conf);
	if (conf_parse(&sample_schema, "fuzz", SPAN(data, size), &conf, &err) == 0)
		(void)!conf_complete(&sample_schema, &conf, &err);
	CHECK(conf_parse(&sample_schema, "good", span_str(good), &conf, &err) == 0);
	CHECK(conf_complete(&sample_schema, &conf, &err) == 0);
	CHECK(strcmp(conf.data, "/d") == 0 && conf.ports.count == 1);
	conf_fini(&sample_schema, &conf);
	return 0;
}
