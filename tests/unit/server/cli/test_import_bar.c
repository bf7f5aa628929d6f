/* The text of the progress bar, on terminals of any width. */

#include "server/cli/import.h"

#include "common/base/str.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
test_lines(void **state)
{
	static const struct {
		struct import_bar_state s;
		size_t width;
		const char *line;
	} cases[] = {
	    {{0, 10000, 0}, 79, "[                        ] 0 of 10000"},
	    {{4200, 10000, 999}, 79, "[##########              ] 4200 of 10000"},
	    {{4200, 10000, 4000}, 79,
		"[##########              ] 4200 of 10000, 1050 a second, 6 s left"},
	    {{4200, 10000, 4000}, 300,
		"[##########              ] 4200 of 10000, 1050 a second, 6 s left"},
	    {{10000, 10000, 4000}, 79, "[########################] 10000 of 10000, 2500 a second"},
	    {{4200, 10000, 4000}, 49, "[###     ] 4200 of 10000, 1050 a second, 6 s left"},
	    {{4200, 10000, 4000}, 48, "[#######          ] 4200 of 10000, 1050 a second"},
	    {{4200, 10000, 4000}, 38, "[#########             ] 4200 of 10000"},
	    {{4200, 10000, 4000}, 23, "[####      ] 4200/10000"},
	    {{4200, 10000, 4000}, 20, "4200 of 10000"},
	    {{4200, 10000, 4000}, 12, "4200/10000"},
	    {{4200, 10000, 4000}, 5, "4200/"},
	    {{4200, 10000, 4000}, 0, ""},
	    {{0, 0, 0}, 79, "[########################] 0 of 0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char line[IMPORT_BAR_MAX];

		import_bar_line(&cases[i].s, cases[i].width, line);
		assert_string_equal(line, cases[i].line);
	}
}

/* Never wider than the terminal, whatever is done. */
static void
test_widths(void **state)
{
	(void)state;
	for (size_t width = 0; width < 200; width++)
		for (size_t done = 0; done <= 100000; done += 997) {
			const struct import_bar_state s = {done, 100000, done * 3};
			char line[IMPORT_BAR_MAX];

			import_bar_line(&s, width, line);
			assert_true(strlen(line) <= width);
			assert_null(strchr(line, '\n'));
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_widths),
	};

	return cmocka_run_group_tests_name("import bar", tests, NULL, NULL);
}
