// Attention of one head over one sequence in int8.
//
// Keys are quantised once, with a scale a channel, and values with a scale a token. Then come a few queries at a time,
// so that their scores stay in the first-level cache: scores, softmax (bk_softmax.h), and the products of the attention
// weights with the values. Both products are those of an int8 linear, by tiles of the set.
#ifndef BK_ATTENTION_S8_H
#define BK_ATTENTION_S8_H

#include "bk_head.h"
#include "bk_relative.h"
#include "bk_softmax.h"

typedef uint32_t u32x16_u __attribute__((ext_vector_type(16), aligned(4)));

// MARK: Keys and values, once a head

// For up to 16 channels at x, over all tokens: 127 / the largest magnitude, and in `step` the scale, largest / 127.
BK_INLINE f32x16 bk_channel_scale(const float *x, ptrdiff_t stride, ptrdiff_t length, ptrdiff_t n,
                                  float *step) {
  f32x16 even = 0.0f, odd = 0.0f;
  ptrdiff_t j = 0;
  for (; j + 2 <= length; j += 2, x += 2 * stride) {
    even = bk_larger(bk_abs(bk_load_upto(x, n, 0.0f)), even);
    odd = bk_larger(bk_abs(bk_load_upto(x + stride, n, 0.0f)), odd);
  }
  if (j < length) even = bk_larger(bk_abs(bk_load_upto(x, n, 0.0f)), even);
  const f32x16 largest = bk_larger(even, odd);
  bk_store(step, largest * (1.0f / 127.0f));
  const f32x16 inverse = 127.0f / largest;
  return largest > BK_LEAST_RANGE ? inverse : (f32x16)0.0f;
}

// Puts 16 keys by 16 channels, four keys a vector, into a panel: the four bytes i of each key go to group i of
// `groups`, which lie 128 bytes apart.
BK_INLINE void bk_scatter_keys(const u8x64 *keys, ptrdiff_t groups, int8_t *to) {
#define BK_TRANSPOSED(X, Y, I, J)                                                                 \
  __builtin_shufflevector((u32x16)(X), (u32x16)(Y), I, I + 4, I + 8, I + 12, I + 16, I + 20,      \
                          I + 24, I + 28, J, J + 4, J + 8, J + 12, J + 16, J + 20, J + 24, J + 28)
  const u32x16 a = BK_TRANSPOSED(keys[0], keys[1], 0, 1), b = BK_TRANSPOSED(keys[0], keys[1], 2, 3);
  const u32x16 c = BK_TRANSPOSED(keys[2], keys[3], 0, 1), d = BK_TRANSPOSED(keys[2], keys[3], 2, 3);
#undef BK_TRANSPOSED
#define BK_HALVES(X, Y, H)                                                                        \
  __builtin_shufflevector(X, Y, H, H + 1, H + 2, H + 3, H + 4, H + 5, H + 6, H + 7, H + 16,       \
                          H + 17, H + 18, H + 19, H + 20, H + 21, H + 22, H + 23)
  *(u32x16_u *)to = BK_HALVES(a, c, 0);
  if (groups > 1) *(u32x16_u *)(to + 128) = BK_HALVES(a, c, 8);
  if (groups > 2) *(u32x16_u *)(to + 256) = BK_HALVES(b, d, 0);
  if (groups > 3) *(u32x16_u *)(to + 384) = BK_HALVES(b, d, 8);
#undef BK_HALVES
}

