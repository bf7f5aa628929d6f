#include "server/cli/cli.h"

#include "common/base/str.h"
#include "common/http/http.h"
#include "tests/unit/server/cli/canned.h"
#include "tests/unit/server/cli/line.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ------------------------------------------------------------------------- against a server */

#define WAITS                                                                                      \
	"{\"name\":\"a.org\",\"generation\":1,\"csr\":true,\"seq\":9,\"warnings\":[\"look out\"]}"

static const struct {
	const char *line, *request, *body, *reply, *output;
} requests[] = {
    {"node token --name web1 --ttl 1h", "POST /v1/tokens", "{\"name\":\"web1\",\"ttl\":\"1h\"}",
	"{\"token\":\"certherd-join-1.x\"}", "certherd-join-1.x\n"},
    {"node tokens", "GET /v1/tokens", "", "{\"tokens\":[]}", "There are no tokens"},
    {"node revoke-token web1", "DELETE /v1/tokens/web1", "", "{\"revoked\":1}",
	"the token is void: "},
    {"node revoke-token web1", "DELETE /v1/tokens/web1", "", "{\"revoked\":2}",
	"2 tokens are void: "},
    {"exposed web1", "GET /v1/exposures?node=web1&after=", "", "{\"exposures\":[]}",
	"Of 'web1' it is not known"},
    {"exposed", "GET /v1/exposures?node=&after=", "", "{\"exposures\":[]}", "Nobody knows a key"},
    {"cert show a", "GET /v1/certs/a?health=1", "",
	"{\"name\":\"a\",\"state\":\"renewal-due\",\"csr\":true,\"submitted\":true}",
	"csr           is with its CA: "},
    {"node list", "GET /v1/nodes", "",
	"{\"nodes\":[{\"name\":\"web1\",\"role\":\"replica\",\"connected\":true,\"behind\":"
	"0,"
	"\"groups\":[\"g\",\"h\"],\"software\":\"certherd 1\"}]}",
	"NAME  ROLE     STATE      BEHIND  GROUPS  JOINED  SOFTWARE\n"
	"web1  replica  connected  0       g,h     -       certherd 1\n"},
    {"node show web1", "GET /v1/nodes/web1", "", "{\"name\":\"web1\",\"can_open\":[\"a\",\"b\"]}",
	"can open        a, b\n"},
    {"node remove web1 --yes", "DELETE /v1/nodes/web1", "",
	"{\"exposed\":[\"a.org\"],\"new_keys\":true,\"seq\":4,\"durability\":\"local\"}",
	"certherd exposed web1"},
    {"node remove web1 --yes --keep-keys", "DELETE /v1/nodes/web1?keep_keys=1", "",
	"{\"exposed\":[\"a.org\"],\"seq\":4,\"durability\":\"local\"}",
	"cert rekey --exposed-to web1"},
    {"exposed web1", "GET /v1/exposures?node=web1&after=", "",
	"{\"exposures\":[{\"cert\":\"a.org\",\"node\":\"web1\",\"why\":\"removed\","
	"\"state\":\"replaced\",\"served_by\":[\"w2\",\"w3\"],\"not_heard\":[\"w4\"]}]}",
	"replaced; still served by w2, w3; not heard of: w4"},
    {"exposed --json", "GET /v1/exposures?node=&after=", "", "{\"exposures\":[{\"others\":true}]}",
	"\"others\""},
    {"group create g a b", "POST /v1/groups", "{\"name\":\"g\",\"members\":[\"a\",\"b\"]}", CHANGED,
	"group g is made"},
    {"group add g a", "PUT /v1/groups/g/members/a", "", CHANGED, "a is now in group g"},
    {"group remove g a --keep-keys", "DELETE /v1/groups/g/members/a?keep_keys=1", "", CHANGED,
	"no longer"},
    {"group remove g a", "DELETE /v1/groups/g/members/a", "", CHANGED, "no longer"},
    {"group list", "GET /v1/groups", "",
	"{\"groups\":[{\"name\":\"managers\",\"members\":[\"m\"],\"built_in\":true,"
	"\"key_generation\":1}]}",
	"managers  m        1    yes"},
    {"group delete g", "DELETE /v1/groups/g", "", CHANGED, "look out"},
    {"cert list", "GET /v1/certs?limit=500&after=&filter=", "",
	"{\"certs\":[{\"name\":\"a.org\",\"state\":\"issued\",\"health\":{\"grade\":"
	"\"yellow\"},\"generation\":3,\"ca\":"
	"\"default\","
	"\"key_type\":\"ec-p256\",\"not_after\":\"2027-01-15T08:00:00Z\",\"served\":1,"
	"\"expected\":2,\"access\":[\"w1\",\"w2\",\"w3\",\"w4\",\"w5\"]}],\"more\":false}",
	"a.org  issued  yellow  3    2027-01-15 08:00 UTC  ec-p256  default  1 of 2  w1,w2,w3,w4 "
	"and 1 "
	"more"},
    /* Names in their own script, and the columns are straight. */
    {"cert list --filter ß", "GET /v1/certs?limit=500&after=&filter=%C3%9F", "",
	"{\"certs\":[{\"name\":\"xn--fa-hia.de\",\"state\":\"draft\"},"
	"{\"name\":\"x\\u001b.de\",\"state\":\"draft\"}],\"more\":false}",
	"faß.de    draft  -       -"},
    {"cert show faß.de", "GET /v1/certs/fa%C3%9F.de?health=1", "",
	"{\"names\":[\"a.de\",\"xn--fa-hia.de\"]}", "names         a.de, faß.de (xn--fa-hia.de)\n"},
    {"ca list", "GET /v1/cas", "",
	"{\"cas\":[{\"name\":"
	"\"a12345678901234567890123456789012345678901234567890123456789012345\"}]}",
	"a123456789012345678901234567890123456789012345678901234567890123...  -"},
    {"cert show *.a.org", "GET /v1/certs/%2A.a.org?health=1", "",
	"{\"name\":\"*.a.org\",\"served\":37,\"expected\":40,\"generation\":12,"
	"\"nodes\":[{\"node\":\"w\",\"generation\":null,\"error\":\"no\\u001b[2Jway\"}]}",
	"37 of 40 nodes serve generation 12"},
    {"cert show a --chain", "GET /v1/certs/a/chain", "", "{\"chain\":\"PEM\\n\"}", "PEM\n"},
    {"cert show a", "GET /v1/certs/a?health=1", "",
	"{\"health\":{\"grade\":\"red\",\"reasons\":[{\"text\":\"it runs out\"}]},"
	"\"chain_health\":{\"grade\":\"green\"},\"nodes\":[],\"checks\":[{\"address\":"
	"\"tls://a:1\",\"at\":null}]}",
	"health        red\n              it runs out\nchain         green\n"},
    {"check a --address h:25 --starttls smtp --address h:26", "POST /v1/certs/a/check",
	"{\"addresses\":[\"smtp://h:25\",\"smtp://h:26\"]}",
	"{\"results\":[{\"address\":\"smtp://h:25\",\"at\":\"2027-01-15T08:00:00Z\",\"grade\":"
	"\"green\",\"text\":\"\",\"fingerprint\":\"0123456789abcdef0123\"}],\"good\":true}",
	"a           smtp://h:25  2027-01-15 08:00 UTC  green  0123456789abcdef  -      as it "
	"should be"},
    {"check a --json", "POST /v1/certs/a/check", "{}", "{\"results\":[],\"good\":true}",
	"{\"results\":[{\"name\":\"a\",\"results\":[]}]}"},
    {"check", "GET /v1/certs?limit=500&after=&filter=", "",
	"{\"certs\":[{\"name\":\"a\",\"addresses\":0}],\"more\":false}",
	"No credential has addresses"},
    {"cert checks a", "GET /v1/certs/a", "", "{\"checks\":[]}", "a is looked at nowhere"},
    {"cert checks a", "GET /v1/certs/a", "",
	"{\"checks\":[{\"address\":\"tls://a:1\",\"at\":null}]}",
	"tls://a:1  -          -   -            -      nobody has looked yet"},
    {"cert checks a --json", "GET /v1/certs/a", "", "{\"checks\":[]}",
	"{\"name\":\"a\",\"checks\":[]}"},
    {"cert checks a --add b:1 --add smtp://c --remove d:2", "PUT /v1/certs/a/checks",
	"{\"add\":[\"b:1\",\"smtp://c\"],\"remove\":[\"d:2\"]}", CHANGED,
	"the addresses of a are changed"},
    {"cert csr a", "GET /v1/certs/a/csr", "", "{\"csr\":\"PEM\\n\"}", "PEM\n"},
    {"cert submit a", "POST /v1/certs/a/submit", "{}", WAITS, "cert paste a.org"},
    {"cert submit a --new-key", "POST /v1/certs/a/submit", "{\"new_key\":true}", WAITS,
	"warning: look out"},
    {"cert renew a", "POST /v1/certs/a/renew", "{}", WAITS, "waits for its certificate"},
    {"cert add a --draft --subject C=DE --subject O=A,B --profile both --issuer manual",
	"POST /v1/certs",
	"{\"names\":[\"a\"],\"issuer\":\"manual\",\"subject\":[\"C=DE\",\"O=A,B\"],"
	"\"profile\":\"both\",\"draft\":true}",
	"{\"name\":\"a\"}", "is a draft: 'certherd cert submit a'"},
    {"cert archive a", "POST /v1/certs/a/archive", "{\"archived\":true}", CHANGED, "is archived"},
    {"cert archive a --undo", "POST /v1/certs/a/archive", "{\"archived\":false}", CHANGED,
	"is back"},
    {"cert rekey a", "POST /v1/certs/a/rekey", "{}", WAITS, "waits for its certificate"},
    {"cert rekey a --reason compromised --no-wait", "POST /v1/certs/a/rekey",
	"{\"reason\":\"compromised\"}", "{\"name\":\"a\",\"csr\":true}",
	"waits for its certificate"},
    {"cert change a --add-name b.org,c.org --remove-name a --key-type rsa-2048 --no-subject "
     "--renew-percent 50 --keep-key --no-wait",
	"POST /v1/certs/a/change",
	"{\"add_names\":[\"b.org\",\"c.org\"],\"remove_names\":[\"a\"],\"key_type\":\"rsa-2048\","
	"\"subject\":[],\"renew_percent\":50,\"new_key\":false}",
	WAITS, "waits for its certificate"},
    {"cert change a --issuer micro --ca Inner --subject O=A,B --profile both --lifetime 1d "
     "--stale-after 0s --new-key",
	"POST /v1/certs/a/change",
	"{\"issuer\":\"micro\",\"ca\":\"Inner\",\"profile\":\"both\",\"lifetime\":\"1d\","
	"\"stale_after\":\"0s\",\"subject\":[\"O=A,B\"],\"new_key\":true}",
	"{\"name\":\"a\",\"unchanged\":true}", "is like that already"},
    {"cert archive a --generation 3", "POST /v1/certs/a/generations/3/archive", "", CHANGED,
	"generation 3 of a is archived"},
    {"cert generations a", "GET /v1/certs/a/generations", "",
	"{\"generations\":[{\"number\":2,\"state\":\"in force\",\"key_type\":\"ec-p256\","
	"\"key\":\"00112233445566778899\",\"names\":[\"a.org\"]}]}",
	"GENERATION  STATE     FROM  UNTIL  KEPT UNTIL  KEY               FINGERPRINT\n"
	"2           in force  -     -      -           ec-p256 00112233  -\n"},
    {"cert generations a", "GET /v1/certs/a/generations", "",
	"{\"generations\":[{\"number\":2,\"state\":\"in force\",\"key_type\":\"ec-p256\","
	"\"names\":[\"a.org\",\"b.org\"]},{\"number\":1,\"state\":\"older\",\"key_type\":\"x\","
	"\"kept_until\":"
	"\"2027-03-21T21:02:13Z\",\"names\":[\"a.org\"]}]}",
	"1           older     -     -      2027-03-21  x         -            a.org\n"},
    {"cert delete a", "DELETE /v1/certs/a", "", CHANGED, "is deleted"},
    {"ca create c --key-type rsa-2048 --lifetime 5y --default", "POST /v1/cas",
	"{\"name\":\"c\",\"key_type\":\"rsa-2048\",\"lifetime\":\"5y\",\"default\":true}", CHANGED,
	"Micro CA 'c' is made, until 2027-01-15 08:00 UTC"},
    {"ca list", "GET /v1/cas", "", "{\"cas\":[]}", "There are no Micro CAs"},
    {"ca list", "GET /v1/cas", "",
	"{\"cas\":[{\"name\":\"c\",\"state\":\"enabled\",\"health\":{\"grade\":\"yellow\"}}]}",
	"c     enabled  yellow  no"},
    {"ca show c", "GET /v1/cas/c", "",
	"{\"health\":{\"grade\":\"red\",\"reasons\":[{\"text\":\"its list ran out\"}]}}",
	"health        red\n              its list ran out\n"},
    {"ca show c", "GET /v1/cas/c", "", "{\"certificate\":\"PEM\\n\"}", "PEM\n"},
    {"ca show c --pem", "GET /v1/cas/c", "", "{\"name\":\"c\",\"certificate\":\"PEM\\n\"}",
	"PEM\n"},
    {"setting list", "GET /v1/settings", "",
	"{\"settings\":[{\"name\":\"lifetime\",\"value\":\"30d\",\"otherwise\":\"90d\","
	"\"help\":\"Of certificates.\"}]}",
	"lifetime  30d    90d        Of certificates.\n"},
    {"setting get lifetime", "GET /v1/settings/lifetime", "", "{\"value\":\"30d\"}", "30d\n"},
    {"setting get default-access", "GET /v1/settings", "",
	"{\"settings\":[{\"name\":\"x\",\"value\":\"y\"},{\"name\":\"default-access\","
	"\"value\":\"w,@g\"}]}",
	"w,@g\n"},
    {"setting set lifetime 30d", "PUT /v1/settings/lifetime", "{\"value\":\"30d\"}", CHANGED,
	"lifetime is set"},
    {"setting set default-access w @g", "PUT /v1/settings/default-access",
	"{\"access\":[\"w\",\"@g\"]}", CHANGED, "default-access is set"},
    {"setting reset lifetime", "DELETE /v1/settings/lifetime", "", CHANGED, "as it was at first"},
    {"trust list --for client", "GET /v1/trust?category=client", "",
	"{\"trust\":[{\"label\":\"Root\",\"categories\":[\"completion\",\"client\"],"
	"\"not_after\":\"2027-01-15T08:00:00Z\",\"fingerprint\":\"0123456789abcdef0123\"}]}",
	"Root   completion,client  2027-01-15 08:00 UTC  0123456789abcdef\n"},
    {"trust list", "GET /v1/trust?category=", "", "{\"trust\":[]}", "There are none"},
    {"trust show r", "GET /v1/trust/r", "",
	"{\"categories\":[\"client\",\"outgoing\"],\"certificate\":\"PEM\\n\"}",
	"client, outgoing\n"},
    {"trust export --for client", "GET /v1/trust?pem=1&category=client", "",
	"{\"trust\":[{\"label\":\"A\",\"certificate\":\"PEM\\n\"}]}", "# A\nPEM\n"},
    {"trust remove r", "DELETE /v1/trust/r", "", CHANGED, "trusted no longer"},
    {"cert chain a", "GET /v1/certs/a/chain", "",
	"{\"health\":{\"grade\":\"yellow\",\"can_complete\":true,\"reasons\":[{\"text\":\"no "
	"root\"}]},"
	"\"certificates\":[{\"subject\":\"CN=a\",\"stored\":true}]}",
	"chain         yellow\n              no root\n"},
    {"cert chain a --complete", "GET /v1/certs/a/chain", "",
	"{\"health\":{\"grade\":\"green\",\"can_complete\":false}}", "nothing better"},
    {"default-access show", "GET /v1/settings/default-access", "", "{\"access\":[\"w\"]}", "w\n"},
    {"default-access set a @g", "PUT /v1/settings/default-access", "{\"access\":[\"a\",\"@g\"]}",
	CHANGED, "by a, @g"},
    {"explain www.a.org --node w", "GET /v1/explain?name=www.a.org&node=w", "",
	"{\"candidates\":[{\"cert\":\"a\",\"match\":\"exact\",\"stale_after\":604800,"
	"\"serves\":true,\"why\":\"best\"}]}",
	"7 days       yes"},
    {"who-can-read a", "GET /v1/who-can-read?cert=a", "",
	"{\"readers\":[{\"node\":\"w\",\"role\":\"replica\",\"by\":\"@g\"}],\"unknown\":1}",
	"1 names in its access no longer exist"},
    {"why-not w a", "GET /v1/why-not?node=w&cert=a", "",
	"{\"should_serve\":false,\"why\":\"it has no access\"}", "w should not serve a: it has"},
    {"why-not w a", "GET /v1/why-not?node=w&cert=a", "",
	"{\"should_serve\":true,\"serves\":true,\"why\":\"nothing\",\"receipt\":{\"generation\":3}"
	"}",
	"w serves a: generation 3, the one in force\n"},
    {"status", "GET /v1/status", "",
	"{\"certs\":{\"total\":0},\"renewals\":{\"waiting\":0,\"next_at\":null}}",
	"credentials   none\nrenewals      none planned\n"},
    {"status", "GET /v1/status", "",
	"{\"certs\":{\"total\":3,\"issued\":2,\"draft\":1,\"failed\":0},\"certs_without_access\":"
	"2}",
	"credentials   3: 2 issued, 1 in draft\n              2 of them may be opened by no "
	"server"},
    {"status", "GET /v1/status", "",
	"{\"domain\":\"example.org\",\"troubles\":[\"disk full\"],\"public\":[\"h:1\"],"
	"\"nodes\":{\"total\":3,\"connected\":2}}",
	"TROUBLE       disk full\n"},
    {"status", "GET /v1/status", "",
	"{\"health\":{\"green\":5,\"yellow\":1,\"red\":1,\"unseen\":1,\"chains_unseen\":2,"
	"\"addresses\":"
	"3,\"addresses_bad\":1,\"worst\":[{\"cert\":\"a.org\",\"grade\":\"red\",\"reasons\":[{"
	"\"grade\":\"yellow\",\"text\":\"no\"},{\"grade\":\"red\",\"text\":\"it ran out\"}]}]}}",
	"health        5 green, 1 yellow, 1 red\n"
	"              3 are still to be looked at since the start\n"
	"              3 addresses are looked at from outside, 1 are not as they should be\n"
	"              red     a.org: it ran out\n"},
    {"status", "GET /v1/status", "",
	"{\"runway\":{\"until\":\"2027-01-15T08:00:00Z\",\"because\":\"x runs out then\","
	"\"with_manager\":{\"until\":\"2028-01-15T08:00:00Z\",\"because\":\"y does\"}}}",
	"runway        until 2027-01-15 08:00 UTC if nobody acts, not even this server: x runs out "
	"then\n              until 2028-01-15 08:00 UTC if no administrator acts: y does\n"},
    {"status --json", "GET /v1/status", "", "{\"domain\":\"example.org\"}",
	"{\n  \"domain\": \"example.org\"\n}\n"},
};

