#include "common/base/base.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
check_failed(const char *expr, const char *file, int line)
{
	fprintf(stderr, "<2>bug: %s:%d: '%s' does not hold\n", file, line, expr);
	abort();
}

void *
obj_check(void *ptr, uint32_t number, size_t offset, const char *file, int line)
{
	uint32_t found;

	if (ptr == NULL)
		check_failed("object != NULL", file, line);
	memcpy(&found, (char *)ptr + offset, sizeof(found));
	if (found != number)
		check_failed("object has its magic", file, line);
	return ptr;
}

static void *
must(void *ptr)
{
	if (ptr == NULL) {
		fputs("<2>out of memory\n", stderr);
		abort();
	}
	return ptr;
}

void *
mem_zalloc(size_t size)
{
	return must(calloc(1, size > 0 ? size : 1));
}

void *
mem_array(size_t count, size_t size)
{
	return must(calloc(count > 0 ? count : 1, size));
}

void *
mem_grow(void *ptr, size_t count, size_t size)
{
	return must(reallocarray(ptr, count > 0 ? count : 1, size));
}

void *
mem_dup(const void *ptr, size_t size)
{
	void *copy = must(malloc(size > 0 ? size : 1));

	if (size > 0)
		memcpy(copy, ptr, size);
	return copy;
}

char *
mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

char *
mem_printf(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&out, fmt, ap) < 0)
		out = NULL;
	va_end(ap);
	return must(out);
}

void
mem_free(void *ptr)
{
	free(ptr);
}

void *
mem_wiping_alloc(size_t size)
{
	return malloc(size > 0 ? size : 1);
}

void *
mem_wiping_realloc(void *ptr, size_t size)
{
	size_t old = ptr != NULL ? malloc_usable_size(ptr) : 0;
	void *moved;

	if (size <= old && size > old / 2)
		return ptr;
	/* Not realloc: what it leaves behind would not be wiped. */
	moved = malloc(size > 0 ? size : 1);
	if (moved == NULL)
		return NULL;
	if (ptr != NULL)
		memcpy(moved, ptr, size < old ? size : old);
	mem_wiping_free(ptr);
	return moved;
}

void
mem_wiping_free(void *ptr)
{
	if (ptr != NULL)
		explicit_bzero(ptr, malloc_usable_size(ptr));
	free(ptr);
}
