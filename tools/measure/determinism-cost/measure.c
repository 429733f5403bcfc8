// measure SET ROUNDS EXACT.so FREE.so
//
// Times each kernel of a set as two libraries have it, in turn, at the sizes of all-MiniLM-L6-v2 with
// 128 tokens on one thread. Prints a line a case: name, microseconds of the first, and how much longer
// it takes than the second (the median over the rounds of the ratio within a round), and how far their
// results are apart, relative to their size.
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CBertKernels.h"

enum { TOKENS = 128, HIDDEN = 384, WIDE = 1536, HEADS = 12, HEAD = 32, MOST_ROUNDS = 1001 };

static void *allocate(size_t size) {
  void *p = 0;
  if (posix_memalign(&p, 64, size + 64)) exit(2);
  return memset(p, 0, size + 64);
}

static float *floats(size_t count, float width) {
  static uint64_t state = 1;
  float *x = allocate(4 * count);
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x[i] = ((float)(state >> 40) * 0x1p-23f - 1.0f) * width;
  }
  return x;
}

// MARK: A layer

typedef struct {
  bk_linear_s8 s8;
  bk_linear_f32 f32;
  bk_input input;
} linear;

static linear make_linear(ptrdiff_t outputs, ptrdiff_t inputs) {
  const size_t n = (size_t)(outputs * inputs);
  float *weights = floats(n, 0.1f), *panels = allocate(4 * n);
  int8_t *bytes = allocate(n), *packed = allocate(n);
  float *sums = floats((size_t)outputs, 0), *bias = floats((size_t)outputs, 0.5f);
  for (size_t i = 0; i < n; i++) {
    bytes[i] = (int8_t)(weights[i] * 1270.0f);
    sums[i / (size_t)inputs] += bytes[i];
  }
  bk_pack_f32(weights, outputs, inputs, panels);
  bk_pack_s8(bytes, outputs, inputs, packed);
  float *scale = allocate(4 * (size_t)outputs), *multiplier = allocate(4 * (size_t)inputs);
  for (ptrdiff_t i = 0; i < outputs; i++) scale[i] = 1.0f / 1270.0f;
  for (ptrdiff_t i = 0; i < inputs; i++) multiplier[i] = 1.0f / 64.0f;
  free(weights), free(bytes);
  return (linear){
      {outputs, inputs / 4, packed, scale, sums, bias},
      {outputs, inputs, panels, bias},
      {inputs, multiplier, BK_ROTATE_VECTORS | BK_ROTATE_THIRDS | BK_ROTATE_LANES},
  };
}

static linear qkv, projection, up, down;
static float *x, *heads, *context, *wide, *y, *gain, *bias, *mixed;
static uint8_t *q;
static float *scales;
static void *scratch;

static void make_layer(void) {
  qkv = make_linear(3 * HIDDEN, HIDDEN), projection = make_linear(HIDDEN, HIDDEN);
  up = make_linear(WIDE, HIDDEN), down = make_linear(HIDDEN, WIDE);
  x = floats(TOKENS * HIDDEN, 2), heads = floats(TOKENS * 3 * HIDDEN, 2);
  context = floats(TOKENS * HIDDEN, 2), wide = floats(TOKENS * WIDE, 2);
  y = floats(TOKENS * HIDDEN, 2), gain = floats(HIDDEN, 1), bias = floats(HIDDEN, 1);
  mixed = allocate(4 * BK_QUANTIZE_ROWS * WIDE), q = allocate(TOKENS * WIDE);
  scales = allocate(sizeof *scales * TOKENS), scratch = allocate((size_t)8 << 20);
}

static void quantize(const bk_kernels *k, const linear *l, const float *from) {
  const ptrdiff_t depth = l->input.depth;
  k->quantize_rows(&l->input, from, depth, TOKENS, q, depth, scales, mixed);
}

static void multiply(const bk_kernels *k, const linear *l, float *to, bk_activation activation,
                     const float *residual) {
  const bk_output o = {to, l->s8.outputs, residual, l->s8.outputs, activation};
  k->linear_s8(&l->s8, q, l->input.depth, scales, TOKENS,
               &(bk_panels){0, l->s8.outputs / 32}, 1, &o, 0, scratch);
}

static void multiply_f32(const bk_kernels *k, const linear *l, const float *from, float *to,
                         bk_activation activation, const float *residual) {
  const bk_output o = {to, l->f32.outputs, residual, l->f32.outputs, activation};
  k->linear_f32(&l->f32, from, l->f32.depth, TOKENS,
                &(bk_panels){0, l->f32.outputs / 32}, 1, &o);
}

static void attend(void (*call)(const bk_head *, void *)) {
  for (ptrdiff_t h = 0; h < HEADS; h++) {
    const float *query = heads + h * HEAD;
    const bk_head head = {TOKENS, HEAD, query, query + HIDDEN, query + 2 * HIDDEN, 3 * HIDDEN,
                          0.17677669f, context + h * HEAD, HIDDEN};
    call(&head, scratch);
  }
}

static void norm(const bk_kernels *k) {
  k->norm_rows(x, HIDDEN, TOKENS, HIDDEN, gain, bias, 1e-12f, y, HIDDEN);
}

// MARK: The cases

