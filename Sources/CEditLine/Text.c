#define _GNU_SOURCE
#include "Text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "CEditLine.h"

int dfs_decode_character(const uint8_t *bytes, size_t count, wchar_t *character) {
    if (count == 0) return -1;
    uint8_t first = bytes[0];
    if (first < 0x80) {
        *character = first;
        return 1;
    }
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4) return 0;
    uint32_t value = first & (0x7Fu >> length);
    for (size_t index = 1; index < length; index++) {
        if (index == count) return -1;
        uint8_t low = 0x80, high = 0xBF;
        if (index == 1) {
            if (first == 0xE0) low = 0xA0;
            if (first == 0xED) high = 0x9F;
            if (first == 0xF0) low = 0x90;
            if (first == 0xF4) high = 0x8F;
        }
        if (bytes[index] < low || bytes[index] > high) return 0;
        value = value << 6 | (bytes[index] & 0x3F);
    }
    *character = (wchar_t)value;
    return (int)length;
}

size_t dfs_encode_character(wchar_t character, uint8_t *bytes) {
    uint32_t value = (uint32_t)character;
    if (value < 0x80) {
        bytes[0] = (uint8_t)value;
        return 1;
    }
    if (value < 0x800) {
        bytes[0] = (uint8_t)(0xC0 | value >> 6);
        bytes[1] = (uint8_t)(0x80 | (value & 0x3F));
        return 2;
    }
    if ((value >= 0xD800 && value < 0xE000) || value > 0x10FFFF) return 0;
    if (value < 0x10000) {
        bytes[0] = (uint8_t)(0xE0 | value >> 12);
        bytes[1] = (uint8_t)(0x80 | (value >> 6 & 0x3F));
        bytes[2] = (uint8_t)(0x80 | (value & 0x3F));
        return 3;
    }
    bytes[0] = (uint8_t)(0xF0 | value >> 18);
    bytes[1] = (uint8_t)(0x80 | (value >> 12 & 0x3F));
    bytes[2] = (uint8_t)(0x80 | (value >> 6 & 0x3F));
    bytes[3] = (uint8_t)(0x80 | (value & 0x3F));
    return 4;
}

wchar_t *dfs_wide_copy(const uint8_t *bytes, size_t count) {
    if (count >= SIZE_MAX / sizeof(wchar_t)) return NULL;
    wchar_t *copy = malloc((count + 1) * sizeof(wchar_t));
    if (copy == NULL) return NULL;
    size_t used = 0;
    for (size_t index = 0; index < count;) {
        int length = dfs_decode_character(bytes + index, count - index, &copy[used]);
        if (length <= 0) {
            copy[used] = 0xFFFD;
            length = 1;
        }
        used++;
        index += (size_t)length;
    }
    copy[used] = L'\0';
    return copy;
}

int dfs_character_width(wchar_t character) {
    if (iswcntrl((wint_t)character) && character < 0x100) return 2;
    int width = wcwidth(character);
    if (width >= 0) return width;
    return character > 0xFFFF ? 8 : 7;
}

void dfs_position_advance(dfs_position *position, wchar_t character, int columns) {
    if (character == L'\n') {
        position->row++;
        position->column = 0;
        return;
    }
    int width = character == L'\t' ? 8 - position->column % 8 : dfs_character_width(character);
    if (width > 1 && width <= columns && position->column + width > columns) {
        position->row++;
        position->column = 0;
    }
    position->column += width;
    while (position->column >= columns) {
        position->row++;
        position->column -= columns;
    }
}

void dfs_terminal_set_locale(void) {
    if (setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0) return;
    setlocale(LC_CTYPE, "C.UTF-8");
}
