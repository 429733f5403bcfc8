// NEON with matrix products of bytes: usmmla adds two rows of eight u8 times two columns of eight s8 to four int32,
// exactly. A row alone takes sudot, four products a sum.
#define BK_SET bk_set_neon_i8mm
#define BK_SET_NAME "neon-i8mm"
#define BK_SET_REQUIRES "ARMv8.6-A with FEAT_DotProd and FEAT_I8MM"

#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)

#define BK_ROW_TILE 12
#define BK_ROW_UNIT 2
#define BK_KEEPS_PANELS 1
#define BK_OUTPUTS_TILES 1

#include "bk_neon.h"
#include "../shared/bk_epilogue.h"

// MARK: Rows, in pairs

// Two groups of depth make a step of 8. A tile is [steps][pairs of rows][2][8]; a row or a group that does not exist is 0.
// A row alone stays as it is, with a stride of 0 to tell it by.
BK_INLINE ptrdiff_t bk_steps(ptrdiff_t groups) { return (groups + 1) / 2; }

BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) {
  return (size_t)(bk_round_up(rows, 2) * bk_steps(groups) * 8);
}

// One row into its place in every step of a tile.
BK_INLINE void bk_spread_row(const uint8_t *from, ptrdiff_t groups, ptrdiff_t pairs, uint8_t *to) {
  ptrdiff_t g = 0;
  for (; g + 4 <= groups; g += 4, from += 16, to += 32 * pairs) {
    const uint8x16_t x = vld1q_u8(from);
    vst1_u8(to, vget_low_u8(x));
    vst1_u8(to + 16 * pairs, vget_high_u8(x));
  }
  for (; g < groups; g += 2, from += 8, to += 16 * pairs) {
    if (g + 1 < groups) {
      vst1_u8(to, vld1_u8(from));
    } else {
      memcpy(to, from, 4);
      memset(to + 4, 0, 4);
    }
  }
}

BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t groups,
                                        void *scratch) {
  if (rows == 1) return (bk_tile_input){q, 0};
  const ptrdiff_t most = bk_tile_rows(rows, BK_ROW_TILE, BK_ROW_UNIT), row_bytes = 8 * bk_steps(groups);
  for (ptrdiff_t r = 0; r < rows; r += most) {
    const ptrdiff_t n = rows - r < most ? rows - r : most, pairs = (n + 1) / 2;
    uint8_t *tile = (uint8_t *)scratch + r * row_bytes;
    for (ptrdiff_t i = 0; i < n; i++) bk_spread_row(q + (r + i) * stride, groups, pairs, tile + 8 * i);
    if (n % 2 == 0) continue;
    for (ptrdiff_t s = 0; s < bk_steps(groups); s++) memset(tile + 16 * pairs * s + 8 * n, 0, 8);
  }
  return (bk_tile_input){scratch, row_bytes};
}

// Attention's weights are bytes that stand for themselves, and so are rows here.
BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start) {}

// MARK: Where sums go

// To `sums` as they are, or to outputs where there are such; the panel's sums start from `start`, or from zero.
typedef struct {
  const int32_t *start;
  int32_t *sums;
  ptrdiff_t sums_stride;
  const bk_tile_outputs *outputs;
  ptrdiff_t rows;
} bk_sums_to;

BK_INLINE f32x16 bk_twice(const float *p) {
  f32x16 y;
  memcpy(&y, p, 32), memcpy((char *)&y + 32, p, 32);
  return y;
}
BK_INLINE void bk_store_half(float *p, const f32x16 *y, int h) { memcpy(p, (const char *)y + 32 * h, 32); }

// A row's 8 sums from `column` on, and those of the next row behind them, to outputs.
BK_INLINE void bk_output_block(const bk_tile_outputs *o, ptrdiff_t row, int has_second, int column, i32x16 sums) {
  const float *scale = (const float *)o->scale + column, *bias = (const float *)o->bias + column;
  f32x16 row_scale = o->row_scales[row];
  if (has_second) row_scale.hi = o->row_scales[row + 1];
  f32x16 y = bk_fma(bk_float(sums) * row_scale, bk_twice(scale), bk_twice(bias));
  if (bk_waits(o->activation)) {
    float *to = o->waiting.values + BK_PANEL * row + column;
    bk_store_half(to, &y, 0), bk_store_half(to + BK_PANEL, &y, 1);
    return;
  }
  if (o->activation == BK_ACT_RELU) y = bk_activate(BK_ACT_RELU, 1, y);
  if (o->residual.rows) {
    const float *x = o->residual.rows + row * o->residual.stride + column;
    f32x16 added = bk_twice(x);
    if (has_second) memcpy((char *)&added + 32, x + o->residual.stride, 32);
    y += added;
  }
  float *to = o->out + row * o->stride + column;
  bk_store_half(to, &y, 0);
  if (has_second) bk_store_half(to + o->stride, &y, 1);
}

