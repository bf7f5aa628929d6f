/* Trusted roots, and intermediates that complete chains: taken in, and removed. */

#include "common/crypto/cert_facts.h"
#include "common/wire/public_wire.h"
#include "server/flow/answer.h"
#include "server/flow/flow_priv.h"

#include <stdio.h>
#include <string.h>

/* --- what is asked for --- */

static const struct index_record *
stored_root(const struct flow_op *op, const struct cert *c)
{
	char name[HASH_HEX_MAX];
	struct hash fingerprint;

	cert_fingerprint(c, &fingerprint);
	return index_named(op->flow->index, KIND_TRUSTED_ROOT, hash_hex(&fingerprint, name));
}

/* Whether an earlier certificate of the same operation is this one. */
static bool
came_before(const struct flow_op *op, size_t n)
{
	struct span der = cert_der(op->in.certs[n]);

	for (size_t i = 0; i < n; i++)
		if (span_equal(cert_der(op->in.certs[i]), der))
			return true;
	return false;
}

static bool
is_root(const struct cert *c, const struct cert_facts *facts)
{
	return facts->self_issued && cert_signed_by(c, c);
}

static bool
has_root(const struct flow_op *op)
{
	struct cert_facts facts;

	for (size_t i = 0; i < op->in.cert_count; i++) {
		cert_facts(op->in.certs[i], &facts);
		if (is_root(op->in.certs[i], &facts))
			return true;
	}
	return false;
}

/*
 * What a certificate is stored for: as asked, else by what it is. Categories that are asked for are
 * those of roots: what comes with one, as from a server or in a bundle, completes chains.
 */
static uint32_t
categories_of(const struct flow_op *op, const struct cert *c)
{
	struct cert_facts facts;

	if (op->in.categories == TRUST_INTERMEDIATE)
		return TRUST_INTERMEDIATE;
	cert_facts(c, &facts);
	if (is_root(c, &facts))
		return op->in.categories != 0 ? op->in.categories : TRUST_COMPLETION;
	return op->in.categories == 0 || has_root(op) ? TRUST_INTERMEDIATE : op->in.categories;
}

static const char *
put_categories(struct buf *out, uint32_t categories)
{
	for (uint32_t bit = 1; bit <= TRUST__ALL; bit <<= 1)
		if ((categories & bit) != 0)
			buf_putf(out, "%s%s", out->len > 0 ? "," : "", trust_category_name(bit));
	return buf_str(out);
}

/* The label that was given, else who the certificate says it is. */
static const char *
label_of(const struct flow_op *op, const struct cert *c, char out[static LIMIT_NAME + 1])
{
	struct buf subject = BUF_INIT(4096);
	const char *text;
	size_t len;

	if (op->in.label != NULL)
		return op->in.label;
	cert_put_subject(c, &subject);
	text = buf_str(&subject);
	if (strncmp(text, "CN=", 3) == 0)
		text += 3;
	/* An escaped comma is part of the name. */
	for (len = 0; text[len] != '\0' && len < LIMIT_NAME && text[len] != ','; len++)
		if (text[len] == '\\' && text[len + 1] != '\0' && len + 1 < LIMIT_NAME)
			len++;
	snprintf(out, LIMIT_NAME + 1, "%.*s", (int)len, text);
	buf_fini(&subject);
	return out;
}

static int
check_trust(struct flow_op *op, const struct cert *c, struct err *err)
{
	char label[LIMIT_NAME + 1], end[TIME_TEXT_MAX];
	uint32_t categories = categories_of(op, c);
	const char *name = label_of(op, c, label);
	struct cert_facts facts;

	cert_facts(c, &facts);
	if (!facts.is_ca)
		return err_set(err, ERR_INVALID,
		    "'%.100s' is not the certificate of a CA: a server's own certificate is not "
		    "trusted as a root; give that of its issuer",
		    name);
	if (categories != TRUST_INTERMEDIATE && !is_root(c, &facts))
		return err_set(err, ERR_INVALID,
		    "'%.100s' is issued by another CA, so that it is no root: store it with "
		    "--for intermediate, and trust the root above it",
		    name);
	if (categories != op->in.categories && op->in.categories != 0)
		flow_op_warn(op,
		    "'%s' is issued by another CA, so that it is no root: it completes chains, and "
		    "is not trusted",
		    name);
	if (facts.not_after < runtime_wall_s(op->flow->rt))
		flow_op_warn(op, "'%s' has run out at %s", name, time_text(facts.not_after, end));
	if (facts.weak_key[0] != '\0')
		flow_op_warn(op, "'%s' has a weak key: %s", name, facts.weak_key);
	return 0;
}

static bool
is_as_asked(const struct flow_op *op, const struct cert *c, const struct index_record *stored)
{
	return stored->root->categories == categories_of(op, c) &&
	    (op->in.label == NULL || strcmp(stored->root->label, op->in.label) == 0);
}

/* A category that is taken away is more than was asked for, maybe. */
static void
warn_of_less(struct flow_op *op, const struct cert *c, const struct index_record *stored)
{
	uint32_t now = categories_of(op, c), before = stored->root->categories;
	struct buf old = BUF_INIT(256), new = BUF_INIT(256);

	if ((before & ~now & TRUST__ALL) != 0)
		flow_op_warn(op, "'%s' was for %s until now, and is for %s alone: --for names all",
		    stored->root->label, put_categories(&old, before), put_categories(&new, now));
	buf_fini(&old);
	buf_fini(&new);
}

