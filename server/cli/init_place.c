#include "server/cli/init.h"

#include "common/base/str.h"
#include "common/sys/file.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* What init makes in the directory, in the order in which it is taken away again. */
static const char *const parts[] = {"server", "replica", "offline"};

/* There while init works, and locked by it: left behind only by one that was killed. */
#define MARK "init.unfinished"

static bool
holds_only(const char *dir, const char *allowed)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool only = true;

	while (d != NULL && only && (e = readdir(d)) != NULL)
		only = str_equal(e->d_name, ".") || str_equal(e->d_name, "..") ||
		    str_equal(e->d_name, allowed);
	if (d != NULL)
		closedir(d);
	return only;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static void
remove_tree(const char *dir, const char *name)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/%s", dir, name);

	if (file_exists(path))
		nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "'DIR/server' 'DIR/offline'": of those that are there. */
static void
put_parts(const char *dir, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		AUTO(mem_freep)
		char *path = mem_printf("%s/%s", dir, parts[i]);

		if (file_exists(path))
			buf_putf(out, " '%s'", path);
	}
}

/* Killed between its making and its end: nothing uses the rest, but it is not for us to say so. */
static int
refuse_rest(struct cli *c, const char *dir, struct err *err)
{
	AUTO(mem_freep)
	char *server = mem_printf("%s/server", dir);
	AUTO(fd_closep)
	int lock = -1;
	struct buf rest = BUF_INIT(16 * 1024);
	struct err busy;

	put_parts(dir, &rest);
	if (file_exists(server) && dir_lock(server, &lock, &busy) == ERR_BUSY)
		cli_hint(c,
		    "a certherd-server of that try still runs: %s; end it first, with SIGTERM, "
		    "then remove the rest and call init again: rm -r%s '%s/" MARK "'",
		    busy.text, buf_str(&rest), dir);
	else
		cli_hint(c,
		    "nothing uses it and no other host knows it; remove it and call init again: "
		    "rm -r%s '%s/" MARK "'",
		    buf_str(&rest), dir);
	buf_fini(&rest);
	return err_set(err, ERR_EXISTS,
	    "'%.150s' holds the rest of a 'certherd init' that was killed before its end", dir);
}

static int
refuse_content(struct cli *c, const char *dir, const char *mark, struct err *err)
{
	AUTO(fd_closep)
	int lock = -1;

	if (file_exists(mark) && dir_lock(mark, &lock, err) == ERR_BUSY)
		return err_wrap(err, "another 'certherd init' works there");
	if (lock >= 0)
		return refuse_rest(c, dir, err);
	cli_hint(c, "give another directory with --data, or look what is in this one");
	return err_set(err, ERR_EXISTS, "'%.180s' is not empty, and is left as it is", dir);
}

int
init_place_check(struct cli *c, const char *dir, struct err *err)
{
	AUTO(mem_freep)
	char *mark = mem_printf("%s/" MARK, dir);

	return !file_exists(dir) || holds_only(dir, "") ? 0 : refuse_content(c, dir, mark, err);
}

int
init_place_take(struct cli *c, const char *dir, struct init_place *out, struct err *err)
{
	AUTO(mem_freep)
	char *mark = mem_printf("%s/" MARK, dir);
	struct init_place place = {.dir = dir, .lock = -1, .made_dir = !file_exists(dir)};
	int r = init_place_check(c, dir, err);

	if (r < 0 || (r = dir_make_private(dir, err)) < 0 ||
	    (r = dir_make_private(mark, err)) < 0 || (r = dir_lock(mark, &place.lock, err)) < 0)
		return r;
	/* Another may have come and gone between the look and the lock. */
	if (!holds_only(dir, MARK)) {
		remove_tree(dir, MARK);
		fd_closep(&place.lock);
		return refuse_content(c, dir, mark, err);
	}
	*out = place;
	return 0;
}

void
init_place_keep(struct init_place *place)
{
	if (place->lock < 0)
		return;
	remove_tree(place->dir, MARK);
	fd_closep(&place->lock);
}

void
init_place_clean(struct init_place *place)
{
	if (place->lock < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		remove_tree(place->dir, parts[i]);
	init_place_keep(place);
	if (place->made_dir)
		rmdir(place->dir);
}
