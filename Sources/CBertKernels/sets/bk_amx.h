// Linears on AMX tiles. Included within the set's target attribute.
//
// tdpbusd multiplies a tile of 16 rows by 64 depths (u8) with one of 64 depths by 16 outputs (s8) in 16 cycles, and adds to
// a tile of 16 by 16 int32. A step of 64 depths of a panel, [16 groups][32 outputs][4], is two tiles of weights side by side,
// 128 bytes from row to row, as it lies in the file. Sums leave tiles only through memory, where outputs read them.
//
// Proved exact by a model of the instructions and by emulation; how fast it is was never measured.
#ifndef BK_AMX_H
#define BK_AMX_H

#include "../shared/bk_epilogue.h"

// What LDTILECFG reads.
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16];  // of a row of each tile
  uint8_t rows[16];
} bk_amx_config;

#ifdef BK_AMX_MODEL
#include "bk_amx_model.h"
#else
#define bk_amx_configure(CONFIG) _tile_loadconfig(CONFIG)
#define bk_amx_release() _tile_release()
#define bk_amx_zero(T) _tile_zero(T)
#define bk_amx_load(T, FROM, STRIDE) _tile_loadd(T, FROM, STRIDE)
#define bk_amx_store(T, TO, STRIDE) _tile_stored(T, TO, STRIDE)
#define bk_amx_add_products(SUMS, A, B) _tile_dpbusd(SUMS, A, B)
#endif

// All 8 tiles are 16 rows of 64 bytes, whatever the shape of a linear: configuring them anew clears them, and takes as long as
// a dozen products.
static const bk_amx_config bk_amx_whole_tiles = {
    .palette = 1,
    .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

enum {
  BK_AMX_BLOCK = 16,      // rows of a tile
  BK_AMX_STEP = 64,       // depths of a tile
  BK_AMX_PANEL_STEP = BK_AMX_STEP * BK_PANEL,  // bytes of a panel's step
  BK_AMX_STEP_GROUPS = BK_AMX_STEP / BK_GROUP,
};

BK_INLINE ptrdiff_t bk_amx_steps(ptrdiff_t groups) { return (groups + BK_AMX_STEP_GROUPS - 1) / BK_AMX_STEP_GROUPS; }

// MARK: Rows, in blocks [steps][16][64], zero where there is no row or no depth

BK_INLINE size_t bk_linear_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) {
  return (size_t)(bk_round_up(rows, BK_AMX_BLOCK) * bk_amx_steps(groups) * BK_AMX_STEP);
}

BK_INLINE bk_tile_input bk_prepare_linear(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t groups,
                                          void *scratch) {
  bk_amx_configure(&bk_amx_whole_tiles);
  const ptrdiff_t depth = groups * BK_GROUP, row_bytes = bk_amx_steps(groups) * BK_AMX_STEP;
  for (ptrdiff_t r = 0; r < bk_round_up(rows, BK_AMX_BLOCK); r++) {
    const ptrdiff_t place = r % BK_AMX_BLOCK;
    uint8_t *to = (uint8_t *)scratch + (r - place) * row_bytes + place * BK_AMX_STEP;
    for (ptrdiff_t k = 0; k < depth; k += BK_AMX_STEP, to += BK_AMX_BLOCK * BK_AMX_STEP) {
      const __mmask64 some = r >= rows ? 0 : depth - k >= BK_AMX_STEP ? ~0ull : (1ull << (depth - k)) - 1;
      _mm512_storeu_si512(to, _mm512_maskz_loadu_epi8(some, q + r * stride + k));
    }
  }
  return (bk_tile_input){scratch, row_bytes};
}

BK_INLINE void bk_finish_linear(void) { bk_amx_release(); }

// MARK: Outputs, beside the products of what comes next

// The sums of a block of rows by a panel, and what makes outputs of them: `done` rows have been.
typedef struct {
  int32_t sums[BK_BLOCK_ROWS * BK_PANEL];
  float padded[BK_BLOCK_ROWS * BK_PANEL];
  bk_tile_outputs outputs;
  ptrdiff_t rows, done;
} bk_amx_sums;

BK_INLINE void bk_output_sums(bk_amx_sums *from, ptrdiff_t end, bk_activation activation) {
  const bk_tile_outputs *o = &from->outputs;
  for (ptrdiff_t r = from->done; r < end; r++) {
    const int32_t *sums = from->sums + BK_PANEL * r;
    const f32x16 scale = o->row_scales[r];
    bk_finish_row(o->out + r * o->stride, o->residual, r, activation, 1,
                  bk_dequantize(o, scale, 0, bk_load_i32(sums)), bk_dequantize(o, scale, 1, bk_load_i32(sums + 16)));
  }
}

