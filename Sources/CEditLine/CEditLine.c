#define _GNU_SOURCE
#include "CEditLine.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "Signals.h"
#include "Text.h"

struct dfs_editor {
    EditLine *line;
    HistoryW *history;
    dfs_editor_owner owner;
    uint8_t *text;
    size_t text_capacity;
    /* Where the prompt that libedit drew last ends. */
    dfs_position prompt_end;
    int columns;
    int beeps;
    int is_line_left;
};

/* libedit's own settings that stand before the user's editrc, which may change them. */
static const char *const bindings[][2] = {
    {"^R", "em-inc-search-prev"},      {"^W", "ed-delete-prev-word"},
    {"\\e[3~", "ed-delete-next-char"}, {"\\e[1~", "ed-move-to-beg"},
    {"\\e[4~", "ed-move-to-end"},      {"\\e[1;5C", "em-next-word"},
    {"\\e[1;5D", "ed-prev-word"},
};

static dfs_editor *owner_of(EditLine *line) {
    void *data = NULL;
    el_wget(line, EL_CLIENTDATA, &data);
    return data;
}

void dfs_terminal_size(int descriptor, int *columns, int *rows) {
    struct winsize size = {0};
    int known = ioctl(descriptor, TIOCGWINSZ, &size) == 0;
    *columns = known && size.ws_col > 0 ? size.ws_col : 80;
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
}

/* ---- Drawing ---- */

static void measure_prompt(dfs_editor *editor, const char *prompt) {
    size_t length = strlen(prompt);
    int is_literal = 0, rows;
    dfs_terminal_size(STDOUT_FILENO, &editor->columns, &rows);
    editor->prompt_end = (dfs_position){0, 0};
    for (size_t index = 0; index < length;) {
        wchar_t character = 0xFFFD;
        int used = dfs_decode_character((const uint8_t *)prompt + index, length - index, &character);
        index += used > 0 ? (size_t)used : 1;
        if (character == 1) {
            is_literal = !is_literal;
        } else if (!is_literal) {
            dfs_position_advance(&editor->prompt_end, character, editor->columns);
        }
    }
}

static char *prompt_of(EditLine *line) {
    dfs_editor *editor = owner_of(line);
    const char *prompt = editor->owner.prompt(editor->owner.context);
    measure_prompt(editor, prompt);
    return (char *)prompt;
}

/* The row, counted from the prompt's first, on which a place of the line stands. */
static int row_of(dfs_editor *editor, const wchar_t *place) {
    const LineInfoW *info = el_wline(editor->line);
    dfs_position position = editor->prompt_end;
    for (const wchar_t *next = info->buffer; next < place; next++) {
        dfs_position_advance(&position, *next, editor->columns);
    }
    return position.row;
}

/* Takes prompt and line off the screen and leaves the cursor where the prompt began. */
static void erase_line(dfs_editor *editor) {
    int rows;
    dfs_terminal_size(STDOUT_FILENO, &editor->columns, &rows);
    int row = row_of(editor, el_wline(editor->line)->cursor);
    if (row > 0) fprintf(stdout, "\x1b[%dA", row);
    fputs("\r\x1b[J", stdout);
}

/* Goes to the first column below the line; a mark such as ^C is written behind it. */
static void leave_line(dfs_editor *editor, const char *mark) {
    const LineInfoW *info = el_wline(editor->line);
    if (info->cursor != info->lastchar) {
        erase_line(editor);
        el_cursor(editor->line, (int)(info->lastchar - info->cursor));
        el_wset(editor->line, EL_REFRESH);
    }
    fputs(mark, stdout);
    fputs("\r\n", stdout);
    fflush(stdout);
}

/* ---- Reading ---- */

static void stop_here(dfs_editor *editor, struct sigaction *before) {
    const LineInfoW *info = el_wline(editor->line);
    int rest = (int)(info->lastchar - info->cursor);
    leave_line(editor, "^Z");
    el_cursor(editor->line, -rest);
    el_wset(editor->line, EL_PREP_TERM, 0);
    sigaction(SIGTSTP, before, NULL);
    raise(SIGTSTP);
    dfs_signals_catch_stop(before);
    el_wset(editor->line, EL_PREP_TERM, 1);
    el_resize(editor->line);
    el_wset(editor->line, EL_REFRESH);
}

/* SIGTSTP's action from before the line was read; one terminal, one reader. */
static struct sigaction stop_before;

