#define _GNU_SOURCE
#include <unistd.h>

#include "CEditLine.h"

int dfs_sync_file_system(int descriptor) { return syncfs(descriptor); }
