// Cases of linear_s8, linear_f32 and the quantising that follows one.
#include "check.h"

// MARK: What follows a linear

// A linear's destination and the next linear's input.
typedef struct {
  bk_output output;
  bk_input next;
  float *out, *range;
  ptrdiff_t out_count, rows;
} destination;

static float_kind usual_kind(random_source *r) {
  const ptrdiff_t i = next_between(r, 0, 9);
  return i < KINDS ? (float_kind)i : ORDINARY;
}

static bk_input make_input(random_source *r, ptrdiff_t depth, ptrdiff_t extra) {
  bk_input input = {.depth = depth, .extra = extra};
  float *multiplier = TAKE(float, depth), *shift = TAKE(float, depth);
  float *dither = TAKE(float, depth + extra);
  int32_t *source = TAKE(int32_t, extra);
  fill_floats(r, ORDINARY, multiplier, depth);
  fill_floats(r, next_between(r, 0, 1) ? ZEROS : ORDINARY, shift, depth);
  fill_floats(r, ORDINARY, dither, depth + extra);
  for (ptrdiff_t i = 0; i < depth + extra; i++) dither[i] *= 0.1f;
  for (ptrdiff_t i = 0; i < extra; i++) source[i] = (int32_t)next_between(r, 0, depth - 1);
  input.multiplier = multiplier, input.shift = shift, input.dither = dither;
  input.source = source;
  return input;
}

static destination make_destination(random_source *r, const bk_kernels *k, ptrdiff_t rows,
                                    ptrdiff_t outputs) {
  destination d = {.rows = rows};
  const ptrdiff_t padded = (outputs + 31) / 32 * 32;
  d.output.stride = padded + next_between(r, 0, 3);
  d.out_count = (rows - 1) * d.output.stride + padded;
  d.output.out = d.out = TAKE(float, d.out_count);
  d.output.activation = (bk_activation)next_between(r, 0, 3);
  const ptrdiff_t follows = next_between(r, 0, 2);
  if (follows == 1) {
    d.output.residual_stride = outputs + next_between(r, 0, 3);
    const ptrdiff_t count = (rows - 1) * d.output.residual_stride + outputs;
    float *residual = TAKE(float, count);
    fill_floats(r, usual_kind(r), residual, count);
    d.output.residual = residual;
  } else if (follows == 2) {
    d.next = make_input(r, outputs, next_between(r, 0, 1) ? next_between(r, 0, 40) : 0);
    d.output.range = d.range = TAKE(float, rows * 32);
    k->reset_ranges(d.range, rows);
  }
  return d;
}

// Records the output; quantises and records what the next linear would read.
static void finish(destination *d, const bk_kernels *k, ptrdiff_t outputs, int all, record *out) {
  record_floats(out, d->out, d->out_count);
  if (!d->range) return;
  record_floats(out, d->range, d->rows * 32);
  if (!all) return;
  const ptrdiff_t stride = (outputs + d->next.extra + 3) / 4 * 4;
  uint8_t *q = TAKE(uint8_t, d->rows * stride);
  bk_row_scale *scales = TAKE(bk_row_scale, d->rows);
  k->quantize_ranged(&d->next, d->out, d->output.stride, d->range, d->rows, q, stride, scales);
  record_bytes(out, q, (size_t)(d->rows * stride));
  record_floats(out, &scales->scale, 2 * d->rows);
}

static void choose_panels(random_source *r, ptrdiff_t outputs, ptrdiff_t most, ptrdiff_t *first,
                          ptrdiff_t *last) {
  const ptrdiff_t panels = (outputs + 31) / 32;
  *first = 0, *last = panels;
  if (panels > most || next_between(r, 0, 9) == 0) {
    const ptrdiff_t width = panels < most ? panels : most;
    *first = next_between(r, 0, panels - width);
    *last = next_between(r, *first + 1, *first + width);
  }
}

// MARK: The cases

