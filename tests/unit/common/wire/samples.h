#ifndef TESTS_UNIT_COMMON_WIRE_SAMPLES_H
#define TESTS_UNIT_COMMON_WIRE_SAMPLES_H

/* One message of every kind, with every field set, for the round trips and the golden files. */

#include "common/base/buf.h"

struct sample {
	const char *name; /* of the golden file: tests/data/wire/NAME.bin */
	/* Both return 0 or an error code; recode decodes in and encodes what it got. */
	int (*encode)(struct buf *out, struct err *err);
	int (*recode)(struct span in, struct buf *out, struct err *err);
};

struct samples {
	const struct sample *items;
	size_t count;
};

extern const struct samples record_samples, link_samples, signer_samples, secret_samples;

#endif
