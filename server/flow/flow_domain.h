#ifndef SERVER_FLOW_FLOW_DOMAIN_H
#define SERVER_FLOW_FLOW_DOMAIN_H

/*
 * What concerns the whole domain: its own CAs, certificates of others, settings. The second half of
 * flow.h, which includes it and says how operations go.
 */

#include "server/flow/flow.h"

struct ca_spec {
	const char *name;
	const char *key_type; /* NULL: setting key-type */
	int64_t lifetime;     /* 0: setting ca-lifetime */
	const char *parent;   /* CA that signs it; NULL: it is a root */
	const char *address;  /* of the http ports; NULL: that of the parent, or none */
	bool is_default;
	const char *author;
};
NODISCARD int flow_ca_create(
    struct flow *f, const struct ca_spec *spec, flow_done_cb *done, void *arg, struct err *err);

struct ca_change {
	const char *name;
	const char *address; /* NULL: as it is; "": none any more */
	bool has_enabled, enabled;
	bool make_default;
	const char *author;
};
NODISCARD int flow_ca_change(
    struct flow *f, const struct ca_change *change, flow_done_cb *done, void *arg, struct err *err);

/*
 * Another certificate for a CA, of that lifetime (0: as long as the one before). With its key all
 * leaves stay as good as they are. new_key: another CA takes over its name and issues in its place,
 * certified by it besides; the one before goes on signing its list.
 */
NODISCARD int flow_ca_renew(struct flow *f, const char *name, bool new_key, int64_t lifetime,
    const char *author, flow_done_cb *done, void *arg, struct err *err);

/*
 * Certificates of CAs outside, DER each: the roots that are trusted, and intermediates that
 * complete chains. One that is there already gets the categories and the label that are given. In
 * the result, generation is how many were written, and name the SHA-256 of the first.
 */
struct trust_spec {
	struct spans certificates; /* at most FLOW_PASTE_MOST */
	uint32_t categories; /* enum trust_category; 0: completion for roots, else intermediate */
	const char *label;   /* NULL: from the subject; only of one certificate */
	const char *author;
};
NODISCARD int flow_trust_add(
    struct flow *f, const struct trust_spec *spec, flow_done_cb *done, void *arg, struct err *err);
/* By its label or the beginning of its SHA-256. */
NODISCARD int flow_trust_remove(struct flow *f, const char *name, const char *author,
    flow_done_cb *done, void *arg, struct err *err);

/*
 * A setting of common/model/settings.h; value NULL: what counts without one. Credentials that there
 * are keep what they were made with. Access is set by nodes_set_default_access.
 */
NODISCARD int flow_setting_set(struct flow *f, const char *name, const char *value,
    const char *author, flow_done_cb *done, void *arg, struct err *err);

#endif
