/* Rows of delimited text to numbers, coded texts and places of cells, in one pass over their bytes.
 *
 * What it is not sure of it leaves to others: it says so for a cell (HARD), or for all rows (UNUSUAL). It allocates
 * nothing, keeps nothing, and writes only where its caller has told it to, as many entries as its caller has told it.
 */

#include "tokens.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { BLOCK = 64 };
enum { COUNTED = 240, AT_ONCE = 64 * COUNTED }; /* bytes: as many as a byte can count, and as stay in the nearest cache */

typedef unsigned __int128 wide;

/* Marks: a bit for each of 64 bytes, the first byte's is the lowest. */

#if defined(__SSE2__)
static inline uint64_t marks(const uint8_t *block, uint8_t byte) {
    const __m128i wanted = _mm_set1_epi8((char)byte);
    uint64_t found = 0;
    for (int at = 0; at < 4; at++) {
        const __m128i octets = _mm_loadu_si128((const __m128i *)(block + 16 * at));
        found |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(octets, wanted)) << (16 * at);
    }
    return found;
}
#else
static inline uint64_t marks(const uint8_t *block, uint8_t byte) {
    const uint64_t low = 0x7f7f7f7f7f7f7f7f, ones = 0x0101010101010101;
    uint64_t found = 0;
    for (int at = 0; at < BLOCK / WORD; at++) {
        const uint64_t other = load(block + WORD * at) ^ (ones * byte);
        const uint64_t zeros = ~(((other & low) + low) | other | low) >> 7; /* a one for each byte that is zero */
        found |= ((zeros * 0x0102040810204080) >> 56) << (WORD * at); /* a bit for each byte */
    }
    return found;
}
#endif

/* Whether each byte lies behind an odd number of quotes, itself included. */
static inline uint64_t parity(uint64_t quotes) {
    for (int shift = 1; shift < BLOCK; shift *= 2)
        quotes ^= quotes << shift;
    return quotes;
}

/* Numbers */

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { EXACT_POWER = 22, WHOLE_POWER = 19, MOST_DIGITS = 19 };
static const int64_t MOST_EXPONENT = 1000000000000; /* more than the zeros of any cell make up for */

static inline bool is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

/* digits / whole, rounded once; neither is 0. */
static double divided(uint64_t digits, uint64_t whole) {
    const int shift = __builtin_clzll(digits);
    const wide numerator = (wide)(digits << shift) << 64; /* the quotient has 64 bits and more */
    const wide quotient = numerator / whole;
    const wide sticky = numerator != quotient * whole; /* below the last bit that can count */
    double found = (double)(quotient | sticky);
    for (int left = shift + 64; left > 0; left -= 32)
        found *= left < 32 ? 1.0 / (double)((uint64_t)1 << left) : 1.0 / 4294967296.0; /* exact: powers of two */
    return found;
}

/* digits * 10**power, rounded once; false where that takes more than 128 bits. */
static bool scaled(uint64_t digits, int64_t power, double *number) {
    if (digits == 0) {
        *number = 0.0;
        return true;
    }
    if (digits <= (uint64_t)1 << 53 && power >= -EXACT_POWER && power <= EXACT_POWER) {
        /* both are exact doubles: W. D. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990 */
        *number = power < 0 ? (double)digits / POWERS[-power] : (double)digits * POWERS[power];
        return true;
    }
    if (power < -WHOLE_POWER || power > WHOLE_POWER)
        return false;
    uint64_t whole = 1;
    for (int64_t left = power < 0 ? -power : power; left > 0; left--)
        whole *= 10;
    *number = power < 0 ? divided(digits, whole) : (double)((wide)digits * whole);
    return true;
}

static const uint64_t ONES = 0x0101010101010101;

static inline bool are_digits(uint64_t digits) { return !((digits | (digits + ONES * 6)) & (ONES * 0xf0)); }

/* Neighbours are joined, then pairs of them, then fours: the first digit is the lowest byte. */
static inline uint64_t joined(uint64_t digits) {
    digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ff;
    digits = (digits * 100 + (digits >> 16)) & 0x0000ffff0000ffff;
    return (digits * 10000 + (digits >> 32)) & 0xffffffff;
}

