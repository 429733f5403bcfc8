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
#define BK_OUTPUTS_TILES 1
#define BK_SCORES_IN_TILES 1
#define BK_OWN_SOFTMAX 1

#include "../shared/bk_contract.h"

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

BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups) { return 0; }
BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows,
                                        ptrdiff_t groups, void *scratch) {
  return (bk_tile_input){q, stride};
}

BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start) {}

BK_INLINE __m512i bk_broadcast(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

#include "../shared/bk_outputs.h"

// A tile's sums are an array [rows][2] of vectors: a row's first 16 outputs, and the others. All functions of this part
// are compiled into their caller, where `rows` and what else steers them are constants; so the array lies in registers,
// and a condition on such a constant costs nothing.
//
// 12 rows have 24 sums; with two vectors of weights and a broadcast they fill 27 of the 32 registers.
typedef __m512i bk_row_sums[2];

// Where a tile is in its depth.
typedef struct {
  const uint8_t *a;  // the first row; others follow `lda` bytes apart
  ptrdiff_t lda;
  const int8_t *panel;
  bk_ahead ahead;
} bk_position;

// Keeps what is computed before apart from what comes after: a compiler that moved a row's products past an
// activation would need more registers than there are.
BK_INLINE void bk_stay(bk_row_sums sum) { __asm__ volatile("" : "+v"(sum[0]), "+v"(sum[1])); }

// Adds one group of depth to all rows, and goes on to the next.
BK_INLINE void bk_add_group(bk_row_sums *sum, int rows, bk_position *at, int stays) {
  const __m512i w0 = _mm512_loadu_si512(at->panel), w1 = _mm512_loadu_si512(at->panel + 64);
  _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
    const __m512i x = bk_broadcast(at->a + r * at->lda);
    sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, w0);
    sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, w1);
    if (stays) bk_stay(sum[r]);
  }
  at->a += BK_GROUP, at->panel += BK_PANEL * BK_GROUP;
}

// Fetches a step of what `ahead` says; `to`, a constant, is ahead->to.
BK_INLINE void bk_fetch_step(bk_ahead *ahead, bk_fetch to) {
  if (to == BK_FETCH_NOTHING) return;
  if (to == BK_FETCH_NEAR) _mm_prefetch((const char *)ahead->at, _MM_HINT_T0);
  if (to == BK_FETCH_FAR) _mm_prefetch((const char *)ahead->at, _MM_HINT_T1);
  ahead->at += ahead->step;
}

BK_INLINE void bk_add_groups(bk_row_sums *sum, int rows, bk_position *at, ptrdiff_t groups, bk_fetch to) {
  for (ptrdiff_t g = 0; g < groups; g++) {
    bk_fetch_step(&at->ahead, to);
    bk_add_group(sum, rows, at, 0);
  }
}

// Rows ahead, of two groups each, that a fetch from the second-level cache has time for. The last ones fetch what lies
// behind the rows: often those of the next tile.
enum { BK_OUTPUTS_AHEAD = 6 };

// Adds pairs of groups, and beside each computes the activation of a row of an earlier tile: a vector at a time, whose
// operations fit between the products, while those of a whole tile at once would fill the queues before them.
BK_INLINE void bk_add_beside_waiting(bk_row_sums *sum, int rows, bk_position *at, ptrdiff_t pairs,
                                     const bk_tile_outputs *o, bk_fetch to) {
  for (ptrdiff_t i = 0; i < pairs; i++) {
    const float *soon = o->waiting.out + (i + BK_OUTPUTS_AHEAD) * o->stride;
    _mm_prefetch((const char *)soon, _MM_HINT_T0);
    _mm_prefetch((const char *)(soon + 16), _MM_HINT_T0);
    _Pragma("clang loop unroll(full)") for (int h = 0; h < 2; h++) {
      bk_fetch_step(&at->ahead, to);
      bk_add_group(sum, rows, at, 1);
      bk_output_waiting(o, i, h);
    }
  }
}

// A row's sums to where they go: to `tile` as they are, or to outputs where there are such, at once or after their
// activation.
typedef struct {
  int32_t *tile;
  ptrdiff_t tile_stride;
  const bk_tile_outputs *outputs;
} bk_sums_to;

BK_INLINE void bk_finish_sums(const bk_sums_to *to, int row, const bk_row_sums sum) {
  if (!to->outputs) {
    _mm512_storeu_si512(to->tile + to->tile_stride * row, sum[0]);
    _mm512_storeu_si512(to->tile + to->tile_stride * row + 16, sum[1]);
  } else if (bk_waits(to->outputs->activation)) {
    bk_keep_row(to->outputs, row, (i32x16)sum[0], (i32x16)sum[1]);
  } else {
    bk_output_row(to->outputs, row, (i32x16)sum[0], (i32x16)sum[1]);
  }
}

