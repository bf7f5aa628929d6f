/* The signer as a process: its life, its death, and what it does with a sick main. */

#include "tests/unit/server/signer/stage.h"

#include "common/crypto/sign.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/unix.h"
#include "server/signer/serve.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Every operation that makes a key or a signature, in the closed sandbox. */
static void
test_works_in_its_sandbox(void **state)
{
	static const char *const types[] = {
	    "ec-p256", "ec-p384", "ec-p521", "rsa-2048", "rsa-3072", "ed25519"};
	struct stage s;
	struct signer_request r, bad;
	struct buf csr = BUF_INIT(4096);
	struct pkey *key = NULL;

	(void)state;
	stage_prepare(&s);
	stage_start(&s);
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		r = stage_issue_request(&s, types[i]);
		assert_int_equal(stage_ask(&s, &r), 0);
		r = world_request(&s.w.manager.id, types[i]);
		assert_int_equal(stage_ask(&s, &r), 0);
	}
	bad = stage_issue_request(&s, "dsa");
	assert_int_equal(stage_ask(&s, &bad), ERR_INVALID);
	r = (struct signer_request){.op = SIGNER_MAKE_CA};
	r.make_ca = (struct signer_make_ca){.ca = {.version = 1},
	    .name = "another",
	    .key_type = "rsa-2048",
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 86400};
	id_random(&r.make_ca.ca.id);
	assert_int_equal(stage_ask(&s, &r), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
	assert_int_equal(csr_make(key, "web1", &csr, NULL), 0);
	r = (struct signer_request){.op = SIGNER_ISSUE_IDENTITY};
	r.issue_identity = (struct signer_issue_identity){.csr = buf_span(&csr),
	    .name = "web1",
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 86400,
	    .manager_certificate = cert_der(s.w.manager_cert)};
	id_random(&r.issue_identity.node);
	assert_int_equal(stage_ask(&s, &r), 0);
	assert_int_equal(stage_ask_head(&s, 1), 0);
	assert_int_equal(stage_ask_head(&s, 1), ERR_DENIED);
	pkey_unref(key);
	buf_fini(&csr);
	stage_fini(&s);
}

/* What the kernel says of the process: filtered in every thread, and nothing open but its socket.
 */
static void
check_status(pid_t pid, const char *task)
{
	char path[128], line[256];
	bool filtered = false, no_new = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, task);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		filtered |= strcmp(line, "Seccomp:\t2\n") == 0;
		no_new |= strcmp(line, "NoNewPrivs:\t1\n") == 0;
	}
	fclose(f);
	assert_true(filtered && no_new);
}

static unsigned
entries_of(pid_t pid, const char *what, void (*each)(pid_t, const char *))
{
	char path[64];
	struct dirent *e;
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		count++;
		if (each != NULL)
			each(pid, e->d_name);
	}
	closedir(dir);
	return count;
}

/* And it leaves to main what a terminal or a service manager tells the whole group. */
static void
test_what_it_may(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct signer_process_stats stats;
	struct stage s;
	unsigned fds;

	(void)state;
	stage_prepare(&s);
	stage_start(&s);
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	signer_process_stats(s.signer, &stats);
	assert_true(stats.ready && stats.pid > 0 && stats.starts == 1);
	assert_true(entries_of(stats.pid, "task", check_status) >= 4);
	/* 0, 1, 2 and the socket; the key file is closed. Unreadable for who is not root. */
	fds = entries_of(stats.pid, "fd", NULL);
	assert_true(fds == 0 || fds == 4);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		assert_int_equal(kill(stats.pid, signals[i]), 0);
		assert_int_equal(stage_ask_head(&s, i + 1), 0);
	}
	assert_int_equal(s.lost, 0);
	stage_fini(&s);
}

static bool
is_pending(void *arg)
{
	struct signer_process_stats stats;

	signer_process_stats(((struct stage *)arg)->signer, &stats);
	return stats.pending > 0;
}

