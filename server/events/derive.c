/* What follows from records, by comparing each with what it replaces. */

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "common/wire/public_wire.h"
#include "server/events/events_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct batch {
	struct events *e;
	const struct committed *records;
	size_t count;
};

/* A CREDENTIAL or GENERATION before or after; decoded is owned. */
struct version {
	bool there;
	const struct credential_public *credential;
	struct credential_public decoded;
	struct ids access;
};

struct generation_facts {
	bool there;
	uint64_t number;
	int64_t not_after;
	struct hash key;
	bool revoked;
};

static void
add(struct batch *b, enum event_kind kind, const struct record *r, const char *text,
    const struct event_fact *facts, size_t count)
{
	const struct event event = {.kind = kind,
	    .id = &r->id,
	    .name = r->name,
	    .text = text,
	    .facts = facts,
	    .fact_count = count};

	rows_add(&b->e->batch, event_row(b->e, &event));
}

/* The record as it is after the batch up to `end`; NULL: the batch does not have it. */
static const struct record *
in_batch(const struct batch *b, size_t end, const struct id *id)
{
	/* What belongs together stands together: the nearest first. */
	for (size_t i = end; i-- > 0;)
		if (id_equal(&b->records[i].record->id, id))
			return b->records[i].record;
	return NULL;
}

/* --- generations ---------------------------------------------------------------------------- */

static void
facts_of_record(const struct record *r, struct generation_facts *out)
{
	struct generation_public p;

	if (r->removed || wire_generation_public_decode(r->public_part, &p, NULL) < 0)
		return;
	*out = (struct generation_facts){true, p.number, p.not_after, {{0}}, p.revoked};
	hash_of(p.key, &out->key);
	generation_public_fini(&p);
}

static void
facts_of_index(const struct events *e, const struct id *id, struct generation_facts *out)
{
	const struct index_record *r = index_of_kind(e->p.index, KIND_GENERATION, id);

	if (r != NULL)
		*out = (struct generation_facts){true, r->generation->number,
		    r->generation->not_after, r->generation->key, r->generation->revoked};
}

/* As it is when the batch is committed. */
static void
generation_after(const struct batch *b, const struct id *id, struct generation_facts *out)
{
	const struct record *r = in_batch(b, b->count, id);

	*out = (struct generation_facts){.there = false};
	if (r != NULL)
		facts_of_record(r, out);
	else
		facts_of_index(b->e, id, out);
}

static void
on_generation(struct batch *b, size_t at)
{
	const struct record *r = b->records[at].record;
	struct generation_facts now = {.there = false}, before = {.there = false};
	struct generation_public p;
	const struct index_record *credential;
	char text[LIMIT_NAME + 128];
	struct event event = {.kind = EVENT_CREDENTIAL_REVOKED, .text = text};

	if (r->removed || b->records[at].replaced_version == 0)
		return;
	facts_of_record(r, &now);
	facts_of_index(b->e, &r->id, &before);
	if (!now.there || !now.revoked || before.revoked ||
	    wire_generation_public_decode(r->public_part, &p, NULL) < 0)
		return;
	credential = index_of_kind(b->e->p.index, KIND_CREDENTIAL, &p.credential);
	if (credential != NULL) {
		const struct event_fact facts[] = {EVENT_NUMBER("generation", (int64_t)now.number),
		    EVENT_TIME("not_after", now.not_after), EVENT_TEXT("author", r->author)};

		snprintf(text, sizeof(text), "%s: generation %" PRIu64 " is revoked",
		    credential->name, now.number);
		event.id = &credential->id;
		event.name = credential->name;
		event.facts = facts;
		event.fact_count = ARRAY_LEN(facts);
		rows_add(&b->e->batch, event_row(b->e, &event));
	}
	generation_public_fini(&p);
}

/* --- credentials ---------------------------------------------------------------------------- */

static void
version_fini(struct version *v)
{
	credential_public_fini(&v->decoded);
}

