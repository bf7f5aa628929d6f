#include "server/publish/publish_priv.h"

#include <stdio.h>
#include <string.h>

struct follower *
follower_find(const struct publish *p, const struct id *node)
{
	return map_get(p->followers, node->bytes, ID_LEN);
}

struct follower *
follower_get(struct publish *p, const struct id *node)
{
	struct follower *f = follower_find(p, node);

	if (f != NULL)
		return f;
	f = mem_zalloc(sizeof(*f));
	f->node = *node;
	f->receipts = map_new();
	(void)map_put(p->followers, node->bytes, ID_LEN, f);
	return f;
}

static void
forget_receipts(struct follower *f)
{
	struct span key;
	void *value;
	size_t at = 0;

	while (map_next(f->receipts, &at, &key, &value))
		mem_free(value);
	map_free(f->receipts);
	f->receipts = map_new();
}

static void
follower_free(struct follower *f)
{
	forget_receipts(f);
	map_free(f->receipts);
	mem_free(f);
}

void
follower_forget(struct publish *p, const struct id *node)
{
	struct follower *f = map_del(p->followers, node->bytes, ID_LEN);

	if (f == NULL)
		return;
	CHECK(f->pulling == NULL);
	follower_free(f);
}

void
followers_fini(struct publish *p)
{
	struct span key;
	void *value;
	size_t at = 0;

	while (map_next(p->followers, &at, &key, &value))
		follower_free(value);
	map_free(p->followers);
}

static void
tell(struct publish *p, const struct follower *f, const struct id *credential)
{
	if (p->params.events.on_receipt != NULL)
		p->params.events.on_receipt(p->params.events.arg, &f->node, credential);
}

static void
keep_receipt(struct follower *f, const struct receipt *r)
{
	struct kept_receipt *k = map_get(f->receipts, r->credential.bytes, ID_LEN);

	/* Nothing is served, and nothing is wrong: it has nothing to do with it any more. */
	if (!r->has_generation && r->error[0] == '\0') {
		mem_free(map_del(f->receipts, r->credential.bytes, ID_LEN));
		return;
	}
	if (k == NULL) {
		if (map_count(f->receipts) >= RECEIPTS_PER_NODE) {
			f->receipts_cut = true;
			return;
		}
		k = mem_zalloc(sizeof(*k));
		(void)map_put(f->receipts, r->credential.bytes, ID_LEN, k);
	}
	k->receipt = *r;
	snprintf(k->error, sizeof(k->error), "%s", r->error);
	k->receipt.error = k->error;
}

/*
 * What is not in the list counts as not served: not before the last part of it has come.
 */
static bool
take_end_of_list(struct follower *f, const struct pull *pull)
{
	f->receipts_coming = f->receipts_coming || pull->receipts_complete;
	if (!f->receipts_coming || pull->receipts_more)
		return false;
	f->receipts_coming = false;
	f->receipts_known = true;
	return true;
}

void
follower_take_receipts(struct publish *p, struct follower *f, const struct pull *pull)
{
	if (pull->receipts_complete) {
		forget_receipts(f);
		f->receipts_known = f->receipts_cut = false;
	}
	for (size_t i = 0; i < pull->receipts.count; i++)
		keep_receipt(f, &pull->receipts.items[i]);
	if (take_end_of_list(f, pull)) {
		tell(p, f, NULL);
		return;
	}
	for (size_t i = 0; i < pull->receipts.count; i++)
		tell(p, f, &pull->receipts.items[i].credential);
}

/* --- questions ---------------------------------------------------------------------------- */

bool
publish_follower(const struct publish *p, const struct id *node, struct publish_follower *out)
{
	const struct follower *f = follower_find(p, node);
	uint64_t silent;

	if (f == NULL)
		return false;
	silent = runtime_mono_ms(p->params.runtime) - f->asked_ms;
	*out = (struct publish_follower){
	    .node = f->node,
	    .have = f->have,
	    .in_touch = f->pulling != NULL || silent <= UINT64_C(2) * BEAT_MS,
	    .silent_ms = silent,
	    .software = f->software,
	    .receipts = map_count(f->receipts),
	    .receipts_known = f->receipts_known && !f->receipts_cut,
	};
	return true;
}

const struct receipt *
publish_receipt(const struct publish *p, const struct id *node, const struct id *credential)
{
	const struct follower *f = follower_find(p, node);
	const struct kept_receipt *k =
	    f != NULL ? map_get(f->receipts, credential->bytes, ID_LEN) : NULL;

	return k != NULL ? &k->receipt : NULL;
}

void
publish_receipts(
    const struct publish *p, const struct id *credential, publish_receipt_cb *cb, void *arg)
{
	struct span key;
	void *value;
	size_t at = 0;

	while (map_next(p->followers, &at, &key, &value)) {
		const struct follower *f = value;
		const struct kept_receipt *k = map_get(f->receipts, credential->bytes, ID_LEN);

		if (k != NULL)
			cb(arg, &f->node, &k->receipt);
	}
}
