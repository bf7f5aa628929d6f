#include "common/log/log.h"

#include "common/base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What a line may take in the end: each byte of it as \\xNN in JSON, and what stands around it. */
#define LOG_OUT_MAX (5 * LOG_LINE_MAX + 512)

const char *const log_level_names[LOG_LEVEL__COUNT + 1] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_NOTICE] = "notice",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};
/* Of syslog, as systemd reads it. */
static const char priorities[] = {
    [LOG_LEVEL_ERROR] = '3',
    [LOG_LEVEL_WARNING] = '4',
    [LOG_LEVEL_NOTICE] = '5',
    [LOG_LEVEL_INFO] = '6',
    [LOG_LEVEL_DEBUG] = '7',
};
_Static_assert(ARRAY_LEN(priorities) == LOG_LEVEL__COUNT, "every level has its priority");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int level_now = LOG_LEVEL_INFO;
static struct log_params setup = {.fd = STDERR_FILENO};
static bool with_prefix;

void
log_setup(const struct log_params *params)
{
	pthread_mutex_lock(&lock);
	setup = *params;
	if (setup.fd == 0)
		setup.fd = STDERR_FILENO;
	switch (params->prefix) {
	case LOG_PREFIX_ON:
		with_prefix = true;
		break;
	case LOG_PREFIX_OFF:
		with_prefix = false;
		break;
	case LOG_PREFIX_AUTO:
		with_prefix = getenv("JOURNAL_STREAM") != NULL || getenv("INVOCATION_ID") != NULL;
		break;
	}
	pthread_mutex_unlock(&lock);
	log_set_level(params->level);
}

void
log_set_level(enum log_level level)
{
	CHECK(level < LOG_LEVEL__COUNT);
	atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

bool
log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

const char *
log_level_name(enum log_level level)
{
	CHECK(level < LOG_LEVEL__COUNT);
	return log_level_names[level];
}

int
log_level_parse(const char *name, enum log_level *out, struct err *err)
{
	for (unsigned i = 0; i < LOG_LEVEL__COUNT; i++) {
		if (str_equal(log_level_names[i], name)) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
	    "log level '%.32s' is not one of error, warning, notice, info, debug", name);
}

const char *
log_quote(struct span text, char out[static LOG_VALUE_MAX])
{
	/* Room for the quotes, "..." and the NUL, and no more of the text than fits if each byte of
	 * it became \xNN. */
	struct buf b = BUF_INIT(LOG_VALUE_MAX);
	size_t most = (LOG_VALUE_MAX - 6) / 4;
	size_t take = text.len;
	size_t plain = 0;

	/* Text that needs no escaping may be as long as the place is. */
	while (plain < text.len && text.data[plain] >= ' ' && text.data[plain] < 0x7f &&
	    text.data[plain] != '"' && text.data[plain] != '\'' && text.data[plain] != '\\')
		plain++;
	if (plain == text.len)
		most = LOG_VALUE_MAX - 6;
	if (take > most)
		take = most;
	buf_put_u8(&b, '"');
	str_put_escaped(&b, SPAN(text.data, take), take);
	if (take < text.len)
		buf_put_str(&b, "...");
	buf_put_u8(&b, '"');
	CHECK(b.len < LOG_VALUE_MAX);
	memcpy(out, buf_str(&b), b.len + 1);
	buf_fini(&b);
	return out;
}

/* A line under construction in a fixed place; what does not fit is left out. */
struct line {
	char text[LOG_OUT_MAX];
	size_t len;
};

static void
put(struct line *l, const char *text)
{
	size_t n = strlen(text);

	if (n > sizeof(l->text) - l->len)
		n = sizeof(l->text) - l->len;
	memcpy(l->text + l->len, text, n);
	l->len += n;
}

static void
put_byte(struct line *l, char c)
{
	if (l->len < sizeof(l->text))
		l->text[l->len++] = c;
}

/* The last guard: whatever was formatted, one event stays one line of printable ASCII. */
static void
put_clean(struct line *l, const char *text, bool json)
{
	static const char digits[] = "0123456789abcdef";

	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (json && (c == '"' || c == '\\'))
			put_byte(l, '\\');
		if (c >= ' ' && c < 0x7f) {
			put_byte(l, (char)c);
			continue;
		}
		put(l, json ? "\\\\x" : "\\x");
		put_byte(l, digits[c >> 4]);
		put_byte(l, digits[c & 15]);
	}
}

