// The scratch memory that attention in int8 needs for one head of one sequence.
#ifndef BK_HEAD_H
#define BK_HEAD_H

#include "bk_bias.h"
#include "bk_linear.h"

// Bytes that the scores of the queries at work may take, so that they stay in the first-level cache.
enum { BK_SCORE_BYTES = 12288 };

// Takes so many bytes, rounded up to a cache line.
BK_INLINE void *bk_take(uintptr_t *at, ptrdiff_t bytes) {
  void *p = (void *)*at;
  *at += (uintptr_t)bk_round_up(bytes, 64);
  return p;
}

// Where the parts lie; d is the head size, L the length of the sequence in tokens.
//
// Values have a scale a token, but the products of weights and values are summed over tokens, where no scale can be
// applied. So each token has a factor instead: the largest value scale / its own value scale, fixed point with 256 = 1,
// at most 32. Its log2 is subtracted from the token's scores, which has the effect of applying the scale; and the factor
// multiplies the token's weight in the softmax's denominator, which takes that effect out of it again.
struct bk_head_scratch {
  int8_t *keys;         // panels [ceil(L/32)][ceil(d/4)][32][4]
  int8_t *values;       // panels [ceil(d/32)][ceil(L/4)][32][4]
  int32_t *key_start;   // [L up to 32]: -128 * sum of the key, undoing the query's + 128, less the factor's log2
  int32_t *bias;        // [bk_bias_size]: what distances add, in units of a score
  int32_t *value_start; // [d up to 32]: what the sums over values start from
  float *key_step;      // [d up to 32]: a key channel's scale
  float *value_times;   // [L up to 32]: the largest magnitude of each token's values; then its factor; then 127 / its magnitude
  int16_t *value_factor;// [L up to 32]: the factors, in bk_store_factors' order
  uint8_t *queries;     // [BK_ROW_TILE][d up to 4], + 128
  int32_t *scores;      // [BK_ROW_TILE][L up to 32]
  uint8_t *weights;     // [BK_ROW_TILE][L up to 32]: attention weights, 255 for the row's largest
  void *rows;           // what bk_prepare_rows needs for a tile
  ptrdiff_t padded;     // L up to 32
  size_t size;
};

BK_INLINE bk_head_scratch bk_lay_out_s8(ptrdiff_t length, ptrdiff_t queries, ptrdiff_t head_size, void *base) {
  const ptrdiff_t padded = bk_round_up(length, 32), width = bk_round_up(head_size, 32);
  const ptrdiff_t deepest = padded > width ? padded : width;
  uintptr_t at = (uintptr_t)base;
  bk_head_scratch s;
  s.keys = bk_take(&at, padded * bk_round_up(head_size, 4));
  s.values = bk_take(&at, width * bk_round_up(length, 4));
  s.key_start = bk_take(&at, padded * 4);
  s.value_start = bk_take(&at, width * 4);
  s.key_step = bk_take(&at, width * 4);
  s.value_times = bk_take(&at, padded * 4);
  s.value_factor = bk_take(&at, padded * 2);
  s.queries = bk_take(&at, BK_ROW_TILE * width);
  s.scores = bk_take(&at, BK_ROW_TILE * padded * 4);
  s.weights = bk_take(&at, BK_ROW_TILE * padded);
  s.rows = bk_take(&at, (ptrdiff_t)bk_rows_scratch(BK_ROW_TILE, deepest / 4));
  s.bias = bk_take(&at, bk_bias_size(queries, padded) * 4);
  s.padded = padded;
  s.size = (size_t)(at - (uintptr_t)base);
  return s;
}

static size_t bk_attend_s8_scratch(ptrdiff_t length, ptrdiff_t head_size) {
  return bk_lay_out_s8(length, length, head_size, 0).size;
}

#endif
