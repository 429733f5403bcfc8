// The fused multiply-add that the portable set emulates, against the C library's.
#include <math.h>

#define BK_HAS_FMA 0
#include "bk_vector.h"

#include "../../../Sources/CKernelCheck/cases.h"

long check_emulated_fma(void);

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return x != x ? 0x7fc00000u : bits;
}

static long differences, tried;

static void try_sixteen(const float *a, const float *b, const float *c) {
  float y[16];
  bk_store(y, bk_fma(bk_load(a), bk_load(b), bk_load(c)));
  for (int i = 0; i < 16; i++) {
    const float expected = fmaf(a[i], b[i], c[i]);
    tried++;
    if (bits_of(y[i]) == bits_of(expected)) continue;
    if (differences++ < 5) {
      fprintf(stderr, "fma(%a, %a, %a) = %a, expected %a\n", a[i], b[i], c[i], y[i], expected);
    }
  }
}

static float scaled(float x, int exponent) { return ldexpf(x, exponent); }

// c near -a * b, near half an ulp of a * b, and near powers of two: where rounding twice shows.
static void fill_hard(random_source *r, float *a, float *b, float *c) {
  for (int i = 0; i < 16; i++) {
    fill_floats(r, ORDINARY, a + i, 1), fill_floats(r, ORDINARY, b + i, 1);
    const int low_bits = (int)next_between(r, 0, 23);
    uint32_t bits = bits_of(a[i]) >> low_bits << low_bits;
    memcpy(a + i, &bits, 4);
    const int by = (int)next_between(r, -90, 40);
    a[i] = scaled(a[i], by);
    const float product = a[i] * b[i];
    switch (next_random(r) % 8) {
      case 0: c[i] = -product; break;
      case 1: c[i] = -nextafterf(product, 0.0f); break;
      case 2: c[i] = scaled(product, (int)next_between(r, 20, 60)); break;
      case 3: c[i] = scaled(-product, (int)next_between(r, 20, 60)); break;
      case 4: c[i] = scaled(next_random(r) & 1 ? 1.0f : -1.0f, by + (int)next_between(r, -60, 60)); break;
      case 5: c[i] = scaled(-product, -(int)next_between(r, 20, 60)); break;
      case 6: c[i] = scaled(next_random(r) & 1 ? 1.0f : -1.0f, (int)next_between(r, -149, 127)); break;
      default: fill_floats(r, DENORMAL, c + i, 1);
    }
    // a * b with at most 24 bits and a power of two half an ulp away: exact ties.
    if (next_random(r) % 4 == 0) b[i] = scaled(1.0f, (int)next_between(r, -60, 60));
  }
}

long check_emulated_fma(void) {
  static const float special[] = {
      0.0f,     -0.0f,     1.0f,           -1.0f,           0x1p-149f, -0x1p-149f, 0x1p-126f,
      -0x1p-126f, 0x1.fffffcp-127f, 0x1.fffffep+127f, -0x1.fffffep+127f, 0x1.000002p0f, 0x1.fffffep-1f,
      -0x1.fffffep-1f, 0x1p64f, -0x1p63f, 0x1p-75f, -0x1p-74f, 0x1p103f, 0x1p-24f, -0x1p-25f, 0x1.8p0f,
      INFINITY, -INFINITY, NAN};
  enum { COUNT = sizeof special / sizeof *special };
  float a[16], b[16], c[16];
  for (int i = 0; i < COUNT; i++)
    for (int j = 0; j < COUNT; j++)
      for (int k = 0; k < COUNT; k += 16) {
        for (int n = 0; n < 16; n++) a[n] = special[i], b[n] = special[j], c[n] = special[(k + n) % COUNT];
        try_sixteen(a, b, c);
      }
  random_source r = {11};
  for (int round = 0; round < 60000; round++) {
    if (round % 2) {
      fill_hard(&r, a, b, c);
    } else {
      const float_kind kind = round % 4 ? ANY_FINITE : SPREAD;
      fill_floats(&r, kind, a, 16), fill_floats(&r, kind, b, 16), fill_floats(&r, kind, c, 16);
      if (round % 8 == 2) fill_floats(&r, DENORMAL, c, 16);
    }
    try_sixteen(a, b, c);
  }
  printf("emulated fused multiply-add: %ld of %ld results differ\n", differences, tried);
  return differences;
}