/* Up to eight characters that end at *end*, of which all may be read. */
static inline bool short_number(const uint8_t *end, int64_t length, uint8_t mark, double *number) {
    uint64_t digits = last_of(load(end - WORD) ^ (ONES * '0'), length); /* what stands before counts as zeros */
    const uint64_t other = digits ^ (ONES * (uint8_t)(mark ^ '0'));
    const uint64_t points = (other - ONES) & ~other & (ONES << 7);
    int fraction = 0;
    if (points) {
        const int at = __builtin_ctzll(points) & ~(BITS - 1); /* the bits below those of the mark */
        const uint64_t below = ((uint64_t)1 << at) - 1;
        fraction = WORD - 1 - at / BITS;
        digits = ((digits & below) << BITS) | (digits & ~below & ~((uint64_t)0xff << at));
    }
    if (!are_digits(digits) || (points && length == 1))
        return false;
    *number = (double)(uint32_t)joined(digits) / POWERS[fraction];
    return true;
}

/* Nine to sixteen digits that end at *end*; the sixteen bytes before it may be read. */
static inline bool whole_number(const uint8_t *at, const uint8_t *end, double *number) {
    const int64_t length = end - at;
    if (length <= WORD || length > 2 * WORD)
        return false;
    const uint64_t low = load(end - WORD) ^ (ONES * '0');
    const uint64_t high = last_of(load(end - 2 * WORD) ^ (ONES * '0'), length - WORD);
    *number = (double)(int64_t)(joined(high) * 100000000 + joined(low));
    return are_digits(low) && are_digits(high);
}

/* At most a minus and eight digits and marks; at least eight bytes before *end* may be read. */
static inline bool plain_number(const uint8_t *at, const uint8_t *end, uint8_t mark, double *number) {
    if (at >= end)
        return false;
    const bool negative = *at == '-';
    at += negative;
    if (end - at > WORD || at == end || !short_number(end, end - at, mark, number))
        return false;
    uint64_t bits;
    memcpy(&bits, number, sizeof bits);
    bits ^= (uint64_t)negative << 63;
    memcpy(number, &bits, sizeof bits);
    return true;
}

/* What most numbers are; nothing before *data* may be read. */
static inline bool usual_number(const uint8_t *data, const uint8_t *at, const uint8_t *end, uint8_t mark,
                                double *number) {
    return (end - data >= WORD && plain_number(at, end, mark, number)) ||
           (end - data >= 2 * WORD && whole_number(at, end, number));
}

enum judgement { GOOD, MISSING, WRONG, HARD, JUDGEMENTS };

static inline bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

/* Whether there is surely no white space but what is_blank knows. */
static bool is_plain(const uint8_t *at, const uint8_t *end) {
    for (; at < end; at++)
        if ((*at < ' ' && *at != '\t') || *at >= 127)
            return false;
    return true;
}

/* Adds the exponent at *at* to *power*; where it ends, NULL where there is none. */
static const uint8_t *add_exponent(const uint8_t *at, const uint8_t *end, int64_t *power) {
    const bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return NULL;
    int64_t exponent = 0;
    for (; at < end && is_digit(*at); at++)
        exponent = exponent > MOST_EXPONENT ? exponent : exponent * 10 + (*at - '0');
    *power += negative ? -exponent : exponent;
    return at;
}

static enum judgement long_number(const uint8_t *at, const uint8_t *end, uint8_t mark, double *number) {
    uint64_t digits = 0;
    int64_t count = 0, power = 0;
    bool any = false, hard = false;
    for (bool fraction = false; at < end; at++) {
        if (is_digit(*at)) {
            any = true;
            power -= fraction;
            if (count < MOST_DIGITS) {
                digits = digits * 10 + (uint64_t)(*at - '0');
                count += digits > 0;
            } else {
                hard = true;
            }
        } else if (*at == mark && !fraction) {
            fraction = true;
        } else {
            break;
        }
    }
    if (any && at < end && (*at == 'e' || *at == 'E'))
        at = add_exponent(at + 1, end, &power);
    if (!any || at != end)
        return WRONG;
    return !hard && scaled(digits, power, number) ? GOOD : HARD;
}

static __attribute__((noinline)) enum judgement number_of(const uint8_t *at, const uint8_t *end, uint8_t mark,
                                                          bool required, double *number) {
    while (at < end && is_blank(*at))
        at++;
    while (at < end && is_blank(end[-1]))
        end--;
    *number = __builtin_nan("");
    if (at == end)
        return required ? MISSING : GOOD;
    const uint8_t *begin = at;
    const bool negative = *at == '-';
    if (negative || *at == '+')
        at++;
    double found;
    const enum judgement judged = long_number(at, end, mark, &found);
    if (judged == GOOD)
        *number = negative ? -found : found;
    return judged == WRONG && !is_plain(begin, end) ? HARD : judged;
}

