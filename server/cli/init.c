#include "server/cli/commands.h"
#include "server/cli/init.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "common/model/names.h"
#include "common/sys/process.h"
#include "server/bootstrap/bootstrap.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DATA_DEFAULT "/var/lib/certherd"
#define LISTEN_DEFAULT "*:7443"
#define SERVER_NAME "manager"
#define TEXTS_MAX 16

/* Values of a list option, taken apart at commas. */
struct list {
	char *items[TEXTS_MAX];
	size_t count;
};

struct init {
	struct cli *c;
	char domain[NAME_TEXT_MAX];
	const char *dir;
	char *server_dir, *replica_dir, *offline_dir;
	struct init_place place;
	const char *name;
	char *replica_name;
	struct list addresses, listen, advertise;
	struct secret *passphrase, *recovery_passphrase;
	struct init_keys keys;
	pid_t server; /* 0: not running */
	int64_t now;
};

static struct texts
texts_of(const struct list *l)
{
	return (struct texts){(const char *const *)l->items, l->count};
}

static void
list_fini(struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		mem_free(l->items[i]);
	l->count = 0;
}

static int
list_add(struct list *l, const char *option, const char *text, size_t len, struct err *err)
{
	if (l->count == TEXTS_MAX)
		return err_set(err, ERR_LIMIT, "option --%s: more than %d", option, TEXTS_MAX);
	l->items[l->count++] = mem_printf("%.*s", (int)len, text);
	return 0;
}

static int
list_take(const struct cli *c, const char *option, struct list *out, struct err *err)
{
	for (size_t i = 0; i < c->value_count; i++) {
		const char *text = c->values[i].value;

		while (str_equal(c->values[i].name, option) && *text != '\0') {
			size_t n = strcspn(text, ",");
			int r = n > 0 ? list_add(out, option, text, n, err) : 0;

			if (r < 0)
				return r;
			text += n + (text[n] == ',');
		}
	}
	return 0;
}

/* ------------------------------------------------------------------------- what is asked for */

static bool
resolves(const char *host)
{
	struct addrinfo *found = NULL;
	int r = getaddrinfo(host, NULL, NULL, &found);

	if (found != NULL)
		freeaddrinfo(found);
	return r == 0;
}

/* This host's name, and the loopback address when nobody can resolve that. */
static int
default_addresses(struct init *in, struct err *err)
{
	char host[256];
	int r = 0;

	if (gethostname(host, sizeof(host)) < 0)
		return err_errno(err, errno, "this host has no name; give --address");
	host[sizeof(host) - 1] = '\0';
	if (resolves(host))
		r = list_add(&in->addresses, "address", host, strlen(host), err);
	if (r == 0 && in->addresses.count == 0)
		r = list_add(&in->addresses, "address", "127.0.0.1", strlen("127.0.0.1"), err);
	return r;
}

