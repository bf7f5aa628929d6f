/* Certificates from a CA outside: submit, the CSR, and the answer. */

#include "server/cli/commands.h"

#include "common/base/str.h"
#include "common/sys/file.h"
#include "server/cli/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
run_submit(struct cli *c, struct err *err)
{
	return cli_certs_each(c, "submit", "is made", err);
}

static int
run_csr(struct cli *c, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s/csr", c->words[0], NULL);
	AUTO(json_freep)
	struct json *reply = NULL;
	int r = cli_call(c, "GET", path, NULL, &reply, err);

	if (r == 0 && !cli_json(c, reply))
		cli_printf(c, "%s", json_text(reply, "csr"));
	return r;
}

/* ------------------------------------------------------------------------- paste */

static int
read_input(struct buf *out, struct err *err)
{
	uint8_t block[16384];
	ssize_t n;

	if (isatty(STDIN_FILENO))
		fprintf(stderr, "paste what the CA has answered, then Ctrl-D\n");
	while ((n = read(STDIN_FILENO, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read standard input");
		buf_put(out, block, (size_t)n);
		if (out->error != 0)
			break;
	}
	return buf_error(out, "standard input", err);
}

/* The contents of the files that the command names, standard input when it names none. */
struct inputs {
	struct reader_file files[CLI_WORDS_MAX];
	struct buf bytes[CLI_WORDS_MAX];
	size_t count;
};

static void
inputs_fini(struct inputs *in)
{
	for (size_t i = 0; i < in->count; i++)
		buf_fini(&in->bytes[i]);
	mem_free(in);
}

static int
add_input(struct inputs *in, const char *name, struct err *err)
{
	bool standard = name == NULL || str_equal(name, "-");
	struct buf *bytes = &in->bytes[in->count++];
	int r;

	*bytes = BUF_INIT(LIMIT_IMPORT_FILE);
	r = standard ? read_input(bytes, err) : file_read(name, LIMIT_IMPORT_FILE, bytes, err);
	in->files[in->count - 1] =
	    (struct reader_file){standard ? "standard input" : name, buf_span(bytes)};
	return r;
}

static void
put_certificate(struct json_writer *w, struct span der)
{
	struct buf text = BUF_INIT(2 * LIMIT_CERT);

	base64_put(&text, der);
	json_put_span(w, NULL, buf_span(&text));
	buf_fini(&text);
}

/* What else was in it is said, so that nobody wonders: a key above all. */
static void
remark(struct cli *c, const struct reader_answer *a)
{
	for (size_t i = 0; !c->json && i < a->count; i++) {
		const struct span text = a->items[i].bytes;

		if (a->items[i].kind == READER_KEY)
			cli_printf(c,
			    "left out: a private key (%.*s); the key of this credential was made "
			    "here\n",
			    (int)text.len, (const char *)text.data);
		else if (a->items[i].kind == READER_REMARK)
			cli_printf(c, "left out: %.*s\n", (int)text.len, (const char *)text.data);
	}
}

static void
put_answer(struct cli *c, const struct reader_answer *a, struct json_writer *w)
{
	remark(c, a);
	json_put_object(w, NULL);
	json_put_array(w, "certificates");
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].kind == READER_CERT)
			put_certificate(w, a->items[i].bytes);
	json_put_end(w);
	json_put_end(w);
}

/* Every certificate that there is in the input, whatever stands around it. */
static int
read_answer(struct cli *c, struct json_writer *w, struct err *err)
{
	struct inputs *in = mem_zalloc(sizeof(*in));
	struct reader_answer answer = {.items = NULL};
	int r = c->word_count == 1 ? add_input(in, NULL, err) : 0;

	for (size_t i = 1; r == 0 && i < c->word_count; i++)
		r = add_input(in, c->words[i], err);
	if (r == 0)
		r = reader_read(in->files, in->count, &answer, err);
	inputs_fini(in);
	if (r < 0)
		return r;
	if (reader_count(&answer, READER_CERT) > 0) {
		put_answer(c, &answer, w);
	} else {
		cli_hint(c,
		    "give what the CA has answered: PEM, DER or PKCS#7, in a file or on "
		    "standard input");
		r = answer.problem.code != 0
		    ? err_set(err, (enum err_code)answer.problem.code, "%s", answer.problem.text)
		    : err_set(err, ERR_NOTFOUND, "the answer has no certificate");
	}
	reader_answer_fini(&answer);
	return r;
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
    CLI_WAIT_OPTIONS,
};

static const struct cli_option paste_options[] = {
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

const struct cli_command command_cert_csr = {
    .noun = "cert",
    .verb = "csr",
    .args = "NAME",
    .summary = "Print the CSR that waits for its certificate, PEM.",
    .examples = "  certherd cert csr mail.example.org > mail.csr\n",
    .least = 1,
    .most = 1,
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
