#include "server/api/api_priv.h"

#include "common/crypto/cert.h"
#include "common/loop/loop.h"
#include "common/sys/unix.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct httpd_route routes[] = {
    {"GET", "/v1/root", handle_root, API_PUBLIC},
    {"POST", "/v1/join", handle_join, API_PUBLIC},
    {"POST", "/v1/certs", handle_cert_add, API_LOCAL},
    {"GET", "/v1/certs", handle_certs, API_LOCAL},
    {"GET", "/v1/certs/{name}", handle_cert, API_LOCAL},
    {"GET", "/v1/certs/{name}/chain", handle_cert_chain, API_LOCAL},
    {"POST", "/v1/certs/{name}/chain", handle_cert_complete, API_LOCAL},
    {"POST", "/v1/certs/{name}/renew", handle_cert_renew, API_LOCAL},
    {"POST", "/v1/certs/{name}/submit", handle_cert_submit, API_LOCAL},
    {"POST", "/v1/certs/{name}/submitted", handle_cert_submitted, API_LOCAL},
    {"GET", "/v1/certs/{name}/csr", handle_cert_csr, API_LOCAL},
    {"POST", "/v1/certs/{name}/paste", handle_cert_paste, API_LOCAL},
    {"PUT", "/v1/certs/{name}/preferred-root", handle_cert_prefer_root, API_LOCAL},
    {"POST", "/v1/certs/{name}/rekey", handle_cert_rekey, API_LOCAL},
    {"POST", "/v1/certs/{name}/change", handle_cert_change, API_LOCAL},
    {"POST", "/v1/certs/{name}/export", handle_cert_export, API_LOCAL},
    {"PUT", "/v1/certs/{name}/access", handle_cert_access, API_LOCAL},
    {"POST", "/v1/certs/{name}/archive", handle_cert_archive, API_LOCAL},
    {"POST", "/v1/certs/{name}/revoke", handle_cert_revoke, API_LOCAL},
    {"GET", "/v1/certs/{name}/generations", handle_generations, API_LOCAL},
    {"POST", "/v1/certs/{name}/generations/{number}/activate", handle_generation_activate,
	API_LOCAL},
    {"POST", "/v1/certs/{name}/generations/{number}/archive", handle_generation_archive, API_LOCAL},
    {"DELETE", "/v1/certs/{name}", handle_cert_delete, API_LOCAL},
    {"POST", "/v1/certs/{name}/check", handle_cert_check, API_LOCAL},
    {"PUT", "/v1/certs/{name}/checks", handle_cert_checks, API_LOCAL},
    {"GET", "/v1/trust", handle_trust, API_LOCAL},
    {"POST", "/v1/trust", handle_trust_add, API_LOCAL},
    {"GET", "/v1/trust/{name}", handle_trust_one, API_LOCAL},
    {"DELETE", "/v1/trust/{name}", handle_trust_remove, API_LOCAL},
    {"GET", "/v1/managers", handle_managers, API_LOCAL},
    {"POST", "/v1/imports", handle_imports, API_LOCAL},
    {"GET", "/v1/cas", handle_cas, API_LOCAL},
    {"POST", "/v1/cas", handle_ca_create, API_LOCAL},
    {"GET", "/v1/cas/{name}", handle_ca, API_LOCAL},
    {"PUT", "/v1/cas/{name}", handle_ca_change, API_LOCAL},
    {"POST", "/v1/cas/{name}/renew", handle_ca_renew, API_LOCAL},
    {"GET", "/v1/cas/{name}/crl", handle_ca_crl, API_LOCAL},
    {"GET", "/v1/nodes", handle_nodes, API_LOCAL},
    {"GET", "/v1/nodes/{name}", handle_node, API_LOCAL},
    {"DELETE", "/v1/nodes/{name}", handle_node_remove, API_LOCAL},
    {"GET", "/v1/exposures", handle_exposures, API_LOCAL},
    {"POST", "/v1/exposures", handle_expose, API_LOCAL},
    {"GET", "/v1/tokens", handle_tokens, API_LOCAL},
    {"POST", "/v1/tokens", handle_token_create, API_LOCAL},
    {"DELETE", "/v1/tokens/{name}", handle_token_revoke, API_LOCAL},
    {"GET", "/v1/groups", handle_groups, API_LOCAL},
    {"POST", "/v1/groups", handle_group_create, API_LOCAL},
    {"GET", "/v1/groups/{name}", handle_group, API_LOCAL},
    {"DELETE", "/v1/groups/{name}", handle_group_delete, API_LOCAL},
    {"PUT", "/v1/groups/{name}/members/{node}", handle_member_add, API_LOCAL},
    {"DELETE", "/v1/groups/{name}/members/{node}", handle_member_remove, API_LOCAL},
    {"GET", "/v1/settings/default-access", handle_default_access, API_LOCAL},
    {"PUT", "/v1/settings/default-access", handle_default_access_set, API_LOCAL},
    {"GET", "/v1/settings", handle_settings, API_LOCAL},
    {"GET", "/v1/settings/{name}", handle_setting, API_LOCAL},
    {"PUT", "/v1/settings/{name}", handle_setting_set, API_LOCAL},
    {"DELETE", "/v1/settings/{name}", handle_setting_reset, API_LOCAL},
    {"GET", "/v1/status", handle_status, API_LOCAL},
    {"GET", "/v1/watch", handle_watch, API_LOCAL},
    {"GET", "/v1/events", handle_events, API_LOCAL},
    {"POST", "/v1/events/test", handle_event_test, API_LOCAL},
    {"GET", "/v1/explain", handle_explain, API_LOCAL},
    {"GET", "/v1/who-can-read", handle_who_can_read, API_LOCAL},
    {"GET", "/v1/why-not", handle_why_not, API_LOCAL},
};

