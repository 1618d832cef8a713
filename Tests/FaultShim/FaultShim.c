#define _GNU_SOURCE
#include "FaultShim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static struct dfs_fault_plan *plan;
static const char *root;
static size_t root_length;

__attribute__((constructor)) static void read_plan(void) {
    const char *path = getenv("DFS_FAULT_PLAN");
    root = getenv("DFS_FAULT_ROOT");
    if (path == NULL || root == NULL) return;
    root_length = strlen(root);
    long file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) abort();
    void *place = mmap(
        NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, (int)file, 0);
    if (place == MAP_FAILED) abort();
    close((int)file);
    plan = place;
}

// The function of this name behind this library.
#define NEXT(type, name)                                                \
    static __typeof__(type) next;                                       \
    if (next == NULL) {                                                 \
        next = (__typeof__(type))dlsym(RTLD_NEXT, name);                \
        if (next == NULL) abort();                                      \
    }

// Puts the path of a descriptor into `path`; returns its length, or -1.
static ssize_t path_of(int descriptor, char *path, size_t room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, room - 1);
    if (length >= 0) path[length] = 0;
    return length;
}

// Whether a path is in the place that the plan means.
static int is_meant(const char *path) {
    if (strncmp(path, root, root_length) != 0) return 0;
    path += root_length;
    if (*path != 0 && *path != '/') return 0;
    int is_own = strncmp(path, "/.dfs", 5) == 0 && (path[5] == 0 || path[5] == '/');
    uint64_t place = atomic_load(&plan->place);
    if (place == DFS_FAULT_OWN || is_own) return place == DFS_FAULT_OWN && is_own;
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    return (strcmp(name, "dfs-follow") == 0) == (place == DFS_FAULT_FOLLOWING);
}

// Counts a call that is meant; whether it is to fail, with errno set.
static int fails(enum dfs_fault_call call, const char *path) {
    if (!is_meant(path)) return 0;
    uint64_t number = atomic_fetch_add(&plan->counted, 1) + 1;
    if (number < atomic_load(&plan->first) || number > atomic_load(&plan->last)) return 0;
    atomic_fetch_add(&plan->fired, 1);
    errno = (int)atomic_load(&plan->error);
    return 1;
}

static int is_armed(enum dfs_fault_call call) {
    return plan != NULL && atomic_load(&plan->armed) != 0 && atomic_load(&plan->call) == call;
}

static int fails_on(enum dfs_fault_call call, int descriptor) {
    if (!is_armed(call)) return 0;
    char path[PATH_MAX];
    int before = errno;
    if (path_of(descriptor, path, sizeof path) < 0) {
        errno = before;
        return 0;
    }
    errno = before;
    return fails(call, path);
}

static int fails_at(enum dfs_fault_call call, int directory, const char *name) {
    if (!is_armed(call)) return 0;
    char path[2 * PATH_MAX];
    int descriptor = directory;
    const char *rest = name;
    int before = errno;
    if (sscanf(name, "/proc/self/fd/%d", &descriptor) == 1) {
        rest = strchr(name + strlen("/proc/self/fd/"), '/');
        if (rest != NULL) rest += 1;
    } else if (name[0] == '/') {
        return fails(call, name);
    }
    ssize_t length = path_of(descriptor, path, PATH_MAX);
    errno = before;
    if (length < 0) return 0;
    if (rest != NULL && strcmp(rest, ".") != 0)
        snprintf(path + length, sizeof path - (size_t)length, "/%s", rest);
    return fails(call, path);
}

static mode_t mode_behind(int flags, va_list arguments) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t)
                                                                      : 0;
}

