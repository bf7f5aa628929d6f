#include "server/main/server.h"

#include "common/base/map.h"
#include "common/log/log.h"
#include "server/signer/process.h"

#include <inttypes.h>
#include <stdio.h>

/* --- publish -------------------------------------------------------------------------------------
 */

static bool
is_live(void *arg, const struct id *node)
{
	struct server *s = arg;

	return index_of_kind(s->index, KIND_NODE, node) != NULL;
}

static bool
is_expired(void *arg, const struct id *node)
{
	struct server *s = arg;

	return map_get(s->expired, node->bytes, ID_LEN) != NULL;
}

static void
on_fenced(void *arg, const struct signed_designation *proof, uint64_t term)
{
	struct server *s = arg;
	struct err err;
	char text[TERM_TEXT_MAX];

	(void)proof;
	err_set(&err, ERR_DENIED,
	    "another server is manager since term %s: this one stops; a member has shown the "
	    "designation",
	    term_text(term, text));
	events_raise(s->events, &(struct event){.kind = EVENT_MANAGER_FENCED, .text = err.text});
	server_fail(s, &err);
}

static void
on_conflict(void *arg, const struct id *node, const struct signed_designation *other)
{
	struct server *s = arg;
	const struct event event = {.kind = EVENT_MANAGER_CONFLICT,
	    .text = "two managers were named for one term; only a designation by the root key can "
		    "resolve it"};
	char hex[ID_HEX_MAX];

	(void)other;
	log_error("publish",
	    "node=%s holds another designation for a term that is held here: two managers were "
	    "named for one term; only a designation by the root key can resolve it",
	    id_hex(node, hex));
	/* Each node that holds it shows it again and again. */
	(void)events_raise_once(s->events, &event, &s->member.node, 1);
}

static void
identity_done(void *arg, int status, struct span certificate, struct span manager_certificate,
    const struct err *err)
{
	struct publish_identity *call = arg;
	struct identity_reply reply = {
	    .certificate = certificate,
	    .chain = {&manager_certificate, 1},
	};

	publish_identity_done(call, status, status == 0 ? &reply : NULL, err);
}

static void
on_identity(void *arg, struct publish_identity *call, const struct id *node,
    const struct identity_request *request)
{
	struct server *s = arg;
	struct nodes_identity_request r = {
	    .csr = request->csr,
	    .sealing_key = request->sealing_key,
	    .sealing_proof = request->sealing_proof,
	    .next_term_key = request->next_term_key,
	    .addresses = request->addresses,
	};
	struct err err;
	int code = nodes_identity(s->nodes, node, &r, identity_done, call, &err);

	if (code < 0)
		publish_identity_done(call, code, NULL, &err);
}

static void
on_receipt(void *arg, const struct id *node, const struct id *credential)
{
	struct server *s = arg;

	if (s->api != NULL)
		api_on_receipt(s->api, node, credential);
	if (s->health != NULL)
		health_on_receipt(s->health, node, credential);
	if (s->evict != NULL)
		evict_on_receipt(s->evict, node, credential);
}

struct publish_events
server_publish_events(struct server *s)
{
	return (struct publish_events){
	    .arg = s,
	    .is_live = is_live,
	    .is_expired = is_expired,
	    .on_fenced = on_fenced,
	    .on_conflict = on_conflict,
	    .on_identity = on_identity,
	    .on_receipt = on_receipt,
	};
}

/* --- api -----------------------------------------------------------------------------------------
 */

const char *
server_signer_trouble(void *arg)
{
	struct server *s = arg;

	return s->signer_trouble[0] != '\0' ? s->signer_trouble : NULL;
}

void
server_tell_signer(struct server *s, bool works)
{
	char text[ERR_TEXT_MAX + 64];
	const struct event lost = {.kind = EVENT_SIGNER_LOST, .text = text},
			   back = {
			       .kind = EVENT_SIGNER_BACK, .text = "the signer is at work again"};

	snprintf(text, sizeof(text), "nothing can be signed: %s", s->signer_trouble);
	if (!works)
		(void)events_raise_once(s->events, &lost, &s->member.node, 1);
	else if (events_settle(s->events, EVENT_SIGNER_LOST, &s->member.node))
		events_raise(s->events, &back);
}

/* --- nodes and sched -----------------------------------------------------------------------------
 */

void
server_on_removed(void *arg, const struct id *node)
{
	struct server *s = arg;

	if (s->publish != NULL)
		publish_throw_out(s->publish, node);
	if (s->terminator != NULL)
		(void)terminator_recheck(s->terminator);
}

/* Who belongs to the domain is what an operator looks for in a log. */
void
server_tell_members(void *arg, const struct committed *records, size_t count,
    const struct head *head, struct signed_bytes signed_head)
{
	char hex[ID_HEX_MAX];

	(void)arg;
	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++) {
		const struct record *r = records[i].record;

		if (r->kind == KIND_NODE && r->removed)
			log_notice(
			    "nodes", "node=%s name=%s removed", id_hex(&r->id, hex), r->name);
		else if (r->kind == KIND_NODE && records[i].replaced_version == 0)
			log_notice("nodes", "node=%s name=%s joined", id_hex(&r->id, hex), r->name);
	}
}

void
server_on_event(void *arg, struct span document)
{
	struct server *s = arg;

	if (s->api != NULL)
		api_on_event(s->api, document);
}

struct renewal {
	struct server *server;
	struct id credential;
};

static void
renewed(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct renewal *r = arg;
	char hex[ID_HEX_MAX];

	if (status < 0)
		log_warning("sched", "credential=%s not renewed: %s", id_hex(&r->credential, hex),
		    err->text);
	else
		log_info("sched", "credential=%s name=%s renewed, generation %" PRIu64,
		    id_hex(&r->credential, hex), result->name, result->generation);
	if (r->server->sched != NULL)
		sched_done(r->server->sched, &r->credential, status);
	mem_free(r);
}

int
server_start_renewal(void *arg, const struct id *credential, struct err *err)
{
	struct server *s = arg;
	struct renewal *r = mem_zalloc(sizeof(*r));
	int code;

	r->server = s;
	r->credential = *credential;
	code = flow_credential_due(s->flow, credential, renewed, r, err);
	if (code < 0)
		mem_free(r);
	return code;
}
