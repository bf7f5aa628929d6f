#include "common/crypto/envelope_priv.h"

#include "common/crypto/sign.h"

#include <string.h>

#define CORPUS_MAX (64 * 1024)

struct world {
	struct pkey *keys[2];
	struct secret *payload;
	struct seal_binding binding;
	struct buf seal;
};

static void
world_fini(struct world *w)
{
	pkey_unref(w->keys[0]);
	pkey_unref(w->keys[1]);
	secret_free(w->payload);
	buf_fini(&w->seal);
}

static int
world_init(struct world *w, struct err *err)
{
	int r;

	*w = (struct world){.seal = BUF_INIT(LIMIT_SEALED)};
	random_bytes(w->binding.domain.bytes, sizeof(w->binding.domain.bytes));
	id_random(&w->binding.record);
	w->binding.version = 7;
	w->binding.kind = 1;
	w->binding.public_part = span_str("self test");
	for (size_t i = 0; i < ARRAY_LEN(w->keys); i++)
		if ((r = pkey_generate(KEY_EC_P256, &w->keys[i], err)) < 0)
			return r;
	/* One block of plaintext: the corpus counts on it. */
	r = secret_random(100, &w->payload, err);
	if (r < 0)
		return r;
	return envelope_seal(&w->binding, w->payload, (const struct pkey *const *)w->keys,
	    ARRAY_LEN(w->keys), &w->seal, err);
}

/* Opening for either recipient must end with this code. */
static int
expect(const struct world *w, const struct seal_binding *binding, struct span seal, int code,
    const char *what, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(w->keys); i++) {
		AUTO(secret_freep)
		struct secret *opened = NULL;
		int r = envelope_open(binding, seal, w->keys[i], &opened, NULL);

		if (r != code)
			return err_set(err, ERR_BUG,
			    "self-test of seals: '%s' gave %s instead of %s", what,
			    r == 0 ? "a plaintext" : err_name(r),
			    code == 0 ? "a plaintext" : err_name(code));
		if (r == 0 && !secret_equal(opened, secret_span(w->payload)))
			return err_set(
			    err, ERR_BUG, "self-test of seals: '%s' gave another plaintext", what);
	}
	return 0;
}

/* The same seal, presented for something else than it was made for. */
static int
check_bindings(const struct world *w, struct err *err)
{
	struct seal_binding other[] = {w->binding, w->binding, w->binding, w->binding, w->binding};
	static const char *const names[] = {"another domain", "another record", "another version",
	    "another kind", "another public part"};
	int r = 0;

	_Static_assert(ARRAY_LEN(names) == ARRAY_LEN(other), "each has its name");
	other[0].domain.bytes[31] ^= 1;
	other[1].record.bytes[0] ^= 1;
	other[2].version++;
	other[3].kind++;
	other[4].public_part = span_str("self tesT");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(other); i++)
		r = expect(w, &other[i], buf_span(&w->seal), ERR_CRYPTO, names[i], err);
	return r;
}

int
envelope_self_test(struct err *err)
{
	AUTO(buf_freep)
	struct buf *bad = buf_new(CORPUS_MAX);
	struct world w;
	const char *name;
	int code;
	int r = world_init(&w, err);

	if (r == 0)
		r = expect(&w, &w.binding, buf_span(&w.seal), 0, "a good seal", err);
	if (r == 0)
		r = check_bindings(&w, err);
	for (size_t i = 0; r == 0 && seal_bad_case(i, buf_span(&w.seal), &name, &code, bad); i++)
		r = expect(&w, &w.binding, buf_span(bad), code, name, err);
	world_fini(&w);
	return r;
}
