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

enum { WORD = 8, BITS = 8 }; /* bytes of a word, and bits of a byte */

/* The word that begins there. */
static inline uint64_t load(const uint8_t *from) {
    uint64_t word;
    memcpy(&word, from, WORD);
    return word;
}

/* Of *word* the first bytes, less than eight; the others are zeros. */
static inline uint64_t first_of(uint64_t word, int64_t bytes) { return word & (((uint64_t)1 << (BITS * bytes)) - 1); }

/* The last ones, at least one. */
static inline uint64_t last_of(uint64_t word, int64_t bytes) {
    return word & (~(uint64_t)0 << (BITS * (WORD - bytes)));
}

/* Less than eight bytes as the first ones of a word; from *limit* on nothing may be read. */
static inline uint64_t short_word(const uint8_t *at, int64_t length, const uint8_t *limit) {
    if (limit - at >= WORD)
        return first_of(load(at), length);
    uint64_t word = 0;
    memcpy(&word, at, (size_t)length);
    return word;
}

/* As a word: its sign, its exponent, its fraction. */
static inline uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
