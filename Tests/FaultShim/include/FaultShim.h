// Makes calls of a server's C library fail where a test wants it: loaded with LD_PRELOAD.
//
// Only tests load it; the servers know nothing of it and are the ones that people run. It reads
//   DFS_FAULT_PLAN   a file of 64 bytes that the test writes and this library maps
//   DFS_FAULT_ROOT   the folder, without symbolic links, whose files are meant
// and does nothing where one of them is missing. With
//   DFS_ALLOCATIONS  a file of 8 bytes that the test writes and this library maps
// it counts the calls of malloc and its like there (AllocationCount.c).
#pragma once

#include <stdatomic.h>
#include <stdint.h>

// What a call does, as the plan numbers it.
enum dfs_fault_call {
    DFS_FAULT_OPEN,
    DFS_FAULT_READ,
    DFS_FAULT_WRITE,
    DFS_FAULT_SYNC,
    DFS_FAULT_RENAME,
    DFS_FAULT_UNLINK,
    DFS_FAULT_TRUNCATE,
    DFS_FAULT_MKDIR,
    DFS_FAULT_LIST,
};

// Whose calls are meant.
enum dfs_fault_place {
    // Files and directories that are served, in calls that requests make.
    DFS_FAULT_SERVED,
    // What the server keeps for itself, in `.dfs`.
    DFS_FAULT_OWN,
    // Files and directories that are served, in calls of the thread that follows others' changes.
    DFS_FAULT_FOLLOWING,
};

// The file that both map; in the byte order of the machine.
struct dfs_fault_plan {
    _Atomic uint64_t armed;
    _Atomic uint64_t call;
    _Atomic uint64_t place;
    // Calls number `first` to `last` fail, counted from 1; 0 and 0 only counts.
    _Atomic uint64_t first;
    _Atomic uint64_t last;
    _Atomic uint64_t error;
    // Calls since the plan was armed, and how many of them failed.
    _Atomic uint64_t counted;
    _Atomic uint64_t fired;
};
