/* Stand-ins for operations of server/flow: Micro CAs that there are, and what they revoke. */

#include "fakes.h"

#include <stdio.h>

int
flow_ca_change(
    struct flow *f, const struct ca_change *c, flow_done_cb *done, void *arg, struct err *err)
{
	const char *state = c->enabled ? "on" : "off";
	char called[512];

	(void)f;
	snprintf(called, sizeof(called), "ca %s address=%s state=%s default=%d", c->name,
	    c->address != NULL ? c->address : "-", c->has_enabled ? state : "-", c->make_default);
	return fakes_flow(called, done, arg, err);
}

int
flow_ca_renew(struct flow *f, const char *name, bool new_key, int64_t lifetime, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	char called[512];

	(void)f;
	(void)author;
	snprintf(called, sizeof(called), "ca %s renew new=%d life=%lld", name, new_key,
	    (long long)lifetime);
	return fakes_flow(called, done, arg, err);
}

int
flow_credential_revoke(struct flow *f, const char *name, uint64_t number, const char *reason,
    const char *author, flow_done_cb *done, void *arg, struct err *err)
{
	char called[512];

	(void)f;
	(void)author;
	snprintf(called, sizeof(called), "revoke %s %u reason=%s", name, (unsigned)number,
	    reason != NULL ? reason : "-");
	return fakes_flow(called, done, arg, err);
}
