#include "common/store/store_priv.h"

#include "common/base/num.h"

#include <inttypes.h>
#include <stdio.h>

extern const char store_migration_0001[];

static const struct store_migration own[] = {
    {store_migration_0001},
};

/* "chrd": a file without it is some other program's. */
#define APPLICATION_ID 0x63687264

static int
set_pragma(struct store *s, const char *name, uint64_t value, struct err *err)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA %s = %" PRIu64, name, value);
	return store_exec(s, sql, err);
}

static int
newer(const struct store *s, const char *what, uint64_t found, size_t known, struct err *err)
{
	return err_set(err, ERR_INVALID,
	    "database '%s' was written by a newer certherd (%s %" PRIu64
	    ", this one knows up to %zu): install that version, or restore an older backup",
	    s->path, what, found, known);
}

int
store_check_owner(struct store *s, int64_t *version, struct err *err)
{
	int64_t application = 0, schema = 0;
	int r = store_exec_number(s, "PRAGMA application_id", &application, err);

	if (r == 0)
		r = store_exec_number(s, "PRAGMA user_version", version, err);
	if (r == 0)
		r = store_exec_number(s, "PRAGMA schema_version", &schema, err);
	if (r < 0)
		return r;
	if (schema == 0 && *version == 0 && (application == 0 || application == APPLICATION_ID))
		return 0; /* new */
	if (application != APPLICATION_ID)
		return err_set(err, ERR_PARSE, "'%s' is not a database of certherd", s->path);
	if (*version < 0 || (uint64_t)*version > ARRAY_LEN(own))
		return newer(s, "schema", (uint64_t)*version, ARRAY_LEN(own), err);
	return 0;
}

/* One migration, and the number that says so, in one transaction. */
static int
migrate_one(struct store *s, size_t index, struct err *err)
{
	int r = store_exec(s, "BEGIN IMMEDIATE", err);

	if (r < 0)
		return r;
	r = store_exec(s, own[index].sql, err);
	if (r == 0)
		r = set_pragma(s, "application_id", APPLICATION_ID, err);
	if (r == 0)
		r = set_pragma(s, "user_version", index + 1, err);
	if (r == 0)
		r = store_exec(s, "COMMIT", err);
	if (r < 0) {
		store_rollback(s);
		return err_wrap(err, "migration %zu", index + 1);
	}
	return 0;
}

int
store_migrate_own(struct store *s, struct err *err)
{
	int64_t version = 0;
	int r = store_check_owner(s, &version, err);

	for (size_t i = (size_t)version; r == 0 && i < ARRAY_LEN(own); i++)
		r = migrate_one(s, i, err);
	return r;
}

struct step {
	const struct store_migration *migration;
};

static int
run_step(struct store *s, void *arg, struct err *err)
{
	const struct step *step = arg;

	return store_exec(s, step->migration->sql, err);
}

int
store_migrate(struct store *s, const char *name, const struct store_migration *migrations,
    size_t count, struct err *err)
{
	struct buf text = BUF_INIT(32);
	char key[64], number[24];
	uint64_t version = 0;
	int r;

	snprintf(key, sizeof(key), "schema.%s", name);
	r = store_meta_get(s, key, &text, err);
	if (r == 0)
		r = num_parse_u64(buf_str(&text), 1, UINT32_MAX, &version, err);
	else if (r == ERR_NOTFOUND)
		r = 0;
	buf_fini(&text);
	if (r == 0 && version > count)
		r = newer(s, name, version, count, err);
	for (size_t i = (size_t)version; r == 0 && i < count; i++) {
		struct step step = {&migrations[i]};
		struct store_meta meta = {key, {NULL, 0}};
		struct store_change change = {
		    .metas = &meta, .meta_count = 1, .hook = run_step, .hook_arg = &step};

		snprintf(number, sizeof(number), "%zu", i + 1);
		meta.value = span_str(number);
		r = store_apply(s, &change, err);
		if (r < 0)
			r = err_wrap(err, "migration %zu of %s", i + 1, name);
	}
	return r;
}
