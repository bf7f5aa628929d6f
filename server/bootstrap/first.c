#include "server/bootstrap/first.h"

#include "common/crypto/sign.h"
#include "common/loop/loop.h"
#include "common/store/store.h"
#include "common/sys/file.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "common/wire/signer_messages.h"
#include "server/commit/commit.h"
#include "server/index/index_local.h"
#include "server/bootstrap/bootstrap.h"
#include "server/signer/local.h"

#include <stdio.h>
#include <string.h>

#define KEY_FILE_MAX (64 * 1024)
#define IDENTITY_LIFETIME (365 * INT64_C(86400))
#define CLOCK_SLACK 300 /* identities begin a little earlier: clocks differ */
#define AUTHOR "init"

/* Everything that is open during the first commit. */
struct first {
	const struct offer *offer;
	struct id node, recovery, group;
	int64_t now;
	struct loop *loop;
	struct store *store;
	struct signer *signer;
	struct commit *commit;
	struct mutation *mutation;
	/* the operation that is waited for */
	bool done;
	int status;
	struct err err;
	struct signer_done reply;
	struct buf reply_bytes;
	/* parts that later operations need */
	struct buf node_public, recovery_public, group_public;
};

static void
wait_done(struct first *f)
{
	while (!f->done)
		loop_turn(f->loop, true);
	f->done = false;
}

static int
finished(struct first *f, struct err *err)
{
	if (f->status < 0 && err != NULL)
		*err = f->err;
	return f->status;
}

static void
note_status(struct first *f, int status, const struct err *err)
{
	f->status = status;
	if (status < 0)
		f->err = *err;
	f->done = true;
}

/* ------------------------------------------------------------------------- the signer */

static void
on_signed(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct first *f = call->arg;

	buf_clear(&f->reply_bytes);
	buf_put_span(&f->reply_bytes, done);
	note_status(f, status, err);
}

/* One operation, and its reply in f->reply until the next. */
static int
ask_signer(struct first *f, const struct signer_request *request, struct err *err)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_SIGNER_FRAME);
	struct signer_call call = {.cb = on_signed, .arg = f};
	int r = wire_signer_request_encode(request, bytes, err);

	if (r == 0)
		r = signer_submit(f->signer, &call, buf_span(bytes), err);
	if (r < 0)
		return r;
	wait_done(f);
	if (f->status < 0)
		return finished(f, err);
	signer_done_fini(&f->reply);
	return wire_signer_done_decode(request->op, buf_span(&f->reply_bytes), &f->reply, err);
}

static int
open_signer(struct first *f, const char *dir, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/keys/signer.keys", dir);
	AUTO(secret_freep)
	struct secret *text = NULL;
	AUTO(fd_closep)
	int fd = -1;
	struct keyfile keys = {.count = 0};
	struct signer_request start = {.op = SIGNER_START};
	const struct offer *o = f->offer;
	int r;

	if ((r = file_open_private(path, &fd, err)) < 0 ||
	    (r = secret_read_fd(fd, KEY_FILE_MAX, false, &text, err)) < 0 ||
	    (r = keyfile_parse(text, &keys, err)) < 0)
		return r;
	r = signer_local_new(loop_runtime(f->loop), &keys, &f->signer, err);
	if (r < 0)
		return r;
	start.start.root_fingerprint = *trust_root_fingerprint(o->trust);
	start.start.domain = o->domain;
	start.start.node = f->node;
	start.start.designations = (struct designation_list){trust_designation(o->trust, 0), 1};
	start.start.root_certificate = cert_der(o->root);
	return ask_signer(f, &start, err);
}

static struct texts
addresses_of(const struct offer *o)
{
	return (struct texts){(const char *const *)o->addresses, o->address_count};
}

static int
issue_identity(struct first *f, struct span csr, struct cert **out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_ISSUE_IDENTITY,
	    .issue_identity = {.csr = csr,
		.node = f->node,
		.name = f->offer->name,
		.addresses = addresses_of(f->offer),
		.not_before = f->now - CLOCK_SLACK,
		.not_after = f->now + IDENTITY_LIFETIME,
		.manager_certificate = cert_der(f->offer->manager)}};
	int code = ask_signer(f, &r, err);

	return code < 0 ? code : cert_parse(f->reply.certificate, out, err);
}

