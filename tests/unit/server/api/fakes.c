#include "fakes.h"

#include "common/base/runtime.h"
#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "server/flow/flow_exposed.h"
#include "server/publish/publish.h"
#include "server/sched/sched.h"

#include <stdio.h>
#include <string.h>

struct fakes fakes;

static struct timer later;
static flow_done_cb *flow_done;
static nodes_done_cb *nodes_done;
static nodes_token_cb *token_done;
static nodes_join_cb *join_done;
static void *done_arg;

static const struct commit_result committed = {
    .term = UINT64_C(1) << 32, .seq = 7, .durability = "local", .warning = NULL};

void
fakes_answer(void)
{
	struct err err;
	struct id id = {{0xaa}};
	void *arg = MOVE(done_arg);

	err_set(&err, (enum err_code)(fakes.status != 0 ? fakes.status : ERR_BUG), "%s",
	    fakes.text != NULL ? fakes.text : "no text");
	if (flow_done != NULL) {
		static const char *const warnings[] = {"nobody may open it"};
		struct flow_result r = {.id = id,
		    .name = "www.example.org",
		    .generation = 3,
		    .not_after = 1800000000,
		    .commit = committed,
		    .warnings = {warnings, 1}};
		flow_done_cb *cb = MOVE(flow_done);

		cb(arg, fakes.status, fakes.status == 0 ? &r : NULL, &err);
	} else if (nodes_done != NULL) {
		struct nodes_result r = {.id = id, .commit = committed};
		nodes_done_cb *cb = MOVE(nodes_done);

		cb(arg, fakes.status, fakes.status == 0 ? &r : NULL, &err);
	} else if (token_done != NULL) {
		AUTO(secret_freep)
		struct secret *text = NULL;
		char plain[] = "certherd-join-1.abc";
		nodes_token_cb *cb = MOVE(token_done);

		CHECK(secret_take(plain, strlen(plain), &text, NULL) == 0);
		cb(arg, fakes.status, text, &id, 1800000000, &err);
	} else if (join_done != NULL) {
		static const char *const endpoints[] = {"127.0.0.1:7443"};
		struct join_answer a = {.node = id,
		    .certificate = span_str("leaf"),
		    .manager_certificate = span_str("manager"),
		    .endpoints = {endpoints, 1},
		    .term = UINT64_C(1) << 32};
		nodes_join_cb *cb = MOVE(join_done);

		cb(arg, fakes.status, fakes.status == 0 ? &a : NULL, &err);
	}
}

static void
on_later(void *arg)
{
	(void)arg;
	if (!fakes.hold)
		fakes_answer();
}

void
fakes_reset(struct runtime *rt)
{
	fakes = (struct fakes){.rt = rt};
	later = (struct timer){.cb = on_later};
}

static int
started(void *arg, struct err *err)
{
	if (fakes.refuse != 0) {
		flow_done = NULL;
		nodes_done = NULL;
		token_done = NULL;
		join_done = NULL;
		return err_set(err, (enum err_code)fakes.refuse, "%s", fakes.text);
	}
	done_arg = arg;
	runtime_timer_start(fakes.rt, &later, 0);
	return 0;
}

static void PRINTF_LIKE(1, 2) note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fakes.called, sizeof(fakes.called), fmt, ap);
	va_end(ap);
}

int
fakes_flow(const char *called, flow_done_cb *done, void *arg, struct err *err)
{
	note("%s", called);
	flow_done = done;
	return started(arg, err);
}

static const char *
joined(struct texts t, char out[static 256])
{
	out[0] = '\0';
	for (size_t i = 0; i < t.count; i++) {
		size_t n = strlen(out);

		snprintf(out + n, 256 - n, "%s%s", i > 0 ? "," : "", t.items[i]);
	}
	return out;
}

/* ------------------------------------------------------------------------- flow */

int
flow_credential_add(
    struct flow *f, const struct credential_spec *s, flow_done_cb *done, void *arg, struct err *err)
{
	char names[256], access[256], subject[256];

