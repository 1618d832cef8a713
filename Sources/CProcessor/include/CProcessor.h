// What the processor can be asked for and Swift has no word for.

#ifndef CPROCESSOR_H
#define CPROCESSOR_H

/// Asks for the cache line that holds an address, without waiting for it.
///
/// A hint: it reads nothing, and no address is a wrong one.
static inline void dfs_prefetch(const void *_Nullable address) {
    __builtin_prefetch(address, 0, 3);
}

#endif
