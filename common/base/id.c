#include "common/base/id.h"

#include "common/base/str.h"

#include <string.h>

bool
id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, ID_LEN) == 0;
}

bool
id_is_zero(const struct id *a)
{
	static const struct id zero;

	return id_equal(a, &zero);
}

int
id_compare(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, ID_LEN);
}

bool
hash_equal(const struct hash *a, const struct hash *b)
{
	return memcmp(a->bytes, b->bytes, HASH_LEN) == 0;
}

int
position_compare(struct position a, struct position b)
{
	if (a.term != b.term)
		return a.term < b.term ? -1 : 1;
	if (a.seq != b.seq)
		return a.seq < b.seq ? -1 : 1;
	return 0;
}

const char *
id_hex(const struct id *id, char out[static ID_HEX_MAX])
{
	return hex_encode(id->bytes, ID_LEN, out);
}

const char *
hash_hex(const struct hash *h, char out[static HASH_HEX_MAX])
{
	return hex_encode(h->bytes, HASH_LEN, out);
}

int
id_parse(const char *s, struct id *out, struct err *err)
{
	return hex_decode(s, out->bytes, ID_LEN, err);
}

int
hash_parse(const char *s, struct hash *out, struct err *err)
{
	return hex_decode(s, out->bytes, HASH_LEN, err);
}

int
id_from_span(struct span s, struct id *out, struct err *err)
{
	if (s.len != ID_LEN)
		return err_set(err, ERR_PARSE, "an id has 16 bytes, found %zu", s.len);
	memcpy(out->bytes, s.data, ID_LEN);
	return 0;
}

int
hash_from_span(struct span s, struct hash *out, struct err *err)
{
	if (s.len != HASH_LEN)
		return err_set(err, ERR_PARSE, "a hash has 32 bytes, found %zu", s.len);
	memcpy(out->bytes, s.data, HASH_LEN);
	return 0;
}
