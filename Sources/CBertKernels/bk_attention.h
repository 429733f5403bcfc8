// Attention of one head over one sequence: scores, softmax, weighted values, a few rows of queries
// at a time so that scores stay in the first-level cache.
#ifndef BK_ATTENTION_H
#define BK_ATTENTION_H

#include "bk_linear.h"

BK_INLINE ptrdiff_t bk_round_up(ptrdiff_t n, ptrdiff_t to) { return (n + to - 1) / to * to; }

BK_INLINE void *bk_take(uintptr_t *at, ptrdiff_t bytes) {
  void *p = (void *)*at;
  *at += (uintptr_t)bk_round_up(bytes, 64);
  return p;
}

// MARK: int8

// Where the parts of one head's scratch lie.
typedef struct {
  int8_t *keys;      // panels [ceil(L/32)][head_stride/4][32][4]
  int8_t *values;    // panels [ceil(d/32)][ceil(L/4)][32][4]
  int32_t *initial;  // [L up to 32]: -128 * sum of the key, undoing the query's + 128
  int32_t *start;    // [d up to 32]: what the sums over values start from
  float *key_scale;  // [L up to 32]
  float *value_log;      // [L up to 32]: log2 of the value's scale over the largest one
  float *value_inverse;  // [L up to 32]: the largest value scale over the value's
  float *scores;     // [BK_ROW_TILE][L up to 32]
  uint8_t *shares;   // [BK_ROW_TILE][L up to 32]: 255 * weight, rounded; first, a row of 128s
  void *rows;        // what bk_prepare_rows needs
  size_t size;
} bk_head_scratch;

BK_INLINE bk_head_scratch bk_lay_out_s8(ptrdiff_t length, ptrdiff_t head_size, void *base) {
  const ptrdiff_t padded = bk_round_up(length, 32), stride = bk_round_up(head_size, 4);
  const ptrdiff_t deepest = padded > stride ? padded : stride;
  uintptr_t at = (uintptr_t)base;
  bk_head_scratch s;
  s.keys = bk_take(&at, padded * stride);
  s.values = bk_take(&at, bk_round_up(head_size, 32) * bk_round_up(length, 4));
  s.initial = bk_take(&at, padded * 4);
  s.start = bk_take(&at, bk_round_up(head_size, 32) * 4);
  s.key_scale = bk_take(&at, padded * 4);
  s.value_log = bk_take(&at, padded * 4);
  s.value_inverse = bk_take(&at, padded * 4);
  s.scores = bk_take(&at, padded * 4 * BK_ROW_TILE);
  s.shares = bk_take(&at, padded * BK_ROW_TILE > stride ? padded * BK_ROW_TILE : stride);
  s.rows = bk_take(&at, (ptrdiff_t)bk_rows_scratch(BK_ROW_TILE, deepest / 4));
  s.size = (size_t)(at - (uintptr_t)base);
  return s;
}

static size_t bk_attend_s8_scratch(ptrdiff_t length, ptrdiff_t head_size) {
  return bk_lay_out_s8(length, head_size, 0).size;
}

BK_INLINE void bk_pack_keys(const bk_head_s8 *h, const bk_head_scratch *s) {
  const ptrdiff_t groups = h->head_stride / 4, padded = bk_round_up(h->length, 32);
  for (ptrdiff_t j = 0; j < padded; j++) {
    int8_t *to = s->keys + (j / 32 * groups * 32 + j % 32) * 4;
    const int8_t *from = h->key + j * h->stride;
    if (j < h->length) {
      for (ptrdiff_t g = 0; g < groups; g++) memcpy(to + 128 * g, from + 4 * g, 4);
    } else {
      for (ptrdiff_t g = 0; g < groups; g++) memset(to + 128 * g, 0, 4);
    }
    s->key_scale[j] = j < h->length ? h->key_scale[j * h->scale_stride] : 0.0f;
  }
  // A row of 128s against the keys gives 128 times each key's sum, prepared as queries are:
  // at most 128 * 127 * head_size, which int32 holds for any head below 131072 wide.
  memset(s->shares, 128, (size_t)h->head_stride);
  const bk_tile_input a = bk_prepare_rows(s->shares, h->head_stride, 1, groups, s->rows);
  for (ptrdiff_t j = 0; j < padded; j += 32) {
    int32_t *initial = s->initial + j;
    bk_tile_s8(bk_tile_row(&a, 0), a.stride, 1, s->keys + j * h->head_stride, groups, 0, initial);
    for (int i = 0; i < 32; i++) initial[i] = -initial[i];
  }
}

