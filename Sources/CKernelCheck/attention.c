// Cases of attention, int8 and float.
#include "cases.h"

// 1 / sqrt(head size), near enough, without the C library's square root.
static float score_scale(ptrdiff_t head_size) {
  float root = 1.0f;
  while (root * root < (float)head_size) root += 0.125f;
  return 1.0f / root;
}

// shape: length, head size, kind, extreme (0: floats of the kind, else the largest magnitudes: queries
// and keys of one sign or of both, values of either).
static bk_head make_head(random_source *r, const ptrdiff_t *shape, float **out, ptrdiff_t *count) {
  const ptrdiff_t length = shape[0], size = shape[1], stride = 3 * size + next_between(r, 0, 2);
  const ptrdiff_t input = (length - 1) * stride + 3 * size;
  float *x = TAKE(float, input);
  fill_floats(r, (float_kind)shape[2], x, input);
  for (ptrdiff_t i = 0; i < length && shape[3] != 0; i++) {
    for (ptrdiff_t j = 0; j < size; j++) {
      x[i * stride + j] = shape[3] == 1 ? 1.0f : -1.0f;
      x[i * stride + size + j] = shape[3] == 2 ? 1.0f : -1.0f;
      x[i * stride + 2 * size + j] = shape[3] == 3 ? 1.0f : -1.0f;
    }
  }
  const ptrdiff_t out_stride = size + next_between(r, 0, 3);
  *count = (length - 1) * out_stride + size;
  *out = TAKE(float, *count);
  return (bk_head){
      .length = length,
      .head_size = size,
      .query = x,
      .key = x + size,
      .value = x + 2 * size,
      .stride = stride,
      .score_scale = score_scale(size),
      .out = *out,
      .out_stride = out_stride,
  };
}

static void attend_s8(const bk_kernels *k, const bk_head *h) {
  k->attend_s8(h, take_scratch(k->attend_s8_scratch(h->length + h->unseen, h->head_size)));
}
static void attend_f32(const bk_kernels *k, const bk_head *h) {
  k->attend_f32(h, take_scratch(k->attend_f32_scratch(h->length + h->unseen, h->head_size)));
}

static void run_attend_s8(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                          record *out) {
  float *y;
  ptrdiff_t count;
  const bk_head h = make_head(r, shape, &y, &count);
  attend_s8(k, &h);
  record_floats(out, y, count);
}

static void run_attend_f32(const bk_kernels *k, random_source *r, const ptrdiff_t *shape,
                           record *out) {
  float *y;
  ptrdiff_t count;
  const bk_head h = make_head(r, shape, &y, &count);
  attend_f32(k, &h);
  record_floats(out, y, count);
}

// Records all rows of a head, and then some: from a token drawn on, each at most `farthest` behind the one before, or every
// third where that is 0. `tokens` counts those too that none sees.
static void attend_all_then_some(const bk_kernels *k, random_source *r, bk_head *h, ptrdiff_t tokens, ptrdiff_t farthest,
                                 float *y, ptrdiff_t count, record *out,
                                 void (*attend)(const bk_kernels *, const bk_head *)) {
  attend(k, h);
  record_floats(out, y, count);
  int32_t *wanted = TAKE(int32_t, tokens);
  h->wanted = wanted;
  for (int32_t i = (int32_t)next_between(r, 0, tokens - 1); i < tokens;
       i += farthest ? (int32_t)next_between(r, 1, farthest) : 3) {
    wanted[h->wanted_rows++] = i;
  }
  attend(k, h);
  record_floats(out, y, (h->wanted_rows - 1) * h->out_stride + h->head_size);
}

// A head whose scores have biases: of usual size; of 2^0 to 2^40, so that they are held to their bounds; or all far below 0,
// so that nothing but a bias tells a key from one past the end. All rows, then some.
static void run_biased(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out,
                       void (*attend)(const bk_kernels *, const bk_head *)) {
  float *y;
  ptrdiff_t count;
  bk_head h = make_head(r, shape, &y, &count);
  h.bias_span = next_between(r, 0, 2 * h.length);
  const ptrdiff_t size = 2 * h.bias_span + 1, kind = next_between(r, 0, 3);
  float *bias = TAKE(float, size);
  fill_floats(r, ORDINARY, bias, size);
  for (ptrdiff_t i = 0; i < size; i++) {
    if (kind == 1) bias[i] *= (float)((int64_t)1 << next_between(r, 0, 40));
    if (kind == 2) bias[i] -= 1e6f;
  }
  h.bias = bias;
  attend_all_then_some(k, r, &h, h.length, 0, y, count, out, attend);
}

static void run_biased_s8(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out) {
  run_biased(k, r, shape, out, attend_s8);
}
static void run_biased_f32(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out) {
  run_biased(k, r, shape, out, attend_f32);
}

