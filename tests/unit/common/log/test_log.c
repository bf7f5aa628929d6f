#include "common/log/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int out_fd;
static char out[256 * 1024];

static int
setup(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	unsetenv("INVOCATION_ID");
	out_fd = memfd_create("log", MFD_CLOEXEC);
	return out_fd < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	return close(out_fd);
}

static void
start(struct log_params params)
{
	params.fd = out_fd;
	log_setup(&params);
	assert_int_equal(ftruncate(out_fd, 0), 0);
	lseek(out_fd, 0, SEEK_SET);
}

static const char *
written(void)
{
	ssize_t n = pread(out_fd, out, sizeof(out) - 1, 0);

	assert_true(n >= 0);
	out[n] = '\0';
	return out;
}

static size_t
lines(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void
test_text(void **state)
{
	(void)state;
	start((struct log_params){.level = LOG_LEVEL_INFO, .program = "certherd-x"});
	log_info("commit", "records=%d", 3);
	log_debug("commit", "hidden");
	assert_int_equal(written()[10], 'T');
	assert_int_equal(written()[23], 'Z');
	assert_string_equal(written() + 24, " info certherd-x commit: records=3\n");
}

static void
test_prefixes(void **state)
{
	static const char *const expected = "<3>a: e\n<4>a: w\n<5>a: n\n<6>a: i\n<7>a: d\n";

	(void)state;
	start((struct log_params){.level = LOG_LEVEL_DEBUG, .prefix = LOG_PREFIX_ON});
	log_error("a", "e");
	log_warning("a", "w");
	log_notice("a", "n");
	log_info("a", "i");
	log_debug("a", "d");
	assert_string_equal(written(), expected);

	setenv("INVOCATION_ID", "1", 1);
	start((struct log_params){.level = LOG_LEVEL_INFO, .prefix = LOG_PREFIX_AUTO});
	unsetenv("INVOCATION_ID");
	log_info("a", "i");
	assert_string_equal(written(), "<6>a: i\n");
}

static void
test_json(void **state)
{
	(void)state;
	start((struct log_params){.level = LOG_LEVEL_INFO, .json = true});
	log_warning("http", "peer=%s", LOG_QUOTED("a\"b\\c\n"));
	assert_non_null(strstr(written(),
	    ",\"level\":\"warning\",\"subsystem\":\"http\","
	    "\"text\":\"peer=\\\"a\\\\\\\"b\\\\\\\\c\\\\x0a\\\"\"}\n"));
}

static void
test_foreign_text_stays_in_its_line(void **state)
{
	(void)state;
	start((struct log_params){.level = LOG_LEVEL_INFO, .prefix = LOG_PREFIX_ON});
	log_info("a", "%s", "x\n<3>forged: y\x1b[31m\xc3\xa4");
	log_info("a", "name=%s", LOG_QUOTED("\" state=ok"));
	assert_string_equal(written(),
	    "<6>a: x\\x0a<3>forged: y\\x1b[31m\\xc3\\xa4\n"
	    "<6>a: name=\"\\\" state=ok\"\n");
}

static void
test_quote_is_bounded(void **state)
{
	static const struct {
		char fill;
		size_t len, out_len;
		bool cut;
	} cases[] = {
	    {'a', 0, 2, false},
	    {'a', 250, 252, false},
	    {'a', 251, 255, true},
	    {'a', 4000, 255, true},
	    {'\n', 62, 250, false},
	    {'\n', 63, 253, true},
	    {'\n', 4000, 253, true},
	};
	char text[4000], quoted[LOG_VALUE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		memset(text, cases[i].fill, sizeof(text));
		log_quote(SPAN(text, cases[i].len), quoted);
		assert_int_equal(strlen(quoted), cases[i].out_len);
		assert_int_equal(strstr(quoted, "...\"") != NULL, cases[i].cut);
	}
}

static void
test_long_lines_are_cut(void **state)
{
	char text[3 * LOG_LINE_MAX];
	size_t len;

	(void)state;
	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	start((struct log_params){.level = LOG_LEVEL_INFO, .json = true});
	log_info("a", "%s", text);
	len = strlen(written());
	assert_string_equal(out + len - 6, "...\"}\n");
	assert_int_equal(lines(out), 1);
}

static void
log_once(int i)
{
	log_info("a", "i=%d", i);
}

static void
test_site_is_limited(void **state)
{
	struct log_site site = {0};

	(void)state;
	start((struct log_params){.level = LOG_LEVEL_DEBUG, .prefix = LOG_PREFIX_ON});
	for (int i = 0; i < LOG_SITE_BURST + 30; i++)
		log_once(i);
	log_info("b", "another site");
	assert_int_equal(lines(written()), LOG_SITE_BURST + 1);

	start((struct log_params){.level = LOG_LEVEL_DEBUG, .prefix = LOG_PREFIX_ON});
	for (int i = 0; i < LOG_SITE_BURST + 2; i++)
		log_write(&site, LOG_LEVEL_INFO, "a", "i=%d", i);
	site.window_start -= LOG_SITE_MS; /* as if that time had gone by */
	log_write(&site, LOG_LEVEL_INFO, "a", "again");
	assert_non_null(strstr(written(), "<6>a: again (2 like this were left out)\n"));

	start((struct log_params){.level = LOG_LEVEL_DEBUG, .prefix = LOG_PREFIX_ON});
	for (int i = 0; i < LOG_SITE_BURST + 30; i++)
		log_debug("a", "debug has no limit");
	assert_int_equal(lines(written()), LOG_SITE_BURST + 30);
}

static void
test_level_names(void **state)
{
	enum log_level level;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < LOG_LEVEL__COUNT; i++) {
		assert_int_equal(
		    log_level_parse(log_level_name((enum log_level)i), &level, &err), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("loud", &level, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "notice"));
}

static void *
log_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++)
		log_debug("thread", "%s", "0123456789012345678901234567890123456789");
	return NULL;
}

static void
test_threads_do_not_mix_lines(void **state)
{
	pthread_t threads[4];

	(void)state;
	start((struct log_params){.level = LOG_LEVEL_DEBUG, .prefix = LOG_PREFIX_ON});
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(lines(written()), 200 * ARRAY_LEN(threads));
	for (const char *p = out; *p != '\0'; p = strchr(p, '\n') + 1)
		assert_memory_equal(p, "<7>thread: 0123456789012345678901234567890123456789\n", 52);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_prefixes),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_foreign_text_stays_in_its_line),
	    cmocka_unit_test(test_quote_is_bounded),
	    cmocka_unit_test(test_long_lines_are_cut),
	    cmocka_unit_test(test_site_is_limited),
	    cmocka_unit_test(test_level_names),
	    cmocka_unit_test(test_threads_do_not_mix_lines),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