// Outputs of some more rows.
static __attribute__((noinline)) void bk_output_more(bk_amx_sums *from, ptrdiff_t rows) {
  const ptrdiff_t end = from->rows - from->done < rows ? from->rows : from->done + rows;
  switch (from->outputs.activation) {
    case BK_ACT_NONE: bk_output_sums(from, end, BK_ACT_NONE); break;
    case BK_ACT_GELU: bk_output_sums(from, end, BK_ACT_GELU); break;
    case BK_ACT_GELU_TANH: bk_output_sums(from, end, BK_ACT_GELU_TANH); break;
    case BK_ACT_RELU: bk_output_sums(from, end, BK_ACT_RELU); break;
  }
  from->done = end;
}

// MARK: Products

// What goes on beside each step's products: tiles multiply on a unit of their own, which leaves the others 16 cycles a
// product for fetching and for outputs.
typedef struct {
  bk_ahead ahead;
  bk_amx_sums *earlier;
  ptrdiff_t rows;  // of `earlier`, a step
} bk_amx_beside;

BK_INLINE void bk_do_beside(bk_amx_beside *beside) {
  bk_fetch_steps(&beside->ahead, BK_AMX_STEP_GROUPS);
  if (beside->earlier->done < beside->earlier->rows) bk_output_more(beside->earlier, beside->rows);
}

// A panel's weights: whole steps, and a copy of the last one where it is less than whole, zero beyond the depth.
typedef struct {
  const int8_t *panel, *last;
  ptrdiff_t whole;
} bk_amx_weights;

BK_INLINE const int8_t *bk_weights_of(const bk_amx_weights *w, ptrdiff_t step) {
  return step < w->whole ? w->panel + BK_AMX_PANEL_STEP * step : w->last;
}

// Adds the products of steps first..<end to the sums of 32 rows or, with one block, 16. Sums begin at `from`, whose rows
// are `stride` bytes apart: 0 where all rows begin with the same.
//
// Tiles 0 and 1 have the sums of the first block, 2 and 3 those of the second, 4 and 5 rows, 6 and 7 weights: 4 loads of
// 8 cycles for 4 products of 16.
BK_INLINE void bk_add_steps(int blocks, const uint8_t *a, ptrdiff_t block_bytes, const bk_amx_weights *weights,
                            ptrdiff_t first, ptrdiff_t end, const int32_t *from, ptrdiff_t stride, int32_t *sums,
                            bk_amx_beside *beside) {
  const ptrdiff_t block_sums = BK_AMX_BLOCK * BK_PANEL, row = BK_PANEL * (ptrdiff_t)sizeof *sums;
  const int32_t *second = stride ? from + block_sums : from;
  bk_amx_load(0, from, stride);
  bk_amx_load(1, from + 16, stride);
  if (blocks > 1) {
    bk_amx_load(2, second, stride);
    bk_amx_load(3, second + 16, stride);
  }
  for (ptrdiff_t s = first; s < end; s++) {
    const int8_t *w = bk_weights_of(weights, s);
    const uint8_t *rows = a + BK_AMX_BLOCK * BK_AMX_STEP * s;
    bk_amx_load(6, w, BK_PANEL * BK_GROUP);
    bk_amx_load(4, rows, BK_AMX_STEP);
    bk_amx_add_products(0, 4, 6);
    bk_amx_load(7, w + 16 * BK_GROUP, BK_PANEL * BK_GROUP);
    bk_amx_add_products(1, 4, 7);
    if (blocks > 1) {
      bk_amx_load(5, rows + block_bytes, BK_AMX_STEP);
      bk_amx_add_products(2, 5, 6);
      bk_amx_add_products(3, 5, 7);
    }
    bk_do_beside(beside);
  }
  bk_amx_store(0, sums, row);
  bk_amx_store(1, sums + 16, row);
  if (blocks > 1) {
    bk_amx_store(2, sums + block_sums, row);
    bk_amx_store(3, sums + block_sums + 16, row);
  }
}

static __attribute__((noinline)) void bk_add_one_block(const uint8_t *a, const bk_amx_weights *weights, ptrdiff_t first,
                                                       ptrdiff_t end, const int32_t *from, ptrdiff_t stride,
                                                       int32_t *sums, bk_amx_beside *beside) {
  bk_add_steps(1, a, 0, weights, first, end, from, stride, sums, beside);
}
static __attribute__((noinline)) void bk_add_two_blocks(const uint8_t *a, ptrdiff_t block_bytes,
                                                        const bk_amx_weights *weights, ptrdiff_t first, ptrdiff_t end,
                                                        const int32_t *from, ptrdiff_t stride, int32_t *sums,
                                                        bk_amx_beside *beside) {
  bk_add_steps(2, a, block_bytes, weights, first, end, from, stride, sums, beside);
}

// From this many steps on (a depth of 1536), a panel with the rows of a tile exceeds a first-level cache of 48 KB, and the
// second one can not feed both. So depth goes by parts of 768, each over all rows of the block.
enum { BK_AMX_DEEP = 24, BK_AMX_PART = 12 };