// Adds the last one or two groups row by row, so that a row is finished between the products of the next: on Zen 4 a
// store there is free, while 24 of them in a row hold up the next tile.
BK_INLINE void bk_add_last(bk_row_sums *sum, int rows, const bk_position *at, ptrdiff_t groups,
                           const bk_sums_to *to) {
  __m512i w[4];
  for (int i = 0; i < 4; i++) {
    w[i] = i < 2 * groups ? _mm512_loadu_si512(at->panel + 64 * i) : _mm512_setzero_si512();
  }
  _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
    const uint8_t *a = at->a + r * at->lda;
    const __m512i x = bk_broadcast(a), y = bk_broadcast(a + BK_GROUP * (groups - 1));
    for (int h = 0; h < 2; h++) {
      sum[r][h] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum[r][h], x, w[h]), y, w[h + 2]);
    }
    // The compiler must not gather what is interleaved here.
    __asm__ volatile("" ::: "memory");
    if (r > 0) bk_finish_sums(to, r - 1, sum[r - 1]);
  }
  bk_finish_sums(to, rows - 1, sum[rows - 1]);
}

// F(..., to) with `to` a constant.
#define BK_FETCHING(TO, F, ...)                                                                   \
  switch (TO) {                                                                                   \
    case BK_FETCH_NOTHING: F(__VA_ARGS__, BK_FETCH_NOTHING); break;                               \
    case BK_FETCH_NEAR: F(__VA_ARGS__, BK_FETCH_NEAR); break;                                     \
    case BK_FETCH_FAR: F(__VA_ARGS__, BK_FETCH_FAR); break;                                       \
  }

// A whole tile. With outputs whose activation takes long, the rows found waiting are computed beside its products.
BK_INLINE void bk_sum_tile(int rows, bk_position at, ptrdiff_t groups, const int32_t *start, const bk_sums_to *to) {
  bk_row_sums sum[BK_ROW_TILE];
  for (int h = 0; h < 2; h++) {
    const __m512i first = start ? _mm512_loadu_si512(start + 16 * h) : _mm512_setzero_si512();
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) sum[r][h] = first;
  }
  ptrdiff_t most = (groups - 1) / 2 * 2;
  const ptrdiff_t last = groups - most;
  const bk_tile_outputs *o = to->outputs;
  if (o && bk_waits(o->activation)) {
    const ptrdiff_t waiting = o->waiting.rows, pairs = waiting < most / 2 ? waiting : most / 2;
    BK_FETCHING(at.ahead.to, bk_add_beside_waiting, sum, rows, &at, pairs, o)
    bk_output_all_waiting(o, pairs);
    most -= 2 * pairs;
  }
  BK_FETCHING(at.ahead.to, bk_add_groups, sum, rows, &at, most)
  bk_add_last(sum, rows, &at, last, to);
}

#define BK_TILE(ROWS)                                                                             \
  static void bk_tile_s8_##ROWS(const uint8_t *a, ptrdiff_t lda, const int8_t *panel,             \
                                ptrdiff_t groups, const int32_t *start, bk_ahead ahead,           \
                                int32_t *tile, ptrdiff_t tile_stride) {                           \
    const bk_sums_to to = {tile, tile_stride, 0};                                                 \
    bk_sum_tile(ROWS, (bk_position){a, lda, panel, ahead}, groups, start, &to);                   \
  }                                                                                               \
  BK_INLINE void bk_tile_to_outputs_##ROWS(                                                       \
      const uint8_t *a, ptrdiff_t lda, const int8_t *panel, ptrdiff_t groups,                     \
      const int32_t *start, bk_ahead ahead, bk_tile_outputs *outputs) {                           \
    /* A copy whose address goes nowhere else can stay in registers. */                           \
    const bk_tile_outputs copy = *outputs;                                                        \
    const bk_sums_to to = {0, 0, &copy};                                                          \
    bk_sum_tile(ROWS, (bk_position){a, lda, panel, ahead}, groups, start, &to);                   \
    if (bk_waits(copy.activation)) outputs->waiting.out = copy.out, outputs->waiting.rows = ROWS; \
  }
BK_TILE(1) BK_TILE(2) BK_TILE(3) BK_TILE(4) BK_TILE(5) BK_TILE(6)
BK_TILE(7) BK_TILE(8) BK_TILE(9) BK_TILE(10) BK_TILE(11) BK_TILE(12)

BK_INLINE void bk_tile_s8(const uint8_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                          ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                          int32_t *tile, ptrdiff_t tile_stride) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_s8, a, lda, panel, groups, start, ahead, tile, tile_stride)
}

BK_INLINE void bk_tile_to_outputs(ptrdiff_t index, ptrdiff_t tiles, void *kept, const uint8_t *a,
                                  ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                                  ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                                  bk_tile_outputs *to) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_to_outputs, a, lda, panel, groups, start, ahead, to)
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

#include "../shared/bk_head.h"

