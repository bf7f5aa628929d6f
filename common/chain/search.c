#include "common/chain/search.h"

#include "common/base/map.h"
#include "common/base/str.h"
#include "common/crypto/sign.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX
#define CONSTRAINTS_COST 20 /* in signatures */
#define LAST_RESORT 1000    /* in faults */

/* --- candidates --------------------------------------------------------------------------------
 */

static void
add(struct search *s, struct map *seen, const struct cert *cert, bool root, bool given)
{
	struct candidate *c;
	struct hash hash;
	void *known;

	cert_fingerprint(cert, &hash);
	known = map_get(seen, hash.bytes, sizeof(hash.bytes));
	if (known != NULL) {
		c = &s->all[(size_t)((uintptr_t)known - 1)];
		c->is_root |= root;
		c->is_given |= given;
		return;
	}
	if (s->count == LIMIT_CHAIN_CANDIDATES) {
		s->cut = true;
		return;
	}
	c = &s->all[s->count++];
	*c = (struct candidate){.cert = cert, .is_root = root, .is_given = given};
	cert_facts(cert, &c->facts);
	/* The index, but never NULL. */
	map_put(seen, hash.bytes, sizeof(hash.bytes), (void *)(uintptr_t)s->count);
}

static int
subject_order(const void *a, const void *b, void *arg)
{
	const struct search *s = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int order = cert_name_order(s->all[x].cert, CERT_SUBJECT, s->all[y].cert);

	return order != 0 ? order : x < y ? -1 : x > y;
}

void
search_init(struct search *s, const struct chain_params *p)
{
	size_t room = 1 + p->roots.count + p->given.count + p->known.count;
	AUTO(map_freep)
	struct map *seen = map_new();

	*s = (struct search){.params = p, .signatures = LIMIT_CHAIN_SIGNATURES};
	s->all = mem_array(
	    room < LIMIT_CHAIN_CANDIDATES ? room : LIMIT_CHAIN_CANDIDATES, sizeof(*s->all));
	add(s, seen, p->leaf, false, true);
	/* Roots first: they are what must not be crowded out. */
	for (size_t i = 0; i < p->roots.count; i++)
		add(s, seen, p->roots.list[i], true, false);
	for (size_t i = 0; i < p->given.count; i++)
		add(s, seen, p->given.list[i], false, true);
	for (size_t i = 0; i < p->known.count; i++)
		add(s, seen, p->known.list[i], false, false);
	s->by_subject = mem_array(s->count, sizeof(*s->by_subject));
	for (size_t i = 0; i < s->count; i++)
		s->by_subject[i] = i;
	qsort_r(s->by_subject, s->count, sizeof(*s->by_subject), subject_order, s);
}

void
search_fini(struct search *s)
{
	for (size_t i = 0; i < s->count; i++)
		mem_free(s->all[i].parents);
	mem_free(s->all);
	mem_free(s->by_subject);
}

/* The first place in by_subject whose subject is not before the issuer of c. */
static size_t
first_of(const struct search *s, const struct candidate *c)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cert_name_order(c->cert, CERT_ISSUER, s->all[s->by_subject[middle]].cert) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
signed_by(struct search *s, const struct candidate *c, const struct candidate *by)
{
	if (s->signatures == 0) {
		s->cut = true;
		return false;
	}
	s->signatures--;
	return cert_signed_by(c->cert, by->cert);
}

/* The key identifier is a hint and no more: many authorities have it wrong. */
static bool
hinted(const struct candidate *c, const struct candidate *by)
{
	return c->facts.issuer_key_id.len > 0 &&
	    span_equal(c->facts.issuer_key_id, by->facts.key_id);
}

/* The leaf under the name constraints of one above it, which may be long: it counts as work. */
static void
check_constraints(struct search *s, struct candidate *c)
{
	if (c == &s->all[0] || !c->facts.has_constraints)
		return;
	if (s->signatures < CONSTRAINTS_COST) {
		s->cut = true;
		c->is_outside = true;
		return;
	}
	s->signatures -= CONSTRAINTS_COST;
	c->is_outside = cert_outside_constraints(c->cert, s->all[0].cert) != NULL;
}