BK_INLINE void bk_pack_keys(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size) {
  const ptrdiff_t groups = (head_size + 3) / 4;
  for (ptrdiff_t d = 0; d < head_size; d += 16) {
    const ptrdiff_t n = head_size - d, full = (n + 3) / 4;
    const f32x16 inverse = bk_channel_scale(h->key + d, h->stride, h->length, n, s->key_step + d);
    for (ptrdiff_t j = 0; j < s->padded; j += 16) {
      u8x64 keys[4];
      for (ptrdiff_t i = 0; i < 16; i += 4) {
        f32x16 four[4];
        for (ptrdiff_t k = 0; k < 4; k++) {
          four[k] = BK_MAGIC + 128.0f;
          if (j + i + k >= h->length) continue;
          const f32x16 x = bk_load_upto(h->key + (j + i + k) * h->stride + d, n, 0.0f);
          four[k] = bk_fma(x, inverse, BK_MAGIC + 128.0f);
        }
        keys[i / 4] = bk_pack_bytes(four[0], four[1], four[2], four[3]) ^ 0x80;
      }
      bk_scatter_keys(keys, full < 4 ? full : 4,
                      s->keys + (j / 32 * groups + d / 4) * 128 + j % 32 * 4);
    }
  }
  // Queries are bytes 128 above their values. A row of 128s against the keys, prepared as queries are, gives what that
  // adds to each key's scores: 128 times the key's sum, at most 128 * 127 * 65536, which int32 holds.
  memset(s->queries, 128, (size_t)groups * 4);
  const bk_tile_input a = bk_prepare_rows(s->queries, groups * 4, 1, groups, s->rows);
  for (ptrdiff_t j = 0; j < s->padded; j += 32) {
    int32_t *start = s->key_start + j;
    bk_tile_s8(bk_tile_row(&a, 0), a.stride, 1, s->keys + j * groups * 4, groups, 0,
               bk_fetch_nothing(s->keys), start, BK_PANEL);
    // Keys past the sequence's end get the least score that there can be.
    for (int i = 0; i < 32; i++) {
      start[i] = j + i < h->length ? -start[i] : -127 * 127 * (int32_t)head_size;
    }
  }
}

// A group of 4 tokens' values, each with its own scale.
BK_INLINE void bk_pack_four(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size,
                            ptrdiff_t g, const float *inverses) {
  const ptrdiff_t groups = (h->length + 3) / 4, width = bk_round_up(head_size, 32);
  for (ptrdiff_t d = 0; d < width; d += 16) {
    u32x16 four = 0;
    for (ptrdiff_t i = 0; i < 4 && d < head_size && 4 * g + i < h->length; i++) {
      const float *x = h->value + (4 * g + i) * h->stride + d;
      const f32x16 shifted = bk_fma(bk_load_upto(x, head_size - d, 0.0f), inverses[i], BK_MAGIC);
      four |= ((u32x16)shifted & 0xff) << (uint32_t)(8 * i);
    }
    *(u32x16_u *)(s->values + ((d / 32 * groups + g) * 32 + d % 32) * 4) = four;
  }
}

// The largest magnitude of each token's values, to value_times; returns the largest of all.
BK_INLINE float bk_measure_values(const bk_head *h, const bk_head_scratch *s,
                                  ptrdiff_t head_size) {
  f32x16 high = 0.0f;
  for (ptrdiff_t j = 0; j < s->padded; j += 16) {
    f32x16 most[16];
    for (ptrdiff_t i = 0; i < 16; i++) {
      most[i] = 0.0f;
      for (ptrdiff_t d = 0; d < head_size && j + i < h->length; d += 16) {
        const float *x = h->value + (j + i) * h->stride + d;
        most[i] = bk_larger(bk_abs(bk_load_upto(x, head_size - d, 0.0f)), most[i]);
      }
    }
    const f32x16 largest = bk_largest_of_each(most);
    bk_store(s->value_times + j, largest);
    high = bk_larger(largest, high);
  }
  return bk_largest_lane(high);
}

// For each token, the largest value scale / its own value scale (fixed point, 256 = 1, at most 32). The factor
// multiplies the token's weight in the softmax denominator; its log2 is subtracted from the token's scores, which has
// the effect of applying the scale.
BK_INLINE void bk_measure_factors(const bk_head_scratch *s, ptrdiff_t length, float largest,
                               float unit) {
  const f32x16 least = largest * (1.0f / 32.0f), units = BK_LOG2_STEPS / unit;
  i32x16 weights[2];
  for (ptrdiff_t j = 0; j < s->padded; j += 16) {
    const f32x16 own = bk_max(bk_load(s->value_times + j), least);
    const f32x16 times = bk_fma(largest / own, 256.0f, BK_MAGIC) - BK_MAGIC;
    const f32x16 octaves = bk_only(bk_log2(times * (1.0f / 256.0f)), length - j, 5.0f);
    int32_t *start = s->key_start + j;
    *(i32x16_u *)start -= __builtin_convertvector(bk_fma(octaves, units, 0.5f), i32x16);
    const f32x16 counted = bk_only(times, length - j, 0.0f);
    bk_store(s->value_times + j, counted);
    weights[j / 16 % 2] = __builtin_convertvector(counted, i32x16);
    if (j / 16 % 2 == 1) bk_store_factors(s->value_factor + j - 16, weights[0], weights[1]);
  }
}

