/* Groups and who is in them. */

#include "server/signer/core_priv.h"

#include <string.h>

/* A group's private keys in the order of its public part: the current one, then those before. */
struct live_keys {
	struct pkey *keys[LIMIT_GROUP_KEYS];
	size_t count;
};

static void
live_keys_fini(struct live_keys *l)
{
	while (l->count > 0)
		pkey_unref(l->keys[--l->count]);
}

/* Private keys without a seal of their own: those of `managers`, which only its members have. */
static int
find_live(struct signer_core *c, const struct group_public *public, struct live_keys *out,
    struct err *err)
{
	for (size_t i = 0; i <= public->live_keys.count; i++) {
		struct span spki = i == 0 ? public->key : public->live_keys.items[i - 1];
		struct pkey *key;
		struct key_id id;

		spki_key_id(spki, &id);
		key = beliefs_private(c->beliefs, &id);
		if (key == NULL)
			return err_set(err, ERR_DENIED,
			    "this server does not hold every key of the group of managers");
		out->keys[out->count++] = key;
	}
	return 0;
}

static int
open_live(
    struct signer_core *c, const struct sealed_part *part, struct live_keys *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct group_keys keys = {0};
	int r = core_open(c, part, &payload, err);

	if (r == 0)
		r = wire_group_keys_decode(payload, &keys, err);
	for (size_t i = 0; r == 0 && i < keys.count; i++) {
		r = pkey_from_pkcs8(secret_span(keys.pkcs8[i]), &out->keys[i], err);
		if (r == 0)
			out->count++;
	}
	group_keys_fini(&keys);
	return r;
}

/* The private keys of a group as its public part lists them. */
static int
take_live(struct signer_core *c, const struct sealed_part *part, const struct group_public *public,
    struct live_keys *out, struct err *err)
{
	bool same;
	int r;

	if (public->live_keys.count >= LIMIT_GROUP_KEYS)
		return err_set(err, ERR_LIMIT, "a group of more than %d keys", LIMIT_GROUP_KEYS);
	r = public->built_in ? find_live(c, public, out, err) : open_live(c, part, out, err);
	if (r < 0) {
		live_keys_fini(out);
		return r;
	}
	same = out->count == public->live_keys.count + 1;
	for (size_t i = 0; same && i < out->count; i++)
		same = span_equal(
		    pkey_spki(out->keys[i]), i == 0 ? public->key : public->live_keys.items[i - 1]);
	if (!same) {
		live_keys_fini(out);
		return err_set(
		    err, ERR_CRYPTO, "the keys of the group do not belong to its public part");
	}
	return 0;
}

static int
put_keys(const struct live_keys *live, struct secret **out, struct err *err)
{
	struct group_keys keys = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < live->count; i++) {
		r = pkey_to_pkcs8(live->keys[i], &keys.pkcs8[i], err);
		if (r == 0)
			keys.count++;
	}
	if (r == 0)
		r = wire_group_keys_encode(&keys, out, err);
	group_keys_fini(&keys);
	return r;
}

/* The group as it is now, with its keys, when it gets a further one. */
static int
take_current(struct signer_core *c, const struct signer_make_group *s, struct group_public *public,
    struct live_keys *live, struct err *err)
{
	struct sealed_part part;
	struct record record;
	int r = core_take_record(c, &s->current, KIND_GROUP, &record, err);

	if (r == 0 && (!id_equal(&record.id, &s->group.id) || record.version >= s->group.version))
		r = err_set(
		    err, ERR_INVALID, "the new group is not a later version of the current");
	if (r == 0)
		r = beliefs_check_group(c->beliefs, &record.id, record.version, err);
	if (r == 0)
		r = wire_group_public_decode(record.public_part, public, err);
	if (r == 0 && public->built_in != s->built_in)
		r = err_set(err, ERR_INVALID, "a group cannot become built in, or cease to be");
	if (r == 0 && public->built_in && public->live_keys.count + 2 > LIMIT_GROUP_KEYS)
		r = err_set(err, ERR_LIMIT,
		    "the group has %zu live keys; what is sealed to the old ones must be sealed "
		    "anew "
		    "first",
		    public->live_keys.count + 1);
	if (r < 0)
		return r;
	part = sealed_part_of(&record);
	return take_live(c, &part, public, live, err);
}

/*
 * Earlier keys of a group that stay beside a new one. What is sealed to a group is sealed anew
 * after each new key, so that older ones open nothing; and if something was left, `managers` opens
 * it. For `managers` itself nobody would, so that it keeps all.
 */
#define KEPT_KEYS 4

static void
drop_old(struct live_keys *live)
{
	while (live->count > KEPT_KEYS)
		pkey_unref(live->keys[--live->count]);
}

/* Public part of the group with the new key in front of those that stay. */
static int
put_group(const struct signer_make_group *s, const struct live_keys *keys,
    const struct group_public *before, struct buf *out, struct err *err)
{
	struct span live[LIMIT_GROUP_KEYS];
	size_t count = keys->count - 1;

	for (size_t i = 0; i < count; i++)
		live[i] = pkey_spki(keys->keys[i + 1]);
	const struct group_public public = {.key = pkey_spki(keys->keys[0]),
	    .live_keys = {live, count},
	    .generation = s->has_current ? before->generation + 1 : 1,
	    .built_in = s->built_in};
	return wire_group_public_encode(&public, out, err);
}

/* Everything of a group but `managers` is sealed to `managers`. */
static int
seal_group(struct signer_core *c, const struct signer_make_group *s, const struct live_keys *live,
    struct op_out *out, struct err *err)
{
	const struct sealed_part part = {
	    .ref = s->group, .kind = KIND_GROUP, .public_part = buf_span(&out->public_part)};
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct audience to = {0};
	int r = beliefs_audience(c->beliefs, (struct ids){NULL, 0}, &to, err);

