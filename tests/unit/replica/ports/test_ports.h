#ifndef TESTS_UNIT_REPLICA_PORTS_TEST_PORTS_H
#define TESTS_UNIT_REPLICA_PORTS_TEST_PORTS_H

/* What the files of this program share: one node, and ports over its cache for each test. */

#include "replica/ports/ports.h"
#include "tests/support/test_node.h"
#include "tests/support/tls_client.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct site {
	struct loop *loop;
	struct test_node node;
	struct port_config config;
	struct ports *ports;
	bool closed;
};

int site_setup(void **state);
int site_teardown(void **state);
/* Opens the one port of site->config; closes the one before. */
void site_open(struct site *s);
void site_close(struct site *s);
uint16_t site_port(const struct site *s);
struct port_counts site_counts(const struct site *s);
/* A client for GET /status. */
struct tls_client site_client(const struct site *s, const char *name);
bool client_got(const struct tls_client *c, const struct test_credential *want);

/* A client certificate of the domain and its key, as PEM. */
void site_put_identity(struct pki *p, struct buf *pem);

int run_head_tests(void);
int run_backend_tests(void);
int run_roots_tests(void);
int run_tls_port_tests(void);

#define SITE_TEST(f) cmocka_unit_test_setup_teardown(f, site_setup, site_teardown)

#endif