/* The first label of the host's name, as far as it is a good name for a node. */
static char *
default_replica_name(void)
{
	char host[256] = "", *dot;

	(void)!gethostname(host, sizeof(host) - 1);
	dot = strchr(host, '.');
	if (dot != NULL)
		*dot = '\0';
	for (char *p = host; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	if (label_check("node", host, NULL) < 0 || str_equal(host, SERVER_NAME))
		return mem_strdup("local");
	return mem_strdup(host);
}

static int
take_names(struct init *in, struct err *err)
{
	const char *domain = cli_option(in->c, "domain");
	const char *name = cli_option(in->c, "name");
	const char *replica = cli_option(in->c, "replica-name");
	enum name_type type = NAME_IP;
	int r;

	if (domain == NULL) {
		cli_hint(in->c, "certherd init --domain example.org");
		return err_set(err, ERR_INVALID, "the domain needs a name: give --domain");
	}
	r = name_normalise(domain, in->domain, &type, err);
	if (r == 0 && type != NAME_DNS)
		r = err_set(err, ERR_INVALID, "'%.100s' is not the name of a domain", domain);
	in->name = name != NULL ? name : SERVER_NAME;
	in->replica_name = replica != NULL ? mem_strdup(replica) : default_replica_name();
	if (r == 0)
		r = label_check("node", in->name, err);
	if (r == 0)
		r = label_check("node", in->replica_name, err);
	if (r == 0 && str_equal(in->name, in->replica_name))
		r = err_set(
		    err, ERR_INVALID, "server and replica cannot both be called '%s'", in->name);
	return r;
}

static int
take_options(struct init *in, struct err *err)
{
	const char *data = cli_option(in->c, "data");
	int r;

	in->dir = data != NULL ? data : DATA_DEFAULT;
	in->server_dir = mem_printf("%s/server", in->dir);
	in->replica_dir = mem_printf("%s/replica", in->dir);
	in->offline_dir = mem_printf("%s/offline", in->dir);
	in->now = (int64_t)time(NULL);
	if ((r = take_names(in, err)) < 0 ||
	    (r = list_take(in->c, "address", &in->addresses, err)) < 0 ||
	    (r = list_take(in->c, "listen", &in->listen, err)) < 0 ||
	    (r = list_take(in->c, "advertise", &in->advertise, err)) < 0)
		return r;
	if (in->addresses.count == 0)
		r = default_addresses(in, err);
	if (r == 0 && in->listen.count == 0)
		r = list_add(&in->listen, "listen", LISTEN_DEFAULT, strlen(LISTEN_DEFAULT), err);
	return r;
}

static int
take_passphrases(struct init *in, struct err *err)
{
	int r = passphrase_get(
	    in->c, "passphrase-file", "passphrase-fd", "root key", &in->passphrase, err);

	if (r < 0 || cli_flag(in->c, "no-recovery"))
		return r;
	if (cli_option(in->c, "recovery-passphrase-file") == NULL)
		return secret_copy(in->passphrase, &in->recovery_passphrase, err);
	return passphrase_get(
	    in->c, "recovery-passphrase-file", NULL, "recovery key", &in->recovery_passphrase, err);
}

/* No server is left behind, whatever else went wrong. */
static void
clean_up(struct init *in)
{
	if (in->server != 0)
		(void)!init_server_stop(in->server, NULL);
	init_place_clean(&in->place);
}

/* ------------------------------------------------------------------------- the replica */

static int
get_token(struct init *in, struct json **reply, struct err *err)
{
	struct buf body = BUF_INIT(1024);
	struct json_writer w = JSON_WRITER(&body);
	int r;

	json_put_object(&w, NULL);
	json_put_text(&w, "name", in->replica_name);
	json_put_end(&w);
	r = cli_call(in->c, "POST", "/v1/tokens", &body, reply, err);
	buf_fini(&body);
	return r;
}

static int
set_default_access(struct init *in, struct err *err)
{
	AUTO(json_freep)
	struct json *reply = NULL;
	struct buf body = BUF_INIT(1024);
	struct json_writer w = JSON_WRITER(&body);
	int r;

	json_put_object(&w, NULL);
	json_put_array(&w, "access");
	json_put_text(&w, NULL, in->replica_name);
	json_put_end(&w);
	json_put_end(&w);
	r = cli_call(in->c, "PUT", "/v1/settings/default-access", &body, &reply, err);
	buf_fini(&body);
	return r;
}

static int
join_replica(struct init *in, struct err *err)
{
	AUTO(mem_freep)
	char *socket = mem_printf("%s/api.sock", in->server_dir);
	AUTO(json_freep)
	struct json *token = NULL;
	struct init_run run = {.dir = in->server_dir,
	    .listen = texts_of(&in->listen),
	    .advertise = texts_of(&in->advertise)};
	pid_t pid;
	int r = init_server_start(&run, &pid, err);

	if (r < 0)
		return r;
	in->server = pid;
	CHECK(in->c->value_count < CLI_VALUES_MAX);
	in->c->values[in->c->value_count++] = (struct cli_value){"socket", socket};
	r = get_token(in, &token, err);
	if (r == 0)
		r = init_replica_join(in->replica_dir, span_str(json_text(token, "token")),
		    texts_of(&in->addresses), err);
	if (r == 0)
		r = set_default_access(in, err);
	in->c->value_count--;
	in->server = 0;
	/* The first error is the cause. A server that does not stop well is one, too. */
	if (r < 0) {
		(void)!init_server_stop(pid, NULL);
		return r;
	}
	return init_server_stop(pid, err);
}

/* ------------------------------------------------------------------------- the command */

static void
print_json(struct init *in)
{
	struct json_writer w = JSON_WRITER(&in->c->out);
	char hex[HASH_HEX_MAX];
	struct hash fingerprint;

	cert_fingerprint(in->keys.root, &fingerprint);
	json_put_object(&w, NULL);
	json_put_text(&w, "domain", in->domain);
	json_put_text(&w, "domain_id", hex_encode(in->keys.domain.bytes, HASH_LEN, hex));
	json_put_text(&w, "root_fingerprint", hash_hex(&fingerprint, hex));
	json_put_text(&w, "server", in->server_dir);
	json_put_text(&w, "offline", in->offline_dir);
	if (!cli_flag(in->c, "no-replica")) {
		json_put_text(&w, "replica", in->replica_dir);
		json_put_text(&w, "replica_name", in->replica_name);
	}
	json_put_bool(&w, "recovery_key", in->keys.recovery != NULL);
	json_put_end(&w);
	cli_printf(in->c, "\n");
}

static void
print_result(struct init *in)
{
	struct cli *c = in->c;
	char hex[HASH_HEX_MAX];
	struct hash fingerprint;

	if (c->json) {
		print_json(in);
		return;
	}
	cert_fingerprint(in->keys.root, &fingerprint);
	cli_printf(c, "Domain %s is made; its root has the fingerprint\n  %s\n\n", in->domain,
	    hash_hex(&fingerprint, hex));
	if (!cli_flag(c, "no-replica"))
		cli_printf(c, "This host's replica is its node %s.\n", in->replica_name);
	cli_printf(c, "%s holds the root key%s: move it to a place that is offline.\n",
	    in->offline_dir, in->keys.recovery != NULL ? " and the recovery key" : "");
	if (in->keys.recovery != NULL)
		cli_printf(c, "The recovery key can read every private key of the domain.\n");
	else
		cli_printf(c,
		    "There is no recovery key: when all managers are lost, so are all "
		    "private keys.\n");
	cli_printf(c, "\nStart the manager%s:\n  certherd-server --data %s",
	    cli_flag(c, "no-replica") ? "" : " and this host's replica", in->server_dir);
	for (size_t i = 0; cli_flag(c, "listen") && i < in->listen.count; i++)
		cli_printf(c, " --listen %s", in->listen.items[i]);
	for (size_t i = 0; i < in->advertise.count; i++)
		cli_printf(c, " --advertise %s", in->advertise.items[i]);
	cli_printf(c, "\n");
	if (!cli_flag(c, "no-replica"))
		cli_printf(c,
		    "  certherd-replica --data %s\n"
		    "What the replica listens on is for its configuration file to say: see "
		    "'certherd-replica --print-example'.\n",
		    in->replica_dir);
	cli_printf(c,
	    "\nThen, for a first certificate and a further server:\n"
	    "  certherd cert add www.%s --data %s\n"
	    "  certherd node token --name web1 --data %s\n",
	    in->domain, in->dir, in->dir);
}

static int
make_domain(struct init *in, struct err *err)
{
	struct init_server server = {.dir = in->server_dir,
	    .domain_name = in->domain,
	    .name = in->name,
	    .addresses = texts_of(&in->addresses),
	    .now = in->now};
	bool recovery = !cli_flag(in->c, "no-recovery");
	int r;

	if ((r = init_keys_make(in->domain, recovery, in->now, &in->keys, err)) < 0 ||
	    (r = init_keys_write(
		 &in->keys, in->offline_dir, in->passphrase, in->recovery_passphrase, err)) < 0 ||
	    (r = interrupt_check(err)) < 0 || (r = init_bootstrap(&in->keys, &server, err)) < 0)
		return r;
	if (!cli_flag(in->c, "no-replica"))
		r = join_replica(in, err);
	return r < 0 ? r : interrupt_check(err);
}

/* Whatever a child said when it was ended: the cause is the signal. */
static int
interrupted(struct init *in, struct err *err)
{
	cli_hint(in->c, "call it again; nothing of this try is left in '%s'", in->dir);
	return err_set(err, ERR_CANCELED, "init was interrupted");
}

static int
fill_place(struct init *in, struct err *err)
{
	int r = make_domain(in, err);

	if (r < 0) {
		clean_up(in);
		return interrupt_came() ? interrupted(in, err) : r;
	}
	init_place_keep(&in->place);
	return 0;
}

static int
run_init(struct cli *c, struct err *err)
{
	struct init in = {.c = c, .place = {.lock = -1}};
	int r = take_options(&in, err);

	/* Nothing is made before all is asked: until then a signal may end the process. */
	if (r == 0)
		r = bootstrap_prepare(err);
	if (r == 0)
		r = init_place_check(c, in.dir, err);
	if (r == 0)
		r = take_passphrases(&in, err);
	interrupt_begin();
	if (r == 0)
		r = init_place_take(c, in.dir, &in.place, err);
	if (r == 0)
		r = fill_place(&in, err);
	interrupt_end();
	if (r == 0)
		print_result(&in);
	init_keys_fini(&in.keys);
	secret_free(in.passphrase);
	secret_free(in.recovery_passphrase);
	list_fini(&in.addresses);
	list_fini(&in.listen);
	list_fini(&in.advertise);
	mem_free(in.replica_name);
	mem_free(in.server_dir);
	mem_free(in.replica_dir);
	mem_free(in.offline_dir);
	return r;
}

static const struct cli_option options[] = {
    {"domain", "NAME", "Name of the domain. Required."},
    {"address", "ADDRESS,...", "Names and addresses of this server; its host name if not given."},
    {"listen", "ADDRESS:PORT,...", "The server's public port; *:7443 if not given."},
    {"advertise", "HOST:PORT,...", "Where others reach it, if that is something else."},
    {"name", "NAME", "Name of the server's node; 'manager' if not given."},
    {"replica-name", "NAME", "Name of this host's replica; its host name if not given."},
    {"no-replica", NULL, "Make no replica on this host."},
    {"no-recovery", NULL, "Make no recovery key."},
    {"passphrase-file", "FILE", "Read the root key's passphrase from a file."},
    {"passphrase-fd", "NUMBER", "Read it from a descriptor."},
    {"recovery-passphrase-file", "FILE", "Another passphrase for the recovery key."},
};

const struct cli_command command_init = {
    .noun = "init",
    .summary = "Make a domain: root key, manager, and a replica on this host.",
    .examples = "  certherd init --domain example.org\n"
		"  certherd init --domain example.org --data /srv/certherd --address 192.0.2.1 "
		"--passphrase-file pass\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run_init,
};