/* Looks at everything but input; returns 0 where reading must end. */
static int attend(dfs_editor *editor) {
    if (dfs_signals_termination() != 0) {
        leave_line(editor, "");
        return 0;
    }
    if (dfs_signals_has_interrupt()) {
        leave_line(editor, "^C");
        return 0;
    }
    if (dfs_signals_take_stop()) stop_here(editor, &stop_before);
    if (dfs_signals_take_resize()) {
        erase_line(editor);
        el_resize(editor->line);
        el_wset(editor->line, EL_REFRESH);
    }
    if (editor->owner.woken(editor->owner.context)) {
        erase_line(editor);
        el_wset(editor->line, EL_REFRESH);
    }
    return 1;
}

/* Reads one byte when there is one: 1, 0 at the end, -1 when reading must end. */
static int read_byte(dfs_editor *editor, uint8_t *byte) {
    for (;;) {
        if (!attend(editor)) {
            errno = EINTR;
            return -1;
        }
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, 0) <= 0) {
            dfs_signals_wait(-1, STDIN_FILENO);
            continue;
        }
        ssize_t count = read(STDIN_FILENO, byte, 1);
        if (count == 1) return 1;
        if (count == 0 || (errno != EINTR && errno != EAGAIN)) return 0;
    }
}

static int read_character(EditLine *line, wchar_t *character) {
    dfs_editor *editor = owner_of(line);
    uint8_t bytes[4];
    size_t count = 0;
    for (;;) {
        int result = read_byte(editor, &bytes[count]);
        if (result <= 0) return result;
        count++;
        int length = dfs_decode_character(bytes, count, character);
        if (length > 0) return 1;
        if (length == 0) {
            /* No UTF-8: what came before the last byte is dropped, the last may begin anew. */
            uint8_t last = bytes[count - 1];
            int is_start = count > 1 && dfs_decode_character(&last, 1, character) != 0;
            if (is_start && last < 0x80) return 1;
            bytes[0] = last;
            count = is_start ? 1 : 0;
        }
    }
}

static const uint8_t *encode(dfs_editor *editor, const wchar_t *from, const wchar_t *to,
                             size_t *length) {
    size_t needed = (size_t)(to - from) * 4 + 1;
    if (needed > editor->text_capacity) {
        uint8_t *grown = realloc(editor->text, needed);
        if (grown == NULL) to = from;
        if (grown != NULL) {
            editor->text = grown;
            editor->text_capacity = needed;
        }
    }
    *length = 0;
    for (; from < to; from++) *length += dfs_encode_character(*from, editor->text + *length);
    return editor->text;
}

dfs_read_result dfs_editor_read(dfs_editor *editor, const uint8_t **line, size_t *length) {
    int count = 0;
    fflush(stdout);
    dfs_signals_catch_stop(&stop_before);
    /* libedit would draw the prompt first, and the terminal echo what is typed until then. */
    el_wset(editor->line, EL_PREP_TERM, 1);
    const wchar_t *text = el_wgets(editor->line, &count);
    sigaction(SIGTSTP, &stop_before, NULL);
    *line = NULL;
    *length = 0;
    if (dfs_signals_termination() != 0) return DFS_READ_TERMINATED;
    if (text == NULL || count <= 0) {
        if (dfs_signals_take_interrupts() > 0) return DFS_READ_INTERRUPTED;
        fputs("\n", stdout);
        fflush(stdout);
        return DFS_READ_END;
    }
    const wchar_t *end = text + count;
    while (end > text && (end[-1] == L'\n' || end[-1] == L'\r')) end--;
    *line = encode(editor, text, end, length);
    return DFS_READ_LINE;
}

/* ---- Completion ---- */

static unsigned char complete(EditLine *line, int key) {
    (void)key;
    dfs_editor *editor = owner_of(line);
    const LineInfoW *info = el_wline(line);
    size_t cursor = 0, length = 0;
    encode(editor, info->buffer, info->cursor, &cursor);
    const uint8_t *text = encode(editor, info->buffer, info->lastchar, &length);
    editor->beeps = 0;
    editor->is_line_left = 0;
    if (text != NULL) editor->owner.complete(editor->owner.context, text, length, cursor);
    if (editor->is_line_left) {
        fflush(stdout);
        el_wset(line, EL_REFRESH);
    }
    return editor->beeps ? CC_REFRESH_BEEP : CC_REFRESH;
}

