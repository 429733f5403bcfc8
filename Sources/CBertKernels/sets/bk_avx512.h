// What the AVX-512 sets have in common: vectors, int8 tiles by vpdpbusd, attention's scores. Included within the set's
// target attribute.
#ifndef BK_AVX512_H
#define BK_AVX512_H

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
#define BK_SCORES_IN_TILES 1
#define BK_OWN_SOFTMAX 1

#include "../shared/bk_contract.h"

#include "../shared/bk_head.h"

// MARK: Vectors

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

// MARK: Rows, as they are

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

// MARK: Tiles

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

#define BK_SUMS(ROWS)                                                                             \
  static void bk_tile_s8_##ROWS(const uint8_t *a, ptrdiff_t lda, const int8_t *panel,             \
                                ptrdiff_t groups, const int32_t *start, bk_ahead ahead,           \
                                int32_t *tile, ptrdiff_t tile_stride) {                           \
    const bk_sums_to to = {tile, tile_stride, 0};                                                 \
    bk_sum_tile(ROWS, (bk_position){a, lda, panel, ahead}, groups, start, &to);                   \
  }
BK_SUMS(1) BK_SUMS(2) BK_SUMS(3) BK_SUMS(4) BK_SUMS(5) BK_SUMS(6)
BK_SUMS(7) BK_SUMS(8) BK_SUMS(9) BK_SUMS(10) BK_SUMS(11) BK_SUMS(12)

BK_INLINE void bk_tile_s8(const uint8_t *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel,
                          ptrdiff_t groups, const int32_t *start, bk_ahead ahead,
                          int32_t *tile, ptrdiff_t tile_stride) {
  BK_SWITCH_ROWS(BK_ROW_TILE, rows, bk_tile_s8, a, lda, panel, groups, start, ahead, tile, tile_stride)
}

// MARK: Attention

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

#endif
