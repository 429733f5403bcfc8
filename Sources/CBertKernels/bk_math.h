// exp, tanh and GELU as fixed polynomials, the same on every instruction set.
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

// 2^t as above, relative error 7.5e-5: finer than the 1/255 that int8 probabilities resolve.
BK_INLINE f32x16 bk_exp2_coarse(f32x16 t) {
  f32x16 shifted = t + BK_MAGIC;
  f32x16 f = t - (shifted - BK_MAGIC);
  f32x16 p = 0x1.c3f760p-5f;
  p = bk_fma(p, f, 0x1.f0de1cp-3f);
  p = bk_fma(p, f, 0x1.62f31ap-1f);
  p = bk_fma(p, f, 0x1.fff692p-1f);
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

// GELU for values that int8 rounds next: x * (0.5 + c * poly(c^2)), c = x clamped to -4...4, where
// the fit is exactly 0 and 1; absolute error 1.9e-4, a hundredth of a step of a row of range 5.
BK_INLINE f32x16 bk_gelu_coarse(f32x16 x) {
  f32x16 c = bk_min(bk_max(x, -4.0f), 4.0f);
  f32x16 u = c * c;
  f32x16 p = 2.258820153144825e-08f;
  p = bk_fma(p, u, -1.5888267625996377e-06f);
  p = bk_fma(p, u, 4.776388232130557e-05f);
  p = bk_fma(p, u, -0.000812187441624701f);
  p = bk_fma(p, u, 0.00876369047909975f);
  p = bk_fma(p, u, -0.06455441564321518f);
  p = bk_fma(p, u, 0.397870272397995f);
  return x * bk_fma(c, p, 0.5f);
}

// GELU's tanh form: x / (1 + e^(-2z)), z = sqrt(2/pi) * (x + 0.044715 x^3).
BK_INLINE f32x16 bk_gelu_tanh(f32x16 x) {
  f32x16 z = x * bk_fma(x * x, 0.044715f * 0.7978845608f, 0.7978845608f);
  return x / (1.0f + bk_exp(z * -2.0f));
}

#endif
