#ifndef TESTS_UNIT_SERVER_HEALTH_STAGE_H
#define TESTS_UNIT_SERVER_HEALTH_STAGE_H

/* A manager at work with one node, web1, whose words and looks from outside are the test's. */

#include "common/wire/link_messages.h"
#include "server/health/health.h"
#include "tests/support/office.h"
#include "tests/support/outside.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"
#define LOOKS_MAX 64

struct look {
	struct check_target target;
	char name[256];
	check_done_cb *done;
	void *arg;
	bool open;
};

struct stage {
	struct office o;
	struct outside ca;
	char host_roots[64]; /* a file with the root of ca */
	struct health *health;
	/* what web1 says */
	bool has_told, has_receipt;
	struct receipt receipt;
	/* looks that were begun */
	struct look looks[LOOKS_MAX];
	size_t look_count;
	int refusal; /* of the next look */
	/* what was told */
	char told[4096];
	/* the end of a check */
	bool checked;
	int status;
	size_t result_count;
	struct check_result results[LIMIT_CHECKS];
};

int stage_setup(void **state);
int stage_teardown(void **state);

/* A credential with access for web1. */
void stage_add(struct stage *s, const char *name);
void stage_pass(struct stage *s, int64_t seconds);
/* Days at a stroke: what is due in between is done late. */
void stage_sleep_days(struct stage *s, int64_t days);
/* web1 says that it serves the generation in force. */
void stage_serve_active(struct stage *s, const char *name);
/* The grade, with a reason of that code ("": any). */
enum health_grade stage_grade(struct stage *s, const char *name, const char *code);

extern const char *const web1[];

#define OK(call) assert_int_equal((s->o.called = false, office_wait(&s->o, (call))), 0)

#define TOLD(text)                                                                                 \
	do {                                                                                       \
		assert_string_equal(s->told, text);                                                \
		s->told[0] = '\0';                                                                 \
	} while (0)

int run_looks_tests(void);

#endif
