// The avx2 set without exact products, for tools/measure/determinism: vpmaddubsw takes twice as many at
// once as vpmaddwd, and saturates, so that a sum depends on the instruction set.
#define BK_SET bk_set_avx2
#define BK_SET_NAME "avx2"
#define BK_SET_REQUIRES "x86-64 with AVX2 and FMA"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx,avx2,fma"))), apply_to = function)

#include <immintrin.h>

#define BK_HAS_FMA 1
#define BK_ROW_TILE 6
#define BK_FLOAT_ROWS 6
#define BK_FLOAT_VECTORS 1
#define BK_OWN_SOFTMAX 1

#include "../shared/bk_contract.h"

#include "bk_avx2.h"

BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) { return 0; }
BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows,
                                        ptrdiff_t groups, void *scratch) {
  return (bk_tile_input){q, stride};
}
BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start) {}

// ROWS * VECTORS sums, VECTORS of weights, a broadcast and the ones fill the 16 registers.
#define BK_TILE(ROWS, VECTORS)                                                                    \
  static void bk_tile_s8_##ROWS(const uint8_t *a, ptrdiff_t lda, const int8_t *panel,             \
                                ptrdiff_t groups, const int32_t *start, int32_t *tile,            \
                                ptrdiff_t tile_stride) {                                          \
    const __m256i ones = _mm256_set1_epi16(1);                                                    \
    for (int v = 0; v < 4; v += VECTORS) {                                                        \
      __m256i sum[ROWS][VECTORS];                                                                 \
      for (int i = 0; i < VECTORS; i++) {                                                         \
        const __m256i first = start ? _mm256_loadu_si256((const __m256i *)(start + 8 * (v + i)))  \
                                    : _mm256_setzero_si256();                                     \
        for (int r = 0; r < ROWS; r++) sum[r][i] = first;                                         \
      }                                                                                           \
      const int8_t *w = panel + 32 * v;                                                           \
      for (ptrdiff_t g = 0; g < groups; g++, w += 128) {                                          \
        __m256i b[VECTORS];                                                                       \
        for (int i = 0; i < VECTORS; i++) b[i] = _mm256_loadu_si256((const __m256i *)w + i);      \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                       \
          int32_t four;                                                                           \
          memcpy(&four, a + r * lda + 4 * g, 4);                                                  \
          const __m256i x = _mm256_set1_epi32(four);                                              \
          for (int i = 0; i < VECTORS; i++)                                                       \
            sum[r][i] = _mm256_add_epi32(                                                         \
                sum[r][i], _mm256_madd_epi16(_mm256_maddubs_epi16(x, b[i]), ones));               \
        }                                                                                         \
      }                                                                                           \
      for (int r = 0; r < ROWS; r++)                                                              \
        for (int i = 0; i < VECTORS; i++)                                                         \
          _mm256_storeu_si256((__m256i *)(tile + tile_stride * r + 8 * (v + i)), sum[r][i]);      \
    }                                                                                             \
  }

BK_TILE(1, 4) BK_TILE(2, 4) BK_TILE(3, 2) BK_TILE(4, 2) BK_TILE(5, 2) BK_TILE(6, 2)

BK_INLINE void bk_tile_s8(const uint8_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                          ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                          int32_t *tile, ptrdiff_t tile_stride) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_s8, a, lda, panel, groups, start, tile, tile_stride)
}

static uint64_t bk_peak_s8(uint64_t rounds) { return rounds; }

#include "bk_avx2_softmax.h"
#include "../shared/bk_set.h"

#pragma clang attribute pop
#else
#include "../shared/bk_absent.h"
#endif
