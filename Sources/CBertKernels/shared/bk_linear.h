// The loops of a linear around a tile of int8 or float products, and what follows those.
//
// A linear's outputs come in panels of 32. For each panel, its rows come in tiles: as many rows as have all their sums
// in registers. A set computes a tile (bk_contract.h); which tiles there are, what is fetched meanwhile and what becomes
// of the sums is decided here.
#ifndef BK_LINEAR_H
#define BK_LINEAR_H

#include "bk_epilogue.h"
#include "bk_rows.h"

// How many rows attention computes.
BK_INLINE ptrdiff_t bk_head_rows(const bk_head *h) {
  return h->wanted ? h->wanted_rows : h->length + h->unseen;
}

// The token that a row of attention's output belongs to, and its query.
BK_INLINE ptrdiff_t bk_head_token(const bk_head *h, ptrdiff_t row) { return h->wanted ? h->wanted[row] : row; }
BK_INLINE const float *bk_head_query(const bk_head *h, ptrdiff_t row) {
  return h->query + bk_head_token(h, row) * h->stride;
}

// Keys of a head, from `first` to before `last`.
typedef struct {
  ptrdiff_t first, last;
} bk_keys;

// The keys that a row's token sees: at least one, as what is asked for has.
BK_INLINE bk_keys bk_head_keys(const bk_head *h, ptrdiff_t row) {
  if (!h->window) return (bk_keys){0, h->length};
  const ptrdiff_t token = bk_head_token(h, row), before = token - h->window, behind = token + h->window + 1;
  const ptrdiff_t first = before < h->length ? before : h->length - 1;
  return (bk_keys){first > 0 ? first : 0, behind < h->length ? behind : h->length};
}

// Those that any of some rows' tokens sees, from a multiple of a panel on.
BK_INLINE bk_keys bk_head_keys_of(const bk_head *h, ptrdiff_t row, ptrdiff_t rows) {
  const bk_keys first = bk_head_keys(h, row), last = bk_head_keys(h, row + rows - 1);
  return (bk_keys){first.first / BK_PANEL * BK_PANEL, last.last};
}

// The destination of what follows some panels.
BK_INLINE void bk_advance(bk_output *o, bk_panels panels) {
  const ptrdiff_t columns = (panels.last - panels.first) * BK_PANEL;
  o->out += columns;
  if (o->residual) o->residual += columns;
}

// What a tile fetches of the next panel, which has BK_PANEL_STEP bytes for each step of the tile's loop.
//
// Measured on Zen 4: a single tile reads its panel as fast as memory gives it, and whatever is fetched
// besides is in its way; two tiles have not enough time for more than the second-level cache.
enum { BK_PANEL_STEP = BK_PANEL * BK_GROUP };
_Static_assert(BK_PANEL_STEP == BK_PANEL * sizeof(float), "a step of depth in float, four in int8");

BK_INLINE bk_ahead bk_plan_ahead(const void *next, ptrdiff_t steps, ptrdiff_t tile,
                                 ptrdiff_t tiles) {
  const bk_fetch to = tiles == 1 ? BK_FETCH_NOTHING : tiles == 2 ? BK_FETCH_FAR : BK_FETCH_NEAR;
  const ptrdiff_t part = tiles == 1 ? 0 : (BK_PANEL_STEP + tiles - 1) / tiles;
  return (bk_ahead){to, (const int8_t *)next + tile * steps * part, part};
}

// The same for nothing: something at hand, again and again.
BK_INLINE bk_ahead bk_fetch_nothing(const void *at) {
  return (bk_ahead){BK_FETCH_NOTHING, at, 0};
}

// MARK: int8

// What a panel's sums start from: a row's bytes lie 128 above what they stand for, and -128 * sum(w) takes that
// back. Sums over any part of the depth, from this start, stay within 128 * 128 * BK_MAX_DEPTH = 2^30. Signed rows are
// what they stand for.
BK_INLINE void bk_start_sums(const bk_linear_s8 *l, ptrdiff_t column, int32_t *start) {
  if (BK_SIGNED_ROWS) {
    memset(start, 0, BK_PANEL * sizeof *start);
    return;
  }
  for (int h = 0; h < 2; h++) {
    const ptrdiff_t at = column + 16 * h, n = l->outputs - at;
    f32x16 sum = 0.0f;
    if (n > 0) sum = bk_load_upto(l->column_sum + at, n, 0.0f);
    // What no sum can be must not be converted.
    const float most = 128.0f * BK_MAX_DEPTH;
    sum = bk_min(bk_max(sum, -most), most);
    *(i32x16_u *)(start + 16 * h) = __builtin_convertvector(sum, i32x16) * -128;
  }
}

