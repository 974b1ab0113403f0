/* Exact sums of doubles, and of their squares: each is an integer times a power of two, and integers do not round.
 *
 * A sum is a row of pieces, of PIECE bits each, whose carries wait in the upper bits of 64: U. Kulisch, "Computer
 * Arithmetic and Validity", 2008, chapter 8, with as few pieces as the values need.
 */

#include "sums.h"

typedef unsigned __int128 wide;

enum { PIECE = SUMS_PIECE, FRACTION = 52, EXPONENT = 0x7ff };

static const double SMALL = 2147483648.0; /* 2**31 */
static const uint64_t LOW = ((uint64_t)1 << PIECE) - 1;

static inline int32_t exponent_of(uint64_t bits) { return (int32_t)(bits >> FRACTION) & EXPONENT; }

/* The integer that a double is, times a power of two that its exponent tells. */
static inline uint64_t integer_of(uint64_t bits) {
    return (bits & (((uint64_t)1 << FRACTION) - 1)) | ((uint64_t)(exponent_of(bits) > 0) << FRACTION);
}

/* How far above the base its lowest bit stands: the smallest doubles stand where those of exponent 1 do. */
static inline uint32_t place_of(uint64_t bits, int32_t base) {
    const int32_t exponent = exponent_of(bits);
    return (uint32_t)((exponent > 0 ? exponent : 1) - base);
}

bool sums_span(const double *values, int64_t count, int32_t *least, int32_t *greatest) {
    int32_t low = EXPONENT, high = 0;
    for (int64_t at = 0; at < count; at++) {
        const uint64_t bits = bits_of(values[at]);
        const int32_t exponent = exponent_of(bits), counts = bits << 1 != 0 ? exponent : EXPONENT;
        low = counts < low ? counts : low;
        high = exponent > high ? exponent : high;
    }
    *least = low < 1 ? 1 : low; /* the smallest doubles stand where those of exponent 1 do */
    *greatest = high < 1 ? 1 : high;
    return high < EXPONENT;
}

void sums_add(const double *values, const int32_t *codes, int64_t count, int32_t base, int32_t pieces, int64_t *totals) {
    for (int64_t at = 0; at < count; at++) {
        const int32_t code = codes ? codes[at] : 0;
        if (code < 0)
            continue;
        const uint64_t bits = bits_of(values[at]), whole = integer_of(bits);
        if (whole == 0)
            continue;
        const uint32_t place = place_of(bits, base), piece = place / PIECE;
        const uint32_t shift = place % PIECE;
        const int64_t sign = (int64_t)bits >> 63;
        const uint64_t rest = whole >> (PIECE - shift);
        int64_t *total = totals + (int64_t)code * pieces + piece;
        total[0] += ((int64_t)((whole << shift) & LOW) ^ sign) - sign;
        total[1] += ((int64_t)(rest & LOW) ^ sign) - sign;
        total[2] += ((int64_t)(rest >> PIECE) ^ sign) - sign;
    }
}

/* Adds the pieces of a number that stands so far above the first one. */
static inline void add_pieces(int64_t *total, wide number, uint32_t place, int64_t sign) {
    const uint32_t shift = place % PIECE;
    const wide rest = number >> (PIECE - shift);
    total += place / PIECE;
    total[0] += ((int64_t)(((uint64_t)number << shift) & LOW) ^ sign) - sign;
    total[1] += ((int64_t)((uint64_t)rest & LOW) ^ sign) - sign;
    total[2] += ((int64_t)((uint64_t)(rest >> PIECE) & LOW) ^ sign) - sign;
    total[3] += ((int64_t)(rest >> (2 * PIECE)) ^ sign) - sign;
}

void sums_add_weighed(const double *values, const int64_t *weights, int64_t count, int32_t base, int64_t *totals,
                      int64_t *squares) {
    for (int64_t at = 0; at < count; at++) {
        const uint64_t bits = bits_of(values[at]), whole = integer_of(bits);
        if (whole == 0)
            continue;
        const uint32_t place = place_of(bits, base);
        const wide weighed = (wide)whole * (weights ? (uint64_t)weights[at] : 1);
        add_pieces(totals, weighed, place, (int64_t)bits >> 63);
        add_pieces(squares, weighed * whole, 2 * place, 0);
    }
}

bool sums_whole(const double *values, const int64_t *weights, int64_t count, int64_t *total, uint64_t squares[2]) {
    int64_t sum = 0;
    wide squared = 0;
    for (int64_t at = 0; at < count; at++) {
        const double value = values[at];
        if (!(value > -SMALL && value < SMALL) || (double)(int64_t)value != value)
            return false;
        const int64_t whole = (int64_t)value;
        sum += whole * weights[at];
        squared += (wide)(uint64_t)(whole * whole) * (uint64_t)weights[at];
    }
    *total = sum;
    squares[0] = (uint64_t)squared;
    squares[1] = (uint64_t)(squared >> 64);
    return true;
}