static void
version_of(const struct record *r, struct version *out)
{
	out->there =
	    !r->removed && wire_credential_public_decode(r->public_part, &out->decoded, NULL) == 0;
	out->credential = &out->decoded;
	out->access = (struct ids){r->access, r->access_count};
}

static void
version_before(const struct batch *b, size_t at, struct version *out)
{
	const struct id *id = &b->records[at].record->id;
	const struct record *r = in_batch(b, at, id);
	const struct index_record *i = index_of_kind(b->e->p.index, KIND_CREDENTIAL, id);

	if (b->records[at].replaced_version == 0)
		return;
	if (r != NULL) {
		version_of(r, out);
	} else if (i != NULL) {
		out->there = true;
		out->credential = i->credential;
		out->access = i->access;
	}
}

static bool
same_access(struct ids a, struct ids b)
{
	return a.count == b.count &&
	    (a.count == 0 || memcmp(a.items, b.items, a.count * sizeof(*a.items)) == 0);
}

static void
on_active(struct batch *b, const struct record *r, const struct credential_public *c,
    const struct version *before)
{
	struct generation_facts now, old = {.there = false};
	char text[LIMIT_NAME + 128], day[TIME_TEXT_MAX];
	bool older, new_key;

	generation_after(b, &c->active, &now);
	if (!now.there)
		return;
	if (before->there && before->credential->has_active)
		generation_after(b, &before->credential->active, &old);
	older = old.there && now.number < old.number;
	new_key = !old.there || !hash_equal(&old.key, &now.key);
	snprintf(text, sizeof(text), "%s: %sgeneration %" PRIu64 " is in force, until %s", r->name,
	    older ? "the older " : "", now.number, time_text(now.not_after, day));
	add(b, older ? EVENT_CREDENTIAL_ACTIVATED : EVENT_CREDENTIAL_ISSUED, r, text,
	    (const struct event_fact[]){
		EVENT_NUMBER("generation", (int64_t)now.number),
		EVENT_TIME("not_after", now.not_after),
		EVENT_FLAG("new_key", new_key),
		EVENT_TEXT("issuer", issuer_type_name(c->issuer)),
		EVENT_TEXTS("names", c->names),
		EVENT_TEXT("author", r->author),
	    },
	    6);
}

static void
on_access(struct batch *b, const struct record *r)
{
	const char *names[LIMIT_ACCESS];
	char room[LIMIT_ACCESS][LIMIT_NAME + 2], text[LIMIT_NAME + 128];

	for (size_t i = 0; i < r->access_count; i++)
		names[i] = index_access_name(b->e->p.index, &r->access[i], room[i]);
	snprintf(text, sizeof(text), "%s: other servers and groups have access now: %zu of them",
	    r->name, r->access_count);
	add(b, EVENT_CREDENTIAL_ACCESS, r, text,
	    (const struct event_fact[]){
		EVENT_TEXTS("access", ((struct texts){names, r->access_count})),
		EVENT_TEXT("author", r->author)},
	    2);
}

static void
on_state(struct batch *b, const struct record *r, const struct credential_public *c,
    const struct version *before)
{
	const struct event_fact author = EVENT_TEXT("author", r->author);
	const struct credential_public *old = before->there ? before->credential : NULL;
	char text[LIMIT_NAME + LIMIT_TEXT];

	if (c->state == CREDENTIAL_FAILED && (old == NULL || old->state != CREDENTIAL_FAILED)) {
		snprintf(text, sizeof(text), "%s: %s", r->name, c->error);
		add(b, EVENT_CREDENTIAL_FAILED, r, text,
		    (const struct event_fact[]){EVENT_TEXT("error", c->error),
			EVENT_TIME("next_try", c->next_try),
			EVENT_TEXT("issuer", issuer_type_name(c->issuer))},
		    3);
	}
	if (c->has_pending &&
	    (old == NULL || !old->has_pending || !id_equal(&old->pending, &c->pending))) {
		snprintf(text, sizeof(text),
		    "%s: a CSR waits for its certificate; 'certherd cert csr' gives it out",
		    r->name);
		add(b, EVENT_CREDENTIAL_WAITING, r, text,
		    (const struct event_fact[]){EVENT_TEXT("issuer", issuer_type_name(c->issuer)),
			EVENT_TEXTS("names", c->names), author},
		    3);
	}
	if (old == NULL)
		return;
	if (c->archived != old->archived) {
		snprintf(text, sizeof(text), "%s: %s", r->name,
		    c->archived ? "archived, and served by nobody any more"
				: "back from the archive");
		add(b, c->archived ? EVENT_CREDENTIAL_ARCHIVED : EVENT_CREDENTIAL_RESTORED, r, text,
		    &author, 1);
	}
	if (!same_access(before->access, (struct ids){r->access, r->access_count}))
		on_access(b, r);
}

