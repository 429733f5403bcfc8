// What a kernel set defines: all of it, on this page. docs/adding-a-kernel-set.md says how to go about one.
//
// A set is one C file of sets/. It goes
//
//   #define BK_SET ...                  its names and knobs (1, 2, 3 below)
//   #include "../shared/bk_contract.h"
//   ...                                 its functions (4, 5)
//   #include "../shared/bk_set.h"       everything else, compiled for this set, and its table
//
// within the target attribute of its instruction set. What all sets must agree on, bit for bit, is no knob and lies
// in the other headers of shared/.
#ifndef BK_CONTRACT_H
#define BK_CONTRACT_H

#include "CBertKernels.h"
#include "bk_switch.h"

// MARK: 1. Names

#if !defined(BK_SET) || !defined(BK_SET_NAME) || !defined(BK_SET_REQUIRES)
#error "a set defines BK_SET, its C name; BK_SET_NAME, the name for people; BK_SET_REQUIRES, the CPU it needs, in words"
#endif

// MARK: 2. Sizes

// Whether the set's target has fused multiply-adds; they are emulated otherwise.
#if !defined(BK_HAS_FMA)
#error "a set defines BK_HAS_FMA, 0 or 1"
#endif

// The most rows of an int8 tile, as many as have their sums in registers: 4, 6 or 12 where BK_SWITCH_ROWS is used.
#if !defined(BK_ROW_TILE)
#error "a set defines BK_ROW_TILE"
#endif
_Static_assert(BK_ROW_TILE >= 1 && BK_ROW_TILE <= 16, "attention keeps a vector of 16 lanes with one lane a row");
_Static_assert(BK_BLOCK_ROWS % BK_ROW_TILE == 0, "a block of rows would end in a part of a tile");

// Tiles of a linear begin at rows that are multiples of this.
#ifndef BK_ROW_UNIT
#define BK_ROW_UNIT 1
#endif
_Static_assert(BK_ROW_TILE % BK_ROW_UNIT == 0, "a tile would end in a part of a unit");

// The most rows of a float tile, 4, 6 or 12, and how many of a panel's 2 vectors of 16 floats it computes at once.
#if !defined(BK_FLOAT_ROWS) || !defined(BK_FLOAT_VECTORS)
#error "a set defines BK_FLOAT_ROWS and BK_FLOAT_VECTORS"
#endif
_Static_assert(BK_FLOAT_ROWS == 4 || BK_FLOAT_ROWS == 6 || BK_FLOAT_ROWS == 12, "bk_linear.h has these tiles");
_Static_assert(BK_BLOCK_ROWS % BK_FLOAT_ROWS == 0, "a block of rows would end in a part of a tile");
_Static_assert(BK_FLOAT_VECTORS == 1 || BK_FLOAT_VECTORS == 2, "a panel has two vectors");

// Rows that layer norm works on at once, so that the sums of one row fill the gaps between those of another.
#ifndef BK_NORM_ROWS
#define BK_NORM_ROWS 4
#endif
_Static_assert(BK_NORM_ROWS >= 4, "bk_norm_rows goes on by 4 rows, then by 1");

// The points of a Hadamard transform that one pass over a row takes in registers.
#ifndef BK_ROTATE_POINTS
#define BK_ROTATE_POINTS 8
#endif
_Static_assert(BK_ROTATE_POINTS == 8 || BK_ROTATE_POINTS == 16, "bk_rotate.h has these passes");

// The type of one value of a prepared row: what bk_prepare_rows makes of a byte.
#ifndef BK_PREPARED
#define BK_PREPARED uint8_t
#endif
typedef BK_PREPARED bk_prepared;

// Whether prepared rows are signed, 128 below the bytes: the values themselves.
#ifndef BK_SIGNED_ROWS
#define BK_SIGNED_ROWS 0
#endif

// MARK: 3. Choices: 1 where the set has a better way than the shared one, and then it defines what 5 lists

#ifndef BK_MASKS  // loads and stores of the first n elements
#define BK_MASKS 0
#endif
#ifndef BK_SUBTRACTS  // a subtraction
#define BK_SUBTRACTS 0
#endif
#ifndef BK_PACKS_BYTES  // rounded floats to bytes
#define BK_PACKS_BYTES 0
#endif
#ifndef BK_KEEPS_PANELS  // a panel in another form, kept for the other tiles that need it
#define BK_KEEPS_PANELS 0
#endif
#ifndef BK_OUTPUTS_TILES  // sums to outputs, straight from registers
#define BK_OUTPUTS_TILES 0
#endif
#ifndef BK_OWN_LINEAR  // whole panels of a linear, on tiles of another kind than attention's
#define BK_OWN_LINEAR 0
#endif
#ifndef BK_SCORES_IN_TILES  // attention scores and their maxima
#define BK_SCORES_IN_TILES 0
#endif
#ifndef BK_OWN_SOFTMAX  // attention scores to attention weights
#define BK_OWN_SOFTMAX 0
#endif

#include "bk_vector.h"

// MARK: 4. Functions of every set

// Entry (index mod 16) of a table of 16, for each lane.
BK_INLINE f32x16 bk_lookup(const float *table, u32x16 index);

