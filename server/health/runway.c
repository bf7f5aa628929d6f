/*
 * Until when everything goes on: the first end of each kind, when nothing is renewed any more, and
 * of those that nobody renews by itself. The certificates of nodes are read once for each version
 * of their record.
 */

#include "server/health/health_priv.h"
#include "server/index/index_ca.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {
    [RUNWAY_CERTIFICATE] = "certificate",
    [RUNWAY_CA] = "ca",
    [RUNWAY_CRL] = "crl",
    [RUNWAY_IDENTITY] = "identity",
    [RUNWAY_MANAGER] = "manager",
};
_Static_assert(ARRAY_LEN(kinds) == RUNWAY__COUNT, "every kind has a name");

const char *
runway_kind_name(enum runway_kind kind)
{
	CHECK(kind < RUNWAY__COUNT);
	return kinds[kind];
}

/* --- certificates of nodes --- */

struct ends {
	int64_t identity, manager; /* 0: there is none that can be read */
};

static int64_t
end_of(struct span certificate)
{
	AUTO(cert_unrefp)
	struct cert *c = NULL;

	if (certificate.len == 0 || cert_parse(certificate, &c, NULL) < 0)
		return 0;
	return cert_not_after(c);
}

void
runway_on_node(struct health *h, const struct id *node)
{
	const struct index_record *r = index_of_kind(h->p.index, KIND_NODE, node);
	struct ends *ends;

	mem_free(map_del(h->ends, node->bytes, ID_LEN));
	if (r == NULL)
		return;
	ends = mem_zalloc(sizeof(*ends));
	*ends = (struct ends){end_of(r->node->certificate), end_of(r->node->manager_certificate)};
	map_put(h->ends, node->bytes, ID_LEN, ends);
}

static bool
on_first_node(void *arg, const struct index_record *r)
{
	runway_on_node(arg, &r->id);
	return true;
}

void
runway_start(struct health *h)
{
	h->ends = map_new();
	index_each(h->p.index, KIND_NODE, on_first_node, h);
}

void
runway_stop(struct health *h)
{
	size_t at = 0;
	void *value;

	while (map_next(h->ends, &at, NULL, &value))
		mem_free(value);
	map_free(h->ends);
}

/* --- the first ends --- */

struct walk {
	const struct health *health;
	struct runway *out;
};

static void
take(struct walk *w, enum runway_kind kind, const char *name, int64_t until, bool automatic)
{
	struct runway_end *ends[] = {
	    &w->out->first[kind], automatic ? NULL : &w->out->manual[kind]};

	if (until == 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		if (ends[i] == NULL || (ends[i]->until != 0 && ends[i]->until <= until))
			continue;
		ends[i]->until = until;
		snprintf(ends[i]->name, sizeof(ends[i]->name), "%s", name);
	}
}

static bool
on_credential(void *arg, const struct index_record *c)
{
	struct walk *w = arg;
	const struct index_record *active = index_active(w->health->p.index, c);

	if (c->credential->archived || active == NULL || active->generation->revoked)
		return true;
	take(w, RUNWAY_CERTIFICATE, c->name, active->generation->not_after,
	    c->credential->issuer == ISSUER_MICRO && c->credential->state != CREDENTIAL_FAILED);
	return true;
}

static bool
on_ca(void *arg, const struct index_record *r)
{
	struct walk *w = arg;

	/* One that another issues in place of ends with its leaves, which are no longer than it. */
	if (!r->ca->has_successor && r->ca->enabled)
		take(w, RUNWAY_CA, r->name, r->ca->not_after,
		    index_ca_due_at(w->health->p.index, r) > 0);
	return true;
}

static bool
on_crl(void *arg, const struct index_record *r)
{
	struct walk *w = arg;
	const struct index_record *ca = index_of_kind(w->health->p.index, KIND_CA, &r->crl->ca);

	if (ca != NULL)
		take(w, RUNWAY_CRL, ca->name, r->crl->next_update, true);
	return true;
}

static bool
on_node(void *arg, const struct index_record *r)
{
	struct walk *w = arg;
	const struct ends *ends = map_get(w->health->ends, r->id.bytes, ID_LEN);

	if (ends == NULL)
		return true;
	/* A node asks for its next identity itself. */
	take(w, RUNWAY_IDENTITY, r->name, ends->identity, true);
	take(w, RUNWAY_MANAGER, r->name, ends->manager, false);
	return true;
}

void
health_runway(const struct health *h, struct runway *out)
{
	struct walk w = {h, out};

	memset(out, 0, sizeof(*out));
	index_each(h->p.index, KIND_CREDENTIAL, on_credential, &w);
	index_each(h->p.index, KIND_CA, on_ca, &w);
	index_each(h->p.index, KIND_CRL, on_crl, &w);
	index_each(h->p.index, KIND_NODE, on_node, &w);
}
