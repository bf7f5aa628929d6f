#include "fakes.h"

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/crypto/sign.h"
#include "common/loop/loop.h"
#include "common/sys/unix.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "server/api/api.h"
#include "tests/support/wait.h"
#include "tests/unit/server/api/api_tests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TERM (UINT64_C(1) << 32)
#define NOW INT64_C(1790000000)

struct fixture {
	struct loop *loop;
	struct index *ix;
	struct trust *trust;
	struct api *api;
	char dir[64], path[96];
	uint64_t seq;
	struct buf answer;
	int fd;
	const char *wanted;
};

static struct fixture f;

static struct id
id_of(uint8_t n)
{
	struct id id = {{n, n, n}};

	return id;
}

/* ------------------------------------------------------------------------- a small domain */

static void
put(uint32_t kind, uint8_t n, const char *name, struct buf *public_part, const struct id *access)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_RECORD);
	struct record r = {.id = id_of(n), .kind = kind, .term = TERM, .version = 1, .mutation = 1};
	struct committed c = {.record = &r};
	struct record kept;
	struct err err;

	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.author, sizeof(r.author), "test");
	r.seq = r.mutation = ++f.seq;
	r.public_part = buf_span(public_part);
	if (access != NULL) {
		r.access[0] = *access;
		r.access_count = 1;
	}
	if (wire_record_encode(&r, body, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(wire_record_decode(buf_span(body), &kept, &err), 0);
	c.record = &kept;
	c.signed_record = (struct signed_bytes){buf_span(body), span_str("sig")};
	index_observe(f.ix, &c, 1, NULL, c.signed_record);
	buf_clear(public_part);
}

static void
fill(void)
{
	static const char *const names[] = {"www.example.org", "*.example.org"};
	static const char *const ips[] = {"192.0.2.1"};
	AUTO(buf_freep)
	struct buf *b = buf_new(LIMIT_PUBLIC);
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	AUTO(cert_unrefp)
	struct cert *cert = NULL;
	struct id web1 = id_of(2);
	struct err err;
	struct span chain;

	assert_int_equal(pkey_generate(KEY_EC_P256, &key, &err), 0);
	assert_int_equal(cert_issue_ca(key, "ca", NOW - 10, NOW + 1000000, &cert, &err), 0);
	chain = cert_der(cert);
	struct node_public manager = {.role = ROLE_MANAGER,
	    .identity_key = pkey_spki(key),
	    .sealing_key = pkey_spki(key),
	    .certificate = chain,
	    .joined_at = NOW,
	    .software = "certherd",
	    .endpoint = "127.0.0.1:7443"};
	struct node_public replica = {.identity_key = pkey_spki(key),
	    .sealing_key = pkey_spki(key),
	    .certificate = chain,
	    .addresses = {ips, 1},
	    .joined_at = NOW,
	    .software = "certherd",
	    .endpoint = ""};
	struct credential_public credential = {.names = {names, 2},
	    .key_type = "ec-p256",
	    .has_issuer_record = true,
	    .issuer_record = id_of(5),
	    .lifetime = 7776000,
	    .has_active = true,
	    .active = id_of(4),
	    .generations = 1,
	    .state = CREDENTIAL_ISSUED,
	    .error = "",
	    .created_at = NOW};
	struct generation_public generation = {.credential = id_of(3),
	    .number = 1,
	    .key = pkey_spki(key),
	    .chain = {&chain, 1},
	    .not_before = NOW,
	    .not_after = NOW * 2,
	    .activated_at_ms = NOW * 1000,
	    .names = {names, 2}};
	struct ca_public ca = {.key_type = "ec-p256",
	    .key = pkey_spki(key),
	    .chain = {&chain, 1},
	    .not_after = NOW + 1000000,
	    .enabled = true,
	    .is_default = true};

	struct trusted_root_public root = {
	    .certificate = chain, .label = "Root", .categories = TRUST_COMPLETION | TRUST_OUTGOING};

	assert_int_equal(wire_trusted_root_public_encode(&root, b, &err), 0);
	put(KIND_TRUSTED_ROOT, 6, "0123456789abcdef", b, NULL);
	assert_int_equal(wire_node_public_encode(&manager, b, &err), 0);
	put(KIND_NODE, 1, "manager", b, NULL);
	assert_int_equal(wire_node_public_encode(&replica, b, &err), 0);
	put(KIND_NODE, 2, "web1", b, NULL);
	assert_int_equal(wire_ca_public_encode(&ca, b, &err), 0);
	put(KIND_CA, 5, "default", b, NULL);
	if (wire_generation_public_encode(&generation, b, &err) < 0)
		fail_msg("%s", err.text);
	put(KIND_GENERATION, 4, "", b, &web1);
	assert_int_equal(wire_credential_public_encode(&credential, b, &err), 0);
	put(KIND_CREDENTIAL, 3, "www.example.org", b, &web1);
}

int
setup(void **state)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	AUTO(cert_unrefp)
	struct cert *root = NULL;
	static const char *const endpoints[] = {"127.0.0.1:7443"};
	struct domain_id domain = {{1}};
	struct hash fingerprint;
	struct err err;
	int fd;

	(void)state;
	memset(&f, 0, sizeof(f));
	f.answer = BUF_INIT(1024 * 1024);
	f.fd = -1;
	assert_int_equal(loop_new(&f.loop, &err), 0);
	fakes_reset(loop_runtime(f.loop));
	fakes.head = (struct head){.term = TERM, .seq = 9, .beat = 3};
	assert_int_equal(pkey_generate(KEY_EC_P384, &key, &err), 0);
	assert_int_equal(cert_issue_root(key, "example.org", &domain, NOW, &root, &err), 0);
	cert_fingerprint(root, &fingerprint);
	assert_int_equal(trust_new(cert_der(root), &fingerprint, &f.trust, &err), 0);
	f.ix = index_new(loop_runtime(f.loop), NULL);
	fill();
	assert_int_equal(api_new(&(struct api_params){.loop = f.loop,
				     .index = f.ix,
				     .trust = f.trust,
				     .self = id_of(1),
				     .domain_name = "example.org",
				     .endpoints = {endpoints, 1}},
			     &f.api, &err),
	    0);
	snprintf(f.dir, sizeof(f.dir), "/tmp/certherd-api-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.path, sizeof(f.path), "%s/s", f.dir);
	assert_int_equal(sys_unix_listen(f.path, 0600, SYS_NO_GROUP, &fd, &err), 0);
	assert_int_equal(api_listen(f.api, fd, &err), 0);
	return 0;
}

int
teardown(void **state)
{
	(void)state;
	if (f.fd >= 0)
		close(f.fd);
	api_free(f.api);
	index_free(f.ix);
	trust_free(f.trust);
	loop_free(f.loop);
	buf_fini(&f.answer);
	unlink(f.path);
	rmdir(f.dir);
	return 0;
}

/* ------------------------------------------------------------------------- asking */

static bool
has_come(void *arg)
{
	char part[4096];
	ssize_t n;

	(void)arg;
	while ((n = recv(f.fd, part, sizeof(part), MSG_DONTWAIT)) > 0)
		buf_put(&f.answer, part, (size_t)n);
	return strstr(buf_str(&f.answer), f.wanted) != NULL;
}

void
connect_local(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", f.path);
	f.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(f.fd, (struct sockaddr *)&un, sizeof(un)), 0);
}