/* Finds the certificates that signed one. Those that it names by key come first. */
static void
expand(struct search *s, struct candidate *c)
{
	size_t first = first_of(s, c), last = first;

	if (c->expanded)
		return;
	c->expanded = true;
	check_constraints(s, c);
	while (last < s->count &&
	    cert_name_order(c->cert, CERT_ISSUER, s->all[s->by_subject[last]].cert) == 0)
		last++;
	if (last == first)
		return;
	c->parents = mem_array(last - first, sizeof(*c->parents));
	for (int with_hint = 1; with_hint >= 0; with_hint--) {
		for (size_t i = first; i < last; i++) {
			size_t at = s->by_subject[i];
			struct candidate *by = &s->all[at];

			if (hinted(c, by) != (with_hint == 1) || !signed_by(s, c, by))
				continue;
			if (by == c)
				c->is_self_signed = true;
			else
				c->parents[c->parent_count++] = at;
		}
	}
}

/* --- weighing ----------------------------------------------------------------------------------
 */

bool
candidate_valid_at(const struct candidate *c, int64_t now)
{
	return c->facts.not_before <= now && now <= c->facts.not_after;
}

bool
candidate_may_issue(const struct candidate *c, size_t below)
{
	return c->facts.is_ca && c->facts.may_issue && !c->is_outside &&
	    (c->facts.path_len < 0 || (size_t)c->facts.path_len >= below);
}

/* The best way of a length to a certificate. */
struct way {
	bool there;
	size_t from;     /* the certificate before it */
	size_t below;    /* authorities before it, without those that renewed themselves */
	unsigned faults; /* of all before the last */
	int64_t until;   /* the earliest end of all */
};

static bool
same_length_better(const struct way *a, const struct way *b)
{
	if (!b->there)
		return true;
	if (a->faults != b->faults)
		return a->faults < b->faults;
	return a->until > b->until;
}

bool
candidate_ids_differ(const struct candidate *c, const struct candidate *issuer)
{
	return c->facts.issuer_key_id.len > 0 && issuer->facts.key_id.len > 0 && !hinted(c, issuer);
}

static unsigned
faults_of(const struct search *s, const struct candidate *c, const struct way *w)
{
	unsigned n = !candidate_valid_at(c, s->params->now);

	return w->from == NONE ? n : n + !candidate_may_issue(c, w->below);
}

/* How much a way is worth, most important first; a smaller number is better. */
struct worth {
	unsigned faults, end, root_faults, preferred;
	size_t length;
	int64_t until;
};

enum { END_TRUSTED, END_SELF_SIGNED, END_OPEN, END_INSIDE };

static unsigned
end_of(const struct candidate *c)
{
	if (c->is_root)
		return END_TRUSTED;
	if (c->is_self_signed)
		return END_SELF_SIGNED;
	return c->parent_count == 0 ? END_OPEN : END_INSIDE;
}

static struct worth
worth_of(const struct search *s, const struct candidate *last, const struct way *w, size_t length)
{
	unsigned own = faults_of(s, last, w);
	struct worth v = {.faults = w->faults, .length = length, .until = w->until};

	v.end = end_of(last);
	/* That a root has run out is forgiven by most clients, and seen apart. */
	if (v.end >= END_OPEN || length == 1)
		v.faults += own;
	else
		v.root_faults = own;
	v.preferred = v.end >= END_OPEN || !search_is_preferred(s, last);
	/* Of open ends the longer one leads further. One that goes on is an end only if none is. */
	if (v.end >= END_OPEN)
		v.length = LIMIT_CHAIN - length;
	if (v.end == END_INSIDE)
		v.faults += LAST_RESORT;
	return v;
}

static bool
better(const struct worth *a, const struct worth *b)
{
	if (a->faults != b->faults)
		return a->faults < b->faults;
	if (a->end != b->end)
		return a->end < b->end;
	if (a->root_faults != b->root_faults)
		return a->root_faults < b->root_faults;
	if (a->preferred != b->preferred)
		return a->preferred < b->preferred;
	if (a->length != b->length)
		return a->length < b->length;
	return a->until > b->until;
}