/* Of the one list what the other has not, but for a key; each server once. */
static size_t
exposed_only_in(struct exposures one, struct exposures other, const struct hash *but,
    const char *names[static LIMIT_EXPOSED], bool *replace)
{
	size_t count = 0;

	*replace = false;
	for (size_t i = 0; i < one.count; i++) {
		const struct exposure *x = &one.items[i];
		bool known = but != NULL && hash_equal(&x->key, but);

		for (size_t k = 0; k < other.count && !known; k++)
			known = id_equal(&other.items[k].node, &x->node) &&
			    hash_equal(&other.items[k].key, &x->key);
		if (known)
			continue;
		*replace = *replace || x->replace;
		for (size_t k = 0; k < count && !known; k++)
			known = str_equal(names[k], x->name);
		if (!known)
			names[count++] = x->name;
	}
	return count;
}

static void
add_exposed(
    struct batch *b, const struct record *r, enum event_kind kind, struct texts nodes, bool new_key)
{
	const char *what = kind == EVENT_CREDENTIAL_PROVEN
	    ? "nobody serves a key any more that others know"
	    : "a key of it is known to somebody without access";
	char text[2 * LIMIT_NAME + 128];

	snprintf(text, sizeof(text), "%s: %s: %s%s", r->name, what,
	    nodes.items[0][0] != '\0' ? nodes.items[0] : "several servers",
	    nodes.count > 1 ? " and others" : "");
	add(b, kind, r, text,
	    (const struct event_fact[]){EVENT_TEXTS("nodes", nodes), EVENT_FLAG("new_key", new_key),
		EVENT_TEXT("author", r->author)},
	    3);
}

/* A note that ends while its key is in force is of a server that has access again. */
static void
on_exposed(struct batch *b, const struct record *r, const struct credential_public *c,
    const struct version *before)
{
	struct exposures old = {NULL, 0};
	struct generation_facts active = {.there = false};
	const char *names[LIMIT_EXPOSED];
	bool replace;
	size_t count;

	if (before->there)
		old = before->credential->exposed;
	if (old.count + c->exposed.count == 0)
		return;
	count = exposed_only_in(c->exposed, old, NULL, names, &replace);
	if (count > 0)
		add_exposed(b, r, EVENT_CREDENTIAL_EXPOSED, (struct texts){names, count}, replace);
	if (c->has_active)
		generation_after(b, &c->active, &active);
	count =
	    exposed_only_in(old, c->exposed, active.there ? &active.key : NULL, names, &replace);
	if (count > 0)
		add_exposed(b, r, EVENT_CREDENTIAL_PROVEN, (struct texts){names, count}, replace);
}

