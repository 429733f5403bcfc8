// NEON of every ARMv8-A: products of a group in 16 bits, added in pairs to 32.
//
// Exact for every byte: |q - 128| <= 128 and |w| <= 128, so a product makes at most 128 * 128 =
// 16384, which int16 holds. Two of them, 32768, would not fit, so none are added in 16 bits: a pair
// is widened as it is added (vpadalq).
#define BK_SET bk_set_neon
#define BK_SET_NAME "neon"
#define BK_SET_REQUIRES "ARMv8-A"

#if defined(__aarch64__)
#define BK_ROW_TILE 4

#include "bk_neon_signed.h"

// Rows by 8 outputs: a vector of weights holds 4 outputs by 4 depths, an accumulator 2 outputs by 2
// partial sums. 16 accumulators, 2 vectors of weights, one of rows and the products fit 32 registers.
#define BK_TILE(ROWS)                                                                             \
  static void bk_tile_s8_##ROWS(const int8_t *a, ptrdiff_t lda, const int8_t *panel,              \
                                ptrdiff_t groups, const int32_t *start, bk_ahead ahead,           \
                                int32_t *tile, ptrdiff_t tile_stride) {                           \
    for (int v = 0; v < 8; v += 2) {                                                              \
      bk_fetch_steps(&ahead, groups / 4);                                                         \
      int32x4_t sum[ROWS][2][2];                                                                  \
      for (int r = 0; r < ROWS; r++)                                                              \
        for (int i = 0; i < 2; i++) sum[r][i][0] = sum[r][i][1] = vdupq_n_s32(0);                 \
      const int8_t *w = panel + 16 * v;                                                           \
      for (ptrdiff_t g = 0; g < groups; g++, w += 128) {                                          \
        const int8x16_t b[2] = {vld1q_s8(w), vld1q_s8(w + 16)};                                   \
        for (int r = 0; r < ROWS; r++) {                                                          \
          const int8x16_t x = bk_broadcast(a + r * lda + 4 * g);                                  \
          for (int i = 0; i < 2; i++) {                                                           \
            const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(b[i]));                    \
            sum[r][i][0] = vpadalq_s16(sum[r][i][0], low);                                        \
            sum[r][i][1] = vpadalq_s16(sum[r][i][1], vmull_high_s8(x, b[i]));                     \
          }                                                                                       \
        }                                                                                         \
      }                                                                                           \
      for (int r = 0; r < ROWS; r++) {                                                            \
        for (int i = 0; i < 2; i++) {                                                             \
          int32x4_t four = vpaddq_s32(sum[r][i][0], sum[r][i][1]);                                \
          if (start) four = vaddq_s32(four, vld1q_s32(start + 4 * (v + i)));                      \
          vst1q_s32(tile + tile_stride * r + 4 * (v + i), four);                                  \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
  }

BK_TILE(1) BK_TILE(2) BK_TILE(3) BK_TILE(4)

BK_INLINE void bk_tile_s8(const int8_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                          ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                          int32_t *tile, ptrdiff_t tile_stride) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_s8, a, lda, panel, groups, start, ahead, tile, tile_stride)
}

static uint64_t bk_peak_s8(uint64_t rounds) {
  int32x4_t sum[12];
  int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(1);
  for (int i = 0; i < 12; i++) sum[i] = vdupq_n_s32(i);
  BK_OPAQUE(b);
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 12; i++) {
      BK_OPAQUE(a);
      const int16x8_t one = vmull_s8(vget_low_s8(a), vget_low_s8(b));
      sum[i] = vpadalq_s16(sum[i], one);
    }
  }
  int32x4_t all = sum[0];
  for (int i = 1; i < 12; i++) all = vaddq_s32(all, sum[i]);
  BK_OPAQUE(all);
  return rounds * 12 * 8;
}

#include "../shared/bk_set.h"

#else
#include "../shared/bk_absent.h"
#endif
