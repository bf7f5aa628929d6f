/* Micro CAs: who signed what, what is revoked, and when something is due. */

#include "common/crypto/sign.h"
#include "common/model/pki.h"
#include "common/wire/public_wire.h"
#include "server/index/index_ca.h"
#include "server/index/index_priv.h"

#include <stdlib.h>
#include <string.h>

#define SUCCESSORS_MAX 64 /* of one another: a ring must not hold up anybody */

/* --- lists --- */

static int
compare_serials(const void *a, const void *b)
{
	const struct crl_serial *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->bytes, y->bytes, x->len);
}

int
index_crl_new(const struct record *r, struct index_crl **out, struct err *err)
{
	struct crl_public p = {0};
	struct index_crl *crl;
	struct crl list = {0};
	int rc = wire_crl_public_decode(r->public_part, &p, err);

	if (rc == 0) {
		/* One that cannot be read lists nothing, and must not keep others from being
		 * loaded. */
		(void)!crl_read(p.der, &list, NULL);
		crl = mem_zalloc(sizeof(*crl));
		*crl = (struct index_crl){.ca = p.ca,
		    .number = p.number,
		    .this_update = p.this_update,
		    .next_update = p.next_update,
		    .list = list};
		crl->list.issuer = SPAN(NULL, 0);
		crl->sorted = mem_array(list.count + 1, sizeof(*crl->sorted));
		for (size_t i = 0; i < list.count; i++)
			crl->sorted[i] = list.entries[i].serial;
		qsort(crl->sorted, list.count, sizeof(*crl->sorted), compare_serials);
		*out = crl;
	}
	crl_public_fini(&p);
	return rc;
}

void
index_crl_free(struct index_crl *crl)
{
	if (crl == NULL)
		return;
	crl_fini(&crl->list);
	mem_free(crl->sorted);
	mem_free(crl);
}

const struct index_record *
index_crl_of(const struct index *ix, const struct index_record *ca)
{
	char hex[ID_HEX_MAX];

	return index_named(ix, KIND_CRL, id_hex(&ca->id, hex));
}

bool
index_is_listed(const struct index_record *crl, const struct index_record *generation)
{
	const struct crl_serial *serial = &generation->generation->serial;

	return crl != NULL &&
	    bsearch(serial, crl->crl->sorted, crl->crl->list.count, sizeof(*serial),
		compare_serials) != NULL;
}

/* --- who signed what --- */

struct signer_search {
	struct hash key;
	const struct index_record *found;
};

static bool
on_ca(void *arg, const struct index_record *r)
{
	struct signer_search *s = arg;
	struct hash key;

	hash_of(r->ca->key, &key);
	if (hash_equal(&key, &s->key))
		s->found = r;
	return s->found == NULL;
}

const struct index_record *
index_ca_of(const struct index *ix, const struct index_record *generation)
{
	struct signer_search s = {.found = NULL};

	if (issuers_key(generation->generation->issuers, &s.key))
		index_each(ix, KIND_CA, on_ca, &s);
	return s.found;
}

const struct index_record *
index_ca_successor(const struct index *ix, const struct index_record *ca)
{
	for (unsigned i = 0; i < SUCCESSORS_MAX && ca->ca->has_successor; i++) {
		const struct index_record *next = index_of_kind(ix, KIND_CA, &ca->ca->successor);

		if (next == NULL)
			break;
		ca = next;
	}
	return ca;
}

void
index_revoked(const struct index *ix, const struct index_record *ca, index_each_cb *cb, void *arg)
{
	const struct entry_vec *v;
	struct hash key;

	hash_of(ca->ca->key, &key);
	v = multi_get(&ix->revoked, SPAN(key.bytes, HASH_LEN));
	for (size_t i = 0; v != NULL && i < v->count; i++)
		if (!cb(arg, &v->items[i]->r))
			return;
}