static void
on_credential(struct batch *b, size_t at)
{
	const struct record *r = b->records[at].record;
	struct version before = {.there = false}, after = {.there = false};
	char text[LIMIT_NAME + 128];

	if (r->removed) {
		snprintf(text, sizeof(text), "%s: deleted with all its generations", r->name);
		add(b, EVENT_CREDENTIAL_DELETED, r, text,
		    (const struct event_fact[]){EVENT_TEXT("author", r->author)}, 1);
		return;
	}
	version_before(b, at, &before);
	version_of(r, &after);
	if (after.there) {
		const struct credential_public *c = after.credential;

		if (c->has_active &&
		    (!before.there || !before.credential->has_active ||
			!id_equal(&before.credential->active, &c->active)))
			on_active(b, r, c, &before);
		on_state(b, r, c, &before);
		on_exposed(b, r, c, &before);
	}
	version_fini(&before);
	version_fini(&after);
}

/* --- everything else ------------------------------------------------------------------------ */

static void
on_node(struct batch *b, size_t at)
{
	const struct record *r = b->records[at].record;
	const struct event_fact author = EVENT_TEXT("author", r->author);
	char text[LIMIT_NAME + 128];

	if (r->removed) {
		snprintf(text, sizeof(text), "%s: removed from the domain", r->name);
		add(b, EVENT_NODE_REMOVED, r, text, &author, 1);
	} else if (b->records[at].replaced_version == 0) {
		snprintf(text, sizeof(text), "%s: has joined the domain", r->name);
		add(b, EVENT_NODE_JOINED, r, text, &author, 1);
	}
}

static void
on_ca(struct batch *b, size_t at)
{
	const struct record *r = b->records[at].record;
	const struct index_record *before = index_of_kind(b->e->p.index, KIND_CA, &r->id);
	char text[LIMIT_NAME + 128], day[TIME_TEXT_MAX];
	struct ca_public p;

	if (r->removed || wire_ca_public_decode(r->public_part, &p, NULL) < 0)
		return;
	if (before == NULL || before->ca->not_after != p.not_after) {
		bool is_new = b->records[at].replaced_version == 0;

		snprintf(text, sizeof(text), "CA %s: %s, good until %s", r->name,
		    is_new ? "made" : "has a new certificate", time_text(p.not_after, day));
		add(b, is_new ? EVENT_CA_CREATED : EVENT_CA_RENEWED, r, text,
		    (const struct event_fact[]){
			EVENT_TIME("not_after", p.not_after), EVENT_TEXT("author", r->author)},
		    2);
	}
	ca_public_fini(&p);
}

static void
on_root(struct batch *b, size_t at)
{
	const struct record *r = b->records[at].record;
	const struct index_record *before = index_of_kind(b->e->p.index, KIND_TRUSTED_ROOT, &r->id);
	const char *label = before != NULL ? before->root->label : "";
	struct trusted_root_public p = {.label = label};
	char text[LIMIT_NAME + 128];

	if (!r->removed && b->records[at].replaced_version != 0)
		return;
	if (!r->removed && wire_trusted_root_public_decode(r->public_part, &p, NULL) < 0)
		return;
	snprintf(text, sizeof(text), "certificate '%.200s' is %s", p.label,
	    r->removed ? "not trusted any more" : "stored, to be trusted or to complete chains");
	add(b, r->removed ? EVENT_TRUST_REMOVED : EVENT_TRUST_ADDED, r, text,
	    (const struct event_fact[]){
		EVENT_TEXT("label", p.label), EVENT_TEXT("author", r->author)},
	    2);
	trusted_root_public_fini(&p);
}

void
derive_events(struct events *e, const struct committed *records, size_t count)
{
	static void (*const by_kind[KIND__COUNT])(struct batch * b, size_t at) = {
	    [KIND_CREDENTIAL] = on_credential,
	    [KIND_GENERATION] = on_generation,
	    [KIND_NODE] = on_node,
	    [KIND_CA] = on_ca,
	    [KIND_TRUSTED_ROOT] = on_root,
	};
	struct batch b = {e, records, count};

	for (size_t i = 0; i < count; i++) {
		uint32_t kind = records[i].record->kind;

		if (kind < KIND__COUNT && by_kind[kind] != NULL)
			by_kind[kind](&b, i);
	}
}