// A head whose tokens see those of a window, perhaps with biases, perhaps with tokens that none sees. All rows, then some.
static void run_windowed(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out,
                         void (*attend)(const bk_kernels *, const bk_head *)) {
  float *y;
  ptrdiff_t count;
  bk_head h = make_head(r, shape, &y, &count);
  const ptrdiff_t kind = next_between(r, 0, 3), tokens = h.length;
  // Mostly far narrower than the text; now and then as wide, or wider.
  h.window = next_between(r, 1, kind == 0 ? tokens + 1 : kind == 1 ? 1 + tokens / 8 : 1 + tokens / 2);
  if (next_between(r, 0, 3) == 0) {
    const ptrdiff_t unseen = next_between(r, 0, h.window < tokens - 1 ? h.window : tokens - 1);
    h.length -= unseen, h.unseen = unseen;
  }
  if (next_between(r, 0, 2) == 0) {
    h.bias_span = next_between(r, 0, 2 * tokens);
    float *bias = TAKE(float, 2 * h.bias_span + 1);
    fill_floats(r, ORDINARY, bias, 2 * h.bias_span + 1);
    h.bias = bias;
  }
  attend_all_then_some(k, r, &h, tokens, 9, y, count, out, attend);
}

static void run_windowed_s8(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out) {
  run_windowed(k, r, shape, out, attend_s8);
}
static void run_windowed_f32(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out) {
  run_windowed(k, r, shape, out, attend_f32);
}

// A head whose scores have terms by distance: of queries, of keys, or of both; of usual size, or so large that int8 holds
// them to their bounds; perhaps with a window, perhaps with tokens that none sees. All rows, then some.
static void run_relative(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out,
                         void (*attend)(const bk_kernels *, const bk_head *)) {
  float *y;
  ptrdiff_t count;
  bk_head h = make_head(r, shape, &y, &count);
  const ptrdiff_t tokens = h.length, kind = next_between(r, 0, 5), span = next_between(r, 0, tokens + 3);
  if (kind == 1) h.window = next_between(r, 1, 1 + tokens / 2);
  if (next_between(r, 0, 3) == 0) {
    const ptrdiff_t unseen = next_between(r, 0, h.window && h.window < tokens - 1 ? h.window : tokens - 1);
    h.length -= unseen, h.unseen = unseen;
  }
  const ptrdiff_t rows = next_between(r, 1, 2 * span + 1), stride = h.head_size + next_between(r, 0, 2);
  float *tables[2];
  for (int i = 0; i < 2; i++) {
    const ptrdiff_t size = (rows - 1) * stride + h.head_size;
    tables[i] = TAKE(float, size);
    fill_floats(r, ORDINARY, tables[i], size);
    for (ptrdiff_t j = 0; kind == 2 && j < size; j++) tables[i][j] *= (float)((int64_t)1 << next_between(r, 0, 40));
  }
  int32_t *row = TAKE(int32_t, 2 * span + 1);
  for (ptrdiff_t i = 0; i < 2 * span + 1; i++) row[i] = (int32_t)next_between(r, 0, rows - 1);
  const ptrdiff_t which = next_between(r, 0, 3);
  const bk_relative relative = {
      .key = which == 1 ? 0 : tables[0],
      .query = which == 2 ? 0 : tables[1],
      .stride = stride,
      .row = row,
      .span = span,
      .scratch = take_scratch(k->relative_scratch(tokens, h.head_size)),
  };
  h.relative = &relative;
  attend_all_then_some(k, r, &h, tokens, next_between(r, 1, 60), y, count, out, attend);
}

static void run_relative_s8(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out) {
  run_relative(k, r, shape, out, attend_s8);
}
static void run_relative_f32(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out) {
  run_relative(k, r, shape, out, attend_f32);
}

typedef void (*runner)(const bk_kernels *, random_source *, const ptrdiff_t *, record *);

static void visit_heads(visitor visit, const char *s8, runner run_s8, const char *f32, runner run_f32) {
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
      visit(&(test_case){s8, run_s8, {length, size, kind, extreme}, seed});
      visit(&(test_case){f32, run_f32, {length, size, kind}, seed});
    }
  }
}

void visit_attention(visitor visit) {
  visit_heads(visit, "attend_s8", run_attend_s8, "attend_f32", run_attend_f32);
}

void visit_biased_attention(visitor visit) {
  visit_heads(visit, "attend_s8 with biases", run_biased_s8, "attend_f32 with biases", run_biased_f32);
}

void visit_relative_attention(visitor visit) {
  visit_heads(visit, "attend_s8 with relative terms", run_relative_s8, "attend_f32 with relative terms", run_relative_f32);
}

void visit_windowed_attention(visitor visit) {
  visit_heads(visit, "attend_s8 in a window", run_windowed_s8, "attend_f32 in a window", run_windowed_f32);
}