static void
test_killed_in_the_middle(void **state)
{
	struct signer_process_stats stats;
	struct stage s;
	struct signer_request slow, quick;
	struct ask a[3], refused;
	struct buf bytes = BUF_INIT(LIMIT_SIGNER_FRAME);

	(void)state;
	stage_prepare(&s);
	stage_start(&s);
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	for (unsigned round = 1; round <= 2; round++) {
		slow = stage_issue_request(&s, "rsa-4096");
		quick = stage_issue_request(&s, "ec-p256");
		stage_submit(&s, &a[0], &slow);
		stage_submit(&s, &a[1], &slow);
		stage_submit(&s, &a[2], &slow);
		assert_true(is_pending(&s));
		signer_process_stats(s.signer, &stats);
		assert_int_equal(kill(stats.pid, SIGKILL), 0);
		for (size_t i = 0; i < ARRAY_LEN(a); i++) {
			assert_true(wait_until(s.loop, wait_flag, &a[i].called));
			if (a[i].status != 0) {
				assert_int_equal(a[i].status, ERR_UNAVAIL);
				assert_non_null(strstr(a[i].err.text, "died"));
			}
			buf_fini(&a[i].done);
		}
		assert_int_equal(s.lost, round);
		/* Not there: refused at once, and nothing comes later. */
		assert_int_equal(wire_signer_request_encode(&quick, &bytes, NULL), 0);
		refused = (struct ask){.call = {.cb = stage_answered, .arg = &refused}};
		assert_int_equal(
		    signer_submit(s.signer, &refused.call, buf_span(&bytes), NULL), ERR_UNAVAIL);
		buf_clear(&bytes);
		assert_true(wait_until(s.loop, wait_flag, &s.ready));
		assert_int_equal(stage_ask(&s, &quick), 0);
		assert_false(refused.called);
	}
	signer_process_stats(s.signer, &stats);
	assert_int_equal(stats.starts, 3);
	buf_fini(&bytes);
	stage_fini(&s);
}

static bool
is_next_one(void *arg)
{
	struct signer_process_stats stats;

	signer_process_stats(((struct stage *)arg)->signer, &stats);
	return stats.starts == 2;
}

/*
 * A change that becomes durable while the next signer is being told what there was before it: what
 * it says is not lost, and what follows sees it.
 */
static void
test_told_while_it_learns(void **state)
{
	struct signer_request learn = {.op = SIGNER_LEARN}, issue;
	struct signer_process_stats stats;
	struct world_node late;
	struct ask told, issued;
	struct stage s;

	(void)state;
	stage_prepare(&s);
	stage_start(&s);
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	signer_process_stats(s.signer, &stats);
	assert_int_equal(kill(stats.pid, SIGKILL), 0);
	assert_true(wait_until(s.loop, is_next_one, &s));
	assert_false(s.ready);
	late = world_add_node(&s.w, "late");
	learn.learn.records = (struct signed_list){&late.record->bytes, 1};
	stage_submit(&s, &told, &learn);
	issue = stage_issue_request(&s, "ec-p256");
	issue.issue.access = (struct ids){&late.id, 1};
	stage_submit(&s, &issued, &issue);
	assert_true(wait_until(s.loop, wait_flag, &issued.called));
	assert_true(told.called && told.status == 0);
	assert_int_equal(issued.status, 0);
	buf_fini(&told.done);
	buf_fini(&issued.done);
	world_node_fini(&late);
	stage_fini(&s);
}

