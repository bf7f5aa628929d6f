#ifndef SERVER_IMPORT_REPORT_H
#define SERVER_IMPORT_REPORT_H

/* The reader's answer about a set of files. Private to server/import. */

#include "common/lift/lift.h"
#include "server/import/frame.h"

/* Matches, then sends what was wished for, to the END. */
NODISCARD int report_send(int fd, struct lift *l, enum import_wish wish, struct err *err);

/* --- its parts: report.c, units.c, certs.c --- */

struct report {
	int fd;
	const struct lift *lift;
	enum import_wish wish;
	size_t units, refusals;
	struct err *err;
};

NODISCARD int report_keys(struct report *r);
NODISCARD int report_certs(struct report *r);

/* Of the whole set. */
NODISCARD int report_remark(struct report *r, const char *text);
NODISCARD int report_refuse(struct report *r, int code, const char *text);
/* With the place in front, cut where a text is full. */
NODISCARD int PRINTF_LIKE(5, 6) report_say(struct report *r, enum frame_kind kind, int code,
    const struct lift_item *item, const char *fmt, ...);
/* What the lift says could not be read; a remark without a code. */
NODISCARD int report_problem(struct report *r, const struct lift_item *item, int code);
/* That a request or a revocation list is of no use here. */
NODISCARD int report_left_out(struct report *r, const struct lift_item *item);
NODISCARD int report_unit(struct report *r, const struct import_unit *u);

#endif
