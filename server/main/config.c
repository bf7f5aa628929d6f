#include "server/main/config.h"

#include "common/log/log.h"
#include "common/tls/address.h"
#include "common/tls/terminator.h"
#include "server/signer/serve.h"

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
	.check = address_check,
	.help = "The public port: replication, joins and the API, all over TLS 1.3. Port 0 takes a "
		"free one."},
    {.name = "advertise",
	.type = CONF_LIST,
	.offset = AT(advertise),
	.max = 16,
	.argument = "HOST:PORT",
	.check = address_check,
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
	.choices = log_level_names,
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
	.help = "Connections on the public port; 0 is a sixth of the limit of descriptors."},
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

/* What the signer would refuse, again and again. */
static int
check_all(const void *values, bool whole, struct err *err)
{
	const struct server_config *c = values;
	int64_t n = c->signer_memory;

	(void)whole;
	if (n == 0 || (n >= SIGNER_HEAP_MIN && n <= SIGNER_HEAP_MAX && (n & (n - 1)) == 0))
		return 0;
	return err_set(err, ERR_INVALID,
	    "signer-memory: %lld bytes are no power of two from %u to %u, nor 0", (long long)n,
	    SIGNER_HEAP_MIN, SIGNER_HEAP_MAX);
}

const struct conf_schema server_schema = {
    .program = "certherd-server",
    .usage = "[OPTIONS]",
    .about = "Manager of a domain: keeps the records, has the signer make keys and certificates, "
	     "and answers the members. 'certherd init' makes its data directory.",
    .file = NULL,
    .keys = keys,
    .key_count = ARRAY_LEN(keys),
    .size = sizeof(struct server_config),
    .check = check_all,
};