// The sums of a pair of rows by 8 columns: four vectors of two rows by two columns.
BK_INLINE void bk_finish_block(const bk_sums_to *to, int pair, int column, const int32x4_t *sum) {
  int64x2_t two[4];
  memcpy(two, sum, sizeof two);
  int64x2_t rows[4];  // the first row's 8 columns, and the second's
  for (int i = 0; i < 2; i++) {
    rows[i] = vzip1q_s64(two[2 * i], two[2 * i + 1]), rows[i + 2] = vzip2q_s64(two[2 * i], two[2 * i + 1]);
  }
  const ptrdiff_t row = 2 * pair;
  const int has_second = row + 1 < to->rows;
  i32x16 sums;
  memcpy(&sums, rows, sizeof sums);
  if (to->start) {
    i32x8 start;
    memcpy(&start, to->start + column, sizeof start);
    sums.lo += start, sums.hi += start;
  }
  if (to->outputs) {
    bk_output_block(to->outputs, row, has_second, column, sums);
    return;
  }
  int32_t *p = to->sums + to->sums_stride * row + column;
  memcpy(p, &sums, 32);
  if (has_second) memcpy(p + to->sums_stride, (const char *)&sums + 32, 32);
}

// MARK: Tiles of pairs

// Where a tile's weights come from: the panel; the panel, to be kept as usmmla wants them too; or those kept.
typedef enum { BK_LOOSE, BK_KEEP, BK_KEPT } bk_source;

// Two vectors of two columns by 8 depths: columns 4 * v to 4 * v + 3 of step s.
BK_INLINE void bk_load_columns(bk_source source, const int8_t *panel, int8_t *kept, ptrdiff_t s, int v, int has_second,
                               int8x16_t *b) {
  int8_t *k = kept + 256 * s + 32 * v;
  if (source == BK_KEPT) {
    b[0] = vld1q_s8(k), b[1] = vld1q_s8(k + 16);
    return;
  }
  const int8_t *w = panel + 256 * s + 16 * v;
  const int32x4_t x = vreinterpretq_s32_s8(vld1q_s8(w));
  const int32x4_t y = has_second ? vreinterpretq_s32_s8(vld1q_s8(w + 128)) : vdupq_n_s32(0);
  b[0] = vreinterpretq_s8_s32(vzip1q_s32(x, y)), b[1] = vreinterpretq_s8_s32(vzip2q_s32(x, y));
  if (source == BK_KEEP) vst1q_s8(k, b[0]), vst1q_s8(k + 16, b[1]);
}

// Adds step s: `pairs` pairs of rows by 4 * `vectors` columns from column 4 * v on. Few pairs stay in registers while
// weights go by, and the other way round: 24 sums, at most 4 vectors of either and one of the other fill 29 registers.
BK_INLINE void bk_add_step(int32x4_t *sum, int pairs, int vectors, bk_source source, const uint8_t *a,
                           const int8_t *panel, int8_t *kept, ptrdiff_t s, int v, int has_second) {
  const uint8_t *rows = a + 16 * pairs * s;
  if (pairs < vectors) {
    uint8x16_t x[4];
    _Pragma("clang loop unroll(full)") for (int p = 0; p < pairs; p++) x[p] = vld1q_u8(rows + 16 * p);
    _Pragma("clang loop unroll(full)") for (int i = 0; i < vectors; i++) {
      int8x16_t b[2];
      bk_load_columns(source, panel, kept, s, v + i, has_second, b);
      _Pragma("clang loop unroll(full)") for (int p = 0; p < pairs; p++) {
        int32x4_t *to = sum + 2 * (vectors * p + i);
        to[0] = vusmmlaq_s32(to[0], x[p], b[0]), to[1] = vusmmlaq_s32(to[1], x[p], b[1]);
      }
    }
  } else {
    int8x16_t b[8];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < vectors; i++) {
      bk_load_columns(source, panel, kept, s, v + i, has_second, b + 2 * i);
    }
    _Pragma("clang loop unroll(full)") for (int p = 0; p < pairs; p++) {
      const uint8x16_t x = vld1q_u8(rows + 16 * p);
      _Pragma("clang loop unroll(full)") for (int j = 0; j < 2 * vectors; j++) {
        int32x4_t *to = sum + 2 * vectors * p + j;
        *to = vusmmlaq_s32(*to, x, b[j]);
      }
    }
  }
}

