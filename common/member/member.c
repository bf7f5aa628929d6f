#include "common/member/member.h"

#include "common/base/num.h"
#include "common/base/str.h"
#include "common/json/json.h"
#include "common/sys/file.h"

#include <stdio.h>
#include <string.h>

#define MEMBER_FILE_MAX (64 * 1024)

static char *
path_of(const char *dir, const char *file)
{
	return mem_printf("%s/%s", dir, file);
}

void
member_fini(struct member *m)
{
	if (m == NULL)
		return;
	cert_unref(m->root);
	pkey_unref(m->identity_key);
	for (size_t i = 0; i < m->chain_count; i++)
		cert_unref(m->chain[i]);
	*m = (struct member){0};
}

int
member_make_dirs(const char *dir, struct err *err)
{
	AUTO(mem_freep)
	char *keys = path_of(dir, "keys");
	int r = dir_make_private(dir, err);

	return r < 0 ? r : dir_make_private(keys, err);
}

bool
member_exists(const char *dir)
{
	AUTO(mem_freep)
	char *path = path_of(dir, "domain.json");

	return file_exists(path);
}

struct domain_file {
	char *domain, *domain_id, *node, *name, *root_fingerprint;
	struct json_texts endpoints;
};

#define FIELD(member, how, most)                                                                   \
	{                                                                                          \
		.name = #member, .kind = (how), .flags = JSON_REQUIRED,                            \
		.offset = offsetof(struct domain_file, member), .min = 1, .max = (most)            \
	}
static const struct json_field fields[] = {
    FIELD(domain, JSON_TEXT, LIMIT_NAME),
    FIELD(domain_id, JSON_TEXT, 2 * HASH_LEN),
    FIELD(node, JSON_TEXT, 2 * ID_LEN),
    FIELD(name, JSON_TEXT, LIMIT_NAME),
    FIELD(root_fingerprint, JSON_TEXT, 2 * HASH_LEN),
    {.name = "endpoints",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct domain_file, endpoints),
	.max = MEMBER_ENDPOINTS_MAX},
};

static int
take_domain_file(const struct domain_file *f, struct member *m, struct err *err)
{
	struct hash domain;
	int r;

	if ((r = str_copy(m->domain_name, sizeof(m->domain_name), f->domain, err)) < 0 ||
	    (r = str_copy(m->name, sizeof(m->name), f->name, err)) < 0 ||
	    (r = hash_parse(f->domain_id, &domain, err)) < 0 ||
	    (r = id_parse(f->node, &m->node, err)) < 0 ||
	    (r = hash_parse(f->root_fingerprint, &m->root_fingerprint, err)) < 0)
		return r;
	memcpy(m->domain.bytes, domain.bytes, HASH_LEN);
	for (size_t i = 0; i < f->endpoints.count; i++) {
		r = str_copy(m->endpoints[i], sizeof(m->endpoints[i]), f->endpoints.items[i], err);
		if (r < 0)
			return r;
		m->endpoint_count++;
	}
	return 0;
}

/* What init has made lies one folder below the directory that it was given. */
static int
not_here(const char *dir, struct err *err)
{
	static const char *const below[] = {"server", "replica"};

	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		AUTO(mem_freep)
		char *path = mem_printf("%s/%s/domain.json", dir, below[i]);

		if (file_exists(path))
			return err_set(err, ERR_NOTFOUND,
			    "'%.80s' holds no member of a domain, its folders do: give "
			    "'%.80s/server' "
			    "to certherd-server, '%.80s/replica' to certherd-replica",
			    dir, dir, dir);
	}
	return err_set(err, ERR_NOTFOUND,
	    "'%.120s' holds no member of a domain; make one with 'certherd init' or "
	    "'certherd-replica join'",
	    dir);
}

static int
load_domain_file(const char *dir, struct member *m, struct err *err)
{
	AUTO(mem_freep)
	char *path = path_of(dir, "domain.json");
	AUTO(buf_freep)
	struct buf *text = buf_new(MEMBER_FILE_MAX);
	AUTO(json_freep)
	struct json *root = NULL;
	struct domain_file f = {0};
	int r = file_read(path, MEMBER_FILE_MAX, text, err);

	if (r == ERR_NOTFOUND)
		return not_here(dir, err);
	if (r < 0)
		return r;
	if ((r = json_parse(buf_span(text), MEMBER_FILE_MAX, &root, err)) < 0 ||
	    (r = json_decode(root, fields, ARRAY_LEN(fields), &f, err)) < 0)
		return err_wrap(err, "file '%s'", path);
	r = take_domain_file(&f, m, err);
	json_release(fields, ARRAY_LEN(fields), &f);
	return r < 0 ? err_wrap(err, "file '%s'", path) : 0;
}

static int
load_pem(const char *dir, const char *file, struct cert **certs, size_t *count, struct err *err)
{
	AUTO(mem_freep)
	char *path = path_of(dir, file);
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_PEM_FILE);
	int r;

	if ((r = file_read(path, LIMIT_PEM_FILE, text, err)) < 0)
		return r;
	r = cert_parse_pem_chain(buf_span(text), certs, count, err);
	return r < 0 ? err_wrap(err, "file '%s'", path) : 0;
}

static int
load_root(const char *dir, struct member *m, struct err *err)
{
	struct cert *certs[LIMIT_CHAIN];
	struct hash found;
	size_t count = 0;
	int r = load_pem(dir, "root.pem", certs, &count, err);

	if (r < 0)
		return r;
	m->root = cert_ref(certs[0]);
	for (size_t i = 0; i < count; i++)
		cert_unref(certs[i]);
	cert_fingerprint(m->root, &found);
	if (count != 1 || !hash_equal(&found, &m->root_fingerprint))
		return err_set(err, ERR_CRYPTO,
		    "'%s/root.pem' is not the root certificate that domain.json names", dir);
	return 0;
}

