// Work on whole rows: layer norm, quantising, pooling. Written once over 16-lane vectors and
// compiled for each instruction set.
#ifndef BK_ROWS_H
#define BK_ROWS_H

#include "CBertKernels.h"
#include "bk_math.h"

// Below this range (or at NaN) a row counts as constant: 255 / range must stay finite.
#define BK_LEAST_RANGE 1e-30f

// MARK: Layer norm

// So many rows at once: each row's sums are chains of dependent additions, which several rows
// fill the gaps of.
enum { BK_NORM_ROWS = 4 };

BK_INLINE void bk_norm_some(const float *x, ptrdiff_t x_stride, ptrdiff_t rows, ptrdiff_t width,
                            const float *gain, const float *bias, float epsilon, float *out,
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
    inverse[r] = 1.0f / bk_sqrt(bk_sum_lanes(squares[r]) / (float)width + epsilon);
  }
  for (ptrdiff_t i = 0; i < width; i += 16) {
    const ptrdiff_t n = width - i;
    const f32x16 g = bk_load_upto(gain + i, n, 0.0f), b = bk_load_upto(bias + i, n, 0.0f);
    for (ptrdiff_t r = 0; r < rows; r++) {
      f32x16 d = (bk_load_upto(x + r * x_stride + i, n, 0.0f) - mean[r]) * inverse[r];
      bk_store_upto(out + r * out_stride + i, bk_fma(d, g, b), n);
    }
  }
}

static void bk_norm_rows(const float *x, ptrdiff_t x_stride, ptrdiff_t rows, ptrdiff_t width,
                         const float *gain, const float *bias, float epsilon, float *out,
                         ptrdiff_t out_stride) {
  ptrdiff_t r = 0;
  for (; r + BK_NORM_ROWS <= rows; r += BK_NORM_ROWS) {
    bk_norm_some(x + r * x_stride, x_stride, BK_NORM_ROWS, width, gain, bias, epsilon,
                 out + r * out_stride, out_stride);
  }
  for (; r < rows; r++) {
    bk_norm_some(x + r * x_stride, x_stride, 1, width, gain, bias, epsilon, out + r * out_stride,
                 out_stride);
  }
}

static void bk_embed_row(const float *word, const float *position, const float *type,
                         ptrdiff_t width, float *out) {
  for (ptrdiff_t i = 0; i < width; i += 16) {
    f32x16 y = bk_load_upto(word + i, width - i, 0.0f) + bk_load_upto(type + i, width - i, 0.0f);
    y += bk_load_upto(position + i, width - i, 0.0f);
    bk_store_upto(out + i, y, width - i);
  }
}

// MARK: Quantising a linear's input

BK_INLINE u8x16 bk_low_bytes(f32x16 shifted) {
  return __builtin_convertvector((u32x16)shifted & 0xff, u8x16);
}

typedef struct {
  float scale, inverse, start;
} bk_range_scale;

// From a row's minimum and maximum to q = v * inverse + start in 0...255.
BK_INLINE bk_range_scale bk_scale_of_range(float low, float high) {
  const float range = high - low;
  bk_range_scale s = {range * (1.0f / 255.0f), 0.0f, 0.0f};
  if (range > BK_LEAST_RANGE) {
    s.inverse = 255.0f / range;
    s.start = -(low * s.inverse);
  }
  return s;
}

// One row of v to u8. The dither is below 1/2 in magnitude and v lies within the row's range, so
// the rounded value lies in 0...255 and its low byte is all of it.
BK_INLINE void bk_quantize_row(const bk_input *input, const float *v, float low, float high,
                               uint8_t *q, bk_row_scale *scale) {
  const bk_range_scale s = bk_scale_of_range(low, high);
  const f32x16 inverse = s.inverse, start = s.start;
  const ptrdiff_t depth = input->depth, total = depth + input->extra;
  ptrdiff_t i = 0;
  for (; i + 16 <= depth; i += 16) {
    f32x16 w = bk_fma(bk_load(v + i), inverse, start) + bk_load(input->dither + i);
    bk_store_u8(q + i, bk_low_bytes(w + BK_MAGIC));
  }
  for (; i < total; i += 16) {
    float gathered[16] = {0}, dither[16] = {0};
    const ptrdiff_t n = total - i < 16 ? total - i : 16;
    for (ptrdiff_t j = 0; j < n; j++) {
      gathered[j] = v[i + j < depth ? i + j : input->source[i + j - depth]];
      dither[j] = input->dither[i + j];
    }
    f32x16 w = bk_fma(bk_load(gathered), inverse, start) + bk_load(dither);
    u8x16 bytes = bk_low_bytes(w + BK_MAGIC);
    memcpy(q + i, &bytes, (size_t)n);
  }
  for (i = total; i % BK_GROUP != 0; i++) q[i] = 0;
  scale->scale = s.scale;
  scale->offset = low;
}

