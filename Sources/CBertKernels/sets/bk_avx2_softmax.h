// Softmax in integers (bk_softmax.h) with AVX2. Included within the set's target attribute.
#ifndef BK_AVX2_SOFTMAX_H
#define BK_AVX2_SOFTMAX_H

#include "../shared/bk_softmax.h"

// Scores become words by packing within 128 bits, so that a vector holds four of the first 8 scores, four of
// the second, and again. Weights lie in the same order; bytes are put right at the end.
BK_INLINE void bk_store_factors(int16_t *to, i32x16 a, i32x16 b) {
  const __m256i ab = _mm256_packs_epi32((__m256i)a.lo, (__m256i)a.hi);
  const __m256i cd = _mm256_packs_epi32((__m256i)b.lo, (__m256i)b.hi);
  _mm256_storeu_si256((__m256i *)to, ab);
  _mm256_storeu_si256((__m256i *)(to + 16), cd);
}

// A table of 16 words, its low and its high bytes apart, as a byte shuffle looks them up.
typedef struct {
  __m256i low, high;
} bk_word_table;

BK_INLINE bk_word_table bk_split_table(const uint16_t *table) {
  const __m128i a = _mm_loadu_si128((const __m128i *)table);
  const __m128i b = _mm_loadu_si128((const __m128i *)(table + 8)), byte = _mm_set1_epi16(255);
  const __m128i low = _mm_packus_epi16(_mm_and_si128(a, byte), _mm_and_si128(b, byte));
  const __m128i high = _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8));
  return (bk_word_table){_mm256_broadcastsi128_si256(low), _mm256_broadcastsi128_si256(high)};
}

// Entries for words in 0...15. A byte of an index with its highest bit set gives 0.
BK_INLINE __m256i bk_look_up(bk_word_table table, __m256i index) {
  const __m256i low = _mm256_or_si256(index, _mm256_set1_epi16((int16_t)0x8000));
  const __m256i high = _mm256_or_si256(_mm256_slli_epi16(index, 8), _mm256_set1_epi16(0x0080));
  return _mm256_or_si256(_mm256_shuffle_epi8(table.low, low),
                         _mm256_shuffle_epi8(table.high, high));
}

typedef struct {
  bk_word_table power, fall, octave;
} bk_softmax_tables;

// Powers of 16 scores, in words.
BK_INLINE __m256i bk_powers(const int32_t *scores, __m256i top, __m256 unit,
                            const bk_softmax_tables *tables) {
  __m256i below[2];
  for (int i = 0; i < 2; i++) {
    const __m256i x = _mm256_loadu_si256((const __m256i *)(scores + 8 * i));
    const __m256 d = _mm256_cvtepi32_ps(_mm256_sub_epi32(top, x));
    below[i] = _mm256_cvttps_epi32(_mm256_fmadd_ps(d, unit, _mm256_set1_ps(0.5f)));
  }
  const __m256i u = _mm256_packs_epi32(below[0], below[1]);
  const __m256i part = _mm256_and_si256(_mm256_srli_epi16(u, 7), _mm256_set1_epi16(15));
  const __m256i fall = bk_look_up(tables->fall, part);
  const __m256i w = _mm256_sub_epi16(bk_look_up(tables->power, part),
                                     _mm256_mulhi_epu16(fall, _mm256_slli_epi16(u, 9)));
  return _mm256_mulhrs_epi16(w, bk_look_up(tables->octave, _mm256_srli_epi16(u, 11)));
}

BK_INLINE i32x16 bk_attention_weights(const int32_t *scores, const int16_t *factors, int32_t most, float step,
                           ptrdiff_t j, ptrdiff_t end, uint8_t *weights) {
  const bk_softmax_tables tables = {bk_split_table(bk_softmax_power), bk_split_table(bk_softmax_fall),
                                  bk_split_table(bk_softmax_octave)};
  const __m256i top = _mm256_set1_epi32(most), to_weight = _mm256_set1_epi16(1024);
  const __m256 unit = _mm256_set1_ps(step);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (; j < end; j += 32) {
    __m256i words[2];
    for (int i = 0; i < 2; i++) {
      const __m256i power = bk_powers(scores + j + 16 * i, top, unit, &tables);
      const __m256i factor = _mm256_loadu_si256((const __m256i *)(factors + j + 16 * i));
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(power, factor));
      words[i] = _mm256_mulhrs_epi16(power, to_weight);
    }
    const __m256i bytes = _mm256_packus_epi16(words[0], words[1]);
    _mm256_storeu_si256((__m256i *)(weights + j), _mm256_permutevar8x32_epi32(bytes, order));
  }
  i32x16 sums;
  sums.lo = (i32x8)sum[0], sums.hi = (i32x8)sum[1];
  return sums;
}

#endif
