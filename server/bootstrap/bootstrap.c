#include "server/bootstrap/bootstrap.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "common/json/json.h"
#include "common/member/member.h"
#include "common/sys/file.h"
#include "server/bootstrap/first.h"
#include "server/signer/core.h"

#include <stdio.h>
#include <time.h>

struct bootstrap {
	const char *dir;
	struct id node;
	struct signer_public keys;
	struct pkey *identity;
	struct buf csr;
	struct offer offer;
	int lock;
};

/* ------------------------------------------------------------------------- the steps */

static int
make_keys(struct bootstrap *b, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/keys/signer.keys", b->dir);
	int r;

	if ((r = member_make_dirs(b->dir, err)) < 0 || (r = dir_lock(b->dir, &b->lock, err)) < 0)
		return r;
	if (member_exists(b->dir) || file_exists(path))
		return err_set(err, ERR_EXISTS, "'%.150s' holds a server already", b->dir);
	id_random(&b->node);
	if ((r = signer_make_keys(path, BOOTSTRAP_TERM, &b->keys, err)) < 0 ||
	    (r = pkey_generate(KEY_EC_P256, &b->identity, err)) < 0 ||
	    (r = member_save_key(b->dir, "identity", b->identity, err)) < 0)
		return r;
	return csr_make(b->identity, "manager", &b->csr, err);
}

static int
say_keys(struct bootstrap *b, struct err *err)
{
	AUTO(buf_freep)
	struct buf *line = buf_new(BOOTSTRAP_LINE_MAX);
	struct json_writer w = JSON_WRITER(line);
	char hex[ID_HEX_MAX];

	json_put_object(&w, NULL);
	json_put_text(&w, "node", id_hex(&b->node, hex));
	json_put_base64(&w, "manager_key", pkey_spki(b->keys.manager));
	json_put_base64(&w, "term_key", pkey_spki(b->keys.term));
	json_put_base64(&w, "sealing_key", pkey_spki(b->keys.sealing));
	json_put_base64(&w, "identity_csr", buf_span(&b->csr));
	json_put_end(&w);
	return bootstrap_say(BOOTSTRAP_FD, line, "the command", err);
}

static int
hear_offer(struct bootstrap *b, struct err *err)
{
	AUTO(buf_freep)
	struct buf *line = buf_new(BOOTSTRAP_LINE_MAX);
	int r = bootstrap_hear(BOOTSTRAP_FD, line, "the command", err);

	if (r < 0)
		return r;
	return offer_read(buf_span(line), b->keys.manager, b->keys.term, &b->node, &b->offer, err);
}

static int
write_member(struct bootstrap *b, struct cert *identity, struct err *err)
{
	struct member m = {.domain = b->offer.domain,
	    .node = b->node,
	    .root = b->offer.root,
	    .chain = {identity, b->offer.manager},
	    .chain_count = 2,
	    .high_term = BOOTSTRAP_TERM};

	/* Everything in m is borrowed: no member_fini. */
	snprintf(m.domain_name, sizeof(m.domain_name), "%s", b->offer.domain_name);
	snprintf(m.name, sizeof(m.name), "%s", b->offer.name);
	cert_fingerprint(b->offer.root, &m.root_fingerprint);
	return member_write(b->dir, &m, err);
}

static int
run(struct bootstrap *b, struct err *err)
{
	AUTO(cert_unrefp)
	struct cert *identity = NULL;
	struct first_keys keys;
	int r;

	if ((r = make_keys(b, err)) < 0 || (r = say_keys(b, err)) < 0 ||
	    (r = hear_offer(b, err)) < 0)
		return r;
	keys = (struct first_keys){
	    .sealing = b->keys.sealing, .identity = b->identity, .csr = buf_span(&b->csr)};
	r = first_commit(b->dir, &b->offer, &b->node, &keys, (int64_t)time(NULL), &identity, err);
	return r < 0 ? r : write_member(b, identity, err);
}

static void
report(int r, const struct err *why)
{
	AUTO(buf_freep)
	struct buf *line = buf_new(BOOTSTRAP_LINE_MAX);
	struct json_writer w = JSON_WRITER(line);

	json_put_object(&w, NULL);
	if (r == 0) {
		json_put_bool(&w, "ok", true);
	} else {
		json_put_object(&w, "error");
		json_put_text(&w, "code", err_name(why->code));
		json_put_text(&w, "text", why->text);
		json_put_end(&w);
	}
	json_put_end(&w);
	/* If nobody listens any more there is nothing to be done about it. */
	(void)!bootstrap_say(BOOTSTRAP_FD, line, "the command", NULL);
}

int
bootstrap_main(int argc, char **argv)
{
	struct bootstrap b = {.csr = BUF_INIT(LIMIT_CERT), .lock = -1};
	struct err err;
	int r;

	if (argc != 3 || !str_equal(argv[1], "--data")) {
		fprintf(stderr, "certherd-server: --bootstrap is for 'certherd init'\n");
		return 2;
	}
	b.dir = argv[2];
	r = bootstrap_prepare(&err);
	if (r == 0)
		r = run(&b, &err);
	report(r, &err);
	signer_public_fini(&b.keys);
	pkey_unref(b.identity);
	offer_fini(&b.offer);
	buf_fini(&b.csr);
	fd_closep(&b.lock);
	return r < 0 ? 1 : 0;
}