// Quantises the values, with a scale a token; returns the largest scale, or NaN where one overflows.
BK_INLINE float bk_pack_values(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size,
                               float unit) {
  const ptrdiff_t groups = (h->length + 3) / 4;
  const float most = bk_measure_values(h, s, head_size);
  // Where all values are zero, or nearly, any scale does.
  const float largest = most > BK_LEAST_RANGE ? most : 1.0f;
  bk_measure_factors(s, h->length, largest, unit);
  const f32x16 inverse = 127.0f / 256.0f / largest;
  for (ptrdiff_t g = 0; g < groups; g++) {
    if (g % 4 == 0) {
      bk_store(s->value_times + 4 * g, bk_load(s->value_times + 4 * g) * inverse);
    }
    bk_pack_four(h, s, head_size, g, s->value_times + 4 * g);
  }
  for (ptrdiff_t d = 0; d < head_size; d += 32) {
    memset(s->value_start + d, 0, 32 * sizeof(int32_t));
    bk_undo_preparation(s->values + d * groups * 4, groups, s->value_start + d);
  }
  return (most - most) + largest * (1.0f / 127.0f);
}

// MARK: Biases

// What a bias may be at most, in units of a score and in steps of softmax's log2: so no sum and no difference of scores
// leaves int32, and no number of steps does (formats/bertq.md, "Bounds").
#define BK_MOST_BIAS 0x1p27f

// How biases become units of a score, of which each is worth `unit` steps.
typedef struct {
  float units, most;
} bk_bias_scale;

BK_INLINE bk_bias_scale bk_scale_biases(float unit) {
  const float steps = BK_MOST_BIAS / unit;
  return (bk_bias_scale){BK_LOG2E * BK_LOG2_STEPS / unit, steps < BK_MOST_BIAS ? steps : BK_MOST_BIAS};
}

BK_INLINE i32x16 bk_bias_units(f32x16 bias, bk_bias_scale scale) {
  const f32x16 units = bk_min(bk_max(bias * scale.units, -scale.most), scale.most);
  const f32x16 half = units < 0.0f ? (f32x16)-0.5f : (f32x16)0.5f;
  return __builtin_convertvector(units + half, i32x16);
}

// Whatever is added to the keys past the sequence's end, their scores stay the least.
static void bk_lower_padding(const bk_head *h, const bk_head_scratch *s, bk_bias_scale scale) {
  for (ptrdiff_t j = h->length; j < s->padded; j++) s->key_start[j] -= 2 * (int32_t)scale.most + 2;
}

// Spreads the head's table, in units of a score, of which each is worth `unit` steps.
static void bk_measure_bias(const bk_head *h, const bk_head_scratch *s, float unit) {
  const ptrdiff_t size = bk_bias_size(h->length + h->unseen, s->padded);
  float *biases = (float *)s->bias;  // A vector is read before it is written.
  bk_spread_bias(h, biases, size);
  const bk_bias_scale scale = bk_scale_biases(unit);
  for (ptrdiff_t k = 0; k < size; k += 16) {
    *(i32x16_u *)(s->bias + k) = bk_bias_units(bk_load(biases + k), scale);
  }
  bk_lower_padding(h, s, scale);
}

// Adds biases to the scores of a few queries, and finds the largest of each lane of each row anew.
static void bk_add_bias(const bk_head *h, const bk_head_scratch *s, ptrdiff_t row, ptrdiff_t rows, i32x16 *high) {
  for (ptrdiff_t r = 0; r < rows; r++) {
    const int32_t *bias = s->bias + bk_bias_row(h, bk_head_token(h, row + r));
    int32_t *x = s->scores + r * s->padded;
    i32x16 most = INT32_MIN;
    for (ptrdiff_t j = 0; j < s->padded; j += 16) {
      const i32x16 sum = bk_load_i32(x + j) + bk_load_i32(bias + j);
      *(i32x16_u *)(x + j) = sum;
      most = bk_max_i32(sum, most);
    }
    high[r] = most;
  }
}

