#include "tests/support/vfs_fault.h"

#include "tests/support/vfs_file.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#define FILES_MAX 16

struct plan {
	bool armed, sticky, hit;
	uint64_t left;
	enum vfs_how how;
};

struct vfs_fault {
	sqlite3_vfs vfs;
	char *name;
	uint64_t random;
	bool lies;
	uint64_t crashes; /* handles of before a crash are dead */
	uint64_t counts[VFS__COUNT];
	struct plan plans[VFS__COUNT];
	struct vfs_file *files[FILES_MAX];
	size_t file_count;
};

struct handle {
	sqlite3_file base;
	struct vfs_fault *disk;
	struct vfs_file *file;
	uint64_t born; /* disk->crashes when it was opened */
	bool delete_on_close;
};

static bool
strike(struct plan *p)
{
	if (!p->armed)
		return false;
	if (p->left > 1) {
		p->left--;
		return false;
	}
	p->armed = p->sticky;
	p->hit = true;
	return true;
}

/* Counts an operation; an error code when it is one that was to fail. */
static int
count(struct vfs_fault *v, enum vfs_op op, int eio)
{
	enum vfs_how how = VFS_EIO;
	bool fails;

	v->counts[op]++;
	v->counts[VFS_ANY]++;
	fails = strike(&v->plans[op]);
	if (fails)
		how = v->plans[op].how;
	if (strike(&v->plans[VFS_ANY])) {
		fails = true;
		how = v->plans[VFS_ANY].how;
	}
	if (!fails)
		return SQLITE_OK;
	return how == VFS_ENOSPC && op != VFS_SYNC ? SQLITE_FULL : eio;
}

static struct vfs_file *
find(struct vfs_fault *v, const char *path)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (!v->files[i]->unlinked && strcmp(v->files[i]->path, path) == 0)
			return v->files[i];
	return NULL;
}

/* Drops unlinked files that nobody has open. */
static void
sweep(struct vfs_fault *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->file_count; i++) {
		struct vfs_file *f = v->files[i];

		if (f->unlinked && f->handles == 0)
			vfs_file_free(f);
		else
			v->files[kept++] = f;
	}
	v->file_count = kept;
}

static struct vfs_file *
create(struct vfs_fault *v, const char *path)
{
	struct vfs_file *f = mem_zalloc(sizeof(*f));

	CHECK(v->file_count < FILES_MAX);
	f->path = mem_strdup(path);
	v->files[v->file_count++] = f;
	return f;
}

static bool
is_dead(const struct handle *h)
{
	return h->born != h->disk->crashes;
}

static int
on_close(sqlite3_file *file)
{
	struct handle *h = (struct handle *)file;

	h->file->handles--;
	if (h->delete_on_close)
		h->file->unlinked = true;
	sweep(h->disk);
	return SQLITE_OK;
}

static int
on_read(sqlite3_file *file, void *out, int amount, sqlite3_int64 offset)
{
	struct handle *h = (struct handle *)file;
	size_t at = (size_t)offset, want = (size_t)amount, have;

	if (is_dead(h))
		return SQLITE_IOERR_READ;
	have = at < h->file->len ? h->file->len - at : 0;
	if (have > want)
		have = want;
	if (have > 0)
		memcpy(out, h->file->data + at, have);
	memset((uint8_t *)out + have, 0, want - have);
	return have < want ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int
on_write(sqlite3_file *file, const void *in, int amount, sqlite3_int64 offset)
{
	struct handle *h = (struct handle *)file;
	size_t at = (size_t)offset, len = (size_t)amount;
	int rc;

	if (is_dead(h))
		return SQLITE_IOERR_WRITE;
	rc = count(h->disk, VFS_WRITE, SQLITE_IOERR_WRITE);
	if (rc != SQLITE_OK)
		len = vfs_draw(&h->disk->random) % (len + 1); /* what of it came through */
	if (len == 0)
		return rc;
	vfs_file_write(h->file, at, in, len);
	return rc;
}

static int
on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct handle *h = (struct handle *)file;
	size_t len = (size_t)size;

	if (is_dead(h))
		return SQLITE_IOERR_TRUNCATE;
	vfs_file_truncate(h->file, len);
	return SQLITE_OK;
}

static int
on_sync(sqlite3_file *file, int flags)
{
	struct handle *h = (struct handle *)file;
	struct vfs_file *f = h->file;
	int rc;

	(void)flags;
	if (is_dead(h))
		return SQLITE_IOERR_FSYNC;
	rc = count(h->disk, VFS_SYNC, SQLITE_IOERR_FSYNC);
	if (rc != SQLITE_OK) {
		vfs_file_lose(f);
		return rc;
	}
	if (h->disk->lies)
		return SQLITE_OK;
	vfs_file_sync(f);
	return SQLITE_OK;
}

static int
on_size(sqlite3_file *file, sqlite3_int64 *out)
{
	struct handle *h = (struct handle *)file;

	if (is_dead(h))
		return SQLITE_IOERR_FSTAT;
	*out = (sqlite3_int64)h->file->len;
	return SQLITE_OK;
}

static int
on_lock(sqlite3_file *file, int level)
{
	(void)file;
	(void)level;
	return SQLITE_OK;
}

static int
on_check_lock(sqlite3_file *file, int *out)
{
	(void)file;
	*out = 0;
	return SQLITE_OK;
}

