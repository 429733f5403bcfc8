// The rotation of a linear's input row (bk_input): Hadamard transforms by additions alone.
#ifndef BK_ROTATE_H
#define BK_ROTATE_H

#include "bk_contract.h"

// A pass over a row takes up to BK_ROTATE_POINTS points of a transform in registers; with thirds up to these, three
// vectors for each. The order of additions depends on neither.
enum { BK_ROTATE_POINTS_OF_THIRDS = 8 };

// One level of a Hadamard transform (a butterfly): vectors i and i + h become their sum and their difference.
BK_INLINE void bk_butterfly_level(f32x16 *x, int points, int h) {
  _Pragma("clang loop unroll(full)") for (int i = 0; i < points; i++) {
    if (i & h) continue;
    const f32x16 a = x[i], b = x[i + h];
    x[i] = a + b;
    x[i + h] = bk_minus(a, b);
  }
}

// A Hadamard transform over `points` vectors `stride` floats apart, from x to v. Where there is a multiplier, x is
// multiplied by it first.
BK_INLINE void bk_hadamard_vectors(const float *x, const float *multiplier, float *v, int points,
                              ptrdiff_t stride) {
  f32x16 a[BK_ROTATE_POINTS];
  _Pragma("clang loop unroll(full)") for (int i = 0; i < points; i++) {
    a[i] = bk_load(x + i * stride);
    if (multiplier) a[i] *= bk_load(multiplier + i * stride);
  }
  if (points > 1) bk_butterfly_level(a, points, 1);
  if (points > 2) bk_butterfly_level(a, points, 2);
  if (points > 4) bk_butterfly_level(a, points, 4);
  if (points > 8) bk_butterfly_level(a, points, 8);
  _Pragma("clang loop unroll(full)") for (int i = 0; i < points; i++) {
    bk_store(v + i * stride, a[i]);
  }
}

BK_INLINE void bk_hadamard_blocks(const float *x, const float *multiplier, float *v, ptrdiff_t depth,
                             ptrdiff_t stride, int points) {
  for (ptrdiff_t start = 0; start < depth; start += points * stride) {
    for (ptrdiff_t i = start; i < start + stride; i += 16) {
      bk_hadamard_vectors(x + i, multiplier ? multiplier + i : 0, v + i, points, stride);
    }
  }
}

// One pass over a row: transforms of `points` vectors, `stride` floats apart.
static void bk_hadamard_pass(const float *x, const float *multiplier, float *v, ptrdiff_t depth,
                           ptrdiff_t stride, ptrdiff_t points) {
  switch (points) {
#if BK_ROTATE_POINTS > 8
    case 16: bk_hadamard_blocks(x, multiplier, v, depth, stride, 16); break;
#endif
    case 8: bk_hadamard_blocks(x, multiplier, v, depth, stride, 8); break;
    case 4: bk_hadamard_blocks(x, multiplier, v, depth, stride, 4); break;
    case 2: bk_hadamard_blocks(x, multiplier, v, depth, stride, 2); break;
    default: bk_hadamard_blocks(x, multiplier, v, depth, stride, 1); break;
  }
}

