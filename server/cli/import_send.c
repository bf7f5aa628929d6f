/* Requests with many imports each: one is filled while the one before is on its way. */

#include "server/cli/export.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "common/wire/public_wire.h"

#include <pthread.h>
#include <string.h>

#define REQUEST_MOST 100
#define REQUEST_MOST_EXPORTABLE 8
#define BODY_MOST (LIMIT_HTTP_BODY - 1024)

struct import_request {
	struct cli *c;
	struct buf body;
	struct json_writer w;
	struct import_told told[REQUEST_MOST];
	size_t count;
	/* on its way; what follows is the thread's until it has ended */
	bool sent;
	pthread_t thread;
	struct json *reply;
	int rc;
	struct err err;
};

static void
forget(struct import_request *q)
{
	for (size_t i = 0; i < q->count; i++) {
		mem_free(q->told[i].file);
		mem_free(q->told[i].what);
	}
	q->count = 0;
	json_free(MOVE(q->reply));
}

static void
begin(struct import_request *q)
{
	forget(q);
	buf_clear(&q->body);
	q->w = JSON_WRITER(&q->body);
	json_put_object(&q->w, NULL);
	if (cli_option(q->c, "access") != NULL)
		cli_put_list(q->c, &q->w, "access", "access");
	json_put_array(&q->w, "imports");
}

void
import_run_begin(struct import_run *r)
{
	for (size_t i = 0; i < ARRAY_LEN(r->requests); i++) {
		r->requests[i] = mem_zalloc(sizeof(*r->requests[i]));
		r->requests[i]->c = r->c;
		r->requests[i]->body = BUF_INIT(LIMIT_HTTP_BODY);
		begin(r->requests[i]);
	}
	import_run_begin_report(r);
}

static void *
post(void *arg)
{
	struct import_request *q = arg;

	q->rc = cli_call(q->c, "POST", "/v1/imports", &q->body, &q->reply, &q->err);
	return NULL;
}

/* Waits for the request on its way, if there is one, and reports its results. */
static int
collect(struct import_run *r, struct err *err)
{
	struct import_request *q = r->requests[1];
	const struct json *results;
	int rc;

	if (!q->sent)
		return 0;
	CHECK(pthread_join(q->thread, NULL) == 0);
	q->sent = false;
	rc = q->rc;
	if (rc < 0 && err != NULL)
		*err = q->err;
	results = json_member(q->reply, "results");
	if (rc == 0 && json_count(results) != q->count)
		rc = err_set(err, ERR_PROTO, "the server answers %zu of %zu imports",
		    json_count(results), q->count);
	for (size_t i = 0; rc == 0 && i < q->count; i++)
		import_run_result(r, &q->told[i], json_item(results, i));
	if (rc == 0 && !r->c->json) {
		import_bar_clear(&r->bar);
		rc = cli_flush(r->c, err);
	}
	begin(q);
	import_bar_draw(&r->bar, r->sets_done, r->sets);
	return rc;
}

/* The one before has to have ended, so that results come in order. */
static int
send_on(struct import_run *r, struct err *err)
{
	struct import_request *q = r->requests[0];
	int rc = collect(r, err);

	if (rc < 0 || q->count == 0)
		return rc;
	json_put_end(&q->w);
	json_put_end(&q->w);
	r->requests[0] = r->requests[1];
	r->requests[1] = q;
	q->sent = pthread_create(&q->thread, NULL, post, q) == 0;
	return q->sent ? 0 : err_set(err, ERR_NOMEM, "no thread for a request");
}

int
import_run_send(struct import_run *r, struct err *err)
{
	int rc = send_on(r, err);

	return rc < 0 ? rc : collect(r, err);
}

/* A key as it goes to the server, and the password under which it may leave it again. */
struct sealed_unit {
	struct buf key, password;
	struct id nonce, generation;
};

static int
seal_unit(const struct import_run *r, const struct import_unit *u, struct sealed_unit *out,
    struct err *err)
{
	AUTO(secret_freep)
	struct secret *payload = NULL;
	AUTO(buf_freep)
	struct buf *purpose = buf_new(LIMIT_PUBLIC);
	int rc = export_session_seal(r->export, u->certs[0], &out->generation, &out->password, err);

	/* The key says which password goes with it, so that nobody on the way adds his own. */
	if (rc == 0)
		rc = imported_key_purpose(u->certs[0], buf_span(&out->password), purpose, err);
	if (rc == 0)
		rc = wire_private_key_encode(u->key, &payload, err);
	return rc < 0 ? rc
		      : managers_seal(r->managers, SEAL_IMPORTED_KEY, buf_span(purpose), payload,
			    &out->nonce, &out->key, err);
}

/* One import as an object of JSON. */
static int
put_unit(const struct import_run *r, const struct import_unit *u, const char *name, struct buf *out,
    struct err *err)
{
	struct json_writer w = JSON_WRITER(out);
	struct sealed_unit sealed = {
	    .key = BUF_INIT(LIMIT_SEALED), .password = BUF_INIT(LIMIT_SEALED)};
	char hex[ID_HEX_MAX];
	int rc = seal_unit(r, u, &sealed, err);

	if (rc == 0) {
		json_put_object(&w, NULL);
		if (name != NULL)
			json_put_text(&w, "name", name);
		json_put_array(&w, "certificates");
		for (size_t i = 0; i < u->cert_count; i++)
			json_put_base64(&w, NULL, u->certs[i]);
		json_put_end(&w);
		json_put_text(&w, "nonce", id_hex(&sealed.nonce, hex));
		json_put_base64(&w, "sealed", buf_span(&sealed.key));
		if (cli_flag(r->c, "replace"))
			json_put_bool(&w, "replace", true);
		export_session_write(&w, NULL, &sealed.generation, buf_span(&sealed.password));
		json_put_end(&w);
	}
	buf_fini(&sealed.key);
	buf_fini(&sealed.password);
	return rc;
}

/* The rounds of a password take as long as many keys without. */
static size_t
request_most(const struct import_run *r)
{
	return r->export->password != NULL ? REQUEST_MOST_EXPORTABLE : REQUEST_MOST;
}

int
import_run_add(struct import_run *r, const struct import_unit *u, const char *name, struct err *err)
{
	AUTO(buf_freep)
	struct buf *entry = buf_new(LIMIT_HTTP_BODY);
	struct import_request *q = r->requests[0];
	struct import_told *t;
	int rc = put_unit(r, u, name, entry, err);

	if (rc < 0)
		return rc;
	if (buf_error(entry, u->file, err) < 0 || entry->len > BODY_MOST / 2) {
		import_run_fail(
		    r, u->file, ERR_LIMIT, "its key and certificates are too long for one request");
		return 0;
	}
	if (q->count == request_most(r) || q->body.len + entry->len > BODY_MOST) {
		rc = send_on(r, err);
		if (rc < 0)
			return rc;
		q = r->requests[0];
	}
	json_put_raw(&q->w, NULL, buf_span(entry));
	t = &q->told[q->count++];
	*t = (struct import_told){.file = mem_strdup(u->file),
	    .what = mem_printf("%s%s%s", u->names, *u->place != '\0' ? ", " : "", u->place)};
	hash_of(u->certs[0], &t->fingerprint);
	return 0;
}

void
import_run_end(struct import_run *r)
{
	struct err ignored;

	/* After a failure on the way, one request may still be out. */
	(void)!collect(r, &ignored);
	import_run_end_report(r);
	for (size_t i = 0; i < ARRAY_LEN(r->requests); i++) {
		forget(r->requests[i]);
		buf_fini(&r->requests[i]->body);
		mem_free(r->requests[i]);
	}
}
