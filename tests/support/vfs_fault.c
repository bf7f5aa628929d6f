#include "tests/support/vfs_fault.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#define SECTOR 512
#define FILES_MAX 16

/* A sector as it was when it was last durable. */
struct sector {
	uint64_t number;
	bool lost; /* a sync failed on it: no later one makes it durable */
	uint8_t bytes[SECTOR];
};

struct memfile {
	char *path;
	uint8_t *data;
	size_t len, cap;
	struct sector *unsynced;
	size_t unsynced_count, unsynced_cap;
	uint32_t *slots; /* by sector: its place in unsynced + 1, or 0 */
	size_t slot_count;
	size_t synced_len;
	bool durable;     /* its name survives a crash */
	unsigned handles; /* open now */
	bool unlinked;    /* freed with its last handle */
};

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
	struct memfile *files[FILES_MAX];
	size_t file_count;
};

struct handle {
	sqlite3_file base;
	struct vfs_fault *disk;
	struct memfile *file;
	uint64_t born; /* disk->crashes when it was opened */
	bool delete_on_close;
};

static uint64_t
draw(struct vfs_fault *v)
{
	/* splitmix64: good enough for coins, and the same everywhere */
	uint64_t z = v->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

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

static struct memfile *
find(struct vfs_fault *v, const char *path)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (!v->files[i]->unlinked && strcmp(v->files[i]->path, path) == 0)
			return v->files[i];
	return NULL;
}

static void
memfile_free(struct memfile *f)
{
	mem_free(f->path);
	mem_free(f->data);
	mem_free(f->unsynced);
	mem_free(f->slots);
	mem_free(f);
}

/* Drops unlinked files that nobody has open. */
static void
sweep(struct vfs_fault *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->file_count; i++) {
		struct memfile *f = v->files[i];

		if (f->unlinked && f->handles == 0)
			memfile_free(f);
		else
			v->files[kept++] = f;
	}
	v->file_count = kept;
}

static struct memfile *
create(struct vfs_fault *v, const char *path)
{
	struct memfile *f = mem_zalloc(sizeof(*f));

	CHECK(v->file_count < FILES_MAX);
	f->path = mem_strdup(path);
	v->files[v->file_count++] = f;
	return f;
}

static void
resize(struct memfile *f, size_t len)
{
	if (len > f->cap) {
		f->cap = len > 2 * f->cap ? len + 65536 : 2 * f->cap;
		f->data = mem_grow(f->data, f->cap, 1);
	}
	if (len > f->len)
		memset(f->data + f->len, 0, len - f->len);
	f->len = len;
}

/* Keeps how the sector was before its first change since the last sync. */
static void
shadow(struct memfile *f, uint64_t number)
{
	size_t start = (size_t)number * SECTOR;
	struct sector *s;

	if (number >= f->slot_count) {
		size_t more = (size_t)number * 2 + 64;

		f->slots = mem_grow(f->slots, more, sizeof(*f->slots));
		memset(f->slots + f->slot_count, 0, (more - f->slot_count) * sizeof(*f->slots));
		f->slot_count = more;
	}
	if (f->slots[number] != 0) {
		f->unsynced[f->slots[number] - 1].lost = false;
		return;
	}
	if (f->unsynced_count == f->unsynced_cap) {
		f->unsynced_cap = f->unsynced_cap > 0 ? 2 * f->unsynced_cap : 64;
		f->unsynced = mem_grow(f->unsynced, f->unsynced_cap, sizeof(*f->unsynced));
	}
	s = &f->unsynced[f->unsynced_count++];
	*s = (struct sector){.number = number};
	f->slots[number] = (uint32_t)f->unsynced_count;
	if (start < f->len)
		memcpy(
		    s->bytes, f->data + start, f->len - start < SECTOR ? f->len - start : SECTOR);
}

/* What was written is durable now, but for the sectors that a failed sync lost. */
static void
forget_shadows(struct memfile *f, bool keep_lost)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->unsynced_count; i++) {
		f->slots[f->unsynced[i].number] = 0;
		if (keep_lost && f->unsynced[i].lost) {
			f->unsynced[kept++] = f->unsynced[i];
			f->slots[f->unsynced[i].number] = (uint32_t)kept;
		}
	}
	f->unsynced_count = kept;
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
		len = draw(h->disk) % (len + 1); /* what of it came through */
	if (len == 0)
		return rc;
	for (uint64_t s = at / SECTOR; s <= (at + len - 1) / SECTOR; s++)
		shadow(h->file, s);
	if (at + len > h->file->len)
		resize(h->file, at + len);
	memcpy(h->file->data + at, in, len);
	return rc;
}

static int
on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct handle *h = (struct handle *)file;
	size_t len = (size_t)size;

	if (is_dead(h))
		return SQLITE_IOERR_TRUNCATE;
	for (uint64_t s = len / SECTOR; s * SECTOR < h->file->len; s++)
		shadow(h->file, s);
	resize(h->file, len);
	return SQLITE_OK;
}

static int
on_sync(sqlite3_file *file, int flags)
{
	struct handle *h = (struct handle *)file;
	struct memfile *f = h->file;
	int rc;

	(void)flags;
	if (is_dead(h))
		return SQLITE_IOERR_FSYNC;
	rc = count(h->disk, VFS_SYNC, SQLITE_IOERR_FSYNC);
	if (rc != SQLITE_OK) {
		for (size_t i = 0; i < f->unsynced_count; i++)
			f->unsynced[i].lost = true;
		return rc;
	}
	if (h->disk->lies)
		return SQLITE_OK;
	forget_shadows(f, true);
	f->synced_len = f->len;
	f->durable = true;
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
	struct memfile *f = find(v, path);

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
	for (int i = 0; i < len; i++)
		out[i] = (char)draw(vfs->pAppData);
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
		memfile_free(v->files[i]);
	}
	mem_free(v->name);
	mem_free(v);
}

/* A rename is one step of the directory, and durable with it. */
static int
rename_durable(void *arg, const char *from, const char *to, struct err *err)
{
	struct vfs_fault *v = arg;
	struct memfile *f = find(v, from), *old = find(v, to);

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

static void
crash_file(struct vfs_fault *v, struct memfile *f)
{
	resize(f, draw(v) % 2 == 0 ? f->len : f->synced_len);
	for (size_t i = 0; i < f->unsynced_count; i++) {
		const struct sector *s = &f->unsynced[i];
		size_t start = (size_t)s->number * SECTOR;

		if (start >= f->len || (!s->lost && draw(v) % 2 == 0))
			continue;
		memcpy(
		    f->data + start, s->bytes, f->len - start < SECTOR ? f->len - start : SECTOR);
	}
	forget_shadows(f, false);
	f->synced_len = f->len;
	if (!f->durable)
		f->unlinked = true;
}

void
vfs_fault_crash(struct vfs_fault *v)
{
	v->crashes++;
	for (size_t i = 0; i < v->file_count; i++)
		if (!v->files[i]->unlinked)
			crash_file(v, v->files[i]);
	sweep(v);
}

uint8_t *
vfs_fault_bytes(struct vfs_fault *v, const char *path, size_t *len)
{
	struct memfile *f = find(v, path);

	*len = f != NULL ? f->len : 0;
	return f != NULL ? f->data : NULL;
}
