/* Any text as a join token, and any bytes as what a seal holds. */

#include "common/wire/link_messages.h"
#include "common/wire/public_wire.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_payloads(const struct secret *s)
{
	struct secret *one = NULL;
	struct group_keys groups;
	struct ticket_keys tickets;
	struct span inside;
	struct err err;

	if (wire_private_key_decode(s, &one, &err) == 0)
		secret_free(one);
	one = NULL;
	if (wire_password_decode(s, &one, &inside, &err) == 0)
		secret_free(one);
	if (wire_export_key_decode(s, &inside, &err) == 0)
		(void)span_equal(inside, inside);
	if (wire_group_keys_decode(s, &groups, &err) == 0)
		group_keys_fini(&groups);
	if (wire_ticket_keys_decode(s, &tickets, &err) == 0)
		ticket_keys_fini(&tickets);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(secret_freep)
	struct secret *text = NULL;
	AUTO(secret_freep)
	struct secret *again = NULL;
	struct join_token t;
	struct err err;

	if (size > 65536 || secret_new(size, &text, &err) < 0)
		return 0;
	if (size > 0)
		memcpy(secret_bytes(text), data, size);
	try_payloads(text);
	if (join_token_parse(text, &t, &err) < 0)
		return 0;
	CHECK(join_token_format(&t, &again, &err) == 0);
	join_token_fini(&t);
	CHECK(join_token_parse(again, &t, &err) == 0);
	join_token_fini(&t);
	return 0;
}
