#include "server/cli/export.h"

#include "common/crypto/sign.h"
#include "common/export/password.h"
#include "common/wire/public_wire.h"
#include "server/cli/commands.h"
#include "server/cli/init.h"

#include <stdio.h>
#include <unistd.h>

#define TRIES 3

void
export_session_fini(struct cli *c, struct export_session *s)
{
	c->made_password = NULL;
	if (s->own_managers)
		managers_fini(&s->managers);
	secret_free(s->password);
	*s = (struct export_session){.password = NULL};
}

int
export_options(const struct cli *c, bool *asked, struct err *err)
{
	bool file = cli_option(c, "export-password-file") != NULL;
	bool make = cli_flag(c, "generate-password");

	if (file && make)
		return err_set(err, ERR_INVALID,
		    "--export-password-file and --generate-password contradict each other");
	*asked = cli_flag(c, "exportable") || file || make;
	return 0;
}

/* --- where it comes from --- */

static int
ask_twice(const char *const *avoid, size_t avoid_count, struct secret **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *one = NULL;
	AUTO(secret_freep)
	struct secret *two = NULL;
	AUTO(mem_freep)
	char *question = mem_printf("Export password, at least %d characters", PASSWORD_MIN);
	int r = password_ask(question, &one, err);

	if (r == 0)
		r = password_check(one, avoid, avoid_count, err);
	if (r == 0)
		r = password_ask("The same again", &two, err);
	if (r == 0 && !secret_equal(one, secret_span(two)))
		r = err_set(err, ERR_INVALID, "the two passwords differ");
	if (r == 0)
		*out = MOVE(one);
	return r;
}

static int
from_terminal(const char *const *avoid, size_t avoid_count, struct secret **out, struct err *err)
{
	if (!isatty(STDIN_FILENO))
		return err_set(err, ERR_INVALID,
		    "there is no terminal to ask for the export password; give "
		    "--export-password-file FILE or --generate-password");
	for (unsigned tries = 1;; tries++) {
		int r = ask_twice(avoid, avoid_count, out, err);

		if (r != ERR_INVALID || tries == TRIES)
			return r;
		fprintf(stderr, "certherd: %s; try again\n", err->text);
	}
}

static int
new_password(struct cli *c, const char *const *avoid, size_t avoid_count, struct secret **out,
    struct err *err)
{
	const char *file = cli_option(c, "export-password-file");
	AUTO(secret_freep)
	struct secret *got = NULL;
	int r;

	if (cli_flag(c, "generate-password"))
		return password_generate(out, err);
	if (file == NULL)
		return from_terminal(avoid, avoid_count, out, err);
	r = password_from_file(file, &got, err);
	if (r == 0) {
		r = password_check(got, avoid, avoid_count, err);
		if (r < 0)
			return err_wrap(err, "'%.120s'", file);
		*out = MOVE(got);
	}
	return r;
}

int
export_session_begin(struct cli *c, const char *const *avoid, size_t avoid_count,
    const struct managers *managers, struct export_session *out, struct err *err)
{
	struct export_session s = {.own_managers = managers == NULL};
	int r = import_heap(err);

	if (r == 0)
		r = new_password(c, avoid, avoid_count, &s.password, err);
	if (r == 0 && managers == NULL)
		r = managers_get(c, &s.managers, err);
	if (r < 0) {
		export_session_fini(c, &s);
		return r;
	}
	if (managers != NULL)
		s.managers = *managers;
	if (cli_flag(c, "generate-password"))
		c->made_password = s.password;
	*out = s;
	return 0;
}

int
export_session_seal(const struct export_session *s, struct span bound, struct id *generation,
    struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *payload = NULL;
	int r;

	if (s->password == NULL)
		return 0;
	r = wire_password_encode(s->password, SPAN(NULL, 0), &payload, err);
	return r < 0
	    ? r
	    : managers_seal(&s->managers, SEAL_MAKE_EXPORT, bound, payload, generation, out, err);
}