static void bk_quantize_rows(const bk_input *input, const float *x, ptrdiff_t x_stride,
                             ptrdiff_t rows, uint8_t *q, ptrdiff_t q_stride, bk_row_scale *scales,
                             float *v) {
  const ptrdiff_t whole = input->depth / 16 * 16, rest = input->depth - whole;
  for (ptrdiff_t r = 0; r < rows; r++, x += x_stride, q += q_stride) {
    f32x16 low = __builtin_inff(), high = -__builtin_inff();
    for (ptrdiff_t i = 0; i < whole; i += 16) {
      f32x16 y = bk_fma(bk_load(x + i), bk_load(input->multiplier + i), bk_load(input->shift + i));
      bk_store(v + i, y);
      low = bk_min(y, low);
      high = bk_max(y, high);
    }
    if (rest) {
      f32x16 y = bk_fma(bk_load_some(x + whole, rest, 0.0f),
                        bk_load_some(input->multiplier + whole, rest, 0.0f),
                        bk_load_some(input->shift + whole, rest, 0.0f));
      bk_store_upto(v + whole, y, rest);
      low = bk_min(bk_only(y, rest, __builtin_inff()), low);
      high = bk_max(bk_only(y, rest, -__builtin_inff()), high);
    }
    bk_quantize_row(input, v, bk_min_lanes(low), bk_max_lanes(high), q, scales + r);
  }
}

static void bk_quantize_ranged(const bk_input *input, const float *v, ptrdiff_t v_stride,
                               const float *range, ptrdiff_t rows, uint8_t *q, ptrdiff_t q_stride,
                               bk_row_scale *scales) {
  for (ptrdiff_t r = 0; r < rows; r++) {
    bk_quantize_row(input, v + r * v_stride, bk_min_lanes(bk_load(range + 32 * r)),
                    bk_max_lanes(bk_load(range + 32 * r + 16)), q + r * q_stride, scales + r);
  }
}

static void bk_reset_ranges(float *range, ptrdiff_t rows) {
  for (ptrdiff_t r = 0; r < rows; r++) {
    bk_store(range + 32 * r, (f32x16)__builtin_inff());
    bk_store(range + 32 * r + 16, (f32x16)-__builtin_inff());
  }
}

// MARK: Quantising the attention's inputs

// n floats to int8 + bias, symmetric, and zeros up to `padded`; returns the scale.
BK_INLINE float bk_quantize_slice(const float *x, ptrdiff_t n, ptrdiff_t padded, float bias,
                                  uint8_t *q) {
  const ptrdiff_t whole = n / 16 * 16, rest = n - whole;
  f32x16 most = 0.0f;
  for (ptrdiff_t i = 0; i < whole; i += 16) most = bk_max(bk_abs(bk_load(x + i)), most);
  if (rest) most = bk_max(bk_abs(bk_load_some(x + whole, rest, 0.0f)), most);
  const float largest = bk_max_lanes(most);
  const float inverse = largest > BK_LEAST_RANGE ? 127.0f / largest : 0.0f;
  for (ptrdiff_t i = 0; i < whole; i += 16) {
    bk_store_u8(q + i, bk_low_bytes((bk_load(x + i) * inverse + BK_MAGIC) + bias));
  }
  if (rest) {
    u8x16 bytes =
        bk_low_bytes((bk_load_some(x + whole, rest, 0.0f) * inverse + BK_MAGIC) + bias);
    memcpy(q + whole, &bytes, (size_t)rest);
    for (ptrdiff_t i = n; i < padded; i++) q[i] = 0;
  }
  return largest * (1.0f / 127.0f);
}

static void bk_quantize_heads(const float *x, ptrdiff_t heads, ptrdiff_t head_size, uint8_t *row,
                              float *scales) {
  const ptrdiff_t padded = (head_size + 3) / 4 * 4;
  for (ptrdiff_t part = 0; part < 3; part++) {
    for (ptrdiff_t h = 0; h < heads; h++) {
      const ptrdiff_t slice = part * heads + h;
      scales[slice] = bk_quantize_slice(x + slice * head_size, head_size, padded,
                                        part == 0 ? 128.0f : 0.0f, row + slice * padded);
    }
  }
}

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
