#ifndef TESTS_SUPPORT_VFS_FILE_H
#define TESTS_SUPPORT_VFS_FILE_H

/*
 * A file of a disk in memory: its bytes as programs see them, and what of them would survive a
 * power cut. For tests/support/vfs_fault.h alone.
 */

#include "common/base/base.h"

#include <stddef.h>

#define VFS_SECTOR 512

/* A sector as it was when it was last durable. */
struct vfs_sector {
	uint64_t number;
	bool lost; /* a sync failed on it: no later one makes it durable */
	uint8_t bytes[VFS_SECTOR];
};

struct vfs_file {
	char *path;
	uint8_t *data;
	size_t len, cap;
	struct vfs_sector *unsynced;
	size_t unsynced_count, unsynced_cap;
	uint32_t *slots; /* by sector: its place in unsynced + 1, or 0 */
	size_t slot_count;
	bool is_cut; /* it was truncated since the last sync, to this length at the least */
	size_t cut;
	size_t synced_len;
	bool durable;     /* its name survives a crash */
	unsigned handles; /* open now */
	bool unlinked;    /* freed with its last handle */
};

/* Coins of a seed. */
uint64_t vfs_draw(uint64_t *random);

void vfs_file_free(struct vfs_file *f);
void vfs_file_write(struct vfs_file *f, size_t at, const void *in, size_t len);
void vfs_file_truncate(struct vfs_file *f, size_t len);
/* All of it is durable now, but for what a failed sync has lost. */
void vfs_file_sync(struct vfs_file *f);
/* A failed sync: what was not durable before will not be, unless it is written again. */
void vfs_file_lose(struct vfs_file *f);
/* The power fails. */
void vfs_file_crash(struct vfs_file *f, uint64_t *random);

#endif