// Adds relative terms to the scores of a few queries over the keys from `first` on, likewise.
static void bk_add_terms(const bk_terms *t, const bk_head_scratch *s, ptrdiff_t first, ptrdiff_t rows, float unit,
                         i32x16 *high) {
  const bk_bias_scale scale = bk_scale_biases(unit);
  for (ptrdiff_t r = 0; r < rows; r++) {
    const float *terms = t->terms + r * t->padded + first;
    int32_t *x = s->scores + r * s->padded;
    i32x16 most = INT32_MIN;
    for (ptrdiff_t j = 0; j < s->padded; j += 16) {
      const i32x16 sum = bk_load_i32(x + j) + bk_bias_units(bk_load(terms + j), scale);
      *(i32x16_u *)(x + j) = sum;
      most = bk_max_i32(sum, most);
    }
    high[r] = most;
  }
}

// MARK: Windows

// Whether some token does not see another.
BK_INLINE int bk_hides_keys(const bk_head *h) { return h->window && h->window < h->length + h->unseen - 1; }

// The scratch memory as it is of some keys alone, from a multiple of a panel on, and of their values.
BK_INLINE bk_head_scratch bk_scratch_of_keys(const bk_head_scratch *s, bk_keys keys, ptrdiff_t head_size) {
  bk_head_scratch part = *s;
  part.keys += keys.first * bk_round_up(head_size, 4);
  part.values += keys.first * BK_PANEL;
  part.key_start += keys.first;
  part.value_factor += keys.first;
  part.bias += keys.first;
  part.padded = bk_round_up(keys.last - keys.first, BK_PANEL);
  return part;
}

// Puts the scores of keys that a query does not see so far below its largest that their weights are 0, and finds that anew.
// `first` is the key of the first score.
static void bk_hide_keys(const bk_head *h, const bk_head_scratch *s, ptrdiff_t first, ptrdiff_t row, ptrdiff_t rows,
                         float unit, i32x16 *high) {
  const int32_t below = (int32_t)(32768.0f / unit) + 1;  // softmax's steps end there; `unit` is at least 2^-10
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (ptrdiff_t r = 0; r < rows; r++) {
    const bk_keys own = bk_head_keys(h, row + r);
    const int32_t from = (int32_t)(own.first - first), to = (int32_t)(own.last - first);
    int32_t *x = s->scores + r * s->padded;
    i32x16 most = INT32_MIN;
    for (int32_t j = from / 16 * 16; j < to; j += 16) {
      const i32x16 at = lane + j;
      most = bk_max_i32(((at >= from) & (at < to)) ? bk_load_i32(x + j) : (i32x16)INT32_MIN, most);
    }
    const int32_t top = __builtin_reduce_max(most);
    for (int32_t j = 0; j < s->padded; j += 16) {
      const i32x16 at = lane + j;
      *(i32x16_u *)(x + j) = ((at >= from) & (at < to)) ? bk_load_i32(x + j) : (i32x16)(top - below);
    }
    high[r] = top;
  }
}

// MARK: Queries

// Scales that all queries of a sequence have in common.
typedef struct {
  float query_inverse;  // turns a query, once multiplied by the key channels' scales, into integers
  float unit;           // what one unit of an integer score is worth, in steps of softmax's log2
  float value_step;     // the largest value scale
} bk_sequence_scales;

// The scales of queries and of scores. The key channels' scales are folded into the queries, so a score is a sum of
// integers times one scale. Returns 0, or NaN where a score overflows.
BK_INLINE float bk_scale_queries(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size,
                                 bk_sequence_scales *scales) {
  f32x16 most = 0.0f;
  for (ptrdiff_t d = 0; d < head_size; d += 16) {
    const f32x16 step = bk_load(s->key_step + d);
    for (ptrdiff_t j = 0; j < h->length + h->unseen; j++) {
      const f32x16 x = bk_load_upto(h->query + j * h->stride + d, head_size - d, 0.0f);
      most = bk_larger(bk_abs(x * step), most);
    }
  }
  // `unit` is bounded from below, so that the largest log2 of a factor, 5, is at most 2^24 units of a score; and from
  // above, so that the largest score is less than 2^30 steps above the least, which lies 2 * 127 * 127 * d units below.
  const float steps = h->score_scale * (BK_LOG2E * BK_LOG2_STEPS);
  const float natural = bk_largest_lane(most) * (1.0f / 127.0f) * steps;
  const float unit = natural < 0x1p-10f ? 0x1p-10f : natural;
  const float steepest = 32768.0f / (float)head_size;
  scales->query_inverse = steps / unit;
  scales->unit = unit > steepest ? steepest : unit;
  return natural - natural;
}

