/*
 * The modules of foreign formats from the shell, for tests in which other programs write what is
 * read here, and read what is written. Passwords come from standard input, one a line.
 *
 * formats lift FILE...                  what is found, a line of tab-separated fields for each
 * item: kind, place, SHA-256 of the public key or certificate, index of the pair or -, leaf or
 * issuer or -, locked or open, reason or -, label or text formats chain NOW LEAF ROOTS FILE...  the
 * best chain: grade, then a line for each certificate on it ("certificate SUBJECT") and for each
 * reason ("code TEXT") formats export DIR TYPE               a Micro CA's leaf with a key of that
 * type, and all exports of it, under the first password, as files in DIR
 */

#include "common/chain/chain.h"
#include "common/crypto/sign.h"
#include "common/export/export.h"
#include "common/lift/lift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAP_SIZE (1024 * 1024)
#define CERTS_MAX LIMIT_IMPORT_ITEMS

static struct secret *passwords[LIMIT_IMPORT_PASSWORDS];
static size_t password_count;
static struct err err;

static void
need(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s\n", err.text);
	exit(1);
}

static void
read_passwords(void)
{
	char line[LIMIT_PASSWORD + 2];

	while (
	    password_count < LIMIT_IMPORT_PASSWORDS && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		need(secret_take(line, strlen(line), &passwords[password_count++], &err));
	}
}

static void
add_file(struct lift *l, const char *path)
{
	uint8_t *bytes = malloc(LIMIT_IMPORT_FILE + 1);
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL || bytes == NULL) {
		perror(path);
		exit(2);
	}
	n = fread(bytes, 1, LIMIT_IMPORT_FILE + 1, f);
	fclose(f);
	lift_add(l, path, SPAN(bytes, n));
	free(bytes);
}

static struct lift *
lift_files(char **paths, int count)
{
	struct lift *l = lift_new(
	    &(struct lift_params){(const struct secret *const *)passwords, password_count, NULL});

	for (int i = 0; i < count; i++)
		add_file(l, paths[i]);
	lift_match(l);
	return l;
}

static void
print_item(const struct lift_item *item)
{
	struct hash hash = {{0}};
	char hex[HASH_HEX_MAX], pair[24] = "-";

	if (item->key != NULL)
		hash_of(pkey_spki(item->key), &hash);
	else if (item->cert != NULL)
		cert_fingerprint(item->cert, &hash);
	if (item->pair != LIFT_NO_PAIR)
		snprintf(pair, sizeof(pair), "%zu", item->pair);
	printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", lift_kind_name(item->kind), item->place,
	    hash_hex(&hash, hex), pair,
	    item->kind != LIFT_CERT ? "-"
		: item->is_leaf     ? "leaf"
				    : "issuer",
	    item->was_locked ? "locked" : "open",
	    item->kind == LIFT_PROBLEM ? lift_why_name(item->why) : "-",
	    item->kind == LIFT_PROBLEM ? item->text
		: item->label != NULL  ? item->label
				       : "");
}

static int
print_each(char **paths, int count)
{
	for (int n = 0; n < count; n++) {
		struct lift *l = lift_files(paths + n, 1);

		for (size_t i = 0; i < lift_count(l); i++) {
			printf("%s\t", paths[n]);
			print_item(lift_at(l, i));
		}
		lift_free(l);
	}
	return 0;
}

static int
print_lift(char **paths, int count)
{
	struct lift *l = lift_files(paths, count);

	for (size_t i = 0; i < lift_count(l); i++)
		print_item(lift_at(l, i));
	lift_free(l);
	return 0;
}

static struct certs
certs_of(const struct lift *l, const struct cert **room)
{
	size_t n = 0;

	for (size_t i = 0; i < lift_count(l); i++)
		if (lift_at(l, i)->kind == LIFT_CERT)
			room[n++] = lift_at(l, i)->cert;
	return (struct certs){room, n};
}

