// Cases of linear_s8, linear_f32, and the rotating and quantising before one.
#include "cases.h"

static float_kind usual_kind(random_source *r) {
  const ptrdiff_t i = next_between(r, 0, 9);
  return i < KINDS ? (float_kind)i : ORDINARY;
}

// Where a linear writes.
typedef struct {
  bk_output output;
  float *out;
  ptrdiff_t count;
} destination;

static destination make_destination(random_source *r, ptrdiff_t rows, ptrdiff_t columns) {
  destination d = {.count = 0};
  d.output.stride = columns + next_between(r, 0, 3);
  d.count = (rows - 1) * d.output.stride + columns;
  d.output.out = d.out = TAKE(float, d.count);
  const ptrdiff_t kind = next_between(r, -3, 3);
  d.output.activation = kind > 0 ? (bk_activation)kind : BK_ACT_NONE;
  if (d.output.activation == BK_ACT_NONE && next_between(r, 0, 1)) {
    d.output.residual_stride = columns + next_between(r, 0, 3);
    const ptrdiff_t count = (rows - 1) * d.output.residual_stride + columns;
    float *residual = TAKE(float, count);
    fill_floats(r, usual_kind(r), residual, count);
    d.output.residual = residual;
  }
  return d;
}

// Which panels of a linear are computed: all, or some, in up to three ranges that may overlap.
typedef struct {
  bk_panels range[3];
  ptrdiff_t ranges, columns;
} choice;

static choice choose_panels(random_source *r, ptrdiff_t outputs, ptrdiff_t most) {
  const ptrdiff_t panels = (outputs + 31) / 32, width = panels < most ? panels : most;
  choice c = {.range = {{0, panels}}, .ranges = 1, .columns = 32 * panels};
  if (panels <= most && next_between(r, 0, 3) != 0) return c;
  c.ranges = next_between(r, 1, 3), c.columns = 0;
  for (ptrdiff_t i = 0; i < c.ranges; i++) {
    const ptrdiff_t first = next_between(r, 0, panels - width);
    c.range[i] = (bk_panels){first, next_between(r, first + 1, first + width)};
    c.columns += 32 * (c.range[i].last - first);
  }
  return c;
}

// MARK: The cases

// shape: rows, outputs, depth, kind of values (weights + 8 * rows).
static void run_linear_s8(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                          record *out) {
  const ptrdiff_t rows = shape[0], outputs = shape[1], depth = shape[2];
  const ptrdiff_t groups = (depth + 3) / 4, panels = (outputs + 31) / 32;
  bk_linear_s8 l = {.outputs = outputs, .groups = groups};
  int8_t *weights = TAKE(int8_t, outputs * depth);
  int8_t *packed = TAKE(int8_t, panels * groups * 128);
  fill_weights(r, (byte_kind)(shape[3] % 8), weights, outputs * depth);
  bk_pack_s8(weights, outputs, depth, packed);
  float *scale = TAKE(float, outputs), *sum = TAKE(float, outputs), *bias = TAKE(float, outputs);
  fill_floats(r, ORDINARY, scale, outputs);
  fill_floats(r, usual_kind(r), bias, outputs);
  for (ptrdiff_t n = 0; n < outputs; n++) {
    int32_t total = 0;
    for (ptrdiff_t i = 0; i < depth; i++) total += weights[n * depth + i];
    sum[n] = (float)total;
    scale[n] *= 0x1p-9f;
  }
  l.weights = packed, l.scale = scale, l.column_sum = sum, l.bias = bias;

  const ptrdiff_t q_stride = 4 * (groups + next_between(r, 0, 2));
  const ptrdiff_t q_count = (rows - 1) * q_stride + 4 * groups;
  uint8_t *q = TAKE(uint8_t, q_count);
  fill_bytes(r, (byte_kind)(shape[3] / 8), q, q_count);
  float *scales = TAKE(float, rows);
  fill_floats(r, ORDINARY, scales, rows);
  const choice c = choose_panels(r, outputs, 64);
  destination d = make_destination(r, rows, c.columns);
  void *scratch = take_scratch(k->linear_s8_scratch(rows, groups));
  k->linear_s8(&l, q, q_stride, scales, rows, c.range, c.ranges, &d.output,
               next_between(r, 0, 1) ? packed : 0, scratch);
  record_floats(out, d.out, d.count);
}

// shape: rows, outputs, depth, kind of the rows.
static void run_linear_f32(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                           record *out) {
  const ptrdiff_t rows = shape[0], outputs = shape[1], depth = shape[2];
  const ptrdiff_t panels = (outputs + 31) / 32;
  float *weights = TAKE(float, outputs * depth), *packed = TAKE(float, panels * depth * 32);
  float *bias = TAKE(float, outputs);
  fill_floats(r, ORDINARY, weights, outputs * depth);
  bk_pack_f32(weights, outputs, depth, packed);
  fill_floats(r, usual_kind(r), bias, outputs);
  const bk_linear_f32 l = {outputs, depth, packed, bias};
  const ptrdiff_t stride = depth + next_between(r, 0, 3), count = (rows - 1) * stride + depth;
  float *x = TAKE(float, count);
  fill_floats(r, (float_kind)shape[3], x, count);
  const choice c = choose_panels(r, outputs, 4);
  destination d = make_destination(r, rows, c.columns);
  k->linear_f32(&l, x, stride, rows, c.range, c.ranges, &d.output);
  record_floats(out, d.out, d.count);
}

