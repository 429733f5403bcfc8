// The cases: seeded values, buffers that notice what reaches beyond them, and records of results.
#ifndef KERNEL_CHECK_CASES_H
#define KERNEL_CHECK_CASES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CBertKernels.h"

// MARK: Seeded values

// A splitmix64 generator: the same numbers everywhere.
typedef struct {
  uint64_t state;
} random_source;

uint64_t next_random(random_source *r);
// In low...high.
ptrdiff_t next_between(random_source *r, ptrdiff_t low, ptrdiff_t high);

typedef enum {
  ORDINARY,   // within 4 of zero
  SPREAD,     // magnitudes 2^-20 to 2^20
  DENORMAL,   // below the smallest normal number
  ZEROS,      // signed zeros with a few ones among them
  HUGE_ONES,  // up to 1e30 in magnitude: products and squares overflow
  CONSTANT,   // all the same
  ANY_FINITE, // random bits that are no NaN and no infinity
  SPECIAL,    // ordinary, with infinities and NaN
  KINDS,
} float_kind;

void fill_floats(random_source *r, float_kind kind, float *x, ptrdiff_t count);

typedef enum { ANY_BYTE, LEAST, MOST, NONE, LOWEST } byte_kind;

// Weights: any of -127...127, all -127, all 127, zeros, or all -128, which bert-convert never
// writes but a file may hold.
void fill_weights(random_source *r, byte_kind kind, int8_t *w, ptrdiff_t count);
// Quantised rows: any of 0...255, all 255 (MOST), or all 0.
void fill_bytes(random_source *r, byte_kind kind, uint8_t *q, ptrdiff_t count);

// MARK: Buffers

// A buffer of exactly `size` bytes, each 0xA5, that ends where a page begins that can not be
// touched (or where AddressSanitizer watches). release_all checks what lies before each, and frees.
void *take(size_t size);
void *take_scratch(size_t size);  // its start is a multiple of 64
#define TAKE(type, count) ((type *)take(sizeof(type) * (size_t)(count)))
void release_all(void);

// MARK: Results

// What a case put out, in order; NaN has one form.
typedef struct {
  uint8_t *bytes;
  size_t size, room;
} record;

void record_bytes(record *out, const void *p, size_t size);
void record_floats(record *out, const float *p, ptrdiff_t count);

// MARK: Cases

// One case: what it is, and how to run it with one set. All of its values come from the seed.
typedef struct {
  const char *what;
  void (*run)(const bk_kernels *k, random_source *r, const ptrdiff_t *shape, record *out);
  ptrdiff_t shape[4];
  uint64_t seed;
} test_case;

// Called for each case in turn.
typedef void (*visitor)(const test_case *c);
void visit_linears(visitor visit);
void visit_rows(visitor visit);
void visit_attention(visitor visit);
void visit_digest_cases(visitor visit);  // all of the above
// What came later has digests of its own: the first is that of plain BERT.
void visit_biased_attention(visitor visit);
void visit_relatives(visitor visit);  // gates, and queries and keys that are turned
void visit_windowed_attention(visitor visit);
void visit_relative_attention(visitor visit);  // scores with terms by distance

// Compared between sets, but not in the digest.
void visit_lowest_weights(visitor visit);  // -128
void visit_deep_linears(visitor visit);    // many rows at depths from 1,500 on, where AMX takes depth by parts
void visit_all_shapes(visitor visit);      // 1,200,000 of them, for linears

static const uint64_t DIGEST_START = 0xcbf29ce484222325u;
void add_to_digest(uint64_t *digest, const record *r);

#endif
