/* What a receiver is configured as. */

#include "common/base/str.h"
#include "common/sys/file.h"
#include "server/events/receiver_priv.h"

#include <string.h>
#include <unistd.h>

bool
event_pattern_fits(const char *pattern, const char *kind)
{
	size_t n = strlen(pattern);

	if (str_equal(pattern, "*"))
		return true;
	if (n > 2 && str_equal(pattern + n - 2, ".*"))
		return strncmp(pattern, kind, n - 1) == 0;
	return str_equal(pattern, kind);
}

int
event_pattern_check(const char *text, struct err *err)
{
	for (unsigned i = 0; i < EVENT__COUNT; i++)
		if (event_pattern_fits(text, event_kind_name((enum event_kind)i)))
			return 0;
	return err_set(err, ERR_INVALID,
	    "no event is called '%.60s'; docs/events.md lists them, and 'credential.*' stands for "
	    "several",
	    text);
}

static int
check_files(const struct event_receiver *s, struct err *err)
{
	AUTO(fd_closep)
	int fd = -1;

	if (s->command.count > 0 && access(s->command.items[0], X_OK) != 0)
		return err_set(err, ERR_NOTFOUND,
		    "'%.200s' is not there, or cannot be executed by this user",
		    s->command.items[0]);
	return s->secret_file != NULL ? file_open_private(s->secret_file, &fd, err) : 0;
}

static int
check_one(const struct event_receiver *s, bool whole, struct err *err)
{
	if ((s->command.count > 0) == (s->webhook != NULL))
		return err_set(err, ERR_INVALID, "give either command or webhook");
	if (s->command.count > 0 && s->command.items[0][0] != '/')
		return err_set(err, ERR_INVALID,
		    "command: '%.100s' is not an absolute path; nothing is searched for, and no "
		    "shell is used",
		    s->command.items[0]);
	if (s->command.count > 0 && s->secret_file != NULL)
		return err_set(err, ERR_INVALID, "secret-file: it signs what goes to a webhook");
	if (s->webhook != NULL && !str_starts(s->webhook, "https://") &&
	    !str_starts(s->webhook, "http://"))
		return err_set(err, ERR_INVALID,
		    "webhook: '%.100s' does not begin with https:// or http://", s->webhook);
	if (s->webhook != NULL && strchr(s->webhook, '@') != NULL)
		return err_set(err, ERR_INVALID,
		    "webhook: no user or password belongs into an address; use secret-file");
	return whole ? check_files(s, err) : 0;
}

int
event_receiver_check(const struct event_receiver *receiver, bool whole, struct err *err)
{
	int r = 0;

	if (receiver->name[0] == '\0' || strlen(receiver->name) > LOCAL_RECEIVER_MAX)
		r = err_set(err, ERR_INVALID, "its name has 1 to %d bytes", LOCAL_RECEIVER_MAX);
	if (r == 0)
		r = check_one(receiver, whole, err);
	return r < 0 ? err_wrap(err, "events \"%.64s\"", receiver->name) : 0;
}
