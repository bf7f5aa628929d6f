/* What is said in clear before TLS: servers as they are, and as nobody wants them. */

#include "common/base/str.h"
#include "common/tls/starttls.h"
#include "tests/unit/common/tls/test_tls.h"

#define MANY_A                                                                                     \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"         \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define LDAP_REQUEST                                                                               \
	"0\x1d\x02\x01\x01w\x18\x80\x16"                                                           \
	"1.3.6.1.4.1.1466.20037"
#define LDAP_OK "0\x0c\x02\x01\x01x\x07\x0a\x01\x00\x04\x00\x04\x00"
#define EHLO "EHLO [127.0.0.1]\r\n"

struct line {
	const char *bytes;
	size_t len;
};
#define L(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static const struct {
	enum starttls_protocol protocol;
	struct line server, sent; /* all of both */
	int code;                 /* 0: TLS may begin */
	const char *says;
} cases[] = {
    {STARTTLS_SMTP, L("220 mx ESMTP\r\n250-mx\r\n250-STARTTLS\r\n250 SIZE 1\r\n220 Go\r\n"),
	L(EHLO "STARTTLS\r\n"), 0, NULL},
    {STARTTLS_SMTP, L("220-a\r\n220-b\r\n220 c\r\n250 starttls\r\n220\r\n"), L(EHLO "STARTTLS\r\n"),
	0, NULL},
    {STARTTLS_SMTP, L("220 mx\r\n250-mx\r\n250 SIZE 1\r\n"), L(EHLO), ERR_DENIED,
	"does not offer STARTTLS"},
    {STARTTLS_SMTP, L("554 go away\r\n"), L(""), ERR_DENIED, "554 go away"},
    {STARTTLS_SMTP, L("220 mx\r\n250 STARTTLS\r\n454 TLS not available\r\n"),
	L(EHLO "STARTTLS\r\n"), ERR_DENIED, "454 TLS"},
    {STARTTLS_SMTP, L("220 mx\r\n250 STARTTLS\r\n220 Go\r\n250 injected\r\n"),
	L(EHLO "STARTTLS\r\n"), ERR_PROTO, "in between"},
    {STARTTLS_SMTP, L("220-a\r\n250 b\r\n"), L(""), ERR_PROTO, "250 b"},
    {STARTTLS_SMTP, L("HTTP/1.1 400 Bad Request\r\n"), L(""), ERR_PROTO, "HTTP/1.1"},
    {STARTTLS_SMTP, L("220 x\0y\r\n"), L(""), ERR_PROTO, "220 x"},
    {STARTTLS_SMTP, L("220 x\n"), L(""), ERR_PROTO, "220 x"},
    {STARTTLS_SMTP, L("220 x\ry\r\n"), L(""), ERR_PROTO, "220 x"},
    {STARTTLS_SMTP, L("220 \x1b[31mred\r\n"), L(""), ERR_PROTO, "220 "},
    {STARTTLS_SMTP, L("22\r\n"), L(""), ERR_PROTO, "'22'"},
    {STARTTLS_SMTP, L("\r\n"), L(""), ERR_PROTO, "''"},
    {STARTTLS_IMAP, L("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\na1 OK begin\r\n"),
	L("a1 STARTTLS\r\n"), 0, NULL},
    {STARTTLS_IMAP, L("* OK\r\n* CAPABILITY x\r\na1 OK\r\n"), L("a1 STARTTLS\r\n"), 0, NULL},
    {STARTTLS_IMAP, L("* OK hi\r\na1 BAD no such command\r\n"), L("a1 STARTTLS\r\n"), ERR_DENIED,
	"a1 BAD"},
    {STARTTLS_IMAP, L("* OK hi\r\na2 OK\r\n"), L("a1 STARTTLS\r\n"), ERR_PROTO, "a2 OK"},
    {STARTTLS_IMAP, L("* BYE full\r\n"), L(""), ERR_DENIED, "* BYE full"},
    {STARTTLS_IMAP, L("* OK hi\r\n* BYE\r\n"), L("a1 STARTTLS\r\n"), ERR_DENIED, "* BYE"},
    {STARTTLS_IMAP, L("* PREAUTH you\r\n"), L(""), ERR_DENIED, "PREAUTH"},
    {STARTTLS_IMAP, L("220 mx\r\n"), L(""), ERR_PROTO, "220 mx"},
    {STARTTLS_IMAP, L("* OK\r\na1 OK go\r\n* injected\r\n"), L("a1 STARTTLS\r\n"), ERR_PROTO,
	"in between"},
    {STARTTLS_POP3, L("+OK ready\r\n+OK begin\r\n"), L("STLS\r\n"), 0, NULL},
    {STARTTLS_POP3, L("+OK ready\r\n-ERR what?\r\n"), L("STLS\r\n"), ERR_DENIED, "-ERR what?"},
    {STARTTLS_POP3, L("+OKAY\r\n"), L(""), ERR_PROTO, "+OKAY"},
    {STARTTLS_LDAP, L(LDAP_OK), L(LDAP_REQUEST), 0, NULL},
    /* Active Directory's lengths, and the name of the response. */
    {STARTTLS_LDAP,
	L("0\x84\0\0\0\x26\x02\x01\x01x\x84\0\0\0\x1d\x0a\x01\0\x04\0\x04\0\x8a\x16"
	  "1.3.6.1.4.1.1466.20037"),
	L(LDAP_REQUEST), ERR_PROTO, "ldap"}, /* the lengths lie: one byte short */
    {STARTTLS_LDAP,
	L("0\x84\0\0\0\x28\x02\x01\x01x\x84\0\0\0\x1f\x0a\x01\0\x04\0\x04\0\x8a\x16"
	  "1.3.6.1.4.1.1466.20037"),
	L(LDAP_REQUEST), 0, NULL},
    {STARTTLS_LDAP,
	L("0\x10\x02\x01\x01x\x0b\x0a\x01\x34\x04\x00\x04\x04"
	  "busy"),
	L(LDAP_REQUEST), ERR_DENIED, "result 52, 'busy'"},
    {STARTTLS_LDAP, L("0\x0c\x02\x01\x02x\x07\x0a\x01\x00\x04\x00\x04\x00"), L(LDAP_REQUEST),
	ERR_PROTO, "ldap"},
    {STARTTLS_LDAP, L("0\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), L(LDAP_REQUEST),
	ERR_PROTO, "StartTLS"},
    {STARTTLS_LDAP, L("0\x80"), L(LDAP_REQUEST), ERR_PROTO, "ldap"},
    {STARTTLS_LDAP, L("0\x82\xff\xff"), L(LDAP_REQUEST), ERR_PROTO, "ldap"},
    {STARTTLS_LDAP, L("0\x84\xff\xff\xff\xff"), L(LDAP_REQUEST), ERR_PROTO, "ldap"},
    {STARTTLS_LDAP, L("0\x85\x01\x01\x01\x01\x01"), L(LDAP_REQUEST), ERR_PROTO, "ldap"},
    {STARTTLS_LDAP, L("220 mx\r\n"), L(LDAP_REQUEST), ERR_PROTO, "ldap"},
    {STARTTLS_LDAP, L(LDAP_OK "0"), L(LDAP_REQUEST), ERR_PROTO, "in between"},
    {STARTTLS_POSTGRES, L("S"), L("\0\0\0\x08\x04\xd2\x16\x2f"), 0, NULL},
    {STARTTLS_POSTGRES, L("N"), L("\0\0\0\x08\x04\xd2\x16\x2f"), ERR_DENIED, "ssl=off"},
    {STARTTLS_POSTGRES, L("E\0\0\0"), L("\0\0\0\x08\x04\xd2\x16\x2f"), ERR_PROTO, "postgres"},
    {STARTTLS_POSTGRES, L("Sx"), L("\0\0\0\x08\x04\xd2\x16\x2f"), ERR_PROTO, "in between"},
};

/* Whole, or byte by byte, which must make no difference. */
static int
talk(enum starttls_protocol protocol, struct span said, size_t step, struct buf *sent, bool *ready,
    struct err *err)
{
	struct starttls s;
	int r = 0;

	starttls_init(&s, protocol, sent);
	for (size_t at = 0; r == 0 && at < said.len; at += step) {
		size_t n = said.len - at < step ? said.len - at : step;

		if (s.ready)
			return err_set(err, ERR_PROTO, "in between");
		r = starttls_feed(&s, SPAN(said.data + at, n), sent, err);
	}
	*ready = s.ready;
	return r;
}

static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 1; step < 200; step += 198) {
			struct buf sent = BUF_INIT(256);
			struct err err = {0};
			bool ready = false;
			int r = talk(cases[i].protocol,
			    SPAN(cases[i].server.bytes, cases[i].server.len), step, &sent, &ready,
			    &err);

			if (r != cases[i].code || (r == 0 && !ready))
				fail_msg("case %zu, step %zu: %d, %s", i, step, r, err.text);
			if (r < 0 && strstr(err.text, cases[i].says) == NULL)
				fail_msg("case %zu says '%s'", i, err.text);
			assert_true(span_equal(
			    buf_span(&sent), SPAN(cases[i].sent.bytes, cases[i].sent.len)));
			buf_fini(&sent);
		}
}

