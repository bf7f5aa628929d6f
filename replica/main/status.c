#include "replica/main/replica.h"

#include "common/json/json.h"
#include "common/sys/file.h"

#include <inttypes.h>
#include <unistd.h>

#define STATUS_MAX (64 * 1024)
#define STATUS_EVERY_MS 1000

static void
put_ports(struct json_writer *w, struct replica *r, bool counts)
{
	const struct port_config *configs = r->config->ports.items;

	json_put_array(w, "ports");
	for (size_t i = 0; r->ports != NULL && i < r->config->ports.count; i++) {
		struct port_counts n;

		json_put_object(w, NULL);
		json_put_text(w, "name", configs[i].name);
		json_put_text(w, "kind", configs[i].kind == PORT_TLS ? "tls" : "http");
		json_put_text(w, "address", ports_address(r->ports, i));
		if (counts) {
			ports_counts(r->ports, i, &n);
			json_put_uint(w, "open", n.open);
			json_put_uint(w, "accepted", n.accepted);
			json_put_uint(w, "handshakes", n.handshakes);
			json_put_uint(w, "resumed", n.resumed);
			json_put_uint(w, "failed", n.failed);
			json_put_uint(w, "refused", n.refused);
		}
		json_put_end(w);
	}
	json_put_end(w);
}

static void
put_status(struct replica *r, struct buf *out)
{
	struct json_writer w = JSON_WRITER(out);
	struct follow_status f;
	struct cache_stats c;
	char hex[ID_HEX_MAX];

	follow_status(r->follow, &f);
	cache_stats(r->cache, &c);
	json_put_object(&w, NULL);
	json_put_text(&w, "program", "certherd-replica " CERTHERD_VERSION);
	json_put_text(&w, "domain", r->member.domain_name);
	json_put_text(&w, "node", r->member.name);
	json_put_text(&w, "id", id_hex(&r->member.node, hex));
	json_put_text(&w, "freshness", freshness_name(f.freshness));
	json_put_uint(&w, "since_beat_ms", f.since_beat_ms);
	json_put_text(&w, "state", f.state);
	json_put_textf(&w, "term", "%" PRIu64 ".%" PRIu64, f.at.term >> 32, f.at.term & UINT32_MAX);
	json_put_uint(&w, "seq", f.at.seq);
	json_put_uint(&w, "records", f.records);
	json_put_text(&w, "server", r->member.endpoints[r->endpoint]);
	json_put_text(&w, "link_error", r->link_error.code != 0 ? r->link_error.text : NULL);
	json_put_text(&w, "refused", r->refused[0] != '\0' ? r->refused : NULL);
	json_put_uint(&w, "credentials_served", c.serving.credentials);
	json_put_uint(&w, "names_served", c.serving.names);
	json_put_uint(&w, "keys_opened", c.serving.opened);
	json_put_uint(&w, "swaps", c.serving.swaps);
	json_put_uint(&w, "openings_failed", c.failed);
	json_put_time(&w, "identity_until", cert_not_after(r->member.chain[0]));
	put_ports(&w, r, true);
	json_put_end(&w);
	buf_put_str(out, "\n");
}

static void
on_status(void *arg)
{
	struct replica *r = arg;
	AUTO(buf_freep)
	struct buf *text = buf_new(STATUS_MAX);

	replica_keep_freshness(r);
	put_status(r, text);
	if (r->ports != NULL && buf_error(text, "status", NULL) == 0)
		ports_set_status(r->ports, buf_span(text));
	runtime_timer_start(r->runtime, &r->status_timer, STATUS_EVERY_MS);
}

void
replica_watch_status(struct replica *r)
{
	r->status_timer.cb = on_status;
	r->status_timer.arg = r;
	runtime_timer_start(r->runtime, &r->status_timer, 0);
}

int
replica_write_endpoints(struct replica *r, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/endpoints.json", r->config->data);
	AUTO(buf_freep)
	struct buf *text = buf_new(STATUS_MAX);
	struct json_writer w = JSON_WRITER(text);
	int code;

	json_put_object(&w, NULL);
	json_put_int(&w, "pid", getpid());
	put_ports(&w, r, false);
	json_put_end(&w);
	buf_put_str(text, "\n");
	if ((code = buf_error(text, "endpoints.json", err)) < 0)
		return code;
	return file_write_atomic(path, 0644, buf_span(text), err);
}
