#include "replica/cache/serving.h"

#include "common/base/str.h"
#include "common/tls/tls_ctx.h"

static unsigned
can_of(const char *key_type)
{
	static const struct {
		const char *prefix;
		unsigned can;
	} types[] = {
	    {"ec-p256", TLS_CAN_ECDSA_P256},
	    {"ec-p384", TLS_CAN_ECDSA_P384},
	    {"ec-p521", TLS_CAN_ECDSA_P521},
	    {"rsa-", TLS_CAN_RSA},
	    {"ed25519", TLS_CAN_ED25519},
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_starts(key_type, types[i].prefix))
			return types[i].can;
	return 0; /* a type of a later version: no client gets it */
}

struct served *
served_new(const struct id *credential, const struct id *generation, struct texts names,
    const char *key_type)
{
	struct served *s = mem_zalloc(sizeof(*s));

	atomic_init(&s->refs, 1);
	s->credential = *credential;
	s->generation = *generation;
	s->can = can_of(key_type);
	s->names = mem_array(names.count, sizeof(char *));
	for (size_t i = 0; i < names.count; i++)
		s->names[i] = mem_strdup(names.items[i]);
	s->name_count = names.count;
	return s;
}

struct served *
served_ref(struct served *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void
served_unref(struct served *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	CHECK(s->waits == NULL);
	tls_identity_unref(s->identity);
	for (size_t i = 0; i < s->name_count; i++)
		mem_free(s->names[i]);
	mem_free(s->names);
	mem_free(s);
}
