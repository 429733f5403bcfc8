// The arithmetic inner loops of a BERT encoder, in int8 and float32, for several instruction sets.
//
// Every function gives the same bits on every instruction set: integer sums are exact, and float
// work follows one written order (formats/bertq.md, "Numeric contract"). Nothing here allocates,
// prints or aborts, and nothing reads or writes past the extents stated beside each pointer. Rows,
// lengths, depths and widths are 1 at least. What a call writes overlaps nothing else that it is given, but where the
// call's comment says that it may.
//
// docs/glossary.md explains the words; a kernel set is written against shared/bk_contract.h.
#ifndef C_BERT_KERNELS_H
#define C_BERT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// Outputs of a linear come in panels of 32; the depth of an int8 linear in groups of 4.
enum { BK_PANEL = 32, BK_GROUP = 4, BK_LANES = 16 };

// The largest depth of an int8 linear.
// 65536 * 255 * 128 = 2139095040 < 2^31, so the int32 sum can not overflow.
enum { BK_MAX_DEPTH = 65536 };

// The most rows that it is good to give a linear at once: every set's tiles fill them wholly, and a block of them with
// all it needs stays in a second-level cache.
enum { BK_BLOCK_ROWS = 48 };

// What follows a linear before its output is stored.
typedef enum {
  BK_ACT_NONE = 0,
  BK_ACT_GELU = 1,
  BK_ACT_GELU_TANH = 2,
  BK_ACT_RELU = 3,
} bk_activation;

// What a gate is before it multiplies. The coarse one is for what int8 rounds next, as it is behind an int8 linear.
typedef enum {
  BK_GATE_GELU = 0,
  BK_GATE_GELU_COARSE = 1,
  BK_GATE_GELU_TANH = 2,
  BK_GATE_RELU = 3,
  BK_GATE_SILU = 4,
} bk_gate;

// Which parts of the rotation of bk_input apply.
typedef enum {
  BK_ROTATE_VECTORS = 1,  // across vectors
  BK_ROTATE_THIRDS = 2,   // across three neighbouring vectors
  BK_ROTATE_LANES = 4,    // within each vector
} bk_rotation;

// How float rows become the u8 rows of one int8 linear: v = R (x * multiplier) per row, then
// q = 128 + rint(v * 127 / max |v|), and one step of q is worth max |v| / 127.
//
// R rotates the inputs so that no few of them are much wider than the rest; the weights hold its
// inverse. With depth = 16 * m * 2^a, m odd, and vectors of 16 numbered from 0:
//   VECTORS: a Hadamard transform of 2^a points over vectors i * m + r, for each r below m;
//   THIRDS (m = 3): of vectors 3 i, 3 i + 1 and 3 i + 2 each less two thirds of their sum;
//   LANES: a Hadamard transform of the 16 lanes of each vector.
// None is scaled: the multiplier holds 1 / sqrt(points). All need depth to be a multiple of 16.
typedef struct {
  ptrdiff_t depth;
  const float *multiplier;  // [depth]
  int rotation;             // bk_rotation, or-ed
} bk_input;

// Rows that quantize_rows works on at once: what each has to wait for is waited for together.
enum { BK_QUANTIZE_ROWS = 4 };

// An int8 linear: y = sum((q - 128) * w) * scale_row * scale_w + bias.
typedef struct {
  ptrdiff_t outputs;
  ptrdiff_t groups;         // ceil(depth / 4)
  const int8_t *weights;    // [ceil(outputs/32)][groups][32][4], any int8
  const float *scale;       // [outputs]
  const float *column_sum;  // [outputs]: the sum of the int8 weights, an integer
  const float *bias;        // [outputs]
} bk_linear_s8;

// A float linear.
typedef struct {
  ptrdiff_t outputs;
  ptrdiff_t depth;
  const float *weights;  // [ceil(outputs/32)][depth][32]
  const float *bias;     // [outputs]
} bk_linear_f32;

