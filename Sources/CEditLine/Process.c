#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "CEditLine.h"

char *const *dfs_environment(void) { return environ; }

int dfs_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }
