// AVX2 with FMA: rows and weights widened to 16 bits once, products added in pairs.
//
// vpmaddwd is exact: |2 * 255 * 128| = 65280 fits the int32 it gives, where vpmaddubsw on the same
// bytes would saturate at 32767.
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
#define BK_PREPARED int16_t
#define BK_KEEPS_PANELS 1
#define BK_OWN_SOFTMAX 1

#include "../shared/bk_contract.h"

#include "bk_avx2.h"

// Tiles of rows of 16-bit values, [groups][rows of the tile][4] each, so that the loop over groups
// finds all rows at fixed places. `stride` is what a row takes: a tile begins at its first row's.
BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) {
  return (size_t)rows * (size_t)groups * BK_GROUP * sizeof(int16_t);
}

BK_INLINE void bk_widen_row(const uint8_t *from, ptrdiff_t groups, ptrdiff_t rows, int16_t *to) {
  ptrdiff_t g = 0;
  for (; g + 4 <= groups; g += 4, from += 16, to += 16 * rows) {
    const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)from));
    const __m128i low = _mm256_castsi256_si128(wide), high = _mm256_extracti128_si256(wide, 1);
    _mm_storel_epi64((__m128i *)to, low);
    _mm_storeh_pd((double *)(to + 4 * rows), _mm_castsi128_pd(low));
    _mm_storel_epi64((__m128i *)(to + 8 * rows), high);
    _mm_storeh_pd((double *)(to + 12 * rows), _mm_castsi128_pd(high));
  }
  for (; g < groups; g++, from += 4, to += 4 * rows) {
    for (int i = 0; i < 4; i++) to[i] = from[i];
  }
}

BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows,
                                        ptrdiff_t groups, void *scratch) {
  const ptrdiff_t depth = groups * BK_GROUP, step = bk_tile_rows(rows, BK_ROW_TILE, BK_ROW_UNIT);
  for (ptrdiff_t r = 0; r < rows; r += step) {
    const ptrdiff_t n = rows - r < step ? rows - r : step;
    int16_t *tile = (int16_t *)scratch + r * depth;
    for (ptrdiff_t i = 0; i < n; i++) {
      bk_widen_row(q + (r + i) * stride, groups, n, tile + BK_GROUP * i);
    }
  }
  return (bk_tile_input){scratch, depth};
}

BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start) {}

BK_INLINE __m256i bk_broadcast(const int16_t *p) {
  long long four;
  memcpy(&four, p, 8);
  return _mm256_set1_epi64x(four);
}

// Where a tile's weights come from: int8; int8, to be kept in 16 bits too; or kept ones.
typedef enum { BK_NARROW, BK_KEEP, BK_KEPT } bk_source;

BK_INLINE __m256i bk_weights(bk_source source, const int8_t *panel, int16_t *kept, ptrdiff_t at) {
  if (source == BK_KEPT) return _mm256_loadu_si256((const __m256i *)(kept + at));
  const __m256i w = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(panel + at)));
  if (source == BK_KEEP) _mm256_storeu_si256((__m256i *)(kept + at), w);
  return w;
}

// What `ahead` says for some groups, to the second-level cache: the first-level one has no room beside a kept panel. Some
// lines at once, because the loop over groups has no time for one instruction more.
BK_INLINE void bk_fetch_part(bk_ahead *ahead, ptrdiff_t groups) {
  const int8_t *end = ahead->at + groups * ahead->step;
  for (; ahead->at < end; ahead->at += 64) __builtin_prefetch(ahead->at, 0, 2);
}

