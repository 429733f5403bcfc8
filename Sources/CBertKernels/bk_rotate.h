// The rotation of a linear's input row (bk_input): Hadamard transforms by additions alone.
#ifndef BK_ROTATE_H
#define BK_ROTATE_H

#include "CBertKernels.h"
#include "bk_vector.h"

// Points that one pass over a row mixes in registers; the order of additions does not depend on it.
#ifndef BK_ROTATE_POINTS
#define BK_ROTATE_POINTS 8
#endif

// One level of additions: vector i with i + h.
BK_INLINE void bk_butterfly_level(f32x16 *x, int points, int h) {
  _Pragma("clang loop unroll(full)") for (int i = 0; i < points; i++) {
    if (i & h) continue;
    const f32x16 a = x[i], b = x[i + h];
    x[i] = a + b;
    x[i + h] = a - b;
  }
}

// `points` vectors at v, `stride` floats apart, the multiplier applied first when there is one.
BK_INLINE void bk_mix_vectors(const float *x, const float *multiplier, float *v, int points,
                              ptrdiff_t stride) {
  f32x16 a[8];
  _Pragma("clang loop unroll(full)") for (int i = 0; i < points; i++) {
    a[i] = bk_load(x + i * stride);
    if (multiplier) a[i] *= bk_load(multiplier + i * stride);
  }
  if (points > 1) bk_butterfly_level(a, points, 1);
  if (points > 2) bk_butterfly_level(a, points, 2);
  if (points > 4) bk_butterfly_level(a, points, 4);
  _Pragma("clang loop unroll(full)") for (int i = 0; i < points; i++) {
    bk_store(v + i * stride, a[i]);
  }
}

BK_INLINE void bk_mix_blocks(const float *x, const float *multiplier, float *v, ptrdiff_t depth,
                             ptrdiff_t stride, int points) {
  for (ptrdiff_t start = 0; start < depth; start += points * stride) {
    for (ptrdiff_t i = start; i < start + stride; i += 16) {
      bk_mix_vectors(x + i, multiplier ? multiplier + i : 0, v + i, points, stride);
    }
  }
}

// One pass over a row that mixes `points` vectors at a time, `stride` floats apart.
BK_INLINE void bk_mix_pass(const float *x, const float *multiplier, float *v, ptrdiff_t depth,
                           ptrdiff_t stride, ptrdiff_t points) {
  switch (points) {
    case 8: bk_mix_blocks(x, multiplier, v, depth, stride, 8); break;
    case 4: bk_mix_blocks(x, multiplier, v, depth, stride, 4); break;
    case 2: bk_mix_blocks(x, multiplier, v, depth, stride, 2); break;
    default: bk_mix_blocks(x, multiplier, v, depth, stride, 1); break;
  }
}

// Lane i with lane i ^ 8, then ^ 4, ^ 2, ^ 1: their sum below, the lower less the upper above.
BK_INLINE f32x16 bk_mix_lanes(f32x16 x) {
#define BK_SIGNS(A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P) \
  ((f32x16){A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P})
  x = bk_fma(x, BK_SIGNS(1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1),
             __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  x = bk_fma(x, BK_SIGNS(1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1),
             __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  x = bk_fma(x, BK_SIGNS(1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1),
             __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  x = bk_fma(x, BK_SIGNS(1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1),
             __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
#undef BK_SIGNS
  return x;
}

// The last pass: thirds, lanes, minima and maxima of three vectors or one at a time.
BK_INLINE void bk_finish_mix(float *v, ptrdiff_t depth, int vectors, int lanes, f32x16 *least,
                             f32x16 *most) {
  f32x16 low = *least, high = *most;
  for (ptrdiff_t i = 0; i < depth; i += 16 * vectors) {
    f32x16 a[3];
    _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++) {
      a[j] = bk_load(v + i + 16 * j);
    }
    if (vectors == 3) {
      const f32x16 share = (a[0] + a[1] + a[2]) * (-2.0f / 3.0f);
      a[0] += share, a[1] += share, a[2] += share;
    }
    _Pragma("clang loop unroll(full)") for (int j = 0; j < vectors; j++) {
      if (lanes) a[j] = bk_mix_lanes(a[j]);
      bk_store(v + i + 16 * j, a[j]);
      low = bk_min(a[j], low);
      high = bk_max(a[j], high);
    }
  }
  *least = low, *most = high;
}

// x * multiplier, rotated, to v; its lanes' minima and maxima.
BK_INLINE void bk_mix_row(const bk_input *input, const float *x, float *v, f32x16 *least,
                          f32x16 *most) {
  const ptrdiff_t depth = input->depth;
  ptrdiff_t powers = 1, odd = depth / 16;
  while (odd % 2 == 0) powers *= 2, odd /= 2;
  if (!(input->rotation & BK_ROTATE_VECTORS)) powers = 1;
  const float *multiplier = input->multiplier, *from = x;
  ptrdiff_t h = 1;
  do {
    const ptrdiff_t left = powers / h;
    const ptrdiff_t points = left < BK_ROTATE_POINTS ? left : BK_ROTATE_POINTS;
    bk_mix_pass(from, multiplier, v, depth, 16 * odd * h, points);
    multiplier = 0, from = v;
    h *= points;
  } while (h < powers);
  const int thirds = (input->rotation & BK_ROTATE_THIRDS) && odd == 3;
  if (input->rotation & BK_ROTATE_LANES) {
    if (thirds) {
      bk_finish_mix(v, depth, 3, 1, least, most);
    } else {
      bk_finish_mix(v, depth, 1, 1, least, most);
    }
  } else if (thirds) {
    bk_finish_mix(v, depth, 3, 0, least, most);
  } else {
    bk_finish_mix(v, depth, 1, 0, least, most);
  }
}

#endif
