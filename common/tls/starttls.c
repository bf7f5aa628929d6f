#include "common/tls/starttls.h"

#include "common/base/str.h"
#include "common/crypto/ber.h"

#include <string.h>
#include <strings.h>

#define QUOTED_MAX 80

static const char *const names[] = {
    [STARTTLS_NONE] = "tls",
    [STARTTLS_SMTP] = "smtp",
    [STARTTLS_IMAP] = "imap",
    [STARTTLS_POP3] = "pop3",
    [STARTTLS_LDAP] = "ldap",
    [STARTTLS_POSTGRES] = "postgres",
};
_Static_assert(ARRAY_LEN(names) == STARTTLS__COUNT, "every protocol has a name");

const char *
starttls_name(enum starttls_protocol protocol)
{
	CHECK(protocol < STARTTLS__COUNT);
	return names[protocol];
}

enum starttls_protocol
starttls_by_name(const char *name, size_t len)
{
	enum starttls_protocol p = STARTTLS_NONE;

	while (p < STARTTLS__COUNT && (strlen(names[p]) != len || memcmp(names[p], name, len) != 0))
		p++;
	return p;
}

/* What the server has said, fit for a message. */
struct quoted {
	char text[4 * QUOTED_MAX + 1];
};

static const char *
quote(const char *line, struct quoted *out)
{
	struct buf b = BUF_INIT(sizeof(out->text));

	str_put_printable(&b, span_str(line), QUOTED_MAX);
	memcpy(out->text, buf_str(&b), b.len + 1);
	buf_fini(&b);
	return out->text;
}

static int
refused(const struct starttls *s, struct err *err)
{
	struct quoted q;

	return err_set(err, ERR_DENIED, "the %s server does not begin TLS: '%s'",
	    starttls_name(s->protocol), quote(s->line, &q));
}

static int
nonsense(const struct starttls *s, struct err *err)
{
	struct quoted q;

	return err_set(err, ERR_PROTO, "that is no answer of a server of %s: '%s'",
	    starttls_name(s->protocol), quote(s->line, &q));
}

/* --- protocols of lines: each takes one, without its end --- */

enum { SMTP_GREETING, SMTP_EXTENSIONS, SMTP_CONSENT };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 0 when it is no line of an answer. */
static unsigned
smtp_code(const char *line)
{
	if (line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]) ||
	    (line[3] != '\0' && line[3] != ' ' && line[3] != '-'))
		return 0;
	return (unsigned)(line[0] - '0') * 100 + (unsigned)(line[1] - '0') * 10 +
	    (unsigned)(line[2] - '0');
}

static int
take_smtp(struct starttls *s, struct buf *out, struct err *err)
{
	static const unsigned wanted[] = {
	    [SMTP_GREETING] = 220, [SMTP_EXTENSIONS] = 250, [SMTP_CONSENT] = 220};
	unsigned code = smtp_code(s->line);

	if (code == 0 || (s->code != 0 && code != s->code))
		return nonsense(s, err);
	s->code = code;
	if (s->step == SMTP_EXTENSIONS && strcasecmp(s->line + 3, "-STARTTLS") == 0)
		s->offered = true;
	if (s->line[3] == '-')
		return 0;
	if (s->step == SMTP_EXTENSIONS && strcasecmp(s->line + 3, " STARTTLS") == 0)
		s->offered = true;
	if (code != wanted[s->step])
		return refused(s, err);
	s->code = 0;
	switch (s->step++) {
	case SMTP_GREETING:
		/* An address, since this host need have no name; nothing is ever sent from it. */
		buf_put_str(out, "EHLO [127.0.0.1]\r\n");
		return 0;
	case SMTP_EXTENSIONS:
		if (!s->offered)
			return err_set(err, ERR_DENIED, "the smtp server does not offer STARTTLS");
		buf_put_str(out, "STARTTLS\r\n");
		return 0;
	default:
		s->ready = true;
		return 0;
	}
}

/* The word begins the line, and ends there or at a blank. */
static bool
begins_with(const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncasecmp(line, word, n) == 0 && (line[n] == '\0' || line[n] == ' ');
}

