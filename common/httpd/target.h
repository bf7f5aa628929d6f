#ifndef COMMON_HTTPD_TARGET_H
#define COMMON_HTTPD_TARGET_H

/*
 * What stands in the request line: the segments of a path and the members of a query, decoded once,
 * strictly. A segment is decoded after the path was split, so that %2F is a character of a name.
 */

#include "common/base/buf.h"

#define TARGET_SEGMENTS_MAX 12
#define TARGET_QUERY_MAX 16
#define TARGET_MAX 4096

struct target {
	char *path; /* as sent, without the query */
	char *text; /* holds what the pointers below point into */
	const char *segments[TARGET_SEGMENTS_MAX];
	size_t segment_count;
	const char *names[TARGET_QUERY_MAX], *values[TARGET_QUERY_MAX];
	size_t query_count;
};

/* ERR_INVALID: bad escapes, control characters; ERR_LIMIT. The target is empty then. */
NODISCARD int target_parse(const char *uri, struct target *out, struct err *err);
void target_fini(struct target *t);

/* Whether the segments fit a route such as "/v1/nodes/{name}". */
bool target_fits(const struct target *t, const char *route);
/* The segment that stands for "{name}" in the route; NULL when there is none. */
const char *target_param(const struct target *t, const char *route, const char *name);
/* NULL when it is not there; the first if it is there twice. */
const char *target_query(const struct target *t, const char *name);

#endif