// Panels first..<last of a linear.
typedef struct {
  ptrdiff_t first, last;
} bk_panels;

// The destination of a linear over `rows` rows.
typedef struct {
  float *out;             // [rows][stride], 32 floats for each panel computed, the first one's first
  ptrdiff_t stride;       // at least 32 for each panel of all ranges
  const float *residual;  // null, always so with an activation, or [rows][residual_stride], added: columns as in out
  ptrdiff_t residual_stride;
  bk_activation activation;
} bk_output;

// The tables that a token's first state is the sum of, each [entries][width].
typedef struct {
  ptrdiff_t width;
  const float *word;
  const float *position;
  const float *type;
} bk_embedding;

// What is added to a head's scores by the distance of two tokens and by what these hold: of tokens i and j
// (query_i . key[row] + key_j . query[row]) * score_scale, with the row for i - j. Of the two tables one is there at least.
typedef struct {
  const float *key;    // null, or [rows][stride], the first head_size floats of a row
  const float *query;  // likewise
  ptrdiff_t stride;
  const int32_t *row;  // [2 * span + 1]: the row for tokens i and j, at i - j + span, held to its ends
  ptrdiff_t span;
  void *scratch;  // relative_scratch bytes, 64-byte aligned
} bk_relative;

// One head of one sequence.
typedef struct {
  ptrdiff_t length;  // tokens of the sequence
  ptrdiff_t head_size;
  const float *query;  // [length + unseen][stride], the first head_size floats of a row; key and value [length]
  const float *key;
  const float *value;
  ptrdiff_t stride;   // floats between tokens, for query, key and value
  float score_scale;  // 1 / sqrt(head_size)
  float *out;         // [length + unseen][out_stride], head_size floats of a row are written
  ptrdiff_t out_stride;
  const int32_t *wanted;  // null: every token's row is computed; or [wanted_rows]: which tokens' rows are, ascending,
  ptrdiff_t wanted_rows;  // end to end in out. In float no other token's query is read then
  const float *bias;      // null, or [2 * bias_span + 1]: what is added to the score of tokens i and j, at
  ptrdiff_t bias_span;    // j - i + bias_span, held to its ends
  ptrdiff_t unseen;  // tokens behind these that see them, and that none sees: they have a query, and a row of their own
  ptrdiff_t window;  // 0: a token sees all; or how far away are those at most that it sees: the others have no weight
  const bk_relative *relative;  // null, or terms of scores by distance
} bk_head;

