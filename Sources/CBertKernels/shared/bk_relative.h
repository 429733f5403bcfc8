// What is added to the scores of a head by the distance of two tokens and by what these hold (bk_head's relative).
//
// A query is multiplied with the row of one table for its distance to a key, a key with the row of another. Both tables
// are spread over all distances of a sequence first, in panels of 32, so that products are those of a linear and what a
// row of scores needs lies in one piece. Products of queries come a tile of queries at a time. Those of keys lie across
// the scores, so they come for a block of queries at a time, all keys of it.
#ifndef BK_RELATIVE_H
#define BK_RELATIVE_H

#include "bk_linear.h"

// The most tokens from the first query of a block to its last: few enough that a block's products stay in a second-level
// cache, and many enough that little is computed that no query of it asks for. And the keys whose products are computed with
// one panel after the other.
enum { BK_TERM_QUERIES = 128, BK_TERM_KEYS = 24, BK_TERM_ROWS = 16 };
_Static_assert(BK_TERM_KEYS % BK_FLOAT_ROWS == 0, "a few keys would end in a part of a tile");
_Static_assert(BK_TERM_ROWS >= BK_ROW_TILE && BK_TERM_ROWS >= BK_FLOAT_ROWS, "terms are made for a tile of either kind");

// Scratch memory; L is the length of the sequence in tokens, Q the number of its queries, d the head size.
typedef struct {
  float *keys;      // panels [(Q + L - 1) / 32 up][d][32]: entry e is for a key e - (Q - 1) tokens behind the query
  float *queries;   // likewise, but entry e is for a query e - (L - 1) tokens behind the key
  float *products;  // [BK_FLOAT_ROWS][width]: of some queries with the entries from `base` on
  float *asked;     // [BK_TERM_QUERIES][across]: of keys, for the queries of a block
  float *terms;     // [BK_TERM_ROWS][padded]: the sums of both, scaled; 0 for keys past the sequence's end
  float *rows;      // [BK_FLOAT_ROWS][d]: queries that do not lie one behind the other
  ptrdiff_t padded, width, across;
  ptrdiff_t first, last;  // tokens of the block; first > last before there is one
  size_t size;
} bk_terms;

BK_INLINE float *bk_take_floats(uintptr_t *at, ptrdiff_t count) {
  float *p = (float *)*at;
  *at += (uintptr_t)bk_round_up(4 * count, 64);
  return p;
}

BK_INLINE bk_terms bk_lay_out_terms(ptrdiff_t length, ptrdiff_t queries, ptrdiff_t head_size, void *base) {
  const ptrdiff_t entries = bk_round_up(queries + length - 1, BK_PANEL);
  uintptr_t at = (uintptr_t)base;
  bk_terms t = {.padded = bk_round_up(length, 32), .first = 1, .last = 0};
  // A tile's queries begin in the first of its panels, and end within the tokens of a block.
  t.width = t.padded + bk_round_up(BK_TERM_QUERIES, BK_PANEL) + 2 * BK_PANEL;
  t.across = t.padded + 16;  // Rows at a power of two would share a few sets of the cache.
  t.keys = bk_take_floats(&at, entries * head_size);
  t.queries = bk_take_floats(&at, entries * head_size);
  t.products = bk_take_floats(&at, BK_FLOAT_ROWS * t.width);
  t.asked = bk_take_floats(&at, BK_TERM_QUERIES * t.across);
  t.terms = bk_take_floats(&at, BK_TERM_ROWS * t.padded);
  t.rows = bk_take_floats(&at, BK_FLOAT_ROWS * head_size);
  t.size = (size_t)(at - (uintptr_t)base);
  return t;
}

static size_t bk_relative_scratch(ptrdiff_t length, ptrdiff_t head_size) {
  return bk_lay_out_terms(length, length, head_size, 0).size;
}

// A table in panels, `count` entries of it: the first is for the distance `distance` (of a query behind a key), the next
// for `step` more.
static void bk_spread_table(const bk_relative *from, const float *table, ptrdiff_t depth, ptrdiff_t distance, ptrdiff_t step,
                            ptrdiff_t count, float *to) {
  for (ptrdiff_t e = 0; e < bk_round_up(count, BK_PANEL); e++, distance += step) {
    float *column = to + e / BK_PANEL * depth * BK_PANEL + e % BK_PANEL;
    const ptrdiff_t place = distance + from->span;
    const float *row = table + from->row[place < 0 ? 0 : place > 2 * from->span ? 2 * from->span : place] * from->stride;
    for (ptrdiff_t d = 0; d < depth; d++) column[d * BK_PANEL] = e < count ? row[d] : 0.0f;
  }
}

static bk_terms bk_begin_terms(const bk_head *h) {
  const bk_relative *from = h->relative;
  const ptrdiff_t queries = h->length + h->unseen, count = queries + h->length - 1;
  const bk_terms t = bk_lay_out_terms(h->length, queries, h->head_size, from->scratch);
  if (from->key) bk_spread_table(from, from->key, h->head_size, queries - 1, -1, count, t.keys);
  if (from->query) bk_spread_table(from, from->query, h->head_size, 1 - h->length, 1, count, t.queries);
  return t;
}

