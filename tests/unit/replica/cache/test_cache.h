#ifndef TESTS_UNIT_REPLICA_CACHE_TEST_CACHE_H
#define TESTS_UNIT_REPLICA_CACHE_TEST_CACHE_H

/* Groups of tests that run in the one program of this folder. */
int issuers_run(void);

#endif
