// exp, tanh and GELU as fixed polynomials, the same on every instruction set.
//
// The including file defines, for its instruction set:
//   bk_lookup(table, index)  entry (index mod 16) of a table of 16, for each lane
// Coefficients: least maximum error fits of our own; errors beside each.
#ifndef BK_MATH_H
#define BK_MATH_H

#include "bk_contract.h"

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

// u in the polynomial of its point, one of 16: a row of the table for each coefficient, the highest
// power first.
BK_INLINE f32x16 bk_polynomial_at(const float (*table)[16], int rows, u32x16 point, f32x16 u) {
  f32x16 y = bk_lookup(table[0], point);
  for (int k = 1; k < rows; k++) y = bk_fma(y, u, bk_lookup(table[k], point));
  return y;
}

// GELU, x * Phi(x) = max(x, 0) - a * Phi(-a) with a = |x|. The tail a * Phi(-a) is a polynomial of u, the distance
// to the nearest of 16 points that lie 13/32 apart. It is 0 beyond the last; absolute error 2.7e-8, and exactly 0 at 0.
#define BK_GELU_STEP 0.40625f
static const float bk_gelu_tail[6][16] = {
    {-0x1.636006p-8f, -0x1.46483cp-6f, -0x1.602d5ap-6f, -0x1.e9fdd8p-8f, 0x1.7835f4p-8f,
      0x1.209ca6p-7f, 0x1.48646cp-8f, 0x1.f40f12p-11f, -0x1.773402p-11f, -0x1.89cce2p-11f,
      -0x1.93e870p-12f, -0x1.1eee84p-13f, -0x1.3486e0p-15f, -0x1.04d290p-17f, -0x1.61ea54p-20f,
      0.0f},
    {0x1.14ae3cp-4f, 0x1.658726p-5f, -0x1.057a6ap-9f, -0x1.0c2714p-5f, -0x1.0f64a0p-5f,
      -0x1.10a06ep-6f, -0x1.0fca00p-9f, 0x1.defa26p-9f, 0x1.cb4fe0p-9f, 0x1.e7e274p-10f,
      0x1.7204eap-11f, 0x1.af2cfcp-13f, 0x1.8ed4e6p-15f, 0x1.2a2590p-17f, 0x1.6c487ap-20f, 0.0f},
    {-0x1.6a088ep-14f, 0x1.86ab06p-4f, 0x1.09a044p-3f, 0x1.8d2ab0p-4f, 0x1.4158cap-5f,
      -0x1.1b1df8p-9f, -0x1.084a5cp-6f, -0x1.bc16c2p-7f, -0x1.d8b7ecp-8f, -0x1.7558fep-9f,
      -0x1.cdb528p-11f, -0x1.ca93a0p-13f, -0x1.731c08p-15f, -0x1.edda26p-18f, -0x1.0fd392p-20f,
      0.0f},
    {-0x1.9883b0p-2f, -0x1.591d3cp-2f, -0x1.897a6cp-3f, -0x1.903822p-5f, 0x1.178778p-5f,
      0x1.b9752cp-5f, 0x1.4a3416p-5f, 0x1.5cdfeap-6f, 0x1.1ca8a8p-7f, 0x1.73b514p-9f,
      0x1.8b70bap-11f, 0x1.5a594ap-13f, 0x1.f6d7bep-16f, 0x1.2fea30p-18f, 0x1.32dc8ap-21f, 0.0f},
    {0x1.000000p-1f, 0x1.8b5bd2p-3f, -0x1.95b246p-6f, -0x1.eb1042p-4f, -0x1.efcb3cp-4f,
      -0x1.4f4bf2p-4f, -0x1.5bd286p-5f, -0x1.217088p-6f, -0x1.8a5adap-8f, -0x1.bcac20p-10f,
      -0x1.a1aba8p-12f, -0x1.482816p-14f, -0x1.b08f78p-17f, -0x1.df4516p-20f, -0x1.bf05eap-23f,
      0.0f},
    {0.0f, 0x1.1cc6c8p-3f, 0x1.5a8832p-3f, 0x1.163a60p-3f, 0x1.5aa72cp-4f, 0x1.5f59c0p-5f,
      0x1.274f9ap-6f, 0x1.9f785cp-8f, 0x1.eb9b52p-10f, 0x1.ea9a64p-12f, 0x1.9da19cp-14f,
      0x1.26f084p-16f, 0x1.63fabcp-19f, 0x1.6bcda4p-22f, 0x1.3aebfcp-25f, 0.0f},
};