BK_INLINE void bk_sum_pairs(int pairs, int vectors, bk_source source, const uint8_t *a, const int8_t *panel,
                            int8_t *kept, ptrdiff_t groups, bk_ahead ahead, const bk_sums_to *to) {
  for (int v = 0; v < 8; v += vectors) {
    bk_fetch_steps(&ahead, groups * vectors / 8);
    int32x4_t sum[24];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 2 * vectors * pairs; i++) sum[i] = vdupq_n_s32(0);
    ptrdiff_t s = 0;
    for (; s < groups / 2; s++) bk_add_step(sum, pairs, vectors, source, a, panel, kept, s, v, 1);
    if (groups % 2) bk_add_step(sum, pairs, vectors, source, a, panel, kept, s, v, 0);
    _Pragma("clang loop unroll(full)") for (int p = 0; p < pairs; p++) {
      _Pragma("clang loop unroll(full)") for (int i = 0; i < vectors; i += 2) {
        bk_finish_block(to, p, 4 * (v + i), sum + 2 * (vectors * p + i));
      }
    }
  }
}

#define BK_TILE(PAIRS, VECTORS, KEEP_VECTORS)                                                     \
  static __attribute__((noinline)) void bk_loose_##PAIRS(                                         \
      const uint8_t *a, const int8_t *panel, int8_t *kept, ptrdiff_t groups, bk_ahead ahead,      \
      const bk_sums_to *to) {                                                                     \
    bk_sum_pairs(PAIRS, VECTORS, BK_LOOSE, a, panel, kept, groups, ahead, to);                    \
  }                                                                                               \
  static __attribute__((noinline)) void bk_keep_##PAIRS(                                          \
      const uint8_t *a, const int8_t *panel, int8_t *kept, ptrdiff_t groups, bk_ahead ahead,      \
      const bk_sums_to *to) {                                                                     \
    bk_sum_pairs(PAIRS, KEEP_VECTORS, BK_KEEP, a, panel, kept, groups, ahead, to);                \
  }                                                                                               \
  static __attribute__((noinline)) void bk_kept_##PAIRS(                                          \
      const uint8_t *a, const int8_t *panel, int8_t *kept, ptrdiff_t groups, bk_ahead ahead,      \
      const bk_sums_to *to) {                                                                     \
    bk_sum_pairs(PAIRS, VECTORS, BK_KEPT, a, panel, kept, groups, ahead, to);                     \
  }
BK_TILE(1, 4, 4) BK_TILE(2, 4, 4) BK_TILE(3, 4, 2) BK_TILE(4, 2, 2) BK_TILE(5, 2, 2) BK_TILE(6, 2, 2)

// MARK: A row alone

// Its 32 sums are 8 vectors; four bytes of it, a lane of x, go with four depths of each vector of weights.
static __attribute__((noinline)) void bk_sum_row(const uint8_t *a, const int8_t *panel, ptrdiff_t groups,
                                                 bk_ahead ahead, const bk_sums_to *to) {
  bk_fetch_steps(&ahead, groups);
  int32x4_t sum[8];
  for (int i = 0; i < 8; i++) sum[i] = to->start ? vld1q_s32(to->start + 4 * i) : vdupq_n_s32(0);
  ptrdiff_t g = 0;
  for (; g + 4 <= groups; g += 4, panel += 512) {
    const uint8x16_t x = vld1q_u8(a + 4 * g);
#define BK_LANE(L)                                                                                \
  for (int i = 0; i < 8; i++) sum[i] = vsudotq_laneq_s32(sum[i], vld1q_s8(panel + 128 * L + 16 * i), x, L);
    BK_LANE(0) BK_LANE(1) BK_LANE(2) BK_LANE(3)
#undef BK_LANE
  }
  for (; g < groups; g++, panel += 128) {
    uint32_t four;
    memcpy(&four, a + 4 * g, 4);
    const uint8x16_t x = vreinterpretq_u8_u32(vdupq_n_u32(four));
    for (int i = 0; i < 8; i++) sum[i] = vusdotq_s32(sum[i], x, vld1q_s8(panel + 16 * i));
  }
  if (!to->outputs) {
    memcpy(to->sums, sum, sizeof sum);
    return;
  }
  i32x16 halves[2];
  memcpy(halves, sum, sizeof sum);
  if (bk_waits(to->outputs->activation)) {
    bk_keep_row(to->outputs, 0, halves[0], halves[1]);
  } else {
    bk_output_row(to->outputs, 0, halves[0], halves[1]);
  }
}

