#include "common/base/str.h"
#include "common/lift/lift_priv.h"

#include <string.h>
#include <strings.h>

/*
 * Formats that are known by sight, and what to do about each. FILE stands for the name of the file,
 * so that a command can be copied.
 */

#define NAME_MAX_SHOWN 80

static const char keyring_help[] =
    "a Domino key ring: its format is not public. Three ways in: (1) as the Domino user, kyrtool "
    "show keys -k FILE.kyr; kyrtool show certs -k FILE.kyr; kyrtool show roots -k FILE.kyr, all "
    "into one text file, and import that; (2) on Domino 12.0.1 or later, import the key ring in "
    "certstore.nsf as exportable, then export it as PEM or PKCS#12 and import that; (3) load "
    "certmgr -importkyr FILE.kyr on the server, then as (2). The .kyr and .sth files together "
    "give anyone the key: delete them when all is done";

static const struct {
	const char *magic;
	size_t len;
	const char *help;
} magics[] = {
    {"\xfe\xed\xfe\xed", 4,
	"a Java key store (JKS), which is not read here. Convert it: keytool -importkeystore "
	"-srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12"},
    {"\xce\xce\xce\xce", 4,
	"a Java key store (JCEKS), which is not read here. Convert it: keytool -importkeystore "
	"-srckeystore FILE -srcstoretype JCEKS -destkeystore FILE.p12 -deststoretype PKCS12"},
    {"PuTTY-User-Key-File-", 20,
	"a PuTTY key, which is not read here. Convert it: puttygen FILE -O private-openssh -o "
	"FILE.key; ssh-keygen -p -m PKCS8 -f FILE.key"},
    {"SQLite format 3", 16,
	"a database, as NSS (Firefox, cert9.db and key4.db) has. Export from it: pk12util -d "
	"sql:FOLDER -n NAME -o FILE.p12"},
    {"PK\x03\x04", 4, "a ZIP archive. Unpack it and import what is in it"},
    {"\x1f\x8b", 2, "a compressed file. Unpack it (gunzip) and import what is in it"},
};

static const char openssh_help[] = "an OpenSSH key, which is not read here. Convert a copy of it: "
				   "ssh-keygen -p -m PKCS8 -f COPY";

static const struct {
	const char *label;
	const char *help;
} labels[] = {
    {"OPENSSH PRIVATE KEY", openssh_help},
    {"SSH2 ENCRYPTED PRIVATE KEY",
	"a key of SSH.com, which is not read here. Convert it: ssh-keygen -i -f FILE > FILE.key"},
    {"SSH2 PUBLIC KEY", "a public key of SSH, which is of no use here"},
    {"PGP PRIVATE KEY BLOCK", "an OpenPGP key, which is no key of a certificate"},
    {"PGP PUBLIC KEY BLOCK", "an OpenPGP key, which is no key of a certificate"},
    {"PGP MESSAGE", "an OpenPGP message. Decrypt it first: gpg --decrypt FILE"},
};

static bool
has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && strcasecmp(name + n - m, suffix) == 0;
}

static bool
is_text(struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i] < ' ' && memchr("\t\r\n\f\x1a", bytes.data[i], 5) == NULL)
			return false;
	return true;
}

/* A name that a shell takes as it is; FILE for others, and of IBM's and Domino's without its end.
 */
static struct span
shown_name(const char *name)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "./_+,@%=:-";
	static const char *const ends[] = {".kyr", ".sth", ".kdb"};
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_SHOWN || name[0] == '-' || strspn(name, safe) != len)
		return span_str("FILE");
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (len > 4 && has_suffix(name, ends[i]))
			return SPAN(name, len - 4);
	return SPAN(name, len);
}

static void
add_foreign(struct lift *l, enum lift_why why, const char *name, const char *help)
{
	struct buf text = BUF_INIT(4096);
	struct span shown = shown_name(name);

	for (const char *at; (at = strstr(help, "FILE")) != NULL; help = at + 4) {
		buf_put(&text, help, (size_t)(at - help));
		buf_put_span(&text, shown);
	}
	buf_put_str(&text, help);
	add_problem(l, why, "%s", buf_str(&text));
	buf_fini(&text);
}

bool
sniff_foreign(struct lift *l, const char *name, struct span bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
		if (bytes.len >= magics[i].len &&
		    memcmp(bytes.data, magics[i].magic, magics[i].len) == 0) {
			add_foreign(l, LIFT_FOREIGN, name, magics[i].help);
			return true;
		}
	}
	/* By name, but only when it is not PEM or DER that somebody named so. */
	if ((has_suffix(name, ".kyr") || has_suffix(name, ".sth")) && bytes.len > 0 &&
	    !is_text(bytes) && der_whole_len(bytes) == 0) {
		add_foreign(l, LIFT_FOREIGN, name, keyring_help);
		return true;
	}
	return false;
}

bool
sniff_foreign_label(struct lift *l, struct span label)
{
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		if (span_equal(label, span_str(labels[i].label))) {
			bool useless = strstr(labels[i].help, "PUBLIC") != NULL;

			add_foreign(
			    l, useless ? LIFT_IGNORED : LIFT_FOREIGN, l->file, labels[i].help);
			return true;
		}
	}
	return false;
}

void
sniff_nothing(struct lift *l, const char *name, struct span bytes)
{
	if (bytes.len == 0)
		add_problem(l, LIFT_NOTHING, "an empty file");
	else if (has_suffix(name, ".kyr") || has_suffix(name, ".sth"))
		add_foreign(l, LIFT_FOREIGN, name, keyring_help);
	else if (has_suffix(name, ".kdb"))
		add_foreign(l, LIFT_FOREIGN, name,
		    "a key database of IBM, which is not read here. Convert it: gskcapicmd -cert "
		    "-export -db FILE.kdb -stashed -label NAME -target FILE.p12 -target_type "
		    "pkcs12");
	else if (is_text(bytes))
		add_problem(l, LIFT_NOTHING, "%s",
		    memmem(bytes.data, bytes.len, "-----BEGIN ", 11) != NULL
			? "nothing of use in it"
			: "a text without a PEM block (-----BEGIN ...-----) in it");
	else
		add_problem(l, LIFT_NOTHING,
		    "%zu bytes of a format that is not known here; PEM, DER, PKCS#7 and PKCS#12 "
		    "are. A Domino key ring (.kyr) is best exported by kyrtool show keys, certs "
		    "and roots",
		    bytes.len);
}
