// Calls that Swift can not make: variadic ones, raw system calls and macros.
//
// Each returns a result of 0 or more, or -errno, and repeats what a signal interrupted.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

// Not with _GNU_SOURCE: it gives fd_set other members than Dispatch's module has.
#ifndef O_PATH
#define O_PATH 010000000
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif
#ifndef AT_NO_AUTOMOUNT
#define AT_NO_AUTOMOUNT 0x800
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif
#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

// Repeats a call that a signal interrupted; yields its result or -errno.
#define DFS_CALL(call)                              \
    ({                                              \
        long dfs_result;                            \
        do {                                        \
            dfs_result = (long)(call);              \
        } while (dfs_result == -1 && errno == EINTR); \
        dfs_result == -1 ? -(long)errno : dfs_result; \
    })

// What dfs_file_status says of a file, without padding and without macros.
struct dfs_file_status {
    uint64_t device;
    uint64_t inode;
    // Number of the mount through which it was reached; 0 where the kernel does not tell.
    uint64_t mount;
    uint64_t links;
    int64_t size;
    int64_t mtime_seconds;
    int64_t ctime_seconds;
    int32_t mtime_nanoseconds;
    int32_t ctime_nanoseconds;
    uint32_t mode;
    uint32_t user;
    uint32_t group;
    // Whether something is mounted there.
    uint32_t is_mount_point;
};

static const int dfs_o_path = O_PATH;
static const int dfs_o_directory = O_DIRECTORY;
static const int dfs_o_nofollow = O_NOFOLLOW;
static const unsigned int dfs_rename_exchange = RENAME_EXCHANGE;

// Opens below a directory, through no symlink, no magic link and no mount point, whatever others
// swap meanwhile. A mount point on the way is -EREMOTE: what rename says of two file systems is not
// the same.
static inline int dfs_open_beneath(int directory, const char *path, int flags) {
    struct open_how how;
    memset(&how, 0, sizeof how);
    how.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC);
    how.resolve =
        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    // EAGAIN: a rename elsewhere got between; the kernel could not prove the path stayed below.
    for (int attempt = 0;; attempt++) {
        long result = DFS_CALL(syscall(SYS_openat2, directory, path, &how, sizeof how));
        if (result == -EXDEV) return -EREMOTE;
        if (result != -EAGAIN || attempt == 1000) return (int)result;
    }
}

static inline int dfs_openat(int directory, const char *path, int flags, mode_t mode) {
    return (int)DFS_CALL(openat(directory, path, flags | O_CLOEXEC, mode));
}

// Opens what another descriptor stands for once more, with other flags.
static inline int dfs_reopen(int descriptor, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return (int)DFS_CALL(open(path, flags | O_CLOEXEC));
}