static void
test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		struct cli c = cli_make();
		struct err err = {0, ""};
		char start[256];

		server_start(200, requests[i].reply, NULL);
		if (run(&c, requests[i].line, &err) != 0)
			fail_msg("%s: %s", requests[i].line, err.text);
		server_stop();
		snprintf(start, sizeof(start), "%s HTTP/1.1\r\n", requests[i].request);
		if (!str_starts(server.asked, start) ||
		    strcmp(strstr(server.asked, "\r\n\r\n") + 4, requests[i].body) != 0)
			fail_msg("%s: %s", requests[i].line, server.asked);
		if (strstr(buf_str(&c.out), requests[i].output) == NULL)
			fail_msg("%s: %s", requests[i].line, buf_str(&c.out));
		cli_fini(&c);
	}
}

static void
test_errors_of_the_server(void **state)
{
	struct cli c = cli_make();
	struct err err = {0, ""};

	(void)state;
	server_start(404,
	    "{\"error\":{\"code\":\"not-found\",\"text\":\"there is no "
	    "'x'\\u001b\",\"hint\":\"look\"}}",
	    NULL);
	assert_int_equal(run(&c, "cert show x", &err), ERR_NOTFOUND);
	server_stop();
	assert_string_equal(err.text, "there is no 'x'?");
	assert_string_equal(buf_str(&c.hint), "look");
	cli_fini(&c);
	c = cli_make();
	server_start(502, "<html>", NULL);
	assert_int_equal(run(&c, "cert show x", &err), ERR_PROTO);
	server_stop();
	assert_non_null(strstr(err.text, "status 502"));
	cli_fini(&c);
	/* A server that does not know the command yet. */
	c = cli_make();
	server_start(404,
	    "{\"error\":{\"code\":\"not-found\",\"text\":\"there is nothing at this address\"}}",
	    NULL);
	assert_int_equal(run(&c, "cert show x", &err), ERR_NOTFOUND);
	server_stop();
	assert_non_null(strstr(buf_str(&c.hint), "it is older"));
	cli_fini(&c);
	/* What is wrong with a member of the request is wrong with the option. */
	c = cli_make();
	server_start(400,
	    "{\"error\":{\"code\":\"limit\",\"text\":\"member 'renew_percent': it must be between "
	    "1 "
	    "and 95\"}}",
	    NULL);
	assert_int_equal(run(&c, "cert add x --renew-percent 99", &err), ERR_INVALID);
	server_stop();
	assert_string_equal(err.text, "option --renew-percent: it must be between 1 and 95");
	cli_fini(&c);
	c = cli_make();
	server_start(
	    400, "{\"error\":{\"code\":\"limit\",\"text\":\"member 'names' is long\"}}", NULL);
	assert_int_equal(run(&c, "cert add x", &err), ERR_LIMIT);
	server_stop();
	assert_string_equal(err.text, "member 'names' is long");
	cli_fini(&c);
	/* Of a list that failed nothing is printed: neither half of a JSON text nor "none". */
	for (unsigned i = 0; i < 2; i++) {
		c = cli_make();
		server_start(502, "<html>", NULL);
		assert_int_equal(
		    run(&c, i == 0 ? "cert list" : "cert list --json", &err), ERR_PROTO);
		server_stop();
		assert_int_equal(c.out.len, 0);
		cli_fini(&c);
	}
	/* Nobody there. */
	c = cli_make();
	assert_int_equal(run(&c, "status", &err), ERR_UNAVAIL);
	assert_non_null(strstr(err.text, server.path));
	assert_non_null(strstr(buf_str(&c.hint), "--data"));
	cli_fini(&c);
}

