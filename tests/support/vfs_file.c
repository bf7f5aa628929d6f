#include "tests/support/vfs_file.h"

#include <string.h>

uint64_t
vfs_draw(uint64_t *random)
{
	/* splitmix64: good enough for coins, and the same everywhere */
	uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void
vfs_file_free(struct vfs_file *f)
{
	mem_free(f->path);
	mem_free(f->data);
	mem_free(f->unsynced);
	mem_free(f->slots);
	mem_free(f);
}

static void
resize(struct vfs_file *f, size_t len)
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
shadow(struct vfs_file *f, uint64_t number)
{
	size_t start = (size_t)number * VFS_SECTOR;
	struct vfs_sector *s;

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
	*s = (struct vfs_sector){.number = number};
	f->slots[number] = (uint32_t)f->unsynced_count;
	if (start < f->len)
		memcpy(s->bytes, f->data + start,
		    f->len - start < VFS_SECTOR ? f->len - start : VFS_SECTOR);
}

/* What was written is durable now, but for the sectors that a failed sync lost. */
static void
forget_shadows(struct vfs_file *f, bool keep_lost)
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

void
vfs_file_write(struct vfs_file *f, size_t at, const void *in, size_t len)
{
	for (uint64_t s = at / VFS_SECTOR; s <= (at + len - 1) / VFS_SECTOR; s++)
		shadow(f, s);
	if (at + len > f->len)
		resize(f, at + len);
	memcpy(f->data + at, in, len);
}

void
vfs_file_truncate(struct vfs_file *f, size_t len)
{
	for (uint64_t s = len / VFS_SECTOR; s * VFS_SECTOR < f->len; s++)
		shadow(f, s);
	if (len < f->len && (!f->is_cut || len < f->cut)) {
		f->is_cut = true;
		f->cut = len;
	}
	resize(f, len);
}

void
vfs_file_sync(struct vfs_file *f)
{
	forget_shadows(f, true);
	f->is_cut = false;
	f->synced_len = f->len;
	f->durable = true;
}

void
vfs_file_lose(struct vfs_file *f)
{
	for (size_t i = 0; i < f->unsynced_count; i++)
		f->unsynced[i].lost = true;
}

/*
 * Sectors are kept or dropped one by one; a truncation happened as a whole or not at all, since a
 * file system does not give blocks away before it is durable that they are free.
 */
void
vfs_file_crash(struct vfs_file *f, uint64_t *random)
{
	bool undone = vfs_draw(random) % 2 == 0;

	resize(f, undone ? f->synced_len : f->len);
	for (size_t i = 0; i < f->unsynced_count; i++) {
		const struct vfs_sector *s = &f->unsynced[i];
		size_t start = (size_t)s->number * VFS_SECTOR;
		size_t len =
		    start < f->len && f->len - start < VFS_SECTOR ? f->len - start : VFS_SECTOR;
		bool behind = f->is_cut && s->number >= f->cut / VFS_SECTOR;

		if (start >= f->len ||
		    (!(behind && undone) && !s->lost && vfs_draw(random) % 2 == 0))
			continue;
		if (behind && !undone && start >= f->cut)
			memset(f->data + start, 0, len);
		else
			memcpy(f->data + start, s->bytes, len);
	}
	forget_shadows(f, false);
	f->is_cut = false;
	f->synced_len = f->len;
	if (!f->durable)
		f->unlinked = true;
}
