// A tile's epilogue: what follows a linear's products, dequantising, bias, activation, residual.
#ifndef BK_EPILOGUE_H
#define BK_EPILOGUE_H

#include "bk_contract.h"
#include "bk_math.h"

// What is added to a tile's rows, 32 columns of each; null where nothing is.
typedef struct {
  const float *rows;
  ptrdiff_t stride;
} bk_residual;

// Copies the n < 32 columns that a residual has for the last panel, and zeros for the others. Not inlined: a loop that
// may call anything has to load its constants anew for each row.
static __attribute__((noinline)) void bk_pad_residual(const float *from, ptrdiff_t stride,
                                                      ptrdiff_t rows, ptrdiff_t n, float *padded) {
  for (ptrdiff_t r = 0; r < rows; r++) {
    for (ptrdiff_t i = 0; i < BK_PANEL; i++) {
      padded[BK_PANEL * r + i] = i < n ? from[r * stride + i] : 0.0f;
    }
  }
}

// The residual of `rows` rows for the panel at `column`, counted from the first panel computed, from where n outputs are
// left. Rows lie far apart in memory, so they are fetched while the tile is computed.
BK_INLINE bk_residual bk_residual_of(const bk_output *o, ptrdiff_t row, ptrdiff_t rows,
                                     ptrdiff_t column, ptrdiff_t n, float *padded) {
  if (!o->residual) return (bk_residual){0, 0};
  const float *from = o->residual + row * o->residual_stride + column;
  if (n >= BK_PANEL) {
    for (ptrdiff_t r = 0; r < rows; r++) {
      __builtin_prefetch(from + r * o->residual_stride);
      __builtin_prefetch(from + r * o->residual_stride + 16);
    }
    return (bk_residual){from, o->residual_stride};
  }
  bk_pad_residual(from, o->residual_stride, rows, n, padded);
  return (bk_residual){padded, BK_PANEL};
}

BK_INLINE f32x16 bk_activate(bk_activation activation, int coarse, f32x16 y) {
  switch (activation) {
    case BK_ACT_NONE: return y;
    case BK_ACT_GELU: return coarse ? bk_gelu_coarse(y) : bk_gelu(y);
    case BK_ACT_GELU_TANH: return bk_gelu_tanh(y);
    case BK_ACT_RELU: return bk_max(0.0f, y);  // keeps a NaN
  }
}

// Two vectors of a tile's row: activation or residual, and out.
BK_INLINE void bk_finish_row(float *out, bk_residual residual, ptrdiff_t row,
                             bk_activation activation, int coarse, f32x16 y0, f32x16 y1) {
  y0 = bk_activate(activation, coarse, y0), y1 = bk_activate(activation, coarse, y1);
  if (residual.rows) {
    const float *x = residual.rows + row * residual.stride;
    y0 += bk_load(x), y1 += bk_load(x + 16);
  }
  bk_store(out, y0), bk_store(out + 16, y1);
}

// Whether an activation takes so long that finished rows are parked: their activation is then computed one vector at a
// time, between the multiply-adds of the next tile.
BK_INLINE int bk_waits(bk_activation activation) {
  return activation == BK_ACT_GELU || activation == BK_ACT_GELU_TANH;
}

// Parked rows of a tile: values before their activation, BK_PANEL a row, and where their outputs go.
typedef struct {
  float *values;
  float *out;
  ptrdiff_t rows;
} bk_waiting;

// What turns the sums of a tile's rows into outputs: the panel's constants, and where the rows are.
struct bk_tile_outputs {
  f32x16 scale[2], bias[2];
  const float *row_scales;
  float *out;
  ptrdiff_t stride;
  bk_residual residual;
  bk_activation activation;
  // The rows of an earlier tile, whose activation is still to come.
  bk_waiting waiting;
};

BK_INLINE void bk_load_panel_constants(const bk_linear_s8 *l, ptrdiff_t column, bk_tile_outputs *o) {
  for (int h = 0; h < 2; h++) {
    const ptrdiff_t at = column + 16 * h, n = l->outputs - at;
    o->scale[h] = o->bias[h] = 0.0f;
    if (n <= 0) continue;
    o->scale[h] = bk_load_upto(l->scale + at, n, 0.0f);
    o->bias[h] = bk_load_upto(l->bias + at, n, 0.0f);
  }
}

// Sums of a row of the tile, of its first 16 columns or the others, as the numbers they stand for.
BK_INLINE f32x16 bk_dequantize(const bk_tile_outputs *o, f32x16 row_scale, int h, i32x16 sum) {
  return bk_fma(bk_float(sum) * row_scale, o->scale[h], o->bias[h]);
}

// The sums of one row of the tile to outputs.
BK_INLINE void bk_output_row(const bk_tile_outputs *o, ptrdiff_t row, i32x16 sum0, i32x16 sum1) {
  const f32x16 scale = o->row_scales[row];
  bk_finish_row(o->out + row * o->stride, o->residual, row, o->activation, 1,
                bk_dequantize(o, scale, 0, sum0), bk_dequantize(o, scale, 1, sum1));
}

// All sums of a tile, 32 a row.
BK_INLINE void bk_output_tile(const bk_tile_outputs *o, const int32_t *tile, ptrdiff_t rows) {
  for (ptrdiff_t r = 0; r < rows; r++) {
    const int32_t *sums = tile + BK_PANEL * r;
    bk_output_row(o, r, bk_load_i32(sums), bk_load_i32(sums + 16));
  }
}

// Parks one row of the tile.
BK_INLINE void bk_keep_row(const bk_tile_outputs *o, ptrdiff_t row, i32x16 sum0, i32x16 sum1) {
  const f32x16 scale = o->row_scales[row];
  float *values = o->waiting.values + BK_PANEL * row;
  bk_store(values, bk_dequantize(o, scale, 0, sum0));
  bk_store(values + 16, bk_dequantize(o, scale, 1, sum1));
}

// A parked row's first 16 columns to outputs, or its others.
BK_INLINE void bk_output_waiting(const bk_tile_outputs *o, ptrdiff_t row, int h) {
  const f32x16 y = bk_load(o->waiting.values + BK_PANEL * row + 16 * h);
  bk_store(o->waiting.out + row * o->stride + 16 * h, bk_activate(o->activation, 1, y));
}

// All parked rows from one on to outputs.
BK_INLINE void bk_output_all_waiting(const bk_tile_outputs *o, ptrdiff_t first) {
  for (ptrdiff_t r = first; r < o->waiting.rows; r++) {
    bk_output_waiting(o, r, 0);
    bk_output_waiting(o, r, 1);
  }
}

#endif
