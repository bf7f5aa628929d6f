#include "server/main/config.h"

#include "common/log/log.h"
#include "common/tls/address.h"
#include "common/tls/terminator.h"
#include "server/signer/serve.h"

#define AT(field) offsetof(struct events_config, field)
static const struct conf_key events_keys[] = {
    {.name = "command",
	.type = CONF_LIST,
	.offset = AT(command),
	.max = EVENT_ARGUMENTS_MOST,
	.argument = "WORD",
	.help = "A program, by its absolute path, and its arguments. It is started for each event, "
		"without a shell, with the JSON on its standard input, and has taken it when it "
		"exits with 0."},
    {.name = "webhook",
	.type = CONF_STRING,
	.offset = AT(webhook),
	.min = 1,
	.max = 2000,
	.argument = "URL",
	.help = "Where each event is sent by POST; it is taken when the answer has a status of "
		"200 to 299. Certificates must be of the host's authorities, or of a trusted root "
		"of the category outgoing."},
    {.name = "secret-file",
	.type = CONF_PATH,
	.offset = AT(secret_file),
	.argument = "FILE",
	.help = "Key of the signature in the header Certherd-Signature of a webhook: 16 bytes or "
		"more, in a file that nobody else can read. It is read anew for each event."},
    {.name = "kinds",
	.type = CONF_LIST,
	.offset = AT(kinds),
	.max = EVENT__COUNT,
	.check = event_pattern_check,
	.argument = "KIND",
	.help = "Only these events: \"credential.expiring\", \"node.*\". Without it: all of "
		"them."},
    {.name = "timeout",
	.type = CONF_DURATION,
	.offset = AT(timeout),
	.value = "30s",
	.min = 1,
	.max = 3600,
	.argument = "DURATION",
	.help = "Time for one event. A command that takes longer is ended with its children, and "
		"the event comes again."},
};
#undef AT

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
    {.name = "node-stale-after",
	.type = CONF_DURATION,
	.offset = AT(node_stale_after),
	.value = "45s",
	.min = 1,
	.max = 30 * 86400,
	.argument = "DURATION",
	.help = "The event node.stale is told when a node has not had the newest state for so "
		"long."},
    {.name = "events",
	.type = CONF_SECTION,
	.offset = AT(events),
	.max = EVENT_RECEIVERS_MOST,
	.keys = events_keys,
	.key_count = ARRAY_LEN(events_keys),
	.item_size = sizeof(struct events_config),
	.title_offset = offsetof(struct events_config, name),
	.argument = "NAME",
	.help = "A receiver of events: a command or a webhook. It gets each event once, in order, "
		"and is asked again until it has taken it. Under a new name it begins with what "
		"comes then."},
};

struct event_receiver
config_receiver(const struct events_config *c)
{
	return (struct event_receiver){
	    .name = c->name,
	    .command = {(const char *const *)c->command.items, c->command.count},
	    .webhook = c->webhook,
	    .secret_file = c->secret_file,
	    .kinds = {(const char *const *)c->kinds.items, c->kinds.count},
	    .timeout = c->timeout,
	};
}

static int
check_events(const struct conf_sections *s, bool whole, struct err *err)
{
	const struct events_config *items = s->items;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->count; i++) {
		struct event_receiver receiver = config_receiver(&items[i]);

		r = event_receiver_check(&receiver, whole, err);
	}
	return r;
}

/* What the signer would refuse, again and again. */
static int
check_all(const void *values, bool whole, struct err *err)
{
	const struct server_config *c = values;
	int64_t n = c->signer_memory;

	if (n == 0 || (n >= SIGNER_HEAP_MIN && n <= SIGNER_HEAP_MAX && (n & (n - 1)) == 0))
		return check_events(&c->events, whole, err);
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
