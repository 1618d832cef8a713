#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "CEditLine.h"

char *const *dfs_environment(void) { return environ; }

int dfs_spawn_close_from(posix_spawn_file_actions_t *actions, int descriptor) {
    return posix_spawn_file_actions_addclosefrom_np(actions, descriptor);
}

int dfs_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }
