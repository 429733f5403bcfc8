// 16-lane vectors, which the compiler splits to fit the instruction set being compiled.
//
// Every float reduction in this library has these 16 lanes and one order, so its result does not
// depend on how wide the machine's registers are.
#ifndef BK_VECTOR_H
#define BK_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma clang fp contract(off)
#pragma clang diagnostic ignored "-Wpsabi"

typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));
typedef int32_t i32x8 __attribute__((ext_vector_type(8)));
typedef uint32_t u32x16 __attribute__((ext_vector_type(16)));
typedef uint16_t u16x16 __attribute__((ext_vector_type(16)));
typedef uint8_t u8x16 __attribute__((ext_vector_type(16)));
typedef float f32x16_u __attribute__((ext_vector_type(16), aligned(4)));
typedef int32_t i32x16_u __attribute__((ext_vector_type(16), aligned(4)));
typedef uint8_t u8x16_u __attribute__((ext_vector_type(16), aligned(1)));

#define BK_INLINE static inline __attribute__((always_inline, unused))

// What a tile brings into the cache while it computes, `step` bytes at each step of its loop. The tiles of a panel each
// bring a part of the next panel, whose first tile would otherwise wait for memory. A set may prefer the other cache, or
// fetch the bytes of several steps at once.
typedef enum { BK_FETCH_NOTHING, BK_FETCH_NEAR, BK_FETCH_FAR } bk_fetch;
typedef struct {
  bk_fetch to;  // the first- or the second-level cache
  const int8_t *at;
  ptrdiff_t step;
} bk_ahead;

// Fetches `steps` steps of it at once, for loops whose steps have no time for one instruction more.
BK_INLINE void bk_fetch_steps(bk_ahead *ahead, ptrdiff_t steps) {
  const int8_t *end = ahead->at + steps * ahead->step;
  switch (ahead->to) {
    case BK_FETCH_NOTHING: break;
    case BK_FETCH_NEAR: for (; ahead->at < end; ahead->at += 64) __builtin_prefetch(ahead->at, 0, 3); break;
    case BK_FETCH_FAR: for (; ahead->at < end; ahead->at += 64) __builtin_prefetch(ahead->at, 0, 2); break;
  }
}

BK_INLINE ptrdiff_t bk_round_up(ptrdiff_t n, ptrdiff_t to) {
  return (n + to - 1) / to * to;
}

// Rows in balanced tiles of at most `most`: 13 rows are 7 + 6, not 12 + 1. Each but the last is a multiple of `unit`.
BK_INLINE ptrdiff_t bk_tile_rows(ptrdiff_t rows, ptrdiff_t most, ptrdiff_t unit) {
  const ptrdiff_t tiles = (rows + most - 1) / most;
  return bk_round_up((rows + tiles - 1) / tiles, unit);
}

BK_INLINE f32x16 bk_load(const float *p) { return *(const f32x16_u *)p; }
BK_INLINE void bk_store(float *p, f32x16 v) { *(f32x16_u *)p = v; }
BK_INLINE i32x16 bk_load_i32(const int32_t *p) { return *(const i32x16_u *)p; }
BK_INLINE void bk_store_u8(uint8_t *p, u8x16 v) { *(u8x16_u *)p = v; }

// The first n (0 < n < 16) elements, the other lanes `fill`; and so for stores.
//
// One by one and volatile, because a compiler would call memcpy, and a loop that calls anything, if only for a vector's
// rest, keeps no constant in registers. A set whose loads and stores take masks defines BK_MASKS and its own.
#if BK_MASKS
BK_INLINE f32x16 bk_load_some(const float *p, ptrdiff_t n, float fill);
BK_INLINE void bk_store_some(float *p, f32x16 v, ptrdiff_t n);
#else
typedef union {
  f32x16 vector;
  float lane[16];
} bk_lanes;
BK_INLINE f32x16 bk_load_some(const float *p, ptrdiff_t n, float fill) {
  bk_lanes v = {.vector = fill};
  for (ptrdiff_t i = 0; i < n; i++) v.lane[i] = ((const volatile float *)p)[i];
  return v.vector;
}
BK_INLINE void bk_store_some(float *p, f32x16 v, ptrdiff_t n) {
  const bk_lanes from = {.vector = v};
  for (ptrdiff_t i = 0; i < n; i++) ((volatile float *)p)[i] = from.lane[i];
}
#endif
BK_INLINE f32x16 bk_load_upto(const float *p, ptrdiff_t n, float fill) {
  return n >= 16 ? bk_load(p) : bk_load_some(p, n, fill);
}
BK_INLINE void bk_store_upto(float *p, f32x16 v, ptrdiff_t n) {
  if (n >= 16) {
    bk_store(p, v);
  } else {
    bk_store_some(p, v, n);
  }
}

// The first n (n > 0) of 32 elements.
BK_INLINE void bk_store_pair(float *p, f32x16 a, f32x16 b, ptrdiff_t n) {
  if (n >= 32) {
    bk_store(p, a), bk_store(p + 16, b);
  } else {
    bk_store_upto(p, a, n);
    if (n > 16) bk_store_upto(p + 16, b, n - 16);
  }
}

// Lanes n and up replaced by `fill`.
BK_INLINE f32x16 bk_only(f32x16 v, ptrdiff_t n, float fill) {
  if (n >= 16) return v;
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return lane < (int32_t)n ? v : (f32x16)fill;
}

// Lanes below `first`, n and up replaced by `fill`.
BK_INLINE f32x16 bk_within(f32x16 v, ptrdiff_t first, ptrdiff_t n, float fill) {
  if (first <= 0) return n <= 0 ? (f32x16)fill : bk_only(v, n, fill);
  if (first >= 16 || n <= first) return fill;
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return lane < (int32_t)first ? (f32x16)fill : bk_only(v, n, fill);
}

BK_INLINE f32x16 bk_min(f32x16 a, f32x16 b) { return a < b ? a : b; }
BK_INLINE f32x16 bk_max(f32x16 a, f32x16 b) { return a > b ? a : b; }
BK_INLINE f32x16 bk_abs(f32x16 a) {
  return (f32x16)((i32x16)a & 0x7fffffff);
}
BK_INLINE i32x16 bk_max_i32(i32x16 a, i32x16 b) { return __builtin_elementwise_max(a, b); }
// The larger of two magnitudes, where infinity is larger than any number, and NaN than infinity.
BK_INLINE f32x16 bk_larger(f32x16 a, f32x16 b) {
  return (f32x16)bk_max_i32((i32x16)a, (i32x16)b);
}
BK_INLINE f32x16 bk_float(i32x16 a) { return __builtin_convertvector(a, f32x16); }

// a * b + c with one rounding.
#if BK_HAS_FMA
BK_INLINE f32x16 bk_fma(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }
#else
typedef double f64x16 __attribute__((ext_vector_type(16)));
typedef int64_t i64x16 __attribute__((ext_vector_type(16)));
// Without the instruction: the product of two floats is exact in double, and so is the error of its
// sum with the third (Knuth's two-sum). The sum is rounded to odd: truncated toward zero, the last
// bit set when inexact. Rounding that to float can not round twice wrongly, because 53 >= 2 * 24 + 2
// (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums").
BK_INLINE f32x16 bk_fma(f32x16 a, f32x16 b, f32x16 c) {
  const f64x16 p = __builtin_convertvector(a, f64x16) * __builtin_convertvector(b, f64x16);
  const f64x16 d = __builtin_convertvector(c, f64x16);
  const f64x16 s = p + d;
  const f64x16 t = s - p;
  const f64x16 error = (p - (s - t)) + (d - t);
  // Sum and error are zero or within 2^-298...2^257, so their product neither underflows nor
  // overflows. It is below zero when the sum was rounded away from zero; NaN compares false.
  const f64x16 side = error * s;
  const i64x16 beyond = side < 0.0, inside = side > 0.0;
  const i64x16 bits = ((i64x16)s + beyond) | ((beyond | inside) & 1);
  return __builtin_convertvector((f64x16)bits, f32x16);
}
#endif

#if !BK_SUBTRACTS
BK_INLINE f32x16 bk_minus(f32x16 a, f32x16 b) { return a - b; }
#endif

// Hides from the compiler where v comes from, so that a loop that measures is not folded.
#if defined(__x86_64__)
#define BK_OPAQUE(v) __asm__ volatile("" : "+x"(v))
#elif defined(__aarch64__)
#define BK_OPAQUE(v) __asm__ volatile("" : "+w"(v))
#else
#define BK_OPAQUE(v) __asm__ volatile("" : "+m"(v))
#endif

typedef uint8_t u8x64 __attribute__((ext_vector_type(64)));
typedef uint8_t u8x64_u __attribute__((ext_vector_type(64), aligned(1)));
typedef uint8_t u8x32_u __attribute__((ext_vector_type(32), aligned(1)));

// Adding this rounds a float of magnitude below 2^21 to the nearest integer, ties to even, and
// leaves that integer in the low bits.
#define BK_MAGIC 12582912.0f

// The low bytes of floats to which BK_MAGIC was added.
//
// A set that knows a faster way for four vectors defines BK_PACKS_BYTES and its own bk_pack_bytes,
// which may count on integers in 0...255.
BK_INLINE u8x16 bk_low_bytes(f32x16 shifted) {
  return __builtin_convertvector((u32x16)shifted & 0xff, u8x16);
}
#if !BK_PACKS_BYTES
BK_INLINE u8x64 bk_pack_bytes(f32x16 a, f32x16 b, f32x16 c, f32x16 d) {
  u8x64 all;
  all.lo.lo = bk_low_bytes(a), all.lo.hi = bk_low_bytes(b);
  all.hi.lo = bk_low_bytes(c), all.hi.hi = bk_low_bytes(d);
  return all;
}
#endif

// The lanes reduced by halves: lane i with i + 8, then + 4, + 2, + 1.
typedef float f32x8 __attribute__((ext_vector_type(8)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef float f32x2 __attribute__((ext_vector_type(2)));

// The correctly rounded square root, without libm's errno.
BK_INLINE float bk_sqrt(float x) { return __builtin_elementwise_sqrt((f32x4)x).x; }

BK_INLINE float bk_sum_lanes(f32x16 v) {
  f32x8 a = v.lo + v.hi;
  f32x4 b = a.lo + a.hi;
  f32x2 c = b.lo + b.hi;
  return c.x + c.y;
}
// The largest of magnitudes, as bk_larger orders them.
BK_INLINE float bk_largest_lane(f32x16 v) {
  const int32_t most = __builtin_reduce_max((i32x16)v);
  float largest;
  memcpy(&largest, &most, sizeof largest);
  return largest;
}
BK_INLINE float bk_max_lanes(f32x16 v) {
  f32x8 a = v.lo > v.hi ? v.lo : v.hi;
  f32x4 b = a.lo > a.hi ? a.lo : a.hi;
  f32x2 c = b.lo > b.hi ? b.lo : b.hi;
  return c.x > c.y ? c.x : c.y;
}

#endif
