// What several functions of the AVX2 set build on: masks, and tables of 16 floats. Included within the set's target
// attribute.
#ifndef BK_AVX2_H
#define BK_AVX2_H

#include "bk_vector.h"

// All bits of the first n of 8 lanes; n may be below 0 or above 8.
BK_INLINE __m256i bk_first_lanes(ptrdiff_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
BK_INLINE f32x8 bk_load_half(const float *p, ptrdiff_t n, float fill) {
  const __m256i mask = bk_first_lanes(n);
  return (f32x8)_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask),
                                 _mm256_castsi256_ps(mask));
}
BK_INLINE f32x16 bk_load_some(const float *p, ptrdiff_t n, float fill) {
  f32x16 v;
  v.lo = bk_load_half(p, n, fill), v.hi = bk_load_half(p + 8, n - 8, fill);
  return v;
}
BK_INLINE void bk_store_some(float *p, f32x16 v, ptrdiff_t n) {
  _mm256_maskstore_ps(p, bk_first_lanes(n), (__m256)v.lo);
  _mm256_maskstore_ps(p + 8, bk_first_lanes(n - 8), (__m256)v.hi);
}

BK_INLINE __m256 bk_lookup_half(const float *table, __m256i index) {
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), index);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), index);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
}
BK_INLINE f32x16 bk_lookup(const float *table, u32x16 index) {
  f32x16 y;
  y.lo = (f32x8)bk_lookup_half(table, (__m256i)index.lo);
  y.hi = (f32x8)bk_lookup_half(table, (__m256i)index.hi);
  return y;
}

#endif
