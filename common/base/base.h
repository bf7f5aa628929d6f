#ifndef COMMON_BASE_BASE_H
#define COMMON_BASE_BASE_H

/*
 * What every file needs: attributes, cleanup of locals, assertions that stay on in release builds,
 * and memory that is never NULL. Thread-safe; owns nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* AUTO(buf_freep) struct buf *b = NULL; runs buf_freep(&b) when the scope ends. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/* Hands the pointer on and leaves NULL behind: the new owner is on the left side. */
#define MOVE(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) moved_ = (p);                                                        \
		(p) = NULL;                                                                        \
		moved_;                                                                            \
	})

/* Defines NAME_freep for AUTO from NAME_free; the type is "struct NAME". */
#define DEFINE_FREEP(type, fn)                                                                     \
	UNUSED static inline void fn##p(type **pp)                                                 \
	{                                                                                          \
		fn(*pp);                                                                           \
		*pp = NULL;                                                                        \
	}

/* A broken invariant of this program, never a judgement about input. Prints and aborts. */
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			check_failed(#cond, __FILE__, __LINE__);                                   \
	} while (0)

void check_failed(const char *expr, const char *file, int line) NORETURN;

/*
 * Objects that pass through a void pointer begin with "uint32_t magic"; OBJ_CAST takes one back and
 * CHECKs that it is what it should be. Each magic number is unique in the tree (a lint).
 */
#define OBJ_CAST(type, ptr, number)                                                                \
	((type *)obj_check((ptr), (number), offsetof(type, magic), __FILE__, __LINE__))

void *obj_check(void *ptr, uint32_t number, size_t offset, const char *file, int line);

/*
 * Memory of sizes fixed by the program; aborts when there is none. Sizes that come from input go
 * through struct buf or vec with a named maximum. mem_zalloc and mem_array give zeroed bytes.
 */
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_grow(void *ptr, size_t count, size_t size) __attribute__((returns_nonnull));
void *mem_dup(const void *ptr, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));
void mem_free(void *ptr);

DEFINE_FREEP(char, mem_free)

/*
 * An allocator for foreign libraries that may hold a secret: memory is wiped when it is freed or
 * moved. Unlike the functions above these return NULL when there is no memory.
 */
void *mem_wiping_alloc(size_t size);
void *mem_wiping_realloc(void *ptr, size_t size);
void mem_wiping_free(void *ptr);

#endif
