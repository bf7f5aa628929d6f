#include "common/member/member.h"

static int
check(const struct member *m, struct cert *const *chain, size_t count, int64_t now, struct err *err)
{
	struct domain_id domain;
	struct id node;
	int r = cert_identity(chain[0], &domain, &node, err);

	if (r < 0)
		return r;
	if (!id_equal(&node, &m->node))
		return err_set(err, ERR_PROTO, "the new certificate is another node's");
	if (!cert_has_key(chain[0], m->identity_key))
		return err_set(err, ERR_PROTO, "the new certificate is for another key");
	return cert_verify_identity(
	    chain[0], (const struct cert *const *)chain + 1, count - 1, m->root, now, false, err);
}

int
member_take_identity(const char *dir, struct member *m, struct span certificate,
    const struct span *issuers, size_t count, int64_t now, struct err *err)
{
	struct cert *chain[LIMIT_CHAIN] = {NULL};
	size_t made = 0;
	int r = 0;

	if (count >= LIMIT_CHAIN)
		return err_set(err, ERR_LIMIT, "%zu issuers of a certificate", count);
	for (size_t i = 0; r == 0 && i <= count; i++) {
		r = cert_parse(i == 0 ? certificate : issuers[i - 1], &chain[i], err);
		made += r == 0;
	}
	if (r == 0)
		r = check(m, chain, made, now, err);
	/* A restart must find what is used from now on. */
	if (r == 0)
		r = member_save_identity(dir, chain, made, err);
	if (r < 0) {
		for (size_t i = 0; i < made; i++)
			cert_unref(chain[i]);
		return r;
	}
	for (size_t i = 0; i < m->chain_count; i++)
		cert_unref(m->chain[i]);
	for (size_t i = 0; i < made; i++)
		m->chain[i] = chain[i];
	m->chain_count = made;
	return 0;
}
