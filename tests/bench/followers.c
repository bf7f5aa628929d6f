/*
 * Followers of a real server in one process: bench_followers DIR...
 *
 * Each DIR is the data directory of a member; each follower has its own TLS connection, trust,
 * keyring, database and cache of what it would serve, which are those of certherd-replica; only the
 * ports are missing, and one loop and one worker thread do it all. Prints, with the monotonic
 * clock: "fresh N AT" when the N-th follower has confirmed its state, "applied N SEQ AT" and
 * "serving N SEQ AT" when it has what the log holds up to SEQ, durably and in the cache. Ends with
 * its input.
 */

#include "tests/bench/bench.h"

#include "common/crypto/secret.h"
#include "common/keyring/keyring.h"
#include "common/link/link_nng.h"
#include "common/member/member_trust.h"
#include "common/store/store.h"
#include "common/sys/process.h"
#include "common/tls/originator.h"
#include "common/wire/trust.h"
#include "replica/cache/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECURE_HEAP (16U << 20)
#define FDS 65536

struct follower {
	size_t number;
	struct loop *loop;
	struct member member;
	struct pkey *sealing;
	struct tls_identity *identity;
	struct store *store;
	struct keyring *keyring;
	struct originator *originator;
	struct link_client *link;
	struct cache *cache;
	struct follow *follow;
	uint64_t applied;
};

static void
must(int code, const struct err *err)
{
	if (code < 0) {
		fprintf(stderr, "bench_followers: %s\n", err->text);
		exit(1);
	}
}

static void
say(const struct follower *f, const char *what, uint64_t seq)
{
	printf("%s %zu %llu %llu\n", what, f->number, (unsigned long long)seq,
	    (unsigned long long)bench_now_ns());
}

static void
on_loaded(void *arg, int status, const struct err *err)
{
	struct follower *f = arg;

	must(status, err);
	if (f->applied > 0)
		say(f, "serving", f->applied);
}

static void
on_applied(void *arg, const struct change *changes, size_t count, bool complete, struct position at)
{
	struct follower *f = arg;
	struct err err;

	f->applied = at.seq;
	say(f, "applied", at.seq);
	if (complete)
		cache_apply(f->cache, follow_trust(f->follow), changes, count);
	else
		must(cache_load(f->cache, follow_trust(f->follow), on_loaded, f, &err), &err);
}

static void
on_settled(void *arg)
{
	struct follower *f = arg;

	say(f, "serving", f->applied);
	follow_receipts_done(f->follow);
}

static void
on_receipt(void *arg, const struct receipt *receipt)
{
	struct follower *f = arg;

	if (f->follow != NULL)
		follow_set_receipt(f->follow, receipt);
}

static void
on_receipt_gone(void *arg, const struct id *credential)
{
	struct follower *f = arg;

	if (f->follow != NULL)
		follow_drop_receipt(f->follow, credential);
}

static void
on_freshness(void *arg, enum freshness freshness)
{
	if (freshness == FRESH)
		say(arg, "fresh", 0);
}

static void
on_refused(void *arg, int code, const char *text)
{
	(void)arg;
	fprintf(stderr, "bench_followers: refused (%d): %s\n", code, text);
}

static int
accept_server(void *arg, const struct cert *peer, bool expired, struct err *err)
{
	struct domain_id domain;
	struct id node;

	(void)arg;
	(void)expired;
	return cert_identity(peer, &domain, &node, err);
}

static void
hang_up(void *arg)
{
	originator_drop(((struct follower *)arg)->originator);
}

static void
on_closed(void *arg)
{
	struct follower *f = arg;

	if (f->link != NULL)
		link_nng_client_closed(f->link);
}

static void
open_files(struct follower *f, const char *dir)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/store.db", dir);
	const struct store_params p = {.path = path, .cache_kib = 512};
	struct err err;

	must(member_load(dir, &f->member, &err), &err);
	must(member_load_key(dir, "sealing", &f->sealing, &err), &err);
	must(store_open(&p, &f->store, &err), &err);
	must(keyring_new(&f->member.domain, &f->member.node, f->sealing, &f->keyring, &err), &err);
}

static void
open_link(struct follower *f)
{
	struct originator_params o = {.loop = f->loop,
	    .target = f->member.endpoints[0],
	    .root = f->member.root,
	    .accept = accept_server,
	    .on_closed = on_closed,
	    .arg = f,
	    .connect_ms = 120000};
	struct link_nng_client_params l = {.loop = f->loop,
	    .request_max = LIMIT_REQUEST,
	    .reply_max = LIMIT_DELTA,
	    .hang_up = hang_up,
	    .arg = f};
	struct err err;

	must(tls_identity_new((const struct cert *const *)f->member.chain, f->member.chain_count,
		 f->member.identity_key, &f->identity, &err),
	    &err);
	o.identity = f->identity;
	must(originator_new(&o, &f->originator, &err), &err);
	l.url = originator_url(f->originator);
	must(link_nng_client_new(&l, &f->link, &err), &err);
}

static void
start(struct follower *f, const char *dir)
{
	struct cache_params c = {
	    .loop = f->loop, .events = {f, on_receipt, on_receipt_gone, on_settled}};
	struct follow_params p = {
	    .software = "bench", .events = {f, on_applied, on_freshness, NULL, on_refused, NULL}};
	struct trust *trust = NULL;
	size_t skipped;
	struct err err;

	open_files(f, dir);
	open_link(f);
	c.runtime = p.runtime = loop_runtime(f->loop);
	c.store = p.store = f->store;
	c.keyring = f->keyring;
	p.link = f->link;
	p.node = f->member.node;
	p.high_term = f->member.high_term;
	must(member_trust(&f->member, f->store, &trust, &skipped, &err), &err);
	p.trust = trust;
	must(cache_new(&c, &f->cache, &err), &err);
	must(follow_new(&p, &f->follow, &err), &err);
	must(cache_load(f->cache, follow_trust(f->follow), on_loaded, f, &err), &err);
}

/* The harness closes our input, or is gone: no state here is worth an orderly end. */
static void
on_input(void *arg, unsigned events)
{
	char byte;

	(void)arg;
	(void)events;
	if (read(STDIN_FILENO, &byte, 1) <= 0)
		_exit(0);
}

int
main(int argc, char **argv)
{
	struct follower *followers = mem_array((size_t)argc, sizeof(*followers));
	struct loop_fd *input;
	struct loop *loop;
	struct err err;
	size_t fds;

	if (argc < 2) {
		fprintf(stderr, "usage: bench_followers DIR...\n");
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	must(process_raise_fds(FDS, &fds, &err), &err);
	must(secret_heap_init(SECURE_HEAP, &err), &err);
	must(loop_new(&loop, &err), &err);
	must(loop_fd_open(loop, STDIN_FILENO, on_input, NULL, &input, &err), &err);
	loop_fd_watch(input, LOOP_READ);
	for (int i = 1; i < argc; i++) {
		followers[i].number = (size_t)i - 1;
		followers[i].loop = loop;
		start(&followers[i], argv[i]);
	}
	loop_run(loop);
	return 0;
}