// What a panel gives for up to BK_FLOAT_ROWS keys from j on, to where the queries of a block have it.
BK_INLINE void bk_ask_some_keys(const bk_head *h, const bk_terms *t, ptrdiff_t panel, ptrdiff_t j, ptrdiff_t keys) {
  _Alignas(64) float tile[BK_FLOAT_ROWS * BK_PANEL];
  bk_tile_f32(h->key + j * h->stride, h->stride, keys, t->queries + panel * h->head_size * BK_PANEL, h->head_size,
              bk_fetch_nothing(t->queries), tile);
  for (ptrdiff_t r = 0; r < keys; r++) {
    // The place in the block of the query that lane 0 is for.
    const ptrdiff_t query = panel * BK_PANEL - (h->length - 1) + j + r - t->first;
    const ptrdiff_t from = query < 0 ? -query : 0, left = t->last - t->first + 1 - query;
    float *to = t->asked + query * t->across + j + r;
    for (ptrdiff_t i = from; i < (left < BK_PANEL ? left : BK_PANEL); i++) to[i * t->across] = tile[r * BK_PANEL + i];
  }
}

// The products of all keys for the queries of a block, a few keys at a time: where these go stays in a first-level cache.
static void bk_ask_keys(const bk_head *h, const bk_terms *t) {
  const ptrdiff_t end = h->length - 1;
  for (ptrdiff_t some = 0; some <= end; some += BK_TERM_KEYS) {
    const ptrdiff_t last = some + BK_TERM_KEYS - 1 < end ? some + BK_TERM_KEYS - 1 : end;
    for (ptrdiff_t p = (t->first - last + end) / BK_PANEL; p <= (t->last - some + end) / BK_PANEL; p++) {
      for (ptrdiff_t j = some; j <= last; j += BK_FLOAT_ROWS) {
        const ptrdiff_t n = last - j + 1 < BK_FLOAT_ROWS ? last - j + 1 : BK_FLOAT_ROWS;
        // Others of these keys have entries in this panel, but not every tile of them.
        const int has = (p + 1) * BK_PANEL > t->first - (j + n - 1) + end && p * BK_PANEL <= t->last - j + end;
        if (has) bk_ask_some_keys(h, t, p, j, n);
      }
    }
  }
}

// How many of `rows` rows from `row` on have their tokens in one block, which is computed where it is not there yet.
static ptrdiff_t bk_open_block(const bk_head *h, bk_terms *t, ptrdiff_t row, ptrdiff_t rows) {
  const ptrdiff_t token = bk_head_token(h, row), all = bk_head_rows(h);
  if (token > t->last || token < t->first) {
    ptrdiff_t end = row + 1;
    while (end < all && end - row < BK_TERM_QUERIES && bk_head_token(h, end) < token + BK_TERM_QUERIES) end++;
    t->first = token, t->last = bk_head_token(h, end - 1);
    if (h->relative->query) bk_ask_keys(h, t);
  }
  ptrdiff_t n = 1;
  while (n < rows && bk_head_token(h, row + n) <= t->last) n++;
  return n;
}

// The products of up to BK_FLOAT_ROWS queries of a block with their entries; returns the first entry there.
static ptrdiff_t bk_ask_queries(const bk_head *h, const bk_terms *t, ptrdiff_t row, ptrdiff_t rows) {
  _Alignas(64) float tile[BK_FLOAT_ROWS * BK_PANEL];
  const float *query = bk_head_query(h, row);
  ptrdiff_t stride = h->stride;
  if (h->wanted) {
    for (ptrdiff_t r = 0; r < rows; r++)
      memcpy(t->rows + r * h->head_size, bk_head_query(h, row + r), (size_t)h->head_size * sizeof(float));
    query = t->rows, stride = h->head_size;
  }
  const ptrdiff_t end = h->length + h->unseen - 1, low = end - bk_head_token(h, row + rows - 1);
  const ptrdiff_t first = low / BK_PANEL, last = (end - bk_head_token(h, row) + h->length - 1) / BK_PANEL;
  for (ptrdiff_t p = first; p <= last; p++) {
    bk_tile_f32(query, stride, rows, t->keys + p * h->head_size * BK_PANEL, h->head_size, bk_fetch_nothing(t->keys), tile);
    for (ptrdiff_t r = 0; r < rows; r++)
      memcpy(t->products + r * t->width + (p - first) * BK_PANEL, tile + r * BK_PANEL, BK_PANEL * sizeof(float));
  }
  return first * BK_PANEL;
}

// The terms of rows of a block, BK_TERM_ROWS at most.
static void bk_make_terms(const bk_head *h, const bk_terms *t, ptrdiff_t row, ptrdiff_t rows) {
  const bk_relative *from = h->relative;
  for (ptrdiff_t some = 0; some < rows; some += BK_FLOAT_ROWS) {
    const ptrdiff_t n = rows - some < BK_FLOAT_ROWS ? rows - some : BK_FLOAT_ROWS;
    const ptrdiff_t base = from->key ? bk_ask_queries(h, t, row + some, n) : 0;
    for (ptrdiff_t r = 0; r < n; r++) {
      const ptrdiff_t token = bk_head_token(h, row + some + r);
      const float *products = t->products + r * t->width + (h->length + h->unseen - 1 - token - base);
      const float *asked = t->asked + (token - t->first) * t->across;
      float *to = t->terms + (some + r) * t->padded;
      for (ptrdiff_t j = 0; j < t->padded; j += 16) {
        f32x16 x;
        if (!from->query) x = bk_load(products + j);
        else if (!from->key) x = bk_load(asked + j);
        else x = bk_load(products + j) + bk_load(asked + j);
        bk_store(to + j, bk_only(x * h->score_scale, h->length - j, 0.0f));
      }
    }
  }
}

#endif
