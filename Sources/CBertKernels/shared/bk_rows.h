// Work on whole rows: layer norm, quantising, pooling. Written once over 16-lane vectors and
// compiled for each instruction set.
#ifndef BK_ROWS_H
#define BK_ROWS_H

#include "bk_math.h"
#include "bk_rotate.h"

// Below this magnitude (or at NaN) a row counts as zeros: 127 / magnitude must stay finite.
#define BK_LEAST_RANGE 1e-30f

// MARK: Layer norm

// Up to BK_NORM_ROWS rows at once: a row's sums are chains of additions that wait for each other, and other rows' fill
// the gaps.

BK_INLINE void bk_norm_some(const float *x, ptrdiff_t x_stride, ptrdiff_t rows, ptrdiff_t width,
                            const float *weight, const float *bias, float epsilon, float *out,
                            ptrdiff_t out_stride) {
  f32x16 sum[BK_NORM_ROWS], squares[BK_NORM_ROWS];
  float mean[BK_NORM_ROWS], inverse[BK_NORM_ROWS];
  const ptrdiff_t whole = width / 16 * 16, rest = width - whole;
  for (ptrdiff_t r = 0; r < rows; r++) sum[r] = squares[r] = 0.0f;
  for (ptrdiff_t i = 0; i < whole; i += 16) {
    for (ptrdiff_t r = 0; r < rows; r++) sum[r] += bk_load(x + r * x_stride + i);
  }
  for (ptrdiff_t r = 0; r < rows; r++) {
    if (rest) sum[r] += bk_load_some(x + r * x_stride + whole, rest, 0.0f);
    mean[r] = bk_sum_lanes(sum[r]) / (float)width;
  }
  for (ptrdiff_t i = 0; i < whole; i += 16) {
    for (ptrdiff_t r = 0; r < rows; r++) {
      f32x16 d = bk_load(x + r * x_stride + i) - mean[r];
      squares[r] = bk_fma(d, d, squares[r]);
    }
  }
  for (ptrdiff_t r = 0; r < rows; r++) {
    if (rest) {
      f32x16 d = bk_load_some(x + r * x_stride + whole, rest, mean[r]) - mean[r];
      squares[r] = bk_fma(d, d, squares[r]);
    }
    const float variance = bk_sum_lanes(squares[r]) / (float)width;
    // Squares that overflow must not pass for a row without spread.
    const int overflows = !(variance < __builtin_inff());
    inverse[r] = overflows ? __builtin_nanf("") : 1.0f / bk_sqrt(variance + epsilon);
  }
  for (ptrdiff_t i = 0; i < whole; i += 16) {
    const f32x16 g = bk_load(weight + i), b = bk_load(bias + i);
    for (ptrdiff_t r = 0; r < rows; r++) {
      const f32x16 d = (bk_load(x + r * x_stride + i) - mean[r]) * inverse[r];
      bk_store(out + r * out_stride + i, bk_fma(d, g, b));
    }
  }
  if (!rest) return;
  const f32x16 g = bk_load_some(weight + whole, rest, 0.0f), b = bk_load_some(bias + whole, rest, 0.0f);
  for (ptrdiff_t r = 0; r < rows; r++) {
    const f32x16 d = (bk_load_some(x + r * x_stride + whole, rest, 0.0f) - mean[r]) * inverse[r];
    bk_store_upto(out + r * out_stride + whole, bk_fma(d, g, b), rest);
  }
}

static void bk_norm_rows(const float *x, ptrdiff_t x_stride, ptrdiff_t rows, ptrdiff_t width,
                         const float *weight, const float *bias, float epsilon, float *out,
                         ptrdiff_t out_stride) {
  ptrdiff_t r = 0;
#define BK_NORM(COUNT)                                                                            \
  for (; r + COUNT <= rows; r += COUNT) {                                                         \
    bk_norm_some(x + r * x_stride, x_stride, COUNT, width, weight, bias, epsilon,                   \
                 out + r * out_stride, out_stride);                                               \
  }
  BK_NORM(BK_NORM_ROWS)
  BK_NORM(4)
  BK_NORM(1)
#undef BK_NORM
}

// Rows of the table ahead of the one being added that are fetched: they lie anywhere in memory.
enum { BK_ROWS_AHEAD = 4 };

