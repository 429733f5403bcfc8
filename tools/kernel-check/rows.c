// Cases of the kernels that work on whole rows.
#include "check.h"

// shape: rows, width, kind.
static void run_norm_rows(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                          record *out) {
  const ptrdiff_t rows = shape[0], width = shape[1];
  const ptrdiff_t stride = width + next_between(r, 0, 2), count = (rows - 1) * stride + width;
  float *x = TAKE(float, count), *gain = TAKE(float, width), *bias = TAKE(float, width);
  fill_floats(r, (float_kind)shape[2], x, count);
  fill_floats(r, ORDINARY, gain, width);
  fill_floats(r, ORDINARY, bias, width);
  const float epsilon = next_between(r, 0, 1) ? 1e-12f : 1e-5f;
  float *y = TAKE(float, rows * width);
  k->norm_rows(x, stride, rows, width, gain, bias, epsilon, y, width);
  record_floats(out, y, rows * width);
  k->norm_rows(x, stride, rows, width, gain, bias, epsilon, x, stride);
  record_floats(out, x, count);
}

static void run_embed_row(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                          record *out) {
  const ptrdiff_t width = shape[1];
  float *part[3], *y = TAKE(float, width);
  for (int i = 0; i < 3; i++) {
    part[i] = TAKE(float, width);
    fill_floats(r, (float_kind)shape[2], part[i], width);
  }
  k->embed_row(part[0], part[1], part[2], width, y);
  record_floats(out, y, width);
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

// shape: heads, head size, kind.
static void run_quantize_heads(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                               record *out) {
  const ptrdiff_t slices = 3 * shape[0], size = shape[1], padded = (size + 3) / 4 * 4;
  float *x = TAKE(float, slices * size), *scales = TAKE(float, slices);
  uint8_t *row = TAKE(uint8_t, slices * padded);
  fill_floats(r, (float_kind)shape[2], x, slices * size);
  k->quantize_heads(x, shape[0], size, row, scales);
  record_bytes(out, row, (size_t)(slices * padded));
  record_floats(out, scales, slices);
}

void visit_rows(visitor visit) {
  static const ptrdiff_t widths[] = {127, 128, 129, 383, 384, 385, 768, 1024, 1536, 4096};
  for (ptrdiff_t i = 1; i <= 110; i++) {
    const ptrdiff_t width = i <= 100 ? i : widths[i - 101];
    for (ptrdiff_t kind = 0; kind < KINDS; kind++) {
      const uint64_t seed = (uint64_t)(width * KINDS + kind);
      const ptrdiff_t rows = 1 + (width + kind) % 5;
      visit(&(test_case){"norm_rows", run_norm_rows, {rows, width, kind}, seed});
      visit(&(test_case){"embed_row", run_embed_row, {1, width, kind}, seed});
      visit(&(test_case){"mean_rows, normalize_row, tanh_row", run_pooling, {rows, width, kind}, seed});
      if (width > 128) continue;
      visit(&(test_case){"quantize_heads", run_quantize_heads, {rows, width, kind}, seed});
    }
  }
}
