#include "replica/main/config.h"

#include "common/base/str.h"
#include "common/log/log.h"
#include "common/sys/process.h"
#include "common/tls/address.h"
#include "common/tls/tls_ctx.h"
#include "replica/ports/backend.h"
#include "replica/ports/ports.h"

#define CORES_MAX 256

static const char *const kinds[] = {"tls", "http", NULL};
static const char *const versions[] = {"1.2", "1.3", NULL};
static const char *const client_rules[] = {"none", "request", "require", NULL};

#define AT(field) offsetof(struct port_config, field)
static const struct conf_key port_keys[] = {
    {.name = "kind",
	.type = CONF_CHOICE,
	.offset = AT(kind),
	.value = "tls",
	.choices = kinds,
	.help = "tls ends TLS and forwards plain bytes; http redirects to TLS."},
    {.name = "listen",
	.type = CONF_STRING,
	.flags = CONF_REQUIRED,
	.offset = AT(listen),
	.argument = "ADDRESS:PORT",
	.check = address_check,
	.help = "Where the port listens; port 0 takes a free one."},
    {.name = "backend",
	.type = CONF_STRING,
	.offset = AT(backend),
	.value = "builtin",
	.argument = "BACKEND",
	.check = backend_check,
	.help = "Where plain bytes go: builtin (a page of this node's status), tcp:HOST:PORT, or "
		"unix:/PATH."},
    {.name = "proxy-protocol",
	.type = CONF_BOOL,
	.offset = AT(proxy_protocol),
	.value = "false",
	.help = "Tell the backend the client's address by PROXY protocol version 2."},
    {.name = "fallback",
	.type = CONF_STRING,
	.offset = AT(fallback),
	.argument = "NAME",
	.help = "Serve this name's credential to clients that send no name, or one that is not "
		"known here. Without it they are refused."},
    {.name = "min-tls",
	.type = CONF_CHOICE,
	.offset = AT(min_tls),
	.value = "1.2",
	.choices = versions,
	.help = "Oldest version of TLS that is accepted."},
    {.name = "ciphers",
	.type = CONF_STRING,
	.offset = AT(ciphers),
	.argument = "LIST",
	.help = "Cipher list for TLS 1.2, in OpenSSL's names."},
    {.name = "ciphersuites",
	.type = CONF_STRING,
	.offset = AT(ciphersuites),
	.argument = "LIST",
	.help = "Cipher suites for TLS 1.3, in OpenSSL's names."},
    {.name = "groups",
	.type = CONF_STRING,
	.offset = AT(groups),
	.argument = "LIST",
	.help = "Groups for the key exchange, in OpenSSL's names."},
    {.name = "alpn",
	.type = CONF_LIST,
	.offset = AT(alpn),
	.max = TLS_ALPN_MAX,
	.argument = "PROTOCOL",
	.help = "Protocols that the backend speaks, for ALPN."},
    {.name = "client-certificates",
	.type = CONF_CHOICE,
	.offset = AT(client_certificates),
	.value = "none",
	.choices = client_rules,
	.help = "Ask clients for a certificate."},
    {.name = "client-ca",
	.type = CONF_PATH,
	.offset = AT(client_ca),
	.argument = "FILE",
	.help =
	    "PEM file of the roots that client certificates must chain to. Without it these are "
	    "the domain's trusted roots of category client, as they are at the time."},
    {.name = "resumption",
	.type = CONF_BOOL,
	.offset = AT(resumption),
	.value = "true",
	.help = "Let clients resume sessions by tickets. A ticket ends with its generation."},
    {.name = "send-root",
	.type = CONF_BOOL,
	.offset = AT(send_root),
	.value = "false",
	.help = "Send the root behind the chain, for the rare client that wants it."},
    {.name = "connections",
	.type = CONF_INT,
	.offset = AT(connections),
	.value = "10000",
	.min = 1,
	.max = 1000000,
	.argument = "NUMBER",
	.help = "Connections that may be open together."},
    {.name = "https-port",
	.type = CONF_INT,
	.offset = AT(https_port),
	.value = "443",
	.min = 1,
	.max = 65535,
	.argument = "PORT",
	.help = "Port that redirects of an http port point to."},
};
#undef AT