// Quantises queries, multiplied by the key channels' scales: bytes, 128 above their values.
BK_INLINE void bk_round_queries(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size,
                                float inverse, ptrdiff_t row, ptrdiff_t rows) {
  const ptrdiff_t stride = bk_round_up(head_size, 4);
  for (ptrdiff_t r = 0; r < rows; r++) {
    const float *query = bk_head_query(h, row + r);
    uint8_t *q = s->queries + r * stride;
    for (ptrdiff_t d = 0; d < head_size; d += 16) {
      const ptrdiff_t n = head_size - d;
      const f32x16 x = bk_load_upto(query + d, n, 0.0f) * bk_load(s->key_step + d);
      const u8x16 bytes = bk_low_bytes(bk_fma(x, inverse, BK_MAGIC + 128.0f));
      if (n >= 16) {
        bk_store_u8(q + d, bytes);
      } else {
        memcpy(q + d, &bytes, (size_t)bk_round_up(n, 4));
      }
    }
  }
}

#if !BK_SCORES_IN_TILES
// Scores of a few queries over all keys, and the largest of each lane of each row.
BK_INLINE void bk_score_rows(const bk_head_scratch *s, const bk_tile_input *q, ptrdiff_t rows,
                             ptrdiff_t groups, i32x16 *high) {
  for (ptrdiff_t j = 0; j < s->padded; j += 32) {
    bk_tile_s8(bk_tile_row(q, 0), q->stride, rows, s->keys + j * groups * 4, groups,
               s->key_start + j, bk_fetch_nothing(s->keys), s->scores + j, s->padded);
    for (ptrdiff_t r = 0; r < rows; r++) {
      const int32_t *x = s->scores + r * s->padded + j;
      high[r] = bk_max_i32(bk_max_i32(bk_load_i32(x), bk_load_i32(x + 16)), high[r]);
    }
  }
}
#endif

// A row's scores to attention weights, and its denominator: in 16 lanes, whole units of 2^16, and the rest. A product
// of power and factor is at most 8160 * 8192, so 512 of them in 16 lanes stay below 2^31 in each.
BK_INLINE void bk_softmax_row(const bk_head_scratch *s, const int32_t *scores, int32_t top,
                              float unit, uint8_t *weights, i32x16 *units, i32x16 *rest) {
  *units = *rest = 0;
  for (ptrdiff_t j = 0; j < s->padded; j += 512) {
    const ptrdiff_t end = s->padded - j < 512 ? s->padded : j + 512;
    const i32x16 sum = bk_attention_weights(scores, s->value_factor, top, unit, j, end, weights);
    *units += (i32x16)((u32x16)sum >> 16);
    *rest += sum & 0xffff;
  }
}

