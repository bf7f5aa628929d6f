#include "server/cli/export_files.h"

#include "common/crypto/cert_facts.h"
#include "common/export/export.h"
#include "common/sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* What each format has, and what may be said with it. */
static const struct {
	const char *name;
	bool key, legacy, encrypt, file_password, two_files;
} formats[] = {
    [FORMAT_PEM] = {"pem", true, false, true, false, false},
    [FORMAT_P12] = {"p12", true, true, false, true, false},
    [FORMAT_STORED_PEM] = {"stored-pem", true, false, false, false, false},
    [FORMAT_NGINX] = {"nginx", true, false, true, false, true},
    [FORMAT_HAPROXY] = {"haproxy", true, false, false, false, false},
    [FORMAT_CHAIN] = {"chain", false, false, false, false, false},
};
_Static_assert(ARRAY_LEN(formats) == FORMAT__COUNT, "every format has its line");

const char *
export_format_name(enum export_format format)
{
	return formats[format].name;
}

/* --- the plan --- */

static int
format_of(const struct cli *c, enum export_format *out, struct err *err)
{
	const char *text = cli_option(c, "format");

	if (cli_flag(c, "stored-pem")) {
		if (text != NULL && !str_equal(text, "stored-pem"))
			return err_set(err, ERR_INVALID,
			    "--stored-pem and --format %.20s contradict each other", text);
		text = "stored-pem";
	}
	for (size_t i = 0; text != NULL && i < FORMAT__COUNT; i++) {
		if (str_equal(formats[i].name, text)) {
			*out = (enum export_format)i;
			return 0;
		}
	}
	return text == NULL
	    ? (*out = FORMAT_PEM, 0)
	    : err_set(err, ERR_INVALID,
		  "there is no format '%.40s': pem, p12, stored-pem, nginx, haproxy or chain",
		  text);
}

static int
check_options(const struct cli *c, const struct export_plan *p, struct err *err)
{
	const char *name = formats[p->format].name;

	if (p->legacy && !formats[p->format].legacy)
		return err_set(err, ERR_INVALID, "--legacy is for format p12, not for %s", name);
	if (p->encrypt && !formats[p->format].encrypt)
		return err_set(err, ERR_INVALID,
		    p->format == FORMAT_P12 || p->format == FORMAT_STORED_PEM
			? "format %s is encrypted anyway; leave --encrypt out"
			: "--encrypt is for formats pem and nginx, not for %s",
		    name);
	if (cli_option(c, "file-password-file") != NULL && !p->encrypt &&
	    !formats[p->format].file_password)
		return err_set(err, ERR_INVALID,
		    "--file-password-file is for format p12, and for pem and nginx with --encrypt");
	if (p->format == FORMAT_STORED_PEM && p->with_root)
		return err_set(err, ERR_INVALID, "format stored-pem has no certificates");
	return 0;
}

static int
check_place(struct cli *c, const struct export_plan *p, struct err *err)
{
	bool key = formats[p->format].key;

	if (p->out == NULL && key) {
		cli_hint(c, "--out FILE writes it there, --out - to standard output");
		return err_set(err, ERR_INVALID, "say where the key is to go: --out");
	}
	if (p->to_stdout && formats[p->format].two_files)
		return err_set(err, ERR_INVALID,
		    "format %s makes two files: --out NAME writes NAME.key and NAME.crt",
		    formats[p->format].name);
	if (p->to_stdout && c->json)
		return err_set(err, ERR_INVALID, "with --json it has to go to a file: --out FILE");
	if (p->to_stdout && key && isatty(STDOUT_FILENO) && !cli_flag(c, "force"))
		return err_set(err, ERR_INVALID,
		    "a key is not written to a terminal; --force does it all the same");
	return 0;
}

int
export_plan(struct cli *c, struct export_plan *out, struct err *err)
{
	struct export_plan p = {.legacy = cli_flag(c, "legacy"),
	    .encrypt = cli_flag(c, "encrypt"),
	    .with_root = cli_flag(c, "with-root"),
	    .out = cli_option(c, "out")};
	int r = format_of(c, &p.format, err);

	p.to_stdout = p.out == NULL || str_equal(p.out, "-");
	if (r == 0)
		r = check_options(c, &p, err);
	if (r == 0)
		r = check_place(c, &p, err);
	if (r == 0)
		*out = p;
	return r;
}

/* --- the content --- */

