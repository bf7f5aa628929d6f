#include "common/json/json.h"

#include <string.h>

/*
 * Reads any bytes as JSON, decodes them by a table with every kind, and writes what was read: what
 * is written must be readable again.
 */

struct sample {
	char *text;
	bool flag;
	int64_t number, duration;
	struct json_texts texts;
	int choice;
	struct {
		char *text;
	} inner;
};

static const char *const choices[] = {"one", "two", NULL};

static const struct json_field inner_fields[] = {
    {.name = "t", .kind = JSON_TEXT, .max = 10},
};

static const struct json_field fields[] = {
    {.name = "t", .kind = JSON_TEXT, .offset = offsetof(struct sample, text)},
    {.name = "b", .kind = JSON_BOOL, .offset = offsetof(struct sample, flag)},
    {.name = "n", .kind = JSON_INT, .offset = offsetof(struct sample, number), .max = 99},
    {.name = "d", .kind = JSON_DURATION, .offset = offsetof(struct sample, duration)},
    {.name = "l", .kind = JSON_TEXTS, .offset = offsetof(struct sample, texts)},
    {.name = "c",
	.kind = JSON_CHOICE,
	.offset = offsetof(struct sample, choice),
	.choices = choices},
    {.name = "o",
	.kind = JSON_MEMBERS,
	.offset = offsetof(struct sample, inner),
	.fields = inner_fields,
	.field_count = ARRAY_LEN(inner_fields)},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json_freep)
	struct json *root = NULL;
	AUTO(json_freep)
	struct json *again = NULL;
	AUTO(buf_freep)
	struct buf *out = buf_new(1024 * 1024);
	struct json_writer w = JSON_WRITER(out);
	struct sample sample;
	struct err err;

	memset(&sample, 0, sizeof(sample));
	json_put_object(&w, NULL);
	json_put_span(&w, "any", SPAN(data, size));
	json_put_end(&w);
	if (memchr(data, 0, size) == NULL && out->error == 0)
		CHECK(json_parse(buf_span(out), out->len, &again, &err) == 0);
	if (json_parse(SPAN(data, size), 65536, &root, &err) < 0)
		return 0;
	if (json_decode(root, fields, ARRAY_LEN(fields), &sample, &err) == 0)
		json_release(fields, ARRAY_LEN(fields), &sample);
	CHECK(sample.text == NULL && sample.texts.items == NULL && sample.inner.text == NULL);
	buf_clear(out);
	json_put_tree(out, root, 0);
	json_free(again);
	again = NULL;
	CHECK(out->error != 0 || json_parse(buf_span(out), out->len, &again, &err) == 0);
	return 0;
}
