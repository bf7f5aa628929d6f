#include "common/follow/follow_priv.h"

#include <stdio.h>
#include <string.h>

/*
 * What this node serves, as the manager should know it. Changes go with the next pull; the full
 * list, when it is asked for, in as many pulls as it takes: the first replaces what the manager
 * had, the others add to it.
 */

#define RECEIPT_ERROR_MAX 200
#define RECEIPT_BYTES 112 /* of one on the wire at the most, without error */
#define RECEIPTS_BYTES                                                                             \
	(LIMIT_REQUEST / 8 * 7) /* of those of one pull; the rest is for the pull                  \
				 */

struct kept_receipt {
	struct receipt receipt;
	char error[RECEIPT_ERROR_MAX];
	bool untold, sending, dropped;
};

static void
keep(struct follow *f, const struct receipt *receipt, bool dropped)
{
	struct kept_receipt *k = map_get(f->receipts, receipt->credential.bytes, ID_LEN);

	if (k == NULL) {
		if (dropped)
			return; /* never told, nothing to take back */
		k = mem_zalloc(sizeof(*k));
		(void)map_put(f->receipts, receipt->credential.bytes, ID_LEN, k);
	}
	k->receipt = *receipt;
	snprintf(k->error, sizeof(k->error), "%s", receipt->error != NULL ? receipt->error : "");
	k->receipt.error = k->error;
	k->untold = true;
	k->sending = false;
	k->dropped = dropped;
}

void
follow_set_receipt(struct follow *f, const struct receipt *receipt)
{
	keep(f, receipt, false);
}

void
follow_drop_receipt(struct follow *f, const struct id *credential)
{
	struct receipt nothing = {.credential = *credential, .error = ""};

	keep(f, &nothing, true);
}

void
receipts_want_all(struct follow *f)
{
	size_t at = 0;
	void *value;

	f->receipts_all = true;
	while (map_next(f->receipts, &at, NULL, &value))
		((struct kept_receipt *)value)->untold = true;
}

size_t
receipts_collect(struct follow *f, struct receipt *list, size_t max, bool *complete, bool *more)
{
	size_t at = 0, count = 0, bytes = 0;
	void *value;

	*more = false;
	while (map_next(f->receipts, &at, NULL, &value)) {
		struct kept_receipt *k = value;

		if (!k->untold || (k->dropped && f->receipts_all))
			continue;
		bytes += RECEIPT_BYTES + strlen(k->error);
		if (count == max || bytes > RECEIPTS_BYTES) {
			*more = true;
			break;
		}
		k->untold = false;
		k->sending = true;
		list[count++] = k->receipt;
	}
	*complete = f->receipts_all;
	return count;
}

void
receipts_sent(struct follow *f, bool ok)
{
	struct id *gone = mem_array(map_count(f->receipts), sizeof(struct id));
	size_t at = 0, count = 0;
	void *value;

	while (map_next(f->receipts, &at, NULL, &value)) {
		struct kept_receipt *k = value;

		if (!ok && k->sending)
			k->untold = true;
		else if (ok && k->dropped && !k->untold)
			gone[count++] = k->receipt.credential;
		k->sending = false;
	}
	for (size_t i = 0; i < count; i++)
		mem_free(map_del(f->receipts, gone[i].bytes, ID_LEN));
	mem_free(gone);
	if (ok)
		f->receipts_all = false;
}

void
receipts_free(struct follow *f)
{
	size_t at = 0;
	void *value;

	while (map_next(f->receipts, &at, NULL, &value))
		mem_free(value);
	map_free(f->receipts);
}
