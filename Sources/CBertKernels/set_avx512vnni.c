// AVX-512 with VNNI: vpdpbusd adds four u8 x s8 products to an int32, exactly.
#define BK_SET bk_set_avx512vnni
#define BK_SET_NAME "avx512vnni"
#define BK_SET_REQUIRES "x86-64 with AVX-512 F, BW, DQ, VL and VNNI"

#if defined(__x86_64__)
#pragma clang attribute push(                                                          \
    __attribute__((target("avx,avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), \
    apply_to = function)

#include <immintrin.h>

#define BK_HAS_FMA 1
#define BK_ROW_TILE 12
#define BK_FLOAT_ROWS 12
#define BK_FLOAT_VECTORS 2
#define BK_MASKS 1
#define BK_NORM_ROWS 8
#define BK_PACKS_BYTES 1
#define BK_ROTATE_POINTS 16
#define BK_SUBTRACTS 1

#include "bk_vector.h"
#include "CBertKernels.h"

BK_INLINE f32x16 bk_load_some(const float *p, ptrdiff_t n, float fill) {
  return (f32x16)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << n) - 1), p);
}
BK_INLINE void bk_store_some(float *p, f32x16 v, ptrdiff_t n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}

// a - b, the same bits as any subtraction, by a multiply-add: these have ports of their own, and where
// sums and differences come in pairs, one of them on each saves time. In assembly, because a compiler
// that knows the factor to be 1 subtracts.
BK_INLINE f32x16 bk_minus(f32x16 a, f32x16 b) {
  __m512 difference = (__m512)a;
  __asm__("vfnmadd231ps %2, %1, %0"
          : "+v"(difference)
          : "v"((__m512)b), "v"(_mm512_set1_ps(1.0f)));
  return (f32x16)difference;
}

// vpmovdb takes two and a half times as long as vpdpbusd; this takes four shuffles for 64 bytes.
BK_INLINE u8x64 bk_pack_bytes(f32x16 a, f32x16 b, f32x16 c, f32x16 d) {
  // Words: the even ones of both vectors, so placed that packing within 128 bits brings the bytes
  // of a whole vector together in order.
  const __m512i even = _mm512_set_epi16(
      62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26, 24, 22, 20, 18,
      16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i ab = _mm512_permutex2var_epi16((__m512i)a, even, (__m512i)b);
  const __m512i cd = _mm512_permutex2var_epi16((__m512i)c, even, (__m512i)d);
  const __m512i order = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
  return (u8x64)_mm512_permutexvar_epi64(order, _mm512_packus_epi16(ab, cd));
}

BK_INLINE f32x16 bk_lookup(const float *table, u32x16 index) {
  return (f32x16)_mm512_permutexvar_ps((__m512i)index, _mm512_loadu_ps(table));
}

typedef struct {
  const uint8_t *base;
  ptrdiff_t stride;
} bk_tile_input;

BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) { return 0; }
BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows,
                                        ptrdiff_t groups, void *scratch) {
  return (bk_tile_input){q, stride};
}
BK_INLINE const uint8_t *bk_tile_row(const bk_tile_input *a, ptrdiff_t row) {
  return a->base + row * a->stride;
}

BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start) {}

BK_INLINE __m512i bk_broadcast(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

// Group AT of depth from here: 24 accumulators, two vectors of weights and one broadcast fill 27 of the 32 registers.
// PIN follows each row's products.
#define BK_GROUP_PRODUCTS(ROWS, AT, PIN)                                                          \
  {                                                                                               \
    const __m512i w0 = _mm512_loadu_si512(panel + 128 * AT);                                      \
    const __m512i w1 = _mm512_loadu_si512(panel + 128 * AT + 64);                                 \
    _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                           \
      const __m512i x = bk_broadcast(a + r * lda + 4 * AT);                                       \
      sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, w0);                                          \
      sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, w1);                                          \
      PIN                                                                                         \
    }                                                                                             \
  }

#include "bk_outputs.h"

// LOOP(ROWS, COUNT, BESIDE), where a group's products have beside them the fetching of what `ahead` says.
#define BK_FETCH(HINT) _mm_prefetch((const char *)ahead.at, HINT), ahead.at += ahead.step;
#define BK_FETCHING(LOOP, ROWS, COUNT)                                                            \
  switch (ahead.to) {                                                                             \
    case BK_FETCH_NOTHING: LOOP(ROWS, COUNT, ) break;                                             \
    case BK_FETCH_NEAR: LOOP(ROWS, COUNT, BK_FETCH(_MM_HINT_T0)) break;                           \
    case BK_FETCH_FAR: LOOP(ROWS, COUNT, BK_FETCH(_MM_HINT_T1)) break;                            \
  }