void dfs_editor_replace(dfs_editor *editor, size_t removed, const uint8_t *text, size_t length) {
    const LineInfoW *info = el_wline(editor->line);
    size_t before = (size_t)(info->cursor - info->buffer);
    if (removed > before) return;
    if (removed > 0) el_deletestr(editor->line, (int)removed);
    wchar_t *wide = dfs_wide_copy(text, length);
    if (wide == NULL) return;
    if (wide[0] != L'\0' && el_winsertstr(editor->line, wide) != 0) editor->beeps = 1;
    free(wide);
}

void dfs_editor_beep(dfs_editor *editor) { editor->beeps = 1; }

void dfs_editor_leave_line(dfs_editor *editor) {
    if (editor->is_line_left) return;
    /* The cursor of the line stays; only the terminal's goes below the last row. */
    const LineInfoW *info = el_wline(editor->line);
    int rows = row_of(editor, info->lastchar) - row_of(editor, info->cursor);
    for (int row = 0; row < rows; row++) fputs("\n", stdout);
    fputs("\r\n", stdout);
    fflush(stdout);
    editor->is_line_left = 1;
}

void dfs_editor_print(dfs_editor *editor, const uint8_t *text, size_t length) {
    (void)editor;
    for (size_t index = 0; index < length; index++) {
        if (text[index] == '\n') fputc('\r', stdout);
        fputc(text[index], stdout);
    }
    fflush(stdout);
}

int32_t dfs_editor_read_key(dfs_editor *editor) {
    wchar_t character = 0;
    return el_wgetc(editor->line, &character) == 1 ? (int32_t)character : -1;
}

/* ---- Opening and closing ---- */

void dfs_editor_remember(dfs_editor *editor, const uint8_t *line, size_t length) {
    wchar_t *wide = dfs_wide_copy(line, length);
    if (wide == NULL) return;
    HistEventW event;
    history_w(editor->history, &event, H_ENTER, wide);
    free(wide);
}

void dfs_editor_keep(dfs_editor *editor, int count) {
    HistEventW event;
    history_w(editor->history, &event, H_SETSIZE, count);
}

/* Whether the terminal can erase to the end of a line: what is "dumb" by another name cannot. */
static int is_able(EditLine *line) {
    char *erases = NULL, *moves_up = NULL;
    el_get(line, EL_GETTC, "ce", &erases);
    el_get(line, EL_GETTC, "up", &moves_up);
    return erases != NULL && erases[0] != '\0' && moves_up != NULL && moves_up[0] != '\0';
}

/* libedit complains on its error stream about a terminal it does not know; that is kept quiet. */
static EditLine *open_line(const char *program) {
    FILE *nowhere = fopen("/dev/null", "we");
    if (nowhere == NULL) return NULL;
    EditLine *line = el_init(program, stdin, stdout, nowhere);
    if (line != NULL && !is_able(line)) {
        el_end(line);
        line = NULL;
    }
    if (line != NULL) el_wset(line, EL_SETFP, 2, stderr);
    fclose(nowhere);
    return line;
}

static void configure(dfs_editor *editor) {
    EditLine *line = editor->line;
    el_wset(line, EL_CLIENTDATA, editor);
    el_wset(line, EL_SIGNAL, 0);
    el_wset(line, EL_GETCFN, read_character);
    el_wset(line, EL_EDITOR, L"emacs");
    el_wset(line, EL_HIST, history_w, editor->history);
    el_set(line, EL_PROMPT_ESC, prompt_of, '\1');
    for (size_t index = 0; index < sizeof bindings / sizeof bindings[0]; index++) {
        el_set(line, EL_BIND, bindings[index][0], bindings[index][1], NULL);
    }
    el_wset(line, EL_ADDFN, L"dfs-complete", L"Completes the word before the cursor", complete);
    el_source(line, NULL);
    el_set(line, EL_BIND, "^I", "dfs-complete", NULL);
}

dfs_editor *dfs_editor_open(const char *program, dfs_editor_owner owner, int history_size) {
    dfs_terminal_set_locale();
    dfs_editor *editor = calloc(1, sizeof *editor);
    if (editor == NULL) return NULL;
    editor->owner = owner;
    editor->columns = 80;
    editor->history = history_winit();
    editor->line = editor->history != NULL ? open_line(program) : NULL;
    if (editor->line == NULL) {
        if (editor->history != NULL) history_wend(editor->history);
        free(editor);
        return NULL;
    }
    HistEventW event;
    history_w(editor->history, &event, H_SETSIZE, history_size);
    history_w(editor->history, &event, H_SETUNIQUE, 1);
    configure(editor);
    return editor;
}

void dfs_editor_close(dfs_editor *editor) {
    el_end(editor->line);
    history_wend(editor->history);
    free(editor->text);
    free(editor);
}