static int
take_imap(struct starttls *s, struct buf *out, struct err *err)
{
	if (s->step == 0) {
		if (begins_with(s->line, "* BYE") || begins_with(s->line, "* PREAUTH"))
			return refused(s, err);
		if (!begins_with(s->line, "* OK"))
			return nonsense(s, err);
		s->step = 1;
		buf_put_str(out, "a1 STARTTLS\r\n");
		return 0;
	}
	if (begins_with(s->line, "* BYE"))
		return refused(s, err);
	/* What it likes to tell at any time. */
	if (str_starts(s->line, "* "))
		return 0;
	if (begins_with(s->line, "a1 NO") || begins_with(s->line, "a1 BAD"))
		return refused(s, err);
	if (!begins_with(s->line, "a1 OK"))
		return nonsense(s, err);
	s->ready = true;
	return 0;
}

static int
take_pop3(struct starttls *s, struct buf *out, struct err *err)
{
	if (begins_with(s->line, "-ERR"))
		return refused(s, err);
	if (!begins_with(s->line, "+OK"))
		return nonsense(s, err);
	if (s->step++ == 0)
		buf_put_str(out, "STLS\r\n");
	else
		s->ready = true;
	return 0;
}

static int
take_line_byte(struct starttls *s, uint8_t byte, struct buf *out, struct err *err)
{
	int r;

	if (byte == '\n' && s->len > 0 && s->line[s->len - 1] == '\r') {
		s->line[--s->len] = '\0';
		if (++s->lines > STARTTLS_LINES_MAX)
			return err_set(err, ERR_LIMIT, "the %s server sends more than %d lines",
			    starttls_name(s->protocol), STARTTLS_LINES_MAX);
		r = s->protocol == STARTTLS_SMTP   ? take_smtp(s, out, err)
		    : s->protocol == STARTTLS_IMAP ? take_imap(s, out, err)
						   : take_pop3(s, out, err);
		s->len = 0;
		s->line[0] = '\0';
		return r;
	}
	if (s->len + 2 > STARTTLS_LINE_MAX)
		return err_set(err, ERR_LIMIT, "a line of the %s server is longer than %d bytes",
		    starttls_name(s->protocol), STARTTLS_LINE_MAX);
	/* A carriage return is the beginning of an end, and nothing else. */
	if ((byte < ' ' && byte != '\t' && byte != '\r') || byte == 0x7f ||
	    (s->len > 0 && s->line[s->len - 1] == '\r'))
		return nonsense(s, err);
	s->line[s->len++] = (char)byte;
	s->line[s->len] = '\0';
	return 0;
}

/* --- LDAP: one ExtendedResponse, RFC 4511, 4.12 and 4.14 --- */

#define LDAP_OID "1.3.6.1.4.1.1466.20037"
#define LDAP_ENUMERATED 0x0a
#define LDAP_EXTENDED_REQUEST 0x77
#define LDAP_EXTENDED_RESPONSE 0x78

static void
put_ldap(struct buf *out)
{
	struct der d = DER_INIT(out);

	der_begin(&d, DER_SEQUENCE);
	der_put(&d, DER_INTEGER, SPAN("\x01", 1));
	der_begin(&d, LDAP_EXTENDED_REQUEST);
	der_put(&d, DER_CONTEXT(0), span_str(LDAP_OID));
	der_end(&d);
	der_end(&d);
}

/* How long the whole message is, as soon as its header is there; 0: not yet. */
static size_t
ldap_length(const struct starttls *s, bool *bad)
{
	const uint8_t *b = (const uint8_t *)s->line;
	size_t count, len = 0;

	*bad = s->len > 0 && b[0] != DER_SEQUENCE;
	if (s->len < 2 || *bad)
		return 0;
	if (b[1] < 0x80)
		return 2 + (size_t)b[1];
	/* Active Directory writes four bytes, whatever the length is; without an end is not LDAP.
	 */
	count = b[1] & 0x7fU;
	*bad = count == 0 || count > 4;
	if (*bad || s->len < 2 + count)
		return 0;
	for (size_t i = 0; i < count; i++)
		len = len << 8 | b[2 + i];
	*bad = len > STARTTLS_LINE_MAX - 6;
	return *bad ? 0 : 2 + count + len;
}