static void bk_embed_rows(const bk_embedding *e, const int32_t *ids, const int32_t *places,
                          const uint8_t *types, ptrdiff_t rows, float *out, ptrdiff_t out_stride) {
  const ptrdiff_t whole = e->width / 16 * 16, rest = e->width - whole;
  for (ptrdiff_t r = 0; r < rows; r++) {
    const float *word = e->word + ids[r] * e->width, *type = e->type + types[r] * e->width;
    const float *position = e->position + places[r] * e->width;
    const float *ahead = r + BK_ROWS_AHEAD < rows ? e->word + ids[r + BK_ROWS_AHEAD] * e->width : word;
    float *to = out + r * out_stride;
    for (ptrdiff_t i = 0; i < whole; i += 16) {
      __builtin_prefetch(ahead + i);
      bk_store(to + i, (bk_load(word + i) + bk_load(type + i)) + bk_load(position + i));
    }
    if (rest) {
      const f32x16 y = bk_load_some(word + whole, rest, 0.0f) + bk_load_some(type + whole, rest, 0.0f);
      bk_store_upto(to + whole, y + bk_load_some(position + whole, rest, 0.0f), rest);
    }
  }
}

// MARK: Quantising a linear's input

// What turns a row whose largest magnitude is known into bytes, 128 + rint(v * 127 / largest), which lie in 1...255.
BK_INLINE float bk_byte_inverse(float largest) {
  return largest > BK_LEAST_RANGE ? 127.0f / largest : 0.0f;
}
BK_INLINE f32x16 bk_to_byte(f32x16 v, f32x16 inverse) {
  return bk_fma(v, inverse, BK_MAGIC + 128.0f);
}
// What a step of the bytes is worth: NaN where the row overflowed.
BK_INLINE float bk_byte_scale(float largest) {
  return (largest - largest) + largest * (1.0f / 127.0f);
}

// One row of v to bytes.
BK_INLINE void bk_quantize_row(const float *v, ptrdiff_t depth, float largest, uint8_t *q) {
  const f32x16 inverse = bk_byte_inverse(largest);
  const ptrdiff_t whole = depth / 16 * 16, rest = depth - whole;
  ptrdiff_t i = 0;
  for (; i + 64 <= depth; i += 64) {
    f32x16 x[4];
    for (int j = 0; j < 4; j++) x[j] = bk_to_byte(bk_load(v + i + 16 * j), inverse);
    *(u8x64_u *)(q + i) = bk_pack_bytes(x[0], x[1], x[2], x[3]);
  }
  for (; i < whole; i += 16) {
    bk_store_u8(q + i, bk_low_bytes(bk_to_byte(bk_load(v + i), inverse)));
  }
  if (rest) {
    const u8x16 bytes = bk_low_bytes(bk_to_byte(bk_load_some(v + whole, rest, 0.0f), inverse));
    memcpy(q + whole, &bytes, (size_t)rest);
    for (ptrdiff_t i = depth; i % BK_GROUP != 0; i++) q[i] = 0;
  }
}

// v = R (x * multiplier) and its lanes' largest magnitudes.
BK_INLINE f32x16 bk_transform_row(const bk_input *input, const float *x, float *v) {
  if (input->rotation) return bk_rotate_input(input, x, v);
  f32x16 most = 0.0f;
  const ptrdiff_t depth = input->depth;
  for (ptrdiff_t i = 0; i < depth; i += 16) {
    const ptrdiff_t n = depth - i;
    const f32x16 y = bk_load_upto(x + i, n, 0.0f) * bk_load_upto(input->multiplier + i, n, 0.0f);
    bk_store_upto(v + i, y, n);
    most = bk_larger(bk_abs(y), most);
  }
  return most;
}

static void bk_rotate_row(const bk_input *input, const float *x, float *v) {
  bk_transform_row(input, x, v);
}

