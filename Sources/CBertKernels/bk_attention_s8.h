// Attention of one head over one sequence in int8: keys rounded once, with a scale a channel, and
// values with a scale a token; then a few queries at a time scored, turned into shares and
// multiplied with the values, so that their scores stay in the first-level cache.
#ifndef BK_ATTENTION_S8_H
#define BK_ATTENTION_S8_H

#include "bk_head.h"

typedef uint32_t u32x16_u __attribute__((ext_vector_type(16), aligned(4)));

// MARK: Keys and values, once a head

// The largest magnitudes of up to 16 channels at x: 127 / largest, and largest / 127 in `step`.
BK_INLINE f32x16 bk_channel_scale(const float *x, ptrdiff_t stride, ptrdiff_t length, ptrdiff_t n,
                                  float *step) {
  f32x16 even = 0.0f, odd = 0.0f;
  ptrdiff_t j = 0;
  for (; j + 2 <= length; j += 2, x += 2 * stride) {
    even = bk_max(bk_abs(bk_load_upto(x, n, 0.0f)), even);
    odd = bk_max(bk_abs(bk_load_upto(x + stride, n, 0.0f)), odd);
  }
  if (j < length) even = bk_max(bk_abs(bk_load_upto(x, n, 0.0f)), even);
  const f32x16 largest = bk_max(even, odd);
  bk_store(step, largest * (1.0f / 127.0f));
  const f32x16 inverse = 127.0f / largest;
  return largest > BK_LEAST_RANGE ? inverse : (f32x16)0.0f;
}