static int
print_chain(char **args, int count)
{
	static const struct cert *room[3][CERTS_MAX];
	struct lift *leaf = lift_files(args + 1, 1), *roots = lift_files(args + 2, 1);
	struct lift *given = lift_files(args + 3, count - 3);
	struct certs leaves = certs_of(leaf, room[0]);
	struct chain_params p = {.given = certs_of(given, room[1]),
	    .roots = certs_of(roots, room[2]),
	    .now = strtoll(args[0], NULL, 10)};
	struct chain c;

	for (size_t i = 0; i < leaves.count; i++) {
		p.leaf = leaves.list[i];
		chain_find(&p, &c);
		printf("leaf %s %s %zu", chain_grade_name(c.grade),
		    c.is_trusted ? "trusted" : "untrusted", c.count);
		for (size_t k = 0; k < c.reason_count; k++)
			printf(" %s", chain_code_name(c.reasons[k].code));
		printf("\n");
		chain_fini(&c);
	}
	lift_free(leaf);
	lift_free(roots);
	lift_free(given);
	return 0;
}

static void
put_file(const char *dir, const char *name, struct span bytes)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (f == NULL || fwrite(bytes.data, 1, bytes.len, f) != bytes.len || fclose(f) != 0) {
		perror(path);
		exit(2);
	}
}

static void
put_pem(const struct export_set *set, const char *dir, const char *name, enum export_order order,
    const struct secret *password, bool scrypt)
{
	struct secret *pem = NULL;

	need(export_pem(set, order, password, scrypt, &pem, &err));
	put_file(dir, name, secret_span(pem));
	secret_free(pem);
}

static void
put_p12(const struct export_set *set, const char *dir, const char *name, bool old)
{
	struct buf out = BUF_INIT(LIMIT_IMPORT_FILE);

	need(export_p12(set, "www.example.org", passwords[0], old, &out, &err));
	put_file(dir, name, buf_span(&out));
	buf_fini(&out);
}

static void
put_all(const struct export_set *set, const char *dir)
{
	struct buf chain = BUF_INIT(LIMIT_PEM_FILE);

	need(export_chain(set, &chain, &err));
	put_file(dir, "chain.pem", buf_span(&chain));
	put_pem(set, dir, "key.pem", EXPORT_KEY_ALONE, NULL, false);
	put_pem(set, dir, "key-first.pem", EXPORT_KEY_FIRST, NULL, false);
	put_pem(set, dir, "key-last.pem", EXPORT_KEY_LAST, NULL, false);
	if (password_count > 0) {
		put_pem(set, dir, "pbkdf2.pem", EXPORT_KEY_ALONE, passwords[0], false);
		put_pem(set, dir, "scrypt.pem", EXPORT_KEY_ALONE, passwords[0], true);
		put_p12(set, dir, "modern.p12", false);
		put_p12(set, dir, "old.p12", true);
	}
	buf_fini(&chain);
}

static int
write_exports(const char *dir, const char *type_name)
{
	static const char *const names[] = {"www.example.org", "localhost"};
	int64_t now = time(NULL);
	struct leaf_params p = {.names = names,
	    .name_count = ARRAY_LEN(names),
	    .not_before = now - 3600,
	    .not_after = now + 86400};
	struct pkey *ca_key = NULL, *key = NULL;
	struct cert *ca = NULL, *leaf = NULL;
	enum key_type type;

	need(key_type_parse(type_name, &type, &err));
	need(pkey_generate(KEY_EC_P256, &ca_key, &err));
	need(pkey_generate(type, &key, &err));
	need(cert_issue_ca(ca_key, "formats", now - 7200, now + 864000, &ca, &err));
	p.key = key;
	need(cert_issue_leaf(ca, ca_key, &p, &leaf, &err));
	put_all(&(struct export_set){(struct span[]){cert_der(leaf), cert_der(ca)}, 2, key}, dir);
	pkey_unref(ca_key);
	pkey_unref(key);
	cert_unref(ca);
	cert_unref(leaf);
	return 0;
}

int
main(int argc, char **argv)
{
	int status = 2;

	need(secret_heap_init(HEAP_SIZE, &err));
	read_passwords();
	if (argc >= 3 && strcmp(argv[1], "lift") == 0)
		status = print_lift(argv + 2, argc - 2);
	else if (argc >= 3 && strcmp(argv[1], "each") == 0)
		status = print_each(argv + 2, argc - 2);
	else if (argc >= 5 && strcmp(argv[1], "chain") == 0)
		status = print_chain(argv + 2, argc - 2);
	else if (argc == 4 && strcmp(argv[1], "export") == 0)
		status = write_exports(argv[2], argv[3]);
	else
		fprintf(stderr, "see the comment at the top of tests/support/formats.c\n");
	for (size_t i = 0; i < password_count; i++)
		secret_free(passwords[i]);
	return status;
}
