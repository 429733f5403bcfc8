// exp, tanh and GELU as fixed polynomials, the same on every instruction set.
//
// The including file defines, for its instruction set:
//   bk_lookup(table, index)  entry (index mod 16) of a table of 16, for each lane
// Coefficients: least maximum error fits of our own; errors beside each.
#ifndef BK_MATH_H
#define BK_MATH_H

#include "bk_vector.h"

// p * 2^n for a polynomial value p near 1 and n held in the low bits of a float n + BK_MAGIC.
BK_INLINE f32x16 bk_scale_by_power(f32x16 p, f32x16 shifted) {
  u32x16 n = (u32x16)shifted << 23;
  return (f32x16)((u32x16)p + n);
}

// 2^t for -126 <= t <= 127, relative error 2e-9 before rounding.
BK_INLINE f32x16 bk_exp2(f32x16 t) {
  f32x16 shifted = t + BK_MAGIC;
  f32x16 f = t - (shifted - BK_MAGIC);
  f32x16 p = 0x1.41d334p-13f;
  p = bk_fma(p, f, 0x1.5f456ap-10f);
  p = bk_fma(p, f, 0x1.3b2dbcp-7f);
  p = bk_fma(p, f, 0x1.c6aed4p-5f);
  p = bk_fma(p, f, 0x1.ebfbdap-3f);
  p = bk_fma(p, f, 0x1.62e430p-1f);
  p = bk_fma(p, f, 1.0f);
  return bk_scale_by_power(p, shifted);
}

// log2(x) for a normal x > 0: the exponent plus a polynomial of the mantissa less 1, which is
// exactly 0 at 0; absolute error 2.3e-6.
BK_INLINE f32x16 bk_log2(f32x16 x) {
  const u32x16 bits = (u32x16)x;
  const f32x16 exponent = bk_float((i32x16)(bits >> 23) - 127);
  const f32x16 m = (f32x16)((bits & 0x007fffff) | 0x3f800000) - 1.0f;
  f32x16 p = -0x1.a762dep-6f;
  p = bk_fma(p, m, 0x1.f2e258p-4f);
  p = bk_fma(p, m, -0x1.1c9336p-2f);
  p = bk_fma(p, m, 0x1.d487c6p-2f);
  p = bk_fma(p, m, -0x1.6fb0bcp-1f);
  p = bk_fma(p, m, 0x1.714aa0p+0f);
  return bk_fma(p, m, exponent);
}

#define BK_LOG2E 0x1.715476p+0f

// e^x with x clamped to -87...88.
BK_INLINE f32x16 bk_exp(f32x16 x) {
  x = bk_min(bk_max(x, -87.0f), 88.0f);
  return bk_exp2(x * BK_LOG2E);
}

// tanh(x) = sign(x) * (1 - 2 / (e^(2|x|) + 1)); absolute error 1e-7.
BK_INLINE f32x16 bk_tanh(f32x16 x) {
  f32x16 a = bk_abs(x);
  f32x16 y = 1.0f - 2.0f / (bk_exp(a + a) + 1.0f);
  return x < 0.0f ? -y : y;
}

// GELU, x * Phi(x) = max(x, 0) - a * Phi(-a) with a = |x| and
// Phi(-a) = e^(-a^2/2) * t * poly(t), t = 1 / (1 + 0.4 a); absolute error of the fit 6e-9.
BK_INLINE f32x16 bk_gelu(f32x16 x) {
  f32x16 a = bk_abs(x);
  f32x16 t = 1.0f / bk_fma(a, 0.4f, 1.0f);
  f32x16 p = 0.057431332767009735f;
  p = bk_fma(p, t, -0.2584839463233948f);
  p = bk_fma(p, t, 0.3451390862464905f);
  p = bk_fma(p, t, 0.009346860460937023f);
  p = bk_fma(p, t, 0.1900458037853241f);
  p = bk_fma(p, t, 0.1565212905406952f);
  f32x16 tail = bk_exp(a * a * -0.5f) * (p * t);
  return bk_max(x, 0.0f) - a * tail;
}

// GELU for values that int8 rounds next: x / 2 + g(|x|), g by a square for each quarter of |x|:
// entry i of the tables is for |x| near i / 4, the last for all above, where g is |x| / 2. Exactly 0
// at 0; absolute error 6.4e-5, above 3.6 at most 5.3e-4.
static const float bk_gelu_square[16] = {
    0x1.96cee8p-2f,  0x1.7e6deap-2f,  0x1.3ac5e6p-2f,  0x1.bb150cp-3f,
    0x1.f12982p-4f,  0x1.4cc392p-5f,  -0x1.fb76b2p-7f, -0x1.72da1ap-5f,
    -0x1.b7e130p-5f, -0x1.8ce8eap-5f, -0x1.310c20p-5f, -0x1.9f5e60p-6f,
    -0x1.fedf32p-7f, -0x1.1ee6cap-7f, -0x1.288c1ap-8f, 0.0f};
static const float bk_gelu_slope[16] = {
    0x1.7448c4p-14f, 0x1.02ddf0p-7f, 0x1.e1ce46p-5f, 0x1.62b17cp-3f,
    0x1.5b48f2p-2f,  0x1.0a40a2p-1f, 0x1.58b628p-1f, 0x1.89c6aep-1f,
    0x1.999bbcp-1f,  0x1.8e02e2p-1f, 0x1.72aeb2p-1f, 0x1.52c22ep-1f,
    0x1.3613aep-1f,  0x1.20433ep-1f, 0x1.11b004p-1f, 0x1.000000p-1f};
static const float bk_gelu_start[16] = {
    0.0f,            -0x1.4dbf18p-11f, -0x1.58ce9ep-7f, -0x1.7d692ep-5f,
    -0x1.e828aep-4f, -0x1.c3b74cp-3f,  -0x1.4d125cp-2f, -0x1.9c0994p-2f,
    -0x1.b9161cp-2f, -0x1.a00bfep-2f,  -0x1.5efd96p-2f, -0x1.0b3c72p-2f,
    -0x1.71d9b0p-3f, -0x1.d3b5c2p-4f,  -0x1.0f8aa0p-4f, 0.0f};

BK_INLINE f32x16 bk_gelu_coarse(f32x16 x) {
  const f32x16 a = bk_abs(x);
  // Near BK_MAGIC / 4 the low bits of a float count quarters.
  const u32x16 quarter = (u32x16)(bk_min(a, 3.75f) + BK_MAGIC / 4);
  f32x16 g = bk_fma(bk_lookup(bk_gelu_square, quarter), a, bk_lookup(bk_gelu_slope, quarter));
  g = bk_fma(g, a, bk_lookup(bk_gelu_start, quarter));
  return bk_fma(x, 0.5f, g);
}

// GELU's tanh form: x / (1 + e^(-2z)), z = sqrt(2/pi) * (x + 0.044715 x^3).
BK_INLINE f32x16 bk_gelu_tanh(f32x16 x) {
  f32x16 z = x * bk_fma(x * x, 0.044715f * 0.7978845608f, 0.7978845608f);
  return x / (1.0f + bk_exp(z * -2.0f));
}

#endif