// The status of a name in a directory, of no symlink's target; the empty name is the descriptor's own.
static inline int dfs_status(int directory, const char *name, struct dfs_file_status *result) {
    struct statx status;
    long code = DFS_CALL(
        syscall(
            SYS_statx, directory, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT,
            STATX_BASIC_STATS | STATX_MNT_ID, &status));
    if (code < 0) return (int)code;
    result->device = makedev(status.stx_dev_major, status.stx_dev_minor);
    result->inode = status.stx_ino;
    result->mount = (status.stx_mask & STATX_MNT_ID) != 0 ? status.stx_mnt_id : 0;
    result->links = status.stx_nlink;
    result->size = (int64_t)status.stx_size;
    result->mtime_seconds = status.stx_mtime.tv_sec;
    result->ctime_seconds = status.stx_ctime.tv_sec;
    result->mtime_nanoseconds = (int32_t)status.stx_mtime.tv_nsec;
    result->ctime_nanoseconds = (int32_t)status.stx_ctime.tv_nsec;
    result->mode = status.stx_mode;
    result->user = status.stx_uid;
    result->group = status.stx_gid;
    result->is_mount_point = (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    return 0;
}

static inline int dfs_rename(
    int from_directory, const char *from, int directory, const char *to, unsigned int flags
) {
    return (int)DFS_CALL(
        syscall(SYS_renameat2, from_directory, from, directory, to, flags));
}

// Renames only where the new name is free, also where the file system has no such call.
static inline int dfs_rename_new(
    int from_directory, const char *from, int directory, const char *to
) {
    int result = dfs_rename(from_directory, from, directory, to, RENAME_NOREPLACE);
    if (result != -EINVAL && result != -ENOSYS) return result;
    result = (int)DFS_CALL(linkat(from_directory, from, directory, to, 0));
    return result < 0 ? result : (int)DFS_CALL(unlinkat(from_directory, from, 0));
}

static inline int dfs_unlink(int directory, const char *name, int is_directory) {
    return (int)DFS_CALL(unlinkat(directory, name, is_directory ? AT_REMOVEDIR : 0));
}

static inline int dfs_make_directory(int directory, const char *name, mode_t mode) {
    return (int)DFS_CALL(mkdirat(directory, name, mode));
}

// Calls on one file that a unit test can have fail, as a disk would; see dfs_fault_arm.
enum dfs_faulty_call { DFS_READ, DFS_WRITE, DFS_TRUNCATE, DFS_SYNC, DFS_SYNC_ALL, DFS_CLOSE };

// Has calls of one kind on one file fail with an errno until dfs_fault_disarm; the first `passing`
// ones pass, and a write that passes writes half of its bytes. Returns -ENOSYS in release builds,
// where no call can be made to fail, and -ENOSPC where too many are armed.
int dfs_fault_arm(
    enum dfs_faulty_call call, uint64_t device, uint64_t inode, int error, int passing);
void dfs_fault_disarm(uint64_t device, uint64_t inode);

// What a call is to do: 0 as always, -errno to fail, 1 to pass while a fault is armed.
int dfs_fault(enum dfs_faulty_call call, int descriptor);

static inline long dfs_read(int descriptor, void *buffer, size_t count, int64_t offset) {
    int fault = dfs_fault(DFS_READ, descriptor);
    return fault < 0 ? fault : DFS_CALL(pread(descriptor, buffer, count, offset));
}

static inline long dfs_write(int descriptor, const void *buffer, size_t count, int64_t offset) {
    int fault = dfs_fault(DFS_WRITE, descriptor);
    if (fault > 0) count = (count + 1) / 2;
    return fault < 0 ? fault : DFS_CALL(pwrite(descriptor, buffer, count, offset));
}

static inline int dfs_truncate(int descriptor, int64_t size) {
    int fault = dfs_fault(DFS_TRUNCATE, descriptor);
    return fault < 0 ? fault : (int)DFS_CALL(ftruncate(descriptor, size));
}

// fsync is called once: after a failure the kernel may have dropped what it could not write.
static inline int dfs_sync(int descriptor) {
    int fault = dfs_fault(DFS_SYNC, descriptor);
    if (fault < 0) return fault;
    return fsync(descriptor) == 0 ? 0 : -errno;
}

// Lets go of what memory holds of a file, so that the next read comes from the disk. Pages that wait
// to be written stay.
static inline void dfs_drop_cache(int descriptor) {
    (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
}

// Whether a kernel tells of every syncfs that failed: before 5.17 it kept to itself what a file
// system said, such as that its journal had ended.
static inline int dfs_tells_sync_failures(const char *release) {
    unsigned int major = 0, minor = 0;
    if (sscanf(release, "%u.%u", &major, &minor) != 2) return 0;
    return major > 5 || (major == 5 && minor >= 17);
}

// Has a whole file system written to the disk, as well as it does that.
static inline void dfs_write_all(int descriptor) { (void)syscall(SYS_syncfs, descriptor); }

// Brings a whole file system to the disk, or -EOPNOTSUPP: only where that is known to bring names
// and contents there as fsync does, and to tell where it fails. FUSE, for one, leaves them in the
// memory of its server.
static inline int dfs_sync_all(int descriptor) {
    struct utsname kernel;
    if (uname(&kernel) < 0 || !dfs_tells_sync_failures(kernel.release)) return -EOPNOTSUPP;
    struct statfs system;
    if (DFS_CALL(fstatfs(descriptor, &system)) < 0) return -EOPNOTSUPP;
    switch ((uint32_t)system.f_type) {
    case 0xEF53:      // ext4
    case 0x58465342:  // xfs
    case 0x9123683E:  // btrfs
    case 0x01021994:  // tmpfs
        break;
    default: return -EOPNOTSUPP;
    }
    int fault = dfs_fault(DFS_SYNC_ALL, descriptor);
    if (fault < 0) return fault;
    return syscall(SYS_syncfs, descriptor) == 0 ? 0 : -errno;
}

// Whether the contents of a file that a sync of its file system covered reached the disk: as fsync,
// an error is told once. Nothing is written.
static inline int dfs_check_written(int descriptor) {
    int fault = dfs_fault(DFS_SYNC, descriptor);
    if (fault < 0) return fault;
    const int64_t all = 0;
    const unsigned int wait_before = 1;  // SYNC_FILE_RANGE_WAIT_BEFORE
    return (int)DFS_CALL(syscall(SYS_sync_file_range, descriptor, all, all, wait_before));
}

// close is called once: on Linux the descriptor is gone even where it failed.
static inline int dfs_close(int descriptor) {
    int fault = dfs_fault(DFS_CLOSE, descriptor);
    if (fault < 0) {
        close(descriptor);
        return fault;
    }
    return close(descriptor) == 0 || errno == EINTR ? 0 : -errno;
}

static inline int dfs_set_mode(int descriptor, mode_t mode) {
    return (int)DFS_CALL(fchmod(descriptor, mode));
}

static inline int dfs_set_owner(int descriptor, uint32_t user, uint32_t group) {
    return (int)DFS_CALL(fchown(descriptor, user, group));
}

// Sets the time of the last change and leaves the time of the last access.
static inline int dfs_set_mtime(int descriptor, int64_t seconds, int32_t nanoseconds) {
    struct timespec times[2];
    memset(times, 0, sizeof times);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = seconds;
    times[1].tv_nsec = nanoseconds;
    return (int)DFS_CALL(futimens(descriptor, times));
}

// Gives the calling thread a name that the kernel shows; of more than 15 bytes the rest is cut off.
static inline void dfs_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

// How many descriptors this process may have open; others may change that while it runs.
static inline int64_t dfs_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX) return INT32_MAX;
    return (int64_t)limit.rlim_cur;
}

