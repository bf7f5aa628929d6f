#ifndef SERVER_API_API_PRIV_H
#define SERVER_API_API_PRIV_H

/* The inside of the API: what the files of handlers share. */

#include "common/base/timers.h"
#include "common/json/json.h"
#include "server/api/api.h"

#define API_MAGIC 0x41504931
#define OP_MAGIC 0x4150494f
#define WATCHER_MAGIC 0x41504957

#define API_REPLY_MAX (16 * 1024 * 1024)
#define API_PAGE_BYTES (4 * 1024 * 1024) /* a list stops here and says that there is more */
#define API_PAGE_MOST 1000

/* httpd_route.access */
enum api_access {
	API_LOCAL,  /* on the UNIX socket, by those who may open it */
	API_PUBLIC, /* anybody on the public port too */
};

struct receipt;
struct watcher;

struct api {
	uint32_t magic;
	struct api_params p;
	struct runtime *rt;
	struct httpd *httpd;
	uint64_t started_ms;
	struct watcher *watchers;
	unsigned watcher_count;
	struct timer clock;             /* while there are watchers */
	int64_t clock_seen, clock_next; /* what they have been told of, and when more may come */
};

/* watch_routes.c: a line to all watchers; a credential as it stands in one, was: what it was. */
void watch_tell(struct api *a, const struct buf *line);
void watch_put_credential(const struct api *a, struct json_writer *w, const struct index_record *c,
    enum credential_shown was);
/* watch_clock.c: with the first watcher, after the last, and when a credential was committed. */
void watch_clock_start(struct api *a);
void watch_clock_stop(struct api *a);
void watch_clock_changed(struct api *a, const struct index_record *credential);

/* ------------------------------------------------------------------------- replies */

/* A reply that is being written; ends with api_send. */
struct api_reply {
	struct buf body;
	struct json_writer w;
};

/* Opens the outermost object. */
void api_begin(struct api_reply *r);
/* Closes it and answers 200; the reply is gone then. */
void api_send(struct httpd_request *req, struct api_reply *r);
/* The error with a hint what to do, by the code and the address. */
void api_fail(struct httpd_request *req, const struct err *err);

/* Decodes the body by a table; no body is an empty object. */
NODISCARD int api_decode(const struct httpd_request *req, const struct json_field *fields,
    size_t count, void *out, struct err *err);

/* A query member that must be there. ERR_INVALID names it. */
NODISCARD int api_query(
    const struct httpd_request *req, const char *name, const char **out, struct err *err);

static inline struct texts
api_texts(const struct json_texts *t)
{
	return (struct texts){(const char *const *)t->items, t->count};
}

/*
 * Base64 of DER each, decoded into buffers that api_ders_fini frees; items are borrowed from them.
 */
struct api_ders {
	struct buf *bufs;
	struct span *items;
	size_t count;
};
NODISCARD int api_decode_ders(
    const struct json_texts *texts, struct api_ders *out, struct err *err);
void api_ders_fini(struct api_ders *d);

/* Common members. */
void api_put_id(struct json_writer *w, const char *name, const struct id *id);
void api_put_hash(struct json_writer *w, const char *name, const struct hash *hash);
void api_put_texts(struct json_writer *w, const char *name, struct texts texts);
/* durability, term, seq, warnings. */
void api_put_commit(
    struct json_writer *w, const struct commit_result *commit, struct texts warnings);
/* The text as a list, empty when it is NULL. */
static inline struct texts
api_one_text(const char *const *text)
{
	return (struct texts){text, *text != NULL};
}
/* Names of the nodes and @groups with access. */
void api_put_access(const struct api *a, struct json_writer *w, struct ids access);

/* ------------------------------------------------------------------------- later answers */

/*
 * A request that waits for another part. It outlives the request when that ends earlier, and the
 * api when the other part answers later still.
 */
struct answer {
	uint32_t magic;
	struct api *api;
	struct httpd_request *req; /* NULL: nobody waits any more */
};

struct answer *answer_new(struct api *a, struct httpd_request *req);
/*
 * After the operation was started with the op as argument: defers the request (r 0), or answers
 * with err and frees the op.
 */
void answer_started(struct answer *op, int r, const struct err *err);
/* In the operation's callback: the request to be answered, or NULL; the op is gone. */
struct httpd_request *answer_end(void *arg);
/*
 * The same, with the reply begun: to be filled in and sent. NULL too when the operation has failed,
 * which was the answer then.
 */
struct httpd_request *answer_begin(
    void *arg, int status, const struct err *err, struct api_reply *r);