#define AT(field) offsetof(struct replica_config, field)
static const struct conf_key keys[] = {
    {.name = "data",
	.type = CONF_PATH,
	.offset = AT(data),
	.value = "/var/lib/certherd/replica",
	.argument = "DIR",
	.help = "Data directory of this member."},
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
    {.name = "threads",
	.type = CONF_INT,
	.offset = AT(threads),
	.value = "0",
	.min = 0,
	.max = CORES_MAX,
	.argument = "NUMBER",
	.help = "Threads that serve the ports; 0 is one for each core."},
    {.name = "opened-keys",
	.type = CONF_INT,
	.offset = AT(opened_keys),
	.value = "0",
	.min = 0,
	.max = 1000000,
	.argument = "NUMBER",
	.help =
	    "Keys that are kept opened in locked memory; others are opened when a client asks. 0 "
	    "is as many as the locked memory holds, up to 65536."},
    {.name = "secure-memory",
	.type = CONF_SIZE,
	.offset = AT(secure_memory),
	.value = "0",
	.min = 0,
	.max = 1 << 30,
	.argument = "BYTES",
	.help = "Locked memory for keys, a power of two; 0 takes what the limit of locked memory "
		"allows, up to 4 MiB."},
    {.name = "port",
	.type = CONF_SECTION,
	.offset = AT(ports),
	.max = 64,
	.keys = port_keys,
	.key_count = ARRAY_LEN(port_keys),
	.item_size = sizeof(struct port_config),
	.title_offset = offsetof(struct port_config, name),
	.argument = "NAME",
	.help = "A listener. Without any the replica only follows."},
    {.name = "token-file",
	.type = CONF_STRING,
	.offset = AT(token_file),
	.argument = "FILE",
	.help = "join: file of the token; - is standard input."},
    {.name = "name",
	.type = CONF_STRING,
	.offset = AT(name),
	.argument = "NAME",
	.help = "join: the name that the token was made for, as a check."},
    {.name = "address",
	.type = CONF_LIST,
	.offset = AT(addresses),
	.max = 16,
	.argument = "ADDRESS",
	.help = "join: names and addresses of this host for its certificate."},
};

/*
 * The kernel would let two listen on one address, and give each some of the connections. Port 0 is
 * a free one for each.
 */
static int
check_listeners(const struct port_config *ports, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (str_equal(ports[i].listen, ports[j].listen) &&
			    !str_ends(ports[i].listen, ":0"))
				return err_set(err, ERR_INVALID,
				    "ports '%.60s' and '%.60s' both listen on %.80s", ports[j].name,
				    ports[i].name, ports[i].listen);
	return 0;
}

static int
check_memory(int64_t bytes, struct err *err)
{
	if (bytes == 0 || (bytes >= PROCESS_HEAP_MIN && (bytes & (bytes - 1)) == 0))
		return 0;
	return err_set(err, ERR_INVALID,
	    "secure-memory: %lld bytes are no power of two from %u on, nor 0", (long long)bytes,
	    PROCESS_HEAP_MIN);
}

static int
check_all(const void *values, bool whole, struct err *err)
{
	const struct replica_config *c = values;
	const struct port_config *ports = c->ports.items;
	int r = check_memory(c->secure_memory, err);

	if (r == 0)
		r = check_listeners(ports, c->ports.count, err);
	for (size_t i = 0; r == 0 && i < c->ports.count; i++) {
		if (whole && (r = port_config_check(&ports[i], err)) < 0)
			r = err_wrap(err, "port '%.60s'", ports[i].name);
	}
	return r;
}

const struct conf_schema replica_schema = {
    .program = "certherd-replica",
    .usage = "[OPTIONS] [run | join]",
    .about = "Follows a domain, opens the credentials that this server may use, and serves them. "
	     "'join' makes this directory a member by a token of 'certherd node token'.",
    .file = NULL,
    .keys = keys,
    .key_count = ARRAY_LEN(keys),
    .size = sizeof(struct replica_config),
    .check = check_all,
};