static void quantize_narrow(const bk_kernels *k) { quantize(k, &up, x); }
static void quantize_wide(const bk_kernels *k) { quantize(k, &down, wide); }
static void linear_gelu(const bk_kernels *k) { multiply(k, &up, wide, BK_ACT_GELU, 0); }
static void linear_residual(const bk_kernels *k) { multiply(k, &down, y, BK_ACT_NONE, x); }
static void attention(const bk_kernels *k) { attend(k->attend_s8); }
static void layer(const bk_kernels *k) {
  quantize(k, &qkv, x), multiply(k, &qkv, heads, BK_ACT_NONE, 0);
  attend(k->attend_s8);
  quantize(k, &projection, context), multiply(k, &projection, y, BK_ACT_NONE, x), norm(k);
  quantize(k, &up, x), multiply(k, &up, wide, BK_ACT_GELU, 0);
  quantize(k, &down, wide), multiply(k, &down, y, BK_ACT_NONE, x), norm(k);
}
static void linear_gelu_f32(const bk_kernels *k) { multiply_f32(k, &up, x, wide, BK_ACT_GELU, 0); }
static void attention_f32(const bk_kernels *k) { attend(k->attend_f32); }
static void layer_f32(const bk_kernels *k) {
  multiply_f32(k, &qkv, x, heads, BK_ACT_NONE, 0);
  attend(k->attend_f32);
  multiply_f32(k, &projection, context, y, BK_ACT_NONE, x), norm(k);
  multiply_f32(k, &up, x, wide, BK_ACT_GELU, 0);
  multiply_f32(k, &down, wide, y, BK_ACT_NONE, x), norm(k);
}

static const struct {
  const char *name;
  void (*run)(const bk_kernels *k);
  float **result;  // null where it is bytes
  ptrdiff_t width;
} cases[] = {
    {"quantise 384", quantize_narrow, 0, 0},
    {"quantise 1536", quantize_wide, 0, 0},
    {"linear 384 to 1536, GELU", linear_gelu, &wide, WIDE},
    {"linear 1536 to 384", linear_residual, &y, HIDDEN},
    {"attention", attention, &context, HIDDEN},
    {"norm", norm, &y, HIDDEN},
    {"**a layer in int8**", layer, &y, HIDDEN},
    {"linear 384 to 1536, GELU, float", linear_gelu_f32, &wide, WIDE},
    {"attention, float", attention_f32, &context, HIDDEN},
    {"**a layer in float**", layer_f32, &y, HIDDEN},
};

// How far apart the two sets' results are: the length of the difference over that of the first.
static double difference(size_t c, const bk_kernels *const *sets) {
  if (!cases[c].result) return 0;
  const size_t count = (size_t)(TOKENS * cases[c].width);
  float *first = allocate(4 * count);
  double squares = 0, apart = 0;
  cases[c].run(sets[0]);
  memcpy(first, *cases[c].result, 4 * count);
  cases[c].run(sets[1]);
  for (size_t i = 0; i < count; i++) {
    const double d = (double)first[i] - (*cases[c].result)[i];
    squares += (double)first[i] * first[i], apart += d * d;
  }
  free(first);
  return sqrt(apart / squares);
}

// MARK: Time

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

// Microseconds of one run: the least of several, so that a pause does not count.
static double time_of(void (*run)(const bk_kernels *), const bk_kernels *k, int times) {
  double least = INFINITY;
  for (int i = 0; i < times; i++) {
    const double begin = now();
    run(k);
    const double took = now() - begin;
    if (took < least) least = took;
  }
  return least;
}

static const bk_kernels *open_set(const char *path, const char *name) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) fprintf(stderr, "measure: %s\n", dlerror()), exit(2);
  const bk_kernels *(*at)(int) = (const bk_kernels *(*)(int))dlsym(library, "bk_kernels_at");
  int (*supported)(int) = (int (*)(int))dlsym(library, "bk_kernels_supported");
  for (int i = 0; at(i); i++) {
    if (strcmp(at(i)->name, name) == 0 && supported(i)) return at(i);
  }
  fprintf(stderr, "measure: this CPU has no set %s\n", name);
  exit(69);
}

static int ascending(const void *a, const void *b) {
  const double u = *(const double *)a, v = *(const double *)b;
  return (u > v) - (u < v);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, ascending);
  return values[count / 2];
}

int main(int argc, char **argv) {
  const int rounds = argc == 5 ? atoi(argv[2]) : 0;
  if (rounds < 1 || rounds > MOST_ROUNDS) {
    fprintf(stderr, "usage: measure SET ROUNDS EXACT.so FREE.so\n");
    return 64;
  }
  const bk_kernels *sets[2] = {open_set(argv[3], argv[1]), open_set(argv[4], argv[1])};
  make_layer();
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const double first = time_of(cases[c].run, sets[0], 3);
    time_of(cases[c].run, sets[1], 3);
    const int times = first > 5000 ? 2 : (int)(10000 / first) + 1;
    static double exact[MOST_ROUNDS], ratio[MOST_ROUNDS];
    for (int i = 0; i < rounds; i++) {
      double took[2];
      // In turn, and each first as often as the other.
      for (int j = 0; j < 2; j++) took[i % 2 ^ j] = time_of(cases[c].run, sets[i % 2 ^ j], times);
      exact[i] = took[0], ratio[i] = took[0] / took[1];
    }
    quantize(sets[0], &up, x);  // for the linear that follows
    printf("%s\t%.1f\t%.4f\t%.6f\n", cases[c].name, median(exact, rounds), median(ratio, rounds),
           difference(c, sets));
    fflush(stdout);
  }
  return 0;
}
