#include "replica/cache/issuers.h"

#include "common/crypto/cert.h"

#include <pthread.h>

#define ISSUERS_MAX 16 /* the last ones that were new; a domain has a few */

struct issuers {
	pthread_mutex_t lock;
	struct cert *certs[ISSUERS_MAX];
	size_t next;
};

struct issuers *
issuers_new(void)
{
	struct issuers *all = mem_zalloc(sizeof(*all));

	CHECK(pthread_mutex_init(&all->lock, NULL) == 0);
	return all;
}

void
issuers_free(struct issuers *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < ISSUERS_MAX; i++)
		cert_unref(all->certs[i]);
	CHECK(pthread_mutex_destroy(&all->lock) == 0);
	mem_free(all);
}

static struct cert *
find(struct issuers *all, struct span der)
{
	struct cert *found = NULL;

	CHECK(pthread_mutex_lock(&all->lock) == 0);
	for (size_t i = 0; found == NULL && i < ISSUERS_MAX; i++)
		if (all->certs[i] != NULL && span_equal(cert_der(all->certs[i]), der))
			found = cert_ref(all->certs[i]);
	CHECK(pthread_mutex_unlock(&all->lock) == 0);
	return found;
}

int
issuers_parse(struct issuers *all, struct span der, struct cert **out, struct err *err)
{
	struct cert *cert = find(all, der), *old;
	int r;

	if (cert == NULL) {
		if ((r = cert_parse(der, &cert, err)) < 0)
			return r;
		CHECK(pthread_mutex_lock(&all->lock) == 0);
		old = all->certs[all->next];
		all->certs[all->next] = cert_ref(cert);
		all->next = (all->next + 1) % ISSUERS_MAX;
		CHECK(pthread_mutex_unlock(&all->lock) == 0);
		cert_unref(old);
	}
	*out = cert;
	return 0;
}
