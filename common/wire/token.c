/* Join tokens: what an administrator carries to a new node. */

#include "common/base/str.h"
#include "common/wire/fields.h"

#include <string.h>

#include "link.pb-c.h"

int
join_token_format(const struct join_token *t, struct secret **text, struct err *err)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_JOIN_TOKEN);
	AUTO(buf_freep)
	struct buf *out = buf_new(LIMIT_JOIN_TOKEN);
	Certherd__JoinToken m = CERTHERD__JOIN_TOKEN__INIT;
	int rc;

	m.token_id = put_span(SPAN_OF(t->token_id));
	m.secret = put_span(secret_span(t->secret));
	m.root_fingerprint = put_hash(&t->root_fingerprint);
	m.domain = put_domain(&t->domain);
	m.n_endpoints = t->endpoints.count;
	m.endpoints = put_texts(t->endpoints);
	m.term = t->term;
	m.name = put_text(t->name);
	m.expires_at = t->expires_at;
	rc = pack(&m.base, LIMIT_JOIN_TOKEN, bytes, err);
	if (rc < 0)
		return rc;
	buf_put_str(out, JOIN_TOKEN_PREFIX);
	base64url_put(out, buf_span(bytes));
	rc = buf_error(out, "a join token", err);
	if (rc < 0)
		return rc;
	return secret_take(out->data, out->len, text, err);
}

/* The text without the blanks that copying puts around it. */
static struct span
trim(struct span s)
{
	while (s.len > 0 && (s.data[0] == ' ' || (s.data[0] >= '\t' && s.data[0] <= '\r')))
		s = SPAN(s.data + 1, s.len - 1);
	while (s.len > 0 &&
	    (s.data[s.len - 1] == ' ' || (s.data[s.len - 1] >= '\t' && s.data[s.len - 1] <= '\r')))
		s.len--;
	return s;
}

static int
decode_token(struct span in, struct join_token *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct join_token t = {0};
	Certherd__JoinToken *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__join_token__descriptor, in, LIMIT_JOIN_TOKEN, true, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	get_bytes(&f, "token_id", m->token_id, JOIN_TOKEN_ID_LEN, JOIN_TOKEN_ID_LEN);
	get_bytes(&f, "secret", m->secret, JOIN_TOKEN_SECRET_LEN, JOIN_TOKEN_SECRET_LEN);
	get_hash(&f, "root_fingerprint", m->root_fingerprint, &t.root_fingerprint);
	get_domain(&f, "domain", m->domain, &t.domain);
	t.endpoints = get_texts(
	    &f, "endpoints", m->n_endpoints, m->endpoints, LIMIT_ENDPOINTS, LIMIT_ENDPOINT);
	t.term = m->term;
	t.name = get_text(&f, "name", m->name, LIMIT_LABEL);
	t.expires_at = m->expires_at;
	get_rule(&f, t.endpoints.count > 0, "it names no server");
	/* A token that never runs out is none. */
	get_rule(&f, t.expires_at > 0, "it has no end");
	if (f.error < 0)
		return f.error;
	memcpy(t.token_id, m->token_id.data, JOIN_TOKEN_ID_LEN);
	rc = secret_take(m->secret.data, m->secret.len, &t.secret, err);
	if (rc < 0)
		return rc;
	t.memory = MOVE(f.arena);
	*out = t;
	return 0;
}

int
join_token_parse(const struct secret *text, struct join_token *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_JOIN_TOKEN);
	const size_t prefix = strlen(JOIN_TOKEN_PREFIX);
	struct span s = trim(secret_span(text));

	if (s.len > LIMIT_JOIN_TOKEN || s.len < prefix ||
	    memcmp(s.data, JOIN_TOKEN_PREFIX, prefix) != 0)
		return err_set(err, ERR_PARSE,
		    "this is no join token: one begins with '%s' and is printed by 'certherd node "
		    "token'",
		    JOIN_TOKEN_PREFIX);
	if (base64url_decode(SPAN(s.data + prefix, s.len - prefix), bytes, NULL) < 0 ||
	    decode_token(buf_span(bytes), out, NULL) < 0)
		return err_set(err, ERR_PARSE,
		    "the join token is damaged: copy the whole line, or make a new one with "
		    "'certherd node token'");
	return 0;
}

void
join_token_fini(struct join_token *t)
{
	if (t == NULL)
		return;
	secret_free(t->secret);
	arena_free(t->memory);
	memset(t, 0, sizeof(*t));
}