// A block of rows by a panel.
BK_INLINE void bk_sum_block(const uint8_t *a, ptrdiff_t row_bytes, ptrdiff_t rows, const bk_amx_weights *weights,
                            ptrdiff_t steps, const int32_t *start, int32_t *sums, bk_amx_beside *beside) {
  const ptrdiff_t part = steps >= BK_AMX_DEEP ? BK_AMX_PART : steps;
  for (ptrdiff_t first = 0; first < steps; first += part) {
    const ptrdiff_t end = steps - first < part ? steps : first + part;
    for (ptrdiff_t r = 0; r < rows; r += 2 * BK_AMX_BLOCK) {
      int32_t *to = sums + BK_PANEL * r;
      const int32_t *from = first == 0 ? start : to;
      const ptrdiff_t stride = first == 0 ? 0 : BK_PANEL * (ptrdiff_t)sizeof *sums;
      if (rows - r > BK_AMX_BLOCK) {
        bk_add_two_blocks(a + r * row_bytes, BK_AMX_BLOCK * row_bytes, weights, first, end, from, stride, to, beside);
      } else {
        bk_add_one_block(a + r * row_bytes, weights, first, end, from, stride, to, beside);
      }
    }
  }
}

// MARK: Panels

// The sums at work and those before them, and the last step of a panel.
typedef struct {
  bk_amx_sums sums[2];
  int8_t last[BK_AMX_PANEL_STEP];
} bk_amx_scratch;

BK_INLINE size_t bk_panels_scratch(ptrdiff_t groups) { return sizeof(bk_amx_scratch); }

// The tiles that all rows take, block of rows by block of rows.
BK_INLINE ptrdiff_t bk_amx_tiles(ptrdiff_t rows) {
  const ptrdiff_t whole = rows / BK_BLOCK_ROWS, rest = rows % BK_BLOCK_ROWS, tile = 2 * BK_AMX_BLOCK;
  return whole * ((BK_BLOCK_ROWS + tile - 1) / tile) + (rest + tile - 1) / tile;
}

BK_INLINE bk_ahead bk_fetch_panel(const int8_t *next, ptrdiff_t groups, ptrdiff_t rows) {
  // Not measured. What 16 rows or fewer are multiplied with comes as fast as memory gives it; small panels fit a
  // first-level cache two at a time.
  if (rows <= BK_AMX_BLOCK) return bk_fetch_nothing(next);
  const ptrdiff_t tiles = bk_amx_tiles(rows);
  const bk_fetch to = groups * BK_PANEL * BK_GROUP <= 16384 ? BK_FETCH_NEAR : BK_FETCH_FAR;
  return (bk_ahead){to, next, (BK_PANEL_STEP + tiles - 1) / tiles};
}

static void bk_linear_s8_panels(const bk_linear_s8 *l, const bk_tile_input *a, const float *scales, ptrdiff_t rows,
                                bk_panels panels, const bk_output *o, const int8_t *next, void *scratch) {
  bk_amx_scratch *work = scratch;
  bk_amx_sums *now = &work->sums[0], *earlier = &work->sums[1];
  earlier->rows = earlier->done = 0;
  _Alignas(64) int32_t start[BK_PANEL];
  const ptrdiff_t steps = bk_amx_steps(l->groups), whole = l->groups / BK_AMX_STEP_GROUPS;
  const ptrdiff_t panel_bytes = l->groups * (BK_PANEL * BK_GROUP);
  for (ptrdiff_t p = panels.first; p < panels.last; p++) {
    const int8_t *panel = l->weights + p * panel_bytes;
    const ptrdiff_t column = (p - panels.first) * BK_PANEL, left = l->outputs - p * BK_PANEL;
    bk_start_sums(l, p * BK_PANEL, start);
    if (whole < steps) {
      memset(work->last, 0, sizeof work->last);
      memcpy(work->last, panel + whole * BK_AMX_PANEL_STEP, (size_t)(panel_bytes - whole * BK_AMX_PANEL_STEP));
    }
    const bk_amx_weights weights = {panel, work->last, whole};
    bk_amx_beside beside = {bk_fetch_panel(p + 1 < panels.last ? panel + panel_bytes : next, l->groups, rows), 0, 0};
    for (ptrdiff_t r = 0; r < rows; r += BK_BLOCK_ROWS) {
      const ptrdiff_t n = rows - r < BK_BLOCK_ROWS ? rows - r : BK_BLOCK_ROWS;
      now->rows = n, now->done = 0;
      bk_load_panel_constants(l, p * BK_PANEL, &now->outputs);
      now->outputs.row_scales = scales + r;
      now->outputs.out = o->out + r * o->stride + column;
      now->outputs.stride = o->stride;
      now->outputs.activation = o->activation;
      now->outputs.residual = bk_residual_of(o, r, n, column, left, now->padded);
      const ptrdiff_t all = bk_amx_tiles(n) * steps;
      beside.earlier = earlier, beside.rows = (earlier->rows + all - 1) / all;
      bk_sum_block(bk_tile_row(a, r), a->stride, n, &weights, steps, start, now->sums, &beside);
      if (earlier->done < earlier->rows) bk_output_more(earlier, earlier->rows);
      bk_amx_sums *swap = now;
      now = earlier, earlier = swap;
    }
  }
  bk_output_more(earlier, earlier->rows);
}

#endif
