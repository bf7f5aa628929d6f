#include "server/api/api_priv.h"

#include "common/base/str.h"

#include <string.h>

#define BODY_MAX LIMIT_HTTP_BODY

void
api_begin(struct api_reply *r)
{
	r->body = BUF_INIT(API_REPLY_MAX);
	r->w = JSON_WRITER(&r->body);
	json_put_object(&r->w, NULL);
}

void
api_send(struct httpd_request *req, struct api_reply *r)
{
	struct err err;

	json_put_end(&r->w);
	CHECK(r->w.depth == 0);
	buf_put_u8(&r->body, '\n');
	if (buf_error(&r->body, "the answer", &err) < 0)
		api_fail(req, &err);
	else
		httpd_reply(req, 200, "application/json", buf_span(&r->body));
	buf_fini(&r->body);
}

/* What a person can do about an error, as far as it follows from the code and the place. */
static const char *
hint_of(int code, const char *path)
{
	static const struct {
		int code;
		const char *prefix, *hint;
	} hints[] = {
	    {ERR_NOTFOUND, "/v1/certs", "'certherd cert list' shows the credentials"},
	    {ERR_NOTFOUND, "/v1/nodes", "'certherd node list' shows the nodes"},
	    {ERR_NOTFOUND, "/v1/groups",
		"'certherd group list' and 'certherd node list' show the names"},
	    {ERR_NOTFOUND, "/v1/cas", "'certherd ca list' shows the Micro CAs"},
	    {ERR_NOTFOUND, "/v1/trust", "'certherd trust list' shows labels and fingerprints"},
	    {ERR_NOTFOUND, "/v1/settings",
		"'certherd node list' and 'certherd group list' show the names"},
	    {ERR_EXISTS, "/v1/certs",
		"'certherd cert renew' makes a new generation; --name gives another name"},
	    {ERR_DENIED, "/v1/join", "make a new token with 'certherd node token --name NAME'"},
	    {ERR_CONFLICT, "/", "it was changed meanwhile; look again and repeat the command"},
	    {ERR_BUSY, "/", "wait for what is under way, then repeat the command"},
	    {ERR_AGAIN, "/", "repeat the command in a minute"},
	    {ERR_UNAVAIL, "/",
		"nothing was changed; 'certherd status' says how the server is, then repeat the "
		"command"},
	    {ERR_TIMEOUT, "/", "'certherd status' says how the server is"},
	    {ERR_NOSPACE, "/",
		"nothing was changed; make room on the server's disk, then repeat the command"},
	    {ERR_IO, "/", "nothing was changed; the server's log says more"},
	    {ERR_BUG, "/", "this should not happen; the server's log says more"},
	};

	for (size_t i = 0; i < ARRAY_LEN(hints); i++)
		if (hints[i].code == code && str_starts(path, hints[i].prefix))
			return hints[i].hint;
	return NULL;
}

void
api_fail(struct httpd_request *req, const struct err *err)
{
	struct buf body = BUF_INIT(16 * ERR_TEXT_MAX);
	struct json_writer w = JSON_WRITER(&body);
	/* A text that names a command says already what to do. */
	const char *hint =
	    strstr(err->text, "'certherd ") == NULL ? hint_of(err->code, httpd_path(req)) : NULL;

	/* Most conflicts are refusals for good: only what has moved meanwhile can be tried again.
	 */
	if (err->code == ERR_CONFLICT && strstr(err->text, "meanwhile") == NULL)
		hint = NULL;

	json_put_object(&w, NULL);
	json_put_object(&w, "error");
	json_put_text(&w, "code", err_name(err->code));
	json_put_text(&w, "text", err->text);
	if (hint != NULL)
		json_put_text(&w, "hint", hint);
	json_put_end(&w);
	json_put_end(&w);
	buf_put_u8(&body, '\n');
	httpd_reply(req, httpd_status_of(err->code), "application/json", buf_span(&body));
	buf_fini(&body);
}

int
api_decode(const struct httpd_request *req, const struct json_field *fields, size_t count,
    void *out, struct err *err)
{
	AUTO(json_freep)
	struct json *root = NULL;
	struct span body = httpd_body(req);
	int r = json_parse(body.len > 0 ? body : span_str("{}"), BODY_MAX, &root, err);

	return r < 0 ? r : json_decode(root, fields, count, out, err);
}

/* What is in them is for the flow to judge. */
int
api_decode_ders(const struct json_texts *texts, struct api_ders *out, struct err *err)
{
	struct api_ders d = {.bufs = mem_array(texts->count + 1, sizeof(*d.bufs)),
	    .items = mem_array(texts->count + 1, sizeof(*d.items))};

	for (size_t i = 0; i < texts->count; i++) {
		struct buf *der = &d.bufs[i];
		int r;

		*der = BUF_INIT(LIMIT_CERT);
		d.count++;
		r = base64_decode(span_str(texts->items[i]), der, err);
		if (r < 0) {
			api_ders_fini(&d);
			return err_wrap(err, "certificate %zu", i + 1);
		}
		d.items[i] = buf_span(der);
	}
	*out = d;
	return 0;
}