/* Coded texts */

static inline uint64_t mixed(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ (hash >> 29);
}

static inline uint64_t first_bytes(const uint8_t *at, int64_t length, const uint8_t *limit) {
    return length < WORD ? short_word(at, length, limit) : load(at);
}

/* Longer ways to a slot have only words that were chosen to want the same one, and more time than all the rest. */
enum { MOST_STEPS = 256 };

/* The code of a text; -1 where there are too many different ones, or they are in each other's way. */
static int32_t code_of(struct tokens_column *column, const uint8_t *data, const uint8_t *at, int64_t length,
                       const uint8_t *limit) {
    const uint64_t first = first_bytes(at, length, limit);
    uint64_t hash = mixed((uint64_t)length, first);
    for (int64_t done = WORD; done < length; done += WORD)
        hash = mixed(hash, first_bytes(at + done, length - done, limit));
    const uint64_t mask = ((uint64_t)2 * (uint64_t)column->most_words) - 1; /* most_words is a power of two */
    uint64_t slot = (hash >> 20) & mask;
    for (int step = 0; step < MOST_STEPS; step++, slot = (slot + 1) & mask) {
        const int32_t code = column->slots[slot] - 1;
        if (code < 0) {
            if (column->words >= column->most_words)
                return -1;
            struct tokens_word *word = &column->known[column->words];
            word->first = first;
            word->begin = (int32_t)(at - data);
            word->length = (int32_t)length;
            column->slots[slot] = ++column->words;
            return column->words - 1;
        }
        const struct tokens_word *word = &column->known[code];
        if (word->first == first && word->length == length &&
            (length <= WORD || memcmp(data + word->begin + WORD, at + WORD, (size_t)(length - WORD)) == 0))
            return code;
    }
    return -1;
}

/* Cells and rows */

enum { CELLS = 4096 };

/* Where the cells of some rows that fit lie, column by column; the last column is for cells that nobody asked for.
 * The column of the cells in a row's nth place begins at firsts[n].
 */
struct batch {
    int32_t begins[CELLS], ends[CELLS], firsts[TOKENS_MOST_COLUMNS + 1];
    int32_t rows, most;
};

struct cell {
    const uint8_t *begin, *end;
};

static inline struct cell cell_of(const struct tokens_table *table, const struct batch *batch, int32_t at) {
    struct cell cell = {table->data + batch->begins[at], table->data + batch->ends[at]};
    if (table->quotes && cell.begin < cell.end && *cell.begin == '"') { /* then it also ends with one */
        cell.begin++;
        cell.end--;
    }
    return cell;
}

static void numbers_of(const struct tokens_table *table, const struct batch *batch, int32_t nth) {
    const struct tokens_column *column = &table->column[nth];
    const int32_t first = nth * batch->most;
    double *numbers = column->numbers + table->good;
    uint16_t *judged = table->judged + table->good;
    const uint8_t mark = table->mark;
    for (int32_t row = 0; row < batch->rows; row++) {
        const struct cell cell = cell_of(table, batch, first + row);
        if (usual_number(table->data, cell.begin, cell.end, mark, &numbers[row]))
            continue;
        const enum judgement found = number_of(cell.begin, cell.end, mark, column->required, &numbers[row]);
        if (found != GOOD && judged[row] == GOOD)
            judged[row] = (uint16_t)(nth * JUDGEMENTS + (int32_t)found);
    }
}

static bool codes_of(const struct tokens_table *table, struct tokens_column *column, const struct batch *batch,
                     int32_t first) {
    int32_t *codes = column->codes + table->good;
    for (int32_t row = 0; row < batch->rows; row++) {
        const struct cell cell = cell_of(table, batch, first + row);
        codes[row] = code_of(column, table->data, cell.begin, cell.end - cell.begin, table->data + table->size);
        if (codes[row] < 0)
            return false;
    }
    return true;
}

static void places_of(const struct tokens_table *table, struct tokens_column *column, const struct batch *batch,
                      int32_t first) {
    for (int32_t row = 0; row < batch->rows; row++) {
        const struct cell cell = cell_of(table, batch, first + row);
        column->cells[table->good + row] = (cell.begin - table->data) | (cell.end - table->data) << 32;
        column->octets += cell.end - cell.begin;
    }
}