const struct index_record *
index_disowned(const struct index *ix, const struct hash *key, const struct hash *fingerprint)
{
	size_t at = 0;
	void *value;

	while (map_next(ix->revoked.map, &at, NULL, &value)) {
		const struct entry_vec *v = value;

		for (size_t i = 0; i < v->count; i++) {
			const struct index_generation *g = v->items[i]->r.generation;

			if (hash_equal(&g->fingerprint, fingerprint) ||
			    (g->withdrawn && hash_equal(&g->key, key)))
				return &v->items[i]->r;
		}
	}
	return NULL;
}

/* --- what is missing --- */

struct unlisted {
	const struct index_record *crl;
	int64_t now;
	size_t running, missing;
};

static bool
on_revoked(void *arg, const struct index_record *r)
{
	struct unlisted *u = arg;

	if (r->generation->not_after < u->now || r->generation->serial.len == 0)
		return true;
	u->running++;
	u->missing += !index_is_listed(u->crl, r);
	return true;
}

size_t
index_unlisted(const struct index *ix, const struct index_record *ca, int64_t now)
{
	struct unlisted u = {.crl = index_crl_of(ix, ca), .now = now};

	index_revoked(ix, ca, on_revoked, &u);
	return u.missing;
}

bool
index_awaits_list(const struct index *ix, const struct index_record *generation, int64_t now)
{
	const struct index_generation *g = generation->generation;
	const struct index_record *ca;

	if (!g->revoked || g->serial.len == 0 || g->not_after < now)
		return false;
	ca = index_ca_of(ix, generation);
	return ca != NULL && index_wants_crl(ix, ca, now) &&
	    !index_is_listed(index_crl_of(ix, ca), generation);
}

bool
index_wants_crl(const struct index *ix, const struct index_record *ca, int64_t now)
{
	struct unlisted u = {.crl = index_crl_of(ix, ca), .now = now};

	if (now > ca->ca->not_after)
		return false;
	if (u.crl != NULL || (ca->ca->address != NULL && ca->ca->address[0] != '\0'))
		return true;
	index_revoked(ix, ca, on_revoked, &u);
	return u.running > 0;
}

/* --- when a CA is due --- */

struct longest {
	const struct index *ix;
	const struct index_record *ca;
	int64_t seconds;
};

static bool
on_credential(void *arg, const struct index_record *r)
{
	struct longest *l = arg;
	const struct credential_public *c = r->credential;

	if (c->issuer == ISSUER_MICRO && c->has_issuer_record && !c->archived &&
	    id_equal(&c->issuer_record, &l->ca->id) && c->lifetime > l->seconds)
		l->seconds = c->lifetime;
	return true;
}

static bool
times_of(const struct index_record *ca, int64_t *begin, int64_t *end)
{
	AUTO(cert_unrefp)
	struct cert *c = NULL;

	if (ca->ca->chain.count == 0 || cert_parse(ca->ca->chain.items[0], &c, NULL) < 0)
		return false;
	*begin = cert_not_before(c);
	*end = cert_not_after(c);
	return true;
}

static bool
on_below(void *arg, const struct index_record *r)
{
	struct longest *l = arg;
	int64_t begin, end;

	if (r->ca->has_parent && id_equal(&r->ca->parent, &l->ca->id) && r->ca->enabled &&
	    times_of(r, &begin, &end) && end - begin > l->seconds)
		l->seconds = end - begin;
	return true;
}

int64_t
index_ca_due_at(const struct index *ix, const struct index_record *ca)
{
	struct longest l = {ix, ca, index_setting_number(ix, SETTING_LIFETIME)};
	int64_t begin, end;

	if (!ca->ca->enabled || ca->ca->has_successor || !times_of(ca, &begin, &end))
		return 0;
	index_each(ix, KIND_CREDENTIAL, on_credential, &l);
	index_each(ix, KIND_CA, on_below, &l);
	return ca_due_at(begin, end, l.seconds);
}
