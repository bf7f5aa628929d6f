#include "server/api/api_priv.h"

#include "common/base/runtime.h"
#include "common/base/str.h"
#include "server/events/events.h"
#include "server/publish/publish.h"
#include "server/sched/sched.h"

#include <string.h>

/* Counts that need a walk over a kind. */
struct counts {
	const struct api *api;
	size_t replicas, in_touch;
	int64_t now;
	size_t states[SHOWN__COUNT];
	size_t without_access;
};

static bool
count_node(void *arg, const struct index_record *r)
{
	struct counts *c = arg;
	struct publish_follower f;

	if (r->node->role == ROLE_RECOVERY || id_equal(&r->id, &c->api->p.self))
		return true;
	c->replicas++;
	if (publish_follower(c->api->p.publish, &r->id, &f) && f.in_touch)
		c->in_touch++;
	return true;
}

static bool
count_credential(void *arg, const struct index_record *r)
{
	struct counts *c = arg;

	c->states[index_state(c->api->p.index, r, c->now)]++;
	if (r->credential->archived)
		return true;
	c->without_access += r->access.count == 0;
	return true;
}

static void
put_log(const struct api *a, struct json_writer *w)
{
	const struct head *head = commit_head(a->p.commit, NULL);
	char text[TERM_TEXT_MAX];

	if (head == NULL)
		return;
	json_put_text(w, "term", term_text(head->term, text));
	json_put_uint(w, "term_number", head->term);
	json_put_uint(w, "seq", head->seq);
	json_put_uint(w, "beat", head->beat);
	api_put_hash(w, "digest", &head->digest);
}

/* "renewal-due" counts as renewal_due: a member of JSON is a word of programs. */
static void
put_state_count(struct json_writer *w, enum credential_shown state, size_t count)
{
	char *name = mem_strdup(credential_shown_name(state));

	for (char *p = name; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	json_put_uint(w, name, count);
	mem_free(name);
}

static void
put_counts(const struct api *a, struct json_writer *w)
{
	struct counts c = {.api = a, .now = runtime_wall_s(a->rt)};

	index_each(a->p.index, KIND_NODE, count_node, &c);
	index_each(a->p.index, KIND_CREDENTIAL, count_credential, &c);
	json_put_object(w, "nodes");
	json_put_uint(w, "total", c.replicas);
	json_put_uint(w, "connected", c.in_touch);
	json_put_end(w);
	json_put_object(w, "certs");
	json_put_uint(w, "total", index_count(a->p.index, KIND_CREDENTIAL));
	for (unsigned i = 0; i < SHOWN__COUNT; i++)
		put_state_count(w, i, c.states[i]);
	json_put_end(w);
	json_put_uint(w, "certs_without_access", c.without_access);
	api_put_domain_health(a, w);
	api_put_runway(a, w);
}

static void
put_work(const struct api *a, struct json_writer *w)
{
	struct commit_stats commit;
	struct flow_stats flow;
	struct sched_stats sched;

	commit_stats(a->p.commit, &commit);
	flow_stats(a->p.flow, &flow);
	sched_stats(a->p.sched, &sched);
	json_put_object(w, "commit");
	json_put_uint(w, "batches", commit.batches);
	json_put_uint(w, "mutations", commit.mutations);
	json_put_uint(w, "records", commit.records);
	json_put_uint(w, "refused", commit.refused);
	json_put_uint(w, "failed", commit.failed);
	json_put_uint(w, "queued", commit.queued);
	json_put_end(w);
	json_put_object(w, "flow");
	json_put_uint(w, "issued", flow.issued);
	json_put_uint(w, "failed", flow.failed);
	json_put_uint(w, "under_way", flow.under_way);
	json_put_uint(w, "to_reseal", flow.to_reseal);
	json_put_end(w);
	json_put_object(w, "renewals");
	json_put_uint(w, "waiting", sched.waiting);
	json_put_uint(w, "due", sched.due);
	json_put_uint(w, "running", sched.running);
	json_put_uint(w, "in_flight", sched.in_flight);
	json_put_uint(w, "per_minute", sched.per_minute);
	json_put_time(w, "next_at", sched.next_at);
	json_put_end(w);
}

static void
put_receivers(const struct api *a, struct json_writer *w)
{
	struct event_receiver_stats receivers[EVENT_RECEIVERS_MOST];
	size_t n = events_receivers(a->p.events, receivers);
	char since[TIME_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		if (receivers[i].trouble != NULL)
			json_put_textf(w, NULL, "events do not reach '%s' since %s: %s",
			    receivers[i].receiver->name,
			    time_text(receivers[i].since_ms / 1000, since), receivers[i].trouble);
}

/* What an operator should look at now; empty when all is well. */
static void
put_troubles(const struct api *a, struct json_writer *w)
{
	const char *signer =
	    a->p.signer_trouble != NULL ? a->p.signer_trouble(a->p.signer_arg) : NULL;
	struct commit_stats commit;

	commit_stats(a->p.commit, &commit);
	json_put_array(w, "troubles");
	put_receivers(a, w);
	api_put_ca_troubles(a, w);
	if (commit.trouble != NULL)
		json_put_textf(w, NULL, "nothing can be changed: %s", commit.trouble);
	if (signer != NULL)
		json_put_textf(w, NULL, "the signer is not at work: %s", signer);
	json_put_end(w);
}

void
handle_status(struct httpd_request *req, void *arg)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct index_record *self = index_of_kind(a->p.index, KIND_NODE, &a->p.self);
	struct api_reply r;

	api_begin(&r);
	json_put_text(&r.w, "domain", a->p.domain_name);
	json_put_text(&r.w, "role", "manager");
	json_put_text(&r.w, "software", "certherd " CERTHERD_VERSION);
	json_put_object(&r.w, "node");
	api_put_id(&r.w, "id", &a->p.self);
	json_put_text(&r.w, "name", self != NULL ? self->name : "");
	json_put_end(&r.w);
	json_put_uint(&r.w, "uptime_s", (runtime_mono_ms(a->rt) - a->started_ms) / 1000);
	api_put_texts(&r.w, "public", a->p.endpoints);
	api_put_hash(&r.w, "root_fingerprint", trust_root_fingerprint(a->p.trust));
	put_log(a, &r.w);
	put_counts(a, &r.w);
	put_work(a, &r.w);
	put_troubles(a, &r.w);
	api_send(req, &r);
}
