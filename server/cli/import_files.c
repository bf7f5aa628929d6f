/* Which files there are, and which of them belong together. */

#include "server/cli/import.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct list {
	char **paths;
	size_t count, cap;
};

static void
list_add(struct list *l, char *path)
{
	if (l->count == l->cap) {
		l->cap = l->cap > 0 ? 2 * l->cap : 64;
		l->paths = mem_grow(l->paths, l->cap, sizeof(*l->paths));
	}
	l->paths[l->count++] = path;
}

static void
list_fini(struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		mem_free(l->paths[i]);
	mem_free(l->paths);
	*l = (struct list){NULL, 0, 0};
}

void
import_sets_fini(struct import_sets *s)
{
	for (size_t i = 0; i < s->count; i++) {
		for (size_t j = 0; j < s->items[i].count; j++)
			mem_free(s->items[i].paths[j]);
		mem_free(s->items[i].paths);
	}
	mem_free(s->items);
	*s = (struct import_sets){NULL, 0, 0, false};
}

static void
add_set(struct import_sets *s, char *const *paths, size_t count)
{
	struct import_set *set;

	/* Doubled at each power of two. */
	if ((s->count & (s->count - 1)) == 0)
		s->items = mem_grow(s->items, s->count > 0 ? 2 * s->count : 1, sizeof(*s->items));
	set = &s->items[s->count++];
	*set = (struct import_set){mem_array(count, sizeof(*set->paths)), count};
	for (size_t i = 0; i < count; i++)
		set->paths[i] = paths[i];
	s->files += count;
}

/* The length of a path without what stands behind the last dot of its name. */
static size_t
stem(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return dot != NULL && dot != name ? (size_t)(dot - path) : strlen(path);
}

static int
compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int order = span_compare(SPAN(x, stem(x)), SPAN(y, stem(y)));

	return order != 0 ? order : strcmp(x, y);
}

static bool
is_same_stem(const char *a, const char *b)
{
	return span_equal(SPAN(a, stem(a)), SPAN(b, stem(b)));
}

/* Takes the paths. */
static void
add_list(struct import_sets *s, struct list *l, size_t together)
{
	size_t end;

	if (l->count > 0 && l->count <= together) {
		add_set(s, l->paths, l->count);
	} else if (l->count > 0) {
		s->batch = true;
		qsort(l->paths, l->count, sizeof(*l->paths), compare);
		for (size_t begin = 0; begin < l->count; begin = end) {
			for (end = begin + 1;
			     end < l->count && is_same_stem(l->paths[begin], l->paths[end]);)
				end++;
			add_set(s, &l->paths[begin], end - begin);
		}
	}
	l->count = 0;
	list_fini(l);
}

/* What is not hidden: regular files into one list, directories into the other. */
static int
read_folder(const char *path, struct list *files, struct list *folders, struct err *err)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (d == NULL)
		return err_errno(err, errno, "open directory '%.180s'", path);
	while ((e = readdir(d)) != NULL) {
		struct stat st;
		char *below;

		if (e->d_name[0] == '.')
			continue;
		below = mem_printf("%s/%s", path, e->d_name);
		if (stat(below, &st) == 0 && S_ISREG(st.st_mode))
			list_add(files, below);
		else if (stat(below, &st) == 0 && S_ISDIR(st.st_mode))
			list_add(folders, below);
		else
			mem_free(below);
	}
	closedir(d);
	return 0;
}

static int
add_folder(struct import_sets *s, const char *path, unsigned depth, struct err *err)
{
	struct list files = {NULL, 0, 0}, folders = {NULL, 0, 0};
	int r = read_folder(path, &files, &folders, err);

	s->batch = true;
	if (r == 0 && depth == IMPORT_FOLDER_DEPTH && folders.count > 0)
		r = err_set(err, ERR_LIMIT, "'%.180s' lies more than %d directories deep",
		    folders.paths[0], IMPORT_FOLDER_DEPTH);
	if (r == 0)
		add_list(s, &files, IMPORT_FOLDER);
	if (folders.count > 1)
		qsort(folders.paths, folders.count, sizeof(*folders.paths), compare);
	for (size_t i = 0; r == 0 && i < folders.count; i++)
		r = add_folder(s, folders.paths[i], depth + 1, err);
	list_fini(&files);
	list_fini(&folders);
	return r;
}

int
import_sets_make(const char *const *words, size_t count, struct import_sets *out, struct err *err)
{
	struct import_sets s = {NULL, 0, 0, false};
	struct list files = {NULL, 0, 0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct stat st;

		if (strcmp(words[i], "-") == 0)
			list_add(&files, mem_strdup(words[i]));
		else if (stat(words[i], &st) < 0)
			r = err_errno(err, errno, "cannot look at '%.180s'", words[i]);
		else if (S_ISDIR(st.st_mode))
			r = add_folder(&s, words[i], 1, err);
		else
			list_add(&files, mem_strdup(words[i]));
	}
	if (r == 0)
		add_list(&s, &files, IMPORT_TOGETHER);
	if (r == 0 && s.count == 0)
		r = err_set(err, ERR_NOTFOUND, "there is no file in '%.180s'", words[0]);
	list_fini(&files);
	if (r < 0) {
		import_sets_fini(&s);
		return r;
	}
	*out = s;
	return 0;
}
