#include "common/lift/lift_priv.h"

/*
 * Pairs by public key alone: names and local key ids of files are often wrong. Of several
 * certificates for one key the newest leaf is taken.
 */

static bool
fits(const struct lift_item *cert, const struct lift_item *key)
{
	return cert->kind == LIFT_CERT && cert_has_key(cert->cert, key->key);
}

static bool
better(const struct cert *a, const struct cert *b)
{
	if (cert_is_ca(a) != cert_is_ca(b))
		return !cert_is_ca(a);
	return cert_not_before(a) > cert_not_before(b);
}

static void
pair_key(struct lift *l, size_t at)
{
	struct lift_item *key = &l->items[at], *best = NULL;

	for (size_t i = 0; i < l->count; i++) {
		struct lift_item *item = &l->items[i];

		if (item->kind == LIFT_CSR && pkey_same_public(item->key, key->key))
			item->pair = at;
		if (!fits(item, key))
			continue;
		item->pair = at;
		if (best == NULL || better(item->cert, best->cert)) {
			best = item;
			key->pair = i;
		}
	}
}

static bool
issues_another(const struct lift *l, const struct lift_item *item)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct lift_item *other = &l->items[i];

		if (other->kind == LIFT_CERT && other != item &&
		    cert_names_issuer(other->cert, item->cert))
			return true;
	}
	return false;
}

void
lift_match(struct lift *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].kind == LIFT_KEY)
			pair_key(l, i);
	for (size_t i = 0; i < l->count; i++) {
		struct lift_item *item = &l->items[i];

		/* Old roots do not say that they are CAs; they are told by what they issued. */
		if (item->kind == LIFT_CERT)
			item->is_leaf = !cert_is_ca(item->cert) &&
			    (item->pair != LIFT_NO_PAIR ||
				(!issues_another(l, item) && !cert_is_old_root(item->cert)));
	}
}
