/* What texts.py hands over and gets back. Text i lies from bounds[i] to bounds[i + 1] of the data. */

#pragma once

#include "native.h"

#include <stdbool.h>

/* Numbers different texts in the order in which they appear: codes[i] is that of text i, firsts[code] the first text
 * that has it. *slots* are zeros, a power of two and at least twice as many as there are texts. Returns how many, or
 * -1 where the texts are in each other's way.
 */
EXPORTED int64_t texts_encode(const uint8_t *data, const int64_t *bounds, int64_t count, uint32_t *slots,
                              int64_t most_slots, int32_t *codes, int32_t *firsts);

/* A polynomial of each text's bytes, the first of which counts as it is: modulo 2**64, with this multiplier; mixed. */
EXPORTED void texts_hashes(const uint8_t *data, const int64_t *bounds, int64_t count, uint64_t multiplier,
                           uint64_t *hashes);

/* Adds to each row's sum the hash of its text, times the factor; a row whose code is not *known* has no text. */
EXPORTED void texts_add_to_rows(const uint64_t *hashes, int64_t known, uint64_t factor, const int32_t *codes,
                                int64_t rows, uint64_t *sums);

/* For each register, which the lowest *bits* of a hash tell, the least that the *used* bits above them come to. */
EXPORTED void texts_least(const uint64_t *hashes, int64_t count, int32_t bits, int32_t used, uint64_t *least);

/* For each text the bits of all its bytes together; *table* has those of each byte. */
EXPORTED void texts_sorts(const uint8_t *data, const int64_t *bounds, int64_t count, const uint8_t *table,
                          uint8_t *sorts);

/* Puts texts that lie from begins[i] to ends[i] of *from*, which has *size* bytes, one after another into *data*.
 *
 * Of a text that stands behind a quote two quotes become one, where there are *quotes*. There is room for SLACK more
 * bytes than all texts have. Returns how many they have.
 */
enum { TEXTS_SLACK = 16 };
EXPORTED int64_t texts_gather(const uint8_t *from, int64_t size, const int32_t *begins, const int32_t *ends,
                              int64_t count, int32_t quotes, int64_t *bounds, uint8_t *data);
