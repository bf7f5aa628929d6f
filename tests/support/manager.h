#ifndef TESTS_SUPPORT_MANAGER_H
#define TESTS_SUPPORT_MANAGER_H

/*
 * The writing half of a manager in virtual time: a store on the disk in memory, the fake signer, a
 * committer, and just enough of an index to answer its questions. What is in it survives stops and
 * crashes, as a disk does; test_manager_fini drops it.
 */

#include "common/store/store.h"
#include "server/commit/commit.h"
#include "tests/support/fake_signer.h"
#include "tests/support/vfs_fault.h"
#include "tests/support/virtual_time.h"

struct map;

struct test_manager {
	struct virtual_time time;
	struct test_term term;
	struct fake_signer signer;
	struct vfs_fault *disk;
	struct store *store;
	struct commit *commit;
	struct map *by_id, *by_name;
	commit_audit_cb *audit;
	bool ready, closed;
	int ready_status;
	/* What observers were told last. */
	struct head head;
	uint64_t batches, beats;
};

/* The log goes nowhere from now on: the faults are wanted. */
void test_manager_quiet(void);
void test_manager_init(struct test_manager *m, uint64_t seed);
void test_manager_fini(struct test_manager *m);
/* Opens the store and starts the committer; returns the status that ready came with. */
int test_manager_start(struct test_manager *m);
/* Closes in order. */
void test_manager_stop(struct test_manager *m);
/* The power goes: what was not synced is lost. */
void test_manager_crash(struct test_manager *m);

/* A kind that nothing here knows, so that its public part may be anything. */
#define TEST_KIND 1000

/* The id of record number n. */
struct id test_id(uint64_t n);
/* A mutation that writes record n, with a public part of size bytes. */
struct mutation *test_put(uint64_t n, uint64_t expect_version, size_t size);
struct mutation *test_remove(uint64_t n, uint64_t expect_version);

/* The end of a mutation. */
struct test_done {
	bool called;
	int status;
	uint64_t seq;
	struct err err;
};
void test_submit(struct test_manager *m, struct mutation *mu, struct test_done *done);
/* Submits and waits; returns the status. */
int test_commit(struct test_manager *m, struct mutation *mu, struct test_done *done);
bool test_is_done(void *done);

#endif
