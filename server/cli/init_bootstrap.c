#include "server/cli/init.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "common/sys/file.h"
#include "common/sys/unix.h"
#include "common/wire/record_wire.h"
#include "server/bootstrap/bootstrap.h"

#include <string.h>
#include <unistd.h>

/* What the server has made: its id and its public keys. */
struct made {
	struct id node;
	struct pkey *manager, *term;
};

static void
made_fini(struct made *m)
{
	pkey_unref(m->manager);
	pkey_unref(m->term);
}

/* ------------------------------------------------------------------------- lines */

static int
server_error(const struct json *root, struct err *err)
{
	const struct json *error = json_member(root, "error");
	int code = err_code_by_name(json_text(error, "code"));

	if (error == NULL)
		return 0;
	return err_set(err, (enum err_code)(code != 0 ? code : ERR_PROTO), "certherd-server: %s",
	    json_text(error, "text"));
}

/* The next line as an object; an error in it is ours. */
static int
read_line(int fd, struct json **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *line = buf_new(BOOTSTRAP_LINE_MAX);
	AUTO(json_freep)
	struct json *root = NULL;
	int r = bootstrap_hear(fd, line, "certherd-server", err);

	if (r < 0)
		return r;
	r = json_parse(buf_span(line), BOOTSTRAP_LINE_MAX, &root, err);
	if (r < 0)
		return err_wrap(err, "certherd-server");
	r = server_error(root, err);
	if (r < 0)
		return r;
	*out = MOVE(root);
	return 0;
}

static int
take_key(const struct json *line, const char *name, struct pkey **out, struct err *err)
{
	struct buf der = BUF_INIT(LIMIT_SPKI);
	int r = base64_decode(span_str(json_text(line, name)), &der, err);

	if (r == 0)
		r = pkey_from_spki(buf_span(&der), out, err);
	buf_fini(&der);
	return r < 0 ? err_wrap(err, "certherd-server: %s", name) : 0;
}

static int
take_made(const struct json *line, struct made *out, struct err *err)
{
	int r;

	if ((r = id_parse(json_text(line, "node"), &out->node, err)) < 0 ||
	    (r = take_key(line, "manager_key", &out->manager, err)) < 0 ||
	    (r = take_key(line, "term_key", &out->term, err)) < 0)
		return r;
	return 0;
}

/* ------------------------------------------------------------------------- what the root signs */

static int
put_signed(const struct init_keys *k, struct json_writer *w, const char *name, enum sign_type type,
    struct span body, struct err *err)
{
	struct buf signature = BUF_INIT(SIGNATURE_MAX);
	int r = sign_put(k->root_key, type, &k->domain, body, &signature, err);

	json_put_object(w, name);
	json_put_base64(w, "body", body);
	json_put_base64(w, "signature", buf_span(&signature));
	json_put_end(w);
	buf_fini(&signature);
	return r;
}

static int
put_statement(const struct init_keys *k, struct json_writer *w, int64_t now, struct err *err)
{
	struct root_statement s = {.certificate = cert_der(k->root), .made_at = now};
	struct buf body = BUF_INIT(2 * LIMIT_CERT);
	int r = wire_root_statement_encode(&s, &body, err);

	if (r == 0)
		r = put_signed(k, w, "root_statement", SIGN_ROOT, buf_span(&body), err);
	buf_fini(&body);
	return r;
}

static int
put_designation(const struct init_keys *k, const struct made *m, struct json_writer *w, int64_t now,
    struct err *err)
{
	struct designation d = {.term = BOOTSTRAP_TERM,
	    .node = m->node,
	    .term_key = pkey_spki(m->term),
	    .reason = REASON_FIRST,
	    .made_at = now};
	struct buf body = BUF_INIT(LIMIT_DESIGNATION);
	int r = wire_designation_encode(&d, &body, err);

	if (r == 0)
		r = put_signed(k, w, "designation", SIGN_DESIGNATION, buf_span(&body), err);
	buf_fini(&body);
	return r;
}

static int
make_offer(const struct init_keys *k, const struct init_server *s, const struct made *m,
    struct buf *line, struct err *err)
{
	struct json_writer w = JSON_WRITER(line);
	AUTO(cert_unrefp)
	struct cert *manager = NULL;
	char hex[HASH_HEX_MAX];
	int r =
	    cert_issue_manager(k->root, k->root_key, m->manager, &m->node, s->now, &manager, err);

	if (r < 0)
		return r;
	json_put_object(&w, NULL);
	json_put_text(&w, "domain", s->domain_name);
	json_put_text(&w, "domain_id", hex_encode(k->domain.bytes, HASH_LEN, hex));
	json_put_text(&w, "name", s->name);
	json_put_base64(&w, "root_certificate", cert_der(k->root));
	json_put_base64(&w, "manager_certificate", cert_der(manager));
	r = put_statement(k, &w, s->now, err);
	if (r == 0)
		r = put_designation(k, m, &w, s->now, err);
	if (k->recovery != NULL)
		json_put_base64(&w, "recovery_key", pkey_spki(k->recovery));
	json_put_array(&w, "addresses");
	for (size_t i = 0; i < s->addresses.count; i++)
		json_put_text(&w, NULL, s->addresses.items[i]);
	json_put_end(&w);
	json_put_end(&w);
	return r;
}

static int
talk(
    int fd, const struct init_keys *k, const struct init_server *s, struct made *m, struct err *err)
{
	AUTO(buf_freep)
	struct buf *offer = buf_new(BOOTSTRAP_LINE_MAX);
	AUTO(json_freep)
	struct json *first = NULL;
	AUTO(json_freep)
	struct json *last = NULL;
	int r;

	if ((r = read_line(fd, &first, err)) < 0 || (r = take_made(first, m, err)) < 0 ||
	    (r = make_offer(k, s, m, offer, err)) < 0 ||
	    (r = bootstrap_say(fd, offer, "certherd-server", err)) < 0 ||
	    (r = read_line(fd, &last, err)) < 0)
		return r;
	if (!json_flag(last, "ok"))
		return err_set(err, ERR_PROTO, "certherd-server does not say how it went");
	return 0;
}

int
init_bootstrap(const struct init_keys *k, const struct init_server *s, struct err *err)
{
	AUTO(mem_freep)
	char *program = NULL;
	const char *const argv[] = {"certherd-server", "--bootstrap", "--data", s->dir, NULL};
	struct spawn_fd child = {.as = BOOTSTRAP_FD};
	struct process_end end;
	struct made made = {.manager = NULL};
	char text[64];
	int fds[2], r, reaped;
	pid_t pid;

	if ((r = self_sibling("certherd-server", &program, err)) < 0 ||
	    (r = sys_socketpair(fds, err)) < 0)
		return r;
	child.fd = fds[1];
	r = interrupt_spawn(
	    &(struct spawn_params){.path = program, .argv = argv, .fds = &child, .fd_count = 1},
	    &pid, err);
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	r = talk(fds[0], k, s, &made, err);
	close(fds[0]);
	made_fini(&made);
	reaped = interrupt_reap(pid, true, &end, NULL);
	if (r == 0 && (reaped < 0 || !end.exited || end.status != 0))
		r = err_set(err, ERR_UNAVAIL, "certherd-server ended with %s",
		    reaped < 0 ? "an unknown status" : process_end_text(&end, text));
	return r;
}
