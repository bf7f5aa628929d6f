/* What nodes say that they serve, for server/evict. */

#include "server/main/server.h"

static bool
has_told(void *arg, const struct id *node, struct position at)
{
	struct server *s = arg;
	struct publish_follower f;

	return s->publish != NULL && publish_follower(s->publish, node, &f) && f.receipts_known &&
	    position_compare((struct position){f.have.term, f.have.seq}, at) >= 0;
}

static void
receipts(void *arg, const struct id *credential,
    void (*cb)(void *cb_arg, const struct id *node, const struct receipt *receipt), void *cb_arg)
{
	struct server *s = arg;

	if (s->publish != NULL)
		publish_receipts(s->publish, credential, cb, cb_arg);
}

void
server_start_evict(struct server *s)
{
	s->evict = evict_new(&(struct evict_params){.runtime = s->runtime,
	    .index = s->index,
	    .commit = s->commit,
	    .flow = s->flow,
	    .has_told = has_told,
	    .receipts = receipts,
	    .arg = s});
}