static bool
contains_folded(const char *text, const char *part)
{
	size_t n = strlen(part);

	for (; *text != '\0'; text++) {
		size_t i = 0;

		while (i < n && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
			i++;
		if (i == n)
			return true;
	}
	return false;
}

bool
search_is_preferred(const struct search *s, const struct candidate *c)
{
	const char *want = s->params->preferred;
	struct buf subject = BUF_INIT(LIMIT_CERT);
	struct buf hex = BUF_INIT(256);
	char own[HASH_HEX_MAX];
	struct hash hash;
	bool found;

	if (want == NULL || want[0] == '\0')
		return false;
	cert_fingerprint(c->cert, &hash);
	for (const char *p = want; *p != '\0'; p++)
		if (*p != ':')
			buf_put_u8(&hex, (uint8_t)tolower((unsigned char)*p));
	found = str_equal(buf_str(&hex), hash_hex(&hash, own));
	if (!found) {
		cert_put_subject(c->cert, &subject);
		found = contains_folded(buf_str(&subject), want);
	}
	buf_fini(&hex);
	buf_fini(&subject);
	return found;
}

/* --- the search --------------------------------------------------------------------------------
 */

/* The ways of one length more. Returns whether there was any. */
static bool
next_layer(const struct search *s, const struct way *now, struct way *next)
{
	bool any = false;

	for (size_t i = 0; i < s->count; i++) {
		const struct candidate *c = &s->all[i];

		/* A trusted root is where a chain ends. */
		if (!now[i].there || (c->is_root && i > 0))
			continue;
		for (size_t k = 0; k < c->parent_count; k++) {
			const struct candidate *by = &s->all[c->parents[k]];
			struct way w = {true, i, now[i].below + (i > 0 && !c->facts.self_issued),
			    now[i].faults + faults_of(s, c, &now[i]) + candidate_ids_differ(c, by),
			    now[i].until < by->facts.not_after ? now[i].until
							       : by->facts.not_after};

			if (same_length_better(&w, &next[c->parents[k]])) {
				next[c->parents[k]] = w;
				any = true;
			}
		}
	}
	return any;
}

/* A certificate of the same name and key on the way already: a round. */
static bool
is_round(const struct search *s, struct way *const *layers, size_t length, size_t at)
{
	const struct candidate *c = &s->all[at];
	size_t i = at;

	for (size_t n = length - 1; n > 0; n--) {
		i = layers[n][i].from;
		if (cert_name_order(s->all[i].cert, CERT_SUBJECT, c->cert) == 0 &&
		    hash_equal(&s->all[i].facts.key, &c->facts.key))
			return true;
	}
	return false;
}

size_t
search_best(struct search *s, size_t path[static LIMIT_CHAIN])
{
	struct way *layers[LIMIT_CHAIN] = {0};
	struct worth best = {.faults = UINT32_MAX};
	size_t best_at = 0, best_length = 1;
	bool any = true;

	layers[0] = mem_array(s->count, sizeof(**layers));
	layers[0][0] = (struct way){true, NONE, 0, 0, s->all[0].facts.not_after};
	for (size_t length = 1; length <= LIMIT_CHAIN && any; length++) {
		struct way *now = layers[length - 1];

		for (size_t i = 0; i < s->count; i++) {
			struct worth v;

			if (!now[i].there)
				continue;
			if (is_round(s, layers, length, i)) {
				now[i].there = false;
				continue;
			}
			expand(s, &s->all[i]);
			v = worth_of(s, &s->all[i], &now[i], length);
			if (better(&v, &best)) {
				best = v;
				best_at = i;
				best_length = length;
			}
		}
		if (length == LIMIT_CHAIN)
			break;
		layers[length] = mem_array(s->count, sizeof(**layers));
		any = next_layer(s, now, layers[length]);
	}
	for (size_t n = best_length; n > 0; n--) {
		path[n - 1] = best_at;
		best_at = layers[n - 1][best_at].from;
	}
	for (size_t i = 0; i < LIMIT_CHAIN; i++)
		mem_free(layers[i]);
	return best_length;
}
