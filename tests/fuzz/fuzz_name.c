/* Any text as a name: what is accepted is in normal form, and shown so that it is read again. */

#include "common/model/names.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2 * LIMIT_NAME_TYPED], shown[NAME_SHOWN_MAX];
	char first[NAME_TEXT_MAX], again[NAME_TEXT_MAX];
	enum name_type type, same;
	struct err err;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (name_normalise(text, first, &type, &err) < 0) {
		CHECK(err.text[0] != 0);
		return 0;
	}
	CHECK(strlen(first) <= LIMIT_NAME);
	CHECK(name_normalise(first, again, &same, &err) == 0);
	CHECK(strcmp(first, again) == 0 && type == same);
	CHECK(name_is_ip(first) == (type == NAME_IP));
	name_shown(first, shown);
	CHECK(name_normalise(shown, again, &same, &err) == 0);
	CHECK(strcmp(first, again) == 0 && type == same);
	(void)name_mixes_scripts(first, &err);
	return 0;
}
