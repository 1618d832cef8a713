#pragma once

/* UTF-8 to and from wchar_t, whatever the locale, and the widths that libedit draws with. */

#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

/* Decodes one character.  Returns its length in bytes, 0 where the bytes are not UTF-8, or -1 where
 * they are the beginning of a character. */
int dfs_decode_character(const uint8_t *bytes, size_t count, wchar_t *character);

/* Encodes one character into at most 4 bytes.  Returns how many; 0 where it is none. */
size_t dfs_encode_character(wchar_t character, uint8_t *bytes);

/* A new, terminated wide copy; bytes that are not UTF-8 become U+FFFD.  NULL without memory. */
wchar_t *dfs_wide_copy(const uint8_t *bytes, size_t count);

/* Columns of one character as libedit shows it: ^X for controls, \U+xxxx for what can't be shown. */
int dfs_character_width(wchar_t character);

/* Where the cursor of a terminal is after it wrote characters; rows wrap at `columns`. */
typedef struct {
    int row;
    int column;
} dfs_position;

/* Moves a position past one character. */
void dfs_position_advance(dfs_position *position, wchar_t character, int columns);
