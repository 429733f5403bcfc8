// Attention of one head over one sequence in float32: scores, softmax and the weighted sum of values, a few queries at a
// time, so that their scores stay in the first-level cache.
#ifndef BK_ATTENTION_F32_H
#define BK_ATTENTION_F32_H

#include "bk_bias.h"
#include "bk_relative.h"

static size_t bk_attend_f32_scratch(ptrdiff_t length, ptrdiff_t head_size) {
  const ptrdiff_t padded = bk_round_up(length, 32);
  return (size_t)(4 * (padded * head_size + bk_round_up(head_size, 32) * length +
                       (padded + head_size) * BK_FLOAT_ROWS + bk_bias_size(length, padded)));
}

static void bk_attend_f32(const bk_head *h, void *scratch) {
  const ptrdiff_t padded = bk_round_up(h->length, 32), width = bk_round_up(h->head_size, 32);
  float *keys = scratch, *values = keys + padded * h->head_size;
  float *scores = values + width * h->length, *queries = scores + padded * BK_FLOAT_ROWS;
  float *biases = queries + h->head_size * BK_FLOAT_ROWS;
  if (h->bias) bk_spread_bias(h, biases, bk_bias_size(h->length + h->unseen, padded));
  _Alignas(64) float tile[BK_FLOAT_ROWS * BK_PANEL];
  for (ptrdiff_t j = 0; j < padded; j++)
    for (ptrdiff_t d = 0; d < h->head_size; d++)
      keys[(j / 32 * h->head_size + d) * 32 + j % 32] =
          j < h->length ? h->key[j * h->stride + d] : 0.0f;
  f32x16 lost_values = 0.0f;
  for (ptrdiff_t j = 0; j < h->length; j++) {
    for (ptrdiff_t d = 0; d < width; d++)
      values[(d / 32 * h->length + j) * 32 + d % 32] =
          d < h->head_size ? h->value[j * h->stride + d] : 0.0f;
    for (ptrdiff_t d = 0; h->window && d < h->head_size; d += 16)
      lost_values = bk_fma(bk_load_upto(h->value + j * h->stride + d, h->head_size - d, 0.0f), 0.0f, lost_values);
  }
  // Products of a weight of 0 may be left out, but for those with infinity and NaN.
  const int leaves_out = h->window && bk_sum_lanes(lost_values) == 0.0f;
  const ptrdiff_t all = bk_head_rows(h), step = bk_tile_rows(all, BK_FLOAT_ROWS, 1);
  bk_terms terms;
  if (h->relative) terms = bk_begin_terms(h);
  for (ptrdiff_t row = 0, rows; row < all; row += rows) {
    rows = all - row < step ? all - row : step;
    if (h->relative) {
      rows = bk_open_block(h, &terms, row, rows);
      bk_make_terms(h, &terms, row, rows);
    }
    const float *query = bk_head_query(h, row);
    ptrdiff_t stride = h->stride;
    if (h->wanted) {
      for (ptrdiff_t r = 0; r < rows; r++)
        memcpy(queries + r * h->head_size, bk_head_query(h, row + r),
               (size_t)h->head_size * sizeof(float));
      query = queries, stride = h->head_size;
    }
    const bk_keys keys_of_all = {0, h->length}, seen = leaves_out ? bk_head_keys_of(h, row, rows) : keys_of_all;
    for (ptrdiff_t j = seen.first; j < seen.last; j += 32) {
      bk_tile_f32(query, stride, rows, keys + j * h->head_size, h->head_size,
                  bk_fetch_nothing(keys), tile);
      for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t i = 0; i < 32; i += 16)
          bk_store(scores + r * padded + j + i, bk_load(tile + 32 * r + i) * h->score_scale);
    }
    for (ptrdiff_t r = 0; h->bias && r < rows; r++) {
      const float *bias = biases + bk_bias_row(h, bk_head_token(h, row + r));
      float *x = scores + r * padded;
      for (ptrdiff_t j = seen.first; j < seen.last; j += 16) bk_store(x + j, bk_load(x + j) + bk_load(bias + j));
    }
    for (ptrdiff_t r = 0; h->relative && r < rows; r++) {
      float *x = scores + r * padded;
      for (ptrdiff_t j = seen.first; j < seen.last; j += 16)
        bk_store(x + j, bk_load(x + j) + bk_load(terms.terms + r * padded + j));
    }
    float sums[BK_FLOAT_ROWS];
    for (ptrdiff_t r = 0; r < rows; r++) {
      float *x = scores + r * padded;
      const bk_keys own = bk_head_keys(h, row + r);
      f32x16 high = -__builtin_inff();
      for (ptrdiff_t j = seen.first; j < seen.last; j += 16)
        high = bk_max(bk_within(bk_load(x + j), own.first - j, own.last - j, -__builtin_inff()), high);
      const f32x16 most = bk_max_lanes(high);
      // Scores that are not finite make the row NaN: neither the maximum nor exp would.
      f32x16 sum = 0.0f, lost = 0.0f;
      for (ptrdiff_t j = seen.first; j < seen.last; j += 16) {
        const f32x16 score = bk_load(x + j);
        const f32x16 p = bk_within(bk_exp(score - most), own.first - j, own.last - j, 0.0f);
        lost = bk_fma(bk_within(score, own.first - j, own.last - j, 0.0f), 0.0f, lost);
        sum += p;
        bk_store(x + j, p);
      }
      sums[r] = bk_sum_lanes(sum) + bk_sum_lanes(lost);
    }
    for (ptrdiff_t d = 0; d < h->head_size; d += 32) {
      bk_tile_f32(scores + seen.first, padded, rows, values + d * h->length + seen.first * 32, seen.last - seen.first,
                  bk_fetch_nothing(values), tile);
      // A sum of -0 depends on which products of 0 were added to it.
      if (h->window)
        for (ptrdiff_t i = 0; i < 32 * rows; i += 16) bk_store(tile + i, bk_load(tile + i) + 0.0f);
      for (ptrdiff_t r = 0; r < rows; r++)
        bk_store_pair(h->out + (row + r) * h->out_stride + d, bk_load(tile + 32 * r) / sums[r],
                      bk_load(tile + 32 * r + 16) / sums[r], h->head_size - d);
    }
  }
}

#endif
