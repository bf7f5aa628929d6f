/* The choice of certificates on a port, seen by a client that is plain OpenSSL. */

#include "tests/unit/common/tls/test_tls.h"

#include "common/crypto/sign.h"
#include "tests/support/tls_client.h"

#include <sys/socket.h>
#include <unistd.h>

static struct tls_identity *ec, *ec384, *rsa;

/* A port with one connection at a time; it answers "ok" to whatever is sent. */
struct port {
	struct loop *loop;
	struct tls_ctx *ctx;
	int listener;
	struct address address;
	struct loop_fd *watch;
	struct tls_stream *stream;
	bool pend_once, pending, none, refuse_tickets, over;
	unsigned can, selects, resumes, handshakes;
	char name[64];
	uint8_t tag;
	struct timer resume;
	struct err err;
};

static bool
knows(void *arg, const char *name)
{
	(void)arg;
	return name == NULL || strcmp(name, "www.example.org") == 0;
}

static enum tls_select
choose(void *arg, struct tls_stream *s, const struct tls_hello *hello,
    struct tls_identity **identity, uint8_t ticket[static TLS_TICKET_LEN])
{
	struct port *p = arg;
	struct tls_identity *id = NULL;

	assert_true(p->stream == NULL || p->stream == s);
	p->selects++;
	p->can = hello->can;
	snprintf(p->name, sizeof(p->name), "%s", hello->name != NULL ? hello->name : "(none)");
	if (p->pend_once) {
		p->pend_once = false;
		p->pending = true;
		return TLS_SELECT_PENDING;
	}
	if ((hello->can & TLS_CAN_ECDSA_P256) != 0)
		id = ec;
	else if ((hello->can & TLS_CAN_ECDSA_P384) != 0)
		id = ec384;
	else if ((hello->can & TLS_CAN_RSA) != 0)
		id = rsa;
	if (id == NULL || p->none)
		return TLS_SELECT_NONE;
	*identity = tls_identity_ref(id);
	memset(ticket, p->tag, TLS_TICKET_LEN);
	return TLS_SELECT_OK;
}

static bool
may_resume(void *arg, const char *name, const uint8_t ticket[static TLS_TICKET_LEN])
{
	struct port *p = arg;

	p->resumes++;
	assert_string_equal(name, "www.example.org");
	return ticket[0] == p->tag && ticket[TLS_TICKET_LEN - 1] == p->tag && !p->refuse_tickets;
}

static const struct tls_select_ops select_ops = {knows, choose, may_resume};

static void
on_port_ready(void *arg)
{
	struct port *p = arg;

	p->handshakes++;
	tls_stream_want(p->stream, LOOP_READ);
}

static void
hang_up(struct port *p)
{
	tls_stream_close(MOVE(p->stream));
	p->over = true;
}

static void
on_port_event(void *arg, unsigned events)
{
	struct port *p = arg;
	uint8_t bytes[64];
	size_t len = 0;
	int r = tls_stream_read(p->stream, bytes, sizeof(bytes), &len, &p->err);

	(void)events;
	if (r == ERR_AGAIN)
		return;
	if (r == 0 && len > 0)
		assert_int_equal(tls_stream_write(p->stream, span_str("ok"), &len, &p->err), 0);
	hang_up(p);
}

static void
on_port_failed(void *arg, const struct err *err)
{
	struct port *p = arg;

	p->err = *err;
	hang_up(p);
}

static const struct tls_stream_events port_events = {on_port_ready, on_port_event, on_port_failed};

static void
on_accept(void *arg, unsigned events)
{
	struct port *p = arg;
	int fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	const struct tls_stream_params params = {.loop = p->loop,
	    .ctx = p->ctx,
	    .fd = fd,
	    .handshake_ms = 10000,
	    .events = &port_events,
	    .arg = p};

	(void)events;
	assert_true(fd >= 0 && p->stream == NULL);
	assert_int_equal(tls_stream_new(&params, &p->stream, NULL), 0);
}

static void
port_open(struct port *p, struct loop *l)
{
	static const struct tls_alpn alpn[] = {{"http/1.1", TLS_CLIENT_NONE}};
	const struct tls_ctx_params params = {
	    .server = true,
	    .min = TLS_1_2,
	    .max = TLS_1_3,
	    .alpn = alpn,
	    .alpn_count = 1,
	    .alpn_ignore_unknown = true,
	    .select = &select_ops,
	    .tickets = true,
	    .ticket_scope = span_str("scope"),
	};

	*p = (struct port){.loop = l, .tag = 1};
	assert_int_equal(tls_ctx_new(&params, &p->ctx, NULL), 0);
	assert_int_equal(address_listen("127.0.0.1:0", false, &p->listener, &p->address, NULL), 0);
	assert_int_equal(loop_fd_open(l, p->listener, on_accept, p, &p->watch, NULL), 0);
	loop_fd_watch(p->watch, LOOP_READ);
}

static void
port_close(struct port *p)
{
	loop_fd_close(p->watch);
	close(p->listener);
	tls_stream_close(p->stream);
	tls_ctx_unref(p->ctx);
}