static void
put_time(struct line *l)
{
	char seconds[TIME_TEXT_MAX], millis[8];
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	time_text(ts.tv_sec, seconds);
	seconds[strlen(seconds) - 1] = '\0'; /* the Z comes behind the milliseconds */
	put(l, seconds);
	snprintf(millis, sizeof(millis), ".%03dZ", (int)(ts.tv_nsec / 1000000));
	put(l, millis);
}

static void
put_text_line(struct line *l, enum log_level level, const char *subsystem, const char *text)
{
	if (with_prefix) {
		put_byte(l, '<');
		put_byte(l, priorities[level]);
		put_byte(l, '>');
	} else {
		put_time(l);
		put_byte(l, ' ');
		put(l, log_level_names[level]);
		put_byte(l, ' ');
		if (setup.program != NULL) {
			put(l, setup.program);
			put_byte(l, ' ');
		}
	}
	put(l, subsystem);
	put(l, ": ");
	put_clean(l, text, false);
}

static void
put_json_line(struct line *l, enum log_level level, const char *subsystem, const char *text)
{
	put(l, "{\"time\":\"");
	put_time(l);
	put(l, "\",\"level\":\"");
	put(l, log_level_names[level]);
	if (setup.program != NULL) {
		put(l, "\",\"program\":\"");
		put_clean(l, setup.program, true);
	}
	put(l, "\",\"subsystem\":\"");
	put(l, subsystem);
	put(l, "\",\"text\":\"");
	put_clean(l, text, true);
	put(l, "\"}");
}

/* Whether this line may be written; *left_out lines before it were not. */
static bool
site_passes(struct log_site *site, enum log_level level, unsigned *left_out)
{
	struct timespec ts;
	uint64_t now;

	*left_out = 0;
	if (level == LOG_LEVEL_DEBUG)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (site->written == 0 || now - site->window_start >= LOG_SITE_MS) {
		*left_out = site->left_out;
		*site = (struct log_site){.window_start = now};
	}
	if (site->written >= LOG_SITE_BURST) {
		site->left_out++;
		return false;
	}
	site->written++;
	return true;
}

static void
write_line(const struct line *l)
{
	size_t at = 0;

	/* A log that cannot be written has nobody to be told. */
	while (at < l->len) {
		ssize_t n = write(setup.fd, l->text + at, l->len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

void
log_write(struct log_site *site, enum log_level level, const char *subsystem, const char *fmt, ...)
{
	char text[LOG_LINE_MAX], more[64];
	int saved = errno;
	unsigned left_out;
	va_list ap;
	int n;

	CHECK(level < LOG_LEVEL__COUNT);
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		text[0] = '\0';
	if (n >= (int)sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);

	pthread_mutex_lock(&lock);
	if (site_passes(site, level, &left_out)) {
		struct line l = {.len = 0};

		if (setup.json)
			put_json_line(&l, level, subsystem, text);
		else
			put_text_line(&l, level, subsystem, text);
		/* Room was kept for this: LOG_OUT_MAX counts five bytes for one of the text. */
		if (left_out > 0 && !setup.json) {
			snprintf(more, sizeof(more), " (%u like this were left out)", left_out);
			put(&l, more);
		} else if (left_out > 0) {
			l.len--;
			snprintf(more, sizeof(more), ",\"left_out\":%u}", left_out);
			put(&l, more);
		}
		put_byte(&l, '\n');
		write_line(&l);
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
}
