// Softmax in integers: turns attention scores into attention weights.
//
// A score u below its row's maximum gets the weight 255 * 2^-u, rounded, where u is a fixed-point log2 with 2048 steps
// per factor of two; u stops just short of 16, where the weight has long been 0. The sixteenth of a factor of two that u
// lies in gives the entry of a table of 16 powers, the steps beyond interpolate to the next entry, and the whole factors
// of two are a third table. Apart from the subtraction, all of it is arithmetic of 16 bits.
//
// Two results come from one power, 8160 * 2^-u, whose relative error is below 3.1e-4 before it is rounded:
//   the weight, power / 32, rounded: a byte, for the products with the values;
//   the denominator's part, power * factor, summed in exact integers. The factor is the value's (bk_head.h).
//
// A set with a faster way defines BK_OWN_SOFTMAX and its own bk_attention_weights and bk_store_factors.
#ifndef BK_SOFTMAX_H
#define BK_SOFTMAX_H

#include "bk_contract.h"

// Steps of u per factor of two.
#define BK_LOG2_STEPS 2048.0f

// 32640 * 2^(-i/16), and what it falls by until the next entry; 255 * 128 = 32640. Each table is there twice, for sets
// that look up 32 entries at once.
static const uint16_t bk_softmax_power[32] = {
    32640, 31256, 29931, 28662, 27447, 26283, 25169, 24102, 23080, 22101, 21164,
    20267, 19408, 18585, 17797, 17043, 32640, 31256, 29931, 28662, 27447, 26283,
    25169, 24102, 23080, 22101, 21164, 20267, 19408, 18585, 17797, 17043};
static const uint16_t bk_softmax_fall[32] = {
    1384, 1325, 1269, 1215, 1164, 1114, 1067, 1022, 979, 937, 897, 859, 823, 788, 754, 723,
    1384, 1325, 1269, 1215, 1164, 1114, 1067, 1022, 979, 937, 897, 859, 823, 788, 754, 723};
// 2^-n for n whole factors of two, where 2^13 stands for 1 / 4 (32640 / 4 = 8160); from 14 on a power rounds to 0.
static const uint16_t bk_softmax_octave[32] = {
    8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0, 0,
    8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0, 0};

#if !BK_OWN_SOFTMAX
// 32 factors to memory, as words.
BK_INLINE void bk_store_factors(int16_t *to, i32x16 a, i32x16 b) {
  const u16x16 words[2] = {__builtin_convertvector((u32x16)a, u16x16),
                           __builtin_convertvector((u32x16)b, u16x16)};
  memcpy(to, words, sizeof words);
}

// (a * b + 2^14) >> 15: the product of two fixed-point numbers of 15 fraction bits, rounded, in a form that compilers
// know as one instruction where there is one.
BK_INLINE u16x16 bk_multiply_high(u16x16 a, u16x16 b) {
  const u32x16 p = __builtin_convertvector(a, u32x16) * __builtin_convertvector(b, u32x16);
  return __builtin_convertvector(((p >> 14) + 1) >> 1, u16x16);
}

// The powers of 16 scores; `unit` is the steps that one unit of a score is worth.
BK_INLINE u16x16 bk_powers(const int32_t *scores, int32_t top, float unit) {
  const f32x16 below = bk_fma(bk_float((i32x16)top - bk_load_i32(scores)), unit, 0.5f);
  const i32x16 steps = __builtin_convertvector(below, i32x16);
  const u16x16 u = __builtin_convertvector(
      (u32x16)__builtin_elementwise_min(steps, (i32x16)32767), u16x16);
  const u32x16 fall = __builtin_convertvector(bk_lookup_words(bk_softmax_fall, u >> 7), u32x16);
  const u32x16 part = __builtin_convertvector((u16x16)(u << 9), u32x16);
  const u16x16 w = bk_lookup_words(bk_softmax_power, u >> 7) -
                   __builtin_convertvector((fall * part) >> 16, u16x16);
  return bk_multiply_high(w, bk_lookup_words(bk_softmax_octave, u >> 11));
}

// The weights of scores j to end (multiples of 32, at most 512 scores), and the sums of powers times factors, in 16
// lanes. Which products are summed in which lane is the set's own affair.
BK_INLINE i32x16 bk_attention_weights(const int32_t *scores, const int16_t *factors, int32_t top, float unit,
                                      ptrdiff_t j, ptrdiff_t end, uint8_t *weights) {
  i32x16 sum = 0;
  for (; j < end; j += 16) {
    const u16x16 power = bk_powers(scores + j, top, unit);
    u16x16 factor;
    memcpy(&factor, factors + j, sizeof factor);
    sum += __builtin_convertvector(power, i32x16) * __builtin_convertvector(factor, i32x16);
    bk_store_u8(weights + j,
                __builtin_convertvector(bk_multiply_high(power, (u16x16)1024), u8x16));
  }
  return sum;
}
#endif

#endif
