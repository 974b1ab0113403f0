/* What grid.py hands over and gets back. The key of a double is an integer, and keys sort like their doubles. */

#pragma once

#include "native.h"

/* The least and the greatest key of at least one value. */
EXPORTED void grid_span(const double *values, int64_t count, int64_t *least, int64_t *greatest);

/* Adds to filled[(key >> shift) - first] how often each value occurs. */
EXPORTED void grid_fill(const double *values, const int64_t *counts, int64_t count, int32_t shift, int64_t first,
                        int64_t *filled);
