// Attention of one head over one sequence in int8: keys and values rounded once per channel, then
// a few queries at a time scored, turned into shares and multiplied with the values, so that their
// scores stay in the first-level cache.
#ifndef BK_ATTENTION_S8_H
#define BK_ATTENTION_S8_H

#include "bk_linear.h"

typedef uint32_t u32x4 __attribute__((ext_vector_type(4)));
typedef uint32_t u32x8 __attribute__((ext_vector_type(8)));
typedef uint32_t u32x16_u __attribute__((ext_vector_type(16), aligned(4)));

BK_INLINE void *bk_take(uintptr_t *at, ptrdiff_t bytes) {
  void *p = (void *)*at;
  *at += (uintptr_t)bk_round_up(bytes, 64);
  return p;
}

// Where the parts of one head's scratch lie; d is the head size, L the length.
typedef struct {
  int8_t *keys;         // panels [ceil(L/32)][ceil(d/4)][32][4]
  int8_t *values;       // panels [ceil(d/32)][ceil(L/4)][32][4]
  int32_t *key_start;   // [L up to 32]: -128 * sum of the key, undoing the query's + 128
  int32_t *value_start; // [d up to 32]: what the sums over values start from
  float *key_step;      // [d up to 32]: what one step of a channel's integers is worth
  float *value_step;    // [d up to 32]
  uint8_t *queries;     // [BK_ROW_TILE][d up to 4], + 128
  int32_t *scores;      // [BK_ROW_TILE][L up to 32]
  uint8_t *shares;      // [BK_ROW_TILE][L up to 32]
  void *rows;           // what bk_prepare_rows needs
  ptrdiff_t padded;     // L up to 32
  size_t size;
} bk_head_scratch;

BK_INLINE bk_head_scratch bk_lay_out_s8(ptrdiff_t length, ptrdiff_t head_size, void *base) {
  const ptrdiff_t padded = bk_round_up(length, 32), width = bk_round_up(head_size, 32);
  const ptrdiff_t deepest = padded > width ? padded : width;
  uintptr_t at = (uintptr_t)base;
  bk_head_scratch s;
  s.keys = bk_take(&at, padded * bk_round_up(head_size, 4));
  s.values = bk_take(&at, width * bk_round_up(length, 4));
  s.key_start = bk_take(&at, padded * 4);
  s.value_start = bk_take(&at, width * 4);
  s.key_step = bk_take(&at, width * 4);
  s.value_step = bk_take(&at, width * 4);
  s.queries = bk_take(&at, BK_ROW_TILE * width);
  s.scores = bk_take(&at, BK_ROW_TILE * padded * 4);
  s.shares = bk_take(&at, BK_ROW_TILE * padded);
  s.rows = bk_take(&at, (ptrdiff_t)bk_rows_scratch(BK_ROW_TILE, deepest / 4));
  s.padded = padded;
  s.size = (size_t)(at - (uintptr_t)base);
  return s;
}

static size_t bk_attend_s8_scratch(ptrdiff_t length, ptrdiff_t head_size) {
  return bk_lay_out_s8(length, head_size, 0).size;
}

// MARK: Keys and values, once a head

// The largest magnitudes of up to 16 channels at x, as 127 / largest and largest / 127.
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

// The nearest integers to x * inverse, in -127...127, as the low byte of each lane.
BK_INLINE u32x16 bk_round_channels(const float *x, ptrdiff_t n, f32x16 inverse) {
  return (u32x16)bk_fma(bk_load_upto(x, n, 0.0f), inverse, BK_MAGIC) & 0xff;
}

