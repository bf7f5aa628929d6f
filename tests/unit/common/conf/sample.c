#include "sample.h"

#include <string.h>

static const char *const levels[] = {"error", "info", "debug", NULL};
static const char *const kinds[] = {"tls", "http", NULL};

static int
check_address(const char *text, struct err *err)
{
	if (strchr(text, ':') == NULL)
		return err_set(err, ERR_PARSE, "'%.40s' is not ADDRESS:PORT", text);
	return 0;
}

#define AT(member) .offset = offsetof(struct sample_port, member)

static const struct conf_key port_keys[] = {
    {.name = "listen",
	.type = CONF_LIST,
	.flags = CONF_REQUIRED,
	AT(listen),
	.min = 1,
	.max = 3,
	.argument = "ADDRESS:PORT",
	.help = "Where to listen.",
	.check = check_address},
    {.name = "kind",
	.type = CONF_CHOICE,
	AT(kind),
	.value = "tls",
	.choices = kinds,
	.help = "What is spoken."},
    {.name = "backend", .type = CONF_STRING, AT(backend), .help = "Where to forward."},
    {.name = "default", .type = CONF_BOOL, AT(is_default), .value = "no", .help = "For all names."},
};

#undef AT
#define AT(member) .offset = offsetof(struct sample_conf, member)

static const struct conf_key keys[] = {
    {.name = "data",
	.type = CONF_PATH,
	.flags = CONF_REQUIRED,
	AT(data),
	.argument = "DIR",
	.help = "The data directory."},
    {.name = "label",
	.type = CONF_STRING,
	AT(label),
	.value = "a \"b\" \\c",
	.max = 20,
	.help = "A label | a text."},
    {.name = "log-level",
	.type = CONF_CHOICE,
	AT(level),
	.value = "info",
	.choices = levels,
	.help = "What is logged."},
    {.name = "workers",
	.type = CONF_INT,
	AT(workers),
	.value = "2",
	.min = 1,
	.max = 64,
	.help = "Threads."},
    {.name = "memory",
	.type = CONF_SIZE,
	AT(memory),
	.value = "8m",
	.min = 1 << 20,
	.max = 1 << 30,
	.help = "Locked memory."},
    {.name = "timeout",
	.type = CONF_DURATION,
	AT(timeout),
	.value = "45s",
	.min = 1,
	.max = 3600,
	.help = "Patience."},
    {.name = "verbose", .type = CONF_BOOL, AT(verbose), .value = "false", .help = "Say more."},
    {.name = "peer",
	.type = CONF_LIST,
	AT(peers),
	.value = "a:1,b:2",
	.max = 3,
	.help = "Whom to ask. All are told about everything, in the order in which they stand "
		"here, and "
		"whoever does not answer is asked again later.",
	.check = check_address},
    {.name = "port",
	.type = CONF_SECTION,
	AT(ports),
	.max = 2,
	.help = "A listener.",
	.keys = port_keys,
	.key_count = ARRAY_LEN(port_keys),
	.item_size = sizeof(struct sample_port),
	.title_offset = offsetof(struct sample_port, name)},
};

const struct conf_schema sample_schema = {
    .program = "sample",
    .usage = "[OPTION...]",
    .about = "A program for the tests.",
    .keys = keys,
    .key_count = ARRAY_LEN(keys),
    .size = sizeof(struct sample_conf),
};