	if (r == 0)
		r = put_keys(live, &payload, err);
	if (r == 0)
		r = core_seal(c, &part, payload, &to, &out->sealed, err);
	audience_fini(&to);
	return r;
}

int
do_make_group(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_make_group *s = &r->make_group;
	struct group_public before = {0};
	struct live_keys live = {0};
	struct pkey *key = NULL;
	int rc = 0;

	if (s->new_key != s->has_current)
		return err_set(err, ERR_INVALID, "a new key is for a group that there is");
	if (s->built_in)
		rc = beliefs_check_managers(c->beliefs, &s->group.id, !s->has_current, err);
	if (rc == 0 && s->has_current)
		rc = take_current(c, s, &before, &live, err);
	if (rc == 0)
		rc = pkey_generate(KEY_EC_P256, &key, err);
	if (rc == 0) {
		if (!s->built_in)
			drop_old(&live);
		memmove(live.keys + 1, live.keys, live.count * sizeof(struct pkey *));
		live.keys[0] = key;
		live.count++;
		rc = put_group(s, &live, &before, &out->public_part, err);
	}
	if (rc == 0 && !s->built_in)
		rc = seal_group(c, s, &live, out, err);
	/* Its first memberships are made before anybody has a record of it. */
	if (rc == 0 && s->built_in)
		beliefs_keep_fresh(c->beliefs, key);
	live_keys_fini(&live);
	group_public_fini(&before);
	return rc;
}

/* The group of a membership: as signed, or fresh from the same mutation. */
static int
take_group(struct signer_core *c, const struct signer_make_membership *s, struct live_keys *live,
    bool *managers, struct err *err)
{
	struct sealed_part part = {.ref = {s->group, s->group_version},
	    .kind = KIND_GROUP,
	    .public_part = s->group_public,
	    .sealed = s->group_sealed};
	struct group_public public = {0};
	struct record record;
	int r = 0;

	if (s->has_group_record) {
		r = core_take_record(c, &s->group_record, KIND_GROUP, &record, err);
		if (r == 0 && !id_equal(&record.id, &s->group))
			r = err_set(err, ERR_INVALID, "the record is that of another group");
		part = r == 0 ? sealed_part_of(&record) : part;
	}
	if (r == 0)
		r = beliefs_check_group(c->beliefs, &s->group, part.ref.version, err);
	if (r == 0)
		r = wire_group_public_decode(part.public_part, &public, err);
	*managers = public.built_in;
	if (r == 0 && public.built_in)
		r = beliefs_check_managers(c->beliefs, &s->group, false, err);
	if (r == 0)
		r = take_live(c, &part, &public, live, err);
	group_public_fini(&public);
	return r;
}

/* A node that was learnt; or, while nothing is known, one of the first mutation of a domain. */
static int
member_key(struct signer_core *c, const struct signer_make_membership *s, bool managers,
    struct pkey **out, struct err *err)
{
	struct node_public public;
	int r;

	if (s->node_public.len == 0)
		return beliefs_member_key(c->beliefs, &s->node, managers, out, err);
	if (!beliefs_are_empty(c->beliefs))
		return err_set(err, ERR_DENIED,
		    "a node's public part is taken for the first mutation of a domain only; this "
		    "signer has learnt records of one");
	r = wire_node_public_decode(s->node_public, &public, err);
	if (r < 0)
		return r;
	if (managers && !node_may_manage(&public))
		r = err_set(err, ERR_DENIED, "a replica does not get the keys of the managers");
	else
		r = pkey_from_spki(public.sealing_key, out, err);
	node_public_fini(&public);
	return r;
}

static int
put_membership(const struct signer_make_membership *s, const struct live_keys *live,
    struct buf *out, struct err *err)
{
	struct key_id ids[LIMIT_GROUP_KEYS];
	struct span spans[LIMIT_GROUP_KEYS];

	_Static_assert(sizeof(ids[0]) == MEMBERSHIP_KEY_ID_LEN, "one identifier of keys");
	for (size_t i = 0; i < live->count; i++) {
		pkey_id(live->keys[i], &ids[i]);
		spans[i] = SPAN_OF(ids[i].bytes);
	}
	const struct membership_public public = {
	    .group = s->group, .node = s->node, .key_ids = {spans, live->count}};
	return wire_membership_public_encode(&public, out, err);
}

int
do_make_membership(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_make_membership *s = &r->make_membership;
	struct sealed_part part = {.ref = s->membership, .kind = KIND_MEMBERSHIP};
	AUTO(secret_freep)
	struct secret *payload = NULL;
	AUTO(pkey_unrefp)
	struct pkey *member = NULL;
	struct id id = wire_membership_id(&s->group, &s->node);
	struct live_keys live = {0};
	struct audience to = {0};
	bool managers;
	int rc = 0;

	if (!id_equal(&id, &s->membership.id))
		return err_set(
		    err, ERR_INVALID, "the record's id is not that of this node in this group");
	rc = take_group(c, s, &live, &managers, err);
	if (rc == 0)
		rc = member_key(c, s, managers, &member, err);
	if (rc == 0)
		rc = put_membership(s, &live, &out->public_part, err);
	if (rc == 0)
		rc = put_keys(&live, &payload, err);
	if (rc == 0) {
		audience_add(&to, member);
		part.public_part = buf_span(&out->public_part);
		rc = core_seal(c, &part, payload, &to, &out->sealed, err);
	}
	audience_fini(&to);
	live_keys_fini(&live);
	return rc;
}
