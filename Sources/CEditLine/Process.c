#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "CEditLine.h"

int dfs_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }
