// Memory without a C library: see memory.c.
#pragma once
#include <stddef.h>

// Gives memory, or more of it where something was given before. What could not be had is a trap.
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size);
