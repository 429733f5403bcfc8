// Plain C for the baseline of any architecture: no intrinsics, no instruction to detect.
//
// Rows and weights are widened to 16 bits and multiplied in pairs, in the form that compilers know
// as one instruction where there is one (pmaddwd on x86-64): |2 * 255 * 128| fits int32.
#define BK_SET bk_set_portable
#define BK_SET_NAME "portable"
#define BK_SET_REQUIRES "any CPU"

// Set by the compiler where the baseline has fused multiply-adds: ARMv8-A has, x86-64 has not.
#if defined(__FP_FAST_FMAF)
#define BK_HAS_FMA 1
#else
#define BK_HAS_FMA 0
#endif
#define BK_ROW_TILE 4
#define BK_FLOAT_ROWS 4
#define BK_FLOAT_VECTORS 1
#define BK_PREPARED int16_t

#include "../shared/bk_contract.h"

BK_INLINE f32x16 bk_lookup(const float *table, u32x16 index) {
  f32x16 y;
  for (int i = 0; i < 16; i++) y[i] = table[index[i] & 15];
  return y;
}

BK_INLINE u16x16 bk_lookup_words(const uint16_t *table, u16x16 index) {
  // Through memory, where a compiler would move each of them from a vector and into one.
  uint16_t at[16], found[16];
  memcpy(at, &index, sizeof at);
  for (int i = 0; i < 16; i++) found[i] = table[at[i] & 15];
  u16x16 y;
  memcpy(&y, found, sizeof y);
  return y;
}

typedef int8_t s8x8 __attribute__((ext_vector_type(8)));
typedef int16_t s16x4 __attribute__((ext_vector_type(4)));
typedef int16_t s16x8 __attribute__((ext_vector_type(8)));
typedef int32_t i32x4 __attribute__((ext_vector_type(4)));

// Rows of 16-bit values, `stride` of them apart.
BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) {
  return (size_t)rows * (size_t)groups * BK_GROUP * sizeof(int16_t);
}

BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows,
                                        ptrdiff_t groups, void *scratch) {
  const ptrdiff_t depth = groups * BK_GROUP;
  for (ptrdiff_t r = 0; r < rows; r++) {
    int16_t *to = (int16_t *)scratch + r * depth;
    for (ptrdiff_t k = 0; k < depth; k++) to[k] = q[r * stride + k];
  }
  return (bk_tile_input){scratch, depth};
}

BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start) {}

// One row's group, twice.
BK_INLINE s16x8 bk_broadcast(const int16_t *p) {
  s16x4 four;
  memcpy(&four, p, 8);
  return __builtin_shufflevector(four, four, 0, 1, 2, 3, 0, 1, 2, 3);
}

// Two outputs by four depths of weights.
BK_INLINE s16x8 bk_widen(const int8_t *p) {
  s8x8 eight;
  memcpy(&eight, p, 8);
  return __builtin_convertvector(eight, s16x8);
}

BK_INLINE i32x4 bk_multiply_pairs(s16x8 a, s16x8 b) {
  const i32x8 p = __builtin_convertvector(a, i32x8) * __builtin_convertvector(b, i32x8);
  return __builtin_shufflevector(p, p, 0, 2, 4, 6) + __builtin_shufflevector(p, p, 1, 3, 5, 7);
}

BK_INLINE i32x4 bk_load_four(const int32_t *p) {
  i32x4 four;
  memcpy(&four, p, sizeof four);
  return four;
}

// Rows by 4 outputs: an accumulator holds 2 outputs by 2 partial sums.
#define BK_TILE(ROWS)                                                                             \
  static void bk_tile_s8_##ROWS(const int16_t *a, ptrdiff_t lda, const int8_t *panel,             \
                                ptrdiff_t groups, const int32_t *start,                           \
                                int32_t *tile, ptrdiff_t tile_stride) {                           \
    for (int n = 0; n < BK_PANEL; n += 4) {                                                       \
      i32x4 sum[ROWS][2];                                                                         \
      for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = 0;                                   \
      const int8_t *w = panel + BK_GROUP * n;                                                     \
      for (ptrdiff_t g = 0; g < groups; g++, w += BK_GROUP * BK_PANEL) {                          \
        const s16x8 b = bk_widen(w), c = bk_widen(w + 8);                                         \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                       \
          const s16x8 x = bk_broadcast(a + r * lda + BK_GROUP * g);                               \
          sum[r][0] += bk_multiply_pairs(x, b);                                                   \
          sum[r][1] += bk_multiply_pairs(x, c);                                                   \
        }                                                                                         \
      }                                                                                           \
      for (int r = 0; r < ROWS; r++) {                                                            \
        i32x4 four = __builtin_shufflevector(sum[r][0], sum[r][1], 0, 2, 4, 6) +                  \
                     __builtin_shufflevector(sum[r][0], sum[r][1], 1, 3, 5, 7);                   \
        if (start) four += bk_load_four(start + n);                                               \
        memcpy(tile + tile_stride * r + n, &four, sizeof four);                                   \
      }                                                                                           \
    }                                                                                             \
  }

BK_TILE(1) BK_TILE(2) BK_TILE(3) BK_TILE(4)

BK_INLINE void bk_tile_s8(const int16_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                          ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                          int32_t *tile, ptrdiff_t tile_stride) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_s8, a, lda, panel, groups, start, tile, tile_stride)
}

static uint64_t bk_peak_s8(uint64_t rounds) {
  i32x4 sum[8];
  s16x8 a = 1, b = 1;
  for (int i = 0; i < 8; i++) sum[i] = i;
  BK_OPAQUE(b);
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) {
      BK_OPAQUE(a);
      sum[i] += bk_multiply_pairs(a, b);
    }
  }
  i32x4 all = sum[0];
  for (int i = 1; i < 8; i++) all += sum[i];
  BK_OPAQUE(all);
  return rounds * 8 * 8;
}

#include "../shared/bk_set.h"
