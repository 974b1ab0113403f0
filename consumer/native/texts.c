/* Many texts at once: which are equal, what they hash to, which characters they have. */

#include "texts.h"

/* Only texts that were chosen to want the same slot need more steps to theirs. */
enum { MOST_STEPS = 256 };

/* The first bytes of a text of less than eight, zeros behind them. */
static inline uint64_t short_word(const uint8_t *at, int64_t length) {
    if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, at, 4);
        memcpy(&last, at + length - 4, 4);
        return first | (uint64_t)last << (8 * (length - 4));
    }
    if (length == 0)
        return 0;
    return at[0] | (uint64_t)at[length / 2] << (8 * (length / 2)) | (uint64_t)at[length - 1] << (8 * (length - 1));
}

static inline uint64_t stirred(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ (hash >> 32);
}

static inline uint64_t quick_hash(const uint8_t *at, int64_t length) {
    uint64_t hash = (uint64_t)length;
    if (length < WORD)
        return stirred(hash, short_word(at, length));
    for (int64_t done = 0; done + WORD < length; done += WORD)
        hash = stirred(hash, load(at + done));
    return stirred(hash, load(at + length - WORD));
}

static inline bool equal(const uint8_t *one, const uint8_t *other, int64_t length) {
    if (length < WORD)
        return short_word(one, length) == short_word(other, length);
    for (int64_t done = 0; done + WORD < length; done += WORD)
        if (load(one + done) != load(other + done))
            return false;
    return load(one + length - WORD) == load(other + length - WORD);
}

int64_t texts_encode(const uint8_t *data, const int64_t *bounds, int64_t count, uint32_t *slots, int64_t most_slots,
                     int32_t *codes, int32_t *firsts) {
    const uint64_t mask = (uint64_t)most_slots - 1;
    uint32_t known = 0;
    for (int64_t nth = 0; nth < count; nth++) {
        const uint8_t *at = data + bounds[nth];
        const int64_t length = bounds[nth + 1] - bounds[nth];
        uint64_t slot = quick_hash(at, length) & mask;
        for (int steps = 0; slots[slot]; slot = (slot + 1) & mask) {
            const int64_t other = firsts[slots[slot] - 1];
            if (bounds[other + 1] - bounds[other] == length && equal(at, data + bounds[other], length))
                break;
            if (++steps == MOST_STEPS)
                return -1;
        }
        if (!slots[slot]) {
            firsts[known] = (int32_t)nth;
            slots[slot] = ++known;
        }
        codes[nth] = (int32_t)(slots[slot] - 1);
    }
    return known;
}

/* Spread over all 64 bits: G. Steele, D. Lea, C. Flood, SplitMix (2014). */
static inline uint64_t mixed(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

void texts_hashes(const uint8_t *data, const int64_t *bounds, int64_t count, uint64_t multiplier, uint64_t *hashes) {
    for (int64_t nth = 0; nth < count; nth++) {
        uint64_t hash = 0;
        for (int64_t at = bounds[nth + 1] - 1; at >= bounds[nth]; at--)
            hash = hash * multiplier + data[at];
        hashes[nth] = mixed(hash);
    }
}

void texts_add_to_rows(const uint64_t *hashes, int64_t known, uint64_t factor, const int32_t *codes, int64_t rows,
                       uint64_t *sums) {
    for (int64_t row = 0; row < rows; row++)
        if (codes[row] < known)
            sums[row] += hashes[codes[row]] * factor;
}

void texts_least(const uint64_t *hashes, int64_t count, int32_t bits, int32_t used, uint64_t *least) {
    const uint64_t which = ((uint64_t)1 << bits) - 1, rest = ((uint64_t)1 << used) - 1;
    for (int64_t nth = 0; nth < count; nth++) {
        uint64_t *place = &least[hashes[nth] & which];
        const uint64_t found = (hashes[nth] >> bits) & rest;
        *place = found < *place ? found : *place;
    }
}

void texts_sorts(const uint8_t *data, const int64_t *bounds, int64_t count, const uint8_t *table, uint8_t *sorts) {
    for (int64_t nth = 0; nth < count; nth++) {
        uint8_t sort = 0;
        for (int64_t at = bounds[nth]; at < bounds[nth + 1]; at++)
            sort |= table[data[at]];
        sorts[nth] = sort;
    }
}

int64_t texts_gather(const uint8_t *from, int64_t size, const int32_t *begins, const int32_t *ends, int64_t count,
                     int32_t quotes, int64_t *bounds, uint8_t *data) {
    uint8_t *to = data;
    bounds[0] = 0;
    for (int64_t nth = 0; nth < count; nth++) {
        const uint8_t *at = from + begins[nth], *end = from + ends[nth];
        if (quotes && at > from && at[-1] == '"') {
            for (; at < end; at++) {
                *to++ = *at;
                at += *at == '"';
            }
        } else {
            if (end - at <= TEXTS_SLACK && from + size - at >= TEXTS_SLACK)
                memcpy(to, at, TEXTS_SLACK); /* always as many, which is quicker; the next text overwrites the rest */
            else
                memcpy(to, at, (size_t)(end - at));
            to += end - at;
        }
        bounds[nth + 1] = to - data;
    }
    return to - data;
}