static struct tls_client
client_of(const struct port *p)
{
	return (struct tls_client){.port = address_port(&p->address),
	    .name = "www.example.org",
	    .request = span_str("hello"),
	    .read_max = 2};
}

static void
run_client(struct port *p, struct tls_client *c)
{
	p->over = false;
	tls_client_run(p->loop, c);
	assert_true(wait_until(p->loop, wait_flag, &p->over));
}

static bool
got(const struct tls_client *c, const struct tls_identity *id)
{
	struct hash want;

	cert_fingerprint(tls_identity_leaf(id), &want);
	return c->done && hash_equal(&want, &c->leaf) && strcmp(buf_str(&c->reply), "ok") == 0;
}

/* ------------------------------------------------------------------------- cases */

struct offer {
	const char *title;
	int version;
	const char *sigalgs, *ciphers, *groups, *name;
	struct tls_identity **want; /* NULL: the alert below */
	int alert;
	unsigned can;
};

#define ECDSA_12 "ECDHE-ECDSA-AES128-GCM-SHA256"
#define RSA_12 "ECDHE-RSA-AES128-GCM-SHA256"
#define ALL_EC (TLS_CAN_ECDSA_P256 | TLS_CAN_ECDSA_P384 | TLS_CAN_ECDSA_P521)

static const struct offer offers[] = {
    {.title = "everything", .want = &ec, .can = ALL_EC | TLS_CAN_RSA | TLS_CAN_ED25519},
    {.title = "1.3 RSA",
	.version = 0x304,
	.sigalgs = "rsa_pss_rsae_sha256",
	.want = &rsa,
	.can = TLS_CAN_RSA},
    {.title = "1.3 P-384",
	.version = 0x304,
	.sigalgs = "ecdsa_secp384r1_sha384",
	.want = &ec384,
	.can = TLS_CAN_ECDSA_P384},
    {.title = "1.2 both, ECDSA is taken",
	.version = 0x303,
	.sigalgs = "ECDSA+SHA256:RSA+SHA256",
	.want = &ec},
    {.title = "1.2 RSA cipher",
	.version = 0x303,
	.ciphers = RSA_12,
	.want = &rsa,
	.can = TLS_CAN_RSA},
    {.title = "1.2 ECDSA cipher", .version = 0x303, .ciphers = ECDSA_12, .want = &ec},
    {.title = "1.2 RSA signatures",
	.version = 0x303,
	.sigalgs = "RSA+SHA256",
	.want = &rsa,
	.can = TLS_CAN_RSA},
    {.title = "1.2 ECDSA, P-384 alone",
	.version = 0x303,
	.ciphers = ECDSA_12,
	.groups = "P-384",
	.want = &ec384,
	.can = TLS_CAN_ECDSA_P384 | TLS_CAN_ED25519},
    {.title = "1.2 ed25519 alone", .version = 0x303, .sigalgs = "ed25519", .alert = 40},
    {.title = "1.2 old cipher", .version = 0x303, .ciphers = "AES128-SHA", .alert = 40},
    {.title = "unknown name", .name = "nobody.example.org", .alert = 112},
    {.title = "1.2 unknown name", .version = 0x303, .name = "nobody.example.org", .alert = 112},
    {.title = "1.3 ed25519 alone", .version = 0x304, .sigalgs = "ed25519", .alert = 40},
};

static void
test_offers(void **state)
{
	struct port p;

	port_open(&p, *state);
	for (size_t i = 0; i < ARRAY_LEN(offers); i++) {
		const struct offer *o = &offers[i];
		struct tls_client c = client_of(&p);

		c.min_version = c.max_version = o->version;
		c.sigalgs = o->sigalgs;
		c.ciphers = o->ciphers;
		c.groups = o->groups;
		if (o->name != NULL)
			c.name = o->name;
		run_client(&p, &c);
		if (o->want != NULL ? !got(&c, *o->want) : c.done || c.alert != o->alert)
			fail_msg("%s: done %d alert %d %s %s", o->title, c.done, c.alert, c.cipher,
			    p.err.text);
		if (o->can != 0)
			assert_int_equal(p.can, o->can);
		tls_client_clear(&c);
	}
	port_close(&p);
}

static void
on_resume(void *arg)
{
	tls_stream_resume(((struct port *)arg)->stream);
}

static void
test_pending(void **state)
{
	static const int versions[] = {0x303, 0x304};
	struct port p;

	port_open(&p, *state);
	p.resume.cb = on_resume;
	p.resume.arg = &p;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct tls_client c = client_of(&p);

		c.min_version = c.max_version = versions[i];
		p.pend_once = true;
		p.pending = p.over = false;
		p.selects = 0;
		tls_client_start(*state, &c);
		assert_true(wait_until(*state, wait_flag, &p.pending));
		for (int turn = 0; turn < 5; turn++)
			loop_turn(*state, false);
		assert_int_equal(p.selects, 1);
		runtime_timer_start(loop_runtime(*state), &p.resume, 5);
		assert_true(wait_until(*state, wait_flag, &c.finished));
		assert_true(wait_until(*state, wait_flag, &p.over));
		assert_int_equal(p.selects, 2);
		assert_true(got(&c, ec));
		tls_client_clear(&c);
	}
	port_close(&p);
}

