// What the processor and its memory can be asked for and Swift has no word for.

#ifndef CPROCESSOR_H
#define CPROCESSOR_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/// Asks for the cache line that holds an address, without waiting for it.
///
/// A hint: it reads nothing, and no address is a wrong one.
static inline void dfs_prefetch(const void *_Nullable address) {
    __builtin_prefetch(address, 0, 3);
}

/// Asks for large pages under memory that is not used yet.
///
/// A hint: where there are none the memory has small ones, and nothing else changes.
static inline void dfs_prefer_large_pages(void *_Nullable start, size_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 4096;
    uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)start + bytes) & ~(page - 1);
    if (start == NULL || end <= first) return;
    int before = errno;
    madvise((void *)first, end - first, MADV_HUGEPAGE);
    errno = before;
#endif
}

#endif
