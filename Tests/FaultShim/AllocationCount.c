// Counts what a server asks of malloc, where a test wants to know: with DFS_ALLOCATIONS in the
// environment, a file of 8 bytes that the test reads.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t *allocations;

__attribute__((constructor)) static void map_count(void) {
    const char *path = getenv("DFS_ALLOCATIONS");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) abort();
    void *place = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (place == MAP_FAILED) abort();
    close(file);
    allocations = place;
}

static void count(void) {
    if (allocations != NULL) atomic_fetch_add_explicit(allocations, 1, memory_order_relaxed);
}

// The C library's own functions behind these names.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
    count();
    return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes) {
    count();
    return __libc_calloc(number, bytes);
}

void *realloc(void *place, size_t bytes) {
    count();
    return __libc_realloc(place, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    count();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **place, size_t alignment, size_t bytes) {
    count();
    void *made = __libc_memalign(alignment, bytes);
    if (made == NULL) return ENOMEM;
    *place = made;
    return 0;
}
