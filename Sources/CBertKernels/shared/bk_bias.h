// What is added to the scores of a head by the distance of two tokens (bk_head's bias).
//
// The table is spread over all distances of a sequence, so that what a row of scores needs lies in one piece: entry k is
// for a key k - (queries - 1) tokens behind the query.
#ifndef BK_BIAS_H
#define BK_BIAS_H

#include "bk_vector.h"

// Elements of a spread table for so many queries, and scores padded to so many.
BK_INLINE ptrdiff_t bk_bias_size(ptrdiff_t queries, ptrdiff_t padded) { return bk_round_up(queries + padded, 16); }

// Where the row of a query begins: what key 0 gets.
BK_INLINE ptrdiff_t bk_bias_row(const bk_head *h, ptrdiff_t token) { return h->length + h->unseen - 1 - token; }

static void bk_spread_bias(const bk_head *h, float *to, ptrdiff_t size) {
  const ptrdiff_t span = h->bias_span;
  ptrdiff_t at = span - (h->length + h->unseen - 1);  // of entry 0 in the table
  for (ptrdiff_t k = 0; k < size; k++, at++) {
    to[k] = h->bias[at < 0 ? 0 : at > 2 * span ? 2 * span : at];
  }
}

#endif
