#ifndef TESTS_UNIT_COMMON_WIRE_VALUES_H
#define TESTS_UNIT_COMMON_WIRE_VALUES_H

/* Values that the samples are made of. */

#include "common/wire/signer_messages.h"

#define TEXTS(...)                                                                                 \
	((struct texts){(const char *const[]){__VA_ARGS__},                                        \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)})
#define BYTES(text) SPAN(text, sizeof(text) - 1)
#define SPANS(...)                                                                                 \
	((struct spans){(const struct span[]){__VA_ARGS__},                                        \
	    sizeof((const struct span[]){__VA_ARGS__}) / sizeof(struct span)})

#define TERM (UINT64_C(1) << 32)

UNUSED static const struct id id_a = {
    {0xa1, 0xa2, 0xa3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
UNUSED static const struct id id_b = {
    {0xb1, 0xb2, 0xb3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
UNUSED static const struct id id_c = {
    {0xc1, 0xc2, 0xc3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
UNUSED static const struct id two_ids[] = {
    {{0xa1, 0xa2, 0xa3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    {{0xb1, 0xb2, 0xb3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}};
#define TWO_IDS ((struct ids){two_ids, 2})
UNUSED static const struct hash hash_a = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}};
UNUSED static const struct domain_id domain = {{0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7}};
UNUSED static const struct signed_bytes pair = {
    {(const uint8_t *)"body", 4}, {(const uint8_t *)"sig", 3}};
UNUSED static const struct signed_bytes pairs[] = {
    {{(const uint8_t *)"one", 3}, {(const uint8_t *)"s1", 2}},
    {{(const uint8_t *)"two", 3}, {(const uint8_t *)"s2", 2}}};
#define PAIRS ((struct signed_list){pairs, 2})
UNUSED static const struct signed_designation designations[] = {
    {{(const uint8_t *)"first", 5}, {(const uint8_t *)"s1", 2}, SIGNER_ROOT_KEY},
    {{(const uint8_t *)"second", 6}, {(const uint8_t *)"s2", 2}, SIGNER_TERM_KEY}};
#define DESIGNATIONS ((struct designation_list){designations, 2})

#endif