#if !BK_OWN_LINEAR
#if !BK_KEEPS_PANELS
BK_INLINE size_t bk_panel_scratch(ptrdiff_t groups) { return 0; }
BK_INLINE void bk_tile_of_panel(ptrdiff_t index, ptrdiff_t tiles, void *kept, const bk_prepared *a, ptrdiff_t lda,
                                ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups, const int32_t *start,
                                bk_ahead ahead, int32_t *tile, ptrdiff_t tile_stride) {
  bk_tile_s8(a, lda, rows, panel, groups, start, ahead, tile, tile_stride);
}
#endif

#if !BK_OUTPUTS_TILES
BK_INLINE void bk_tile_to_outputs(ptrdiff_t index, ptrdiff_t tiles, void *kept, const bk_prepared *a, ptrdiff_t lda,
                                  ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups, const int32_t *start,
                                  bk_ahead ahead, bk_tile_outputs *to) {
  _Alignas(64) int32_t tile[BK_ROW_TILE * BK_PANEL];
  bk_tile_of_panel(index, tiles, kept, a, lda, rows, panel, groups, start, ahead, tile, BK_PANEL);
  bk_output_tile(to, tile, rows);
}
#endif

// `activation` and `adds`, whether there is a residual and so no activation, are constants: the loops have no branches.
BK_INLINE void bk_linear_s8_with(const bk_linear_s8 *l, const bk_tile_input *a,
                                 const float *scales, ptrdiff_t rows, bk_panels panels,
                                 const bk_output *o, const int8_t *next, void *kept,
                                 bk_activation activation, int adds) {
  _Alignas(64) int32_t start[BK_PANEL];
  _Alignas(64) float padded[BK_ROW_TILE * BK_PANEL];
  const ptrdiff_t step = bk_tile_rows(rows, BK_ROW_TILE, BK_ROW_UNIT), tiles = (rows + step - 1) / step;
  const ptrdiff_t panel_bytes = l->groups * (BK_PANEL * BK_GROUP);
  _Alignas(64) float waiting[BK_ROW_TILE * BK_PANEL];
  bk_tile_outputs to = {
      .stride = o->stride, .activation = activation, .waiting = {waiting, o->out, 0}};
  for (ptrdiff_t p = panels.first; p < panels.last; p++) {
    const int8_t *panel = l->weights + p * panel_bytes;
    const int8_t *then = p + 1 < panels.last ? panel + panel_bytes : next;
    const ptrdiff_t column = (p - panels.first) * BK_PANEL, left = l->outputs - p * BK_PANEL;
    bk_load_panel_constants(l, p * BK_PANEL, &to);
    bk_start_sums(l, p * BK_PANEL, start);
    for (ptrdiff_t r = 0; r < rows; r += step) {
      const ptrdiff_t n = rows - r < step ? rows - r : step;
      const bk_ahead ahead = bk_plan_ahead(then, l->groups, r / step, tiles);
      to.row_scales = scales + r;
      to.out = o->out + r * o->stride + column;
      if (adds) {
        to.residual = bk_residual_of(o, r, n, column, left, padded);
        __builtin_assume(to.residual.rows != 0);
      }
      bk_tile_to_outputs(r / step, tiles, kept, bk_tile_row(a, r), a->stride, n, panel, l->groups,
                         start, ahead, &to);
    }
  }
  bk_output_all_waiting(&to, 0);
}

// A function for each of the constants: together they would be one too large to compile in good time.
#define BK_LINEAR_S8(NAME, ACTIVATION, ADDS)                                                     \
  static __attribute__((noinline)) void bk_linear_s8_##NAME(                                     \
      const bk_linear_s8 *l, const bk_tile_input *a, const float *scales, ptrdiff_t rows,        \
      bk_panels panels, const bk_output *o, const int8_t *next, void *kept) {                    \
    bk_linear_s8_with(l, a, scales, rows, panels, o, next, kept, ACTIVATION, ADDS);              \
  }
