// What the NEON sets have in common: tables looked up, and softmax in integers (bk_softmax.h).
#ifndef BK_NEON_H
#define BK_NEON_H

#include <arm_neon.h>

#define BK_HAS_FMA 1
#define BK_FLOAT_ROWS 6
#define BK_FLOAT_VECTORS 1
#define BK_OWN_SOFTMAX 1

#include "../shared/bk_contract.h"
#include "../shared/bk_softmax.h"

BK_INLINE uint32x4_t bk_lookup_four(uint8x16x4_t table, uint32x4_t index) {
  // Byte b of entry i lies at 4 i + b.
  const uint32x4_t entry = vmulq_n_u32(vandq_u32(index, vdupq_n_u32(15)), 0x04040404);
  const uint32x4_t at = vaddq_u32(entry, vdupq_n_u32(0x03020100));
  return vreinterpretq_u32_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(at)));
}
BK_INLINE f32x16 bk_lookup(const float *table, u32x16 index) {
  const uint8_t *bytes = (const uint8_t *)table;
  const uint8x16x4_t all = {
      {vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
  uint32x4_t four[4];
  memcpy(four, &index, sizeof four);
  for (int i = 0; i < 4; i++) four[i] = bk_lookup_four(all, four[i]);
  f32x16 y;
  memcpy(&y, four, sizeof y);
  return y;
}

// MARK: Softmax

BK_INLINE void bk_store_factors(int16_t *to, i32x16 a, i32x16 b) {
  int32x4_t four[8];
  memcpy(four, &a, sizeof a), memcpy(four + 4, &b, sizeof b);
  for (int i = 0; i < 4; i++) vst1q_s16(to + 8 * i, vcombine_s16(vmovn_s32(four[2 * i]), vmovn_s32(four[2 * i + 1])));
}

// A table of 16 words, as a byte lookup takes it, and the words at eight places in 0...15.
BK_INLINE uint8x16x2_t bk_word_table(const uint16_t *table) {
  return (uint8x16x2_t){{vld1q_u8((const uint8_t *)table), vld1q_u8((const uint8_t *)table + 16)}};
}
BK_INLINE uint8x16_t bk_word_places(uint16x8_t index) {
  // Byte b of word i lies at 2 i + b.
  return vreinterpretq_u8_u16(vmlaq_n_u16(vdupq_n_u16(0x0100), index, 0x0202));
}
BK_INLINE int16x8_t bk_words_at(uint8x16x2_t table, uint8x16_t places) {
  return vreinterpretq_s16_u8(vqtbl2q_u8(table, places));
}

// Powers of 8 scores. All factors are below 2^15, so that signed fixed-point products do: sqdmulh is twice a product's upper
// half, sqrdmulh the same rounded.
BK_INLINE int16x8_t bk_powers(const int32_t *scores, int32x4_t top, float32x4_t unit, const uint8x16x2_t *tables) {
  int16x4_t steps[2];
  for (int i = 0; i < 2; i++) {
    const float32x4_t below = vcvtq_f32_s32(vsubq_s32(top, vld1q_s32(scores + 4 * i)));
    steps[i] = vqmovn_s32(vcvtq_s32_f32(vfmaq_f32(vdupq_n_f32(0.5f), below, unit)));
  }
  const uint16x8_t u = vreinterpretq_u16_s16(vcombine_s16(steps[0], steps[1]));
  const uint8x16_t part = bk_word_places(vandq_u16(vshrq_n_u16(u, 7), vdupq_n_u16(15)));
  const int16x8_t rest = vreinterpretq_s16_u16(vshrq_n_u16(vshlq_n_u16(u, 9), 1));
  const int16x8_t fall = vqdmulhq_s16(bk_words_at(tables[1], part), rest);
  const int16x8_t w = vsubq_s16(bk_words_at(tables[0], part), fall);
  return vqrdmulhq_s16(w, bk_words_at(tables[2], bk_word_places(vshrq_n_u16(u, 11))));
}

BK_INLINE i32x16 bk_attention_weights(const int32_t *scores, const int16_t *factors, int32_t most, float step,
                                      ptrdiff_t j, ptrdiff_t end, uint8_t *weights) {
  const uint8x16x2_t tables[3] = {bk_word_table(bk_softmax_power), bk_word_table(bk_softmax_fall),
                                  bk_word_table(bk_softmax_octave)};
  const int32x4_t top = vdupq_n_s32(most);
  const float32x4_t unit = vdupq_n_f32(step);
  int32x4_t sum[4];
  for (int i = 0; i < 4; i++) sum[i] = vdupq_n_s32(0);
  for (; j < end; j += 16) {
    for (int i = 0; i < 2; i++) {
      const int16x8_t power = bk_powers(scores + j + 8 * i, top, unit, tables);
      const int16x8_t factor = vld1q_s16(factors + j + 8 * i);
      sum[2 * i] = vmlal_s16(sum[2 * i], vget_low_s16(power), vget_low_s16(factor));
      sum[2 * i + 1] = vmlal_high_s16(sum[2 * i + 1], power, factor);
      // A weight is 32 of a power.
      vst1_u8(weights + j + 8 * i, vrshrn_n_u16(vreinterpretq_u16_s16(power), 5));
    }
  }
  i32x16 sums;
  memcpy(&sums, sum, sizeof sums);
  return sums;
}

#endif
