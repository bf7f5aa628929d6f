/* Certificates from a CA outside: submit, the CSR, and the answer. */

#include "server/cli/commands.h"
#include "server/cli/export.h"

#include "server/cli/foreign.h"

static int
run_submit(struct cli *c, struct err *err)
{
	return cli_certs_each(c, "submit", "is made", err);
}

static int
note_submitted(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/submitted", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;

	return cli_call(c, "POST", path, NULL, &reply, err);
}

static int
run_csr(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/csr", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	/* First what is kept, so that a CSR that was printed is one that is known to be on its way.
	 */
	if (r == 0 && cli_flag(c, "submitted"))
		r = note_submitted(c, err);
	if (r == 0 && !cli_json(c, reply))
		cli_printf(c, "%s", json_text(reply, "csr"));
	return r;
}

/* ------------------------------------------------------------------------- paste */

/* Every certificate that there is in the input, whatever stands around it. */
static int
read_answer(struct cli *c, struct json_writer *w, struct err *err)
{
	struct import_found found;
	int r = foreign_certs(c, IMPORT_ANSWER, "what the CA has answered", c->words + 1,
	    c->word_count - 1, &found, err);

	if (r < 0) {
		if (c->hint.len == 0)
			cli_hint(c,
			    "give what the CA has answered: PEM, DER or PKCS#7, in a file or on "
			    "standard input");
		return r;
	}
	json_put_object(w, NULL);
	json_put_array(w, "certificates");
	for (size_t i = 0; i < found.unit_count; i++)
		json_put_base64(w, NULL, found.units[i].certs[0]);
	json_put_end(w);
	json_put_end(w);
	import_found_fini(&found);
	return 0;
}

static int
run_paste(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/paste", c->words[0], NULL);
	AUTO(buf_freep)
	struct buf *body = buf_new(2 * LIMIT_IMPORT_FILE);
	struct json_writer w = JSON_WRITER(body);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_wait_check(c, err);

	if (r == 0)
		r = read_answer(c, &w, err);
	if (r == 0)
		r = cli_call(c, "POST", path, body, &reply, err);
	return r < 0 ? r : cli_wait_served(c, reply, "has its certificate", err);
}

/* ------------------------------------------------------------------------- the table */

static const struct cli_option submit_options[] = {
    {"new-key", NULL, "With a new key, also in place of a CSR that waits."},
    CLI_EXPORT_OPTIONS,
    {"no-export", NULL, "Ask for no export password: the new key cannot be exported."},
    CLI_WAIT_OPTIONS,
};

static const struct cli_option paste_options[] = {
    FOREIGN_OPTIONS,
    CLI_WAIT_OPTIONS,
};

const struct cli_command command_cert_submit = {
    .noun = "cert",
    .verb = "submit",
    .args = "NAME...",
    .summary = "Make of a draft what it is to be: a key and its CSR, or a certificate.",
    .examples = "  certherd cert submit mail.example.org\n"
		"  certherd cert submit mail.example.org --new-key\n",
    .least = 1,
    .most = CLI_WORDS_MAX,
    .options = submit_options,
    .option_count = ARRAY_LEN(submit_options),
    .run = run_submit,
};

static const struct cli_option csr_options[] = {
    {"submitted", NULL, "Note that it goes to the CA now: its state is submitted from then on."},
};

const struct cli_command command_cert_csr = {
    .noun = "cert",
    .verb = "csr",
    .args = "NAME",
    .summary = "Print the CSR that waits for its certificate, PEM.",
    .examples = "  certherd cert csr mail.example.org > mail.csr\n"
		"  certherd cert csr mail.example.org --submitted | mail -s CSR ca@example.org\n",
    .least = 1,
    .most = 1,
    .options = csr_options,
    .option_count = ARRAY_LEN(csr_options),
    .run = run_csr,
};

const struct cli_command command_cert_paste = {
    .noun = "cert",
    .verb = "paste",
    .args = "NAME [FILE...]",
    .summary = "Take in what a CA has answered, from files or standard input.",
    .examples = "  certherd cert paste mail.example.org < answer.pem\n"
		"  certherd cert paste mail.example.org leaf.crt issuers.p7b\n",
    .least = 1,
    .most = CLI_WORDS_MAX,
    .options = paste_options,
    .option_count = ARRAY_LEN(paste_options),
    .run = run_paste,
};