static bool convert(struct tokens_table *table, struct batch *batch) {
    memset(table->judged + table->good, GOOD, (size_t)batch->rows * sizeof *table->judged);
    for (int32_t nth = 0; nth < table->columns; nth++) {
        struct tokens_column *column = &table->column[nth];
        const int32_t first = nth * batch->most;
        if (column->type == TOKENS_NUMBER)
            numbers_of(table, batch, nth);
        else if (column->type == TOKENS_TEXT)
            places_of(table, column, batch, first);
        else if (!codes_of(table, column, batch, first))
            return false;
    }
    table->good += batch->rows;
    batch->rows = 0;
    return true;
}

static bool is_all_blank(const uint8_t *at, const uint8_t *end) {
    while (at < end && is_blank(*at))
        at++;
    return at == end;
}

static bool note_misfit(struct tokens_table *table, int32_t begin, int32_t end, int32_t width) {
    if (table->misfits >= table->most_misfits)
        return false;
    const bool blank = width == 1 && is_all_blank(table->data + begin, table->data + end);
    if (width == 1 && !blank && !is_plain(table->data + begin, table->data + end))
        return false; /* it may be blank */
    table->misfit_rows[table->misfits] = (int32_t)table->rows;
    table->misfit_widths[table->misfits++] = blank ? 0 : width;
    return true;
}

/* What separates cells in 64 bytes, and what has to be known of the bytes before these. */
struct scan {
    uint64_t newlines; /* each of them */
    uint64_t hidden;   /* those in quotes */
    uint64_t ends;     /* of cells, and the hidden newlines */
    uint64_t inside;   /* all ones while the last byte before lies in quotes */
    uint64_t edge;     /* one where a cell may begin at the next byte */
    uint64_t closed;   /* one where the last byte before is a quote that closes */
    uint64_t returned; /* one where it is a carriage return */
};

/* False where quotes stand elsewhere than around a cell, or a carriage return ends a line alone. */
static inline bool look(struct scan *scan, const struct tokens_table *table, const uint8_t *block) {
    scan->newlines = marks(block, '\n');
    scan->ends = scan->newlines | marks(block, table->delimiter);
    uint64_t returns = 0;
    if (table->returns) {
        returns = marks(block, '\r');
        if (((returns << 1) | scan->returned) & ~scan->newlines)
            return false;
        scan->returned = returns >> (BLOCK - 1);
    }
    if (!table->quotes)
        return true;
    const uint64_t quotes = marks(block, '"'), within = parity(quotes) ^ scan->inside;
    const uint64_t opening = quotes & within, closing = quotes & ~within, outer = scan->ends & ~within;
    const uint64_t behind = (closing << 1) | scan->closed;
    if ((opening & ~((outer << 1) | scan->edge | behind)) || (behind & ~(outer | opening | (returns & ~within))))
        return false;
    scan->hidden = scan->newlines & within;
    scan->ends = outer | scan->hidden;
    scan->inside = (uint64_t)0 - (within >> (BLOCK - 1));
    scan->edge = outer >> (BLOCK - 1);
    scan->closed = closing >> (BLOCK - 1);
    return true;
}

static int64_t count(const uint8_t *data, int64_t size, uint8_t byte) {
    int64_t found = 0, at = 0;
    for (; size - at >= COUNTED; at += COUNTED) {
        uint8_t few = 0; /* which compilers add up in vectors */
        for (int nth = 0; nth < COUNTED; nth++)
            few = (uint8_t)(few + (data[at + nth] == byte));
        found += few;
    }
    for (; at < size; at++)
        found += data[at] == byte;
    return found;
}

void tokens_count(const uint8_t *data, int64_t size, const uint8_t *bytes, int32_t different, int64_t *counts) {
    memset(counts, 0, (size_t)different * sizeof *counts);
    for (int64_t at = 0; at < size; at += AT_ONCE)
        for (int32_t nth = 0; nth < different; nth++)
            counts[nth] += count(data + at, size - at < AT_ONCE ? size - at : AT_ONCE, bytes[nth]);
}

/* Where the next cell begins, and its row. */
struct cursor {
    int32_t begin, cell;
    int32_t row_begin, row_line;
    int32_t line; /* that of what is looked at */
};

