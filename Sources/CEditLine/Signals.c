#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "CEditLine.h"
#include "Signals.h"

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGPIPE};
enum { caught_count = sizeof caught / sizeof caught[0] };

static struct sigaction before[caught_count];
static int is_installed;
static int event_descriptor = -1;

static atomic_int interrupts;
static atomic_int termination;
static atomic_int resized;
static atomic_int stopped;

void dfs_signals_wake(void) {
    int saved = errno;
    uint64_t one = 1;
    /* Only a full counter refuses this write, and then the reader is awake already. */
    if (write(event_descriptor, &one, sizeof one) < 0) {
    }
    errno = saved;
}

static void note(int signal_number) {
    switch (signal_number) {
    case SIGINT: atomic_fetch_add(&interrupts, 1); break;
    case SIGWINCH: atomic_store(&resized, 1); break;
    case SIGTSTP: atomic_store(&stopped, 1); break;
    case SIGPIPE: return;
    default: atomic_store(&termination, signal_number);
    }
    dfs_signals_wake();
}

static int catch(int signal_number, struct sigaction *old) {
    if (sigaction(signal_number, NULL, old) != 0) return -1;
    if (old->sa_handler == SIG_IGN && signal_number != SIGPIPE) return 0;
    struct sigaction action = {.sa_handler = note};
    sigemptyset(&action.sa_mask);
    return sigaction(signal_number, &action, NULL);
}

int dfs_signals_install(void) {
    if (is_installed) return 0;
    if (event_descriptor < 0) event_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_descriptor < 0) return -1;
    for (int index = 0; index < caught_count; index++) {
        if (catch(caught[index], &before[index]) != 0) return -1;
    }
    is_installed = 1;
    return 0;
}

void dfs_signals_restore(void) {
    if (!is_installed) return;
    for (int index = 0; index < caught_count; index++) sigaction(caught[index], &before[index], NULL);
    is_installed = 0;
}

int dfs_signals_take_interrupts(void) { return atomic_exchange(&interrupts, 0); }

int dfs_signals_has_interrupt(void) { return atomic_load(&interrupts) > 0; }

int dfs_signals_termination(void) { return atomic_load(&termination); }

int dfs_signals_take_resize(void) { return atomic_exchange(&resized, 0); }

int dfs_signals_take_stop(void) { return atomic_exchange(&stopped, 0); }

int dfs_signals_catch_stop(struct sigaction *old) { return catch(SIGTSTP, old); }

void dfs_signals_end(int signal_number) {
    dfs_screen_hide();
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(signal_number);
    _exit(128 + signal_number);
}

void dfs_signals_wait(int64_t milliseconds, int input_descriptor) {
    struct pollfd polled[] = {{.fd = event_descriptor, .events = POLLIN},
                              {.fd = input_descriptor, .events = POLLIN}};
    int timeout = milliseconds < 0 ? -1 : milliseconds > 3600000 ? 3600000 : (int)milliseconds;
    if (poll(polled, 2, timeout) <= 0) return;
    if (polled[0].revents != 0) {
        uint64_t count;
        /* The counter is only emptied here; empty already is as good. */
        if (read(event_descriptor, &count, sizeof count) < 0) {
        }
    }
}
