#include "common/wire/trust.h"

#include "common/crypto/sign.h"
#include "common/wire/record_wire.h"

#include <string.h>

/* Places in the list that only the root key can take. */
#define ROOM_FOR_ROOT 32

/* A designation that was verified, with its bytes. */
struct link {
	struct designation d; /* term_key lies in body */
	struct signed_designation s;
	struct hash body_hash;
	struct pkey *key;
};

struct trust {
	struct domain_id domain;
	struct hash fingerprint;
	struct cert *root;
	struct pkey *root_key;
	struct link *links; /* by term, the oldest first */
	size_t count;
};

static void
link_fini(struct link *l)
{
	mem_free((void *)(uintptr_t)l->s.body.data);
	mem_free((void *)(uintptr_t)l->s.signature.data);
	pkey_unref(l->key);
	memset(l, 0, sizeof(*l));
}

/* A copy of the bytes, and everything that points into them. */
static int
link_init(struct link *l, const struct signed_designation *s, struct err *err)
{
	int rc;

	memset(l, 0, sizeof(*l));
	l->s = (struct signed_designation){SPAN(mem_dup(s->body.data, s->body.len), s->body.len),
	    SPAN(mem_dup(s->signature.data, s->signature.len), s->signature.len), s->signer};
	hash_of(l->s.body, &l->body_hash);
	rc = wire_designation_decode(l->s.body, &l->d, err);
	if (rc == 0)
		rc = designation_check(&l->d, s->signer, err);
	if (rc == 0)
		rc = pkey_from_spki(l->d.term_key, &l->key, err);
	if (rc < 0)
		link_fini(l);
	return rc;
}

int
trust_new(struct span root, const struct hash *pinned, struct trust **out, struct err *err)
{
	AUTO(trust_freep)
	struct trust *t = mem_zalloc(sizeof(*t));
	int rc;

	/* Nothing of a certificate is read before it is known to be the right one. */
	hash_of(root, &t->fingerprint);
	if (!hash_equal(&t->fingerprint, pinned))
		return err_set(err, ERR_CRYPTO,
		    "the root certificate is not the one whose fingerprint is pinned");
	rc = cert_parse(root, &t->root, err);
	if (rc == 0)
		rc = cert_root_domain(t->root, &t->domain, err);
	if (rc == 0)
		rc = cert_key(t->root, &t->root_key, err);
	if (rc < 0)
		return err_wrap(err, "root certificate");
	*out = MOVE(t);
	return 0;
}

struct trust *
trust_clone(const struct trust *t)
{
	struct trust *out = mem_zalloc(sizeof(*out));

	*out = *t;
	out->root = cert_ref(t->root);
	out->root_key = pkey_ref(t->root_key);
	out->links = mem_array(t->count + 1, sizeof(*out->links));
	for (size_t i = 0; i < t->count; i++) {
		struct link *l = &out->links[i];
		const struct link *from = &t->links[i];

		*l = *from;
		l->s.body.data = mem_dup(from->s.body.data, from->s.body.len);
		l->s.signature.data = mem_dup(from->s.signature.data, from->s.signature.len);
		l->d.term_key.data = l->s.body.data + (from->d.term_key.data - from->s.body.data);
		l->key = pkey_ref(from->key);
	}
	return out;
}

void
trust_free(struct trust *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->count; i++)
		link_fini(&t->links[i]);
	mem_free(t->links);
	cert_unref(t->root);
	pkey_unref(t->root_key);
	mem_free(t);
}

const struct domain_id *
trust_domain(const struct trust *t)
{
	return &t->domain;
}

const struct hash *
trust_root_fingerprint(const struct trust *t)
{
	return &t->fingerprint;
}

const struct cert *
trust_root(const struct trust *t)
{
	return t->root;
}

/* Index of the first link whose term is not below. */
static size_t
place_of(const struct trust *t, uint64_t term)
{
	size_t i = 0;

	while (i < t->count && t->links[i].d.term < term)
		i++;
	return i;
}

static const struct link *
link_of(const struct trust *t, uint64_t term)
{
	size_t i = place_of(t, term);

	return i < t->count && t->links[i].d.term == term ? &t->links[i] : NULL;
}

static const struct link *
newest(const struct trust *t)
{
	return t->count > 0 ? &t->links[t->count - 1] : NULL;
}

static int
check_signature(
    const struct trust *t, const struct link *l, const struct link *before, struct err *err)
{
	const struct pkey *key = l->s.signer == SIGNER_ROOT_KEY ? t->root_key : before->key;
	char term[TERM_TEXT_MAX];
	int rc = sign_verify(key, SIGN_DESIGNATION, &t->domain, l->s.body, l->s.signature, err);

	if (rc < 0)
		return err_wrap(err, "designation of term %s", term_text(l->d.term, term));
	return 0;
}

/* A term key that was stolen must not be able to fill the list before the root key speaks. */
static int
check_room(const struct trust *t, uint32_t signer, struct err *err)
{
	size_t max = LIMIT_DESIGNATIONS - (signer == SIGNER_ROOT_KEY ? 0 : ROOM_FOR_ROOT);

	if (t->count < max)
		return 0;
	return err_set(err, ERR_LIMIT, "there are %zu designations already", t->count);
}

