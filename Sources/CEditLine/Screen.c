#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include "CEditLine.h"

/* The one full screen of the process.  Everything that a handler uses is async-signal-safe:
 * tcsetattr(3), tcgetpgrp(3), write(2), sigaction(2), raise(3). */
static struct termios before_screen;
static int screen_terminal = -1;
static int screen_event = -1;
static atomic_int is_open;
static atomic_int is_shown;
static atomic_int has_changed;
static atomic_int was_resized;

static const int fatal[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
enum { fatal_count = sizeof fatal / sizeof fatal[0] };
static struct sigaction fatal_before[fatal_count];
static struct sigaction stop_before, continue_before, resize_before;

static void put(const char *text) {
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t count = write(screen_terminal, text, length);
        if (count <= 0) return;
        text += count;
        length -= (size_t)count;
    }
}

static void set_mode(const struct termios *mode) {
    sigset_t stop, before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &stop, &before);
    tcsetattr(screen_terminal, TCSADRAIN, mode);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void tell_change(void) {
    int saved = errno;
    uint64_t one = 1;
    atomic_store(&has_changed, 1);
    /* Only a full counter refuses this, and then the reader is awake already. */
    if (write(screen_event, &one, sizeof one) < 0) {
    }
    errno = saved;
}

static void show(void) {
    if (!atomic_load(&is_open)) return;
    if (tcgetpgrp(screen_terminal) != getpgrp()) {
        /* In the background the terminal is the shell's: stop, as any program that changes it
         * there.  Back in the foreground a SIGCONT shows it. */
        raise(SIGTTOU);
        return;
    }
    if (atomic_exchange(&is_shown, 1)) return;
    struct termios raw = before_screen;
    raw.c_iflag &= (tcflag_t) ~(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_lflag &= (tcflag_t) ~(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    set_mode(&raw);
    put("\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J");
    tell_change();
}

void dfs_screen_hide(void) {
    if (!atomic_load(&is_open) || !atomic_exchange(&is_shown, 0)) return;
    put("\x1b[0m\x1b[H\x1b[2J\x1b[?25h\x1b[?1049l");
    set_mode(&before_screen);
}

static void on_signal(int number);

static void catch(int number, struct sigaction *old) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, old);
}

/* Stops the process, as the terminal's key would have. */
static void stop(void) {
    dfs_screen_hide();
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t set, before;
    sigemptyset(&usual.sa_mask);
    sigaction(SIGTSTP, &usual, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    raise(SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &set, &before);
    /* Here it goes on. */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    catch(SIGTSTP, NULL);
    show();
}

static void on_signal(int number) {
    int saved = errno;
    switch (number) {
    case SIGWINCH:
        atomic_store(&was_resized, 1);
        tell_change();
        break;
    case SIGTSTP: stop(); break;
    case SIGCONT:
        /* After SIGSTOP, which nobody hears, the terminal is the shell's and has to be taken. */
        atomic_store(&is_shown, 0);
        show();
        break;
    default:
        /* Whoever was there before, such as the runtime's report of a crash, takes it from here. */
        dfs_screen_hide();
        for (int index = 0; index < fatal_count; index++) {
            if (fatal[index] == number) sigaction(number, &fatal_before[index], NULL);
        }
        raise(number);
    }
    errno = saved;
}

int dfs_screen_open(int terminal) {
    if (atomic_load(&is_open)) {
        errno = EBUSY;
        return -1;
    }
    if (tcgetattr(terminal, &before_screen) != 0) return -1;
    if (screen_event < 0) screen_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (screen_event < 0) return -1;
    screen_terminal = terminal;
    atomic_store(&is_open, 1);
    for (int index = 0; index < fatal_count; index++) {
        catch(fatal[index], &fatal_before[index]);
        /* What was ignored from outside stays so. */
        if (fatal_before[index].sa_handler == SIG_IGN) {
            sigaction(fatal[index], &fatal_before[index], NULL);
        }
    }
    catch(SIGTSTP, &stop_before);
    catch(SIGCONT, &continue_before);
    catch(SIGWINCH, &resize_before);
    show();
    return screen_event;
}

void dfs_screen_close(void) {
    if (!atomic_load(&is_open)) return;
    sigaction(SIGWINCH, &resize_before, NULL);
    sigaction(SIGCONT, &continue_before, NULL);
    sigaction(SIGTSTP, &stop_before, NULL);
    for (int index = 0; index < fatal_count; index++) {
        sigaction(fatal[index], &fatal_before[index], NULL);
    }
    dfs_screen_hide();
    atomic_store(&is_open, 0);
    /* Whoever reads lines next has not heard of it. */
    if (atomic_exchange(&was_resized, 0)) kill(getpid(), SIGWINCH);
}

void dfs_screen_stop(void) { kill(0, SIGTSTP); }

int dfs_screen_take_change(void) { return atomic_exchange(&has_changed, 0); }