static void
connect_public(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	f.fd = fds[0];
	api_add_public(f.api, fds[1], NULL, "192.0.2.7:4711");
}

/* The whole answer, behind which every body has a newline. */
const char *
ask(const char *method, const char *path, const char *body)
{
	char head[1024];

	snprintf(head, sizeof(head),
	    "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
	    "%zu\r\n\r\n",
	    method, path, strlen(body));
	buf_clear(&f.answer);
	assert_int_equal(send(f.fd, head, strlen(head), 0), strlen(head));
	assert_int_equal(send(f.fd, body, strlen(body), 0), strlen(body));
	f.wanted = "}\n";
	if (!wait_until(f.loop, has_come, NULL))
		fail_msg("no answer to %s %s", method, path);
	return buf_str(&f.answer);
}

static const char done[] = CHANGED;

void
ask_all(const struct change_case *cases, size_t count)
{
	connect_local();
	for (size_t i = 0; i < count; i++) {
		const char *answer = ask(cases[i].method, cases[i].path, cases[i].body);

		if (strstr(answer, "HTTP/1.1 200 ") == NULL ||
		    strstr(answer, cases[i].answer) == NULL)
			fail_msg("%s %s: %s", cases[i].method, cases[i].path, answer);
		assert_string_equal(fakes.called, cases[i].called);
	}
}

