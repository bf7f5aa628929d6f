#include "common/crypto/cert.h"
#include "common/crypto/subject.h"

#include <string.h>

/*
 * Any lines as the wishes for a certificate: the first byte is the profile, a line with '=' a part
 * of the subject, any other a name. What is accepted becomes a request and a leaf that OpenSSL
 * reads, with the key that was given and no more names than were asked for.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 128

static struct pkey *key, *ca_key;
static struct cert *ca;

static void
prepare(void)
{
	CHECK(pkey_generate(KEY_EC_P256, &key, NULL) == 0);
	CHECK(pkey_generate(KEY_EC_P256, &ca_key, NULL) == 0);
	CHECK(cert_issue_ca(ca_key, "CA", 0, 4000000000, &ca, NULL) == 0);
}

static void
check_request(const struct leaf_params *p)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_CSR);
	AUTO(pkey_unrefp)
	struct pkey *got = NULL;
	struct err err;

	if (csr_make_leaf(p, der, &err) < 0)
		return;
	CHECK(csr_key(buf_span(der), &got, &err) == 0);
	CHECK(pkey_same_public(got, key));
}

static void
check_leaf(const struct leaf_params *p)
{
	AUTO(cert_unrefp)
	struct cert *leaf = NULL, *again = NULL;
	AUTO(buf_freep)
	struct buf *text = buf_new(8 * LIMIT_CERT);
	struct err err;

	if (cert_issue_leaf(ca, ca_key, p, &leaf, &err) < 0)
		return;
	CHECK(cert_parse(cert_der(leaf), &again, &err) == 0);
	CHECK(!cert_is_ca(again) && cert_has_key(again, key));
	CHECK(cert_each_name(again, NULL, NULL) <= p->name_count);
	cert_put_subject(again, text);
}

/* A part in normal form is one, and stays what it is. */
static void
check_part(const char *part)
{
	char once[SUBJECT_PART_MAX], twice[SUBJECT_PART_MAX];

	if (subject_check(part, once, NULL) < 0)
		return;
	CHECK(subject_check(once, twice, NULL) == 0);
	CHECK(strcmp(once, twice) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *names[LINES_MAX], *parts[LINES_MAX];
	struct leaf_params p = {
	    .names = names, .subject = parts, .not_before = 1000, .not_after = 2000};
	char *text, *rest, *line;

	if (key == NULL)
		prepare();
	if (size == 0 || size > 65536)
		return 0;
	text = mem_zalloc(size);
	memcpy(text, data + 1, size - 1);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strchr(line, '=') == NULL && p.name_count < LINES_MAX) {
			names[p.name_count++] = line;
		} else if (p.subject_count < LINES_MAX) {
			check_part(line);
			parts[p.subject_count++] = line;
		}
	}
	p.key = key;
	p.profile = (enum leaf_profile)(data[0] % (LEAF__COUNT + 1));
	check_request(&p);
	check_leaf(&p);
	mem_free(text);
	return 0;
}