BK_LINEAR_S8(alone, BK_ACT_NONE, 0)
BK_LINEAR_S8(residual, BK_ACT_NONE, 1)
BK_LINEAR_S8(gelu, BK_ACT_GELU, 0)
BK_LINEAR_S8(gelu_tanh, BK_ACT_GELU_TANH, 0)
BK_LINEAR_S8(relu, BK_ACT_RELU, 0)

static void bk_linear_s8_panels(const bk_linear_s8 *l, const bk_tile_input *a, const float *scales, ptrdiff_t rows,
                                bk_panels panels, const bk_output *o, const int8_t *next, void *scratch) {
#define BK_RUN(NAME) bk_linear_s8_##NAME(l, a, scales, rows, panels, o, next, scratch)
  switch (o->activation) {
    case BK_ACT_NONE: o->residual ? BK_RUN(residual) : BK_RUN(alone); break;
    case BK_ACT_GELU: BK_RUN(gelu); break;
    case BK_ACT_GELU_TANH: BK_RUN(gelu_tanh); break;
    case BK_ACT_RELU: BK_RUN(relu); break;
  }
#undef BK_RUN
}

BK_INLINE size_t bk_linear_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) { return bk_rows_scratch(rows, groups); }
BK_INLINE bk_tile_input bk_prepare_linear(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t groups,
                                          void *scratch) {
  return bk_prepare_rows(q, stride, rows, groups, scratch);
}
BK_INLINE size_t bk_panels_scratch(ptrdiff_t groups) { return bk_panel_scratch(groups); }
BK_INLINE void bk_finish_linear(void) {}
#endif

// Scratch: what the rows take, up to a cache line, and then what panels take.
BK_INLINE size_t bk_linear_panels_at(ptrdiff_t rows, ptrdiff_t groups) {
  return (size_t)bk_round_up((ptrdiff_t)bk_linear_rows_scratch(rows, groups), 64);
}
static size_t bk_linear_s8_scratch(ptrdiff_t rows, ptrdiff_t groups) {
  return bk_linear_panels_at(rows, groups) + bk_panels_scratch(groups);
}

static void bk_linear_s8_rows(const bk_linear_s8 *l, const uint8_t *q, ptrdiff_t q_stride,
                              const float *scales, ptrdiff_t rows, const bk_panels *panels,
                              ptrdiff_t ranges, const bk_output *output, const void *next,
                              void *scratch) {
  const bk_tile_input a = bk_prepare_linear(q, q_stride, rows, l->groups, scratch);
  void *rest = (char *)scratch + bk_linear_panels_at(rows, l->groups);
  bk_output o = *output;
  for (ptrdiff_t i = 0; i < ranges; i++) {
    const int8_t *then = next ? next : l->weights;
    if (i + 1 < ranges) then = l->weights + panels[i + 1].first * l->groups * BK_PANEL * BK_GROUP;
    bk_linear_s8_panels(l, &a, scales, rows, panels[i], &o, then, rest);
    bk_advance(&o, panels[i]);
  }
  bk_finish_linear();
}

// MARK: float32

// Rows by 32 outputs, each a chain of fused multiply-adds in order of depth, starting from zero.
// BK_FLOAT_ROWS rows and BK_FLOAT_VECTORS vectors at a time fill the registers, so that a tile passes over
// its panel once or twice. It fetches to the second-level cache whatever `ahead` names: a panel is
// larger than the first.
#define BK_FLOAT_TILE(ROWS)                                                                       \
  static void bk_tile_f32_##ROWS(const float *x, ptrdiff_t stride, const float *panel,            \
                                 ptrdiff_t depth, bk_ahead ahead, float *tile) {                  \
    const int8_t *fetched = ahead.at;                                                             \
    for (int h = 0; h < 2; h += BK_FLOAT_VECTORS) {                                               \
      f32x16 sum[ROWS][BK_FLOAT_VECTORS];                                                         \
      for (int r = 0; r < ROWS; r++)                                                              \
        for (int v = 0; v < BK_FLOAT_VECTORS; v++) sum[r][v] = 0.0f;                              \
      const float *w = panel + 16 * h;                                                            \
      for (ptrdiff_t k = 0; k < depth; k++, w += BK_PANEL) {                                      \
        __builtin_prefetch(fetched, 0, 2), fetched += ahead.step;                                 \
        f32x16 b[BK_FLOAT_VECTORS];                                                               \
        for (int v = 0; v < BK_FLOAT_VECTORS; v++) b[v] = bk_load(w + 16 * v);                    \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                       \
          const f32x16 a = x[r * stride + k];                                                     \
          for (int v = 0; v < BK_FLOAT_VECTORS; v++) sum[r][v] = bk_fma(a, b[v], sum[r][v]);      \
        }                                                                                         \
      }                                                                                           \
      for (int r = 0; r < ROWS; r++)                                                              \
        for (int v = 0; v < BK_FLOAT_VECTORS; v++)                                                \
          bk_store(tile + BK_PANEL * r + 16 * (h + v), sum[r][v]);                                \
    }                                                                                             \
  }

