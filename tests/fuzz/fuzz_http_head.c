/* What anybody may send to an http port or to the built-in page, and to name the host. */

#include "common/base/str.h"
#include "replica/ports/http_head.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head head;
	char host[HTTP_HOST_MAX];

	if (http_head_parse(SPAN(data, size), &head) < 0)
		return 0;
	/* Nothing that could end the line in which it is sent back. */
	CHECK(head.target[0] == '/' && strpbrk(head.target, "\r\n \t") == NULL);
	if (http_host_of(head.host, host))
		CHECK(strpbrk(host, "\r\n /@\"\\") == NULL && host[0] != '\0');
	return 0;
}
