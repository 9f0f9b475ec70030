// Text that is put together: words, names, numbers as kerno writes them, names for a shell.
#pragma once
#include <rule.h>

typedef rule_string_t string;

// A text that is a constant. Nothing is copied, and nothing gives it back: see memory.c.
#define TEXT(literal) ((string){(uint8_t *)(literal), sizeof(literal) - 1})

typedef struct {
    string text;
    size_t room;
} writer;

void put(writer *to, string text);

void put_whole(writer *to, uint64_t value);

// In three significant digits: 0.35, 12.3, 240.
void put_number(writer *to, double value);

// 12.3 %
void put_percent(writer *to, double ratio);

// As one word of a shell command: names are anybody's choice, and commands are pasted as root.
void put_quoted(writer *to, string name);