// The lowest number from `least` on that a descriptor can have now, or -errno.
static inline int dfs_next_descriptor(int any, int least) {
    int next = (int)DFS_CALL(fcntl(any, F_DUPFD_CLOEXEC, least));
    if (next >= 0) close(next);
    return next;
}

static inline int dfs_try_lock(int descriptor) {
    return (int)DFS_CALL(flock(descriptor, LOCK_EX | LOCK_NB));
}

static inline int dfs_release_lock(int descriptor) {
    return (int)DFS_CALL(flock(descriptor, LOCK_UN));
}

// Bytes that an ordinary user can still write to the file system.
static inline int64_t dfs_free_bytes(int descriptor) {
    struct statvfs status;
    long result = DFS_CALL(fstatvfs(descriptor, &status));
    if (result < 0) return result;
    uint64_t bytes;
    if (__builtin_mul_overflow((uint64_t)status.f_bavail, (uint64_t)status.f_frsize, &bytes)
        || bytes > INT64_MAX)
        return INT64_MAX;
    return (int64_t)bytes;
}

// Entries of a directory as the kernel lays them out; 0 at its end.
static inline long dfs_entries(int descriptor, void *buffer, size_t count) {
    return DFS_CALL(syscall(SYS_getdents64, descriptor, buffer, count));
}

static const uint32_t dfs_watched_changes =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB
    | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;

static inline int dfs_watch_open(void) {
    return (int)DFS_CALL(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
}

// Watches the directory that a descriptor stands for, wherever its name has gone meanwhile.
static inline int dfs_watch_add(int watcher, int directory) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    return (int)DFS_CALL(inotify_add_watch(watcher, path, dfs_watched_changes));
}

// Watches the file that a descriptor stands for, under whatever name, also without any.
static inline int dfs_watch_file(int watcher, int file) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    uint32_t changes = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;
    return (int)DFS_CALL(inotify_add_watch(watcher, path, changes));
}

static inline int dfs_watch_remove(int watcher, int watch) {
    return (int)DFS_CALL(inotify_rm_watch(watcher, watch));
}

static inline long dfs_watch_read(int watcher, void *buffer, size_t count) {
    return DFS_CALL(read(watcher, buffer, count));
}

static inline int dfs_bell_open(void) {
    return (int)DFS_CALL(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static inline void dfs_bell_ring(int bell) {
    uint64_t one = 1;
    (void)DFS_CALL(write(bell, &one, sizeof one));
}

static inline void dfs_bell_clear(int bell) {
    uint64_t count;
    (void)DFS_CALL(read(bell, &count, sizeof count));
}

// Waits until one of two descriptors can be read; bit 0 and bit 1 say which.
static inline int dfs_wait(int first, int second, int milliseconds) {
    struct pollfd items[2] = {{first, POLLIN, 0}, {second, POLLIN, 0}};
    int result = poll(items, 2, milliseconds);
    if (result < 0) return errno == EINTR ? 0 : -errno;
    return (items[0].revents != 0 ? 1 : 0) | (items[1].revents != 0 ? 2 : 0);
}

static inline int64_t dfs_monotonic_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t dfs_wall_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}
