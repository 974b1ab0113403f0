/* What sums.py hands over and gets back. */

#pragma once

#include "native.h"

#include <stdbool.h>

enum { SUMS_PIECE = 40 }; /* bits; so 2**22 values fit before a piece has more than 63 */

/* The least and the greatest exponent, as doubles have them, of those that are not zero; false if one is not finite. */
EXPORTED bool sums_span(const double *values, int64_t count, int32_t *least, int32_t *greatest);

/* Adds the finite *values* of code c to the *pieces* of totals[c * pieces]; a code below zero is left out, and without
 * codes all are 0. Piece k counts in units of 2**(base - 1075 + 40 * k). No exponent is below the base, and there are
 * three pieces from that of the greatest exponent on.
 */
EXPORTED void sums_add(const double *values, const int32_t *codes, int64_t count, int32_t base, int32_t pieces,
                       int64_t *totals);

/* Adds the finite *values* to one sum and their squares to another, each as often as it weighs, less than 2**22 in all;
 * without weights, once. The squares' piece k counts in units of 2**(2 * (base - 1075) + 40 * k). There are four pieces
 * from that of the greatest exponent, or of its double, on.
 */
EXPORTED void sums_add_weighed(const double *values, const int64_t *weights, int64_t count, int32_t base,
                               int64_t *totals, int64_t *squares);

/* The same where all are whole numbers below 2**31: the sum, and that of the squares as two words, the lower one first;
 * false where one is not.
 */
EXPORTED bool sums_whole(const double *values, const int64_t *weights, int64_t count, int64_t *total,
                         uint64_t squares[2]);