// A few queries' scores over all keys: each lane's largest is found while a tile's sums are in registers.
BK_INLINE void bk_scores_of(const bk_head_scratch *s, int rows, const uint8_t *q, ptrdiff_t lda, ptrdiff_t groups,
                            i32x16 *high) {
  bk_position at = {q, lda, s->keys, bk_fetch_nothing(s->keys)};
  for (ptrdiff_t j = 0; j < s->padded; j += 32, at.a = q) {
    bk_row_sums sum[BK_ROW_TILE];
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++) {
      sum[r][0] = _mm512_loadu_si512(s->key_start + j);
      sum[r][1] = _mm512_loadu_si512(s->key_start + j + 16);
    }
    for (ptrdiff_t g = 0; g < groups; g++) bk_add_group(sum, rows, &at, 0);
    int32_t *to = s->scores + j;
    _Pragma("clang loop unroll(full)") for (int r = 0; r < rows; r++, to += s->padded) {
      _mm512_storeu_si512(to, sum[r][0]), _mm512_storeu_si512(to + 16, sum[r][1]);
      const __m512i both = _mm512_max_epi32(sum[r][0], sum[r][1]);
      high[r] = (i32x16)_mm512_max_epi32(both, (__m512i)high[r]);
    }
  }
}
#define BK_SCORES(ROWS)                                                                           \
  static void bk_scores_##ROWS(const bk_head_scratch *s, const uint8_t *q, ptrdiff_t lda,         \
                               ptrdiff_t groups, i32x16 *high) {                                  \
    bk_scores_of(s, ROWS, q, lda, groups, high);                                                  \
  }
BK_SCORES(1) BK_SCORES(2) BK_SCORES(3) BK_SCORES(4) BK_SCORES(5) BK_SCORES(6)
BK_SCORES(7) BK_SCORES(8) BK_SCORES(9) BK_SCORES(10) BK_SCORES(11) BK_SCORES(12)

BK_INLINE void bk_score_rows(const bk_head_scratch *s, const bk_tile_input *q, ptrdiff_t rows,
                             ptrdiff_t groups, i32x16 *high) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_scores, s, bk_tile_row(q, 0), q->stride, groups, high)
}

#include "../shared/bk_softmax.h"

// Four vectors of 16 become words and bytes by packing within 128 bits, so that both hold four elements
// of each vector in turn. Weights of words lie in the same order; bytes are put right at the end.
BK_INLINE void bk_store_factors(int16_t *to, i32x16 a, i32x16 b) {
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
  const __m512i power = _mm512_permutexvar_epi16(part, _mm512_loadu_si512(bk_softmax_power));
  const __m512i fall = _mm512_permutexvar_epi16(part, _mm512_loadu_si512(bk_softmax_fall));
  const __m512i octave = _mm512_permutexvar_epi16(_mm512_srli_epi16(u, 11),
                                                  _mm512_loadu_si512(bk_softmax_octave));
  const __m512i w =
      _mm512_sub_epi16(power, _mm512_mulhi_epu16(fall, _mm512_slli_epi16(u, 9)));
  return _mm512_mulhrs_epi16(w, octave);
}

BK_INLINE i32x16 bk_attention_weights(const int32_t *scores, const int16_t *factors, int32_t most, float step,
                           ptrdiff_t j, ptrdiff_t end, uint8_t *weights) {
  const __m512i top = _mm512_set1_epi32(most);
  const __m512 unit = _mm512_set1_ps(step);
  const __m512i to_weight = _mm512_set1_epi16(1024);
  const __m512i order =
      _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  __m512i sum = _mm512_setzero_si512(), sum2 = sum;
  for (; j + 64 <= end; j += 64) {
    const __m512i a = bk_powers(scores + j, top, unit), b = bk_powers(scores + j + 32, top, unit);
    sum = _mm512_dpwssd_epi32(sum, a, _mm512_loadu_si512(factors + j));
    sum2 = _mm512_dpwssd_epi32(sum2, b, _mm512_loadu_si512(factors + j + 32));
    const __m512i bytes = _mm512_packus_epi16(_mm512_mulhrs_epi16(a, to_weight),
                                              _mm512_mulhrs_epi16(b, to_weight));
    _mm512_storeu_si512(weights + j, _mm512_permutexvar_epi32(order, bytes));
  }
  if (j < end) {
    const __m512i a = bk_powers(scores + j, top, unit);
    sum = _mm512_dpwssd_epi32(sum, a, _mm512_loadu_si512(factors + j));
    const __m512i words = _mm512_mulhrs_epi16(a, to_weight);
    const __m512i bytes =
        _mm512_permutexvar_epi32(order, _mm512_packus_epi16(words, words));
    _mm256_storeu_si256((__m256i *)(weights + j), _mm512_castsi512_si256(bytes));
  }
  return (i32x16)_mm512_add_epi32(sum, sum2);
}

#include "../shared/bk_set.h"

#pragma clang attribute pop
#else
#include "../shared/bk_absent.h"
#endif