// A Hadamard transform over the 16 lanes: lanes i and i ^ 8 become their sum (in the lower) and the lower less the upper
// (in the upper); then i and i ^ 4, i ^ 2, i ^ 1.
BK_INLINE f32x16 bk_hadamard_lanes(f32x16 x) {
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

// What the last pass over a row does; constants where it is called.
typedef struct {
  int points;  // those left of the transform across vectors
  int thirds;  // whether three neighbouring vectors are rotated too
  int lanes;
} bk_last_step;

// The last pass: what is left of the transform across vectors, then thirds, then lanes. It takes points * width vectors
// at a time, where width is 3 with thirds and 1 without; points lie `stride` floats apart. Returns the largest magnitude
// of each lane.
BK_INLINE f32x16 bk_last_pass(bk_last_step last, const float *x, const float *multiplier, float *v,
                               ptrdiff_t depth, ptrdiff_t stride) {
  const int width = last.thirds ? 3 : 1;
  f32x16 most = 0.0f;
  for (ptrdiff_t start = 0; start < depth; start += last.points * stride) {
    for (ptrdiff_t i = start; i < start + stride; i += 16 * width) {
      f32x16 a[3][BK_ROTATE_POINTS];
      _Pragma("clang loop unroll(full)") for (int j = 0; j < width; j++) {
        _Pragma("clang loop unroll(full)") for (int p = 0; p < last.points; p++) {
          const ptrdiff_t at = i + 16 * j + p * stride;
          a[j][p] = bk_load(x + at);
          if (multiplier) a[j][p] *= bk_load(multiplier + at);
        }
        if (last.points > 1) bk_butterfly_level(a[j], last.points, 1);
        if (last.points > 2) bk_butterfly_level(a[j], last.points, 2);
        if (last.points > 4) bk_butterfly_level(a[j], last.points, 4);
        if (last.points > 8) bk_butterfly_level(a[j], last.points, 8);
      }
      _Pragma("clang loop unroll(full)") for (int p = 0; p < last.points; p++) {
        if (last.thirds) {
          const f32x16 third = (a[0][p] + a[1][p] + a[2][p]) * (-2.0f / 3.0f);
          a[0][p] += third, a[1][p] += third, a[2][p] += third;
        }
        _Pragma("clang loop unroll(full)") for (int j = 0; j < width; j++) {
          const f32x16 y = last.lanes ? bk_hadamard_lanes(a[j][p]) : a[j][p];
          bk_store(v + i + 16 * j + p * stride, y);
          most = bk_larger(bk_abs(y), most);
        }
      }
    }
  }
  return most;
}

// Rotates x * multiplier to v; returns the largest magnitude of each lane.
BK_INLINE f32x16 bk_rotate_input(const bk_input *input, const float *x, float *v) {
  const ptrdiff_t depth = input->depth;
  ptrdiff_t powers = 1, odd = depth / 16;
  while (odd % 2 == 0) powers *= 2, odd /= 2;
  if (!(input->rotation & BK_ROTATE_VECTORS)) powers = 1;
  const float *multiplier = input->multiplier, *from = x;
  ptrdiff_t h = 1;
  const int thirds = (input->rotation & BK_ROTATE_THIRDS) && odd == 3;
  const int lanes = (input->rotation & BK_ROTATE_LANES) != 0;
  const ptrdiff_t most = thirds ? BK_ROTATE_POINTS_OF_THIRDS : BK_ROTATE_POINTS;
  while (powers / h > most) {
    const ptrdiff_t left = powers / h / most;
    const ptrdiff_t points = left < BK_ROTATE_POINTS ? left : BK_ROTATE_POINTS;
    bk_hadamard_pass(from, multiplier, v, depth, 16 * odd * h, points);
    multiplier = 0, from = v;
    h *= points;
  }
  const ptrdiff_t stride = 16 * odd * h;
#define BK_FINISH(POINTS, THIRDS, LANES)                                                      \
  if (powers / h == POINTS && thirds == THIRDS && lanes == LANES) {                           \
    return bk_last_pass((bk_last_step){POINTS, THIRDS, LANES}, from, multiplier, v, depth,    \
                         stride);                                                             \
  }
#define BK_FINISH_ANY(POINTS) \
  BK_FINISH(POINTS, 0, 0) BK_FINISH(POINTS, 1, 0) BK_FINISH(POINTS, 0, 1) BK_FINISH(POINTS, 1, 1)
#if BK_ROTATE_POINTS > 8
  BK_FINISH(16, 0, 0) BK_FINISH(16, 0, 1)
#endif
  BK_FINISH_ANY(8) BK_FINISH_ANY(4) BK_FINISH_ANY(2) BK_FINISH_ANY(1)
#undef BK_FINISH_ANY
#undef BK_FINISH
  BK_NEVER;
}

#endif