// Four rows of 16 bytes to 16 groups of 4.
BK_INLINE void bk_interleave(u8x16 a, u8x16 b, u8x16 c, u8x16 d, uint8_t *to) {
  typedef uint8_t u8x32 __attribute__((ext_vector_type(32)));
  typedef uint8_t u8x64 __attribute__((ext_vector_type(64), aligned(1)));
#define BK_PAIRS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, \
                 27, 12, 28, 13, 29, 14, 30, 15, 31
  u8x32 ab = __builtin_shufflevector(a, b, BK_PAIRS), cd = __builtin_shufflevector(c, d, BK_PAIRS);
#undef BK_PAIRS
  *(u8x64 *)to = __builtin_shufflevector(
      ab, cd, 0, 1, 32, 33, 2, 3, 34, 35, 4, 5, 36, 37, 6, 7, 38, 39, 8, 9, 40, 41, 10, 11, 42, 43,
      12, 13, 44, 45, 14, 15, 46, 47, 16, 17, 48, 49, 18, 19, 50, 51, 20, 21, 52, 53, 22, 23, 54,
      55, 24, 25, 56, 57, 26, 27, 58, 59, 28, 29, 60, 61, 30, 31, 62, 63);
}

BK_INLINE u8x16 bk_load_bytes(const int8_t *p, ptrdiff_t n) {
  u8x16 v = 0;
  if (n >= 16) return *(const u8x16_u *)p;
  if (n > 0) memcpy(&v, p, (size_t)n);
  return v;
}

// Each value's scale relative to the largest, which is returned. Scales below 1/4096 of it count as
// that: such values are below what the largest's 8 bits resolve.
BK_INLINE float bk_weigh_values(const bk_head_s8 *h, const bk_head_scratch *s) {
  float largest = 0.0f;
  for (ptrdiff_t j = 0; j < h->length; j++) {
    const float scale = h->value_scale[j * h->scale_stride];
    largest = largest > scale ? largest : scale;
  }
  const ptrdiff_t padded = bk_round_up(h->length, 32);
  for (ptrdiff_t j = 0; j < padded; j++) {
    float ratio = 1.0f;
    if (j < h->length && largest > 0.0f) ratio = h->value_scale[j * h->scale_stride] / largest;
    s->value_inverse[j] = ratio > 0x1p-12f ? ratio : 0x1p-12f;
  }
  for (ptrdiff_t j = 0; j < padded; j += 16) {
    const f32x16 ratio = bk_load(s->value_inverse + j);
    bk_store(s->value_log + j, bk_only(bk_log2(ratio), h->length - j, -__builtin_inff()));
    bk_store(s->value_inverse + j, bk_only(1.0f / ratio, h->length - j, 0.0f));
  }
  return largest;
}

BK_INLINE float bk_pack_values(const bk_head_s8 *h, const bk_head_scratch *s) {
  const ptrdiff_t groups = (h->length + 3) / 4, width = bk_round_up(h->head_size, 32);
  for (ptrdiff_t g = 0; g < groups; g++) {
    for (ptrdiff_t d = 0; d < width; d += 16) {
      u8x16 row[4];
      for (ptrdiff_t i = 0; i < 4; i++) {
        const ptrdiff_t j = 4 * g + i;
        row[i] = bk_load_bytes(h->value + j * h->stride + d, j < h->length ? h->head_size - d : 0);
      }
      bk_interleave(row[0], row[1], row[2], row[3],
                    (uint8_t *)s->values + ((d / 32 * groups + g) * 32 + d % 32) * 4);
    }
  }
  return bk_weigh_values(h, s);
}

