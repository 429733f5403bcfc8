// AVX2 with FMA and AVX-VNNI: vpdpbusd adds four u8 x s8 products to an int32, exactly.
//
// The machines that have it without AVX-512, Intel's since 2021, know it in the older VEX encoding. With BK_EVEX_TWIN
// the same source is compiled to the EVEX one of AVX-512, so that it can be tested where only that is at hand.
#define BK_SET bk_set_avxvnni
#define BK_SET_NAME "avxvnni"
#define BK_SET_REQUIRES "x86-64 with AVX2, FMA and AVX-VNNI"

#if defined(__x86_64__)
#ifdef BK_EVEX_TWIN
#define BK_AVXVNNI_TARGET "avx,avx2,fma,avx512vl,avx512vnni"
#define BK_DPBUSD _mm256_dpbusd_epi32
#else
#define BK_AVXVNNI_TARGET "avx,avx2,fma,avxvnni"
#define BK_DPBUSD _mm256_dpbusd_avx_epi32
#endif
#pragma clang attribute push(__attribute__((target(BK_AVXVNNI_TARGET))), apply_to = function)

#include <immintrin.h>

#define BK_HAS_FMA 1
#define BK_ROW_TILE 6
#define BK_FLOAT_ROWS 6
#define BK_FLOAT_VECTORS 1
#define BK_OWN_SOFTMAX 1

#include "../shared/bk_contract.h"

#include "bk_avx2.h"

// MARK: Rows, as they are

BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) { return 0; }
BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t groups,
                                        void *scratch) {
  return (bk_tile_input){q, stride};
}
BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start) {}

// MARK: Tiles

BK_INLINE __m256i bk_broadcast(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

// What a tile is computed from, and where its sums go.
typedef struct {
  const uint8_t *a;
  ptrdiff_t lda;
  const int8_t *panel;
  ptrdiff_t groups;
  const int32_t *start;
  int32_t *sums;
  ptrdiff_t sums_stride;
} bk_tile;

// The most vectors of 8 sums, which with a vector of weights or more and a row's broadcast fill the 16 registers.
enum { BK_SUM_VECTORS = 12 };

// A group of rows' bytes, and how far apart they lie. The last three of up to six rows have a pointer of their own, so that
// an address is that of a row and up to twice the stride, which needs no instruction.
typedef struct {
  const uint8_t *low, *high;
  ptrdiff_t lda;
} bk_rows_at;

BK_INLINE __m256i bk_broadcast_row(const bk_rows_at *at, int row) {
  return bk_broadcast(row < 3 ? at->low + row * at->lda : at->high + (row - 3) * at->lda);
}

// Adds one group of depth: all rows by `vectors` vectors of outputs. Compiled where `rows` and `vectors` are constants.
BK_INLINE void bk_add_group(__m256i *sum, int rows, int vectors, const bk_rows_at *at, const int8_t *w) {
  if (rows <= vectors) {
    // Fewer rows than vectors of weights: the rows' bytes stay in registers.
    __m256i x[4];
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) x[r] = bk_broadcast_row(at, r);
    _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
      const __m256i b = _mm256_loadu_si256((const __m256i *)w + v);
      _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
        sum[r * vectors + v] = BK_DPBUSD(sum[r * vectors + v], x[r], b);
      }
    }
  } else {
    __m256i b[4];
    _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
      b[v] = _mm256_loadu_si256((const __m256i *)w + v);
    }
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
      const __m256i x = bk_broadcast_row(at, r);
      _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
        sum[r * vectors + v] = BK_DPBUSD(sum[r * vectors + v], x, b[v]);
      }
    }
  }
}

// The sums of `rows` rows by the outputs of `vectors` vectors from `first` on, of the 4 that a panel has.
//
// An instruction's result comes after 5 cycles, and two start in each, so 10 sums have to be under way. One row has 4:
// it adds even groups and odd ones to sums of their own.
BK_INLINE void bk_sum_vectors(int rows, int vectors, int first, const bk_tile *t) {
  __m256i sum[BK_SUM_VECTORS], odd[4];
  _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
    const __m256i start = t->start ? _mm256_loadu_si256((const __m256i *)t->start + first + v) : _mm256_setzero_si256();
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) sum[r * vectors + v] = start;
  }
  bk_rows_at at = {t->a, t->a + 3 * t->lda, t->lda};
  __asm__("" : "+r"(at.high));  // a compiler that knew the sum would rather add in the loop
  const int8_t *w = t->panel + 32 * first;
  ptrdiff_t g = 0;
  if (rows == 1) {
    for (int v = 0; v < 4; v++) odd[v] = _mm256_setzero_si256();
    for (; g + 2 <= t->groups; g += 2, at.low += 2 * BK_GROUP, w += 2 * BK_PANEL * BK_GROUP) {
      const bk_rows_at next = {at.low + BK_GROUP, 0, 0};
      bk_add_group(sum, rows, vectors, &at, w);
      bk_add_group(odd, rows, vectors, &next, w + BK_PANEL * BK_GROUP);
    }
    for (int v = 0; v < 4; v++) sum[v] = _mm256_add_epi32(sum[v], odd[v]);
  }
  for (; g < t->groups; g++, at.low += BK_GROUP, at.high += BK_GROUP, w += BK_PANEL * BK_GROUP) {
    bk_add_group(sum, rows, vectors, &at, w);
  }
  _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
    __m256i *to = (__m256i *)(t->sums + t->sums_stride * r) + first;
    _Pragma("clang loop unroll(full)") for (int v = 0; v < vectors; v++) {
      _mm256_storeu_si256(to + v, sum[r * vectors + v]);
    }
  }
}

BK_INLINE void bk_sum_tile(int rows, int vectors, const bk_tile *t, bk_ahead ahead) {
  for (int first = 0; first < 4; first += vectors) {
    bk_fetch_steps(&ahead, t->groups * vectors / 4);
    bk_sum_vectors(rows, vectors, first, t);
  }
}

#define BK_TILE(ROWS, VECTORS)                                                                    \
  static __attribute__((noinline)) void bk_tile_s8_##ROWS(const bk_tile *t, bk_ahead ahead) {     \
    bk_sum_tile(ROWS, VECTORS, t, ahead);                                                         \
  }
BK_TILE(1, 4) BK_TILE(2, 4) BK_TILE(3, 4) BK_TILE(4, 2) BK_TILE(5, 2) BK_TILE(6, 2)

BK_INLINE void bk_tile_s8(const uint8_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups,
                          const int32_t *start, bk_ahead ahead, int32_t *tile, ptrdiff_t tile_stride) {
  const bk_tile t = {a, lda, panel, groups, start, tile, tile_stride};
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_s8, &t, ahead)
}

static uint64_t bk_peak_s8(uint64_t rounds) {
  __m256i sum[BK_SUM_VECTORS], a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(1);
  for (int i = 0; i < BK_SUM_VECTORS; i++) sum[i] = _mm256_set1_epi32(i);
  BK_OPAQUE(a);
  BK_OPAQUE(b);
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < BK_SUM_VECTORS; i++) sum[i] = BK_DPBUSD(sum[i], a, b);
  }
  __m256i all = sum[0];
  for (int i = 1; i < BK_SUM_VECTORS; i++) all = _mm256_add_epi32(all, sum[i]);
  BK_OPAQUE(all);
  return rounds * BK_SUM_VECTORS * 32;
}

#include "bk_avx2_softmax.h"
#include "../shared/bk_set.h"

#pragma clang attribute pop
#else
#include "../shared/bk_absent.h"
#endif
