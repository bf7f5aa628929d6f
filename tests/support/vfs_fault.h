#ifndef TESTS_SUPPORT_VFS_FAULT_H
#define TESTS_SUPPORT_VFS_FAULT_H

/*
 * A disk in memory for SQLite that fails on request and forgets on a crash. One struct is one disk
 * and one registered VFS of its own name; deterministic by its seed. Files live until the disk is
 * freed, across stores. A sync makes what was written since durable; a crash keeps or drops each
 * 512-byte sector written since then by a coin, so that pages tear, and makes every open file fail
 * until it has been closed and opened again. A failed sync loses what it should have made durable,
 * even if a later one succeeds, unless it is written again: as Linux does. One thread.
 */

#include "common/store/store.h"

struct vfs_fault;

enum vfs_op {
	VFS_WRITE,
	VFS_SYNC,
	VFS_OPEN,
	VFS_ANY, /* each of the others */
	VFS__COUNT,
};

enum vfs_how {
	VFS_EIO,
	VFS_ENOSPC, /* writes and opens; a sync fails with EIO */
};

struct vfs_fault *vfs_fault_new(const char *name, uint64_t seed);
void vfs_fault_free(struct vfs_fault *v);
DEFINE_FREEP(struct vfs_fault, vfs_fault_free)

/* Sets vfs, rename_durable and rename_arg. */
void vfs_fault_use(struct vfs_fault *v, struct store_params *params);

uint64_t vfs_fault_count(const struct vfs_fault *v, enum vfs_op op);
/* The n-th such operation from now (from 1) fails, and with sticky all later ones of the kind. */
void vfs_fault_fail(struct vfs_fault *v, enum vfs_op op, uint64_t n, enum vfs_how how, bool sticky);
void vfs_fault_heal(struct vfs_fault *v);
/* True when a planned failure has happened since it was planned. */
bool vfs_fault_hit(const struct vfs_fault *v);
/* A disk that lies: syncs succeed and make nothing durable. */
void vfs_fault_lie(struct vfs_fault *v, bool lie);
void vfs_fault_crash(struct vfs_fault *v);

/* For tests that damage or look at a file: its bytes, NULL if there is none. */
uint8_t *vfs_fault_bytes(struct vfs_fault *v, const char *path, size_t *len);

#endif