void
export_session_write(struct json_writer *w, const struct id *credential,
    const struct id *generation, struct span sealed)
{
	char hex[ID_HEX_MAX];

	if (sealed.len == 0)
		return;
	json_put_object(w, "export");
	if (credential != NULL)
		json_put_text(w, "credential", id_hex(credential, hex));
	json_put_text(w, "generation", id_hex(generation, hex));
	json_put_base64(w, "password", sealed);
	json_put_end(w);
}

int
export_session_put(const struct export_session *s, struct json_writer *w,
    const struct id *credential, struct err *err)
{
	AUTO(buf_freep)
	struct buf *sealed = buf_new(LIMIT_SEALED);
	struct id generation;
	int r = export_session_seal(s, SPAN(credential->bytes, ID_LEN), &generation, sealed, err);

	if (r == 0)
		export_session_write(w, credential, &generation, buf_span(sealed));
	return r;
}

/* --- of a credential that there is --- */

int
export_prepare(const struct cli *c, bool *asked, struct err *err)
{
	int r = export_options(c, asked, err);

	/* Where a password is going to lie, before anything else is asked. */
	return r == 0 && (*asked || isatty(STDIN_FILENO)) ? import_heap(err) : r;
}

/* A new key of what is exportable needs a password again, if somebody is there to give it. */
static bool
wants_password(const struct cli *c, const struct json *cert, enum export_when when, bool asked)
{
	const char *export = json_text(cert, "export");
	bool new_key = when == EXPORT_NEW_KEY || cli_flag(c, "new-key") ||
	    json_flag(cert, "new_key") ||
	    (json_number(cert, "generation") == 0 && !json_flag(cert, "csr"));

	if (asked || when == EXPORT_IF_ASKED)
		return asked;
	return new_key && (str_equal(export, "yes") || str_equal(export, "waiting"));
}

int
export_session_ask(struct cli *c, const char *name, enum export_when when, bool asked,
    struct export_session *s, struct json_writer *w, struct err *err)
{
	AUTO(mem_freep)
	char *path = cli_path("/v1/certs/%s", name, NULL);
	AUTO(json_freep)
	struct json *cert = NULL;
	struct id credential;
	int r;

	if (!asked &&
	    (when == EXPORT_IF_ASKED || cli_flag(c, "no-export") || !isatty(STDIN_FILENO)))
		return 0;
	r = cli_call(c, "GET", path, NULL, &cert, err);
	if (r < 0 || !wants_password(c, cert, when, asked))
		return r;
	if (!asked)
		fprintf(stderr,
		    "certherd: credential %s is exportable, and its new key needs a password; "
		    "--no-export goes without\n",
		    name);
	if (s->password == NULL)
		r = export_session_begin(c, &name, 1, NULL, s, err);
	if (r == 0)
		r = id_parse(json_text(cert, "id"), &credential, err);
	return r < 0 ? r : export_session_put(s, w, &credential, err);
}

/* --- one that was made --- */

void
cli_show_made_password(struct cli *c)
{
	struct span text;

	if (c->made_password == NULL || c->json)
		return;
	/* This one time, to whoever has asked for it. */
	text = secret_reveal(c->made_password);
	cli_printf(c,
	    "export password %.*s\n"
	    "keep it: it is stored nowhere, and nobody can export the key without it\n",
	    (int)text.len, (const char *)text.data);
	c->made_password = NULL;
}

void
cli_put_made_password(const struct cli *c, struct json_writer *w)
{
	if (c->made_password != NULL)
		json_put_span(w, "export_password", secret_reveal(c->made_password));
}

int
export_password_old(struct cli *c, const char *name, struct secret **out, struct err *err)
{
	const char *file = cli_option(c, "export-password-file");
	AUTO(mem_freep)
	char *question = mem_printf("Export password of %s", name);

	if (file != NULL)
		return password_from_file(file, out, err);
	if (!isatty(STDIN_FILENO))
		return err_set(err, ERR_INVALID,
		    "there is no terminal to ask for the export password; give "
		    "--export-password-file FILE");
	return password_ask(question, out, err);
}