/* ------------------------------------------------------------------------- the records */

static struct draft *
add(struct first *f, uint32_t kind, const struct id *id, const char *name)
{
	struct draft *d = mutation_add(f->mutation);

	d->id = *id;
	d->kind = kind;
	snprintf(d->name, sizeof(d->name), "%s", name);
	return d;
}

static int
add_root(struct first *f, struct err *err)
{
	const struct offer *o = f->offer;
	struct root_public p = {
	    .statement = {buf_span(&o->root_statement), buf_span(&o->root_signature)}};
	struct id id;

	id_random(&id);
	return wire_root_public_encode(&p, add(f, KIND_ROOT, &id, "root")->public_part, err);
}

static int
add_designation(struct first *f, struct err *err)
{
	struct designation_public p = {.designation = *trust_designation(f->offer->trust, 0)};
	char name[DESIGNATION_NAME_MAX];
	struct id id;

	id_random(&id);
	return wire_designation_public_encode(&p,
	    add(f, KIND_DESIGNATION, &id, wire_designation_name(BOOTSTRAP_TERM, name))->public_part,
	    err);
}

static int
add_nodes(
    struct first *f, const struct first_keys *keys, const struct cert *identity, struct err *err)
{
	const struct offer *o = f->offer;
	struct node_public self = {.role = ROLE_MANAGER,
	    .identity_key = pkey_spki(keys->identity),
	    .sealing_key = pkey_spki(keys->sealing),
	    .certificate = cert_der(identity),
	    .addresses = addresses_of(o),
	    .manager_certificate = cert_der(o->manager),
	    .joined_at = f->now,
	    .software = "certherd " CERTHERD_VERSION,
	    .endpoint = ""};
	struct node_public recovery = {
	    .role = ROLE_RECOVERY, .joined_at = f->now, .software = "", .endpoint = ""};
	int r = wire_node_public_encode(&self, &f->node_public, err);

	if (r < 0)
		return r;
	buf_put_span(add(f, KIND_NODE, &f->node, o->name)->public_part, buf_span(&f->node_public));
	if (o->recovery == NULL)
		return 0;
	recovery.sealing_key = pkey_spki(o->recovery);
	r = wire_node_public_encode(&recovery, &f->recovery_public, err);
	if (r < 0)
		return r;
	buf_put_span(add(f, KIND_NODE, &f->recovery, "recovery")->public_part,
	    buf_span(&f->recovery_public));
	return 0;
}

static int
add_managers(struct first *f, struct err *err)
{
	struct signer_request r = {
	    .op = SIGNER_MAKE_GROUP, .make_group = {.group = {f->group, 1}, .built_in = true}};
	struct draft *d;
	int code = ask_signer(f, &r, err);

	if (code < 0)
		return code;
	buf_put_span(&f->group_public, f->reply.public_part);
	d = add(f, KIND_GROUP, &f->group, GROUP_MANAGERS);
	buf_put_span(d->public_part, f->reply.public_part);
	return 0;
}

static int
add_member(struct first *f, const struct id *node, struct span node_public, struct err *err)
{
	struct id id = wire_membership_id(&f->group, node);
	struct signer_request r = {.op = SIGNER_MAKE_MEMBERSHIP,
	    .make_membership = {.membership = {id, 1},
		.group = f->group,
		.node = *node,
		.group_public = buf_span(&f->group_public),
		.group_version = 1,
		.node_public = node_public}};
	struct draft *d;
	int code = ask_signer(f, &r, err);

	if (code < 0)
		return code;
	d = add(f, KIND_MEMBERSHIP, &id, "");
	buf_put_span(d->public_part, f->reply.public_part);
	if (d->sealed == NULL)
		d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, f->reply.sealed);
	d->access[0] = *node;
	d->access_count = 1;
	return 0;
}

/* ------------------------------------------------------------------------- the commit */