#define BK_EACH_GROUP(ROWS, COUNT, BESIDE)                                                        \
  for (ptrdiff_t g = 0; g < COUNT; g++, a += 4, panel += 128) {                                   \
    BESIDE BK_GROUP_PRODUCTS(ROWS, 0, )                                                           \
  }

// The same for pairs of groups, each beside a row that waits for its activation: a vector at a time, whose operations
// fit between the products, while all rows of a tile at once would fill the queues before them. BK_STAY keeps products
// in their place: moved past an activation, they would take more registers than there are.
#define BK_STAY __asm__ volatile("" : "+v"(sum[r][0]), "+v"(sum[r][1]));
// Rows, of two groups each, that a fetch from the second-level cache has time for. The last ones fetch what lies behind the
// rows: often those of the next tile.
enum { BK_OUTPUTS_AHEAD = 6 };
#define BK_EACH_WAITING(ROWS, COUNT, BESIDE)                                                      \
  for (ptrdiff_t i = 0; i < COUNT; i++, a += 8, panel += 256) {                                   \
    const float *soon = to->waiting.out + (i + BK_OUTPUTS_AHEAD) * to->stride;                    \
    _mm_prefetch((const char *)soon, _MM_HINT_T0);                                                \
    _mm_prefetch((const char *)(soon + 16), _MM_HINT_T0);                                         \
    BESIDE BK_GROUP_PRODUCTS(ROWS, 0, BK_STAY)                                                    \
    bk_output_waiting(to, i, 0);                                                                  \
    BESIDE BK_GROUP_PRODUCTS(ROWS, 1, BK_STAY)                                                    \
    bk_output_waiting(to, i, 1);                                                                  \
  }
#define BK_OUTPUT_WAITING(ROWS)                                                                   \
  if (bk_waits(to->activation)) {                                                                 \
    const ptrdiff_t waiting = to->waiting.rows, pairs = waiting < most / 2 ? waiting : most / 2;  \
    BK_FETCHING(BK_EACH_WAITING, ROWS, pairs)                                                     \
    bk_output_all_waiting(to, pairs);                                                             \
    most -= 2 * pairs;                                                                            \
  }

// A tile's sums, and what becomes of each row's. BEFORE may begin with some of the `most` groups.
//
// The last two groups go row by row, so that a row is finished between the products of the next: on Zen 4 a store
// there is free, while 24 of them in a row hold up the next tile.
#define BK_SUM_TILE(ROWS, BEFORE, FINISH)                                                         \
  __m512i sum[ROWS][2];                                                                           \
  for (int h = 0; h < 2; h++) {                                                                   \
    const __m512i first =                                                                         \
        start ? _mm512_loadu_si512(start + 16 * h) : _mm512_setzero_si512();                      \
    for (int r = 0; r < ROWS; r++) sum[r][h] = first;                                             \
  }                                                                                               \
  ptrdiff_t most = (groups - 1) / 2 * 2;                                                          \
  const ptrdiff_t left = groups - most;                                                           \
  BEFORE                                                                                          \
  BK_FETCHING(BK_EACH_GROUP, ROWS, most)                                                          \
  __m512i w[4];                                                                                   \
  for (int i = 0; i < 4; i++) {                                                                   \
    w[i] = i < 2 * left ? _mm512_loadu_si512(panel + 64 * i) : _mm512_setzero_si512();            \
  }                                                                                               \
  _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                             \
    const __m512i x = bk_broadcast(a + r * lda), y = bk_broadcast(a + r * lda + 4 * (left - 1));  \
    sum[r][0] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum[r][0], x, w[0]), y, w[2]);            \
    sum[r][1] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum[r][1], x, w[1]), y, w[3]);            \
    /* The compiler must not gather what is interleaved here. */                                  \
    __asm__ volatile("" ::: "memory");                                                            \
    if (r > 0) FINISH(r - 1)                                                                      \
  }                                                                                               \
  FINISH(ROWS - 1)

#define BK_STORE_SUMS(R)                                                                          \
  _mm512_storeu_si512(tile + tile_stride * (R), sum[R][0]),                                       \
      _mm512_storeu_si512(tile + tile_stride * (R) + 16, sum[R][1]);
#define BK_OUTPUT_SUMS(R)                                                                         \
  {                                                                                               \
    if (bk_waits(to->activation)) {                                                               \
      bk_keep_row(to, R, (i32x16)sum[R][0], (i32x16)sum[R][1]);                                   \
    } else {                                                                                      \
      bk_output_row(to, R, (i32x16)sum[R][0], (i32x16)sum[R][1]);                                 \
    }                                                                                             \
  }