// A vector of weights holds 4 outputs by 4 depths, an accumulator 4 outputs by 2 partial sums.
// ROWS * VECTORS of them, VECTORS of weights, a broadcast and a product fill the 16 registers.
#define BK_TILE(ROWS, VECTORS)                                                                    \
  BK_INLINE void bk_tile_s8_##ROWS(bk_source source, const int16_t *a, const int8_t *panel,       \
                                   int16_t *kept, ptrdiff_t groups, const int32_t *start,         \
                                   bk_ahead ahead, int32_t *tile, ptrdiff_t tile_stride) {        \
    for (int v = 0; v < 8; v += VECTORS) {                                                        \
      bk_fetch_part(&ahead, groups * VECTORS / 8);                                                \
      __m256i sum[ROWS][VECTORS];                                                                 \
      for (int r = 0; r < ROWS; r++)                                                              \
        for (int i = 0; i < VECTORS; i++) sum[r][i] = _mm256_setzero_si256();                     \
      const int16_t *x = a;                                                                       \
      _Pragma("clang loop unroll_count(2)")                                                       \
      for (ptrdiff_t g = 0; g < groups; g++, x += 4 * ROWS) {                                     \
        __m256i b[VECTORS];                                                                       \
        for (int i = 0; i < VECTORS; i++)                                                         \
          b[i] = bk_weights(source, panel, kept, 128 * g + 16 * (v + i));                         \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                       \
          const __m256i four = bk_broadcast(x + 4 * r);                                           \
          for (int i = 0; i < VECTORS; i++)                                                       \
            sum[r][i] = _mm256_add_epi32(sum[r][i], _mm256_madd_epi16(four, b[i]));               \
        }                                                                                         \
      }                                                                                           \
      for (int r = 0; r < ROWS; r++)                                                              \
        for (int i = 0; i < VECTORS; i += 2)                                                      \
          bk_store_pairs(sum[r][i], sum[r][i + 1], start, 4 * (v + i), tile + tile_stride * r);   \
    }                                                                                             \
  }

// Adds the partial sums of 8 outputs and what they start from.
BK_INLINE void bk_store_pairs(__m256i low, __m256i high, const int32_t *start, ptrdiff_t column,
                              int32_t *tile) {
  __m256i sum = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xD8);
  if (start) {
    sum = _mm256_add_epi32(sum, _mm256_loadu_si256((const __m256i *)(start + column)));
  }
  _mm256_storeu_si256((__m256i *)(tile + column), sum);
}

BK_TILE(1, 8) BK_TILE(2, 4) BK_TILE(3, 2) BK_TILE(4, 2) BK_TILE(5, 2) BK_TILE(6, 2)

#define BK_TILES(NAME, SOURCE)                                                                    \
  static void NAME(const int16_t *a, ptrdiff_t rows, const int8_t *panel, int16_t *kept,          \
                   ptrdiff_t groups, const int32_t *start, bk_ahead ahead, int32_t *tile,         \
                   ptrdiff_t stride) {                                                            \
    BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_s8, SOURCE, a, panel, kept, groups, start, ahead, tile, \
                   stride)                                                                        \
  }
BK_TILES(bk_tile_narrow, BK_NARROW)
BK_TILES(bk_tile_keep, BK_KEEP)
BK_TILES(bk_tile_kept, BK_KEPT)

BK_INLINE void bk_tile_s8(const int16_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                          ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                          int32_t *tile, ptrdiff_t tile_stride) {
  bk_tile_narrow(a, rows, panel, 0, groups, start, ahead, tile, tile_stride);
}

// The first of several tiles keeps the weights in 16 bits for the others: a twelfth of what a tile
// computes is widening.
BK_INLINE size_t bk_panel_scratch(ptrdiff_t groups) {
  return (size_t)groups * (BK_PANEL * BK_GROUP * sizeof(int16_t));
}
BK_INLINE void bk_tile_of_panel(ptrdiff_t index, ptrdiff_t tiles, void *kept, const int16_t *a,
                                ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                                ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                                int32_t *tile, ptrdiff_t tile_stride) {
  if (tiles == 1) {
    bk_tile_narrow(a, rows, panel, 0, groups, start, ahead, tile, tile_stride);
  } else if (index == 0) {
    bk_tile_keep(a, rows, panel, kept, groups, start, ahead, tile, tile_stride);
  } else {
    bk_tile_kept(a, rows, panel, kept, groups, start, ahead, tile, tile_stride);
  }
}

static uint64_t bk_peak_s8(uint64_t rounds) {
  __m256i sum[12], a = _mm256_set1_epi16(1), b = _mm256_set1_epi16(1);
  for (int i = 0; i < 12; i++) sum[i] = _mm256_set1_epi32(i);
  BK_OPAQUE(b);
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 12; i++) {
      BK_OPAQUE(a);
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(a, b));
    }
  }
  __m256i all = sum[0];
  for (int i = 1; i < 12; i++) all = _mm256_add_epi32(all, sum[i]);
  BK_OPAQUE(all);
  return rounds * 12 * 16;
}

#include "bk_avx2_softmax.h"
#include "../shared/bk_set.h"

#pragma clang attribute pop
#else
#include "../shared/bk_absent.h"
#endif