/* The memberships of a large domain are more than may wait to be written at once. */
static void
test_long_introduction(void **state)
{
	struct signer_request learn = {.op = SIGNER_LEARN}, issue;
	struct buf sealed = BUF_INIT(LIMIT_SEALED), public = BUF_INIT(LIMIT_PUBLIC);
	struct buf bytes = BUF_INIT(LIMIT_SIGNER_FRAME);
	const struct key_id key = {{1}};
	const struct span ids[] = {SPAN_OF(key.bytes)};
	struct membership_public of_another = {.group = {{1}}, .node = {{2}}, .key_ids = {ids, 1}};
	struct signed_bytes items[4];
	struct world_record *record;
	struct stage s;

	(void)state;
	stage_prepare(&s);
	assert_int_equal(wire_membership_public_encode(&of_another, &public, NULL), 0);
	while (sealed.len < LIMIT_SEALED)
		buf_put_u8(&sealed, 7);
	record = world_sign(&s.w,
	    &(struct world_draft){.kind = KIND_MEMBERSHIP,
		.id = wire_membership_id(&of_another.group, &of_another.node),
		.version = 1,
		.name = "",
		.public_part = buf_span(&public),
		.sealed = buf_span(&sealed)});
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		items[i] = record->bytes;
	learn.learn.records = (struct signed_list){items, ARRAY_LEN(items)};
	assert_int_equal(wire_signer_request_encode(&learn, &bytes, NULL), 0);
	s.more = &bytes;
	s.more_count = (80U << 20) / bytes.len;
	stage_start(&s);
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	assert_int_equal(s.lost, 0);
	issue = stage_issue_request(&s, "ec-p256");
	assert_int_equal(stage_ask(&s, &issue), 0);
	stage_fini(&s);
	buf_fini(&sealed);
	buf_fini(&public);
	buf_fini(&bytes);
}

/* Whatever that next one says against its start: for others it is not there, and may come back. */
static void
test_held_by_one_that_does_not_start(void **state)
{
	struct signer_process_stats stats;
	struct signer_request issue;
	struct ask held;
	struct stage s;

	(void)state;
	stage_prepare(&s);
	stage_start(&s);
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	s.wrong_start = true;
	signer_process_stats(s.signer, &stats);
	assert_int_equal(kill(stats.pid, SIGKILL), 0);
	assert_true(wait_until(s.loop, is_next_one, &s));
	issue = stage_issue_request(&s, "ec-p256");
	stage_submit(&s, &held, &issue);
	assert_true(wait_until(s.loop, wait_flag, &held.called));
	assert_int_equal(held.status, ERR_UNAVAIL);
	buf_fini(&held.done);
	stage_fini(&s);
}

