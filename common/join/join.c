#include "common/join/join.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "common/http/http.h"
#include "common/join/answer.h"
#include "common/json/json.h"
#include "common/member/member.h"
#include "common/sys/file.h"
#include "common/wire/link_messages.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define REQUEST_MAX (64 * 1024)
#define REPLY_MAX (256 * 1024)
#define TRY_MS 20000
#define ROUNDS 4 /* over the servers of the token, while none can be reached */
#define PAUSE_MS 300

/* One join while it runs. */
struct join {
	const struct join_params *p;
	struct join_token token;
	const char *name;
	struct pkey *identity, *sealing;
	struct buf body; /* of the POST: holds the token's secret, wiped at the end */
};

static void
join_fini(struct join *j)
{
	join_token_fini(&j->token);
	pkey_unref(j->identity);
	pkey_unref(j->sealing);
	buf_fini(&j->body);
}

/* A key that an earlier try has made is used again: the server knows it already, perhaps. */
static int
key_of(const char *dir, const char *name, struct pkey **out, struct err *err)
{
	int r = member_load_key(dir, name, out, err);

	if (r != ERR_NOTFOUND)
		return r;
	r = pkey_generate(KEY_EC_P256, out, err);
	return r < 0 ? r : member_save_key(dir, name, *out, err);
}

static int
prepare_dir(struct join *j, struct err *err)
{
	const char *dir = j->p->dir;
	int r = member_make_dirs(dir, err);

	if (r < 0)
		return r;
	if (member_exists(dir))
		return err_set(err, ERR_EXISTS,
		    "'%.150s' is a member of a domain already; to join again, give another "
		    "directory",
		    dir);
	if ((r = key_of(dir, "identity", &j->identity, err)) < 0 ||
	    (r = key_of(dir, "sealing", &j->sealing, err)) < 0)
		return r;
	return 0;
}

static int
put_proofs(struct join *j, struct json_writer *w, struct err *err)
{
	struct buf csr = BUF_INIT(LIMIT_CERT), proof = BUF_INIT(SIGNATURE_MAX);
	struct hash hash;
	int r = csr_make(j->identity, j->name, &csr, err);

	if (r == 0) {
		hash_of(buf_span(&csr), &hash);
		r = sign_put(
		    j->sealing, SIGN_JOIN, &j->token.domain, SPAN_OF(hash.bytes), &proof, err);
	}
	if (r == 0) {
		json_put_base64(w, "csr", buf_span(&csr));
		json_put_base64(w, "sealing_key", pkey_spki(j->sealing));
		json_put_base64(w, "sealing_proof", buf_span(&proof));
	}
	buf_fini(&csr);
	buf_fini(&proof);
	return r;
}

static int
make_body(struct join *j, struct err *err)
{
	char secret[2 * JOIN_TOKEN_SECRET_LEN + 1], token[2 * JOIN_TOKEN_ID_LEN + 1];
	struct json_writer w = JSON_WRITER(&j->body);
	struct span bytes = secret_reveal(j->token.secret);
	int r;

	CHECK(bytes.len == JOIN_TOKEN_SECRET_LEN);
	j->body = BUF_INIT(REQUEST_MAX);
	json_put_object(&w, NULL);
	json_put_text(&w, "token", hex_encode(j->token.token_id, JOIN_TOKEN_ID_LEN, token));
	json_put_text(&w, "secret", hex_encode(bytes.data, bytes.len, secret));
	explicit_bzero(secret, sizeof(secret));
	json_put_text(&w, "name", j->name);
	r = put_proofs(j, &w, err);
	json_put_array(&w, "addresses");
	for (size_t i = 0; i < j->p->addresses.count; i++)
		json_put_text(&w, NULL, j->p->addresses.items[i]);
	json_put_end(&w);
	json_put_text(&w, "software", j->p->software);
	json_put_end(&w);
	return r < 0 ? r : buf_error(&j->body, "the request to join", err);
}

/* The cause without the address, which stands in front of it already. */
static int
unreached(const char *server, struct err *err)
{
	char cause[ERR_TEXT_MAX];
	const char *start = strstr(err->text, "': ");

	snprintf(cause, sizeof(cause), "%s", start != NULL ? start + 3 : err->text);
	return err_set(err, err->code,
	    "server '%.60s', which the token names, cannot be reached (%.80s); is it up, and its "
	    "port "
	    "open? its option --advertise sets the address in tokens",
	    server, cause);
}

