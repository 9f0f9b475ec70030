// Text that is put together.
#include "text.h"

#include <string.h>

#include "memory.h"

void put(writer *to, string text) {
    size_t needed = to->text.len + text.len;
    if (needed > to->room) {
        size_t room = needed > 2 * to->room ? needed : 2 * to->room;
        to->text.ptr = cabi_realloc(to->text.ptr, to->room, 1, room);
        to->room = room;
    }
    memcpy(to->text.ptr + to->text.len, text.ptr, text.len);
    to->text.len = needed;
}

void put_whole(writer *to, uint64_t value) {
    uint8_t digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(to, (string){digits + first, sizeof digits - first});
}

void put_number(writer *to, double value) {
    uint32_t scale = value >= 99.95 ? 1 : value >= 9.995 ? 10 : 100;
    // What is no number is none here either: a conversion of it saturates.
    uint64_t rounded = value > 0 && value < 1e18 ? (uint64_t)(value * scale + 0.5) : 0;
    uint64_t fraction = rounded % scale;
    put_whole(to, rounded / scale);
    if (fraction == 0) return;
    put(to, TEXT("."));
    if (scale == 100 && fraction < 10) put(to, TEXT("0"));
    put_whole(to, scale == 100 && fraction % 10 == 0 ? fraction / 10 : fraction);
}

void put_percent(writer *to, double ratio) {
    put_number(to, ratio * 100);
    put(to, TEXT(" %"));
}

static bool is_plain(uint8_t byte) {
    static const char other[] = "_./:@%+=,-";
    for (size_t i = 0; i < sizeof other - 1; i++)
        if (byte == (uint8_t)other[i]) return true;
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

void put_quoted(writer *to, string name) {
    bool plain = name.len > 0;
    for (size_t i = 0; i < name.len; i++) plain = plain && is_plain(name.ptr[i]);
    if (plain) {
        put(to, name);
        return;
    }
    put(to, TEXT("'"));
    for (size_t i = 0; i < name.len; i++) {
        string byte = {name.ptr + i, 1};
        put(to, name.ptr[i] == '\'' ? TEXT("'\\''") : byte);
    }
    put(to, TEXT("'"));
}