int
trust_add_designation(struct trust *t, const struct signed_designation *s, struct err *err)
{
	const struct link *held, *before;
	struct link l;
	char term[TERM_TEXT_MAX];
	size_t at;
	int rc = link_init(&l, s, err);

	if (rc < 0)
		return rc;
	at = place_of(t, l.d.term);
	held = link_of(t, l.d.term);
	before = at > 0 ? &t->links[at - 1] : NULL;
	if (held != NULL && hash_equal(&held->body_hash, &l.body_hash)) {
		/* Known, whatever signature it came with: ECDSA has many for one body. */
		link_fini(&l);
		return 0;
	}
	/* Of one that names no key of ours nothing is believed, not even that it is a conflict. */
	rc = designation_follows(before != NULL ? &before->d : NULL,
	    before != NULL ? &before->body_hash : NULL, &l.d, s->signer, err);
	if (rc == 0)
		rc = check_signature(t, &l, before, err);
	if (rc == 0 && held != NULL)
		rc = err_set(err, ERR_CONFLICT,
		    "there are two designations for term %s: the one known first is kept, and only "
		    "a new one by the root key can resolve this",
		    term_text(l.d.term, term));
	if (rc == 0)
		rc = check_room(t, s->signer, err);
	if (rc < 0) {
		link_fini(&l);
		return rc;
	}
	t->links = mem_grow(t->links, t->count + 1, sizeof(*t->links));
	memmove(&t->links[at + 1], &t->links[at], (t->count - at) * sizeof(*t->links));
	t->links[at] = l;
	t->count++;
	return 0;
}

uint64_t
trust_current_term(const struct trust *t)
{
	return t->count > 0 ? newest(t)->d.term : 0;
}

const struct id *
trust_manager(const struct trust *t)
{
	return t->count > 0 ? &newest(t)->d.node : NULL;
}

size_t
trust_designation_count(const struct trust *t)
{
	return t->count;
}

const struct signed_designation *
trust_designation(const struct trust *t, size_t index)
{
	CHECK(index < t->count);
	return &t->links[index].s;
}

const struct designation *
trust_designation_of(const struct trust *t, uint64_t term)
{
	const struct link *l = link_of(t, term);

	return l != NULL ? &l->d : NULL;
}

const struct pkey *
trust_term_key(const struct trust *t)
{
	return t->count > 0 ? newest(t)->key : NULL;
}

static const struct link *
check_place(const struct trust *t, struct position at, struct err *err)
{
	const struct link *l = link_of(t, at.term);
	char term[TERM_TEXT_MAX], later[TERM_TEXT_MAX];

	if (l == NULL) {
		err_set(err, ERR_DENIED, "nobody is known to be manager in term %s",
		    term_text(at.term, term));
		return NULL;
	}
	for (size_t i = place_of(t, at.term) + 1; i < t->count; i++) {
		if (designation_keeps(&t->links[i].d, at))
			continue;
		err_set(err, ERR_DENIED, "record %llu of term %s lies behind the cut of term %s",
		    (unsigned long long)at.seq, term_text(at.term, term),
		    term_text(t->links[i].d.term, later));
		return NULL;
	}
	return l;
}

int
trust_check_position(const struct trust *t, struct position at, struct err *err)
{
	return check_place(t, at, err) != NULL ? 0 : ERR_DENIED;
}

int
trust_verify_record(const struct trust *t, const struct record *record, struct span body,
    struct span signature, struct err *err)
{
	const struct link *l = check_place(t, record_position(record), err);
	char id[ID_HEX_MAX];
	int rc;

	if (l == NULL)
		return ERR_DENIED;
	rc = sign_verify(l->key, SIGN_RECORD, &t->domain, body, signature, err);
	if (rc < 0)
		return err_wrap(err, "record %s", id_hex(&record->id, id));
	return 0;
}

int
trust_verify_head(
    const struct trust *t, const struct signed_bytes *s, struct head *out, struct err *err)
{
	uint64_t term = trust_current_term(t);
	char found[TERM_TEXT_MAX], current[TERM_TEXT_MAX];
	struct head h;
	int rc = wire_head_decode(s->body, &h, err);

	if (rc < 0)
		return rc;
	term_text(h.term, found);
	term_text(term, current);
	if (h.term < term)
		return err_set(
		    err, ERR_DENIED, "a head of term %s, but term %s has begun", found, current);
	if (h.term > term)
		return err_set(err, ERR_AGAIN,
		    "a head of term %s, whose designation is not known here", found);
	rc = sign_verify(newest(t)->key, SIGN_HEAD, &t->domain, s->body, s->signature, err);
	if (rc < 0)
		return err_wrap(err, "head of term %s", found);
	*out = h;
	return 0;
}

int
trust_verify_root_statement(const struct trust *t, const struct signed_bytes *s, struct err *err)
{
	struct root_statement st;
	int rc = wire_root_statement_decode(s->body, &st, err);

	if (rc < 0)
		return rc;
	if (st.has_previous || !span_equal(st.certificate, cert_der(t->root)))
		return err_set(
		    err, ERR_CRYPTO, "the root statement names another root than the pinned one");
	rc = sign_verify(t->root_key, SIGN_ROOT, &t->domain, s->body, s->signature, err);
	return rc < 0 ? err_wrap(err, "root statement") : 0;
}
