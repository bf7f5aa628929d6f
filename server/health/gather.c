/* The facts about one credential, as they are at this moment. */

#include "common/wire/link_messages.h"
#include "server/health/health_priv.h"
#include "server/index/index_ca.h"

#include <string.h>

static void
gather_state(const struct index_record *c, const struct index_record *active, int64_t now,
    struct health_report *out)
{
	struct active_facts facts;
	bool has_access = c->access.count > 0 ||
	    !generation_serves(active != NULL ? active->generation->profile : NULL, c->credential);

	if (active != NULL)
		facts = (struct active_facts){active->id, active->generation->not_before,
		    active->generation->not_after,
		    active->generation->revoked || active->generation->withdrawn};
	health_judge_state(c->credential, active != NULL ? &facts : NULL, has_access, now, out);
}

static void
gather_chain(const struct item *it, const struct index_record *active, struct health_report *out)
{
	if (active == NULL || it->chain == NULL || !id_equal(&it->active, &active->id))
		return;
	for (size_t i = 0; i < it->chain->count; i++)
		health_say(out, it->chain->items[i].code, it->chain->items[i].grade, "%s",
		    it->chain->items[i].text);
}

/* Of the key in force; who knows an older one can do nothing with it here. */
static void
gather_exposed(
    const struct index_record *c, const struct index_record *active, struct health_report *out)
{
	const struct exposures *e = &c->credential->exposed;
	const char *name = NULL;
	size_t count = 0;

	if (active == NULL || c->credential->archived)
		return;
	for (size_t i = 0; i < e->count; i++) {
		if (!hash_equal(&e->items[i].key, &active->generation->key))
			continue;
		name = e->items[i].name;
		count++;
	}
	if (count == 1 && name != NULL && name[0] != '\0')
		health_say(out, "exposed", HEALTH_YELLOW,
		    "'%.80s' knows its key and is not to: 'certherd exposed' shows it", name);
	else if (count > 0)
		health_say(out, "exposed", HEALTH_YELLOW,
		    "%zu servers know its key and are not to: 'certherd exposed' shows them",
		    count);
}

static void
gather_places(const struct item *it, const struct index_record *c, struct health_report *out)
{
	if (c->credential->archived)
		return;
	for (size_t i = 0; i < it->place_count; i++)
		health_judge_check(it->places[i].address, &it->places[i].result, out);
}

/* --- what nodes serve --- */

static enum health_serves
serves_of(const struct health *h, const struct receipt *receipt, const struct index_record *active,
    const struct id *node, int64_t now, bool *expired)
{
	const struct index_record *g;

	if (receipt == NULL)
		return h->p.has_told(h->p.arg, node) ? SERVES_NOTHING : SERVES_UNKNOWN;
	if (!receipt->has_generation)
		return SERVES_NOTHING;
	if (id_equal(&receipt->generation, &active->id))
		return SERVES_ACTIVE;
	g = index_of_kind(h->p.index, KIND_GENERATION, &receipt->generation);
	*expired = g != NULL && now > g->generation->not_after;
	return SERVES_OLDER;
}

/* Whether anybody has to serve it: the same as in the API's lists. */
static bool
is_to_be_served(const struct index_record *c, const struct index_record *active)
{
	return active != NULL && !c->credential->archived && !active->generation->revoked &&
	    !active->generation->withdrawn && c->credential->state != CREDENTIAL_REVOKED &&
	    generation_serves(active->generation->profile, c->credential);
}

/* Returns how many servers it had to ask. */
static size_t
judge_nodes(const struct health *h, const struct index_record *c, const struct index_record *active,
    int64_t now, struct health_report *out)
{
	struct access_lookup lookup = index_access_lookup(h->p.index);
	struct access_list readers = {NULL, 0, 0};
	struct health_node *nodes;
	size_t count = 0;

	access_expand(&lookup, active->access, NULL, &readers);
	nodes = mem_array(readers.count + 1, sizeof(*nodes));
	for (size_t i = 0; i < readers.count; i++) {
		const struct access_node *n = &readers.items[i].node;
		struct health_node *node = &nodes[count];
		const struct receipt *receipt;

		/* Managers and the recovery key can open it, and serve nothing. */
		if (n->role != ROLE_REPLICA)
			continue;
		receipt = h->p.receipt(h->p.arg, &n->id, &c->id);
		*node = (struct health_node){
		    .name = n->name, .error = receipt != NULL ? receipt->error : NULL};
		node->serves = serves_of(h, receipt, active, &n->id, now, &node->expired);
		count++;
	}
	health_judge_serving(nodes, count, out);
	mem_free(nodes);
	access_list_fini(&readers);
	return count;
}

/* Seconds for which nothing is said yet of what nodes serve: a change has to reach them first. */
static int64_t
grace_left(const struct health *h, const struct index_record *c, const struct index_record *active)
{
	int64_t changed = c->committed_at_ms > active->committed_at_ms ? c->committed_at_ms
								       : active->committed_at_ms;
	int64_t since = (runtime_wall_ms(h->p.runtime) - changed) / 1000;
	int64_t up = (int64_t)(runtime_mono_ms(h->p.runtime) - h->started_ms) / 1000;
	int64_t shortest = since < up ? since : up;

	/* A clock that was set back must not make it longer. */
	return shortest < 0 || shortest >= HEALTH_GRACE_S ? 0 : HEALTH_GRACE_S - shortest;
}

size_t
gather(const struct health *h, const struct item *it, const struct index_record *c,
    struct health_report *out, int64_t *again_at)
{
	const struct index_record *active = index_active(h->p.index, c);
	int64_t now = runtime_wall_s(h->p.runtime), grace = 0;

	memset(out, 0, sizeof(*out));
	*again_at = 0;
	gather_state(c, active, now, out);
	gather_exposed(c, active, out);
	if (it != NULL) {
		gather_chain(it, active, out);
		gather_places(it, c, out);
	}
	if (active != NULL)
		*again_at = health_next_change(
		    active->generation->not_before, active->generation->not_after, now);
	if (!is_to_be_served(c, active))
		return 1;
	grace = grace_left(h, c, active);
	if (grace == 0)
		return 1 + judge_nodes(h, c, active, now, out);
	if (*again_at == 0 || *again_at > now + grace)
		*again_at = now + grace;
	return 1;
}

void
health_of_ca(const struct health *h, const struct index_record *ca, struct health_report *out)
{
	const struct index_record *crl = index_crl_of(h->p.index, ca);
	AUTO(cert_unrefp)
	struct cert *cert = NULL;
	struct ca_facts facts = {.not_after = ca->ca->not_after,
	    .renewal = index_ca_due_at(h->p.index, ca),
	    .crl_update = crl != NULL ? crl->crl->next_update : 0,
	    .superseded = ca->ca->has_successor};

	memset(out, 0, sizeof(*out));
	if (ca->ca->chain.count > 0 && cert_parse(ca->ca->chain.items[0], &cert, NULL) == 0)
		facts.not_before = cert_not_before(cert);
	health_judge_ca(&facts, runtime_wall_s(h->p.runtime), out);
}
