#ifndef TESTS_UNIT_COMMON_STORE_STORE_TESTS_H
#define TESTS_UNIT_COMMON_STORE_STORE_TESTS_H

/* The parts of test_common_store, and what they share: records made from numbers. */

#include "common/store/store.h"
#include "common/store/digest.h"
#include "tests/support/vfs_fault.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

#define TERM (UINT64_C(1) << 32)

extern char store_tmp_dir[64];

/* A path in the run's own directory, in one of a few static places. */
const char *store_tmp(const char *name);

/* Record number n: its id, body and name follow from n and version, its place is seq. */
struct id make_id(uint64_t n);
struct stored_record make_record(
    struct buf *memory, uint64_t n, uint64_t seq, uint64_t version, size_t body_len);

/* Records first..first + count - 1 at seqs of the same numbers, as one mutation. */
void put_mutation(struct store *s, uint64_t first, size_t count, size_t body_len);
void assert_record(struct store *s, uint64_t n, uint64_t version, size_t body_len);
bool has_record(struct store *s, uint64_t n);
/* Of everything in the store, bodies hashed anew. */
void digest_of_store(struct store *s, struct hash *out);

struct store *open_store(const char *path, bool full);

int run_digest_tests(void);
int run_fault_tests(void);
int run_kill_tests(void);
int run_open_tests(void);
int run_records_tests(void);
int run_stage_tests(void);
int run_statement_tests(void);

#endif