	(void)f;
	if (s->issuer != ISSUER_MICRO || s->draft) {
		note("add %s issuer=%s subject=%s profile=%s draft=%d", joined(s->names, names),
		    issuer_type_name(s->issuer), joined(s->subject, subject), s->profile, s->draft);
		flow_done = done;
		return started(arg, err);
	}
	note(
	    "add name=%s names=%s key=%s ca=%s access=%d:%s life=%lld percent=%u new=%d stale=%lld "
	    "by=%s",
	    s->name != NULL ? s->name : "-", joined(s->names, names),
	    s->key_type != NULL ? s->key_type : "-", s->ca != NULL ? s->ca : "-", s->has_access,
	    joined(s->access, access), (long long)s->lifetime, s->fraction_percent, s->new_key,
	    (long long)s->stale_after, s->author);
	flow_done = done;
	return started(arg, err);
}

int
flow_credential_renew(struct flow *f, const char *name, bool new_key, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	note("renew %s new=%d", name, new_key);
	flow_done = done;
	return started(arg, err);
}

int
flow_credential_submit(struct flow *f, const char *name, bool new_key, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	note("submit %s new=%d", name, new_key);
	flow_done = done;
	return started(arg, err);
}

int
flow_credential_paste(struct flow *f, const char *name, struct spans certificates,
    const char *author, flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	note("paste %s %zu %.*s", name, certificates.count, (int)certificates.items[0].len,
	    (const char *)certificates.items[0].data);
	flow_done = done;
	return started(arg, err);
}

int
flow_credential_import(struct flow *f, const struct credential_import *s, flow_done_cb *done,
    void *arg, struct err *err)
{
	char access[256];

	(void)f;
	note("import %s %zu %.*s %02x %.*s access=%d %s replace=%d",
	    s->name != NULL ? s->name : "-", s->certificates.count,
	    (int)s->certificates.items[0].len, (const char *)s->certificates.items[0].data,
	    s->nonce.bytes[0], (int)s->sealed.len, (const char *)s->sealed.data, s->has_access,
	    joined(s->access, access), s->replace);
	flow_done = done;
	return started(arg, err);
}

int
flow_credential_access(
    struct flow *f, const struct access_change *c, flow_done_cb *done, void *arg, struct err *err)
{
	char add[256], remove[256];

	(void)f;
	note("access %s add=%s remove=%s keep=%d", c->name, joined(c->add, add),
	    joined(c->remove, remove), c->keep_key);
	flow_done = done;
	return started(arg, err);
}

int
flow_credential_checks(
    struct flow *f, const struct checks_change *c, flow_done_cb *done, void *arg, struct err *err)
{
	char add[256], remove[256];

	(void)f;
	note("checks %s add=%s remove=%s", c->name, joined(c->add, add), joined(c->remove, remove));
	flow_done = done;
	return started(arg, err);
}

int
flow_credential_archive(struct flow *f, const char *name, bool archived, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	note("archive %s %d", name, archived);
	flow_done = done;
	return started(arg, err);
}

int
flow_credential_delete(struct flow *f, const char *name, const char *author, flow_done_cb *done,
    void *arg, struct err *err)
{
	(void)f;
	(void)author;
	note("delete %s", name);
	flow_done = done;
	return started(arg, err);
}

int
flow_ca_create(
    struct flow *f, const struct ca_spec *s, flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	note("ca %s key=%s life=%lld default=%d", s->name, s->key_type != NULL ? s->key_type : "-",
	    (long long)s->lifetime, s->is_default);
	flow_done = done;
	return started(arg, err);
}

int
flow_expose(
    struct flow *f, const struct expose_spec *spec, flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	note("expose %s %s%s", spec->node, exposure_why_name(spec->why),
	    spec->keep_keys ? " (keys stay)" : "");
	flow_done = done;
	return started(arg, err);
}

void
flow_stats(const struct flow *f, struct flow_stats *out)
{
	(void)f;
	*out = (struct flow_stats){.issued = 5};
}

/* ------------------------------------------------------------------------- nodes */

int
nodes_token_create(struct nodes *n, const char *name, int64_t ttl, const char *author,
    nodes_token_cb *done, void *arg, struct err *err)
{
	(void)n;
	(void)author;
	note("token %s %lld", name, (long long)ttl);
	token_done = done;
	return started(arg, err);
}

int
nodes_token_revoke(struct nodes *n, const char *token, const char *author, nodes_revoked_cb *done,
    void *arg, struct err *err)
{
	(void)n;
	(void)author;
	(void)done;
	(void)arg;
	return err_set(err, ERR_NOTFOUND, "there is no join token '%s'", token);
}

void
nodes_tokens(const struct nodes *n,
    void (*cb)(void *arg, const struct id *token, const char *name, int64_t expires_at, bool used),
    void *arg)
{
	struct id id = {{0xbb}};

	(void)n;
	cb(arg, &id, "web1", 1800000000, true);
}