static void bk_quantize_rows(const bk_input *input, const float *x, ptrdiff_t x_stride,
                             ptrdiff_t rows, uint8_t *q, ptrdiff_t q_stride, float *scales,
                             float *v) {
  // As many as a quarter of a first-level cache holds.
  const ptrdiff_t depth = input->depth, fit = 2048 / depth;
  const ptrdiff_t most = fit < 1 ? 1 : fit < BK_QUANTIZE_ROWS ? fit : BK_QUANTIZE_ROWS;
  for (ptrdiff_t first = 0; first < rows; first += most) {
    const ptrdiff_t left = rows - first, n = left < most ? left : most;
    float largest[BK_QUANTIZE_ROWS];
    for (ptrdiff_t r = 0; r < n; r++) {
      const float *row = x + (first + r) * x_stride;
      largest[r] = bk_largest_lane(bk_transform_row(input, row, v + r * depth));
    }
    for (ptrdiff_t r = 0; r < n; r++) {
      scales[first + r] = bk_byte_scale(largest[r]);
      bk_quantize_row(v + r * depth, depth, largest[r], q + (first + r) * q_stride);
    }
  }
}

// MARK: Several rows' maxima and sums

// 16 vectors reduced by halves, each in the order of bk_sum_lanes and its like, all at once: lane i
// of the result is vector i's.
#define BK_REDUCE_EACH(NAME, TYPE, COMBINE)                                                       \
  BK_INLINE TYPE NAME(TYPE *v) {                                                                  \
    BK_HALVE(8, TYPE, COMBINE, 8, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)         \
    BK_HALVE(4, TYPE, COMBINE, 4, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)       \
    BK_HALVE(2, TYPE, COMBINE, 2, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29)       \
    BK_HALVE(1, TYPE, COMBINE, 1, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)      \
    return v[0];                                                                                  \
  }
#define BK_HALVE(N, TYPE, COMBINE, STEP, ...)                                                     \
  for (int i = 0; i < N; i++) {                                                                   \
    const TYPE a = v[2 * i], b = v[2 * i + 1];                                                    \
    const TYPE low = __builtin_shufflevector(a, b, __VA_ARGS__);                                  \
    const TYPE high = __builtin_shufflevector(a, b, BK_PLUS##STEP(__VA_ARGS__));                \
    v[i] = COMBINE(low, high);                                                                    \
  }
#define BK_PLUS(S, A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P)                                \
  A + S, B + S, C + S, D + S, E + S, F + S, G + S, H + S, I + S, J + S, K + S, L + S, M + S,      \
      N + S, O + S, P + S
#define BK_PLUS8(...) BK_PLUS(8, __VA_ARGS__)
#define BK_PLUS4(...) BK_PLUS(4, __VA_ARGS__)
#define BK_PLUS2(...) BK_PLUS(2, __VA_ARGS__)
#define BK_PLUS1(...) BK_PLUS(1, __VA_ARGS__)
#define BK_ADD(A, B) ((A) + (B))
BK_REDUCE_EACH(bk_largest_of_each, f32x16, bk_larger)
BK_REDUCE_EACH(bk_top_of_each, i32x16, bk_max_i32)
BK_REDUCE_EACH(bk_total_of_each, i32x16, BK_ADD)
#undef BK_REDUCE_EACH
#undef BK_HALVE
#undef BK_PLUS
#undef BK_PLUS8
#undef BK_PLUS4
#undef BK_PLUS2
#undef BK_PLUS1
#undef BK_ADD

// MARK: Pooling

static void bk_mean_rows(const float *x, ptrdiff_t x_stride, ptrdiff_t rows, ptrdiff_t width,
                         float *out) {
  for (ptrdiff_t i = 0; i < width; i += 16) {
    f32x16 sum = 0.0f;
    for (ptrdiff_t r = 0; r < rows; r++) sum += bk_load_upto(x + r * x_stride + i, width - i, 0.0f);
    bk_store_upto(out + i, sum / (float)rows, width - i);
  }
}

static void bk_normalize_row(float *x, ptrdiff_t width) {
  f32x16 squares = 0.0f;
  for (ptrdiff_t i = 0; i < width; i += 16) {
    f32x16 v = bk_load_upto(x + i, width - i, 0.0f);
    squares = bk_fma(v, v, squares);
  }
  const float length = bk_sqrt(bk_sum_lanes(squares));
  if (!(length > 0.0f)) return;
  for (ptrdiff_t i = 0; i < width; i += 16) {
    bk_store_upto(x + i, bk_load_upto(x + i, width - i, 0.0f) / length, width - i);
  }
}

static void bk_tanh_row(float *x, ptrdiff_t width) {
  for (ptrdiff_t i = 0; i < width; i += 16) {
    bk_store_upto(x + i, bk_tanh(bk_load_upto(x + i, width - i, 0.0f)), width - i);
  }
}

#endif