// Rows of bytes (128 + the value) as the set's products want them, and the bytes of scratch that takes. A set that
// wants them as they are needs none and passes q on.
typedef struct {
  const bk_prepared *base;
  ptrdiff_t stride;  // from one row to the next; a tile begins where its first row does
} bk_tile_input;
BK_INLINE size_t bk_rows_scratch(ptrdiff_t rows, ptrdiff_t groups);
BK_INLINE bk_tile_input bk_prepare_rows(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t groups,
                                        void *scratch);
BK_INLINE const bk_prepared *bk_tile_row(const bk_tile_input *a, ptrdiff_t row) {
  return a->base + row * a->stride;
}

// Adds to the 32 starting sums of a panel what turns sums over prepared rows into sums over bytes; for attention alone,
// as a linear knows its weights' sums. Empty where preparing leaves the values as they are.
BK_INLINE void bk_undo_preparation(const int8_t *panel, ptrdiff_t groups, int32_t *start);

// The exact int32 sums of `rows` (1...BK_ROW_TILE) prepared rows at a, `lda` apart, by the 32 outputs of a panel, from
// `start` (null: zeros); sums of one row follow another's after `tile_stride`. May fetch what `ahead` says.
BK_INLINE void bk_tile_s8(const bk_prepared *a, ptrdiff_t lda, ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups,
                          const int32_t *start, bk_ahead ahead, int32_t *tile, ptrdiff_t tile_stride);

// `rounds` times as many of the set's int8 products as keep its units busy, all in registers; returns the multiply-adds.
static uint64_t bk_peak_s8(uint64_t rounds);

// MARK: 5. Functions that a choice asks for

typedef struct bk_tile_outputs bk_tile_outputs;  // bk_epilogue.h
typedef struct bk_head_scratch bk_head_scratch;  // bk_head.h

#if BK_MASKS
// The first n (0 < n < 16) elements, other lanes `fill`; only those n are read or written.
BK_INLINE f32x16 bk_load_some(const float *p, ptrdiff_t n, float fill);
BK_INLINE void bk_store_some(float *p, f32x16 v, ptrdiff_t n);
#endif

#if BK_SUBTRACTS
// a - b, the same bits.
BK_INLINE f32x16 bk_minus(f32x16 a, f32x16 b);
#endif

#if BK_PACKS_BYTES
// The low bytes of four vectors to which BK_MAGIC was added; each holds an integer in 0...255.
BK_INLINE u8x64 bk_pack_bytes(f32x16 a, f32x16 b, f32x16 c, f32x16 d);
#endif

#if BK_KEEPS_PANELS
// The bytes of a kept panel; and bk_tile_s8 for tile `index` of a panel's `tiles`, which come in turn and share `kept`.
BK_INLINE size_t bk_panel_scratch(ptrdiff_t groups);
BK_INLINE void bk_tile_of_panel(ptrdiff_t index, ptrdiff_t tiles, void *kept, const bk_prepared *a, ptrdiff_t lda,
                                ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups, const int32_t *start,
                                bk_ahead ahead, int32_t *tile, ptrdiff_t tile_stride);
#endif

#if BK_OUTPUTS_TILES
// bk_tile_of_panel, but to outputs. Rows whose activation takes long (bk_waits) may be left in to->waiting, once
// those found there are done.
BK_INLINE void bk_tile_to_outputs(ptrdiff_t index, ptrdiff_t tiles, void *kept, const bk_prepared *a, ptrdiff_t lda,
                                  ptrdiff_t rows, const int8_t *panel, ptrdiff_t groups, const int32_t *start,
                                  bk_ahead ahead, bk_tile_outputs *to);
#endif

#if BK_OWN_LINEAR
// bk_prepare_rows for a linear, and the bytes of all scratch that a linear needs beside the rows.
BK_INLINE size_t bk_linear_rows_scratch(ptrdiff_t rows, ptrdiff_t groups);
BK_INLINE bk_tile_input bk_prepare_linear(const uint8_t *q, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t groups,
                                          void *scratch);
BK_INLINE size_t bk_panels_scratch(ptrdiff_t groups);
// Some panels of a linear over all its rows, to outputs. `next` is what comes after them, to be fetched.
static void bk_linear_s8_panels(const bk_linear_s8 *l, const bk_tile_input *a, const float *scales, ptrdiff_t rows,
                                bk_panels panels, const bk_output *o, const int8_t *next, void *scratch);
// The end of a linear.
BK_INLINE void bk_finish_linear(void);
#endif

#if BK_SCORES_IN_TILES
// The scores of a few prepared queries over all keys, from s->key_start to s->scores, and the largest of each lane
// of each row in `high`.
BK_INLINE void bk_score_rows(const bk_head_scratch *s, const bk_tile_input *q, ptrdiff_t rows, ptrdiff_t groups,
                             i32x16 *high);
#endif

#if BK_OWN_SOFTMAX
// bk_softmax.h says what these compute. The order of factors in memory is the set's own.
BK_INLINE void bk_store_factors(int16_t *to, i32x16 a, i32x16 b);
BK_INLINE i32x16 bk_attention_weights(const int32_t *scores, const int16_t *factors, int32_t top, float unit,
                                      ptrdiff_t j, ptrdiff_t end, uint8_t *weights);
#else
// Entry (index mod 16) of a table of 16 words, for each lane.
BK_INLINE u16x16 bk_lookup_words(const uint16_t *table, u16x16 index);
#endif

#endif
