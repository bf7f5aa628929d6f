/*
 * Ends of chains that clients have beside what completes chains here: the authorities of the host,
 * and the trusted roots of category outgoing. What a look from outside finds is judged by them too,
 * since nobody sends a root.
 */

#include "common/crypto/cert_facts.h"
#include "common/crypto/pem.h"
#include "common/sys/file.h"
#include "server/health/health_priv.h"

#define FILE_MOST (4 * 1024 * 1024)
#define HOST_MOST 1000

/* Outlives health when the worker answers after its end. */
struct anchors_read {
	struct job job;
	struct health *health;
	const char *path;
	struct cert *certs[HOST_MOST];
	size_t count;
};

static void
drop(struct cert **certs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cert_unref(certs[i]);
}

/* One that cannot be read is left out, as every client does. */
static void
run(struct job *job)
{
	struct anchors_read *a = CONTAINER_OF(job, struct anchors_read, job);
	AUTO(buf_freep)
	struct buf *text = buf_new(FILE_MOST);
	struct buf der = BUF_INIT(LIMIT_CERT);
	struct span rest;

	if (file_read(a->path, FILE_MOST, text, NULL) == 0) {
		rest = buf_span(text);
		while (a->count < HOST_MOST && pem_next(&rest, "CERTIFICATE", &der, NULL) == 0) {
			a->count += cert_parse(buf_span(&der), &a->certs[a->count], NULL) == 0;
			buf_clear(&der);
		}
	}
	buf_fini(&der);
}

static void
done(struct job *job)
{
	struct anchors_read *a = CONTAINER_OF(job, struct anchors_read, job);
	struct health *h = a->health;

	if (h != NULL) {
		drop(h->host_roots, h->host_root_count);
		mem_free(h->host_roots);
		h->host_roots = mem_dup(a->certs, a->count * sizeof(struct cert *));
		h->host_root_count = a->count;
		h->anchors_read = NULL;
		a->count = 0;
	}
	drop(a->certs, a->count);
	mem_free(a);
}

void
anchors_load(struct health *h)
{
	struct anchors_read *a;

	if (h->p.host_roots == NULL || h->anchors_read != NULL)
		return;
	a = mem_zalloc(sizeof(*a));
	a->health = h;
	a->path = h->p.host_roots;
	a->job = (struct job){run, done, NULL};
	h->anchors_read = a;
	runtime_work(h->p.runtime, &a->job);
}

void
anchors_stop(struct health *h)
{
	if (h->anchors_read != NULL)
		h->anchors_read->health = NULL;
	drop(h->host_roots, h->host_root_count);
	mem_free(h->host_roots);
}

static bool
is_below(const struct cert *c, const struct cert *const *roots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (cert_names_issuer(c, roots[i]) && cert_signed_by(c, roots[i]))
			return true;
	return false;
}

bool
anchors_hold(const struct health *h, const struct cert *const *chain, size_t count)
{
	const struct cert *outgoing[LIMIT_TRUSTED_ROOTS], *at = chain[0];
	size_t known = index_roots(h->p.index, TRUST_OUTGOING, outgoing);

	for (size_t step = 0; step < count && at != NULL; step++) {
		const struct cert *next = NULL;

		if (is_below(at, outgoing, known) ||
		    is_below(at, (const struct cert *const *)h->host_roots, h->host_root_count))
			return true;
		for (size_t i = 1; i < count && next == NULL; i++)
			if (chain[i] != at && cert_names_issuer(at, chain[i]) &&
			    cert_signed_by(at, chain[i]))
				next = chain[i];
		at = next;
	}
	return false;
}