static void
test_changes(void **state)
{
	static const struct change_case cases[] = {
	    {"POST", "/v1/certs",
		"{\"names\":[\"a.org\",\"b.org\"],\"name\":\"n\",\"key_type\":\"rsa-2048\","
		"\"issuer\":\"micro\",\"ca\":\"c\",\"access\":[\"web1\",\"@mail\"],"
		"\"lifetime\":\"10d\",\"renew_percent\":20,\"new_key\":true,"
		"\"stale_after\":\"1d\"}",
		"add name=n names=a.org,b.org key=rsa-2048 ca=c access=1:web1,@mail life=864000 "
		"percent=20 new=1 stale=86400 by=unix:uid=0",
		"\"warnings\":[\"nobody may open it\"]"},
	    {"POST", "/v1/certs", "{\"names\":[\"a.org\"]}",
		"add name=- names=a.org key=- ca=- access=0: life=0 percent=0 new=0 stale=0 "
		"by=unix:uid=0",
		"\"generation\":3,\"not_after\":\"2027-01-15T08:00:00Z\""},
	    {"POST", "/v1/certs", "{\"names\":[\"a.org\"],\"access\":[]}",
		"add name=- names=a.org key=- ca=- access=1: life=0 percent=0 new=0 stale=0 "
		"by=unix:uid=0",
		done},
	    {"POST", "/v1/certs/%2A.a.org/renew", "", "renew *.a.org new=0", done},
	    {"POST", "/v1/certs/x/renew", "{\"new_key\":true}", "renew x new=1", done},
	    {"POST", "/v1/certs",
		"{\"names\":[\"a.org\"],\"issuer\":\"manual\",\"subject\":[\"O=A, B\",\"C=DE\"],"
		"\"profile\":\"both\",\"draft\":true}",
		"add a.org issuer=manual subject=O=A, B,C=DE profile=both draft=1", done},
	    {"POST", "/v1/certs/x/submit", "", "submit x new=0", done},
	    {"POST", "/v1/certs/x/submitted", "", "submitted x", done},
	    {"POST", "/v1/certs/x/submit", "{\"new_key\":true}", "submit x new=1", done},
	    {"POST", "/v1/certs/x/paste", "{\"certificates\":[\"bGVhZg==\",\"Y2E=\"]}",
		"paste x 2 leaf", done},
	    {"PUT", "/v1/certs/x/access",
		"{\"add\":[\"web2\"],\"remove\":[\"@g\"],\"keep_key\":true}",
		"access x add=web2 remove=@g keep=1", done},
	    {"POST", "/v1/certs/x/archive", "", "archive x 1", done},
	    {"POST", "/v1/certs/x/archive", "{\"archived\":false}", "archive x 0", done},
	    {"DELETE", "/v1/certs/x", "", "delete x", done},
	    {"POST", "/v1/cas",
		"{\"name\":\"Inner\",\"key_type\":\"ec-p384\",\"lifetime\":\"1y\","
		"\"default\":true}",
		"ca Inner key=ec-p384 life=31536000 default=1", done},
	    {"POST", "/v1/tokens", "{\"name\":\"web9\",\"ttl\":\"1h\"}", "token web9 3600",
		"\"token\":\"certherd-join-1.abc\""},
	    {"POST", "/v1/tokens", "{\"name\":\"web9\"}", "token web9 900",
		"\"expires_at\":\"2027-01-15T08:00:00Z\""},
	    {"DELETE", "/v1/nodes/web1", "", "remove web1",
		"\"exposed\":[\"www.example.org\"],\"new_keys\":true,\"durability\""},
	    {"POST", "/v1/groups", "{\"name\":\"mail\",\"members\":[\"web1\"]}", "group mail web1",
		done},
	    {"DELETE", "/v1/groups/mail", "", "group- mail", done},
	    {"PUT", "/v1/groups/mail/members/web1", "", "member+ mail web1", done},
	    {"DELETE", "/v1/groups/mail/members/web1", "", "member- mail web1", done},
	    {"DELETE", "/v1/groups/mail/members/web1?keep_keys=1", "",
		"member- mail web1 (keys stay)", done},
	    {"POST", "/v1/exposures", "{\"node\":\"web1\"}", "expose web1 asked", "\"changed\":"},
	    {"PUT", "/v1/settings/default-access", "{\"access\":[\"web1\"]}", "default web1", done},
	    {"PUT", "/v1/settings/lifetime", "{\"value\":\"30d\"}", "setting lifetime=30d", done},
	    {"DELETE", "/v1/settings/lifetime", "", "setting lifetime=-", done},
	    {"DELETE", "/v1/settings/default-access", "", "default ", done},
	    {"POST", "/v1/trust",
		"{\"certificates\":[\"bGVhZg==\",\"Y2E=\"],\"categories\":[\"client\","
		"\"outgoing\"],\"label\":\"R\"}",
		"trust 2 leaf for=6 label=R", "\"written\":"},
	    {"POST", "/v1/trust", "{\"certificates\":[\"Y2E=\"]}", "trust 1 ca for=0 label=-",
		"\"unchanged\":false"},
	    {"DELETE", "/v1/trust/R", "", "trust- R", done},
	    {"POST", "/v1/certs/x/chain", "", "complete x", done},
	    {"PUT", "/v1/certs/x/preferred-root", "{\"root\":\"CN=R\"}", "prefer x 'CN=R'", done},
	    {"PUT", "/v1/certs/x/preferred-root", "{\"root\":\"\"}", "prefer x ''", done},
	};

	(void)state;
	ask_all(cases, ARRAY_LEN(cases));
}

