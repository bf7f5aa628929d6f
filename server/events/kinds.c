#include "server/events/events.h"

#include "common/base/str.h"

/* docs/events.md says what each is for, docs/events.schema.json lists them; a lint compares. */
static const struct {
	const char *name;
	enum event_level level;
} kinds[] = {
    [EVENT_CREDENTIAL_ISSUED] = {"credential.issued", EVENT_LEVEL_INFO},
    [EVENT_CREDENTIAL_ACTIVATED] = {"credential.activated", EVENT_LEVEL_NOTICE},
    [EVENT_CREDENTIAL_WAITING] = {"credential.waiting", EVENT_LEVEL_NOTICE},
    [EVENT_CREDENTIAL_FAILED] = {"credential.failed", EVENT_LEVEL_ERROR},
    [EVENT_CREDENTIAL_EXPIRING] = {"credential.expiring", EVENT_LEVEL_WARNING},
    [EVENT_CREDENTIAL_EXPIRED] = {"credential.expired", EVENT_LEVEL_ERROR},
    [EVENT_CREDENTIAL_REVOKED] = {"credential.revoked", EVENT_LEVEL_WARNING},
    [EVENT_CREDENTIAL_ARCHIVED] = {"credential.archived", EVENT_LEVEL_NOTICE},
    [EVENT_CREDENTIAL_RESTORED] = {"credential.restored", EVENT_LEVEL_NOTICE},
    [EVENT_CREDENTIAL_DELETED] = {"credential.deleted", EVENT_LEVEL_NOTICE},
    [EVENT_CREDENTIAL_ACCESS] = {"credential.access", EVENT_LEVEL_NOTICE},
    [EVENT_CREDENTIAL_NOT_SERVED] = {"credential.not_served", EVENT_LEVEL_ERROR},
    [EVENT_CREDENTIAL_SERVED_AGAIN] = {"credential.served_again", EVENT_LEVEL_INFO},
    [EVENT_CREDENTIAL_CHAIN_BAD] = {"credential.chain_bad", EVENT_LEVEL_WARNING},
    [EVENT_CREDENTIAL_CHAIN_GOOD] = {"credential.chain_good", EVENT_LEVEL_INFO},
    [EVENT_CREDENTIAL_EXPORTED] = {"credential.exported", EVENT_LEVEL_WARNING},
    [EVENT_CREDENTIAL_EXPORT_REFUSED] = {"credential.export_refused", EVENT_LEVEL_WARNING},
    [EVENT_CREDENTIAL_EXPORT_LAPSED] = {"credential.export_lapsed", EVENT_LEVEL_WARNING},
    [EVENT_CREDENTIAL_EXPOSED] = {"credential.exposed", EVENT_LEVEL_WARNING},
    [EVENT_CREDENTIAL_PROVEN] = {"credential.proven", EVENT_LEVEL_INFO},
    [EVENT_CHECK_FAILED] = {"check.failed", EVENT_LEVEL_ERROR},
    [EVENT_CHECK_RECOVERED] = {"check.recovered", EVENT_LEVEL_INFO},
    [EVENT_NODE_JOINED] = {"node.joined", EVENT_LEVEL_NOTICE},
    [EVENT_NODE_REMOVED] = {"node.removed", EVENT_LEVEL_NOTICE},
    [EVENT_NODE_STALE] = {"node.stale", EVENT_LEVEL_ERROR},
    [EVENT_NODE_FRESH_AGAIN] = {"node.fresh_again", EVENT_LEVEL_INFO},
    [EVENT_NODE_EXPIRING] = {"node.expiring", EVENT_LEVEL_WARNING},
    [EVENT_CA_CREATED] = {"ca.created", EVENT_LEVEL_NOTICE},
    [EVENT_CA_RENEWED] = {"ca.renewed", EVENT_LEVEL_NOTICE},
    [EVENT_CA_EXPIRING] = {"ca.expiring", EVENT_LEVEL_WARNING},
    [EVENT_CA_EXPIRED] = {"ca.expired", EVENT_LEVEL_ERROR},
    [EVENT_CRL_FAILED] = {"crl.failed", EVENT_LEVEL_ERROR},
    [EVENT_TRUST_ADDED] = {"trust.added", EVENT_LEVEL_NOTICE},
    [EVENT_TRUST_REMOVED] = {"trust.removed", EVENT_LEVEL_NOTICE},
    [EVENT_SIGNER_LOST] = {"signer.lost", EVENT_LEVEL_ERROR},
    [EVENT_SIGNER_BACK] = {"signer.back", EVENT_LEVEL_INFO},
    [EVENT_MANAGER_STARTED] = {"manager.started", EVENT_LEVEL_INFO},
    [EVENT_MANAGER_FENCED] = {"manager.fenced", EVENT_LEVEL_ERROR},
    [EVENT_MANAGER_CONFLICT] = {"manager.conflict", EVENT_LEVEL_ERROR},
    [EVENT_EVENTS_LOST] = {"events.lost", EVENT_LEVEL_ERROR},
    [EVENT_EVENTS_TEST] = {"events.test", EVENT_LEVEL_INFO},
};
_Static_assert(ARRAY_LEN(kinds) == EVENT__COUNT, "every kind has its line");

static const char *const levels[] = {
    [EVENT_LEVEL_INFO] = "info",
    [EVENT_LEVEL_NOTICE] = "notice",
    [EVENT_LEVEL_WARNING] = "warning",
    [EVENT_LEVEL_ERROR] = "error",
};
_Static_assert(ARRAY_LEN(levels) == EVENT_LEVEL__COUNT, "every level has its word");

const char *
event_kind_name(enum event_kind kind)
{
	CHECK((unsigned)kind < EVENT__COUNT);
	return kinds[kind].name;
}

enum event_level
event_kind_level(enum event_kind kind)
{
	CHECK((unsigned)kind < EVENT__COUNT);
	return kinds[kind].level;
}

const char *
event_level_name(enum event_level level)
{
	CHECK((unsigned)level < EVENT_LEVEL__COUNT);
	return levels[level];
}

bool
event_kind_parse(const char *name, enum event_kind *out)
{
	for (unsigned i = 0; i < EVENT__COUNT; i++)
		if (str_equal(kinds[i].name, name)) {
			*out = (enum event_kind)i;
			return true;
		}
	return false;
}