// `s` is that of `keys`, which are all that the rows see; `terms` are the rows' own, if the head has any.
BK_INLINE void bk_attend_rows(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size,
                              bk_sequence_scales scales, const bk_terms *terms, bk_keys keys, ptrdiff_t row,
                              ptrdiff_t rows) {
  const ptrdiff_t stride = bk_round_up(head_size, 4), all_groups = (h->length + 3) / 4;
  const ptrdiff_t groups = (keys.last - keys.first + 3) / 4;
  float factor[16];
  i32x16 lanes[16];
  int32_t top[16];
  bk_round_queries(h, s, head_size, scales.query_inverse, row, rows);
  const bk_tile_input q = bk_prepare_rows(s->queries, stride, rows, stride / 4, s->rows);
  for (ptrdiff_t r = 0; r < 16; r++) lanes[r] = INT32_MIN;
  bk_score_rows(s, &q, rows, stride / 4, lanes);
  if (h->bias) bk_add_bias(h, s, row, rows, lanes);
  if (h->relative) bk_add_terms(terms, s, keys.first, rows, scales.unit, lanes);
  if (bk_hides_keys(h)) bk_hide_keys(h, s, keys.first, row, rows, scales.unit, lanes);
  const i32x16 tops = bk_top_of_each(lanes);
  memcpy(top, &tops, sizeof top);
  i32x16 units[16], rest[16];
  for (ptrdiff_t r = 0; r < 16; r++) units[r] = rest[r] = 0;
  for (ptrdiff_t r = 0; r < rows; r++) {
    bk_softmax_row(s, s->scores + r * s->padded, top[r], scales.unit, s->weights + r * s->padded,
                   &units[r], &rest[r]);
  }
  // A weight is 32 of a power, and 256 of a factor are 1. The rest is carried over to the units as integers, so that
  // nothing depends on which lane a product was summed in.
  const i32x16 low = bk_total_of_each(rest), high = bk_total_of_each(units) + (low >> 16);
  const f32x16 total = bk_fma(bk_float(high), 0x1p16f, bk_float(low & 0xffff));
  bk_store(factor, scales.value_step * (32.0f * 256.0f) / total);
  const bk_tile_input p = bk_prepare_rows(s->weights, s->padded, rows, groups, s->rows);
  for (ptrdiff_t d = 0; d < head_size; d += 32) {
    // At most 255 * 127 * length: exact up to BK_MAX_DEPTH tokens.
    _Alignas(64) int32_t tile[BK_ROW_TILE * BK_PANEL], start_of_some[BK_PANEL];
    const int8_t *values = s->values + d * all_groups * 4;
    const int32_t *start = s->value_start + d;
    if (groups < all_groups) {
      memset(start_of_some, 0, sizeof start_of_some);
      bk_undo_preparation(values, groups, start_of_some);
      start = start_of_some;
    }
    bk_tile_s8(bk_tile_row(&p, 0), p.stride, rows, values, groups, start, bk_fetch_nothing(s->values), tile, BK_PANEL);
    for (ptrdiff_t r = 0; r < rows; r++) {
      const f32x16 y0 = bk_float(bk_load_i32(tile + 32 * r)) * factor[r];
      const f32x16 y1 = bk_float(bk_load_i32(tile + 32 * r + 16)) * factor[r];
      bk_store_pair(h->out + (row + r) * h->out_stride + d, y0, y1, head_size - d);
    }
  }
}

BK_INLINE void bk_attend_s8_of(const bk_head *h, ptrdiff_t head_size, void *scratch) {
  const bk_head_scratch s = bk_lay_out_s8(h->length, h->length + h->unseen, head_size, scratch);
  bk_pack_keys(h, &s, head_size);
  bk_sequence_scales scales;
  const float finite = bk_scale_queries(h, &s, head_size, &scales);
  scales.value_step = bk_pack_values(h, &s, head_size, scales.unit) + finite;
  if (h->bias) bk_measure_bias(h, &s, scales.unit);
  bk_terms terms;
  if (h->relative) {
    terms = bk_begin_terms(h);
    bk_lower_padding(h, &s, bk_scale_biases(scales.unit));
  }
  // As many queries as a tile has rows, or as leave half of a first-level cache free beside their scores.
  const int hides = bk_hides_keys(h);
  const ptrdiff_t seen = 2 * h->window + BK_ROW_TILE + BK_PANEL, across = hides && seen < s.padded ? seen : s.padded;
  const ptrdiff_t fit = BK_SCORE_BYTES / (4 * across), most = fit < 4 ? 4 : fit;
  const ptrdiff_t rows = bk_head_rows(h);
  const ptrdiff_t step = bk_tile_rows(rows, most < BK_ROW_TILE ? most : BK_ROW_TILE, 1);
  for (ptrdiff_t row = 0, n; row < rows; row += n) {
    n = rows - row < step ? rows - row : step;
    if (h->relative) {
      n = bk_open_block(h, &terms, row, n);
      bk_make_terms(h, &terms, row, n);
    }
    bk_keys keys = {0, h->length};
    bk_head_scratch part = s;
    if (hides) {
      keys = bk_head_keys_of(h, row, n);
      part = bk_scratch_of_keys(&s, keys, head_size);
    }
    bk_attend_rows(h, &part, head_size, scales, &terms, keys, row, n);
  }
}

// The usual head sizes are constants, because loops over channels are short.
static void bk_attend_s8(const bk_head *h, void *scratch) {
  switch (h->head_size) {
    case 32: bk_attend_s8_of(h, 32, scratch); break;
    case 64: bk_attend_s8_of(h, 64, scratch); break;
    default: bk_attend_s8_of(h, h->head_size, scratch); break;
  }
}

#endif