/* Without the root, which whoever checks the chain has, unless it is asked for. */
static struct export_set
set_of(const struct export_plan *plan, const struct export_content *content)
{
	struct export_set set = {content->certs, content->cert_count, content->key};

	while (!plan->with_root && set.cert_count > 1) {
		AUTO(cert_unrefp)
		struct cert *last = NULL;
		struct cert_facts facts;

		if (cert_parse(set.certs[set.cert_count - 1], &last, NULL) < 0)
			break;
		cert_facts(last, &facts);
		if (!facts.self_issued)
			break;
		set.cert_count--;
	}
	return set;
}

static int
pem_key(const struct export_plan *plan, const struct export_content *content,
    const struct export_set *set, enum export_order order, struct secret **out, struct err *err)
{
	return export_pem(set, order, plan->encrypt ? content->password : NULL, false, out, err);
}

static int
copy_secret(struct span bytes, struct secret **out, struct err *err)
{
	int r = secret_new(bytes.len, out, err);

	for (size_t i = 0; r == 0 && i < bytes.len; i++)
		secret_bytes(*out)[i] = bytes.data[i];
	return r;
}

/* The one file with the key in it. */
static int
make_key_file(const struct export_plan *plan, const struct export_content *content,
    const struct export_set *set, struct secret **out, struct err *err)
{
	struct buf bytes = BUF_INIT(LIMIT_PEM_FILE);
	int r = 0;

	switch (plan->format) {
	case FORMAT_PEM:
		return pem_key(plan, content, set, EXPORT_KEY_FIRST, out, err);
	case FORMAT_HAPROXY:
		return pem_key(plan, content, set, EXPORT_KEY_LAST, out, err);
	case FORMAT_NGINX:
		return pem_key(plan, content, set, EXPORT_KEY_ALONE, out, err);
	case FORMAT_P12:
		r = export_p12(set, content->name, content->password, plan->legacy, &bytes, err);
		break;
	case FORMAT_STORED_PEM:
		encrypted_pkcs8_put_pem(content->locked, &bytes);
		r = buf_error(&bytes, "exported key", err);
		break;
	case FORMAT_CHAIN:
	case FORMAT__COUNT:
		r = err_set(err, ERR_INVALID, "there is no key in that format");
		break;
	}
	if (r == 0)
		r = copy_secret(buf_span(&bytes), out, err);
	buf_fini(&bytes);
	return r;
}

/* --- the files --- */

static int
to_stdout(struct span bytes, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes.data, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "cannot write to standard output");
		bytes = SPAN(bytes.data + n, bytes.len - (size_t)n);
	}
	return 0;
}

/* Takes the path. */
static int
to_file(char *path, mode_t mode, struct span bytes, struct export_written *out, struct err *err)
{
	int r = file_write_atomic(path, mode, bytes, err);

	if (r < 0)
		mem_free(path);
	else
		out->paths[out->count++] = path;
	return r;
}

static int
write_chain(const struct export_plan *plan, const struct export_set *set, char *path,
    struct export_written *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *pem = buf_new(LIMIT_PEM_FILE);
	int r = export_chain(set, pem, err);

	if (r < 0) {
		mem_free(path);
		return r;
	}
	if (path == NULL)
		return to_stdout(buf_span(pem), err);
	(void)plan;
	return to_file(path, 0644, buf_span(pem), out, err);
}

void
export_written_fini(struct export_written *w)
{
	for (size_t i = 0; i < w->count; i++)
		mem_free(w->paths[i]);
	*w = (struct export_written){.count = 0};
}

int
export_write(struct cli *c, const struct export_plan *plan, const struct export_content *content,
    struct export_written *out, struct err *err)
{
	const struct export_set set = set_of(plan, content);
	AUTO(secret_freep)
	struct secret *file = NULL;
	bool two = formats[plan->format].two_files;
	int r;

	if (plan->format == FORMAT_CHAIN)
		return write_chain(
		    plan, &set, plan->to_stdout ? NULL : mem_strdup(plan->out), out, err);
	r = make_key_file(plan, content, &set, &file, err);
	if (r < 0)
		return r;
	/* What the administrator has asked for leaves here. */
	if (plan->to_stdout)
		return to_stdout(secret_reveal(file), err);
	r = to_file(two ? mem_printf("%s.key", plan->out) : mem_strdup(plan->out), 0600,
	    secret_reveal(file), out, err);
	if (r < 0 || !two)
		return r;
	r = write_chain(plan, &set, mem_printf("%s.crt", plan->out), out, err);
	if (r < 0)
		cli_hint(
		    c, "%s.key is written, and is of no use without its certificates", plan->out);
	return r;
}
