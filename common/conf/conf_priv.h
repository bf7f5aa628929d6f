#ifndef COMMON_CONF_CONF_PRIV_H
#define COMMON_CONF_CONF_PRIV_H

/* The inside of conf: single values by their key, shared by the parser and the command line. */

#include "common/conf/conf.h"

/* Frees what stands at the key's place and zeroes it. */
void conf_value_clear(const struct conf_key *key, void *values);
/* Whether the text is a good value (or item of a list) for the key. */
NODISCARD int conf_value_check(const struct conf_key *key, const char *text, struct err *err);
/* Decodes a text over what stands there; of a list, all items, separated by commas. */
NODISCARD int conf_value_set(
    const struct conf_key *key, const char *text, void *values, struct err *err);
/* Appends one item to a list. */
void conf_list_add(struct conf_list *list, const char *text);
NODISCARD int conf_list_check(
    const struct conf_key *key, const struct conf_list *list, struct err *err);

/* Defaults of a key table, at a place of any state. */
void conf_keys_init(const struct conf_key *keys, size_t count, void *values);
void conf_keys_fini(const struct conf_key *keys, size_t count, void *values);

const struct conf_key *conf_key_find(const struct conf_key *keys, size_t count, const char *name);
/* The key whose name is nearest to what was written, or NULL when none is near. */
const struct conf_key *conf_key_near(const struct conf_key *keys, size_t count, const char *name);

/* "between 1 and 65535", "at most 64 items"; "" when there is no range. */
void conf_put_range(const struct conf_key *key, struct buf *out);
const char *conf_argument(const struct conf_key *key);

#endif
