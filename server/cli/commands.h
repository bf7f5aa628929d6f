#ifndef SERVER_CLI_COMMANDS_H
#define SERVER_CLI_COMMANDS_H

/* The commands, one file for a noun or a few; commands.c has them in the order of help. */

#include "server/cli/cli.h"

extern const struct cli_command command_init;
extern const struct cli_command command_check, command_cert_checks;
extern const struct cli_command command_status, command_watch, command_version;
extern const struct cli_command command_events, command_events_test;
extern const struct cli_command command_node_token, command_node_tokens, command_node_revoke_token,
    command_node_list, command_node_show, command_node_remove;
extern const struct cli_command command_group_list, command_group_create, command_group_add,
    command_group_remove, command_group_delete;
extern const struct cli_command command_cert_add, command_cert_list, command_cert_show,
    command_cert_submit, command_cert_csr, command_cert_paste, command_cert_import,
    command_cert_export, command_cert_renew, command_cert_access, command_cert_archive,
    command_cert_delete, command_cert_chain, command_cert_change, command_cert_rekey,
    command_cert_generations, command_cert_activate;
extern const struct cli_command command_ca_create, command_ca_list, command_ca_show,
    command_ca_change, command_ca_enable, command_ca_disable, command_ca_default, command_ca_renew,
    command_ca_export, command_cert_revoke;
extern const struct cli_command command_trust_add, command_trust_list, command_trust_show,
    command_trust_remove, command_trust_export;
extern const struct cli_command command_setting_list, command_setting_get, command_setting_set,
    command_setting_reset;
extern const struct cli_command command_access_show, command_access_set;
extern const struct cli_command command_exposed;
extern const struct cli_command command_explain, command_who_can_read, command_why_not;

#define CLI_WAIT_OPTIONS                                                                           \
	{"wait", "DURATION", "How long to wait until the nodes serve it; 5s if not given."},       \
	{                                                                                          \
		"no-wait", NULL, "Do not wait."                                                    \
	}
#define CA_ADDRESS_HELP                                                                            \
	"Of the http ports of replicas: certificates name the list and the CA's own there."
#define CLI_KEY_TYPES "ec-p256, ec-p384, ec-p521, rsa-2048, rsa-3072, rsa-4096, ed25519"

/* The health of a chain: green, yellow or red, and each reason on a line. */
void cli_put_chain_health(struct cli *c, const struct json *health);
/* health_cmd.c: member health of a credential or CA, its addresses with what was found there, and
 * health and runway of the status. */
void cli_put_health(struct cli *c, const struct json *cert);
void cli_put_checks(struct cli *c, const struct json *cert);
void cli_put_domain_health(struct cli *c, const struct json *status);
/*
 * All pages of the list of credentials, one reply after the other, until take returns a negative
 * code. filter NULL: all of them.
 */
NODISCARD int cli_each_page(struct cli *c, const char *filter,
    int (*take)(void *arg, const struct json *page), void *arg, struct err *err);

/* Of 'cert archive': one generation of the credential alone. */
NODISCARD int cli_archive_generation(struct cli *c, const char *number, struct err *err);

/* export_password.c: prints it, at most once; in JSON it is a member of the result. */
void cli_show_made_password(struct cli *c);
void cli_put_made_password(const struct cli *c, struct json_writer *w);

/* Before it: is --wait a duration? */
NODISCARD int cli_wait_check(const struct cli *c, struct err *err);
/*
 * After a change of a credential: says what it waits for when there is no certificate yet; else
 * waits (--wait, --no-wait) until the nodes serve what was made, and prints what became of it.
 * done: "is made".
 */
NODISCARD int cli_wait_served(
    struct cli *c, const struct json *made, const char *done, struct err *err);
/*
 * POST /v1/certs/NAME/VERB, with --new-key in its body, for each name of the command line, and a
 * wait for each as above.
 */
NODISCARD int cli_certs_each(struct cli *c, const char *verb, const char *done, struct err *err);

/* The member exposed of a reply, when there is any. */
void cli_put_exposed(struct cli *c, const struct json *reply);
/* cert rekey --exposed-to: new keys for all that a node knows, and a wait until it is proven. */
NODISCARD int cli_rekey_exposed(struct cli *c, const char *node, struct err *err);

#endif