void
api_ders_fini(struct api_ders *d)
{
	for (size_t i = 0; i < d->count; i++)
		buf_fini(&d->bufs[i]);
	mem_free(d->bufs);
	mem_free(d->items);
	*d = (struct api_ders){NULL, NULL, 0};
}

int
api_query(const struct httpd_request *req, const char *name, const char **out, struct err *err)
{
	const char *value = httpd_query(req, name);

	if (value == NULL || *value == '\0')
		return err_set(err, ERR_INVALID, "the query member '%s' is missing", name);
	*out = value;
	return 0;
}

void
api_put_id(struct json_writer *w, const char *name, const struct id *id)
{
	char hex[ID_HEX_MAX];

	json_put_text(w, name, id_hex(id, hex));
}

void
api_put_hash(struct json_writer *w, const char *name, const struct hash *hash)
{
	char hex[HASH_HEX_MAX];

	json_put_text(w, name, hash_hex(hash, hex));
}

void
api_put_texts(struct json_writer *w, const char *name, struct texts texts)
{
	json_put_array(w, name);
	for (size_t i = 0; i < texts.count; i++)
		json_put_text(w, NULL, texts.items[i]);
	json_put_end(w);
}

void
api_put_commit(struct json_writer *w, const struct commit_result *commit, struct texts warnings)
{
	json_put_text(w, "durability", commit->durability);
	json_put_uint(w, "term", commit->term);
	json_put_uint(w, "seq", commit->seq);
	json_put_array(w, "warnings");
	for (size_t i = 0; i < warnings.count; i++)
		json_put_text(w, NULL, warnings.items[i]);
	if (commit->warning != NULL)
		json_put_text(w, NULL, commit->warning);
	json_put_end(w);
}

void
api_put_access(const struct api *a, struct json_writer *w, struct ids access)
{
	char name[LIMIT_NAME + 2];

	json_put_array(w, "access");
	for (size_t i = 0; i < access.count; i++)
		json_put_text(w, NULL, index_access_name(a->p.index, &access.items[i], name));
	json_put_end(w);
}

const char *
api_author(const struct httpd_request *req)
{
	return httpd_peer(req)->address;
}

/* ------------------------------------------------------------------------- later answers */

static void
answer_on_gone(void *arg)
{
	OBJ_CAST(struct answer, arg, OP_MAGIC)->req = NULL;
}

struct answer *
answer_new(struct api *a, struct httpd_request *req)
{
	struct answer *op = mem_zalloc(sizeof(*op));

	op->magic = OP_MAGIC;
	op->api = a;
	op->req = req;
	return op;
}

static void
answer_free(struct answer *op)
{
	op->magic = 0;
	mem_free(op);
}

void
answer_started(struct answer *op, int r, const struct err *err)
{
	if (r == 0) {
		httpd_defer(op->req, answer_on_gone, op);
		return;
	}
	api_fail(op->req, err);
	answer_free(op);
}

struct httpd_request *
answer_end(void *arg)
{
	struct answer *op = OBJ_CAST(struct answer, arg, OP_MAGIC);
	struct httpd_request *req = op->req;

	answer_free(op);
	return req;
}

struct httpd_request *
answer_begin(void *arg, int status, const struct err *err, struct api_reply *r)
{
	struct httpd_request *req = answer_end(arg);

	if (req != NULL && status < 0) {
		api_fail(req, err);
		return NULL;
	}
	if (req != NULL)
		api_begin(r);
	return req;
}

void
answer_on_flow(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct api_reply r;
	struct httpd_request *req = answer_begin(arg, status, err, &r);

	if (req == NULL)
		return;
	api_put_id(&r.w, "id", &result->id);
	json_put_text(&r.w, "name", result->name);
	if (result->generation > 0)
		json_put_uint(&r.w, "generation", result->generation);
	if (result->not_after > 0)
		json_put_time(&r.w, "not_after", result->not_after);
	json_put_bool(&r.w, "csr", result->waits);
	if (result->unchanged) {
		json_put_bool(&r.w, "unchanged", true);
		api_put_texts(&r.w, "warnings", result->warnings);
	} else {
		api_put_commit(&r.w, &result->commit, result->warnings);
	}
	api_send(req, &r);
}

void
answer_on_nodes(void *arg, int status, const struct nodes_result *result, const struct err *err)
{
	struct api_reply r;
	struct httpd_request *req = answer_begin(arg, status, err, &r);

	if (req == NULL)
		return;
	api_put_id(&r.w, "id", &result->id);
	api_put_commit(&r.w, &result->commit, api_one_text(&result->warning));
	api_send(req, &r);
}