static void
test_local_mistakes(void **state)
{
	static const struct {
		const char *line, *error;
	} cases[] = {
	    {"node token", "give its --name"},
	    {"events --limit x", "option --limit: 'x' is not a number"},
	    {"events --limit 0", "option --limit: "},
	    {"cert access a", "--add or --remove"},
	    {"cert export a", "say where"},
	    {"cert export a --format kyr --out x", "there is no format"},
	    {"cert export a --legacy --out x", "--legacy is for format p12"},
	    {"cert export a --format p12 --encrypt --out x", "encrypted anyway"},
	    {"cert export a --format nginx --out -", "two files"},
	    {"cert add a --generate-password --export-password-file x", "contradict"},
	    {"cert add a --draft --generate-password", "a draft has no key yet"},
	    {"cert rekey --exposed-to web1 --exportable", "of one credential"},
	    {"init", "give --domain"},
	    {"init --domain *.org", "is not the name of a domain"},
	    {"init --domain 192.0.2.1", "is not the name of a domain"},
	    {"init --domain a.org --name same --replica-name same", "cannot both be called 'same'"},
	    {"init --domain a.org --name Upper", "node"},
	};

	(void)state;
	snprintf(server.path, sizeof(server.path), "/nonexistent");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli c = cli_make();
		struct err err = {0, ""};

		assert_int_equal(run(&c, cases[i].line, &err), ERR_INVALID);
		if (strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s: %s", cases[i].line, err.text);
		cli_fini(&c);
	}
}

static void
test_exit_status(void **state)
{
	static const struct {
		const char *line;
		int status;
	} cases[] = {
	    {"version", 0},
	    {"--version", 0},
	    {"--help", 0},
	    {"frobnicate", 2},
	    {"cert add", 2},
	    {"status --socket /nonexistent", 1},
	    {"help cert", 0},
	    {"cert --help", 0},
	    {"help crt", 2},
	    {"init", 2},
	    {"node token", 2},
	    {"cert renew a --wait soon --socket /nonexistent", 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct args a;

		args_make(&a, cases[i].line, NULL);
		assert_int_equal(cli_main(a.argc, a.argv), cases[i].status);
		args_fini(&a);
	}
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	return http_init(&err);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_errors_of_the_server),
	    cmocka_unit_test(test_local_mistakes),
	    cmocka_unit_test(test_exit_status),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