// 16 keys by 16 channels: row i of 16 bytes becomes dword i of each of 4 groups, `to` 128 bytes
// apart, as many of them as `groups`.
BK_INLINE void bk_scatter_keys(const u8x16 *key, ptrdiff_t groups, int8_t *to) {
#define BK_JOIN(A, B) __builtin_shufflevector((u32x4)(A), (u32x4)(B), 0, 1, 2, 3, 4, 5, 6, 7)
#define BK_JOIN4(I)                                                                               \
  __builtin_shufflevector(BK_JOIN(key[I], key[I + 1]), BK_JOIN(key[I + 2], key[I + 3]), 0, 1, 2,  \
                          3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  const u32x16 a = BK_JOIN4(0), b = BK_JOIN4(4), c = BK_JOIN4(8), d = BK_JOIN4(12);
#undef BK_JOIN4
#undef BK_JOIN
#define BK_TRANSPOSED(X, Y, I, J)                                                                 \
  __builtin_shufflevector(X, Y, I, I + 4, I + 8, I + 12, I + 16, I + 20, I + 24, I + 28, J, J + 4, \
                          J + 8, J + 12, J + 16, J + 20, J + 24, J + 28)
  const u32x16 ab01 = BK_TRANSPOSED(a, b, 0, 1), ab23 = BK_TRANSPOSED(a, b, 2, 3);
  const u32x16 cd01 = BK_TRANSPOSED(c, d, 0, 1), cd23 = BK_TRANSPOSED(c, d, 2, 3);
#undef BK_TRANSPOSED
  const u32x16 group[4] = {
      __builtin_shufflevector(ab01, cd01, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
      __builtin_shufflevector(ab01, cd01, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30,
                              31),
      __builtin_shufflevector(ab23, cd23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
      __builtin_shufflevector(ab23, cd23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30,
                              31),
  };
  for (ptrdiff_t g = 0; g < groups; g++) *(u32x16_u *)(to + 128 * g) = group[g];
}

BK_INLINE void bk_pack_keys(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size) {
  const ptrdiff_t groups = (head_size + 3) / 4;
  for (ptrdiff_t d = 0; d < head_size; d += 16) {
    const ptrdiff_t n = head_size - d, full = (n + 3) / 4;
    const f32x16 inverse =
        bk_channel_scale(h->key + d, h->stride, h->length, n, s->key_step + d);
    for (ptrdiff_t j = 0; j < s->padded; j += 16) {
      u8x16 key[16];
      const float *x = h->key + j * h->stride + d;
      const ptrdiff_t count = h->length - j;
      for (ptrdiff_t i = 0; i < 16; i++) {
        key[i] = i < count ? __builtin_convertvector(
                                 bk_round_channels(x + i * h->stride, n, inverse), u8x16)
                           : (u8x16)0;
      }
      bk_scatter_keys(key, full < 4 ? full : 4,
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
               (bk_ahead){s->keys, 0}, start, BK_PANEL);
    for (int i = 0; i < 32; i++) start[i] = -start[i];
  }
}

BK_INLINE void bk_pack_values(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size) {
  const ptrdiff_t groups = (h->length + 3) / 4, width = bk_round_up(head_size, 32);
  for (ptrdiff_t d = 0; d < width; d += 16) {
    const ptrdiff_t n = head_size - d;
    uint8_t *to = (uint8_t *)s->values + (d / 32 * groups * 32 + d % 32) * 4;
    if (n <= 0) {
      for (ptrdiff_t g = 0; g < groups; g++) memset(to + 128 * g, 0, 64);
      continue;
    }
    const f32x16 inverse =
        bk_channel_scale(h->value + d, h->stride, h->length, n, s->value_step + d);
    const float *x = h->value + d;
    for (ptrdiff_t g = 0; g < groups; g++, x += 4 * h->stride) {
      u32x16 four = bk_round_channels(x, n, inverse);
      for (ptrdiff_t i = 1; i < 4 && 4 * g + i < h->length; i++) {
        four |= bk_round_channels(x + i * h->stride, n, inverse) << (uint32_t)(8 * i);
      }
      *(u32x16_u *)(to + 128 * g) = four;
    }
  }
  for (ptrdiff_t d = 0; d < head_size; d += 32) {
    memset(s->value_start + d, 0, 32 * sizeof(int32_t));
    bk_undo_preparation(s->values + d * groups * 4, groups, s->value_start + d);
  }
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

// Lanes n and up replaced.
BK_INLINE i32x16 bk_only_i32(i32x16 v, ptrdiff_t n, int32_t fill) {
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return lane < (int32_t)n ? v : (i32x16)fill;
}

BK_INLINE i32x16 bk_max_i32(i32x16 a, i32x16 b) { return a > b ? a : b; }

BK_INLINE int32_t bk_most_score(const int32_t *scores, ptrdiff_t length) {
  const ptrdiff_t whole = length / 16 * 16;
  i32x16 high = INT32_MIN;
  for (ptrdiff_t j = 0; j < whole; j += 16) high = bk_max_i32(bk_load_i32(scores + j), high);
  if (whole < length) {
    high = bk_max_i32(bk_only_i32(bk_load_i32(scores + whole), length - whole, INT32_MIN), high);
  }
  typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
  typedef int32_t i32x4 __attribute__((ext_vector_type(4)));
  const i32x8 a = high.lo > high.hi ? high.lo : high.hi;
  const i32x4 b = a.lo > a.hi ? a.lo : a.hi;
  const int32_t c = b.x > b.z ? b.x : b.z, d = b.y > b.w ? b.y : b.w;
  return c > d ? c : d;
}

// 16 shares of 255 as the low bytes of floats, from how far scores lie below the largest.
BK_INLINE f32x16 bk_shares(i32x16 below, float scale) {
  const f32x16 t = bk_fma(bk_float(below), scale, 0x1.ffa37cp+2f);  // + log2(255)
  return bk_exp2_coarse(bk_max(t, -125.0f)) + BK_MAGIC;
}

// Scores to shares, 255 for the largest; returns the shares' sum, which is exact: at most
// 255 * BK_MAX_DEPTH < 2^24. Shares past the length are 0.
//
// Scores differ by at most 2 * 127 * 127 * 65536 < 2^31.
BK_INLINE float bk_share_row(const int32_t *scores, ptrdiff_t length, float scale,
                             uint8_t *shares) {
  const i32x16 most = bk_most_score(scores, length);
  const ptrdiff_t whole = length / 16 * 16;
  u32x16 sum = 0;
  for (ptrdiff_t j = 0; j < whole; j += 16) {
    const f32x16 share = bk_shares(bk_load_i32(scores + j) - most, scale);
    sum += (u32x16)share & 0xff;
    bk_store_u8(shares + j, bk_low_bytes(share));
  }
  if (whole < length) {
    const f32x16 share = bk_shares(bk_load_i32(scores + whole) - most, scale);
    const i32x16 only = bk_only_i32((i32x16)share & 0xff, length - whole, 0);
    sum += (u32x16)only;
    bk_store_u8(shares + whole, __builtin_convertvector((u32x16)only, u8x16));
  }
  const u32x8 a = sum.lo + sum.hi;
  const u32x4 b = a.lo + a.hi;
  return (float)(int32_t)(b.x + b.y + b.z + b.w);
}

BK_INLINE void bk_attend_rows(const bk_head *h, const bk_head_scratch *s, ptrdiff_t head_size,
                              ptrdiff_t row, ptrdiff_t rows) {
  const ptrdiff_t stride = bk_round_up(head_size, 4), groups = (h->length + 3) / 4;
  float scales[16], inverse[BK_ROW_TILE];
  bk_round_queries(h, s, head_size, row, rows, scales);
  const bk_tile_input q = bk_prepare_rows(s->queries, stride, rows, stride / 4, s->rows);
  for (ptrdiff_t j = 0; j < s->padded; j += 32) {
    bk_tile_s8(bk_tile_row(&q, 0), q.stride, rows, s->keys + j * stride, stride / 4,
               s->key_start + j, (bk_ahead){s->keys, 0}, s->scores + j, s->padded);
  }
  for (ptrdiff_t r = 0; r < rows; r++) {
    inverse[r] = 1.0f / bk_share_row(s->scores + r * s->padded, h->length, scales[r],
                                     s->shares + r * s->padded);
  }
  const bk_tile_input p = bk_prepare_rows(s->shares, s->padded, rows, groups, s->rows);
  for (ptrdiff_t d = 0; d < head_size; d += 32) {
    // At most 255 * 127 * length: exact up to BK_MAX_DEPTH tokens.
    _Alignas(64) int32_t tile[BK_ROW_TILE * BK_PANEL];
    bk_tile_s8(bk_tile_row(&p, 0), p.stride, rows, s->values + d * groups * 4, groups,
               s->value_start + d, (bk_ahead){s->values, 0}, tile, BK_PANEL);
    const f32x16 step0 = bk_load(s->value_step + d), step1 = bk_load(s->value_step + d + 16);
    for (ptrdiff_t r = 0; r < rows; r++) {
      const f32x16 y0 = bk_float(bk_load_i32(tile + 32 * r)) * inverse[r] * step0;
      const f32x16 y1 = bk_float(bk_load_i32(tile + 32 * r + 16)) * inverse[r] * step1;
      bk_store_pair(h->out + (row + r) * h->out_stride + d, y0, y1, head_size - d);
    }
  }
}

BK_INLINE void bk_attend_s8_of(const bk_head *h, ptrdiff_t head_size, void *scratch) {
  const bk_head_scratch s = bk_lay_out_s8(h->length, head_size, scratch);
  bk_pack_keys(h, &s, head_size);
  bk_pack_values(h, &s, head_size);
  const ptrdiff_t step = bk_tile_rows(h->length, BK_ROW_TILE);
  for (ptrdiff_t row = 0; row < h->length; row += step) {
    bk_attend_rows(h, &s, head_size, row, h->length - row < step ? h->length - row : step);
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
