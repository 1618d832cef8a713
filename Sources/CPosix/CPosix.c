#include "CPosix.h"

#ifdef DEBUG

// Faults that unit tests armed; by file, so that tests that run beside each other do not meet.
struct fault {
    enum dfs_faulty_call call;
    uint64_t device;
    uint64_t inode;
    int error;
    int passing;
    int is_armed;
};

static struct fault faults[64];
static int armed_count;
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;

int dfs_fault_arm(
    enum dfs_faulty_call call, uint64_t device, uint64_t inode, int error, int passing
) {
    int result = -ENOSPC;
    pthread_mutex_lock(&fault_lock);
    for (size_t index = 0; index < sizeof faults / sizeof faults[0]; index++) {
        if (faults[index].is_armed) continue;
        faults[index] = (struct fault){call, device, inode, error, passing, 1};
        __atomic_add_fetch(&armed_count, 1, __ATOMIC_SEQ_CST);
        result = 0;
        break;
    }
    pthread_mutex_unlock(&fault_lock);
    return result;
}

void dfs_fault_disarm(uint64_t device, uint64_t inode) {
    pthread_mutex_lock(&fault_lock);
    for (size_t index = 0; index < sizeof faults / sizeof faults[0]; index++) {
        struct fault *fault = &faults[index];
        if (!fault->is_armed || fault->device != device || fault->inode != inode) continue;
        fault->is_armed = 0;
        __atomic_sub_fetch(&armed_count, 1, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&fault_lock);
}

int dfs_fault(enum dfs_faulty_call call, int descriptor) {
    if (__atomic_load_n(&armed_count, __ATOMIC_RELAXED) == 0) return 0;
    struct stat status;
    if (fstat(descriptor, &status) != 0) return 0;
    int result = 0;
    pthread_mutex_lock(&fault_lock);
    for (size_t index = 0; index < sizeof faults / sizeof faults[0]; index++) {
        struct fault *fault = &faults[index];
        if (!fault->is_armed || fault->call != call) continue;
        if (fault->device != status.st_dev || fault->inode != status.st_ino) continue;
        result = fault->passing > 0 ? 1 : -fault->error;
        if (fault->passing > 0) fault->passing -= 1;
        break;
    }
    pthread_mutex_unlock(&fault_lock);
    return result;
}

#else

int dfs_fault_arm(
    enum dfs_faulty_call call, uint64_t device, uint64_t inode, int error, int passing
) {
    (void)call, (void)device, (void)inode, (void)error, (void)passing;
    return -ENOSYS;
}

void dfs_fault_disarm(uint64_t device, uint64_t inode) { (void)device, (void)inode; }

int dfs_fault(enum dfs_faulty_call call, int descriptor) {
    (void)call, (void)descriptor;
    return 0;
}

#endif
