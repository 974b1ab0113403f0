/* What tokens.py hands over and gets back; the fields are told there, in the same order. */

#pragma once

#include "native.h"

#include <stdbool.h>
#include <stdint.h>

enum { TOKENS_MOST_COLUMNS = 2000 };
enum { TOKENS_NUMBER, TOKENS_CODED, TOKENS_TEXT };
enum tokens_outcome { TOKENS_READ, TOKENS_UNUSUAL, TOKENS_MANY_WORDS };

struct tokens_word {
    uint64_t first;
    int32_t begin, length;
};

struct tokens_column {
    int32_t type, required;
    double *numbers;
    int32_t *codes;
    struct tokens_word *known;
    int32_t *slots;
    int32_t words, most_words;
    int64_t *cells; /* where each ends, above the 32 bits that tell where it begins */
    int64_t octets;
};

struct tokens_table {
    const uint8_t *data;
    int64_t size, first_line;
    uint8_t delimiter, mark, quotes, returns, every_line;
    int32_t width, columns;
    const int32_t *places;
    struct tokens_column *column;
    int32_t *begins, *lines;
    uint16_t *judged;
    int32_t *misfit_rows, *misfit_widths;
    int64_t most_rows, most_misfits; /* in columns and judged only as many as fit: one has a byte for each cell */
    int64_t rows, good, misfits;
};

/* How often each of these *different* bytes occurs. */
EXPORTED void tokens_count(const uint8_t *data, int64_t size, const uint8_t *bytes, int32_t different, int64_t *counts);

EXPORTED enum tokens_outcome tokens_read(struct tokens_table *table);

/* The same of texts, of which number i lies from bounds[i] to bounds[i + 1]: what they are, and how sure that is. */
EXPORTED void tokens_numbers(const uint8_t *data, const int64_t *bounds, int64_t count, uint8_t mark, double *numbers,
                             uint8_t *judged);
