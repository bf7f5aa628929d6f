#include "server/main/server.h"

#include "common/log/log.h"
#include "common/tls/check.h"

/* What health asks, and whom it tells. */

const struct receipt *
server_receipt(void *arg, const struct id *node, const struct id *credential)
{
	const struct server *s = arg;

	return publish_receipt(s->publish, node, credential);
}

static bool
has_told(void *arg, const struct id *node)
{
	const struct server *s = arg;
	struct publish_follower f;

	return publish_follower(s->publish, node, &f) && f.receipts_known;
}

static int
look_start(void *arg, const struct check_target *target, const char *name, check_done_cb *done,
    void *done_arg, struct check **out, struct err *err)
{
	const struct server *s = arg;
	const struct check_params p = {.loop = s->loop, .target = target, .name = name};

	return check_start(&p, done, done_arg, out, err);
}

static void
look_cancel(void *arg, struct check *look)
{
	(void)arg;
	check_cancel(look);
}

/* --- changes --- */

static void
on_change(void *arg, const struct health_change *c)
{
	struct server *s = arg;
	char hex[ID_HEX_MAX];

	if (c->grade == HEALTH_GREEN)
		log_info("health", "credential=%s name=%s %s: over",
		    id_hex(&c->credential->id, hex), c->credential->name,
		    health_condition_name(c->condition));
	else
		log_warning("health", "credential=%s name=%s %s, %s: %s",
		    id_hex(&c->credential->id, hex), c->credential->name,
		    health_condition_name(c->condition), health_grade_name(c->grade), c->text);
	events_on_health(s->events, c);
}

/* As ca-certificates makes it, and what is linked against OpenSSL reads. */
#define HOST_ROOTS "/etc/ssl/certs/ca-certificates.crt"

void
server_open_health(struct server *s)
{
	s->health = health_new(&(struct health_params){
	    .runtime = s->runtime,
	    .index = s->index,
	    .commit = s->commit,
	    .flow = s->flow,
	    .receipt = server_receipt,
	    .has_told = has_told,
	    .looks = {look_start, look_cancel},
	    .host_roots = HOST_ROOTS,
	    .arg = s,
	});
	health_listen(s->health, on_change, s);
}