/* Root, whoever runs the server, and members of the group. */
static bool
is_local_admin(const struct api *a, const struct httpd_peer *peer)
{
	struct sys_peer who = {.uid = peer->uid, .gid = peer->gid, .pid = peer->pid};

	if (peer->kind != HTTPD_PEER_UNIX)
		return false;
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return a->p.group != 0 && sys_peer_in_group(&who, a->p.group);
}

static int
admit(const struct httpd_request *req, const struct httpd_route *route, void *arg, struct err *err)
{
	const struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	const struct httpd_peer *peer = httpd_peer(req);

	if (route->access == API_PUBLIC || is_local_admin(a, peer))
		return 0;
	if (peer->kind == HTTPD_PEER_UNIX)
		return err_set(err, ERR_DENIED,
		    "user %u may not use this server; be root, or a member of the group certherd",
		    peer->uid);
	return err_set(err, ERR_DENIED,
	    "only joining is possible on this address; use the command 'certherd' on the server's "
	    "host");
}

int
api_new(const struct api_params *params, struct api **out, struct err *err)
{
	struct api *a = mem_zalloc(sizeof(*a));
	struct httpd_params h = {.loop = params->loop,
	    .routes = routes,
	    .route_count = ARRAY_LEN(routes),
	    .arg = a,
	    .admit = admit};
	int r;

	a->magic = API_MAGIC;
	a->p = *params;
	a->rt = loop_runtime(params->loop);
	a->started_ms = runtime_mono_ms(a->rt);
	r = httpd_new(&h, &a->httpd, err);
	if (r < 0) {
		mem_free(a);
		return r;
	}
	*out = a;
	return 0;
}

void
api_free(struct api *a)
{
	if (a == NULL)
		return;
	watch_close(a);
	httpd_free(a->httpd);
	a->magic = 0;
	mem_free(a);
}

int
api_listen(struct api *a, int fd, struct err *err)
{
	return httpd_listen(a->httpd, fd, err);
}

void
api_add_public(void *arg, int fd, const struct cert *peer, const char *address)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct httpd_peer who = {.kind = HTTPD_PEER_TLS};
	struct err err;

	/* A member's certificate gives nothing here yet: administrators have none. */
	(void)peer;
	snprintf(who.address, sizeof(who.address), "%s", address);
	/* Over the limit it was closed, which is all that a stranger needs to know. */
	(void)!httpd_add(a->httpd, fd, &who, &err);
}