BK_INLINE f32x16 bk_gelu(f32x16 x) {
  const f32x16 a = bk_abs(x);
  const f32x16 shifted = bk_fma(bk_min(a, 15.0f * BK_GELU_STEP), 1.0f / BK_GELU_STEP, BK_MAGIC);
  const f32x16 u = bk_fma(shifted - BK_MAGIC, -BK_GELU_STEP, a);
  return bk_max(x, 0.0f) - bk_polynomial_at(bk_gelu_tail, 6, (u32x16)shifted, u);
}

// GELU for values that int8 rounds next: a square of x for each half of it. Entry k mod 16 of the tables is for x near k / 2, the
// lowest for all below, where GELU is 0, the highest for all above, where it is x. Exactly 0 at 0; absolute error
// 4.7e-4, and 1.9e-3 just above 3.25.
static const float bk_gelu_halves[3][16] = {
    {0x1.95058ap-2f, 0x1.38c1c2p-2f, 0x1.f5e082p-4f, -0x1.b70472p-7f, -0x1.b0452ap-5f,
     -0x1.30bb0ap-5f, -0x1.0345bap-6f, 0.0f, 0.0f, -0x1.31d8acp-8f, -0x1.0345bap-6f,
     -0x1.30bb0ap-5f, -0x1.b0452ap-5f, -0x1.b70472p-7f, 0x1.f5e082p-4f, 0x1.38c1c2p-2f},
    {0x1.000000p-1f, 0x1.1d2ba6p-1f, 0x1.aa4e9ep-1f, 0x1.2a3dbep+0f, 0x1.4bd9b6p+0f,
     0x1.396fd6p+0f, 0x1.1b7f6ap+0f, 0x1.000000p+0f, 0.0f, -0x1.245c1ap-5f, -0x1.b7f6acp-4f,
     -0x1.cb7eacp-3f, -0x1.2f66d6p-2f, -0x1.51edf4p-3f, 0x1.56c586p-3f, 0x1.c5a8b4p-2f},
    {0.0f, -0x1.298548p-7f, -0x1.d243a2p-4f, -0x1.453aeap-2f, -0x1.b54574p-2f,
     -0x1.6031f0p-2f, -0x1.788cb8p-3f, 0.0f, 0.0f, -0x1.18ca7cp-4f, -0x1.788cb8p-3f,
     -0x1.6031f0p-2f, -0x1.b54574p-2f, -0x1.453aeap-2f, -0x1.d243a2p-4f, -0x1.298548p-7f},
};

BK_INLINE f32x16 bk_gelu_coarse(f32x16 x) {
  // Near BK_MAGIC / 2 the low bits of a float count halves.
  const u32x16 half = (u32x16)(bk_min(bk_max(x, -4.0f), 3.5f) + BK_MAGIC / 2);
  return bk_polynomial_at(bk_gelu_halves, 3, half, x);
}

// GELU's tanh form: x / (1 + e^(-2z)), z = sqrt(2/pi) * (x + 0.044715 x^3).
BK_INLINE f32x16 bk_gelu_tanh(f32x16 x) {
  f32x16 z = x * bk_fma(x * x, 0.044715f * 0.7978845608f, 0.7978845608f);
  return x / (1.0f + bk_exp(z * -2.0f));
}

#endif
