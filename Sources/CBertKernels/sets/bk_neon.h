// What the two NEON sets share: rows as signed bytes, q - 128, for products of s8 with s8.
//
// sum(q * w) = sum((q - 128) * w) + 128 * sum(w); bk_undo_preparation gives the second term, once a
// panel: |128 * 128 * BK_MAX_DEPTH| = 2^30.
#ifndef BK_NEON_H
#define BK_NEON_H

#include <arm_neon.h>

#define BK_PREPARED int8_t

#include "../shared/bk_contract.h"

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

BK_INLINE u16x16 bk_lookup_words(const uint16_t *table, u16x16 index) {
  const uint8x16x2_t bytes = vld2q_u8((const uint8_t *)table);
  const u8x16 entry = __builtin_convertvector(index & 15, u8x16);
  const uint8x16_t low = vqtbl1q_u8(bytes.val[0], (uint8x16_t)entry);
  const uint8x16_t high = vqtbl1q_u8(bytes.val[1], (uint8x16_t)entry);
  const uint8x16_t words[2] = {vzip1q_u8(low, high), vzip2q_u8(low, high)};
  u16x16 y;
  memcpy(&y, words, sizeof y);
  return y;
}

BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) {
  return (size_t)rows * (size_t)groups * BK_GROUP;
}

BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows,
                                        ptrdiff_t groups, void *scratch) {
  const ptrdiff_t depth = groups * BK_GROUP;
  for (ptrdiff_t r = 0; r < rows; r++) {
    const uint8_t *from = q + r * stride;
    uint8_t *to = (uint8_t *)scratch + r * depth;
    ptrdiff_t k = 0;
    for (; k + 16 <= depth; k += 16) {
      vst1q_u8(to + k, veorq_u8(vld1q_u8(from + k), vdupq_n_u8(0x80)));
    }
    for (; k < depth; k++) to[k] = from[k] ^ 0x80;
  }
  return (bk_tile_input){scratch, depth};
}

BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start) {
  int32x4_t sum[8];
  for (int i = 0; i < 8; i++) sum[i] = vdupq_n_s32(0);
  for (ptrdiff_t g = 0; g < groups; g++, panel += 128) {
    for (int i = 0; i < 8; i++) {
      sum[i] = vpadalq_s16(sum[i], vpaddlq_s8(vld1q_s8(panel + 16 * i)));
    }
  }
  for (int i = 0; i < 8; i++) {
    vst1q_s32(start + 4 * i, vaddq_s32(vld1q_s32(start + 4 * i), vshlq_n_s32(sum[i], 7)));
  }
}

// Four groups' worth of one row's four bytes.
BK_INLINE int8x16_t bk_broadcast(const int8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

#endif
