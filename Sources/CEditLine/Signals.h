#pragma once

/* What the editor needs of the signals beyond what Swift sees. */

#include <signal.h>

/* Whether the terminal changed its size since the last call. */
int dfs_signals_take_resize(void);

/* Whether SIGTSTP came since the last call. */
int dfs_signals_take_stop(void);

/* Catches SIGTSTP while a line is edited, when the terminal must be given back before stopping. */
int dfs_signals_catch_stop(struct sigaction *old);
