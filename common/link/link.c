#include "common/link/link_client.h"
#include "common/link/link_server.h"

void
link_reply(struct link_request *r, struct span body)
{
	r->ops->reply(r, body);
}

void
link_request_forget(struct link_request *r)
{
	r->ops->forget(r);
}

int
link_server_serve(struct link_server *s, const struct link_handlers *handlers, struct err *err)
{
	CHECK(handlers->on_request != NULL && handlers->on_gone != NULL);
	if (s->handlers.on_request != NULL)
		return err_set(err, ERR_BUSY, "the link is being served already");
	s->handlers = *handlers;
	return s->ops->serve(s, err);
}

void
link_server_drop(struct link_server *s, const struct id *node)
{
	s->ops->drop(s, node);
}

void
link_server_close(struct link_server *s, link_closed_cb *cb, void *arg)
{
	CHECK(cb != NULL);
	s->ops->close(s, cb, arg);
}

int
link_client_start(struct link_client *c, const struct link_call *call, struct err *err)
{
	CHECK(call->cb != NULL && call->timeout_ms > 0);
	return c->ops->start(c, call, err);
}

void
link_client_cancel(struct link_client *c)
{
	c->ops->cancel(c);
}

void
link_client_close(struct link_client *c, link_client_closed_cb *cb, void *arg)
{
	CHECK(cb != NULL);
	c->ops->close(c, cb, arg);
}
