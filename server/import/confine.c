/* What a process gives up before it looks at a foreign byte. */

#include "common/crypto/envelope.h"
#include "common/crypto/pbe.h"
#include "common/sys/process.h"
#include "common/sys/sandbox.h"
#include "server/import/confine.h"
#include "server/import/import.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#define MEMORY_MOST (1024UL << 20) /* scrypt may take LIMIT_PBE_MEMORY of it */

/* A sanitizer maps terabytes that it never uses. */
#ifdef CERTHERD_SANITIZED
static const bool limits_memory = false;
#else
static const bool limits_memory = true;
#endif

int
import_heap(struct err *err)
{
	size_t used, size;
	int r;

	secret_heap_usage(&used, &size);
	if (size > 0)
		return 0;
	r = process_heap_size(PROCESS_HEAP_MOST, &size, err);
	return r < 0 ? r : secret_heap_init(size, err);
}

static int
limit(int what, rlim_t soft, rlim_t hard, const char *name, struct err *err)
{
	const struct rlimit l = {soft, hard};

	return setrlimit(what, &l) < 0 ? err_errno(err, errno, "cannot limit %s", name) : 0;
}

int
confine(struct err *err)
{
	int r = process_harden(err);

	/* What opens files on first use: the times of certificates, and parts of OpenSSL. */
	tzset();
	if (r == 0)
		r = envelope_self_test(err);
	/* Without it the files that need it are explained. */
	(void)!pbe_load_legacy(NULL);
	if (r == 0)
		r = limit(RLIMIT_CPU, CONFINE_CPU_S, RLIM_INFINITY, "time", err);
	if (r == 0 && limits_memory)
		r = limit(RLIMIT_AS, MEMORY_MOST, MEMORY_MOST, "memory", err);
	return r < 0 ? r : sandbox_signer(err);
}
