// Loops that only multiply and add, from registers: what the CPU can reach at best.
#ifndef BK_PEAK_H
#define BK_PEAK_H

#include "bk_linear.h"

// The including file defines bk_peak_s8 for its own integer product.

static uint64_t bk_peak_f32(uint64_t rounds) {
  enum { CHAINS = BK_FLOAT_ROWS * BK_FLOAT_VECTORS };
  f32x16 sum[CHAINS];
  f32x16 a = 1.0f, b = 0x1p-20f;
  __asm__ volatile("" : "+m"(a), "+m"(b));
  for (int i = 0; i < CHAINS; i++) sum[i] = (float)i;
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; i++) {
      sum[i] = bk_fma(a, b, sum[i]);
    }
  }
  f32x16 all = 0.0f;
  for (int i = 0; i < CHAINS; i++) all += sum[i];
  __asm__ volatile("" : : "m"(all));
  return rounds * CHAINS * 16;
}

#endif