// 16 keys by 16 channels, four keys a vector: dword i of each key goes to group i, groups 128 bytes
// apart, as many as `groups`.
BK_INLINE void bk_scatter_keys(const u8x64 *keys, ptrdiff_t groups, int8_t *to) {
#define BK_TRANSPOSED(X, Y, I, J)                                                                 \
  __builtin_shufflevector((u32x16)(X), (u32x16)(Y), I, I + 4, I + 8, I + 12, I + 16, I + 20,      \
                          I + 24, I + 28, J, J + 4, J + 8, J + 12, J + 16, J + 20, J + 24, J + 28)
  const u32x16 a = BK_TRANSPOSED(keys[0], keys[1], 0, 1), b = BK_TRANSPOSED(keys[0], keys[1], 2, 3);
  const u32x16 c = BK_TRANSPOSED(keys[2], keys[3], 0, 1), d = BK_TRANSPOSED(keys[2], keys[3], 2, 3);
#undef BK_TRANSPOSED
  u32x16 group[4];
  group[0].lo = a.lo, group[0].hi = c.lo;
  group[1].lo = a.hi, group[1].hi = c.hi;
  group[2].lo = b.lo, group[2].hi = d.lo;
  group[3].lo = b.hi, group[3].hi = d.hi;
  for (ptrdiff_t g = 0; g < groups; g++) *(u32x16_u *)(to + 128 * g) = group[g];
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
  // A row of 128s against the keys gives 128 times each key's sum, prepared as queries are:
  // at most 128 * 127 * 65536, which int32 holds.
  memset(s->queries, 128, (size_t)groups * 4);
  const bk_tile_input a = bk_prepare_rows(s->queries, groups * 4, 1, groups, s->rows);
  for (ptrdiff_t j = 0; j < s->padded; j += 32) {
    int32_t *start = s->key_start + j;
    bk_tile_s8(bk_tile_row(&a, 0), a.stride, 1, s->keys + j * groups * 4, groups, 0,
               (bk_ahead){0}, start, BK_PANEL);
    for (int i = 0; i < 32; i++) start[i] = -start[i];
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

// Each value's scale relative to the largest, which is returned. Scales below 1/4096 of it count as
// that: such values are below what the largest's 8 bits resolve.
BK_INLINE float bk_weigh_values(const bk_head_scratch *s, ptrdiff_t length) {
  f32x16 high = 0.0f;
  for (ptrdiff_t j = 0; j < length; j += 16) {
    high = bk_max(bk_only(bk_load(s->value_inverse + j), length - j, 0.0f), high);
  }
  const float largest = bk_max_lanes(high);
  for (ptrdiff_t j = 0; j < s->padded; j += 16) {
    const f32x16 scale = bk_only(bk_load(s->value_inverse + j), length - j, 0.0f);
    const f32x16 part = largest > 0.0f ? scale / largest : (f32x16)1.0f;
    const f32x16 ratio = bk_max(part, 0x1p-12f);
    bk_store(s->value_log + j, bk_only(bk_log2(ratio), length - j, -__builtin_inff()));
    bk_store(s->value_inverse + j, bk_only(1.0f / ratio, length - j, 0.0f));
  }
  return largest;
}

BK_INLINE float bk_pack_values(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size) {
  const ptrdiff_t groups = (h->length + 3) / 4;
  for (ptrdiff_t j = 0; j < h->length; j += 16) {
    const ptrdiff_t count = h->length - j < 16 ? h->length - j : 16;
    f32x16 most[16];
    for (ptrdiff_t i = 0; i < 16; i++) most[i] = 0.0f;
    for (ptrdiff_t i = 0; i < count; i++) {
      for (ptrdiff_t d = 0; d < head_size; d += 16) {
        const float *x = h->value + (j + i) * h->stride + d;
        most[i] = bk_max(bk_abs(bk_load_upto(x, head_size - d, 0.0f)), most[i]);
      }
    }
    const f32x16 largest = bk_max_of_each(most);
    const f32x16 inverse = 127.0f / largest;
    float inverses[16];
    bk_store(inverses, largest > BK_LEAST_RANGE ? inverse : (f32x16)0.0f);
    bk_store(s->value_inverse + j, largest * (1.0f / 127.0f));
    for (ptrdiff_t i = 0; i < count; i += 4) {
      bk_pack_four(h, s, head_size, (j + i) / 4, inverses + i);
    }
  }
  for (ptrdiff_t d = 0; d < head_size; d += 32) {
    memset(s->value_start + d, 0, 32 * sizeof(int32_t));
    bk_undo_preparation(s->values + d * groups * 4, groups, s->value_start + d);
  }
  return bk_weigh_values(s, h->length);
}

// MARK: A few queries at a time

// Queries times their channels' key steps, to u8 + 128 with a scale a row.
BK_INLINE void bk_round_queries(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size,
                                ptrdiff_t row, ptrdiff_t rows, float *scales) {
  const ptrdiff_t stride = bk_round_up(head_size, 4);
  const float *query = h->query + row * h->stride;
  f32x16 most[16];
  for (ptrdiff_t r = 0; r < 16; r++) most[r] = 0.0f;
  for (ptrdiff_t r = 0; r < rows; r++) {
    for (ptrdiff_t d = 0; d < head_size; d += 16) {
      const f32x16 x = bk_load_upto(query + r * h->stride + d, head_size - d, 0.0f);
      most[r] = bk_max(bk_abs(x * bk_load(s->key_step + d)), most[r]);
    }
  }
  const f32x16 largest = bk_max_of_each(most);
  const f32x16 inverse = 127.0f / largest;
  float inverses[16];
  bk_store(inverses, largest > BK_LEAST_RANGE ? inverse : (f32x16)0.0f);
  bk_store(scales, largest * (1.0f / 127.0f) * (h->score_scale * BK_LOG2E));
  for (ptrdiff_t r = 0; r < rows; r++) {
    uint8_t *q = s->queries + r * stride;
    for (ptrdiff_t d = 0; d < head_size; d += 16) {
      const ptrdiff_t n = head_size - d;
      const f32x16 x = bk_load_upto(query + r * h->stride + d, n, 0.0f);
      const u8x16 bytes = bk_low_bytes(
          bk_fma(x * bk_load(s->key_step + d), inverses[r], BK_MAGIC + 128.0f));
      if (n >= 16) {
        bk_store_u8(q + d, bytes);
      } else {
        memcpy(q + d, &bytes, (size_t)bk_round_up(n, 4));
      }
    }
  }
}

#ifndef BK_SCORES_IN_TILES
// Scores of a few queries as powers of 2, with the logarithm of each value's scale added, so that the
// products of shares and values need no scale of their own; and each lane's largest of each row.
// Keys past the end score -infinity.
BK_INLINE void bk_score_rows(const bk_head_scratch *s, const bk_tile_input *q, ptrdiff_t rows,
                             ptrdiff_t groups, const float *scales, f32x16 *high) {
  _Alignas(64) int32_t tile[BK_ROW_TILE * BK_PANEL];
  for (ptrdiff_t j = 0; j < s->padded; j += 32) {
    bk_tile_s8(bk_tile_row(q, 0), q->stride, rows, s->keys + j * groups * 4, groups,
               s->key_start + j, (bk_ahead){0}, tile, BK_PANEL);
    const f32x16 log0 = bk_load(s->value_log + j), log1 = bk_load(s->value_log + j + 16);
    for (ptrdiff_t r = 0; r < rows; r++) {
      const f32x16 x0 = bk_fma(bk_float(bk_load_i32(tile + 32 * r)), scales[r], log0);
      const f32x16 x1 = bk_fma(bk_float(bk_load_i32(tile + 32 * r + 16)), scales[r], log1);
      bk_store(s->scores + r * s->padded + j, x0);
      bk_store(s->scores + r * s->padded + j + 16, x1);
      high[r] = bk_max(bk_max(x0, x1), high[r]);
    }
  }
}
#endif

// 16 shares as the low bytes of floats, and what their weights add to the sum.
BK_INLINE f32x16 bk_shares(const float *score, const float *inverse, float most, f32x16 *sum) {
  const f32x16 w = bk_exp2_coarse(bk_max(bk_load(score) - most, -125.0f));
  *sum = bk_fma(w, bk_load(inverse), *sum);
  return bk_fma(w, 255.0f, BK_MAGIC);
}

// w = 2^(score - most), rounded to shares of 255; returns the lane sums of w / value scale, which
// make the softmax's own sum. The largest share is exactly 255.
BK_INLINE f32x16 bk_share_row(const bk_head_scratch *s, const float *scores, float most,
                             uint8_t *shares) {
  f32x16 sum = 0.0f, x[4];
  ptrdiff_t j = 0;
  for (; j + 64 <= s->padded; j += 64) {
    for (int i = 0; i < 4; i++) {
      x[i] = bk_shares(scores + j + 16 * i, s->value_inverse + j + 16 * i, most, &sum);
    }
    *(u8x64_u *)(shares + j) = bk_pack_bytes(x[0], x[1], x[2], x[3]);
  }
  for (; j < s->padded; j += 16) {
    x[0] = bk_shares(scores + j, s->value_inverse + j, most, &sum);
    bk_store_u8(shares + j, bk_low_bytes(x[0]));
  }
  return sum;
}

BK_INLINE void bk_attend_rows(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size,
                              float value_scale, ptrdiff_t row, ptrdiff_t rows) {
  const ptrdiff_t stride = bk_round_up(head_size, 4), groups = (h->length + 3) / 4;
  float scales[16], most[16], factor[16];
  f32x16 lanes[16];
  bk_round_queries(h, s, head_size, row, rows, scales);
  const bk_tile_input q = bk_prepare_rows(s->queries, stride, rows, stride / 4, s->rows);
  for (ptrdiff_t r = 0; r < 16; r++) lanes[r] = -__builtin_inff();
  bk_score_rows(s, &q, rows, stride / 4, scales, lanes);
  bk_store(most, bk_max_of_each(lanes));
  for (ptrdiff_t r = 0; r < 16; r++) lanes[r] = 0.0f;
  for (ptrdiff_t r = 0; r < rows; r++) {
    lanes[r] = bk_share_row(s, s->scores + r * s->padded, most[r], s->shares + r * s->padded);
  }
  bk_store(factor, value_scale / (255.0f * bk_sum_of_each(lanes)));
  const bk_tile_input p = bk_prepare_rows(s->shares, s->padded, rows, groups, s->rows);
  for (ptrdiff_t d = 0; d < head_size; d += 32) {
    // At most 255 * 127 * length: exact up to BK_MAX_DEPTH tokens.
    _Alignas(64) int32_t tile[BK_ROW_TILE * BK_PANEL];
    bk_tile_s8(bk_tile_row(&p, 0), p.stride, rows, s->values + d * groups * 4, groups,
               s->value_start + d, (bk_ahead){0}, tile, BK_PANEL);
    for (ptrdiff_t r = 0; r < rows; r++) {
      const f32x16 y0 = bk_float(bk_load_i32(tile + 32 * r)) * factor[r];
      const f32x16 y1 = bk_float(bk_load_i32(tile + 32 * r + 16)) * factor[r];
      bk_store_pair(h->out + (row + r) * h->out_stride + d, y0, y1, head_size - d);
    }
  }
}

BK_INLINE void bk_attend_s8_of(const bk_head *h, ptrdiff_t head_size, void *scratch) {
  const bk_head_scratch s = bk_lay_out_s8(h->length, head_size, scratch);
  bk_pack_keys(h, &s, head_size);
  const float value_scale = bk_pack_values(h, &s, head_size);
  // As many rows as a tile has, or as their scores leave half of a first-level cache free.
  const ptrdiff_t fit = BK_SCORE_BYTES / (4 * s.padded), most = fit < 4 ? 4 : fit;
  const ptrdiff_t step = bk_tile_rows(h->length, most < BK_ROW_TILE ? most : BK_ROW_TILE);
  for (ptrdiff_t row = 0; row < h->length; row += step) {
    bk_attend_rows(h, &s, head_size, value_scale, row,
                   h->length - row < step ? h->length - row : step);
  }
}

// The usual head sizes as constants: the loops over channels are short.
static void bk_attend_s8(const bk_head *h, void *scratch) {
  switch (h->head_size) {
    case 32: bk_attend_s8_of(h, 32, scratch); break;
    case 64: bk_attend_s8_of(h, 64, scratch); break;
    default: bk_attend_s8_of(h, h->head_size, scratch); break;
  }
}

#endif
