/* Stand-ins for operations of server/flow: settings, trusted roots, chains, CSRs on their way. */

#include "fakes.h"

#include <stdarg.h>
#include <stdio.h>

static int PRINTF_LIKE(4, 5)
    called(flow_done_cb *done, void *arg, struct err *err, const char *fmt, ...)
{
	char text[sizeof(fakes.called)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fakes_flow(text, done, arg, err);
}

int
flow_setting_set(struct flow *f, const char *name, const char *value, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	return called(done, arg, err, "setting %s=%s", name, value != NULL ? value : "-");
}

int
flow_trust_add(
    struct flow *f, const struct trust_spec *s, flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	return called(done, arg, err, "trust %zu %.*s for=%u label=%s", s->certificates.count,
	    (int)s->certificates.items[0].len, (const char *)s->certificates.items[0].data,
	    s->categories, s->label != NULL ? s->label : "-");
}

int
flow_trust_remove(struct flow *f, const char *name, const char *author, flow_done_cb *done,
    void *arg, struct err *err)
{
	(void)f;
	(void)author;
	return called(done, arg, err, "trust- %s", name);
}

int
flow_credential_complete(struct flow *f, const char *name, const char *author, flow_done_cb *done,
    void *arg, struct err *err)
{
	(void)f;
	(void)author;
	return called(done, arg, err, "complete %s", name);
}

int
flow_credential_submitted(struct flow *f, const char *name, const char *author, flow_done_cb *done,
    void *arg, struct err *err)
{
	(void)f;
	(void)author;
	return called(done, arg, err, "submitted %s", name);
}

int
flow_credential_prefer_root(struct flow *f, const char *name, const char *root, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	(void)f;
	(void)author;
	return called(done, arg, err, "prefer %s '%s'", name, root);
}

int
flow_chain_judge(const struct index *ix, int64_t now, const struct generation_public *g,
    struct chain_health *out, struct err *err)
{
	(void)ix;
	(void)now;
	(void)g;
	(void)out;
	return err_set(err, ERR_NOTFOUND, "nothing to judge");
}

void
chain_health_fini(struct chain_health *h)
{
	(void)h;
}
