/* Stand-ins for the parts of server/flow that are about exports. */

#include "fakes.h"

#include "common/base/runtime.h"

#include <stdio.h>

static struct timer later;
static flow_done_cb *flow_done;

static void
on_made(void *arg)
{
	const struct flow_result r = {.name = "www.example.org", .generation = 2};

	flow_done(arg, 0, &r, NULL);
}

static void
on_refused(void *arg)
{
	struct err err;

	err_set(&err, ERR_DENIED, "the export password is wrong");
	flow_done(arg, ERR_DENIED, NULL, &err);
}

static int
started(void (*cb)(void *arg), flow_done_cb *done, void *arg)
{
	flow_done = done;
	later = (struct timer){.cb = cb, .arg = arg};
	runtime_timer_start(fakes.rt, &later, 0);
	return 0;
}

static void
note(const char *what, const char *name, const struct flow_export *e)
{
	snprintf(fakes.called, sizeof(fakes.called), "%s %s %02x %02x %.*s", what, name,
	    e->credential.bytes[0], e->generation.bytes[0], (int)e->password.len,
	    (const char *)e->password.data);
}

int
flow_credential_renew_exportable(struct flow *f, const char *name, const struct flow_export *export,
    const char *author, flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	(void)err;
	note("renew exportable", name, export);
	return started(on_made, done, arg);
}

int
flow_credential_submit_exportable(struct flow *f, const char *name,
    const struct flow_export *export, const char *author, flow_done_cb *done, void *arg,
    struct err *err)
{
	(void)f;
	(void)author;
	(void)err;
	note("submit exportable", name, export);
	return started(on_made, done, arg);
}

int
flow_credential_export(
    struct flow *f, const struct export_spec *s, flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)err;
	snprintf(fakes.called, sizeof(fakes.called), "export %s %02x %02x %.*s", s->name,
	    s->export_key.bytes[0], s->nonce.bytes[0], (int)s->password.len,
	    (const char *)s->password.data);
	return started(on_refused, done, arg);
}