static uint64_t
no_version(void *arg, const struct id *id, bool *removed)
{
	(void)arg;
	(void)id;
	*removed = false;
	return 0;
}

static bool
no_name(void *arg, uint32_t kind, const char *name, struct id *out)
{
	(void)arg;
	(void)kind;
	(void)name;
	(void)out;
	return false;
}

static void
on_ready(void *arg, int status, const struct err *err)
{
	note_status(arg, status, err);
}

static void
on_committed(void *arg, int status, const struct commit_result *result, const struct err *err)
{
	(void)result;
	note_status(arg, status, err);
}

static void
on_closed(void *arg)
{
	struct first *f = arg;

	f->done = true;
}

static int
commit_all(struct first *f, struct err *err)
{
	struct commit_params p = {.runtime = loop_runtime(f->loop),
	    .store = f->store,
	    .signer = f->signer,
	    .domain = f->offer->domain,
	    .term = BOOTSTRAP_TERM,
	    .lookup = {.version = no_version, .by_name = no_name},
	    .audit = local_audit_append};
	int r = commit_new(&p, on_ready, f, &f->commit, err);

	if (r < 0)
		return r;
	wait_done(f);
	if (f->status < 0)
		return finished(f, err);
	r = commit_submit(f->commit, MOVE(f->mutation), on_committed, f, err);
	if (r < 0)
		return r;
	wait_done(f);
	return finished(f, err);
}

static int
open_store(struct first *f, const char *dir, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/store.db", dir);
	struct store_params p = {.path = path, .full = true};
	int r;

	if (file_exists(path))
		return err_set(err, ERR_EXISTS, "'%.150s' is there already", path);
	r = store_open(&p, &f->store, err);
	return r < 0 ? r : local_open(f->store, err);
}

static int
run(struct first *f, const char *dir, const struct first_keys *keys, struct cert **identity,
    struct err *err)
{
	int r;

	if ((r = loop_new(&f->loop, err)) < 0 || (r = open_store(f, dir, err)) < 0 ||
	    (r = open_signer(f, dir, err)) < 0 ||
	    (r = issue_identity(f, keys->csr, identity, err)) < 0)
		return r;
	f->mutation = mutation_new(AUTHOR, "domain.init", f->offer->domain_name);
	if ((r = add_root(f, err)) < 0 || (r = add_designation(f, err)) < 0 ||
	    (r = add_nodes(f, keys, *identity, err)) < 0 || (r = add_managers(f, err)) < 0 ||
	    (r = add_member(f, &f->node, buf_span(&f->node_public), err)) < 0)
		return r;
	if (f->offer->recovery != NULL &&
	    (r = add_member(f, &f->recovery, buf_span(&f->recovery_public), err)) < 0)
		return r;
	return commit_all(f, err);
}

static void
first_fini(struct first *f)
{
	if (f->commit != NULL) {
		f->done = false;
		commit_close(f->commit, on_closed, f);
		wait_done(f);
	}
	mutation_free(f->mutation);
	signer_done_fini(&f->reply);
	if (f->signer != NULL)
		signer_local_free(f->signer);
	loop_free(f->loop);
	store_close(f->store);
	buf_fini(&f->reply_bytes);
	buf_fini(&f->node_public);
	buf_fini(&f->recovery_public);
	buf_fini(&f->group_public);
}

int
first_commit(const char *dir, const struct offer *offer, const struct id *node,
    const struct first_keys *keys, int64_t now, struct cert **identity, struct err *err)
{
	struct first f = {.offer = offer,
	    .node = *node,
	    .now = now,
	    .reply_bytes = BUF_INIT(LIMIT_SIGNER_FRAME),
	    .node_public = BUF_INIT(LIMIT_PUBLIC),
	    .recovery_public = BUF_INIT(LIMIT_PUBLIC),
	    .group_public = BUF_INIT(LIMIT_PUBLIC)};
	struct cert *made = NULL;
	int r;

	id_random(&f.recovery);
	id_random(&f.group);
	r = run(&f, dir, keys, &made, err);
	first_fini(&f);
	if (r < 0) {
		cert_unref(made);
		return r;
	}
	*identity = made;
	return 0;
}
