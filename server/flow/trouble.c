#include "server/flow/trouble.h"

#include "common/base/err.h"
#include "common/model/renewal.h"

#define HOLD_MOST_MS 30000

bool
trouble_is_everybodys(int status)
{
	return status == ERR_UNAVAIL || status == ERR_NOSPACE || status == ERR_IO ||
	    status == ERR_BUSY || status == ERR_AGAIN || status == ERR_TIMEOUT ||
	    status == ERR_CANCELED;
}

void
trouble_hold(struct trouble *t, uint64_t now)
{
	uint64_t wait;

	if (now < t->until)
		return;
	wait = renewal_retry_soon_ms(++t->failures);
	t->until = now + (wait < HOLD_MOST_MS ? wait : HOLD_MOST_MS);
}