static int
look_trust_add(struct flow_op *op, struct err *err)
{
	size_t fresh = 0, changed = 0;

	for (size_t i = 0; i < op->in.cert_count; i++) {
		const struct cert *c = op->in.certs[i];
		const struct index_record *stored = stored_root(op, c);
		int rc = check_trust(op, c, err);

		if (rc < 0)
			return rc;
		fresh += stored == NULL;
		changed += stored != NULL && !is_as_asked(op, c, stored);
		if (stored != NULL)
			warn_of_less(op, c, stored);
	}
	if (index_count(op->flow->index, KIND_TRUSTED_ROOT) + fresh > LIMIT_TRUSTED_ROOTS)
		return err_set(err, ERR_LIMIT,
		    "a domain has at most %d trusted roots and intermediates; 'certherd trust "
		    "remove' makes room",
		    LIMIT_TRUSTED_ROOTS);
	op->unchanged = fresh + changed == 0;
	return 0;
}

static int
mutation_trust_add(struct flow_op *op, struct mutation *m, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < op->in.cert_count; i++) {
		const struct cert *c = op->in.certs[i];
		const struct index_record *stored = stored_root(op, c);
		char label[LIMIT_NAME + 1], name[HASH_HEX_MAX];
		struct trusted_root_public p = {
		    .certificate = cert_der(c), .categories = categories_of(op, c)};
		struct hash fingerprint;
		struct draft *d;

		if (came_before(op, i) || (stored != NULL && is_as_asked(op, c, stored)))
			continue;
		p.label = stored != NULL && op->in.label == NULL ? stored->root->label
								 : label_of(op, c, label);
		d = mutation_add(m);
		d->kind = KIND_TRUSTED_ROOT;
		if (stored != NULL) {
			d->id = stored->id;
			d->expect_version = stored->version;
		} else {
			new_id(op->flow, &d->id);
		}
		cert_fingerprint(c, &fingerprint);
		snprintf(d->name, sizeof(d->name), "%s", hash_hex(&fingerprint, name));
		rc = wire_trusted_root_public_encode(&p, d->public_part, err);
	}
	op->number = m->count;
	return rc;
}

const struct flow_op_type flow_op_trust_add = {
    "trust.add", look_trust_add, NULL, mutation_trust_add};

static int
look_trust_remove(struct flow_op *op, struct err *err)
{
	const struct index_record *r;
	int rc = index_root_find(op->flow->index, op->in.name, &r, err);

	if (rc < 0)
		return rc;
	op->in.name = flow_op_text(op, r->name);
	op->credential = r->id;
	op->credential_version = r->version;
	return 0;
}

static int
mutation_trust_remove(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *r =
	    index_of_kind(op->flow->index, KIND_TRUSTED_ROOT, &op->credential);

	if (r == NULL || r->version != op->credential_version)
		return err_set(err, ERR_CONFLICT,
		    "the trusted root has been changed by somebody else meanwhile");
	draft_removed(m, r);
	return 0;
}

const struct flow_op_type flow_op_trust_remove = {
    "trust.remove", look_trust_remove, NULL, mutation_trust_remove};

/* --- starting --- */

static int
check_categories(uint32_t categories, struct err *err)
{
	if ((categories & ~(uint32_t)TRUST__ALL) != 0)
		return err_set(err, ERR_INVALID, "there is no such category of trusted roots");
	if ((categories & TRUST_INTERMEDIATE) != 0 && categories != TRUST_INTERMEDIATE)
		return err_set(err, ERR_INVALID,
		    "an intermediate completes chains and is not trusted: it is in no other "
		    "category");
	return 0;
}

/* It stands in lists, and names the root in commands. */
static int
check_label(const char *label, struct err *err)
{
	size_t len = label != NULL ? strlen(label) : 1;

	if (len == 0 || len > LIMIT_NAME)
		return err_set(
		    err, ERR_INVALID, "the label of a trusted root has 1 to %d bytes", LIMIT_NAME);
	for (size_t i = 0; label != NULL && i < len; i++)
		if ((unsigned char)label[i] < 0x20 || label[i] == 0x7f)
			return err_set(err, ERR_INVALID,
			    "label of a trusted root: character %zu is a control character", i + 1);
	return 0;
}

int
flow_trust_add(
    struct flow *f, const struct trust_spec *spec, flow_done_cb *done, void *arg, struct err *err)
{
	char name[HASH_HEX_MAX];
	struct hash fingerprint;
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc == 0)
		rc = check_categories(spec->categories, err);
	if (rc == 0)
		rc = check_label(spec->label, err);
	if (rc < 0)
		return rc;
	op = flow_op_new(f, &flow_op_trust_add, done, arg);
	rc = answer_take(op, spec->certificates, err);
	if (rc == 0 && spec->label != NULL && op->in.cert_count > 1)
		rc = err_set(err, ERR_INVALID,
		    "one label for %zu certificates: give them one by one, or without a label",
		    op->in.cert_count);
	if (rc < 0) {
		flow_op_free(op);
		return rc;
	}
	cert_fingerprint(op->in.certs[0], &fingerprint);
	op->in.name = flow_op_text(op, hash_hex(&fingerprint, name));
	op->in.label = flow_op_text(op, spec->label);
	op->in.categories = spec->categories;
	op->in.author = flow_op_text(op, spec->author);
	flow_op_start(op);
	return 0;
}

int
flow_trust_remove(struct flow *f, const char *name, const char *author, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;

	return flow_start_named(f, &flow_op_trust_remove, name, author, done, arg, &op, err);
}