static void
test_checks(void **state)
{
	static const char finding[] = "\"grade\":\"yellow\",\"findings\":[\"older-generation\"]";
	static const struct change_case cases[] = {
	    {"PUT", "/v1/certs/x/checks",
		"{\"add\":[\"MX.example.org\",\"smtp://[::1]\"],\"remove\":[\"a:1/b\"]}",
		"checks x add=tls://mx.example.org:443,smtp://[::1]:25 remove=tls://a:1/b",
		"\"seq\":7"},
	    {"POST", "/v1/certs/www.example.org/check", "", "check www.example.org at=", finding},
	    {"POST", "/v1/certs/www.example.org/check", "{\"addresses\":[\"a:1\"]}",
		"check www.example.org at=a:1", "\"good\":false"},
	};

	(void)state;
	ask_all(cases, ARRAY_LEN(cases));
}

/* The members of an import that must be there. */
#define KEY(der)                                                                                   \
	"\"certificates\":[\"" der                                                                 \
	"\"],\"nonce\":\"0102030405060708090a0b0c0d0e0f10\",\"sealed\":\"c2VhbA==\""

/* One import that cannot be started keeps nobody from the others. */
static void
test_imports(void **state)
{
	static const char failed[] =
	    "[{\"result\":\"failed\",\"error\":{\"code\":\"parse\",\"text\":\"certificate 1: ";
	const char *answer;

	(void)state;
	connect_local();
	answer = ask("POST", "/v1/imports",
	    "{\"imports\":[{\"name\":\"n\",\"replace\":true," KEY(
		"bGVhZg==\",\"Y2E=") "}],"
				     "\"access\":[\"web1\"]}");
	assert_non_null(strstr(answer, "{\"results\":[{\"result\":\"imported\","));
	assert_string_equal(fakes.called, "import n 2 leaf 01 seal access=1 web1 replace=1");
	answer = ask("POST", "/v1/imports", "{\"imports\":[{" KEY("?") "},{" KEY("bGVhZg==") "}]}");
	assert_non_null(strstr(answer, failed));
	assert_non_null(strstr(answer, "},{\"result\":\"imported\","));
	assert_string_equal(fakes.called, "import - 1 leaf 01 seal access=0  replace=0");
}

