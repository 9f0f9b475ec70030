// What the bindings ask of a C library: memory.c has it.
#pragma once
#include <stddef.h>

void *realloc(void *at, size_t size);
void free(void *at);
_Noreturn void abort(void);
