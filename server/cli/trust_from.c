/* Trusted roots from a server: its chain is shown, and trusted only after somebody has compared. */

#include "common/base/str.h"
#include "common/tls/probe.h"
#include "server/cli/trust.h"

#include <string.h>

static bool
is_issuer(const struct cert *c)
{
	return cert_is_ca(c) || cert_is_old_root(c);
}

static void
show_one(struct cli *c, const struct cert *cert)
{
	struct buf subject = BUF_INIT(64 * 1024), shown = BUF_INIT(4096);
	char hex[HASH_HEX_MAX], end[TIME_TEXT_MAX];
	struct hash fingerprint;

	cert_fingerprint(cert, &fingerprint);
	cert_put_subject(cert, &subject);
	str_put_printable(&shown, buf_span(&subject), 400);
	cli_printf(c, "%-12s%s\n", is_issuer(cert) ? "CA" : "server", buf_str(&shown));
	cli_printf(c, "%-12s%s\n", "  until", time_text(cert_not_after(cert), end));
	cli_printf(c, "%-12s%s\n", "  SHA-256", hash_hex(&fingerprint, hex));
	buf_fini(&subject);
	buf_fini(&shown);
}

/* Fingerprints as tools write them: with colons, in capitals. */
static bool
is_fingerprint(const char *text, const struct cert *cert)
{
	char hex[HASH_HEX_MAX], given[HASH_HEX_MAX];
	struct hash fingerprint;
	size_t n = 0;

	for (; *text != '\0' && n < sizeof(given) - 1; text++)
		if (*text != ':')
			given[n++] =
			    *text >= 'A' && *text <= 'F' ? (char)(*text - 'A' + 'a') : *text;
	given[n] = '\0';
	cert_fingerprint(cert, &fingerprint);
	return *text == '\0' && str_equal(given, hash_hex(&fingerprint, hex));
}

static int
ask(struct cli *c, const struct cert *top, struct err *err)
{
	char hex[HASH_HEX_MAX];
	struct hash fingerprint;

	cert_fingerprint(top, &fingerprint);
	if (!cli_can_confirm(c))
		return err_set(err, ERR_INVALID,
		    "nobody can be asked here: compare the SHA-256 of the last certificate with "
		    "one from another source, and give it as --yes %s",
		    hash_hex(&fingerprint, hex));
	return cli_confirm(c,
	    "This server may be anybody. Compare the SHA-256 of the last one with that from "
	    "another source.\nIs it the same? Type yes to store it:",
	    "nothing was stored", err);
}

static int
confirm(struct cli *c, const struct cert *top, struct err *err)
{
	const char *yes = cli_option(c, "yes");
	char hex[HASH_HEX_MAX];
	struct hash fingerprint;

	if (yes == NULL)
		return ask(c, top, err);
	if (is_fingerprint(yes, top))
		return 0;
	cert_fingerprint(top, &fingerprint);
	return err_set(err, ERR_DENIED,
	    "nothing was stored: --yes says another SHA-256 than the server's %s",
	    hash_hex(&fingerprint, hex));
}

int
trust_from_server(struct cli *c, const char *target, struct trust_batch *out, struct err *err)
{
	const struct probe_params p = {.target = target};
	struct cert *sent[LIMIT_CHAIN];
	const struct cert *top = NULL;
	size_t count = 0;
	int r = probe_chain(&p, sent, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (!c->json)
			show_one(c, sent[i]);
		if (is_issuer(sent[i]))
			top = sent[i];
	}
	if (top == NULL) {
		cli_hint(c, "get the certificate of its CA as a file: certherd trust add FILE");
		r = err_set(err, ERR_NOTFOUND, "%.100s has sent no certificate of a CA", target);
	} else {
		r = confirm(c, top, err);
	}
	if (r == 0 && !c->json && !cert_names_issuer(top, top))
		cli_printf(c,
		    "%.100s does not send its root: what it sends is stored as intermediate, and "
		    "not trusted\n",
		    target);
	for (size_t i = 0; i < count; i++) {
		if (r == 0 && is_issuer(sent[i]))
			trust_batch_take(out, cert_ref(sent[i]));
		cert_unref(sent[i]);
	}
	return r;
}