int
nodes_join(
    struct nodes *n, const struct join_request *r, nodes_join_cb *done, void *arg, struct err *err)
{
	char addresses[256], secret[64];

	(void)n;
	hex_encode(secret_span(r->secret).data, secret_span(r->secret).len, secret);
	note("join %s secret=%s csr=%.*s key=%.*s proof=%.*s at=%s software=%s token=%02x", r->name,
	    secret, (int)r->csr.len, (const char *)r->csr.data, (int)r->sealing_key.len,
	    (const char *)r->sealing_key.data, (int)r->sealing_proof.len,
	    (const char *)r->sealing_proof.data, joined(r->addresses, addresses), r->software,
	    r->token.bytes[0]);
	join_done = done;
	return started(arg, err);
}

int
nodes_remove(struct nodes *n, const char *name, const char *author, nodes_done_cb *done, void *arg,
    struct err *err)
{
	(void)n;
	(void)author;
	note("remove %s", name);
	nodes_done = done;
	return started(arg, err);
}

void
nodes_exposed(const struct nodes *n, const struct id *node, index_each_cb *cb, void *arg)
{
	struct index_record r = {.kind = KIND_CREDENTIAL, .name = "www.example.org"};

	(void)n;
	(void)node;
	cb(arg, &r);
}

int
nodes_group_create(struct nodes *n, const char *name, struct texts members, const char *author,
    nodes_done_cb *done, void *arg, struct err *err)
{
	char text[256];

	(void)n;
	(void)author;
	note("group %s %s", name, joined(members, text));
	nodes_done = done;
	return started(arg, err);
}

int
nodes_group_add(struct nodes *n, const char *group, const char *node, const char *author,
    nodes_done_cb *done, void *arg, struct err *err)
{
	(void)n;
	(void)author;
	note("member+ %s %s", group, node);
	nodes_done = done;
	return started(arg, err);
}

int
nodes_group_remove(struct nodes *n, const char *group, const char *node, bool keep_keys,
    const char *author, nodes_done_cb *done, void *arg, struct err *err)
{
	(void)n;
	(void)author;
	note("member- %s %s%s", group, node, keep_keys ? " (keys stay)" : "");
	nodes_done = done;
	return started(arg, err);
}

int
nodes_group_delete(struct nodes *n, const char *group, const char *author, nodes_done_cb *done,
    void *arg, struct err *err)
{
	(void)n;
	(void)author;
	note("group- %s", group);
	nodes_done = done;
	return started(arg, err);
}

int
nodes_set_default_access(struct nodes *n, struct texts names, const char *author,
    nodes_done_cb *done, void *arg, struct err *err)
{
	char text[256];

	(void)n;
	(void)author;
	note("default %s", joined(names, text));
	nodes_done = done;
	return started(arg, err);
}

/* ------------------------------------------------------------------------- the others */

const struct head *
commit_head(const struct commit *c, struct signed_bytes *signed_head)
{
	(void)c;
	(void)signed_head;
	return &fakes.head;
}

void
commit_stats(const struct commit *c, struct commit_stats *out)
{
	(void)c;
	*out = (struct commit_stats){.mutations = 4, .trouble = "disk full"};
}

bool
publish_follower(const struct publish *p, const struct id *node, struct publish_follower *out)
{
	(void)p;
	*out = (struct publish_follower){.node = *node,
	    .in_touch = fakes.in_touch,
	    .have = {.term = fakes.head.term, .seq = fakes.head.seq - 2}};
	return fakes.in_touch;
}

void
publish_receipts(
    const struct publish *p, const struct id *credential, publish_receipt_cb *cb, void *arg)
{
	(void)p;
	(void)credential;
	if (fakes.receipt != NULL)
		cb(arg, &fakes.receipt_node, fakes.receipt);
}

const struct receipt *
publish_receipt(const struct publish *p, const struct id *node, const struct id *credential)
{
	(void)p;
	(void)credential;
	return id_equal(node, &fakes.receipt_node) ? fakes.receipt : NULL;
}

int64_t
sched_due_at(const struct sched *s, const struct id *credential)
{
	(void)s;
	(void)credential;
	return 1795000000;
}

void
sched_stats(const struct sched *s, struct sched_stats *out)
{
	(void)s;
	*out = (struct sched_stats){.waiting = 2};
}