BK_FLOAT_TILE(1)
BK_FLOAT_TILE(2)
BK_FLOAT_TILE(3)
BK_FLOAT_TILE(4)
#if BK_FLOAT_ROWS > 4
BK_FLOAT_TILE(5)
BK_FLOAT_TILE(6)
#endif
#if BK_FLOAT_ROWS > 6
BK_FLOAT_TILE(7)
BK_FLOAT_TILE(8)
BK_FLOAT_TILE(9)
BK_FLOAT_TILE(10)
BK_FLOAT_TILE(11)
BK_FLOAT_TILE(12)
#endif

BK_INLINE void bk_tile_f32(const float *x, ptrdiff_t stride, ptrdiff_t rows, const float *panel,
                           ptrdiff_t depth, bk_ahead ahead, float *tile) {
  BK_SWITCH_ROWS(BK_FLOAT_ROWS, rows, bk_tile_f32, x, stride, panel, depth, ahead, tile)
}

static void bk_linear_f32_panels(const bk_linear_f32 *l, const float *x, ptrdiff_t x_stride,
                                 ptrdiff_t rows, bk_panels panels, const bk_output *o) {
  _Alignas(64) float tile[BK_FLOAT_ROWS * BK_PANEL], padded[BK_FLOAT_ROWS * BK_PANEL];
  const ptrdiff_t step = bk_tile_rows(rows, BK_FLOAT_ROWS, 1), tiles = (rows + step - 1) / step;
  for (ptrdiff_t p = panels.first; p < panels.last; p++) {
    const ptrdiff_t column = p * BK_PANEL, n = l->outputs - column;
    const float *panel = l->weights + p * l->depth * BK_PANEL;
    const float *then = p + 1 < panels.last ? panel + l->depth * BK_PANEL : l->weights;
    const f32x16 bias0 = bk_load_upto(l->bias + column, n, 0.0f);
    const f32x16 bias1 = n > 16 ? bk_load_upto(l->bias + column + 16, n - 16, 0.0f) : (f32x16)0.0f;
    for (ptrdiff_t r = 0; r < rows; r += step) {
      const ptrdiff_t count = rows - r < step ? rows - r : step;
      bk_ahead ahead = bk_plan_ahead(then, l->depth, r / step, tiles);
      ahead.step /= 2 / BK_FLOAT_VECTORS;
      const ptrdiff_t at = (p - panels.first) * BK_PANEL;
      const bk_residual residual = bk_residual_of(o, r, count, at, n, padded);
      bk_tile_f32(x + r * x_stride, x_stride, count, panel, l->depth, ahead, tile);
      for (ptrdiff_t i = 0; i < count; i++) {
        const float *sums = tile + BK_PANEL * i;
        bk_finish_row(o->out + (r + i) * o->stride + at, residual, i, o->activation, 0,
                      bk_load(sums) + bias0, bk_load(sums + 16) + bias1);
      }
    }
  }
}

static void bk_linear_f32_rows(const bk_linear_f32 *l, const float *x, ptrdiff_t x_stride,
                               ptrdiff_t rows, const bk_panels *panels, ptrdiff_t ranges,
                               const bk_output *output) {
  bk_output o = *output;
  for (ptrdiff_t i = 0; i < ranges; i++) {
    bk_linear_f32_panels(l, x, x_stride, rows, panels[i], &o);
    bk_advance(&o, panels[i]);
  }
}

#endif