// shape: rows, outputs, depth, kind of values (weights + 4 * rows).
static void run_linear_s8(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                          record *out) {
  const ptrdiff_t rows = shape[0], outputs = shape[1], depth = shape[2];
  const ptrdiff_t groups = (depth + 3) / 4, panels = (outputs + 31) / 32;
  bk_linear_s8 l = {.outputs = outputs, .groups = groups};
  int8_t *weights = TAKE(int8_t, outputs * depth);
  int8_t *packed = TAKE(int8_t, panels * groups * 128);
  fill_weights(r, (byte_kind)(shape[3] % 4), weights, outputs * depth);
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
  fill_bytes(r, (byte_kind)(shape[3] / 4), q, q_count);
  bk_row_scale *scales = TAKE(bk_row_scale, rows);
  fill_floats(r, ORDINARY, &scales->scale, 2 * rows);
  destination d = make_destination(r, k, rows, outputs);
  ptrdiff_t first, last;
  choose_panels(r, outputs, 64, &first, &last);
  void *scratch = take_scratch(k->linear_s8_scratch(rows, groups));
  k->linear_s8(&l, q, q_stride, scales, rows, first, last, &d.output, scratch);
  finish(&d, k, outputs, first == 0 && last == panels, out);
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
  destination d = make_destination(r, k, rows, outputs);
  ptrdiff_t first, last;
  choose_panels(r, outputs, 4, &first, &last);
  k->linear_f32(&l, x, stride, rows, first, last, &d.output);
  finish(&d, k, outputs, first == 0 && last == panels, out);
}

// shape: rows, depth, extra, kind.
static void run_quantize_rows(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                              record *out) {
  const ptrdiff_t rows = shape[0], depth = shape[1], extra = shape[2];
  const bk_input input = make_input(r, depth, extra);
  const ptrdiff_t stride = depth + next_between(r, 0, 3), count = (rows - 1) * stride + depth;
  float *x = TAKE(float, count), *scratch = TAKE(float, depth);
  fill_floats(r, (float_kind)shape[3], x, count);
  const ptrdiff_t width = (depth + extra + 3) / 4 * 4, q_stride = width + 4 * next_between(r, 0, 1);
  const ptrdiff_t q_count = (rows - 1) * q_stride + width;
  uint8_t *q = TAKE(uint8_t, q_count);
  bk_row_scale *scales = TAKE(bk_row_scale, rows);
  k->quantize_rows(&input, x, stride, rows, q, q_stride, scales, scratch);
  record_bytes(out, q, (size_t)q_count);
  record_floats(out, &scales->scale, 2 * rows);
}

// MARK: The shapes

static visitor visiting;

static void linear(ptrdiff_t rows, ptrdiff_t outputs, ptrdiff_t depth) {
  const uint64_t seed = (uint64_t)((rows * 8192 + outputs) * 131072 + depth);
  const ptrdiff_t bytes = (ptrdiff_t)(seed % 5) ? 0 : (ptrdiff_t)(seed / 5 % 16);
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
    visit(&(test_case){"linear_s8", run_linear_s8, {2, 33, BK_MAX_DEPTH, kind}, 1});
    visit(&(test_case){"linear_s8", run_linear_s8, {7, 32, 300, kind}, 2});
  }
  for (ptrdiff_t kind = 0; kind < KINDS; kind++) {
    for (ptrdiff_t depth = 1; depth <= 40; depth++) {
      for (ptrdiff_t extra = 0; extra <= 17; extra += depth % 5 + 1) {
        visit(&(test_case){"quantize_rows", run_quantize_rows, {3, depth, extra, kind}, 3});
      }
    }
    visit(&(test_case){"quantize_rows", run_quantize_rows, {2, 384, 32, kind}, 4});
    visit(&(test_case){"quantize_rows", run_quantize_rows, {2, 4096, 7, kind}, 5});
  }
}

void visit_all_shapes(visitor visit) {
  visiting = visit;
  for (ptrdiff_t rows = 1; rows <= 40; rows++)
    for (ptrdiff_t outputs = 1; outputs <= 100; outputs++)
      for (ptrdiff_t depth = 1; depth <= 300; depth++) linear(rows, outputs, depth);
}