#define BK_TILE(ROWS)                                                                             \
  static void bk_tile_s8_##ROWS(const uint8_t *a, ptrdiff_t lda, const int8_t *panel,             \
                                ptrdiff_t groups, const int32_t *start, bk_ahead ahead,           \
                                int32_t *tile, ptrdiff_t tile_stride) {                           \
    BK_SUM_TILE(ROWS, , BK_STORE_SUMS)                                                            \
  }                                                                                               \
  BK_INLINE void bk_tile_to_outputs_##ROWS(                                                       \
      const uint8_t *a, ptrdiff_t lda, const int8_t *panel, ptrdiff_t groups,                     \
      const int32_t *start, bk_ahead ahead, bk_tile_outputs *outputs) {                           \
    /* A copy whose address goes nowhere else can stay in registers. */                           \
    const bk_tile_outputs copy = *outputs, *to = &copy;                                           \
    BK_SUM_TILE(ROWS, BK_OUTPUT_WAITING(ROWS), BK_OUTPUT_SUMS)                                    \
    if (bk_waits(to->activation)) outputs->waiting.out = to->out, outputs->waiting.rows = ROWS;   \
  }
BK_TILE(1) BK_TILE(2) BK_TILE(3) BK_TILE(4) BK_TILE(5) BK_TILE(6)
BK_TILE(7) BK_TILE(8) BK_TILE(9) BK_TILE(10) BK_TILE(11) BK_TILE(12)

#define BK_ROWS(NAME, ...)                                                                        \
  switch (rows) {                                                                                 \
    case 1: NAME##_1(__VA_ARGS__); break;                                                         \
    case 2: NAME##_2(__VA_ARGS__); break;                                                         \
    case 3: NAME##_3(__VA_ARGS__); break;                                                         \
    case 4: NAME##_4(__VA_ARGS__); break;                                                         \
    case 5: NAME##_5(__VA_ARGS__); break;                                                         \
    case 6: NAME##_6(__VA_ARGS__); break;                                                         \
    case 7: NAME##_7(__VA_ARGS__); break;                                                         \
    case 8: NAME##_8(__VA_ARGS__); break;                                                         \
    case 9: NAME##_9(__VA_ARGS__); break;                                                         \
    case 10: NAME##_10(__VA_ARGS__); break;                                                       \
    case 11: NAME##_11(__VA_ARGS__); break;                                                       \
    case 12: NAME##_12(__VA_ARGS__); break;                                                       \
  }

BK_INLINE void bk_tile_s8(const uint8_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                          ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                          int32_t *tile, ptrdiff_t tile_stride) {
  BK_ROWS(bk_tile_s8, a, lda, panel, groups, start, ahead, tile, tile_stride)
}

#define BK_OUTPUTS_TILES 1
BK_INLINE void bk_tile_to_outputs(ptrdiff_t index, ptrdiff_t tiles, void *kept, const uint8_t *a,
                                  ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                                  ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                                  bk_tile_outputs *to) {
  BK_ROWS(bk_tile_to_outputs, a, lda, panel, groups, start, ahead, to)
}

static uint64_t bk_peak_s8(uint64_t rounds) {
  __m512i sum[24], a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(1);
  __asm__ volatile("" : "+v"(a), "+v"(b));
  for (int i = 0; i < 24; i++) sum[i] = _mm512_set1_epi32(i);
  for (uint64_t n = 0; n < rounds; n++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 24; i++) {
      sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
    }
  }
  __m512i all = sum[0];
  for (int i = 1; i < 24; i++) all = _mm512_add_epi32(all, sum[i]);
  __asm__ volatile("" : : "v"(all));
  return rounds * 24 * 64;
}

#include "bk_head.h"

// A few queries' scores over all keys: each lane's largest is found while a tile's sums are in registers.
#define BK_SCORES(ROWS)                                                                           \
  static void bk_scores_##ROWS(const bk_head_scratch *s, const uint8_t *q, ptrdiff_t lda,         \
                               ptrdiff_t groups, i32x16 *high) {                                  \
    const int8_t *panel = s->keys;                                                                \
    for (ptrdiff_t j = 0; j < s->padded; j += 32) {                                               \
      __m512i sum[ROWS][2];                                                                       \
      for (int r = 0; r < ROWS; r++) {                                                            \
        sum[r][0] = _mm512_loadu_si512(s->key_start + j);                                         \
        sum[r][1] = _mm512_loadu_si512(s->key_start + j + 16);                                    \
      }                                                                                           \
      const uint8_t *a = q;                                                                       \
      for (ptrdiff_t g = 0; g < groups; g++, a += 4, panel += 128) BK_GROUP_PRODUCTS(ROWS, 0, )   \
      int32_t *to = s->scores + j;                                                                \
      _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++, to += s->padded) {        \
        _mm512_storeu_si512(to, sum[r][0]), _mm512_storeu_si512(to + 16, sum[r][1]);              \
        const __m512i both = _mm512_max_epi32(sum[r][0], sum[r][1]);                              \
        high[r] = (i32x16)_mm512_max_epi32(both, (__m512i)high[r]);                               \
      }                                                                                           \
    }                                                                                             \
  }