// shape: rows, depth, rotation, kind.
static void run_quantize_rows(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                              record *out) {
  const ptrdiff_t rows = shape[0], depth = shape[1];
  float *multiplier = TAKE(float, depth);
  fill_floats(r, ORDINARY, multiplier, depth);
  const bk_input input = {.depth = depth, .multiplier = multiplier, .rotation = (int)shape[2]};
  const ptrdiff_t stride = depth + next_between(r, 0, 3), count = (rows - 1) * stride + depth;
  float *x = TAKE(float, count), *v = TAKE(float, depth);
  float *scratch = TAKE(float, BK_QUANTIZE_ROWS * depth);
  fill_floats(r, (float_kind)shape[3], x, count);
  const ptrdiff_t width = (depth + 3) / 4 * 4, q_stride = width + 4 * next_between(r, 0, 1);
  const ptrdiff_t q_count = (rows - 1) * q_stride + width;
  uint8_t *q = TAKE(uint8_t, q_count);
  float *scales = TAKE(float, rows);
  k->quantize_rows(&input, x, stride, rows, q, q_stride, scales, scratch);
  record_bytes(out, q, (size_t)q_count);
  record_floats(out, scales, rows);
  k->rotate_row(&input, x, v);
  record_floats(out, v, depth);
}

// MARK: The shapes

static visitor visiting;

// The kinds of weights and of rows of a case, of four each.
static ptrdiff_t kinds(ptrdiff_t both) { return both % 4 + 8 * (both / 4); }

static void linear(ptrdiff_t rows, ptrdiff_t outputs, ptrdiff_t depth) {
  const uint64_t seed = (uint64_t)((rows * 8192 + outputs) * 131072 + depth);
  const ptrdiff_t bytes = (ptrdiff_t)(seed % 5) ? 0 : kinds((ptrdiff_t)(seed / 5 % 16));
  const ptrdiff_t floats = (ptrdiff_t)(seed % 3) ? ORDINARY : (ptrdiff_t)(seed / 3 % KINDS);
  visiting(&(test_case){"linear_s8", run_linear_s8, {rows, outputs, depth, bytes}, seed});
  visiting(&(test_case){"linear_f32", run_linear_f32, {rows, outputs, depth, floats}, seed});
}

void visit_linears(visitor visit) {
  visiting = visit;
  random_source r = {7};
  for (ptrdiff_t n = 1; n <= 40; n++) linear(n, next_between(&r, 1, 100), next_between(&r, 1, 99));
  for (ptrdiff_t n = 1; n <= 100; n++) linear(next_between(&r, 1, 40), n, next_between(&r, 1, 99));
  for (ptrdiff_t n = 1; n <= 300; n++) linear(next_between(&r, 1, 26), next_between(&r, 1, 70), n);
  static const ptrdiff_t edges[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 23, 24, 25, 31, 32, 33};
  const int count = sizeof edges / sizeof *edges;
  for (int i = 0; i < count; i++)
    for (int j = 0; j < count; j++) linear(edges[i], edges[j], next_between(&r, 1, 40));
  static const ptrdiff_t widths[] = {384, 768, 1024, 1152, 1536, 3072, 4096};
  for (int i = 0; i < 7; i++) {
    linear(1, 1152, widths[i]), linear(13, 70, widths[i]), linear(3, widths[i], 384);
  }
  for (ptrdiff_t kind = 0; kind < 16; kind++) {
    visit(&(test_case){"linear_s8", run_linear_s8, {2, 33, BK_MAX_DEPTH, kinds(kind)}, 1});
    visit(&(test_case){"linear_s8", run_linear_s8, {7, 32, 300, kinds(kind)}, 2});
  }
  for (ptrdiff_t kind = 0; kind < KINDS; kind++) {
    for (ptrdiff_t depth = 1; depth <= 70; depth++) {
      visit(&(test_case){"quantize_rows", run_quantize_rows, {7, depth, 0, kind}, 3});
    }
    // Any multiple of 16 can be rotated, by any of the three parts.
    for (ptrdiff_t depth = 16; depth <= 400; depth += 16) {
      const ptrdiff_t rotation = 1 + (depth / 16 + kind) % 7;
      visit(&(test_case){"quantize_rows", run_quantize_rows, {6, depth, rotation, kind}, 4});
    }
    for (ptrdiff_t rotation = 0; rotation < 8; rotation++) {
      for (int i = 0; i < 7; i++) {
        visit(&(test_case){"quantize_rows", run_quantize_rows, {2, widths[i], rotation, kind}, 5});
      }
    }
  }
}

void visit_lowest_weights(visitor visit) {
  for (ptrdiff_t rows = ANY_BYTE; rows <= MOST; rows++) {
    const ptrdiff_t kind = LOWEST + 8 * rows;
    for (ptrdiff_t depth = 1; depth <= 40; depth++) {
      visit(&(test_case){"linear_s8", run_linear_s8, {7, 33, depth, kind}, 6});
    }
    visit(&(test_case){"linear_s8", run_linear_s8, {2, 33, BK_MAX_DEPTH, kind}, 6});
  }
}

void visit_deep_linears(visitor visit) {
  visiting = visit;
  static const ptrdiff_t rows[] = {2, 16, 17, 31, 32, 33, 47, 48, 49, 64, 80, 81, 97};
  static const ptrdiff_t depths[] = {1535, 1536, 1537, 1600, 2304, 3072};
  for (int i = 0; i < 13; i++) {
    for (int j = 0; j < 6; j++) linear(rows[i], 1 + (i * 31 + j * 17) % 100, depths[j]);
    linear(rows[i], 33 + i, 384);
    linear(rows[i], 64, 1 + i * 5);
  }
}

void visit_all_shapes(visitor visit) {
  visiting = visit;
  for (ptrdiff_t rows = 1; rows <= 40; rows++)
    for (ptrdiff_t outputs = 1; outputs <= 100; outputs++)
      for (ptrdiff_t depth = 1; depth <= 300; depth++) linear(rows, outputs, depth);
}
