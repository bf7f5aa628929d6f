/* Which keys may leave the domain. */

#include "server/index/index_priv.h"

const struct index_record *
index_export_key(const struct index *ix, const struct index_record *generation)
{
	char name[EXPORT_KEY_NAME_MAX];

	export_key_name(&generation->generation->credential, &generation->generation->key, name);
	return index_named(ix, KIND_EXPORT_KEY, name);
}

enum export_state
index_export_state(const struct index *ix, const struct index_record *credential)
{
	const struct credential_public *c = credential->credential;
	const struct index_record *active = index_active(ix, credential), *pending = NULL;

	if (c->has_pending)
		pending = index_of_kind(ix, KIND_GENERATION, &c->pending);
	if (active != NULL && index_export_key(ix, active) != NULL)
		return EXPORT_READY;
	if (pending != NULL && index_export_key(ix, pending) != NULL)
		return EXPORT_WAITING;
	if (!c->exportable)
		return EXPORT_NONE;
	return active == NULL && pending == NULL ? EXPORT_WAITING : EXPORT_LAPSED;
}

const char *
export_state_name(enum export_state state)
{
	static const char *const names[] = {
	    [EXPORT_NONE] = "no",
	    [EXPORT_READY] = "yes",
	    [EXPORT_WAITING] = "waiting",
	    [EXPORT_LAPSED] = "lapsed",
	};
	_Static_assert(ARRAY_LEN(names) == EXPORT__COUNT, "every state has a name");

	return names[state];
}
