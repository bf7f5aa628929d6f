#ifndef COMMON_MODEL_NAMES_H
#define COMMON_MODEL_NAMES_H

/*
 * Names: those that certificates are for (DNS names, wildcards, IP addresses), and those of nodes
 * and groups. One normal form is stored, compared and signed: DNS names in lower case without a dot
 * at the end, labels of other scripts as A-labels ("xn--fa-hia"), addresses as inet_ntop writes
 * them. Pure functions.
 */

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/limits.h"

enum name_type {
	NAME_DNS,
	NAME_WILDCARD, /* "*." and a DNS name */
	NAME_IP,
};

#define NAME_TEXT_MAX (LIMIT_NAME + 1)
#define NAME_SHOWN_MAX (LIMIT_NAME_TYPED + 1)

/*
 * The normal form of a name for a credential; text is UTF-8, converted by IDNA 2008. ERR_INVALID
 * names the character or the label that is not allowed. out is untouched then.
 */
NODISCARD int name_normalise(
    const char *text, char out[static NAME_TEXT_MAX], enum name_type *type, struct err *err);

/*
 * The same for an e-mail address, which certificates of people and clients may have: what stands
 * before the '@' is kept as it is.
 */
NODISCARD int email_normalise(const char *text, char out[static NAME_TEXT_MAX], struct err *err);
/* Whether somebody means one: there is an '@'. */
bool name_is_email(const char *name);

/*
 * Normalises count names and drops those that are there already. At least one, at most LIMIT_NAMES
 * (ERR_LIMIT). emails: e-mail addresses may be among them. out has room for count; the count of
 * what is left is returned in out_count.
 */
NODISCARD int name_normalise_all(const char *const *texts, size_t count, bool emails,
    char (*out)[NAME_TEXT_MAX], size_t *out_count, struct err *err);

/*
 * A name in normal form as people read it: in its own script, if that gives the same A-labels again
 * and no label mixes scripts; else as it is. Also any other text as it is. Returns out.
 */
const char *name_shown(const char *name, char out[static NAME_SHOWN_MAX]);
/*
 * A text for people with the names in it so; the word behind a "(" stays as it is stored.
 */
void names_put_shown(struct buf *out, struct span text);
/* Whether a label has letters of scripts that nobody writes in one word; the text says which. */
bool name_mixes_scripts(const char *name, struct err *why);

/* Of names in normal form. */
bool name_is_wildcard(const char *name);
bool name_is_ip(const char *name);

/*
 * The wildcard that would match name: "www.example.org" gives "*.example.org". False for addresses,
 * wildcards and names of one label.
 */
bool name_wildcard_of(const char *name, char out[static NAME_TEXT_MAX]);

/* Whether a certificate's name serves the host that a client asks for; both in normal form. */
bool name_matches(const char *pattern, const char *host);

/*
 * What a client says in SNI, brought to normal form: lower case, one dot at the end dropped, a DNS
 * name, which may have underscores (it can still fit a wildcard). False for everything else; never
 * an error text, since anybody may send anything.
 */
bool name_from_sni(const char *sni, size_t len, char out[static NAME_TEXT_MAX]);

/* Names of nodes and groups: [a-z0-9._-], 1 to 63, a letter or digit first. what: "node", "group".
 */
NODISCARD int label_check(const char *what, const char *name, struct err *err);

/* "@mail" in an access list means the group mail. Both give a checked name; is_group says which. */
NODISCARD int access_name_parse(
    const char *text, const char **name, bool *is_group, struct err *err);

#endif