/* The owner may give up while the choice is pending; nothing comes after it. */
static void
test_closed_while_pending(void **state)
{
	struct tls_client c;
	struct port p;

	port_open(&p, *state);
	c = client_of(&p);
	p.pend_once = true;
	tls_client_start(*state, &c);
	assert_true(wait_until(*state, wait_flag, &p.pending));
	tls_stream_close(MOVE(p.stream));
	assert_true(wait_until(*state, wait_flag, &c.finished));
	assert_false(c.done);
	tls_client_clear(&c);
	port_close(&p);
}

static void
test_none(void **state)
{
	struct tls_client c;
	struct port p;

	port_open(&p, *state);
	p.none = true;
	c = client_of(&p);
	run_client(&p, &c);
	assert_false(c.done);
	assert_int_equal(c.alert, 40);
	tls_client_clear(&c);
	port_close(&p);
}

/* ------------------------------------------------------------------------- tickets */

struct ticket_case {
	const char *title;
	bool refuse;      /* may_resume says no */
	bool other_tag;   /* it names another generation */
	bool other_keys;  /* the server has lost the key */
	bool second_keys; /* the key is still there, but no longer the first */
	bool resumed;
};

static const struct ticket_case ticket_cases[] = {
    {.title = "resumed", .resumed = true},
    {.title = "refused", .refuse = true},
    {.title = "of another generation", .other_tag = true},
    {.title = "of a lost key", .other_keys = true},
    {.title = "of an older key", .second_keys = true, .resumed = true},
};

static struct secret *
random_keys(size_t count)
{
	struct secret *s = NULL;

	assert_int_equal(secret_random(count * TLS_TICKET_KEY_LEN, &s, NULL), 0);
	return s;
}

static void
change_server(struct port *p, const struct ticket_case *k, const struct secret *keys)
{
	AUTO(secret_freep)
	struct secret *fresh = random_keys(2);

	p->refuse_tickets = k->refuse;
	if (k->other_tag)
		p->tag++;
	if (k->second_keys)
		memcpy(secret_bytes(fresh) + TLS_TICKET_KEY_LEN, secret_span(keys).data,
		    TLS_TICKET_KEY_LEN);
	if (k->other_keys || k->second_keys)
		assert_int_equal(tls_ctx_set_ticket_keys(p->ctx, fresh, NULL), 0);
}

static void
check_ticket(struct port *p, const struct ticket_case *k, int version)
{
	AUTO(secret_freep)
	struct secret *keys = random_keys(1);
	struct tls_client first, second, third;
	unsigned selects;

	p->refuse_tickets = false;
	assert_int_equal(tls_ctx_set_ticket_keys(p->ctx, keys, NULL), 0);
	first = client_of(p);
	first.min_version = first.max_version = version;
	run_client(p, &first);
	assert_true(got(&first, ec) && !first.resumed && first.new_session != NULL);
	change_server(p, k, keys);
	second = client_of(p);
	second.min_version = second.max_version = version;
	second.session = first.new_session;
	selects = p->selects;
	run_client(p, &second);
	if (!second.done || second.resumed != k->resumed)
		fail_msg("%s, %x: done %d, resumed %d", k->title, (unsigned)version, second.done,
		    second.resumed);
	assert_int_equal(p->selects - selects, k->resumed ? 0 : 1);
	/* Whatever happened, the client now has a ticket that is good. */
	p->refuse_tickets = false;
	third = client_of(p);
	third.min_version = third.max_version = version;
	third.session = second.new_session;
	run_client(p, &third);
	assert_true(third.done && third.resumed);
	tls_client_clear(&third);
	tls_client_clear(&second);
	tls_client_clear(&first);
}

static void
test_tickets(void **state)
{
	AUTO(secret_freep)
	struct secret *odd = NULL;
	struct port p;

	port_open(&p, *state);
	for (size_t i = 0; i < ARRAY_LEN(ticket_cases); i++) {
		check_ticket(&p, &ticket_cases[i], 0x303);
		check_ticket(&p, &ticket_cases[i], 0x304);
	}
	assert_int_equal(secret_random(79, &odd, NULL), 0);
	assert_int_equal(tls_ctx_set_ticket_keys(p.ctx, odd, NULL), ERR_INVALID);
	port_close(&p);
}

int
run_select_tests(void)
{
	const struct CMUnitTest select_tests[] = {
	    LOOP_TEST(test_offers),
	    LOOP_TEST(test_pending),
	    LOOP_TEST(test_closed_while_pending),
	    LOOP_TEST(test_none),
	    LOOP_TEST(test_tickets),
	};
	int failures;

	ec = pki_server(&pki, "www.example.org", KEY_EC_P256);
	ec384 = pki_server(&pki, "www.example.org", KEY_EC_P384);
	rsa = pki_server(&pki, "www.example.org", KEY_RSA_2048);
	failures = cmocka_run_group_tests(select_tests, NULL, NULL);
	tls_identity_unref(ec);
	tls_identity_unref(ec384);
	tls_identity_unref(rsa);
	return failures;
}