static inline void put_cell(const struct tokens_table *table, struct batch *batch, const struct cursor *next,
                            int32_t end) {
    const int32_t place = next->cell < table->width ? next->cell : table->width;
    const int32_t to = batch->firsts[place] + batch->rows;
    batch->begins[to] = next->begin;
    batch->ends[to] = end;
}

/* The row whose last cell ends before a newline at *end*. */
static inline enum tokens_outcome put_row(struct tokens_table *table, struct batch *batch, const struct cursor *next,
                                          int32_t end) {
    if (table->returns && end > next->begin && table->data[end - 1] == '\r')
        end--;
    if (next->cell == 0 && end == next->row_begin) /* an empty line is no row */
        return TOKENS_READ;
    if (table->rows >= table->most_rows)
        return TOKENS_UNUSUAL;
    table->begins[table->rows] = next->row_begin;
    table->lines[table->rows] = next->row_line;
    if (next->cell != table->width - 1) {
        if (!note_misfit(table, next->row_begin, end, next->cell + 1))
            return TOKENS_UNUSUAL;
    } else {
        put_cell(table, batch, next, end);
        if (++batch->rows == batch->most && !convert(table, batch))
            return TOKENS_MANY_WORDS;
    }
    table->rows++;
    return TOKENS_READ;
}

/* The cells and rows that end in the block at *begin*. */
static inline enum tokens_outcome put_block(struct tokens_table *table, struct batch *batch, struct cursor *next,
                                            const struct scan *scan, int32_t begin) {
    for (uint64_t ends = scan->ends; ends; ends &= ends - 1) {
        const int bit = __builtin_ctzll(ends);
        const int32_t end = begin + bit;
        if (!((scan->newlines >> bit) & 1)) {
            put_cell(table, batch, next, end);
            next->begin = end + 1;
            next->cell++;
        } else if ((scan->hidden >> bit) & 1) {
            next->line += table->every_line;
        } else {
            const enum tokens_outcome outcome = put_row(table, batch, next, end);
            if (outcome != TOKENS_READ)
                return outcome;
            next->cell = 0;
            next->row_begin = next->begin = end + 1;
            next->row_line = ++next->line;
        }
    }
    return TOKENS_READ;
}

/* Whether all places and lines can be told in 32 bits, and every row ends. */
static bool is_usual(const struct tokens_table *table) {
    return table->width >= 2 && table->width <= TOKENS_MOST_COLUMNS && table->columns < CELLS && table->size >= 1 &&
           table->size <= INT32_MAX - BLOCK && table->first_line <= INT32_MAX - table->size &&
           table->data[table->size - 1] == '\n';
}

static void lay_out(struct batch *batch, const struct tokens_table *table) {
    batch->most = CELLS / (table->columns + 1);
    for (int32_t place = 0; place < table->width; place++)
        batch->firsts[place] = table->places[place] * batch->most;
    batch->firsts[table->width] = table->columns * batch->most;
}

enum tokens_outcome tokens_read(struct tokens_table *table) {
    if (!is_usual(table))
        return TOKENS_UNUSUAL;
    struct batch batch = {.rows = 0};
    lay_out(&batch, table);
    struct scan scan = {.edge = 1};
    struct cursor next = {.line = (int32_t)table->first_line, .row_line = (int32_t)table->first_line};
    const int32_t size = (int32_t)table->size;
    uint8_t last[BLOCK] = {0};
    for (int32_t begin = 0; begin < size; begin += BLOCK) {
        const uint8_t *block = table->data + begin;
        if (size - begin < BLOCK)
            block = memcpy(last, block, (size_t)(size - begin));
        if (!look(&scan, table, block))
            return TOKENS_UNUSUAL;
        const enum tokens_outcome outcome = put_block(table, &batch, &next, &scan, begin);
        if (outcome != TOKENS_READ)
            return outcome;
    }
    if (next.row_begin != size) /* quotes that are not closed */
        return TOKENS_UNUSUAL;
    return convert(table, &batch) ? TOKENS_READ : TOKENS_MANY_WORDS;
}

void tokens_numbers(const uint8_t *data, const int64_t *bounds, int64_t count, uint8_t mark, double *numbers,
                    uint8_t *judged) {
    for (int64_t nth = 0; nth < count; nth++) {
        const uint8_t *at = data + bounds[nth], *end = data + bounds[nth + 1];
        judged[nth] = GOOD;
        if (!usual_number(data, at, end, mark, &numbers[nth]))
            judged[nth] = (uint8_t)number_of(at, end, mark, true, &numbers[nth]);
    }
}