static int
load_high_term(const char *dir, struct member *m, struct err *err)
{
	AUTO(mem_freep)
	char *path = path_of(dir, "high-term");
	AUTO(buf_freep)
	struct buf *text = buf_new(64);
	int r = file_read(path, 63, text, err);

	if (r == ERR_NOTFOUND)
		return 0;
	if (r < 0)
		return r;
	while (text->len > 0 && text->data[text->len - 1] == '\n')
		text->data[--text->len] = 0;
	r = num_parse_u64(buf_str(text), 0, UINT64_MAX, &m->high_term, err);
	return r < 0 ? err_wrap(err, "file '%s'", path) : 0;
}

int
member_load(const char *dir, struct member *out, struct err *err)
{
	struct member m = {0};
	struct domain_id domain;
	struct id node;
	int r;

	if ((r = load_domain_file(dir, &m, err)) < 0 || (r = load_root(dir, &m, err)) < 0 ||
	    (r = load_pem(dir, "identity.pem", m.chain, &m.chain_count, err)) < 0 ||
	    (r = member_load_key(dir, "identity", &m.identity_key, err)) < 0 ||
	    (r = load_high_term(dir, &m, err)) < 0 ||
	    (r = cert_identity(m.chain[0], &domain, &node, err)) < 0)
		goto fail;
	if (memcmp(domain.bytes, m.domain.bytes, HASH_LEN) != 0 || !id_equal(&node, &m.node) ||
	    !cert_has_key(m.chain[0], m.identity_key)) {
		r = err_set(err, ERR_CRYPTO,
		    "the identity certificate, its key and domain.json in '%s' do not fit together",
		    dir);
		goto fail;
	}
	*out = m;
	return 0;
fail:
	member_fini(&m);
	return r;
}

static int
write_pem(
    const char *dir, const char *file, struct cert *const *certs, size_t count, struct err *err)
{
	AUTO(mem_freep)
	char *path = path_of(dir, file);
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_PEM_FILE);
	int r;

	for (size_t i = 0; i < count; i++)
		cert_put_pem(cert_der(certs[i]), text);
	if ((r = buf_error(text, file, err)) < 0)
		return r;
	return file_write_atomic(path, 0644, buf_span(text), err);
}

int
member_save_identity(const char *dir, struct cert *const *chain, size_t count, struct err *err)
{
	return write_pem(dir, "identity.pem", chain, count, err);
}

int
member_save_high_term(const char *dir, uint64_t term, struct err *err)
{
	AUTO(mem_freep)
	char *path = path_of(dir, "high-term");
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)term);
	return file_write_atomic(path, 0644, span_str(text), err);
}

int
member_write(const char *dir, const struct member *m, struct err *err)
{
	AUTO(mem_freep)
	char *path = path_of(dir, "domain.json");
	AUTO(buf_freep)
	struct buf *text = buf_new(MEMBER_FILE_MAX);
	struct json_writer w = JSON_WRITER(text);
	char hex[HASH_HEX_MAX];
	int r;

	json_put_object(&w, NULL);
	json_put_text(&w, "domain", m->domain_name);
	json_put_text(&w, "domain_id", hex_encode(m->domain.bytes, HASH_LEN, hex));
	json_put_text(&w, "node", id_hex(&m->node, hex));
	json_put_text(&w, "name", m->name);
	json_put_text(&w, "root_fingerprint", hash_hex(&m->root_fingerprint, hex));
	json_put_array(&w, "endpoints");
	for (size_t i = 0; i < m->endpoint_count; i++)
		json_put_text(&w, NULL, m->endpoints[i]);
	json_put_end(&w);
	json_put_end(&w);
	buf_put_str(text, "\n");
	if ((r = buf_error(text, "domain.json", err)) < 0 ||
	    (r = write_pem(dir, "root.pem", (struct cert *const *)&m->root, 1, err)) < 0 ||
	    (r = member_save_identity(dir, m->chain, m->chain_count, err)) < 0 ||
	    (r = member_save_high_term(dir, m->high_term, err)) < 0)
		return r;
	return file_write_atomic(path, 0644, buf_span(text), err);
}

int
member_save_key(const char *dir, const char *name, const struct pkey *key, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/keys/%s.key", dir, name);
	AUTO(secret_freep)
	struct secret *text = NULL;
	struct keyfile file = {.count = 1};
	int r;

	if ((r = str_copy(file.entries[0].name, sizeof(file.entries[0].name), name, err)) < 0)
		return r;
	file.entries[0].key = pkey_ref(key);
	r = keyfile_format(&file, &text, err);
	keyfile_fini(&file);
	return r < 0 ? r : file_write_private(path, secret_span(text), err);
}

int
member_load_key(const char *dir, const char *name, struct pkey **out, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/keys/%s.key", dir, name);
	AUTO(fd_closep)
	int fd = -1;
	AUTO(secret_freep)
	struct secret *text = NULL;
	struct keyfile file = {0};
	const struct pkey *key;
	int r;

	if ((r = file_open_private(path, &fd, err)) < 0)
		return r;
	if ((r = secret_read_fd(fd, MEMBER_FILE_MAX, false, &text, err)) < 0 ||
	    (r = keyfile_parse(text, &file, err)) < 0)
		return err_wrap(err, "key file '%s'", path);
	key = keyfile_find(&file, name);
	if (key != NULL)
		*out = pkey_ref(key);
	else
		r = err_set(err, ERR_NOTFOUND, "key file '%s' holds no key '%s'", path, name);
	keyfile_fini(&file);
	return r;
}