/* The callbacks of most operations: id, name, what was done, or the error. */
void answer_on_flow(void *arg, int status, const struct flow_result *result, const struct err *err);
void answer_on_nodes(
    void *arg, int status, const struct nodes_result *result, const struct err *err);

/* Who asks, for the audit log. Borrowed from the request. */
const char *api_author(const struct httpd_request *req);

/* ------------------------------------------------------------------------- handlers */

httpd_handler handle_root, handle_join, handle_tokens, handle_token_create, handle_token_revoke;
httpd_handler handle_nodes, handle_node, handle_node_remove;
httpd_handler handle_exposures, handle_expose;
httpd_handler handle_groups, handle_group, handle_group_create, handle_group_delete;
httpd_handler handle_member_add, handle_member_remove;
httpd_handler handle_default_access, handle_default_access_set;
httpd_handler handle_settings, handle_setting, handle_setting_set, handle_setting_reset;
httpd_handler handle_certs, handle_cert, handle_cert_chain, handle_cert_add, handle_cert_renew;
httpd_handler handle_cert_access, handle_cert_archive, handle_cert_delete;
httpd_handler handle_cert_change, handle_cert_rekey;
httpd_handler handle_generations, handle_generation_activate, handle_generation_archive;
httpd_handler handle_cert_submit, handle_cert_submitted, handle_cert_csr, handle_cert_paste,
    handle_cert_export;
httpd_handler handle_trust, handle_trust_one, handle_trust_add, handle_trust_remove;
httpd_handler handle_cert_complete, handle_cert_prefer_root;
httpd_handler handle_cert_check, handle_cert_checks;
httpd_handler handle_managers, handle_imports;
httpd_handler handle_cas, handle_ca, handle_ca_create, handle_ca_change, handle_ca_renew;
httpd_handler handle_ca_crl, handle_cert_revoke;
httpd_handler handle_status, handle_watch, handle_events, handle_event_test;
httpd_handler handle_explain, handle_who_can_read, handle_why_not;

/* ------------------------------------------------------------------------- shared look-ups */

/* The credential that the address names; NULL: it has been answered with not-found. */
const struct index_record *api_find_cert(const struct api *a, struct httpd_request *req);
/*
 * Starts to fetch a GENERATION record for the request; answer writes into the reply what it needs
 * of it.
 */
typedef void api_generation_cb(
    const struct api *a, struct json_writer *w, const struct generation_public *g);
void api_fetch_generation(
    struct api *a, struct httpd_request *req, const struct id *id, api_generation_cb *answer);

/* The array generations, the newest first. */
void api_put_generations(const struct api *a, struct json_writer *w, const struct index_record *c);
/* Subject, issuer, times, fingerprint. */
void api_put_facts(struct json_writer *w, const struct cert *c);
/* What is to be said of its chain, as that member; and the certificates of it, with what ends it.
 */
void api_put_chain_health(const struct api *a, struct json_writer *w, const char *member,
    const struct generation_public *g, bool with_certificates);

/* health_routes.c: member health of a credential, and where it is looked at from outside. */
void api_put_health(
    const struct api *a, struct json_writer *w, const struct index_record *credential);
void api_put_checks(
    const struct api *a, struct json_writer *w, const struct index_record *credential);
/* Of each CA that is not green, a text in the array that is open. */
void api_put_ca_troubles(const struct api *a, struct json_writer *w);
void api_put_ca_health(const struct api *a, struct json_writer *w, const struct index_record *ca);
/* Members health and runway of the status. */
void api_put_domain_health(const struct api *a, struct json_writer *w);
void api_put_runway(const struct api *a, struct json_writer *w);

/* The replicas that should serve a credential, and those that do serve its active generation. */
struct serving {
	size_t expected, served;
};
void serving_count(const struct api *a, const struct index_record *credential, struct serving *out);
/*
 * One object for each node: first those that should serve it, also when they have said nothing;
 * then whoever else has.
 */
void api_put_serving(
    const struct api *a, struct json_writer *w, const struct index_record *credential);
/*
 * Member exposed: who knows a key of it without having access, and how far that is. node: only what
 * is about one of that name; NULL: all.
 */
void api_put_exposed(
    const struct api *a, struct json_writer *w, const struct index_record *c, const char *node);
/* The state of a credential at this moment, in one word. */
const char *api_state(const struct api *a, const struct index_record *credential);
/* One node's receipt as members of an object: generation (its number), fingerprint, error, since.
 */
void api_put_receipt(const struct api *a, struct json_writer *w, const struct receipt *receipt);

/* Ends all streams; before httpd goes. */
void watch_close(struct api *a);

#endif
