#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "CEditLine.h"

extern char **environ;

/* Makes a process group the terminal's foreground one, also while we are none. */
static void give_terminal(int terminal, pid_t group) {
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &stop, &before);
    tcsetpgrp(terminal, group);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int dfs_program_owns_terminal(int terminal) {
    return terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
}

static int prepare(posix_spawnattr_t *attributes, posix_spawn_file_actions_t *actions,
                   const dfs_program_places *places) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    int code = posix_spawnattr_setsigmask(attributes, &none);
    if (code == 0) code = posix_spawnattr_setsigdefault(attributes, &all);
    if (code == 0 && (places->terminal >= 0 || places->has_own_group)) {
        flags |= POSIX_SPAWN_SETPGROUP;
        code = posix_spawnattr_setpgroup(attributes, 0);
    }
    if (code == 0 && places->terminal >= 0) {
        /* The child takes the terminal itself, before the program can ask it for anything. */
        code = posix_spawn_file_actions_addtcsetpgrp_np(actions, places->terminal);
    }
    const int sources[] = {places->input, places->output, places->errors, places->extra};
    int count = places->extra < 0 ? 3 : 4;
    for (int target = 0; code == 0 && target < count; target++) {
        code = posix_spawn_file_actions_adddup2(actions, sources[target], target);
    }
    /* Nothing else of this process is its business, whoever forgot to say so. */
    if (code == 0) code = posix_spawn_file_actions_addclosefrom_np(actions, count);
    if (code == 0) code = posix_spawnattr_setflags(attributes, flags);
    return code;
}

pid_t dfs_program_start(const char *const *argv, dfs_program_places places) {
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int code = posix_spawnattr_init(&attributes);
    if (code == 0) {
        code = posix_spawn_file_actions_init(&actions);
        if (code == 0) {
            code = prepare(&attributes, &actions, &places);
            if (code == 0) {
                code = posix_spawnp(&pid, argv[0], &actions, &attributes, (char *const *)argv,
                                    environ);
            }
            posix_spawn_file_actions_destroy(&actions);
        }
        posix_spawnattr_destroy(&attributes);
    }
    /* One that could not be started may have taken the terminal before. */
    if (code != 0 && places.terminal >= 0) give_terminal(places.terminal, getpgrp());
    errno = code;
    return code == 0 ? pid : -1;
}

/* Stops all of this process group, as one job; where nobody could wake it, this stops nothing.
 * Nothing behind it is done before it goes on: that is why this thread stops itself, and does not
 * wait for a signal to the process, which some other thread takes some time later. */
static void stop_group(void) {
    struct sigaction ignored = {.sa_handler = SIG_IGN}, usual;
    sigset_t stop, before;
    sigemptyset(&ignored.sa_mask);
    sigaction(SIGTSTP, &ignored, &usual);
    kill(0, SIGTSTP);
    sigaction(SIGTSTP, &usual, NULL);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    raise(SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &stop, &before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void dfs_program_wait(pid_t pid, int terminal) {
    for (;;) {
        siginfo_t info = {0};
        int flags = WEXITED | WNOWAIT | (terminal >= 0 ? WSTOPPED : 0);
        if (waitid(P_PID, (id_t)pid, &info, flags) != 0) {
            if (errno == EINTR) continue;
            return;
        }
        if (info.si_code != CLD_STOPPED) return;
        waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG);
        give_terminal(terminal, getpgrp());
        stop_group();
        give_terminal(terminal, pid);
        kill(-pid, SIGCONT);
    }
}

int dfs_program_reap(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) return -1;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* One program has the terminal at a time. */
static struct termios kept_mode;
static int is_mode_kept;

void dfs_program_keep_mode(int terminal) { is_mode_kept = tcgetattr(terminal, &kept_mode) == 0; }

void dfs_program_take_terminal(int terminal) {
    give_terminal(terminal, getpgrp());
    if (is_mode_kept) tcsetattr(terminal, TCSADRAIN, &kept_mode);
    is_mode_kept = 0;
}
