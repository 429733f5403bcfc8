// Softmax in integers (bk_softmax.h) with AVX-512. Included within the set's target attribute.
#ifndef BK_AVX512_SOFTMAX_H
#define BK_AVX512_SOFTMAX_H

#include "../shared/bk_softmax.h"

// Four vectors of 16 become words and bytes by packing within 128 bits, so that both hold four elements
// of each vector in turn. Weights of words lie in the same order; bytes are put right at the end.
BK_INLINE void bk_store_factors(int16_t *to, i32x16 a, i32x16 b) {
  _mm512_storeu_si512(to, _mm512_packs_epi32((__m512i)a, (__m512i)b));
}

// Powers of 32 scores, in words.
BK_INLINE __m512i bk_powers(const int32_t *scores, __m512i top, __m512 unit) {
  __m512i below[2];
  for (int i = 0; i < 2; i++) {
    const __m512i d = _mm512_sub_epi32(top, _mm512_loadu_si512(scores + 16 * i));
    below[i] = _mm512_cvttps_epi32(
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(d), unit, _mm512_set1_ps(0.5f)));
  }
  const __m512i u = _mm512_packs_epi32(below[0], below[1]);
  // An index counts modulo 32, the tables are repeated.
  const __m512i part = _mm512_srli_epi16(u, 7);
  const __m512i power = _mm512_permutexvar_epi16(part, _mm512_loadu_si512(bk_softmax_power));
  const __m512i fall = _mm512_permutexvar_epi16(part, _mm512_loadu_si512(bk_softmax_fall));
  const __m512i octave = _mm512_permutexvar_epi16(_mm512_srli_epi16(u, 11),
                                                  _mm512_loadu_si512(bk_softmax_octave));
  const __m512i w =
      _mm512_sub_epi16(power, _mm512_mulhi_epu16(fall, _mm512_slli_epi16(u, 9)));
  return _mm512_mulhrs_epi16(w, octave);
}

BK_INLINE i32x16 bk_attention_weights(const int32_t *scores, const int16_t *factors, int32_t most, float step,
                           ptrdiff_t j, ptrdiff_t end, uint8_t *weights) {
  const __m512i top = _mm512_set1_epi32(most);
  const __m512 unit = _mm512_set1_ps(step);
  const __m512i to_weight = _mm512_set1_epi16(1024);
  const __m512i order =
      _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  __m512i sum = _mm512_setzero_si512(), sum2 = sum;
  for (; j + 64 <= end; j += 64) {
    const __m512i a = bk_powers(scores + j, top, unit), b = bk_powers(scores + j + 32, top, unit);
    sum = _mm512_dpwssd_epi32(sum, a, _mm512_loadu_si512(factors + j));
    sum2 = _mm512_dpwssd_epi32(sum2, b, _mm512_loadu_si512(factors + j + 32));
    const __m512i bytes = _mm512_packus_epi16(_mm512_mulhrs_epi16(a, to_weight),
                                              _mm512_mulhrs_epi16(b, to_weight));
    _mm512_storeu_si512(weights + j, _mm512_permutexvar_epi32(order, bytes));
  }
  if (j < end) {
    const __m512i a = bk_powers(scores + j, top, unit);
    sum = _mm512_dpwssd_epi32(sum, a, _mm512_loadu_si512(factors + j));
    const __m512i words = _mm512_mulhrs_epi16(a, to_weight);
    const __m512i bytes =
        _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words, words));
    _mm256_storeu_si256((__m256i *)(weights + j), _mm512_castsi512_si256(bytes));
  }
  return (i32x16)_mm512_add_epi32(sum, sum2);
}

#endif
