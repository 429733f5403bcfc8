// Tables of 16 entries looked up with AVX2. Included within the set's target attribute.
#ifndef BK_AVX2_H
#define BK_AVX2_H

#include "bk_vector.h"

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

// The low and the high bytes of the table's words apart, as a byte shuffle looks them up.
BK_INLINE u16x16 bk_lookup_words(const uint16_t *table, u16x16 index) {
  const __m256i entry = _mm256_and_si256((__m256i)index, _mm256_set1_epi16(15));
  const __m256i both = _mm256_or_si256(entry, _mm256_slli_epi16(entry, 8));
  const __m256i low_bytes = _mm256_set1_epi16(255);
  const __m256i a = _mm256_loadu_si256((const __m256i *)table);
  const __m128i a0 = _mm256_castsi256_si128(a), a1 = _mm256_extracti128_si256(a, 1);
  const __m128i low = _mm_packus_epi16(_mm_and_si128(a0, _mm_set1_epi16(255)),
                                       _mm_and_si128(a1, _mm_set1_epi16(255)));
  const __m128i high = _mm_packus_epi16(_mm_srli_epi16(a0, 8), _mm_srli_epi16(a1, 8));
  return (u16x16)_mm256_blendv_epi8(
      _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(high), both),
      _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(low), both), low_bytes);
}

#endif
