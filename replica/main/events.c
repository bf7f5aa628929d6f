#include "replica/main/replica.h"

#include "common/log/log.h"
#include "common/tls/originator.h"
#include "common/wire/trust.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REFETCH_EVERY_MS UINT64_C(3600000)

static void
on_loaded(void *arg, int status, const struct err *err)
{
	(void)arg;
	if (status < 0)
		log_error("replica", "cannot read the records: %s", err->text);
}

static void
on_applied(void *arg, const struct change *changes, size_t count, bool complete, struct position at)
{
	struct replica *r = arg;
	struct err err;

	r->trouble[0] = '\0';
	log_debug("replica", "applied=%zu complete=%d term=%" PRIx64 " seq=%" PRIu64, count,
	    complete, at.term, at.seq);
	replica_roots_changed(r, changes, count, complete);
	if (complete)
		cache_apply(r->cache, follow_trust(r->follow), changes, count);
	else if (cache_load(r->cache, follow_trust(r->follow), on_loaded, r, &err) < 0)
		log_error("replica", "cannot read the records: %s", err.text);
}

static void
on_freshness(void *arg, enum freshness f)
{
	struct replica *r = arg;

	if (f == FRESH)
		r->refused[0] = r->trouble[0] = '\0';
	if (f == FRESH_STALE)
		log_warning("replica", "freshness=%s last error: %s; serving on", freshness_name(f),
		    r->link_error.code != 0 ? r->link_error.text : "none");
	else
		log_info("replica", "freshness=%s", freshness_name(f));
	replica_note_freshness(r, f);
}

static void
on_term(void *arg, uint64_t term)
{
	struct replica *r = arg;
	struct err err;

	/* On the loop although it syncs: terms change a few times in years. */
	r->member.high_term = term;
	if (member_save_high_term(r->config->data, term, &err) < 0)
		log_error("replica", "term=%" PRIx64 " not kept: %s", term, err.text);
}

static void
on_refused(void *arg, int code, const char *text)
{
	struct replica *r = arg;

	if (strcmp(r->refused, text) != 0)
		log_error("replica", "refused by the manager (%s): %s; serving on what is here",
		    err_name(code), LOG_QUOTED(text));
	snprintf(r->refused, sizeof(r->refused), "%s", text);
}

/* Once for each trouble: it is tried again without end. */
static void
on_trouble(void *arg, const struct err *err)
{
	struct replica *r = arg;

	if (strcmp(r->trouble, err->text) != 0)
		log_error("replica", "not applied: %s; serving on what is here", err->text);
	snprintf(r->trouble, sizeof(r->trouble), "%s", err->text);
}

struct follow_events
replica_follow_events(struct replica *r)
{
	return (struct follow_events){r, on_applied, on_freshness, on_term, on_refused, on_trouble};
}

static void
on_receipt(void *arg, const struct receipt *receipt)
{
	struct replica *r = arg;

	if (r->follow != NULL)
		follow_set_receipt(r->follow, receipt);
}

static void
on_receipt_gone(void *arg, const struct id *credential)
{
	struct replica *r = arg;

	if (r->follow != NULL)
		follow_drop_receipt(r->follow, credential);
}

static void
on_settled(void *arg)
{
	struct replica *r = arg;

	if (r->follow != NULL)
		follow_receipts_done(r->follow);
}

/* As often as a disk that goes bad deserves; a manager that serves bad signatures is asked no more.
 */
void
replica_refetch(struct replica *r)
{
	uint64_t now = runtime_mono_ms(r->runtime);

	if (r->follow == NULL || now < r->refetch_at)
		return;
	log_warning("replica", "a record in the database is damaged; fetching everything anew");
	r->refetch_at = now + REFETCH_EVERY_MS;
	follow_refetch(r->follow);
}

static void
on_damaged(void *arg)
{
	replica_refetch(arg);
}

struct cache_events
replica_cache_events(struct replica *r)
{
	return (struct cache_events){r, on_receipt, on_receipt_gone, on_settled, on_damaged};
}

/*
 * The chain ends in the pinned root already. Whom we reached must be the manager of the newest term
 * that is known here; before the first designation any member will do, since nothing is believed
 * without the signature of a designated manager.
 */
int
replica_accept_server(void *arg, const struct cert *peer, bool expired, struct err *err)
{
	struct replica *r = arg;
	const struct trust *trust = r->follow != NULL ? follow_trust(r->follow) : NULL;
	const struct id *manager = trust != NULL ? trust_manager(trust) : NULL;
	struct domain_id domain;
	struct id node;
	char hex[ID_HEX_MAX];
	int code = cert_identity(peer, &domain, &node, err);

	if (code < 0)
		return code;
	if (memcmp(domain.bytes, r->member.domain.bytes, HASH_LEN) != 0)
		return err_set(err, ERR_DENIED, "the server belongs to another domain");
	if (manager != NULL && !id_equal(manager, &node))
		return err_set(err, ERR_DENIED,
		    "node %s is not the manager of the newest term known here", id_hex(&node, hex));
	if (expired)
		return err_set(err, ERR_DENIED, "the server's certificate has run out");
	return 0;
}

void
replica_on_link_state(void *arg, int status, const struct err *err)
{
	struct replica *r = arg;
	struct err ignored;

	if (status == 0) {
		r->link_error.code = 0;
		return;
	}
	/* One line for each trouble. Several addresses may fail in several ways, by turns. */
	if (r->link_error.code == 0 ||
	    (r->member.endpoint_count < 2 && r->link_error.code != err->code))
		log_warning("replica", "server=%s: %s; trying again",
		    r->member.endpoints[r->endpoint], err->text);
	r->link_error = *err;
	if (status == ERR_DENIED)
		on_refused(r, status, "removed from the domain, or renewed elsewhere");
	if (r->member.endpoint_count < 2 || r->stopping)
		return;
	r->endpoint = (r->endpoint + 1) % r->member.endpoint_count;
	(void)!originator_set_target(r->originator, r->member.endpoints[r->endpoint], &ignored);
}
