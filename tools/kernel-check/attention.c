// Cases of attention, int8 and float.
#include "check.h"

// One token's log2(e) / sqrt(head size), without the C library's square root.
static float score_scale(ptrdiff_t head_size) {
  float root = 1.0f;
  while (root * root < (float)head_size) root += 0.125f;
  return 1.4426950f / root;
}

// shape: length, head size, kind, extreme (0: quantised floats, else bytes of one kind).
static void run_attend_s8(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                          record *out) {
  const ptrdiff_t length = shape[0], size = shape[1], padded = (size + 3) / 4 * 4;
  const ptrdiff_t stride = 3 * padded;
  uint8_t *rows = TAKE(uint8_t, length * stride);
  float *scales = TAKE(float, length * 3), *x = TAKE(float, 3 * size);
  for (ptrdiff_t i = 0; i < length; i++) {
    fill_floats(r, (float_kind)shape[2], x, 3 * size);
    if (shape[2] == ORDINARY) {
      for (ptrdiff_t j = 0; j < size; j++) x[j] *= 0.25f;
    }
    k->quantize_heads(x, 1, size, rows + i * stride, scales + i * 3);
    if (shape[3] == 0) continue;
    for (ptrdiff_t j = 0; j < size; j++) {
      rows[i * stride + j] = shape[3] == 1 ? 255 : 1;
      rows[i * stride + padded + j] = shape[3] == 2 ? 127 : (uint8_t)-127;
      rows[i * stride + 2 * padded + j] = shape[3] == 3 ? 127 : (uint8_t)-127;
    }
  }
  const ptrdiff_t out_stride = size + next_between(r, 0, 3);
  const ptrdiff_t count = (length - 1) * out_stride + size;
  float *y = TAKE(float, count);
  const bk_head_s8 h = {
      .length = length,
      .head_size = size,
      .head_stride = padded,
      .query = rows,
      .key = (const int8_t *)rows + padded,
      .value = (const int8_t *)rows + 2 * padded,
      .stride = stride,
      .query_scale = scales,
      .key_scale = scales + 1,
      .value_scale = scales + 2,
      .scale_stride = 3,
      .score_scale = score_scale(size),
      .out = y,
      .out_stride = out_stride,
  };
  k->attend_s8(&h, take_scratch(k->attend_s8_scratch(length, size)));
  record_floats(out, y, count);
}

static void run_attend_f32(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                           record *out) {
  const ptrdiff_t length = shape[0], size = shape[1], stride = 3 * size + next_between(r, 0, 2);
  const ptrdiff_t input = (length - 1) * stride + 3 * size;
  float *x = TAKE(float, input);
  fill_floats(r, (float_kind)shape[2], x, input);
  const ptrdiff_t out_stride = size + next_between(r, 0, 3);
  const ptrdiff_t count = (length - 1) * out_stride + size;
  float *y = TAKE(float, count);
  const bk_head_f32 h = {
      .length = length,
      .head_size = size,
      .query = x,
      .key = x + size,
      .value = x + 2 * size,
      .stride = stride,
      .score_scale = score_scale(size) * 0.6931472f,
      .out = y,
      .out_stride = out_stride,
  };
  k->attend_f32(&h, take_scratch(k->attend_f32_scratch(length, size)));
  record_floats(out, y, count);
}

void visit_attention(visitor visit) {
  static const ptrdiff_t sizes[] = {1, 11, 16, 32, 64, 80, 128, 200, 768};
  static const ptrdiff_t lengths[] = {127, 128, 129, 512};
  for (int s = 0; s < 9; s++) {
    for (ptrdiff_t i = 1; i <= 44; i++) {
      const ptrdiff_t length = i <= 40 ? i : lengths[i - 41], size = sizes[s];
      if (size > 128 && length > 20) continue;
      if (length == 512 && size != 11 && size != 32 && size != 64) continue;
      const uint64_t seed = (uint64_t)(length * 1024 + size);
      const ptrdiff_t kind = length <= 40 && length % 3 == 0 ? length / 3 % KINDS : ORDINARY;
      const ptrdiff_t extreme = length % 4 == 1 ? length / 4 % 4 : 0;
      visit(&(test_case){"attend_s8", run_attend_s8, {length, size, kind, extreme}, seed});
      visit(&(test_case){"attend_f32", run_attend_f32, {length, size, kind}, seed});
    }
  }
}