// Two vectors of one query's scores. A value's scale counts as part of its key's score, so that the
// products of shares and values need no scale of their own; keys past the end score -infinity.
BK_INLINE f32x16 bk_scale_scores(const bk_head_scratch *s, const int32_t *sums, ptrdiff_t j,
                                 f32x16 scale, float *scores, f32x16 high) {
  f32x16 x0 = bk_float(bk_load_i32(sums)) * bk_load(s->key_scale + j);
  f32x16 x1 = bk_float(bk_load_i32(sums + 16)) * bk_load(s->key_scale + j + 16);
  x0 = bk_fma(x0, scale, bk_load(s->value_log + j));
  x1 = bk_fma(x1, scale, bk_load(s->value_log + j + 16));
  bk_store(scores, x0), bk_store(scores + 16, x1);
  return bk_max(bk_max(x0, x1), high);
}

// The scores of a few queries, as powers of 2, and each row's largest.
BK_INLINE void bk_score_rows(const bk_head_s8 *h, const bk_head_scratch *s, ptrdiff_t row,
                             ptrdiff_t rows, float *most) {
  _Alignas(64) int32_t tile[BK_ROW_TILE * BK_PANEL];
  const ptrdiff_t groups = h->head_stride / 4, padded = bk_round_up(h->length, 32);
  f32x16 high[BK_ROW_TILE];
  float scale[BK_ROW_TILE];
  for (ptrdiff_t r = 0; r < rows; r++) {
    high[r] = -__builtin_inff();
    scale[r] = h->query_scale[(row + r) * h->scale_stride] * h->score_scale;
  }
  const bk_tile_input a =
      bk_prepare_rows(h->query + row * h->stride, h->stride, rows, groups, s->rows);
  for (ptrdiff_t j = 0; j < padded; j += 32) {
    bk_tile_s8(bk_tile_row(&a, 0), a.stride, rows, s->keys + j * h->head_stride, groups,
               s->initial + j, tile);
    for (ptrdiff_t r = 0; r < rows; r++) {
      high[r] = bk_scale_scores(s, tile + 32 * r, j, scale[r], s->scores + r * padded + j, high[r]);
    }
  }
  for (ptrdiff_t r = 0; r < rows; r++) most[r] = bk_max_lanes(high[r]);
}

// w = 2^(score - most), rounded to shares of 255; returns the sum of w / value scale, which is the
// softmax's own sum. The largest share is exactly 255.
BK_INLINE float bk_share_row(const bk_head_scratch *s, const float *scores, ptrdiff_t length,
                             float most, uint8_t *shares) {
  f32x16 sum = 0.0f;
  for (ptrdiff_t j = 0; j < length; j += 16) {
    f32x16 w = bk_exp2_coarse(bk_max(bk_load(scores + j) - most, -125.0f));
    sum = bk_fma(w, bk_load(s->value_inverse + j), sum);
    bk_store_u8(shares + j, bk_low_bytes(bk_fma(w, 255.0f, BK_MAGIC)));
  }
  return bk_sum_lanes(sum);
}

static void bk_attend_s8(const bk_head_s8 *h, void *scratch) {
  const bk_head_scratch s = bk_lay_out_s8(h->length, h->head_size, scratch);
  const ptrdiff_t padded = bk_round_up(h->length, 32), groups = (h->length + 3) / 4;
  _Alignas(64) int32_t tile[BK_ROW_TILE * BK_PANEL];
  bk_pack_keys(h, &s);
  const float largest = bk_pack_values(h, &s);
  for (ptrdiff_t d = 0; d < h->head_size; d += 32) {
    memset(s.start + d, 0, 32 * sizeof(int32_t));
    bk_undo_preparation(s.values + d * groups * 4, groups, s.start + d);
  }
  const ptrdiff_t step = bk_tile_rows(h->length, BK_ROW_TILE);
  for (ptrdiff_t row = 0; row < h->length; row += step) {
    const ptrdiff_t rows = h->length - row < step ? h->length - row : step;
    float most[BK_ROW_TILE], factor[BK_ROW_TILE];
    bk_score_rows(h, &s, row, rows, most);
    for (ptrdiff_t r = 0; r < rows; r++) {
      const float sum =
          bk_share_row(&s, s.scores + r * padded, h->length, most[r], s.shares + r * padded);
      factor[r] = largest / (255.0f * sum);
    }
    const bk_tile_input a = bk_prepare_rows(s.shares, padded, rows, groups, s.rows);
    for (ptrdiff_t d = 0; d < h->head_size; d += 32) {
      // 255 * 127 * length: exact up to BK_MAX_DEPTH tokens.
      bk_tile_s8(bk_tile_row(&a, 0), a.stride, rows, s.values + d * groups * 4, groups, s.start + d,
                 tile);
      for (ptrdiff_t r = 0; r < rows; r++) {
        float *out = h->out + (row + r) * h->out_stride + d;
        const f32x16 y0 = bk_float(bk_load_i32(tile + 32 * r)) * factor[r];
        const f32x16 y1 = bk_float(bk_load_i32(tile + 32 * r + 16)) * factor[r];
        bk_store_pair(out, y0, y1, h->head_size - d);
      }
    }
  }
}

