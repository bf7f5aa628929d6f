/*
 * lift_print FILE...: what common/lift finds in files, a line of tab-separated fields for each
 * item; passwords come from standard input, one a line. For tests that let other programs write the
 * files. Fields: kind, place, SHA-256 of the public key or of the certificate, index of the pair or
 * -, leaf or issuer or -, locked or open, reason or -, label or text.
 */

#include "common/crypto/sign.h"
#include "common/lift/lift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_SIZE (1024 * 1024)

static struct secret *passwords[LIMIT_IMPORT_PASSWORDS];
static size_t password_count;

static void
read_passwords(void)
{
	char line[LIMIT_PASSWORD + 2];

	while (
	    password_count < LIMIT_IMPORT_PASSWORDS && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (secret_take(line, strlen(line), &passwords[password_count++], NULL) < 0)
			exit(2);
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

int
main(int argc, char **argv)
{
	struct lift_params params = {.passwords = (const struct secret *const *)passwords};
	struct lift *l;
	struct err err;

	if (secret_heap_init(HEAP_SIZE, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	read_passwords();
	params.password_count = password_count;
	l = lift_new(&params);
	for (int i = 1; i < argc; i++)
		add_file(l, argv[i]);
	lift_match(l);
	for (size_t i = 0; i < lift_count(l); i++)
		print_item(lift_at(l, i));
	lift_free(l);
	for (size_t i = 0; i < password_count; i++)
		secret_free(passwords[i]);
	return 0;
}
