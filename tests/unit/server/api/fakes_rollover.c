/* Stand-ins for operations of server/flow: keys and certificates that follow each other. */

#include "fakes.h"

#include "common/base/buf.h"

#include <stdio.h>

static void
put_list(struct buf *out, const char *label, struct texts t)
{
	buf_put_str(out, label);
	for (size_t i = 0; i < t.count; i++)
		buf_putf(out, "%s%s", i > 0 ? "," : "", t.items[i]);
}

int
flow_credential_change(struct flow *f, const struct credential_change *c, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct buf called = BUF_INIT(1024);
	int rc;

	(void)f;
	buf_putf(&called, "change %s", c->name);
	put_list(&called, " add=", c->add);
	put_list(&called, " remove=", c->remove);
	buf_putf(&called, " key=%s ca=%s issuer=%d%d subject=%d",
	    c->key_type != NULL ? c->key_type : "-", c->ca != NULL ? c->ca : "-", c->has_issuer,
	    c->issuer, c->has_subject);
	put_list(&called, "", c->subject);
	buf_putf(&called, " profile=%s life=%lld percent=%u new=%d%d stale=%d %lld",
	    c->profile != NULL ? c->profile : "-", (long long)c->lifetime, c->fraction_percent,
	    c->has_new_key, c->new_key, c->has_stale_after, (long long)c->stale_after);
	rc = fakes_flow(buf_str(&called), done, arg, err);
	buf_fini(&called);
	return rc;
}

int
flow_credential_rekey(struct flow *f, const struct credential_rekey *r, flow_done_cb *done,
    void *arg, struct err *err)
{
	char called[128];

	(void)f;
	snprintf(called, sizeof(called), "rekey %s %d", r->name, (int)r->reason);
	return fakes_flow(called, done, arg, err);
}

bool
flow_is_retiring(const struct index *ix, const struct index_record *credential,
    const struct id *generation, bool *at_once)
{
	(void)ix;
	(void)credential;
	(void)generation;
	*at_once = true;
	return true;
}

static int
numbered(const char *form, const char *name, uint64_t number, flow_done_cb *done, void *arg,
    struct err *err)
{
	char called[128];

	snprintf(called, sizeof(called), "%s %s %u", form, name, (unsigned)number);
	return fakes_flow(called, done, arg, err);
}

int
flow_generation_activate(struct flow *f, const char *name, uint64_t number, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	return numbered("activate", name, number, done, arg, err);
}

int
flow_generation_archive(struct flow *f, const char *name, uint64_t number, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	return numbered("archive alone", name, number, done, arg, err);
}
