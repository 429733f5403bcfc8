// Cases of the kernels that work on whole rows.
#include "cases.h"

// shape: rows, width, kind.
static void run_norm_rows(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                          record *out) {
  const ptrdiff_t rows = shape[0], width = shape[1];
  const ptrdiff_t stride = width + next_between(r, 0, 2), count = (rows - 1) * stride + width;
  float *x = TAKE(float, count), *weight = TAKE(float, width), *bias = TAKE(float, width);
  fill_floats(r, (float_kind)shape[2], x, count);
  fill_floats(r, ORDINARY, weight, width);
  fill_floats(r, ORDINARY, bias, width);
  const float epsilon = next_between(r, 0, 1) ? 1e-12f : 1e-5f;
  float *y = TAKE(float, rows * width);
  k->norm_rows(x, stride, rows, width, weight, bias, epsilon, y, width);
  record_floats(out, y, rows * width);
  k->norm_rows(x, stride, rows, width, weight, bias, epsilon, x, stride);
  record_floats(out, x, count);
}

// shape: rows, width, kind.
static void run_embed_rows(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                           record *out) {
  const ptrdiff_t rows = shape[0], width = shape[1], stride = width + next_between(r, 0, 2);
  enum { ENTRIES = 5 };
  float *table[3];
  for (int i = 0; i < 3; i++) {
    table[i] = TAKE(float, ENTRIES * width);
    fill_floats(r, (float_kind)shape[2], table[i], ENTRIES * width);
  }
  int32_t *ids = TAKE(int32_t, rows), *positions = TAKE(int32_t, rows);
  uint8_t *types = TAKE(uint8_t, rows);
  for (ptrdiff_t i = 0; i < rows; i++) {
    ids[i] = (int32_t)next_between(r, 0, ENTRIES - 1);
    positions[i] = (int32_t)next_between(r, 0, ENTRIES - 1);
    types[i] = (uint8_t)next_between(r, 0, ENTRIES - 1);
  }
  const ptrdiff_t count = (rows - 1) * stride + width;
  float *y = TAKE(float, count);
  const bk_embedding e = {width, table[0], table[1], table[2]};
  k->embed_rows(&e, ids, positions, types, rows, y, stride);
  record_floats(out, y, count);
}

static void run_pooling(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                        record *out) {
  const ptrdiff_t rows = shape[0], width = shape[1];
  const ptrdiff_t stride = width + next_between(r, 0, 2), count = (rows - 1) * stride + width;
  float *x = TAKE(float, count), *y = TAKE(float, width);
  fill_floats(r, (float_kind)shape[2], x, count);
  k->mean_rows(x, stride, rows, width, y);
  record_floats(out, y, width);
  k->normalize_row(y, width);
  record_floats(out, y, width);
  memcpy(y, x, sizeof(float) * (size_t)width);
  k->tanh_row(y, width);
  record_floats(out, y, width);
}

// shape: rows, width, kind, gate.
static void run_gate_rows(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out) {
  const ptrdiff_t rows = shape[0], width = shape[1];
  const ptrdiff_t stride = 2 * width + next_between(r, 0, 2), count = (rows - 1) * stride + 2 * width;
  float *x = TAKE(float, count);
  fill_floats(r, (float_kind)shape[2], x, count);
  k->gate_rows(x, stride, rows, width, (bk_gate)shape[3]);
  record_floats(out, x, count);
}

// shape: rows, half, kind.
static void run_turn_rows(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out) {
  const ptrdiff_t rows = shape[0], half = shape[1];
  const ptrdiff_t stride = 2 * half + next_between(r, 0, 2), count = (rows - 1) * stride + 2 * half;
  float *x = TAKE(float, count), *cosines = TAKE(float, rows * half), *sines = TAKE(float, rows * half);
  fill_floats(r, (float_kind)shape[2], x, count);
  fill_floats(r, ORDINARY, cosines, rows * half);
  fill_floats(r, ORDINARY, sines, rows * half);
  k->turn_rows(x, stride, rows, half, cosines, sines);
  record_floats(out, x, count);
}

void visit_relatives(visitor visit) {
  static const ptrdiff_t widths[] = {127, 128, 129, 383, 384, 768, 3072};
  for (ptrdiff_t i = 1; i <= 75; i++) {
    const ptrdiff_t width = i <= 68 ? i : widths[i - 69];
    for (ptrdiff_t kind = 0; kind < KINDS; kind++) {
      const uint64_t seed = (uint64_t)(width * KINDS + kind);
      const ptrdiff_t rows = 1 + (width + kind) % 5;
      for (ptrdiff_t gate = BK_GATE_GELU; gate <= BK_GATE_SILU; gate++)
        visit(&(test_case){"gate_rows", run_gate_rows, {rows, width, kind, gate}, seed});
      visit(&(test_case){"turn_rows", run_turn_rows, {rows + 3, width, kind}, seed});
    }
  }
}

void visit_rows(visitor visit) {
  static const ptrdiff_t widths[] = {127, 128, 129, 383, 384, 385, 768, 1024, 1536, 4096};
  for (ptrdiff_t i = 1; i <= 110; i++) {
    const ptrdiff_t width = i <= 100 ? i : widths[i - 101];
    for (ptrdiff_t kind = 0; kind < KINDS; kind++) {
      const uint64_t seed = (uint64_t)(width * KINDS + kind);
      const ptrdiff_t rows = 1 + (width + kind) % 5;
      visit(&(test_case){"norm_rows", run_norm_rows, {rows, width, kind}, seed});
      visit(&(test_case){"embed_rows", run_embed_rows, {rows + 3, width, kind}, seed});
      visit(&(test_case){"mean_rows, normalize_row, tanh_row", run_pooling, {rows, width, kind}, seed});
    }
  }
}