static int
fetch_root(const struct join *j, const char *server, struct cert **out, struct err *err)
{
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	AUTO(mem_freep)
	char *url = mem_printf("https://%s/v1/root", server);
	int r = http_request(
	    &(struct http_params){
		.url = url, .trust = HTTP_TRUST_NOBODY, .total_ms = TRY_MS, .max_reply = REPLY_MAX},
	    &reply, err);

	if (r == ERR_UNAVAIL || r == ERR_TIMEOUT)
		return unreached(server, err);
	if (r < 0)
		return r;
	if (reply.status != 200)
		return join_answer_error(reply.status, buf_span(&reply.body), server, err);
	r = join_answer_root(buf_span(&reply.body), &j->token.root_fingerprint, out, err);
	return r < 0 ? err_wrap(err, "server '%s'", server) : 0;
}

static int
post_join(const struct join *j, const char *server, const struct cert *root, struct member *out,
    struct err *err)
{
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	AUTO(mem_freep)
	char *url = mem_printf("https://%s/v1/join", server);
	struct join_expected expected = {.root = root,
	    .domain = &j->token.domain,
	    .identity_key = j->identity,
	    .now = j->p->now};
	int r = http_request(&(struct http_params){.url = url,
				 .body = buf_span(&j->body),
				 .trust = HTTP_TRUST_PINNED,
				 .ca = cert_der(root),
				 .total_ms = TRY_MS,
				 .max_reply = REPLY_MAX},
	    &reply, err);

	if (r < 0)
		return r;
	if (reply.status != 200)
		return join_answer_error(reply.status, buf_span(&reply.body), server, err);
	r = join_answer_identity(buf_span(&reply.body), &expected, out, err);
	return r < 0 ? err_wrap(err, "server '%s'", server) : 0;
}

/* Another server may know better only when this one could not be asked, or is none of ours. */
static bool
is_final(int code)
{
	return code != ERR_UNAVAIL && code != ERR_TIMEOUT && code != ERR_PROTO &&
	    code != ERR_CRYPTO && code != ERR_PARSE && code != ERR_LIMIT;
}

static int
ask_each(struct join *j, struct member *out, const char **server, struct err *err)
{
	int r = err_set(err, ERR_PARSE, "the token names no server");

	for (size_t i = 0; i < j->token.endpoints.count; i++) {
		AUTO(cert_unrefp)
		struct cert *root = NULL;

		*server = j->token.endpoints.items[i];
		r = fetch_root(j, *server, &root, err);
		if (r == 0)
			r = post_join(j, *server, root, out, err);
		if (r == 0 || is_final(r))
			return r;
	}
	return r;
}

/* A server that is being flooded drops connections at random; the next one may get through. */
static int
ask_servers(struct join *j, struct member *out, const char **server, struct err *err)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	int r = ask_each(j, out, server, err);

	for (int i = 1; i < ROUNDS && r == ERR_UNAVAIL; i++) {
		nanosleep(&pause, NULL);
		r = ask_each(j, out, server, err);
	}
	return r;
}

static int
run(struct join *j, struct join_result *result, struct err *err)
{
	const char *server = NULL;
	struct member m = {0};
	int r = join_token_parse(j->p->token, &j->token, err);

	if (r < 0)
		return r;
	j->name = j->p->name != NULL ? j->p->name : j->token.name;
	if ((r = prepare_dir(j, err)) < 0 || (r = make_body(j, err)) < 0)
		return r;
	r = ask_servers(j, &m, &server, err);
	if (r < 0)
		return r;
	m.identity_key = pkey_ref(j->identity);
	if (m.high_term < j->token.term)
		m.high_term = j->token.term;
	r = member_write(j->p->dir, &m, err);
	if (r == 0) {
		result->node = m.node;
		snprintf(result->name, sizeof(result->name), "%s", m.name);
		snprintf(result->domain, sizeof(result->domain), "%s", m.domain_name);
		snprintf(result->server, sizeof(result->server), "%s", server);
	}
	member_fini(&m);
	return r;
}

int
join_run(const struct join_params *params, struct join_result *result, struct err *err)
{
	struct join j = {.p = params};
	AUTO(fd_closep)
	int lock = -1;
	int r = member_make_dirs(params->dir, err);

	if (r == 0)
		r = dir_lock(params->dir, &lock, err);
	if (r == 0)
		r = run(&j, result, err);
	join_fini(&j);
	return r;
}
