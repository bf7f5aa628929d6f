#ifndef COMMON_LOG_LOG_H
#define COMMON_LOG_LOG_H

/*
 * The log of a process, one line for each event on stderr:
 *
 *     log_info("commit", "records=%zu seq=%" PRIu64, count, seq);
 *
 * A level, a subsystem token, then key=value text. Under systemd (JOURNAL_STREAM or INVOCATION_ID
 * is set) a line begins with "<N>" and has no time of its own; JSON lines are an option. Each call
 * site is limited to LOG_SITE_BURST lines in LOG_SITE_MS, and says later how many were left out.
 * Whatever the text holds, control characters and bytes outside ASCII come out as \xNN, so that
 * foreign text can neither begin a line nor reach a terminal; foreign values go through LOG_QUOTED,
 * so that they cannot forge a key=value either. Secrets have no way in. Any thread, any time, also
 * before log_setup (then: info, text). Code in common/ logs at debug only.
 */

#include "common/base/buf.h"

enum log_level {
	LOG_LEVEL_ERROR,   /* an operation failed */
	LOG_LEVEL_WARNING, /* went on without */
	LOG_LEVEL_NOTICE,  /* the operator should know */
	LOG_LEVEL_INFO,    /* normal milestones */
	LOG_LEVEL_DEBUG,   /* transitions */
	LOG_LEVEL__COUNT,
};

#define LOG_LINE_MAX 2048 /* longer lines are cut, and end in "..." */
#define LOG_VALUE_MAX 256 /* of a foreign value, after escaping */
#define LOG_SITE_BURST 20
#define LOG_SITE_MS 10000

enum log_prefix {
	LOG_PREFIX_AUTO, /* as the environment says */
	LOG_PREFIX_ON,
	LOG_PREFIX_OFF,
};

struct log_params {
	enum log_level level; /* the least important that is written */
	bool json;
	enum log_prefix prefix;
	const char *program; /* named in each line, NULL: not; must live on */
	int fd;              /* 0: stderr */
};

void log_setup(const struct log_params *params);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Ends with NULL, as the choices of a configuration do. */
extern const char *const log_level_names[LOG_LEVEL__COUNT + 1];
const char *log_level_name(enum log_level level);
/* "error" ... "debug"; ERR_INVALID lists them. */
NODISCARD int log_level_parse(const char *name, enum log_level *out, struct err *err);

/* The rate limit of one call site; zeroed static storage. */
struct log_site {
	uint64_t window_start; /* monotonic ms */
	unsigned written, left_out;
};

void log_write(struct log_site *site, enum log_level level, const char *subsystem, const char *fmt,
    ...) PRINTF_LIKE(4, 5);

#define LOG_AT(level, subsystem, ...)                                                              \
	do {                                                                                       \
		static struct log_site log_site_;                                                  \
		if (log_enabled(level))                                                            \
			log_write(&log_site_, (level), (subsystem), __VA_ARGS__);                  \
	} while (0)

#define log_error(subsystem, ...) LOG_AT(LOG_LEVEL_ERROR, subsystem, __VA_ARGS__)
#define log_warning(subsystem, ...) LOG_AT(LOG_LEVEL_WARNING, subsystem, __VA_ARGS__)
#define log_notice(subsystem, ...) LOG_AT(LOG_LEVEL_NOTICE, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...) LOG_AT(LOG_LEVEL_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...) LOG_AT(LOG_LEVEL_DEBUG, subsystem, __VA_ARGS__)

/* Foreign text in quotes, escaped and cut, for a "%s"; lives as long as the enclosing block. */
#define LOG_QUOTED(text) log_quote(span_str(text), (char[LOG_VALUE_MAX]){0})
#define LOG_QUOTED_SPAN(text) log_quote((text), (char[LOG_VALUE_MAX]){0})

const char *log_quote(struct span text, char out[static LOG_VALUE_MAX]);

#endif
