// Rows as signed bytes, q - 128, for NEON's products of s8 with s8.
//
// In attention, whose weights are bytes that stand for themselves, sum(q * w) = sum((q - 128) * w) + 128 * sum(w);
// bk_undo_preparation gives the second term: |128 * 128 * BK_MAX_DEPTH| = 2^30.
#ifndef BK_NEON_SIGNED_H
#define BK_NEON_SIGNED_H

#define BK_PREPARED int8_t
#define BK_SIGNED_ROWS 1

#include "bk_neon.h"

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