static int
on_control(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int
on_sector_size(sqlite3_file *file)
{
	(void)file;
	return 4096; /* as Linux says; what tears is smaller */
}

static int
on_characteristics(sqlite3_file *file)
{
	(void)file;
	return 0;
}

/* Version 1: no shared memory, so that only an exclusive connection can use a log. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_lock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
};

static int
on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *out, int flags, int *out_flags)
{
	struct vfs_fault *v = vfs->pAppData;
	struct handle *h = (struct handle *)out;
	const char *name = path != NULL ? path : "";
	int rc = count(v, VFS_OPEN, SQLITE_CANTOPEN);

	memset(h, 0, sizeof(*h));
	if (rc != SQLITE_OK)
		return rc;
	h->disk = v;
	h->born = v->crashes;
	h->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
	h->file = path != NULL ? find(v, name) : NULL;
	if (h->file == NULL && (flags & SQLITE_OPEN_CREATE) == 0)
		return SQLITE_CANTOPEN;
	if (h->file == NULL)
		h->file = create(v, name);
	h->file->handles++;
	h->base.pMethods = &methods;
	if (out_flags != NULL)
		*out_flags = flags;
	return SQLITE_OK;
}

static int
on_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
	struct vfs_fault *v = vfs->pAppData;
	struct vfs_file *f = find(v, path);

	(void)sync; /* a removed name stays removed */
	if (f == NULL)
		return SQLITE_IOERR_DELETE_NOENT;
	f->unlinked = true;
	sweep(v);
	return SQLITE_OK;
}

static int
on_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
	(void)flags;
	*out = find(vfs->pAppData, path) != NULL;
	return SQLITE_OK;
}

static int
on_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
	(void)vfs;
	snprintf(out, (size_t)size, "%s", path);
	return SQLITE_OK;
}

static int
on_randomness(sqlite3_vfs *vfs, int len, char *out)
{
	struct vfs_fault *v = vfs->pAppData;

	for (int i = 0; i < len; i++)
		out[i] = (char)vfs_draw(&v->random);
	return len;
}

static int
on_sleep(sqlite3_vfs *vfs, int microseconds)
{
	(void)vfs;
	return microseconds;
}

static int
on_time(sqlite3_vfs *vfs, double *out)
{
	(void)vfs;
	*out = 2461000.5; /* nobody asks SQLite for the time */
	return SQLITE_OK;
}

static int
on_last_error(sqlite3_vfs *vfs, int len, char *out)
{
	(void)vfs;
	(void)len;
	(void)out;
	return 0;
}

struct vfs_fault *
vfs_fault_new(const char *name, uint64_t seed)
{
	struct vfs_fault *v = mem_zalloc(sizeof(*v));

	v->name = mem_strdup(name);
	v->random = seed;
	v->vfs = (sqlite3_vfs){
	    .iVersion = 1,
	    .szOsFile = sizeof(struct handle),
	    .mxPathname = 512,
	    .zName = v->name,
	    .pAppData = v,
	    .xOpen = on_open,
	    .xDelete = on_delete,
	    .xAccess = on_access,
	    .xFullPathname = on_full_path,
	    .xRandomness = on_randomness,
	    .xSleep = on_sleep,
	    .xCurrentTime = on_time,
	    .xGetLastError = on_last_error,
	};
	CHECK(sqlite3_vfs_register(&v->vfs, 0) == SQLITE_OK);
	return v;
}

void
vfs_fault_free(struct vfs_fault *v)
{
	if (v == NULL)
		return;
	sqlite3_vfs_unregister(&v->vfs);
	for (size_t i = 0; i < v->file_count; i++) {
		CHECK(v->files[i]->handles == 0);
		vfs_file_free(v->files[i]);
	}
	mem_free(v->name);
	mem_free(v);
}

/* A rename is one step of the directory, and durable with it. */
static int
rename_durable(void *arg, const char *from, const char *to, struct err *err)
{
	struct vfs_fault *v = arg;
	struct vfs_file *f = find(v, from), *old = find(v, to);

	if (count(v, VFS_WRITE, SQLITE_IOERR_WRITE) != SQLITE_OK)
		return err_set(err, ERR_IO, "cannot rename '%s'", from);
	if (f == NULL)
		return err_set(err, ERR_NOTFOUND, "there is no '%s' to be renamed", from);
	if (old != NULL)
		old->unlinked = true;
	mem_free(f->path);
	f->path = mem_strdup(to);
	f->durable = true;
	sweep(v);
	return 0;
}

void
vfs_fault_use(struct vfs_fault *v, struct store_params *params)
{
	params->vfs = v->name;
	params->rename_durable = rename_durable;
	params->rename_arg = v;
}

uint64_t
vfs_fault_count(const struct vfs_fault *v, enum vfs_op op)
{
	return v->counts[op];
}

void
vfs_fault_fail(struct vfs_fault *v, enum vfs_op op, uint64_t n, enum vfs_how how, bool sticky)
{
	v->plans[op] = (struct plan){.armed = true, .sticky = sticky, .left = n, .how = how};
}

void
vfs_fault_heal(struct vfs_fault *v)
{
	for (size_t i = 0; i < VFS__COUNT; i++)
		v->plans[i].armed = false;
}

bool
vfs_fault_hit(const struct vfs_fault *v)
{
	for (size_t i = 0; i < VFS__COUNT; i++)
		if (v->plans[i].hit)
			return true;
	return false;
}

void
vfs_fault_lie(struct vfs_fault *v, bool lie)
{
	v->lies = lie;
}

void
vfs_fault_crash(struct vfs_fault *v)
{
	v->crashes++;
	for (size_t i = 0; i < v->file_count; i++)
		if (!v->files[i]->unlinked)
			vfs_file_crash(v->files[i], &v->random);
	sweep(v);
}

uint8_t *
vfs_fault_bytes(struct vfs_fault *v, const char *path, size_t *len)
{
	struct vfs_file *f = find(v, path);

	*len = f != NULL ? f->len : 0;
	return f != NULL ? f->data : NULL;
}
