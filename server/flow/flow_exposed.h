#ifndef SERVER_FLOW_FLOW_EXPOSED_H
#define SERVER_FLOW_FLOW_EXPOSED_H

/*
 * Who knows keys without having access to them: the notes of that in credentials
 * (common/model/exposure.h). As all of flow.h: asynchronous, on the loop.
 */

#include "server/flow/flow.h"

/*
 * Notes in each credential that a node could open that it knows the keys: with a new key wanted, or
 * not; and of one that is gone already, by the name that it had, wants new keys where it is noted.
 * In the result, generation is how many credentials were changed. ERR_NOTFOUND: there is no such
 * node, nor was there one that knows a key. What is wanted is done by server/evict.
 */
struct expose_spec {
	const char *node; /* name */
	uint32_t why;     /* enum exposure_why */
	bool keep_keys;
	const char *author;
};
NODISCARD int flow_expose(
    struct flow *f, const struct expose_spec *spec, flow_done_cb *done, void *arg, struct err *err);
/*
 * Nobody serves these keys of a credential any more, so that it does not matter who knows them;
 * what is in force, or waits, is left out of that. With them go notes of servers that have access
 * again and because of which no new key is wanted. ERR_INVALID: there is nothing of that.
 */
NODISCARD int flow_proven(struct flow *f, const struct id *credential, const struct hash *keys,
    size_t count, flow_done_cb *done, void *arg, struct err *err);
/*
 * Whether a server that is noted is about to lose its access: a new key would be sealed to it as
 * well, by the key of a group.
 */
bool flow_is_leaving(const struct index *ix, const struct index_record *credential,
    const struct exposure *e, int64_t now);
/*
 * Whether a note is of no use at a moment: the server has access again and no new key is wanted, or
 * it was to leave a group some time ago and has not.
 */
bool flow_is_moot(const struct index *ix, const struct index_record *credential,
    const struct exposure *e, int64_t now);

#endif
