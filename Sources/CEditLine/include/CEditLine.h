#pragma once

/* What Swift sees of libedit: no variadic call, no stdio global, UTF-8 bytes and no wchar_t.
 *
 * Everything here belongs to the one thread that reads lines, except what says otherwise. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Signals of an interactive program ------------------------------------------------ */

/* Installs handlers without SA_RESTART for SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGWINCH, and an
 * empty one for SIGPIPE (a handler, unlike SIG_IGN, is not inherited by a program that is started).
 * What was ignored from outside (nohup) stays ignored.  Returns 0, or -1 with errno. */
int dfs_signals_install(void);

/* Puts back what stood before dfs_signals_install. */
void dfs_signals_restore(void);

/* How many SIGINT came since the last call. */
int dfs_signals_take_interrupts(void);

/* Whether SIGINT came and nobody has taken it yet. */
int dfs_signals_has_interrupt(void);

/* SIGTERM, SIGHUP or SIGQUIT once it came, else 0. */
int dfs_signals_termination(void);

/* Ends the process by that signal, as if it had never been caught.  Does not return. */
_Noreturn void dfs_signals_end(int signal_number);

/* Wakes dfs_signals_wait and a reading editor.  Any thread, any signal handler. */
void dfs_signals_wake(void);

/* Waits until woken by a signal or by dfs_signals_wake; at most that long (negative: for ever).
 * Also returns when `input_descriptor` (negative: none) can be read.
 * A return without cause is possible: the caller looks at what it waits for and waits again. */
void dfs_signals_wait(int64_t milliseconds, int input_descriptor);

/* ---- The line editor ------------------------------------------------------------------ */

typedef struct dfs_editor dfs_editor;

/* What the editor asks of its owner, on the reading thread. */
typedef struct {
    void *_Nullable context;
    /* The prompt as UTF-8.  Terminal sequences stand between two bytes 0x01, and visible text
     * follows the last of them (libedit loses a sequence at the very end). */
    const char *_Nonnull (*_Nonnull prompt)(void *_Nullable context);
    /* Tab: the whole line and the cursor, both in bytes of UTF-8. */
    void (*_Nonnull complete)(void *_Nullable context, const uint8_t *_Nonnull line, size_t length,
                              size_t cursor);
    /* Something woke the editor.  Not zero: the prompt has changed and is drawn anew. */
    int (*_Nonnull woken)(void *_Nullable context);
} dfs_editor_owner;

typedef enum {
    DFS_READ_LINE,
    /* Ctrl-C: the line is dropped. */
    DFS_READ_INTERRUPTED,
    /* Ctrl-D on an empty line, or the terminal is gone. */
    DFS_READ_END,
    /* SIGTERM, SIGHUP or SIGQUIT; the terminal is as it was found. */
    DFS_READ_TERMINATED,
} dfs_read_result;

/* Opens an editor on the standard streams, whose locale becomes UTF-8; the user's editrc is read
 * first and Tab bound after it.  NULL where the terminal can not be edited on: read plainly then. */
dfs_editor *_Nullable dfs_editor_open(const char *_Nonnull program, dfs_editor_owner owner,
                                      int history_size);

/* Gives the terminal back and frees the editor. */
void dfs_editor_close(dfs_editor *_Nonnull editor);

/* Reads one line.  `line` is without its newline and valid until the next call. */
dfs_read_result dfs_editor_read(dfs_editor *_Nonnull editor, const uint8_t *_Nullable *_Nonnull line,
                                size_t *_Nonnull length);

/* Makes a line the newest that the up arrow recalls; one equal to the newest changes nothing. */
void dfs_editor_remember(dfs_editor *_Nonnull editor, const uint8_t *_Nonnull line, size_t length);

/* Keeps so many lines that can be recalled; the oldest of more are forgotten with the next one. */
void dfs_editor_keep(dfs_editor *_Nonnull editor, int count);

/* For `complete`: removes characters (not bytes) before the cursor and inserts text there. */
void dfs_editor_replace(dfs_editor *_Nonnull editor, size_t removed_characters,
                        const uint8_t *_Nonnull text, size_t length);

/* For `complete`: rings the bell after the callback. */
void dfs_editor_beep(dfs_editor *_Nonnull editor);

/* For `complete`: moves below the line, so that text can be printed; the line is drawn anew
 * after the callback. */
void dfs_editor_leave_line(dfs_editor *_Nonnull editor);

/* For `complete`: writes text of our own; a newline also returns to the first column. */
void dfs_editor_print(dfs_editor *_Nonnull editor, const uint8_t *_Nonnull text, size_t length);

/* For `complete`: waits for one key.  Returns its code point, or -1 on Ctrl-C and end of input. */
int32_t dfs_editor_read_key(dfs_editor *_Nonnull editor);

/* ---- The terminal --------------------------------------------------------------------- */

/* Columns and rows of a terminal; 80 x 24 where it does not say. */
void dfs_terminal_size(int descriptor, int *_Nonnull columns, int *_Nonnull rows);

/* Sets LC_CTYPE from the environment, or to C.UTF-8 where that is no UTF-8.  libedit drops and
 * garbles everything beyond ASCII in any other locale. */
void dfs_terminal_set_locale(void);

/* ---- Programs in the foreground -------------------------------------------------------- */

/* Whether this process group is the one that a terminal belongs to now. */
int dfs_program_owns_terminal(int terminal);

/* Where a program reads and writes. */
typedef struct {
    /* Become 0, 1 and 2. */
    int input, output, errors;
    /* Becomes 3; negative: it has none. */
    int extra;
    /* Goes to a process group of its own, so that keys such as Ctrl-C are its own too; negative:
     * none does. */
    int terminal;
    /* Whether it has a process group of its own without a terminal. */
    int has_own_group;
} dfs_program_places;

/* Starts a program found in PATH, with this process's environment, no other descriptors than those,
 * and signals as a program expects them.  Returns its number, or -1 with errno. */
pid_t dfs_program_start(const char *_Nullable const *_Nonnull argv, dfs_program_places places);

/* Waits for its end, and stops with it where it is stopped on a terminal.  Does not reap it. */
void dfs_program_wait(pid_t pid, int terminal);

/* Forgets a program that has ended.  Its exit code, 128 + the signal that ended it, or -1. */
int dfs_program_reap(pid_t pid);

/* Remembers the terminal's mode, before a program is started there. */
void dfs_program_keep_mode(int terminal);

/* Takes the terminal back from a program, in the mode that was kept. */
void dfs_program_take_terminal(int terminal);

/* ---- The whole screen ------------------------------------------------------------------- */

/* Takes a terminal for a full screen: keys come one by one, nothing is echoed, and what it showed
 * is kept.  From here to dfs_screen_close a stop (SIGTSTP) gives it back and takes it again when
 * the process goes on, and a signal that ends the process by a fault or SIGQUIT gives it back.
 * Returns a descriptor that becomes readable when all is to be drawn anew, or -1 with errno. */
int dfs_screen_open(int terminal);

/* Gives the terminal back as it was; without an open screen this does nothing. */
void dfs_screen_close(void);

/* Gives the terminal back before the process ends by a signal.  Any thread, any signal handler. */
void dfs_screen_hide(void);

/* Stops the process group, as Ctrl-Z does where keys are not signals. */
void dfs_screen_stop(void);

/* Whether all is to be drawn anew since the last call. */
int dfs_screen_take_change(void);

/* ---- The disk -------------------------------------------------------------------------- */

/* syncfs(2), which Swift's Glibc does not show: brings the file system of an open file to its disk,
 * and tells what was lost on it since that file was opened.  0, or -1 with errno.  Any thread. */
int dfs_sync_file_system(int descriptor);

/* ---- Pipes ------------------------------------------------------------------------------ */

/* pipe2(2) with O_CLOEXEC, which Swift's Glibc does not show: 0, or -1 with errno. */
int dfs_pipe(int *_Nonnull ends);

#ifdef __cplusplus
}
#endif