// The kernels of one instruction set.
typedef struct bk_kernels {
  const char *name;      // as in BERTQ_KERNELS
  const char *requires;  // the CPU features, for people

  // Bytes of scratch that linear_s8 needs for so many rows and groups, 64-byte aligned.
  size_t (*linear_s8_scratch)(ptrdiff_t rows, ptrdiff_t groups);
  // Some panels of a linear, `ranges` ranges of them, over rows of q, q_stride bytes apart (a multiple
  // of 4, at least 4 * groups). next: null, or what will be computed with after this, a panel's worth
  // of which is brought into the cache meanwhile; it is never read. residual may be out, with out's stride: each of its
  // floats is read before that place is written.
  void (*linear_s8)(const bk_linear_s8 *linear, const uint8_t *q, ptrdiff_t q_stride,
                    const float *scales, ptrdiff_t rows, const bk_panels *panels,
                    ptrdiff_t ranges, const bk_output *output, const void *next, void *scratch);
  // The same in float. residual may be out here too. Where a single panel is computed, out may also be x, with x_stride
  // as its stride, residual or not: a row's inputs are read before its outputs are written.
  void (*linear_f32)(const bk_linear_f32 *linear, const float *x, ptrdiff_t x_stride,
                     ptrdiff_t rows, const bk_panels *panels, ptrdiff_t ranges,
                     const bk_output *output);

  // Rows of x to rows of q with their scales; depth bytes of a row, rounded up to 4, are written.
  // scratch: BK_QUANTIZE_ROWS * depth floats. Nothing may overlap x.
  void (*quantize_rows)(const bk_input *input, const float *x, ptrdiff_t x_stride, ptrdiff_t rows,
                        uint8_t *q, ptrdiff_t q_stride, float *scales, float *scratch);
  // v = R (x * multiplier), as quantize_rows has it before it rounds. v may not be x: it is written in several passes.
  void (*rotate_row)(const bk_input *input, const float *x, float *v);

  // Layer norm of each row; out may be x, with x_stride as its stride. Widths up to the stated bound of a configuration.
  void (*norm_rows)(const float *x, ptrdiff_t x_stride, ptrdiff_t rows, ptrdiff_t width,
                    const float *weight, const float *bias, float epsilon, float *out,
                    ptrdiff_t out_stride);
  // Rows of word + type + position.
  void (*embed_rows)(const bk_embedding *embedding, const int32_t *ids, const int32_t *positions,
                     const uint8_t *types, ptrdiff_t rows, float *out, ptrdiff_t out_stride);

  // The first `width` floats of each row, as gates, times the `width` behind them, in place of the first.
  void (*gate_rows)(float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t width, bk_gate gate);
  // Turns x[i] and x[half + i] of each row r, for i below half, by the angle whose cosine and sine are at [r][half]:
  // x[i] c - x[half + i] s, and x[half + i] c + x[i] s.
  void (*turn_rows)(float *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t half, const float *cosines,
                    const float *sines);

  // Scaled dot-product attention, its products in int8 or in float; scratch is 64-byte aligned, and that of all the
  // sequence's tokens, unseen ones included. What
  // overflows is NaN where it reaches. out may not be query, key or value: rows are read again after the first is written.
  size_t (*attend_s8_scratch)(ptrdiff_t length, ptrdiff_t head_size);
  void (*attend_s8)(const bk_head *head, void *scratch);
  size_t (*attend_f32_scratch)(ptrdiff_t length, ptrdiff_t head_size);
  // The scratch of a head's relative terms, in both.
  size_t (*relative_scratch)(ptrdiff_t length, ptrdiff_t head_size);
  void (*attend_f32)(const bk_head *head, void *scratch);

  // out = the mean of the rows.
  void (*mean_rows)(const float *x, ptrdiff_t x_stride, ptrdiff_t rows, ptrdiff_t width,
                    float *out);
  // x = x / |x|, or x unchanged when |x| is zero.
  void (*normalize_row)(float *x, ptrdiff_t width);
  // x = tanh(x).
  void (*tanh_row)(float *x, ptrdiff_t width);

  // Register-only loops: `rounds` times a fixed number of multiply-adds, returned. For bench.
  uint64_t (*peak_s8)(uint64_t rounds);
  uint64_t (*peak_f32)(uint64_t rounds);
} bk_kernels;

// Every kernel set that there is, best first, on every architecture; null past the last one. The
// functions of a set may be called only when bk_kernels_obstacle of its index is null; a set of
// another architecture has a name and none.
const bk_kernels *bk_kernels_at(int index);
// Why this program, CPU and operating system can not run a set, for people; null when they can. For a set on AMX tiles this
// asks the operating system to let the process use them, as it must be asked once before the first is used.
const char *bk_kernels_obstacle(int index);
// Whether there is no obstacle.
int bk_kernels_supported(int index);

// Lays float weights [outputs][depth] out in panels, for bk_linear_f32.
void bk_pack_f32(const float *weights, ptrdiff_t outputs, ptrdiff_t depth, float *panels);
// Lays int8 weights [outputs][depth] out in panels of groups, for bk_linear_s8.
void bk_pack_s8(const int8_t *weights, ptrdiff_t outputs, ptrdiff_t depth, int8_t *panels);

#endif