static void
test_limits(void **state)
{
	static const struct {
		enum starttls_protocol protocol;
		const char *first, *again;
		size_t times;
		int code;
	} floods[] = {
	    /* A line that ends is as long as it may be, and one byte longer. */
	    {STARTTLS_SMTP, "220 ", "a", STARTTLS_LINE_MAX - 6, 0},
	    {STARTTLS_SMTP, "220 ", "a", STARTTLS_LINE_MAX - 5, ERR_LIMIT},
	    {STARTTLS_SMTP, "", "220-x\r\n", STARTTLS_LINES_MAX, 0},
	    {STARTTLS_SMTP, "", "220-x\r\n", STARTTLS_LINES_MAX + 1, ERR_LIMIT},
	    {STARTTLS_IMAP, "* OK\r\n", "* EXISTS\r\n", STARTTLS_LINES_MAX, ERR_LIMIT},
	    {STARTTLS_IMAP, "* OK\r\n", "* " MANY_A MANY_A MANY_A "\r\n", 90, ERR_LIMIT},
	    {STARTTLS_POP3, "+OK ", "a", 100000, ERR_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
		struct buf sent = BUF_INIT(256), said = BUF_INIT(1 << 20);
		struct err err = {0};
		bool ready = false;

		buf_put_str(&said, floods[i].first);
		for (size_t n = 0; n < floods[i].times; n++)
			buf_put_str(&said, floods[i].again);
		if (!str_ends(buf_str(&said), "\r\n"))
			buf_put_str(&said, "\r\n");
		assert_int_equal(
		    talk(floods[i].protocol, buf_span(&said), said.len, &sent, &ready, &err),
		    floods[i].code);
		buf_fini(&sent);
		buf_fini(&said);
	}
}

static void
test_names(void **state)
{
	(void)state;
	for (enum starttls_protocol p = 0; p < STARTTLS__COUNT; p++)
		assert_int_equal(starttls_by_name(starttls_name(p), strlen(starttls_name(p))), p);
	assert_int_equal(starttls_by_name("smtps", 5), STARTTLS__COUNT);
	assert_int_equal(starttls_by_name("smt", 3), STARTTLS__COUNT);
	assert_int_equal(starttls_by_name("", 0), STARTTLS__COUNT);
}

int
run_starttls_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("starttls", tests, NULL, NULL);
}
