/* What all of it needs. */

#pragma once

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || !defined(__SIZEOF_INT128__)
#error "written for processors of 64 bits whose words begin with their lowest byte"
#endif

#define EXPORTED __attribute__((visibility("default")))

/* A digest of the sources that the library was made of. */
EXPORTED const char *native_sources(void);

enum { WORD = 8 };

/* The word that begins there. */
static inline uint64_t load(const uint8_t *from) {
    uint64_t word;
    memcpy(&word, from, WORD);
    return word;
}

/* As a word: its sign, its exponent, its fraction. */
static inline uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