#define OPENING(name)                                                   \
    int name(const char *path, int flags, ...) {                        \
        va_list arguments;                                              \
        va_start(arguments, flags);                                     \
        mode_t mode = mode_behind(flags, arguments);                    \
        va_end(arguments);                                              \
        if (fails_at(DFS_FAULT_OPEN, AT_FDCWD, path)) return -1;        \
        NEXT(int (*)(const char *, int, ...), #name)                    \
        return next(path, flags, mode);                                 \
    }

#define OPENING_AT(name)                                                \
    int name(int directory, const char *path, int flags, ...) {         \
        va_list arguments;                                              \
        va_start(arguments, flags);                                     \
        mode_t mode = mode_behind(flags, arguments);                    \
        va_end(arguments);                                              \
        if (fails_at(DFS_FAULT_OPEN, directory, path)) return -1;       \
        NEXT(int (*)(int, const char *, int, ...), #name)               \
        return next(directory, path, flags, mode);                      \
    }

OPENING(open)
OPENING(open64)
OPENING_AT(openat)
OPENING_AT(openat64)

#define READING(name)                                                   \
    ssize_t name(int file, void *bytes, size_t count, off_t offset) {   \
        if (fails_on(DFS_FAULT_READ, file)) return -1;                  \
        NEXT(ssize_t (*)(int, void *, size_t, off_t), #name)            \
        return next(file, bytes, count, offset);                        \
    }

READING(pread)
READING(pread64)

#define WRITING(name)                                                       \
    ssize_t name(int file, const void *bytes, size_t count, off_t offset) { \
        if (fails_on(DFS_FAULT_WRITE, file)) return -1;                     \
        NEXT(ssize_t (*)(int, const void *, size_t, off_t), #name)          \
        return next(file, bytes, count, offset);                            \
    }

WRITING(pwrite)
WRITING(pwrite64)

#define ON_FILE(call, name)                                             \
    int name(int file) {                                                \
        if (fails_on(call, file)) return -1;                            \
        NEXT(int (*)(int), #name)                                       \
        return next(file);                                              \
    }

ON_FILE(DFS_FAULT_SYNC, fsync)
ON_FILE(DFS_FAULT_SYNC, fdatasync)
ON_FILE(DFS_FAULT_SYNC, syncfs)

#define TRUNCATING(name)                                                \
    int name(int file, off_t size) {                                    \
        if (fails_on(DFS_FAULT_TRUNCATE, file)) return -1;              \
        NEXT(int (*)(int, off_t), #name)                                \
        return next(file, size);                                        \
    }

TRUNCATING(ftruncate)
TRUNCATING(ftruncate64)

int unlink(const char *path) {
    if (fails_at(DFS_FAULT_UNLINK, AT_FDCWD, path)) return -1;
    NEXT(int (*)(const char *), "unlink")
    return next(path);
}

int unlinkat(int directory, const char *path, int flags) {
    if (fails_at(DFS_FAULT_UNLINK, directory, path)) return -1;
    NEXT(int (*)(int, const char *, int), "unlinkat")
    return next(directory, path, flags);
}

int mkdirat(int directory, const char *path, mode_t mode) {
    if (fails_at(DFS_FAULT_MKDIR, directory, path)) return -1;
    NEXT(int (*)(int, const char *, mode_t), "mkdirat")
    return next(directory, path, mode);
}

// Calls that the C library has no function for.
long syscall(long number, ...) {
    long words[6];
    va_list arguments;
    va_start(arguments, number);
    for (int index = 0; index < 6; index++) words[index] = va_arg(arguments, long);
    va_end(arguments);
    int failed = 0;
    if (number == SYS_openat2)
        failed = fails_at(DFS_FAULT_OPEN, (int)words[0], (const char *)words[1]);
    else if (number == SYS_renameat2)
        failed = fails_at(DFS_FAULT_RENAME, (int)words[2], (const char *)words[3]);
    else if (number == SYS_getdents64)
        failed = fails_on(DFS_FAULT_LIST, (int)words[0]);
    else if (number == SYS_syncfs)
        failed = fails_on(DFS_FAULT_SYNC, (int)words[0]);
    if (failed) return -1;
    NEXT(long (*)(long, ...), "syscall")
    return next(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}
