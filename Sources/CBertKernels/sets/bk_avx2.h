// Tables of 16 floats looked up with AVX2. Included within the set's target attribute.
#ifndef BK_AVX2_H
#define BK_AVX2_H

#include "../shared/bk_contract.h"

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