static void
test_looks(void **state)
{
	static const struct {
		const char *path, *parts[8];
	} cases[] = {
	    {"/v1/root", {"\"domain\":\"example.org\"", "\"certificate\":\"MII"}},
	    {"/v1/status",
		{"\"role\":\"manager\"", "\"seq\":9", "\"nothing can be changed: disk full\"]",
		    "\"nodes\":{\"total\":1,\"connected\":1}", "\"certs_without_access\":0",
		    "\"because\":\"credential 'www.example.org' runs out then\"",
		    "\"health\":{\"green\":1,\"yellow\":2,\"red\":3",
		    "\"with_manager\":{\"until\":\"2030-03-17T17:46:40Z\""}},
	    {"/v1/nodes",
		{"\"name\":\"manager\",\"role\":\"manager\",\"self\":true",
		    "\"name\":\"web1\",\"role\":\"replica\",\"self\":false", "\"connected\":true",
		    "\"behind\":2"}},
	    {"/v1/nodes/web1",
		{"\"addresses\":[\"192.0.2.1\"]", "\"identity\":{\"not_before\"",
		    "\"can_open\":[\"www.example.org\"]"}},
	    {"/v1/tokens", {"\"name\":\"web1\"", "\"used\":true"}},
	    {"/v1/groups", {"{\"groups\":[]}"}},
	    {"/v1/certs",
		{"\"name\":\"www.example.org\"", "\"ca\":\"default\"", "\"state\":\"issued\"",
		    "\"access\":[\"web1\"]", "\"served\":1,\"expected\":1",
		    "\"more\":false,\"total\":1",
		    "\"health\":{\"grade\":\"yellow\",\"reasons\":["}},
	    {"/v1/certs?filter=%2A.exa", {"\"name\":\"www.example.org\""}},
	    {"/v1/certs?filter=none", {"{\"certs\":[],\"more\":false"}},
	    {"/v1/certs?after=www.example.org", {"{\"certs\":[],\"more\":false"}},
	    {"/v1/certs/www.example.org",
		{"\"generations\":[{", "\"number\":1,\"active\":true",
		    "\"nodes\":[{\"node\":\"web1\",\"generation\":1",
		    "\"error\":\"old one stays\""}},
	    {"/v1/cas", {"\"name\":\"default\"", "\"state\":\"enabled\",\"default\":true"}},
	    {"/v1/cas/default", {"-----BEGIN CERTIFICATE-----\\n"}},
	    {"/v1/settings",
		{"{\"name\":\"key-type\",\"value\":\"ec-p256\",\"is_set\":false",
		    "\"name\":\"default-access\",\"value\":\"\"", "\"choices\":[\"no\",\"yes\"]"}},
	    {"/v1/settings/renew-percent", {"\"value\":\"33\",\"is_set\":false"}},
	    {"/v1/trust",
		{"\"label\":\"Root\",\"categories\":[\"completion\",\"outgoing\"]",
		    "\"subject\":\"CN=ca\"", "\"more\":false"}},
	    {"/v1/trust?category=client", {"{\"trust\":[]"}},
	    {"/v1/trust?category=outgoing&pem=1", {"-----BEGIN CERTIFICATE-----\\n"}},
	    {"/v1/trust/Root", {"-----BEGIN CERTIFICATE-----\\n"}},
	    {"/v1/settings/default-access", {"{\"access\":[]}"}},
	    {"/v1/explain?name=a.example.org&node=web1",
		{"\"node\":\"web1\"", "\"match\":\"wildcard\",\"serves\":true"}},
	    {"/v1/explain?name=other.org", {"\"candidates\":[]"}},
	    {"/v1/who-can-read?cert=www.example.org",
		{"{\"node\":\"web1\",\"role\":\"replica\",\"by\":\"its own name\"}"}},
	    {"/v1/why-not?node=web1&cert=www.example.org",
		{"\"serves\":true", "\"why\":\"nothing: it serves", "\"receipt\":{"}},
	    {"/v1/why-not?node=manager&cert=www.example.org", {"\"should_serve\":false"}},
	};
	struct receipt receipt = {.has_generation = true,
	    .generation = id_of(4),
	    .error = "old one stays",
	    .since_ms = NOW * 1000};

	(void)state;
	fakes.in_touch = true;
	fakes.unwell = true;
	fakes.receipt = &receipt;
	fakes.receipt_node = id_of(2);
	connect_local();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *answer = ask("GET", cases[i].path, "");

		assert_non_null(strstr(answer, "HTTP/1.1 200 "));
		for (size_t j = 0; j < 8 && cases[i].parts[j] != NULL; j++)
			if (strstr(answer, cases[i].parts[j]) == NULL)
				fail_msg(
				    "%s: no %s in %s", cases[i].path, cases[i].parts[j], answer);
	}
}

