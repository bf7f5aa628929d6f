#include "tests/unit/server/signer/signer_tests.h"

#include <stdio.h>

#define HEAP_SIZE (1024 * 1024)

int
world_setup(void **state)
{
	struct signer_world *w = mem_zalloc(sizeof(*w));

	world_init(w);
	*state = w;
	return 0;
}

int
world_teardown(void **state)
{
	world_fini(*state);
	mem_free(*state);
	return 0;
}

int
main(void)
{
	struct err err;

	if (secret_heap_init(HEAP_SIZE, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return run_core_tests() + run_member_tests() + run_attack_tests() + run_local_tests() +
	    run_process_tests() + run_take_tests() + run_export_tests() + run_ca_tests();
}