/* Signing goes on while RSA keys are made. */
static void
test_nothing_before_a_signature(void **state)
{
	struct stage s;
	struct signer_request slow;
	struct ask a[4];
	unsigned beats = 0, finished = 0;

	(void)state;
	stage_prepare(&s);
	stage_start(&s);
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	slow = stage_issue_request(&s, "rsa-3072");
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		stage_submit(&s, &a[i], &slow);
	for (; beats < 20; beats++)
		assert_int_equal(stage_ask_head(&s, beats + 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		finished += a[i].called;
	assert_true(finished < ARRAY_LEN(a));
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		assert_true(wait_until(s.loop, wait_flag, &a[i].called));
		assert_int_equal(a[i].status, 0);
		buf_fini(&a[i].done);
	}
	stage_fini(&s);
}

static void
test_closed_in_the_middle(void **state)
{
	struct stage s;
	struct signer_request quick;
	struct ask a;

	(void)state;
	stage_prepare(&s);
	stage_start(&s);
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	quick = stage_issue_request(&s, "rsa-2048");
	stage_submit(&s, &a, &quick);
	stage_fini(&s);
	assert_true(a.called);
	assert_int_equal(a.status, ERR_CANCELED);
	assert_int_equal(s.lost, 0);
	buf_fini(&a.done);
}

static bool
lost_twice(void *arg)
{
	return ((struct stage *)arg)->lost >= 2;
}

/* A start that is refused: tried again, with the reason. */
static void
test_refused_start(void **state)
{
	struct stage s;

	(void)state;
	stage_prepare(&s);
	s.wrong_start = true;
	stage_start(&s);
	assert_true(wait_until(s.loop, lost_twice, &s));
	assert_false(s.ready);
	s.wrong_start = false;
	assert_true(wait_until(s.loop, wait_flag, &s.ready));
	stage_fini(&s);
}

static void
test_no_program_no_keys(void **state)
{
	struct signer_process_params params;
	struct stage s;

	(void)state;
	stage_prepare(&s);
	params = (struct signer_process_params){.loop = s.loop,
	    .path = SIGNER_PROGRAM,
	    .argv = stage_program,
	    .key_path = "/tmp/there/is/none",
	    .introduce = stage_introduce,
	    .arg = &s};
	assert_int_equal(signer_process_new(&params, &s.signer, NULL), ERR_NOTFOUND);
	params.key_path = s.keys;
	params.path = "/tmp/there/is/none";
	assert_true(signer_process_new(&params, &s.signer, NULL) < 0);
	assert_null(s.signer);
	stage_fini(&s);
}

/* --- frames by hand --- */

static pid_t
spawn_by_hand(struct stage *s, int *socket)
{
	int pair[2], key = -1;
	pid_t pid = 0;

	assert_int_equal(sys_socketpair(pair, NULL), 0);
	assert_int_equal(file_open_private(s->keys, &key, NULL), 0);
	const struct spawn_fd fds[] = {{pair[1], SIGNER_SOCKET_FD}, {key, SIGNER_KEY_FD}};
	const struct spawn_params params = {
	    .path = SIGNER_PROGRAM, .argv = stage_program, .fds = fds, .fd_count = 2};
	assert_int_equal(spawn_exec(&params, &pid, NULL), 0);
	close(pair[1]);
	close(key);
	*socket = pair[0];
	return pid;
}

static void
put_frame(struct buf *out, const struct signer_request *r)
{
	struct buf bytes = BUF_INIT(LIMIT_SIGNER_FRAME);

	assert_int_equal(wire_signer_request_encode(r, &bytes, NULL), 0);
	buf_put_be32(out, (uint32_t)bytes.len);
	buf_put_span(out, buf_span(&bytes));
	buf_fini(&bytes);
}

static void
test_sick_main(void **state)
{
	static const char *const names[] = {"closed at once", "half a length", "half a frame",
	    "empty frame", "oversize frame", "garbage", "request before start", "second start",
	    "closed in good order"};
	struct stage s;
	struct signed_designation d;
	struct signer_request start, early;

	(void)state;
	stage_prepare(&s);
	start = world_start_request(&s.w, &d);
	early = stage_issue_request(&s, "ec-p256");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		bool good = i == 0 || i == ARRAY_LEN(names) - 1;
		struct buf out = BUF_INIT(LIMIT_SIGNER_FRAME);
		struct process_end end;
		int fd;
		pid_t pid = spawn_by_hand(&s, &fd);

		switch (i) {
		case 1:
			buf_put(&out, "\0\0", 2);
			break;
		case 2:
			buf_put(&out, "\0\0\0\11half", 8);
			break;
		case 3:
			buf_put_be32(&out, 0);
			break;
		case 4:
			buf_put_be32(&out, LIMIT_SIGNER_FRAME + 1);
			break;
		case 5:
			buf_put(&out, "\0\0\0\4\377\377\377\377", 8);
			break;
		case 6:
			put_frame(&out, &early);
			break;
		case 7:
			put_frame(&out, &start);
			put_frame(&out, &start);
			break;
		default:
			if (i > 0)
				put_frame(&out, &start);
			break;
		}
		/* It may end before it has read everything. */
		(void)!send(fd, out.data, out.len, MSG_NOSIGNAL);
		(void)shutdown(fd, SHUT_WR);
		assert_int_equal(process_reap(pid, true, &end, NULL), 0);
		if (!end.exited || end.status != (good ? 0 : 1)) {
			char text[64];

			fail_msg("%s: %s", names[i], process_end_text(&end, text));
		}
		close(fd);
		buf_fini(&out);
	}
	stage_fini(&s);
}

int
run_process_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_works_in_its_sandbox),
	    cmocka_unit_test(test_what_it_may),
	    cmocka_unit_test(test_killed_in_the_middle),
	    cmocka_unit_test(test_long_introduction),
	    cmocka_unit_test(test_told_while_it_learns),
	    cmocka_unit_test(test_held_by_one_that_does_not_start),
	    cmocka_unit_test(test_nothing_before_a_signature),
	    cmocka_unit_test(test_closed_in_the_middle),
	    cmocka_unit_test(test_refused_start),
	    cmocka_unit_test(test_no_program_no_keys),
	    cmocka_unit_test(test_sick_main),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