BK_SCORES(1) BK_SCORES(2) BK_SCORES(3) BK_SCORES(4) BK_SCORES(5) BK_SCORES(6)
BK_SCORES(7) BK_SCORES(8) BK_SCORES(9) BK_SCORES(10) BK_SCORES(11) BK_SCORES(12)

#define BK_SCORES_IN_TILES 1
BK_INLINE void bk_score_rows(const bk_head_scratch *s, const bk_tile_input *q, ptrdiff_t rows,
                             ptrdiff_t groups, i32x16 *high) {
  BK_ROWS(bk_scores, s, bk_tile_row(q, 0), q->stride, groups, high)
}

#define BK_OWN_SHARES 1
#include "bk_shares.h"

// Four vectors of 16 become words and bytes by packing within 128 bits, so that both hold four elements
// of each vector in turn. Weights of words lie in the same order; bytes are put right at the end.
BK_INLINE void bk_store_weights(int16_t *to, i32x16 a, i32x16 b) {
  _mm512_storeu_si512(to, _mm512_packs_epi32((__m512i)a, (__m512i)b));
}

// Powers of 32 scores, in words.
BK_INLINE __m512i bk_powers(const int32_t *scores, __m512i top, __m512 unit) {
  __m512i below[2];
  for (int i = 0; i < 2; i++) {
    const __m512i d = _mm512_sub_epi32(top, _mm512_loadu_si512(scores + 16 * i));
    below[i] = _mm512_cvttps_epi32(
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(d), unit, _mm512_set1_ps(0.5f)));
  }
  const __m512i u = _mm512_packs_epi32(below[0], below[1]);
  // An index counts modulo 32, the tables are repeated.
  const __m512i part = _mm512_srli_epi16(u, 7);
  const __m512i power = _mm512_permutexvar_epi16(part, _mm512_loadu_si512(bk_share_power));
  const __m512i fall = _mm512_permutexvar_epi16(part, _mm512_loadu_si512(bk_share_fall));
  const __m512i octave = _mm512_permutexvar_epi16(_mm512_srli_epi16(u, 11),
                                                  _mm512_loadu_si512(bk_share_octave));
  const __m512i w =
      _mm512_sub_epi16(power, _mm512_mulhi_epu16(fall, _mm512_slli_epi16(u, 9)));
  return _mm512_mulhrs_epi16(w, octave);
}

BK_INLINE i32x16 bk_shares(const int32_t *scores, const int16_t *weights, int32_t most, float step,
                           ptrdiff_t j, ptrdiff_t end, uint8_t *shares) {
  const __m512i top = _mm512_set1_epi32(most);
  const __m512 unit = _mm512_set1_ps(step);
  const __m512i to_share = _mm512_set1_epi16(1024);
  const __m512i order =
      _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  __m512i sum = _mm512_setzero_si512(), sum2 = sum;
  for (; j + 64 <= end; j += 64) {
    const __m512i a = bk_powers(scores + j, top, unit), b = bk_powers(scores + j + 32, top, unit);
    sum = _mm512_dpwssd_epi32(sum, a, _mm512_loadu_si512(weights + j));
    sum2 = _mm512_dpwssd_epi32(sum2, b, _mm512_loadu_si512(weights + j + 32));
    const __m512i bytes = _mm512_packus_epi16(_mm512_mulhrs_epi16(a, to_share),
                                              _mm512_mulhrs_epi16(b, to_share));
    _mm512_storeu_si512(shares + j, _mm512_permutexvar_epi32(order, bytes));
  }
  if (j < end) {
    const __m512i a = bk_powers(scores + j, top, unit);
    sum = _mm512_dpwssd_epi32(sum, a, _mm512_loadu_si512(weights + j));
    const __m512i words = _mm512_mulhrs_epi16(a, to_share);
    const __m512i bytes =
        _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words, words));
    _mm256_storeu_si256((__m256i *)(shares + j), _mm512_castsi512_si256(bytes));
  }
  return (i32x16)_mm512_add_epi32(sum, sum2);
}

#include "bk_set.h"

#pragma clang attribute pop
#else
#include "bk_absent.h"
#endif
