// What relatives of BERT do between the linears: gates of the feed-forward block, and queries and keys turned by their
// position. Element by element, so that no order matters.
#ifndef BK_RELATIVES_H
#define BK_RELATIVES_H

#include "bk_rows.h"

// x / (1 + e^-x).
BK_INLINE f32x16 bk_silu(f32x16 x) { return x / (1.0f + bk_exp(-x)); }
BK_INLINE f32x16 bk_relu(f32x16 x) { return bk_max(0.0f, x); }  // keeps a NaN

#define BK_GATE_ROWS(NAME)                                                                        \
  static void bk_gate_rows_##NAME(float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t width) {  \
    for (ptrdiff_t r = 0; r < rows; r++, x += stride) {                                           \
      for (ptrdiff_t i = 0; i < width; i += 16) {                                                 \
        const ptrdiff_t n = width - i;                                                            \
        const f32x16 gate = bk_load_upto(x + i, n, 0.0f), up = bk_load_upto(x + width + i, n, 0.0f); \
        bk_store_upto(x + i, bk_##NAME(gate) * up, n);                                            \
      }                                                                                           \
    }                                                                                             \
  }
BK_GATE_ROWS(gelu)
BK_GATE_ROWS(gelu_coarse)
BK_GATE_ROWS(gelu_tanh)
BK_GATE_ROWS(relu)
BK_GATE_ROWS(silu)
#undef BK_GATE_ROWS

static void bk_gate_rows(float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t width, bk_gate gate) {
  switch (gate) {
    case BK_GATE_GELU: bk_gate_rows_gelu(x, stride, rows, width); break;
    case BK_GATE_GELU_COARSE: bk_gate_rows_gelu_coarse(x, stride, rows, width); break;
    case BK_GATE_GELU_TANH: bk_gate_rows_gelu_tanh(x, stride, rows, width); break;
    case BK_GATE_RELU: bk_gate_rows_relu(x, stride, rows, width); break;
    case BK_GATE_SILU: bk_gate_rows_silu(x, stride, rows, width); break;
  }
}

static void bk_turn_rows(float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t half, const float *cosines,
                         const float *sines) {
  for (ptrdiff_t r = 0; r < rows; r++, x += stride, cosines += half, sines += half) {
    for (ptrdiff_t i = 0; i < half; i += 16) {
      const ptrdiff_t n = half - i;
      const f32x16 a = bk_load_upto(x + i, n, 0.0f), b = bk_load_upto(x + half + i, n, 0.0f);
      const f32x16 c = bk_load_upto(cosines + i, n, 0.0f), s = bk_load_upto(sines + i, n, 0.0f);
      bk_store_upto(x + i, bk_fma(a, c, -(b * s)), n);
      bk_store_upto(x + half + i, bk_fma(b, c, a * s), n);
    }
  }
}

#endif
