#include "server/main/config.h"

#include "common/tls/address.h"
#include "common/tls/terminator.h"

static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug", NULL};

static int
check_address(const char *text, struct err *err)
{
	char host[ADDRESS_HOST_MAX];
	uint16_t port;

	return address_split(text, host, &port, err);
}

#define AT(field) offsetof(struct server_config, field)
static const struct conf_key keys[] = {
    {.name = "data",
	.type = CONF_PATH,
	.offset = AT(data),
	.value = "/var/lib/certherd/server",
	.argument = "DIR",
	.help = "Data directory of this member."},
    {.name = "listen",
	.type = CONF_LIST,
	.offset = AT(listen),
	.value = "*:7443",
	.min = 1,
	.max = TERMINATOR_LISTENERS_MAX,
	.argument = "ADDRESS:PORT",
	.check = check_address,
	.help = "The public port: replication, joins and the API, all over TLS 1.3. Port 0 takes a "
		"free one."},
    {.name = "advertise",
	.type = CONF_LIST,
	.offset = AT(advertise),
	.max = 16,
	.argument = "HOST:PORT",
	.check = check_address,
	.help = "Where other members reach this server, for join tokens. Without it: the addresses "
		"in this server's certificate, with the port of the first listener."},
    {.name = "socket",
	.type = CONF_PATH,
	.offset = AT(socket),
	.argument = "FILE",
	.help = "UNIX socket of the API; api.sock in the data directory if not given."},
    {.name = "group",
	.type = CONF_STRING,
	.offset = AT(group),
	.value = "certherd",
	.argument = "GROUP",
	.help = "Members of this group may use the API's socket, beside root and the server's own "
		"user. A group that does not exist is passed over. Nobody else is let into the "
		"data directory: give socket, too."},
    {.name = "log-level",
	.type = CONF_CHOICE,
	.offset = AT(log_level),
	.value = "info",
	.choices = log_levels,
	.help = "The least important lines that are written."},
    {.name = "log-json",
	.type = CONF_BOOL,
	.offset = AT(log_json),
	.value = "false",
	.help = "Write the log as JSON lines."},
    {.name = "connections",
	.type = CONF_INT,
	.offset = AT(connections),
	.value = "0",
	.min = 0,
	.max = 1000000,
	.argument = "NUMBER",
	.help = "Connections on the public port; 0 is a quarter of the limit of descriptors."},
    {.name = "pending",
	.type = CONF_INT,
	.offset = AT(pending),
	.value = "256",
	.min = 1,
	.max = 100000,
	.argument = "NUMBER",
	.help = "Connections that have not proven anything yet, all together."},
    {.name = "pending-per-address",
	.type = CONF_INT,
	.offset = AT(pending_per_address),
	.value = "16",
	.min = 1,
	.max = 100000,
	.argument = "NUMBER",
	.help = "The same of one address."},
    {.name = "tries-per-second",
	.type = CONF_INT,
	.offset = AT(tries_per_second),
	.value = "20",
	.min = 1,
	.max = 100000,
	.argument = "NUMBER",
	.help = "New connections of one address in a second; members get theirs back."},
    {.name = "signer-memory",
	.type = CONF_SIZE,
	.offset = AT(signer_memory),
	.value = "0",
	.min = 0,
	.max = 1 << 30,
	.argument = "BYTES",
	.help = "Locked memory of the signer, a power of two; 0 takes what is allowed, up to 4 "
		"MiB."},
};

const struct conf_schema server_schema = {
    .program = "certherd-server",
    .usage = "[OPTIONS]",
    .about = "Manager of a domain: keeps the records, has the signer make keys and certificates, "
	     "and answers the members. 'certherd init' makes its data directory.",
    .file = NULL,
    .keys = keys,
    .key_count = ARRAY_LEN(keys),
    .size = sizeof(struct server_config),
};