static int
take_ldap(struct starttls *s, struct err *err)
{
	struct buf der = BUF_INIT(STARTTLS_LINE_MAX);
	struct der_reader all, message, response;
	struct span code, text;
	struct quoted q;
	int r = ber_to_der(SPAN(s->line, s->len), &der, NULL);

	all = DER_READER(buf_span(&der));
	message = der_enter(&all, DER_SEQUENCE);
	if (r < 0 || der_take_small(&message) != 1 || message.failed) {
		buf_fini(&der);
		return err_set(err, ERR_PROTO, "that is no answer of a server of ldap");
	}
	response = der_enter(&message, LDAP_EXTENDED_RESPONSE);
	code = der_take_fixed(&response, LDAP_ENUMERATED, 1);
	der_take(&response, DER_OCTET_STRING);
	text = der_take(&response, DER_OCTET_STRING);
	if (response.failed) {
		r = err_set(err, ERR_PROTO, "that is no answer to StartTLS of a server of ldap");
	} else if (code.data[0] != 0) {
		struct buf said = BUF_INIT(STARTTLS_LINE_MAX);

		/* A NUL in it ends what is quoted. */
		buf_put_span(&said, text);
		r = err_set(err, ERR_DENIED, "the ldap server does not begin TLS: result %u, '%s'",
		    code.data[0], quote(buf_str(&said), &q));
		buf_fini(&said);
	} else {
		s->ready = true;
	}
	buf_fini(&der);
	return r;
}

static int
take_ldap_byte(struct starttls *s, uint8_t byte, struct err *err)
{
	bool bad = false;
	size_t whole;

	s->line[s->len++] = (char)byte;
	whole = ldap_length(s, &bad);
	if (bad)
		return err_set(err, ERR_PROTO, "that is no answer of a server of ldap");
	return whole > 0 && s->len == whole ? take_ldap(s, err) : 0;
}

/* --- PostgreSQL: one byte, "SSL Session Encryption" in its manual --- */

static int
take_postgres_byte(struct starttls *s, uint8_t byte, struct err *err)
{
	if (byte == 'N')
		return err_set(err, ERR_DENIED,
		    "the postgres server does not begin TLS: it has none (ssl=off)");
	if (byte != 'S')
		return err_set(err, ERR_PROTO, "that is no answer of a server of postgres");
	s->ready = true;
	return 0;
}

/* --- all of them --- */

void
starttls_init(struct starttls *s, enum starttls_protocol protocol, struct buf *out)
{
	memset(s, 0, sizeof(*s));
	s->protocol = protocol;
	s->ready = protocol == STARTTLS_NONE;
	if (protocol == STARTTLS_LDAP)
		put_ldap(out);
	/* The length, and the number of an SSLRequest: 1234 and 5679. */
	if (protocol == STARTTLS_POSTGRES)
		buf_put(out, "\0\0\0\x08\x04\xd2\x16\x2f", 8);
}

int
starttls_feed(struct starttls *s, struct span bytes, struct buf *out, struct err *err)
{
	int r = 0;

	CHECK(!s->ready);
	for (size_t i = 0; i < bytes.len && r == 0; i++) {
		if (s->ready)
			return err_set(err, ERR_PROTO,
			    "the %s server goes on in clear behind its consent to TLS: somebody "
			    "may "
			    "be in between",
			    starttls_name(s->protocol));
		if (++s->bytes > STARTTLS_BYTES_MAX)
			return err_set(err, ERR_LIMIT,
			    "the %s server sends more than %d bytes before TLS",
			    starttls_name(s->protocol), STARTTLS_BYTES_MAX);
		if (s->protocol == STARTTLS_LDAP)
			r = take_ldap_byte(s, bytes.data[i], err);
		else if (s->protocol == STARTTLS_POSTGRES)
			r = take_postgres_byte(s, bytes.data[i], err);
		else
			r = take_line_byte(s, bytes.data[i], out, err);
	}
	return r;
}
