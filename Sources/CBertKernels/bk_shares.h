// Scores to shares: 255 * 2^-u, rounded, where u is how far a score lies below its row's largest.
//
// u is counted in 2048ths of an octave, and what is 16 octaves or more below is as good as 16. Within an
// octave a table of 16 powers is interpolated, so that all but the first steps is arithmetic of 16 bits:
// powers, 8160 * 2^-u to a relative error of 3.1e-4 before rounding, and shares, powers / 32. Powers times
// the weights of their values make a row's total, in exact integers.
//
// A set with a faster way defines BK_OWN_SHARES, bk_shares and bk_store_weights; others define
// bk_lookup_words, entry (index mod 16) of a table for each lane.
#ifndef BK_SHARES_H
#define BK_SHARES_H

#include "bk_vector.h"

// Steps of u in an octave.
#define BK_OCTAVE 2048.0f

// 32640 * 2^(-i/16), and what it falls by until the next; 255 * 128 = 32640. Twice, for sets that look
// up 32 entries.
static const uint16_t bk_share_power[32] = {
    32640, 31256, 29931, 28662, 27447, 26283, 25169, 24102, 23080, 22101, 21164,
    20267, 19408, 18585, 17797, 17043, 32640, 31256, 29931, 28662, 27447, 26283,
    25169, 24102, 23080, 22101, 21164, 20267, 19408, 18585, 17797, 17043};
static const uint16_t bk_share_fall[32] = {
    1384, 1325, 1269, 1215, 1164, 1114, 1067, 1022, 979, 937, 897, 859, 823, 788, 754, 723,
    1384, 1325, 1269, 1215, 1164, 1114, 1067, 1022, 979, 937, 897, 859, 823, 788, 754, 723};
// 2^(13 - n), of which 2^15 are one, for n octaves below; from 14 on a power rounds to 0.
static const uint16_t bk_share_octave[32] = {
    8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0, 0,
    8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0, 0};

#ifndef BK_OWN_SHARES
BK_INLINE void bk_store_weights(int16_t *to, i32x16 a, i32x16 b) {
  const u16x16 words[2] = {__builtin_convertvector((u32x16)a, u16x16),
                           __builtin_convertvector((u32x16)b, u16x16)};
  memcpy(to, words, sizeof words);
}

// The rounded upper half of twice a product, as compilers know it: (a * b + 2^14) >> 15.
BK_INLINE u16x16 bk_multiply_high(u16x16 a, u16x16 b) {
  const u32x16 p = __builtin_convertvector(a, u32x16) * __builtin_convertvector(b, u32x16);
  return __builtin_convertvector(((p >> 14) + 1) >> 1, u16x16);
}

// The powers of 16 scores.
BK_INLINE u16x16 bk_powers(const int32_t *scores, int32_t top, float unit) {
  const f32x16 below = bk_fma(bk_float((i32x16)top - bk_load_i32(scores)), unit, 0.5f);
  const i32x16 steps = __builtin_convertvector(below, i32x16);
  const u16x16 u = __builtin_convertvector(
      (u32x16)__builtin_elementwise_min(steps, (i32x16)32767), u16x16);
  const u32x16 fall = __builtin_convertvector(bk_lookup_words(bk_share_fall, u >> 7), u32x16);
  const u32x16 part = __builtin_convertvector((u16x16)(u << 9), u32x16);
  const u16x16 w = bk_lookup_words(bk_share_power, u >> 7) -
                   __builtin_convertvector((fall * part) >> 16, u16x16);
  return bk_multiply_high(w, bk_lookup_words(bk_share_octave, u >> 11));
}

// The shares of scores j to end (multiples of 32), at most 512, and the lane sums of weighted powers. Which sums
// are in which lane is a set's own affair.
BK_INLINE i32x16 bk_shares(const int32_t *scores, const int16_t *weights, int32_t top, float unit,
                           ptrdiff_t j, ptrdiff_t end, uint8_t *shares) {
  i32x16 sum = 0;
  for (; j < end; j += 16) {
    const u16x16 power = bk_powers(scores + j, top, unit);
    u16x16 weight;
    memcpy(&weight, weights + j, sizeof weight);
    sum += __builtin_convertvector(power, i32x16) * __builtin_convertvector(weight, i32x16);
    bk_store_u8(shares + j,
                __builtin_convertvector(bk_multiply_high(power, (u16x16)1024), u8x16));
  }
  return sum;
}
#endif

#endif