/* On the public port: join and root, nothing else, whatever the method. */
static void
test_public_port(void **state)
{
	static const struct {
		const char *method, *path;
	} closed[] = {
	    {"GET", "/v1/status"},
	    {"GET", "/v1/certs"},
	    {"POST", "/v1/certs"},
	    {"DELETE", "/v1/nodes/web1"},
	    {"POST", "/v1/tokens"},
	    {"GET", "/v1/watch"},
	    {"GET", "/v1/certs/x/chain"},
	    {"POST", "/v1/trust"},
	};
	static const char join[] =
	    "{\"token\":\"cc000000000000000000000000000000\",\"secret\":"
	    "\"00112233445566778899aabbccddeeff\",\"name\":\"web2\",\"csr\":\"Y3Ny\","
	    "\"sealing_key\":\"a2V5\",\"sealing_proof\":\"cHJvb2Y=\","
	    "\"addresses\":[\"192.0.2.9\"],\"software\":\"s\"}";

	(void)state;
	connect_public();
	for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
		const char *answer = ask(closed[i].method, closed[i].path, "{}");

		if (strstr(answer, "HTTP/1.1 403 ") == NULL ||
		    strstr(answer, "only joining is possible") == NULL)
			fail_msg("%s", answer);
		assert_string_equal(fakes.called, "");
	}
	assert_non_null(strstr(ask("GET", "/v1/root", ""), "HTTP/1.1 200 "));
	assert_non_null(strstr(ask("POST", "/v1/join", join),
	    "\"name\":\"web2\",\"domain\":\"example.org\",\"certificate\":\"bGVhZg==\","
	    "\"manager_certificate\":\"bWFuYWdlcg==\",\"endpoints\":[\"127.0.0.1:7443\"],"
	    "\"term\":4294967296"));
	assert_string_equal(fakes.called,
	    "join web2 secret=00112233445566778899aabbccddeeff csr=csr key=key proof=proof "
	    "at=192.0.2.9 software=s token=cc");
	fakes.status = ERR_DENIED;
	fakes.text = "the token is not good";
	assert_non_null(strstr(ask("POST", "/v1/join", join), "HTTP/1.1 403 "));
}

static void
test_watch(void **state)
{
	struct receipt receipt = {
	    .has_generation = true, .generation = id_of(4), .error = "", .since_ms = NOW * 1000};
	struct record r = {.id = id_of(3), .kind = KIND_CREDENTIAL, .version = 2};
	struct committed c = {.record = &r};
	struct id web1 = id_of(2), credential = id_of(3);

	(void)state;
	snprintf(r.name, sizeof(r.name), "www.example.org");
	fakes.receipt = &receipt;
	fakes.receipt_node = web1;
	connect_local();
	assert_non_null(strstr(ask("GET", "/v1/watch", ""), "{\"event\":\"begin\""));
	api_observe(f.api, &c, 1, &fakes.head, c.signed_record);
	f.wanted = "\"records\":[{\"kind\":\"credential\",\"name\":\"www.example.org\",";
	assert_true(wait_until(f.loop, has_come, NULL));
	assert_non_null(strstr(buf_str(&f.answer),
	    "\"removed\":false,\"issuer\":\"micro\",\"state\":\"issued\","
	    "\"csr\":false}"));
	/* A beat is nothing to tell. */
	api_observe(f.api, NULL, 0, &fakes.head, c.signed_record);
	api_on_receipt(f.api, &web1, &credential);
	f.wanted = "\"node\":\"web1\",\"cert\":\"www.example.org\",\"generation\":1";
	assert_true(wait_until(f.loop, has_come, NULL));
	api_on_receipt(f.api, &web1, NULL);
	api_on_node(f.api, &web1, false);
	f.wanted = "\"node\":\"web1\",\"connected\":false}";
	assert_true(wait_until(f.loop, has_come, NULL));
}

/* The client leaves, and the server goes, before the operation ends: its callback finds nobody. */
static void
test_answers_to_nobody(void **state)
{
	static const char request[] = "POST /v1/certs/x/renew HTTP/1.1\r\nHost: x\r\n\r\n";

	(void)state;
	connect_local();
	fakes.hold = true;
	assert_int_equal(send(f.fd, request, strlen(request), 0), strlen(request));
	while (fakes.called[0] == '\0')
		loop_turn(f.loop, true);
	api_free(MOVE(f.api));
	f.wanted = "HTTP/1.1 503 ";
	has_come(NULL);
	assert_non_null(strstr(buf_str(&f.answer), f.wanted));
	fakes_answer();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_changes),
	    TEST(test_checks),
	    TEST(test_imports),
	    TEST(test_looks),
	    TEST(test_public_port),
	    TEST(test_watch),
	    TEST(test_answers_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) + refusals_run() + rollover_run() +
	    cas_run() + events_run();
}
