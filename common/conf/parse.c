#include "common/conf/conf_priv.h"

#include "common/base/limits.h"
#include "common/base/str.h"
#include "common/conf/scan.h"

#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not in any text: the scan refuses control characters. */
#define SEEN '\x02'

/*
 * All values are strings for libconfuse: it knows the grammar, the table knows the types. Its
 * callbacks have no argument of the caller, so the parse that is under way stands in a static.
 */
struct parse {
	const struct conf_schema *schema;
	const char *name;
	struct err *err;
	bool failed;
	cfg_opt_t **seen; /* options that were given, in this section or another */
	size_t seen_count;
};

static struct parse *current;

static const struct conf_key *
section_keys(const cfg_t *cfg, size_t *count)
{
	const struct conf_schema *schema = current->schema;
	const struct conf_key *section;

	if (str_equal(cfg->name, "root")) {
		*count = schema->key_count;
		return schema->keys;
	}
	section = conf_key_find(schema->keys, schema->key_count, cfg->name);
	CHECK(section != NULL);
	*count = section->key_count;
	return section->keys;
}

/* Makes "no such option 'lissten'" a sentence that helps. */
static void
explain_unknown(const cfg_t *cfg, const char *quoted, struct buf *out)
{
	AUTO(mem_freep)
	char *word = mem_strdup(quoted);
	const struct conf_key *keys, *near;
	size_t count;

	word[strcspn(word, "'")] = '\0';
	keys = section_keys(cfg, &count);
	near = conf_key_near(keys, count, word);
	buf_putf(out, "unknown key '%.60s'", word);
	if (!str_equal(cfg->name, "root"))
		buf_putf(out, " in a section '%s'", cfg->name);
	if (near != NULL)
		buf_putf(out, "; did you mean '%s'?", near->name);
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static void
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	static const char unknown[] = "no such option '";
	struct buf text = BUF_INIT(LIMIT_CONFIG + ERR_TEXT_MAX);
	struct buf shown = BUF_INIT(ERR_TEXT_MAX);

	/* What came first is the cause. */
	if (current->failed)
		return;
	current->failed = true;
	buf_vputf(&text, fmt, ap);
	if (str_starts(buf_str(&text), unknown))
		explain_unknown(cfg, buf_str(&text) + strlen(unknown), &shown);
	else
		buf_put(&shown, text.data, text.len < 200 ? text.len : 200);
	err_set(current->err, ERR_PARSE, "%s:%d: %s", current->name, cfg->line, buf_str(&shown));
	buf_fini(&shown);
	buf_fini(&text);
}

static bool
given_before(cfg_opt_t *opt)
{
	for (size_t i = 0; i < current->seen_count; i++)
		if (current->seen[i] == opt)
			return true;
	current->seen = mem_grow(current->seen, current->seen_count + 1, sizeof(*current->seen));
	current->seen[current->seen_count++] = opt;
	return false;
}

/*
 * Called by libconfuse after each value, after each item of a list, and at the end of a list once
 * more. A text that was looked at begins with SEEN from then on.
 */
static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct conf_key *keys, *key;
	unsigned n = cfg_opt_size(opt);
	size_t count;
	struct err err;
	char **text, *marked;

	CHECK(n > 0);
	text = &opt->values[n - 1]->string;
	if ((*text)[0] == SEEN)
		return 0;
	/* The first item of a list a second time is a second list; "+=" goes on counting. */
	if (n == 1 && given_before(opt)) {
		cfg_error(cfg, "'%s' is given twice", opt->name);
		return -1;
	}
	keys = section_keys(cfg, &count);
	key = conf_key_find(keys, count, opt->name);
	CHECK(key != NULL);
	conf_unmask(*text);
	if (conf_value_check(key, *text, &err) < 0) {
		cfg_error(cfg, "%s", err.text);
		return -1;
	}
	marked = mem_printf("%c%s", SEEN, *text);
	mem_free(*text);
	*text = marked;
	return 0;
}

/* The text of a value, without its mark. */
static const char *
value_text(cfg_opt_t *opt, unsigned at)
{
	const char *text = cfg_opt_getnstr(opt, at);

	CHECK(text != NULL && text[0] == SEEN);
	return text + 1;
}

static cfg_opt_t *
options_new(const struct conf_key *keys, size_t count)
{
	/* One zeroed option more ends the table. */
	cfg_opt_t *opts = mem_array(count + 1, sizeof(*opts));

	for (size_t i = 0; i < count; i++) {
		opts[i].name = keys[i].name;
		opts[i].flags = CFGF_NODEFAULT;
		if (keys[i].type == CONF_SECTION) {
			opts[i].type = CFGT_SEC;
			opts[i].flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
			opts[i].subopts = options_new(keys[i].keys, keys[i].key_count);
			continue;
		}
		opts[i].type = CFGT_STR;
		opts[i].validcb = on_value;
		if (keys[i].type == CONF_LIST)
			opts[i].flags |= CFGF_LIST;
	}
	return opts;
}

