/* Doubles counted in buckets, each of which holds those that agree in all but their last bits. */

#include "grid.h"

static inline int64_t key_of(double value) {
    const int64_t bits = (int64_t)bits_of(value + 0.0); /* -0.0 becomes 0 */
    return bits ^ ((bits >> 63) & INT64_MAX);
}

void grid_span(const double *values, int64_t count, int64_t *least, int64_t *greatest) {
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (int64_t at = 0; at < count; at++) {
        const int64_t key = key_of(values[at]);
        low = key < low ? key : low;
        high = key > high ? key : high;
    }
    *least = low;
    *greatest = high;
}

void grid_fill(const double *values, const int64_t *counts, int64_t count, int32_t shift, int64_t first,
               int64_t *filled) {
    for (int64_t at = 0; at < count; at++)
        filled[(key_of(values[at]) >> shift) - first] += counts[at];
}
