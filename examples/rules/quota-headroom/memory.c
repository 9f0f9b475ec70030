// Memory without a C library. kerno judges each window in a new instance: what is asked for is never given back.
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536

// The linker puts it behind the data and the stack.
extern unsigned char __heap_base;

static uintptr_t next = (uintptr_t)&__heap_base;

// kerno calls this for what it returns, text.c for what it writes, and it takes the place of the one in the bindings, which is weak.
// A failure is a trap: kerno reports it as this rule's.
__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    uintptr_t start = (next + align - 1) & -align;
    // What was given last grows where it is.
    uintptr_t last = (uintptr_t)old;
    int stays = old_size > 0 && last + old_size == next;
    if (stays) start = last;
    if (size > UINTPTR_MAX - start) abort();
    uintptr_t end = start + size;
    uintptr_t have = __builtin_wasm_memory_size(0) * PAGE;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) == (size_t)-1) abort();
    if (!stays && old_size > 0) memcpy((void *)start, old, old_size < size ? old_size : size);
    next = end;
    return (void *)start;
}

void free(void *at) {
    (void)at;
}

void abort(void) {
    __builtin_trap();
}

// One instruction each, with -mbulk-memory.
void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    return __builtin_memcpy(to, from, size);
}

void *memset(void *to, int byte, size_t size) {
    return __builtin_memset(to, byte, size);
}

size_t strlen(const char *text) {
    const char *end = text;
    while (*end) end++;
    return (size_t)(end - text);
}
