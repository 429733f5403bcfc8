// NEON with dot products: sdot adds four s8 x s8 products to an int32, exactly.
#define BK_SET bk_set_neon_dot
#define BK_SET_NAME "neon-dot"
#define BK_SET_REQUIRES "ARMv8.2-A with FEAT_DotProd"

#if defined(__aarch64__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define BK_ROW_TILE 6

#include "bk_neon_signed.h"

// One group of all rows: row r's four bytes are lane LANE of x[r].
#define BK_DOT(ROWS, LANE)                                                                        \
  for (int i = 0; i < 4; i++) {                                                                   \
    const int8x16_t b = vld1q_s8(w + 128 * LANE + 16 * i);                                        \
    for (int r = 0; r < ROWS; r++) sum[r][i] = vdotq_laneq_s32(sum[r][i], b, x[r], LANE);         \
  }

// 24 accumulators, 6 vectors of rows and a vector of weights fill 31 of the 32 registers. A vector
// of weights holds 4 outputs by 4 depths; a vector of a row holds 4 groups.
#define BK_TILE(ROWS)                                                                             \
  static void bk_tile_s8_##ROWS(const int8_t *a, ptrdiff_t lda, const int8_t *panel,              \
                                ptrdiff_t groups, const int32_t *start, bk_ahead ahead,           \
                                int32_t *tile, ptrdiff_t tile_stride) {                           \
    for (int h = 0; h < 2; h++) {                                                                 \
      bk_fetch_steps(&ahead, groups / 2);                                                         \
      int32x4_t sum[ROWS][4];                                                                     \
      for (int r = 0; r < ROWS; r++)                                                              \
        for (int i = 0; i < 4; i++)                                                               \
          sum[r][i] = start ? vld1q_s32(start + 16 * h + 4 * i) : vdupq_n_s32(0);                 \
      const int8_t *w = panel + 64 * h;                                                           \
      ptrdiff_t g = 0;                                                                            \
      for (; g + 4 <= groups; g += 4, w += 512) {                                                 \
        int8x16_t x[ROWS];                                                                        \
        for (int r = 0; r < ROWS; r++) x[r] = vld1q_s8(a + r * lda + 4 * g);                      \
        BK_DOT(ROWS, 0) BK_DOT(ROWS, 1) BK_DOT(ROWS, 2) BK_DOT(ROWS, 3)                           \
      }                                                                                           \
      for (; g < groups; g++, w += 128) {                                                         \
        int8x16_t x[ROWS];                                                                        \
        for (int r = 0; r < ROWS; r++) x[r] = bk_broadcast(a + r * lda + 4 * g);                  \
        BK_DOT(ROWS, 0)                                                                           \
      }                                                                                           \
      for (int r = 0; r < ROWS; r++)                                                              \
        for (int i = 0; i < 4; i++) vst1q_s32(tile + tile_stride * r + 16 * h + 4 * i, sum[r][i]);\
    }                                                                                             \
  }

BK_TILE(1) BK_TILE(2) BK_TILE(3) BK_TILE(4) BK_TILE(5) BK_TILE(6)

BK_INLINE void bk_tile_s8(const int8_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                          ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                          int32_t *tile, ptrdiff_t tile_stride) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_s8, a, lda, panel, groups, start, ahead, tile, tile_stride)
}

static uint64_t bk_peak_s8(uint64_t rounds) {
  int32x4_t sum[24];
  int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(1);
  BK_OPAQUE(a);
  BK_OPAQUE(b);
  for (int i = 0; i < 24; i++) sum[i] = vdupq_n_s32(i);
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 24; i++) {
      sum[i] = vdotq_s32(sum[i], a, b);
    }
  }
  int32x4_t all = sum[0];
  for (int i = 1; i < 24; i++) all = vaddq_s32(all, sum[i]);
  BK_OPAQUE(all);
  return rounds * 24 * 16;
}

#include "../shared/bk_set.h"

#pragma clang attribute pop
#else
#include "../shared/bk_absent.h"
#endif
