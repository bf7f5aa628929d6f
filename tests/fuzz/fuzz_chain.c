#include "common/chain/chain.h"
#include "common/lift/lift.h"

/*
 * Any text with certificates in it: the first is the leaf, the others in turn were given with it,
 * known, and trusted. Whatever is found is a chain from that leaf, and its grade that of its
 * reasons.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MANY 64

static void
check(const struct chain *c, const struct chain_params *p)
{
	enum chain_grade worst = CHAIN_GREEN;

	CHECK(c->count > 0 && c->count <= LIMIT_CHAIN && c->path[0] == p->leaf);
	for (size_t i = 0; i + 1 < c->count; i++)
		CHECK(cert_names_issuer(c->path[i], c->path[i + 1]));
	for (size_t i = 0; i < c->reason_count; i++) {
		CHECK(c->reasons[i].text[0] != '\0');
		if (chain_code_grade(c->reasons[i].code) > worst)
			worst = chain_code_grade(c->reasons[i].code);
	}
	CHECK(c->reason_count == CHAIN_REASONS_MAX ? c->grade >= worst : c->grade == worst);
	CHECK(chain_sent(c, false) > 0 && chain_sent(c, true) == c->count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pbe_budget none = {0, 0};
	struct lift_params lp = {NULL, 0, &none};
	struct lift *l = lift_new(&lp);
	const struct cert *sets[3][MANY];
	size_t counts[3] = {0}, turn = 0;
	struct chain_params p = {.now = 1600000000};
	struct chain c;

	lift_add(l, "input", SPAN(data, size));
	for (size_t i = 0; i < lift_count(l) && turn < MANY; i++) {
		const struct lift_item *item = lift_at(l, i);

		if (item->kind != LIFT_CERT)
			continue;
		if (p.leaf == NULL) {
			p.leaf = item->cert;
			continue;
		}
		sets[turn % 3][counts[turn % 3]++] = item->cert;
		turn++;
	}
	if (p.leaf != NULL) {
		p.given = (struct certs){sets[0], counts[0]};
		p.known = (struct certs){sets[1], counts[1]};
		p.roots = (struct certs){sets[2], counts[2]};
		chain_find(&p, &c);
		check(&c, &p);
		chain_fini(&c);
	}
	lift_free(l);
	return 0;
}