// MARK: float32

static size_t bk_attend_f32_scratch(ptrdiff_t length, ptrdiff_t head_size) {
  const ptrdiff_t padded = bk_round_up(length, 32);
  return (size_t)(4 * (padded * head_size + bk_round_up(head_size, 32) * length +
                       padded * BK_FLOAT_ROWS));
}

static void bk_attend_f32(const bk_head_f32 *h, void *scratch) {
  const ptrdiff_t padded = bk_round_up(h->length, 32), width = bk_round_up(h->head_size, 32);
  float *keys = scratch, *values = keys + padded * h->head_size;
  float *scores = values + width * h->length;
  _Alignas(64) float tile[BK_FLOAT_ROWS * BK_PANEL];
  for (ptrdiff_t j = 0; j < padded; j++)
    for (ptrdiff_t d = 0; d < h->head_size; d++)
      keys[(j / 32 * h->head_size + d) * 32 + j % 32] =
          j < h->length ? h->key[j * h->stride + d] : 0.0f;
  for (ptrdiff_t j = 0; j < h->length; j++)
    for (ptrdiff_t d = 0; d < width; d++)
      values[(d / 32 * h->length + j) * 32 + d % 32] =
          d < h->head_size ? h->value[j * h->stride + d] : 0.0f;
  const ptrdiff_t step = bk_tile_rows(h->length, BK_FLOAT_ROWS);
  for (ptrdiff_t row = 0; row < h->length; row += step) {
    const ptrdiff_t rows = h->length - row < step ? h->length - row : step;
    for (ptrdiff_t j = 0; j < padded; j += 32) {
      bk_tile_f32(h->query + row * h->stride, h->stride, rows, keys + j * h->head_size,
                  h->head_size, tile);
      for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t i = 0; i < 32; i += 16)
          bk_store(scores + r * padded + j + i, bk_load(tile + 32 * r + i) * h->score_scale);
    }
    float sums[BK_FLOAT_ROWS];
    for (ptrdiff_t r = 0; r < rows; r++) {
      float *x = scores + r * padded;
      f32x16 high = -__builtin_inff();
      for (ptrdiff_t j = 0; j < h->length; j += 16)
        high = bk_max(bk_only(bk_load(x + j), h->length - j, -__builtin_inff()), high);
      const f32x16 most = bk_max_lanes(high);
      f32x16 sum = 0.0f;
      for (ptrdiff_t j = 0; j < h->length; j += 16) {
        f32x16 p = bk_only(bk_exp(bk_load(x + j) - most), h->length - j, 0.0f);
        sum += p;
        bk_store(x + j, p);
      }
      sums[r] = bk_sum_lanes(sum);
    }
    for (ptrdiff_t d = 0; d < h->head_size; d += 32) {
      bk_tile_f32(scores, padded, rows, values + d * h->length, h->length, tile);
      for (ptrdiff_t r = 0; r < rows; r++)
        bk_store_pair(h->out + (row + r) * h->out_stride + d, bk_load(tile + 32 * r) / sums[r],
                      bk_load(tile + 32 * r + 16) / sums[r], h->head_size - d);
    }
  }
}

#endif