static void
options_free(const struct conf_key *keys, size_t count, cfg_opt_t *opts)
{
	for (size_t i = 0; i < count; i++)
		if (keys[i].type == CONF_SECTION)
			options_free(keys[i].keys, keys[i].key_count, opts[i].subopts);
	mem_free(opts);
}

static int
take_list(const struct conf_key *key, cfg_opt_t *opt, void *values, struct err *err)
{
	struct conf_list list = {NULL, 0};
	int r;

	for (unsigned i = 0; i < cfg_opt_size(opt); i++)
		conf_list_add(&list, value_text(opt, i));
	conf_value_clear(key, values);
	*(struct conf_list *)(void *)((char *)values + key->offset) = list;
	r = conf_list_check(key, &list, err);
	return r;
}

static int take_keys(
    cfg_t *cfg, const struct conf_key *keys, size_t count, void *values, struct err *err);

static int
take_sections(const struct conf_key *key, cfg_opt_t *opt, void *values, struct err *err)
{
	struct conf_sections *s = (void *)((char *)values + key->offset);
	unsigned n = cfg_opt_size(opt);
	int r = 0;

	conf_value_clear(key, values);
	s->items = n > 0 ? mem_array(n, key->item_size) : NULL;
	for (unsigned i = 0; r == 0 && i < n; i++) {
		cfg_t *section = cfg_opt_getnsec(opt, i);
		char *item = (char *)s->items + i * key->item_size;

		s->count = i + 1;
		*(char **)(void *)(item + key->title_offset) = mem_strdup(cfg_title(section));
		conf_unmask(*(char **)(void *)(item + key->title_offset));
		conf_keys_init(key->keys, key->key_count, item);
		r = take_keys(section, key->keys, key->key_count, item, err);
		if (r < 0)
			r = err_wrap(err, "%s \"%.40s\"", key->name, cfg_title(section));
	}
	return r;
}

static int
take_keys(cfg_t *cfg, const struct conf_key *keys, size_t count, void *values, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		cfg_opt_t *opt = cfg_getopt(cfg, keys[i].name);
		int r = 0;

		/* An empty list is given, too. */
		if (opt == NULL || (opt->flags & CFGF_MODIFIED) == 0)
			continue;
		if (keys[i].type == CONF_SECTION)
			r = take_sections(&keys[i], opt, values, err);
		else if (keys[i].type == CONF_LIST)
			r = take_list(&keys[i], opt, values, err);
		else
			r = conf_value_set(&keys[i], value_text(opt, 0), values, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
read_text(struct parse *p, cfg_t *cfg, struct buf *text)
{
	FILE *f;
	int r;

	/* The newline ends a comment in the last line, and makes an empty file not empty. */
	buf_put_u8(text, '\n');
	r = buf_error(text, p->name, p->err);
	if (r < 0)
		return r;
	f = fmemopen(text->data, text->len, "r");
	if (f == NULL)
		return err_set(p->err, ERR_NOMEM, "%s: no memory to read it", p->name);
	current = p;
	cfg_set_error_function(cfg, on_error);
	r = cfg_parse_fp(cfg, f);
	current = NULL;
	fclose(f);
	if (r == CFG_SUCCESS && !p->failed)
		return 0;
	if (!p->failed)
		err_set(p->err, ERR_PARSE, "%s: cannot be parsed", p->name);
	return ERR_PARSE;
}

int
conf_parse(const struct conf_schema *schema, const char *name, struct span text, void *values,
    struct err *err)
{
	struct parse p = {.schema = schema, .name = name, .err = err};
	AUTO(buf_freep)
	struct buf *masked = buf_new(2 * LIMIT_CONFIG);
	cfg_opt_t *opts;
	cfg_t *cfg;
	void *fresh;
	int r;

	if (text.len > LIMIT_CONFIG)
		return err_set(err, ERR_LIMIT, "%s: longer than %d bytes", name, (int)LIMIT_CONFIG);
	r = conf_scan(name, text, masked, err);
	if (r < 0)
		return r;
	opts = options_new(schema->keys, schema->key_count);
	cfg = cfg_init(opts, CFGF_NONE);
	CHECK(cfg != NULL);
	r = read_text(&p, cfg, masked);
	if (r == 0) {
		/* A copy of what is there would share its texts: decode into a fresh struct. */
		fresh = mem_zalloc(schema->size);
		conf_init(schema, fresh);
		r = take_keys(cfg, schema->keys, schema->key_count, fresh, err);
		if (r < 0) {
			err_wrap(err, "%s", name);
			conf_fini(schema, fresh);
		} else {
			conf_fini(schema, values);
			memcpy(values, fresh, schema->size);
		}
		mem_free(fresh);
	}
	cfg_free(cfg);
	options_free(schema->keys, schema->key_count, opts);
	mem_free(p.seen);
	return r;
}
