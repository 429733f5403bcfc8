// How many cycles each kernel takes, alone, on MiniLM's shapes. A cycle is what the register-only loop of
// integer products takes for 64 multiply-adds: with AVX-512 VNNI, one of the CPU's own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CBertKernels.h"

enum { REPEATS = 60 };

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cycles_a_second;

// The fewest cycles of several runs of a statement.
#define CYCLES(STATEMENT)                              \
  ({                                                   \
    double best = 1e9;                                 \
    for (int repeat = 0; repeat < REPEATS; repeat++) { \
      const double start = seconds();                  \
      STATEMENT;                                       \
      const double time = seconds() - start;           \
      best = time < best ? time : best;                \
    }                                                  \
    best *cycles_a_second;                             \
  })

static void *allocate(ptrdiff_t bytes) {
  void *p = aligned_alloc(64, ((size_t)bytes + 127) / 64 * 64);
  if (!p) exit(71);
  return memset(p, 0, (size_t)bytes);
}

static float *floats(ptrdiff_t count) {
  float *x = allocate(4 * count);
  for (ptrdiff_t i = 0; i < count; i++) x[i] = (float)(rand() % 2001 - 1000) * 1e-3f;
  return x;
}

static void time_linear(const bk_kernels *k, const char *name, ptrdiff_t outputs, ptrdiff_t depth,
                        ptrdiff_t rows, bk_activation activation, int has_residual) {
  int8_t *weights = allocate(outputs * depth);
  memset(weights, 3, (size_t)(outputs * depth));
  float *constants = floats(3 * outputs);
  uint8_t *q = allocate(rows * depth);
  float *scales = floats(rows);
  float *out = floats(rows * outputs), *residual = floats(rows * outputs);
  void *scratch = allocate((ptrdiff_t)k->linear_s8_scratch(rows, depth / 4));
  const bk_linear_s8 l = {outputs,   depth / 4,           weights,
                          constants, constants + outputs, constants + 2 * outputs};
  const bk_output o = {out, outputs, has_residual ? residual : 0, outputs, activation};
  const bk_panels all = {0, outputs / 32};
  const double found =
      CYCLES(k->linear_s8(&l, q, depth, scales, rows, &all, 1, &o, 0, scratch)) / (double)rows;
  const double products = (double)(outputs * depth) / 64;
  printf("%-18s %7.0f a row, of which products %7.0f (%.1f %%)\n", name, found, products,
         100 * products / found);
}

static void time_rows(const bk_kernels *k, ptrdiff_t depth, int rotation) {
  enum { ROWS = 48 };
  float *x = floats(ROWS * depth), *multiplier = floats(depth);
  float *scratch = floats(BK_QUANTIZE_ROWS * depth);
  uint8_t *q = allocate(ROWS * depth);
  float *scales = allocate(ROWS * 4);
  const bk_input input = {depth, multiplier, rotation};
  const double found =
      CYCLES(k->quantize_rows(&input, x, depth, ROWS, q, depth, scales, scratch)) / ROWS;
  printf("quantize %4td, rotation %d: %6.0f a row\n", depth, rotation, found);
  if (rotation != 7) return;
  float *gain = floats(depth);
  printf("norm %4td:                %6.0f a row\n", depth,
         CYCLES(k->norm_rows(x, depth, ROWS, depth, gain, gain, 1e-12f, x, depth)) / ROWS);
}

static void time_attention(const bk_kernels *k, ptrdiff_t length, ptrdiff_t head_size) {
  float *x = floats(length * 3 * head_size), *out = floats(length * head_size);
  void *scratch = allocate((ptrdiff_t)k->attend_s8_scratch(length, head_size));
  const bk_head h = {length,        head_size, x,   x + head_size, x + 2 * head_size,
                     3 * head_size, 0.177f,    out, head_size};
  printf("attention, head of %td, %3td tokens: %6.0f a row, of which products %5.0f\n", head_size,
         length, CYCLES(k->attend_s8(&h, scratch)) / (double)length,
         2.0 * (double)(length * head_size) / 64);
}

int main(void) {
  int index = 0;
  while (!bk_kernels_supported(index)) index++;
  const bk_kernels *k = bk_kernels_at(index);
  uint64_t done = 0;
  for (int i = 0; i < 20; i++) {
    const double start = seconds();
    done = k->peak_s8(100000);
    const double rate = (double)done / 64 / (seconds() - start);
    cycles_a_second = rate > cycles_a_second ? rate : cycles_a_second;
  }
  printf("%s, %.2f GHz\n", k->name, cycles_a_second * 1e-9);
  time_linear(k, "qkv", 1152, 384, 128, BK_ACT_NONE, 0);
  time_linear(k, "attention_output", 384, 384, 48, BK_ACT_NONE, 1);
  time_linear(k, "feed_forward_up", 1536, 384, 48, BK_ACT_GELU, 0);
  time_linear(k, "feed_forward_down", 384, 1536, 48, BK_ACT_NONE, 1);
  time_rows(k, 384, 7), time_rows(k, 384, 3), time_rows(k, 1536, 3);
  for (ptrdiff_t length = 32; length <= 512; length *= 4) time_attention(k, length, 32);
  return 0;
}
