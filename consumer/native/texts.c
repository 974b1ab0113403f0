/* Many texts at once: which are equal, what they hash to, which characters they have. */

#include "texts.h"

/* Only texts that were chosen to want the same slot need more steps to theirs. */
enum { MOST_STEPS = 256, FEWEST_SLOTS = 1024 };

enum { NEAR = 2048 }; /* rows whose bytes stay in a near cache while their columns are gathered */

static const uint64_t LONG = (uint64_t)1 << 63; /* marks the keys of texts of eight bytes and more */

static inline uint64_t stirred(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ (hash >> 32);
}

static inline uint64_t long_hash(const uint8_t *at, int64_t length) {
    uint64_t hash = (uint64_t)length;
    for (int64_t done = 0; done + WORD < length; done += WORD)
        hash = stirred(hash, load(at + done));
    return stirred(hash, load(at + length - WORD));
}

static inline bool equal(const uint8_t *one, const uint8_t *other, int64_t length) {
    for (int64_t done = 0; done + WORD < length; done += WORD)
        if (load(one + done) != load(other + done))
            return false;
    return load(one + length - WORD) == load(other + length - WORD);
}

/* The texts, the slots, of which *mask* + 1 are in use, and the texts that were the first of their like. */
struct search {
    const uint8_t *data;
    const int64_t *bounds;
    int64_t count;
    struct texts_slot *slots;
    uint64_t mask;
    int32_t *firsts;
};

static inline bool are_alike(const struct search *search, int64_t one, int64_t other) {
    const int64_t *bounds = search->bounds, length = bounds[one + 1] - bounds[one];
    return bounds[other + 1] - bounds[other] == length &&
           equal(search->data + bounds[one], search->data + bounds[other], length);
}

/* The slot that the nth text has, or a free one that gets its key; NULL where others are in its way. */
static inline struct texts_slot *slot_of(const struct search *search, int64_t nth) {
    const uint8_t *at = search->data + search->bounds[nth], *limit = search->data + search->bounds[search->count];
    const int64_t length = search->bounds[nth + 1] - search->bounds[nth];
    uint64_t hash, key; /* where to look, and for what: all of a short text, or what hardly another has */
    if (length < WORD) {
        const uint64_t word = short_word(at, length, limit);
        hash = stirred((uint64_t)length, word);
        key = word | (uint64_t)length << 56;
    } else {
        hash = long_hash(at, length);
        key = hash | LONG;
    }
    for (uint64_t step = 0; step < MOST_STEPS; step++) {
        struct texts_slot *slot = &search->slots[(hash + step) & search->mask];
        if (slot->known == 0) {
            slot->key = key;
            return slot;
        }
        if (slot->key == key && (key < LONG || are_alike(search, nth, search->firsts[slot->known - 1])))
            return slot;
    }
    return NULL;
}

/* Takes *slots* into use instead of those before; false where texts are in each other's way. */
static bool widen(struct search *search, int64_t slots, int32_t known) {
    memset(search->slots, 0, (size_t)slots * sizeof *search->slots);
    search->mask = (uint64_t)slots - 1;
    for (int32_t code = 0; code < known; code++) {
        struct texts_slot *slot = slot_of(search, search->firsts[code]);
        if (!slot)
            return false;
        slot->known = code + 1;
    }
    return true;
}

int64_t texts_encode(const uint8_t *data, const int64_t *bounds, int64_t count, const struct texts_room *room) {
    struct search search = {
        .data = data, .bounds = bounds, .count = count, .slots = room->slots, .firsts = room->firsts};
    int64_t slots = room->most_slots < FEWEST_SLOTS ? room->most_slots : FEWEST_SLOTS;
    int32_t known = 0;
    widen(&search, slots, known);
    for (int64_t nth = 0; nth < count; nth++) {
        struct texts_slot *slot = slot_of(&search, nth);
        if (!slot)
            return TEXTS_CROWDED;
        if (slot->known == 0) {
            search.firsts[known] = (int32_t)nth;
            room->counts[known] = 0;
            slot->known = ++known;
            if (known > room->many && nth < room->head)
                return TEXTS_DIFFER;
        }
        const int32_t code = slot->known - 1;
        room->codes[nth] = code;
        room->counts[code]++;
        if (2 * (int64_t)known > slots && slots < room->most_slots) {
            slots = 8 * slots < room->most_slots ? 8 * slots : room->most_slots;
            if (!widen(&search, slots, known))
                return TEXTS_CROWDED;
        }
    }
    return known;
}

/* Spread over all 64 bits: G. Steele, D. Lea, C. Flood, SplitMix (2014). */
static inline uint64_t mixed(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

void texts_mix(uint64_t *values, int64_t count) {
    for (int64_t nth = 0; nth < count; nth++)
        values[nth] = mixed(values[nth]);
}

void texts_hashes(const uint8_t *data, const int64_t *bounds, int64_t count, uint64_t multiplier, uint64_t *hashes) {
    for (int64_t nth = 0; nth < count; nth++) {
        uint64_t hash = 0;
        for (int64_t at = bounds[nth + 1] - 1; at >= bounds[nth]; at--)
            hash = hash * multiplier + data[at];
        hashes[nth] = mixed(hash);
    }
}

int64_t texts_below(const uint64_t *hashes, int64_t count, uint64_t bound, int32_t *places) {
    int64_t found = 0;
    for (int64_t nth = 0; nth < count; nth++) {
        places[found] = (int32_t)nth;
        found += hashes[nth] < bound;
    }
    return found;
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

void texts_sorts(const uint8_t *data, const int64_t *bounds, int64_t count, const uint8_t *table, uint8_t *sorts,
                 bool *there) {
    for (int64_t nth = 0; nth < count; nth++) {
        uint8_t sort = 0;
        for (int64_t at = bounds[nth]; at < bounds[nth + 1]; at++)
            sort |= table[data[at]];
        sorts[nth] = sort;
        there[sort] = true;
    }
}

enum { SLACK = 16 };
const int64_t texts_slack = SLACK;

/* From the nth to the one before *stop*; returns how many bytes the column then has. */
static int64_t gather(const uint8_t *from, int64_t size, const struct texts_column *column, int64_t nth, int64_t stop,
                      bool quotes) {
    uint8_t *to = column->data + column->size;
    for (; nth < stop; nth++) {
        const int64_t cell = column->bounds[nth];
        const uint8_t *at = from + (int32_t)cell, *end = from + (cell >> 32);
        column->bounds[nth] = to - column->data;
        if (quotes && at > from && at[-1] == '"') {
            for (; at < end; at++) {
                *to++ = *at;
                at += *at == '"';
            }
        } else {
            if (end - at <= SLACK && from + size - at >= SLACK)
                memcpy(to, at, SLACK); /* always as many, which is quicker; the next text overwrites the rest */
            else
                memcpy(to, at, (size_t)(end - at));
            to += end - at;
        }
    }
    return to - column->data;
}

void texts_gather(const uint8_t *from, int64_t size, struct texts_column *columns, int32_t different, int64_t count,
                  bool quotes) {
    for (int64_t first = 0; first < count; first += NEAR) {
        const int64_t stop = count - first < NEAR ? count : first + NEAR;
        for (int32_t nth = 0; nth < different; nth++)
            columns[nth].size = gather(from, size, &columns[nth], first, stop, quotes);
    }
    for (int32_t nth = 0; nth < different; nth++)
        columns[nth].bounds[count] = columns[nth].size;
}
