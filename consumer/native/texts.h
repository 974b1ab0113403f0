/* What texts.py hands over and gets back. Text i lies from bounds[i] to bounds[i + 1] of the data. */

#pragma once

#include "native.h"

#include <stdbool.h>

struct texts_slot {
    uint64_t key;
    int32_t known; /* the code of the text that has it, and one; 0 where it is free */
};

/* There are a power of two of slots, at least twice as many as texts; of the rest, as many as texts. */
struct texts_room {
    struct texts_slot *slots;
    int64_t most_slots;
    int64_t head, many;
    int32_t *codes, *firsts;
    int64_t *counts;
};

enum { TEXTS_CROWDED = -1, TEXTS_DIFFER = -2 };

/* Numbers different texts in the order in which they appear: codes[i] is that of text i, firsts[code] the first text
 * that has it, counts[code] how many have it. Returns how many there are, CROWDED where the texts are in each other's
 * way, DIFFER where more than *many* of the first *head* are different ones.
 */
EXPORTED int64_t texts_encode(const uint8_t *data, const int64_t *bounds, int64_t count,
                              const struct texts_room *room);

/* Spreads values over all 64 bits, each to another one. */
EXPORTED void texts_mix(uint64_t *values, int64_t count);

/* A polynomial of each text's bytes, the first of which counts as it is: modulo 2**64, with this multiplier; mixed. */
EXPORTED void texts_hashes(const uint8_t *data, const int64_t *bounds, int64_t count, uint64_t multiplier,
                           uint64_t *hashes);

/* The places of the hashes that are less. Returns how many there are. */
EXPORTED int64_t texts_below(const uint64_t *hashes, int64_t count, uint64_t bound, int32_t *places);

/* Adds to each row's sum the hash of its text, times the factor; a row whose code is not *known* has no text. */
EXPORTED void texts_add_to_rows(const uint64_t *hashes, int64_t known, uint64_t factor, const int32_t *codes,
                                int64_t rows, uint64_t *sums);

/* For each register, which the lowest *bits* of a hash tell, the least that the *used* bits above them come to. */
EXPORTED void texts_least(const uint64_t *hashes, int64_t count, int32_t bits, int32_t used, uint64_t *least);

/* For each text the bits of all its bytes together; *table* has those of each byte. Tells which of the 256 there are. */
EXPORTED void texts_sorts(const uint8_t *data, const int64_t *bounds, int64_t count, const uint8_t *table,
                          uint8_t *sorts, bool *there);

EXPORTED extern const int64_t texts_slack;

/* A column's texts. First the bounds tell where each lies: where it ends, above the 32 bits that tell where it begins.
 * There is one more of them than texts, and room for *texts_slack* more bytes than all texts have; *size* are there.
 */
struct texts_column {
    int64_t *bounds;
    uint8_t *data;
    int64_t size;
};

/* Puts the texts of these *different* columns, which lie in *from*, one after another into the data of each.
 *
 * Of a text that stands behind a quote two quotes become one, where there are *quotes*.
 */
EXPORTED void texts_gather(const uint8_t *from, int64_t size, struct texts_column *columns, int32_t different,
                           int64_t count, bool quotes);
