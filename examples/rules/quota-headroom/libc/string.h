// What the bindings ask of a C library: memory.c has it.
#pragma once
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int byte, size_t size);
size_t strlen(const char *text);
