// AVX-512 with VNNI: vpdpbusd adds four u8 x s8 products to an int32, exactly.
#define BK_SET bk_set_avx512vnni
#define BK_SET_NAME "avx512vnni"
#define BK_SET_REQUIRES "x86-64 with AVX-512 F, BW, DQ, VL and VNNI"

#if defined(__x86_64__)
#pragma clang attribute push(                                                          \
    __attribute__((target("avx,avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), \
    apply_to = function)

#define BK_OUTPUTS_TILES 1

#include "bk_avx512.h"

#define BK_OUTPUTS(ROWS)                                                                          \
  BK_INLINE void bk_tile_to_outputs_##ROWS(                                                       \
      const uint8_t *a, ptrdiff_t lda, const int8_t *panel, ptrdiff_t groups,                     \
      const int32_t *start, bk_ahead ahead, bk_tile_outputs *outputs) {                           \
    /* A copy whose address goes nowhere else can stay in registers. */                           \
    const bk_tile_outputs copy = *outputs;                                                        \
    const bk_sums_to to = {0, 0, &copy};                                                          \
    bk_sum_tile(ROWS, (bk_position){a, lda, panel, ahead}, groups, start, &to);                   \
    if (bk_waits(copy.activation)) outputs->waiting.out = copy.out, outputs->waiting.rows = ROWS; \
  }
BK_OUTPUTS(1) BK_OUTPUTS(2) BK_OUTPUTS(3) BK_OUTPUTS(4) BK_OUTPUTS(5) BK_OUTPUTS(6)
BK_OUTPUTS(7) BK_OUTPUTS(8) BK_OUTPUTS(9) BK_OUTPUTS(10) BK_OUTPUTS(11) BK_OUTPUTS(12)

BK_INLINE void bk_tile_to_outputs(ptrdiff_t index, ptrdiff_t tiles, void *kept, const uint8_t *a,
                                  ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                                  ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                                  bk_tile_outputs *to) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_to_outputs, a, lda, panel, groups, start, ahead, to)
}

static uint64_t bk_peak_s8(uint64_t rounds) {
  __m512i sum[24], a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(1);
  __asm__ volatile("" : "+v"(a), "+v"(b));
  for (int i = 0; i < 24; i++) sum[i] = _mm512_set1_epi32(i);
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 24; i++) {
      sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
    }
  }
  __m512i all = sum[0];
  for (int i = 1; i < 24; i++) all = _mm512_add_epi32(all, sum[i]);
  __asm__ volatile("" : : "v"(all));
  return rounds * 24 * 64;
}

#include "bk_avx512_softmax.h"
#include "../shared/bk_set.h"

#pragma clang attribute pop
#else
#include "../shared/bk_absent.h"
#endif