// MARK: What the contract asks for

BK_INLINE size_t bk_panel_scratch(ptrdiff_t groups) {
  return (size_t)bk_steps(groups) * (BK_PANEL * 2 * BK_GROUP);
}

BK_INLINE void bk_any_tile(ptrdiff_t index, ptrdiff_t tiles, int8_t *kept, const uint8_t *a, ptrdiff_t lda,
                           const int8_t *panel, ptrdiff_t groups, bk_ahead ahead, const bk_sums_to *to) {
  const ptrdiff_t pairs = (to->rows + 1) / 2;
  if (lda == 0) {
    bk_sum_row(a, panel, groups, ahead, to);
  } else if (tiles == 1) {
    BK_SWITCH_ROWS(6, pairs, bk_loose, a, panel, kept, groups, ahead, to)
  } else if (index == 0) {
    BK_SWITCH_ROWS(6, pairs, bk_keep, a, panel, kept, groups, ahead, to)
  } else {
    BK_SWITCH_ROWS(6, pairs, bk_kept, a, panel, kept, groups, ahead, to)
  }
}

BK_INLINE void bk_tile_of_panel(ptrdiff_t index, ptrdiff_t tiles, void *kept, const uint8_t *a, ptrdiff_t lda,
                                ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups, const int32_t *start,
                                bk_ahead ahead, int32_t *tile, ptrdiff_t tile_stride) {
  const bk_sums_to to = {start, tile, tile_stride, 0, rows};
  bk_any_tile(index, tiles, kept, a, lda, panel, groups, ahead, &to);
}

BK_INLINE void bk_tile_s8(const uint8_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups,
                          const int32_t *start, bk_ahead ahead, int32_t *tile, ptrdiff_t tile_stride) {
  bk_tile_of_panel(0, 1, 0, a, lda, rows, panel, groups, start, ahead, tile, tile_stride);
}

// The activation of a tile's parked rows, once all columns are there; a loop for each, as it has many constants.
static __attribute__((noinline)) void bk_activate_rows(const bk_tile_outputs *o, ptrdiff_t rows) {
  for (int gelu = 0; gelu < 2; gelu++) {
    if (gelu != (o->activation == BK_ACT_GELU)) continue;
    const bk_tile_outputs parked = {.stride = o->stride,
                                    .activation = gelu ? BK_ACT_GELU : BK_ACT_GELU_TANH,
                                    .waiting = {o->waiting.values, o->out, rows}};
    bk_output_all_waiting(&parked, 0);
  }
}

BK_INLINE void bk_tile_to_outputs(ptrdiff_t index, ptrdiff_t tiles, void *kept, const uint8_t *a, ptrdiff_t lda,
                                  ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups, const int32_t *start,
                                  bk_ahead ahead, bk_tile_outputs *outputs) {
  const bk_sums_to to = {start, 0, 0, outputs, rows};
  bk_any_tile(index, tiles, kept, a, lda, panel, groups, ahead, &to);
  if (bk_waits(outputs->activation)) bk_activate_rows(outputs, rows);
}

static uint64_t bk_peak_s8(uint64_t rounds) {
  int32x4_t sum[24];
  uint8x16_t a = vdupq_n_u8(1);
  int8x16_t b = vdupq_n_s8(1);
  BK_OPAQUE(a);
  BK_OPAQUE(b);
  for (int i = 0; i < 24; i++) sum[i] = vdupq_n_s32(i);
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 24; i++) sum[i] = vusmmlaq_s32(sum[i], a, b);
  }
  int32x4_t all = sum[0];
  for (int i = 1; i < 24; i++) all = vaddq_s32(all, sum[i]);
  BK_OPAQUE(all);
  return rounds * 24 * 32;
}

#include "../shared/bk_set.h"

#pragma clang attribute pop
#else
#include "../shared/bk_absent.h"
#endif
