// layers [--require NAME]... INDEX MODEL.bertq TEXTS STATES
//
// Runs every layer of a model, in int8 and in float, with every kernel set that this CPU has, and
// compares what goes into each kernel and what comes out of it, bit for bit. Prints the digest of
// each, which all sets share, so that another architecture's can be compared; the last hidden states
// go to STATES.int8 and STATES.float. Exits 1 when a bit differs or a set named did not run.
//
// INDEX has a line "NAME NUMBER" for each size of the model, and for each tensor with where in
// MODEL.bertq it begins. TEXTS has a line for each text: the number of its tokens, then their ids.
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "CBertKernels.h"

static void fail(const char *what, const char *which) {
  fprintf(stderr, "layers: %s %s\n", what, which);
  exit(2);
}

static void *allocate(ptrdiff_t size) {
  void *p = 0;
  if (posix_memalign(&p, 64, (size_t)size + 64)) fail("no memory for", "a matrix");
  return memset(p, 0xA5, (size_t)size + 64);
}

// MARK: The model and the texts

enum { MOST_ENTRIES = 65536, MOST_TOKENS = 4096 };

static struct {
  char name[256];
  long long number;
} entries[MOST_ENTRIES];
static int entry_count;
static const uint8_t *file;

static void read_index(const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) fail("cannot read", path);
  while (entry_count < MOST_ENTRIES &&
         fscanf(f, "%255s %lld", entries[entry_count].name, &entries[entry_count].number) == 2) {
    entry_count++;
  }
  fclose(f);
}

static int find(const char *name, const char *part) {
  const size_t length = strlen(name);
  for (int i = 0; i < entry_count; i++) {
    if (strncmp(entries[i].name, name, length) == 0 && strcmp(entries[i].name + length, part) == 0) {
      return i;
    }
  }
  return -1;
}

static long long number(const char *name) {
  const int i = find(name, "");
  if (i < 0) fail("the index lacks", name);
  return entries[i].number;
}

static const void *tensor(const char *name, const char *part) {
  const int i = find(name, part);
  if (i < 0) fail("the index lacks a part of", name);
  return file + entries[i].number;
}

static void map_file(const char *path) {
  const int descriptor = open(path, O_RDONLY);
  struct stat status;
  if (descriptor < 0 || fstat(descriptor, &status)) fail("cannot read", path);
  file = mmap(0, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (file == MAP_FAILED) fail("cannot map", path);
}

static int32_t ids[MOST_TOKENS], positions[MOST_TOKENS];
static uint8_t types[MOST_TOKENS];
static ptrdiff_t starts[MOST_TOKENS + 1], texts, tokens;

static void read_texts(const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) fail("cannot read", path);
  for (int count; fscanf(f, "%d", &count) == 1; starts[++texts] = tokens) {
    for (int i = 0; i < count; i++, tokens++) {
      if (tokens == MOST_TOKENS || fscanf(f, "%d", ids + tokens) != 1) fail("malformed:", path);
      positions[tokens] = i;
    }
  }
  fclose(f);
}

// MARK: Stages

enum { MOST_STAGES = 65536 };

// What the first set that ran put out, and what the others must.
static struct {
  char name[160];
  uint64_t digest;
} stages[MOST_STAGES];
static int stage_count, stage;
static int differs;

typedef struct {
  const bk_kernels *k;
  const char *path;
  int is_first;
} run;

// `rows` rows of `size` bytes, `stride` bytes apart.
static void record(const run *r, const char *place, const char *what, const void *p, ptrdiff_t rows,
                   ptrdiff_t stride, ptrdiff_t size) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (ptrdiff_t i = 0; i < rows; i++) {
    const uint8_t *row = (const uint8_t *)p + i * stride;
    for (ptrdiff_t j = 0; j < size; j++) hash = (hash ^ row[j]) * 0x100000001b3u;
  }
  if (stage == MOST_STAGES) fail("too many stages at", place);
  if (r->is_first) {
    snprintf(stages[stage].name, sizeof stages->name, "%s %s %s", r->path, place, what);
    stages[stage].digest = hash;
    stage_count = stage + 1;
  } else if (stages[stage].digest != hash && !differs) {
    fprintf(stderr, "layers: %s differs first at %s\n", r->k->name, stages[stage].name);
    differs = 1;
  }
  stage++;
}

// MARK: The encoder

typedef struct {
  float *values;
  ptrdiff_t width, stride;
} matrix;

static matrix make_matrix(ptrdiff_t width) {
  const ptrdiff_t stride = (width + 31) / 32 * 32;
  return (matrix){allocate(tokens * stride * 4), width, stride};
}

static void record_matrix(const run *r, const char *place, const char *what, matrix x) {
  record(r, place, what, x.values, tokens, x.stride * 4, x.width * 4);
}

// y = linear(x), then the activation or the residual, which may be y.
static void linear(const run *r, const char *name, matrix x, matrix y, bk_activation activation,
                   const float *residual) {
  const ptrdiff_t panels = (y.width + 31) / 32, groups = (x.width + 3) / 4;
  const bk_output output = {y.values, y.stride, residual, y.stride, activation};
  record_matrix(r, name, "input", x);
  if (strcmp(r->path, "float") == 0 || find(name, ".int8.weight") < 0) {
    const bk_linear_f32 l = {y.width, x.width, tensor(name, ".weight"), tensor(name, ".bias")};
    r->k->linear_f32(&l, x.values, x.stride, tokens, &(bk_panels){0, panels}, 1, &output);
  } else {
    const bk_input input = {x.width, tensor(name, ".int8.multiplier"),
                            *(const int32_t *)tensor(name, ".int8.rotation")};
    const bk_linear_s8 l = {y.width, groups, tensor(name, ".int8.weight"), tensor(name, ".int8.scale"),
                            tensor(name, ".int8.column_sum"), tensor(name, ".int8.bias")};
    uint8_t *q = allocate(tokens * groups * 4);
    float *scales = allocate(tokens * (ptrdiff_t)sizeof *scales);
    float *mixed = allocate(BK_QUANTIZE_ROWS * x.width * 4);
    void *scratch = allocate((ptrdiff_t)r->k->linear_s8_scratch(tokens, groups));
    r->k->quantize_rows(&input, x.values, x.stride, tokens, q, groups * 4, scales, mixed);
    record(r, name, "quantised", q, tokens, groups * 4, groups * 4);
    record(r, name, "scales", scales, tokens, sizeof *scales, sizeof *scales);
    r->k->linear_s8(&l, q, groups * 4, scales, tokens, &(bk_panels){0, panels}, 1, &output, 0,
                    scratch);
    free(q), free(scales), free(mixed), free(scratch);
  }
  record_matrix(r, name, "output", y);
}

static void norm(const run *r, const char *name, matrix x) {
  const uint32_t bits = (uint32_t)number("layer_norm_epsilon");
  float epsilon;
  memcpy(&epsilon, &bits, 4);
  record_matrix(r, name, "input", x);
  r->k->norm_rows(x.values, x.stride, tokens, x.width, tensor(name, ".weight"),
                  tensor(name, ".bias"), epsilon, x.values, x.stride);
  record_matrix(r, name, "output", x);
}

static void attend(const run *r, const char *name, matrix qkv, matrix context) {
  const int is_int8 = strcmp(r->path, "int8") == 0;
  const ptrdiff_t heads = (ptrdiff_t)number("head_count"), size = context.width / heads;
  for (ptrdiff_t text = 0; text < texts; text++) {
    const ptrdiff_t length = starts[text + 1] - starts[text];
    void *scratch = allocate((ptrdiff_t)(is_int8 ? r->k->attend_s8_scratch(length, size)
                                                 : r->k->attend_f32_scratch(length, size)));
    for (ptrdiff_t head = 0; head < heads; head++) {
      const float *query = qkv.values + starts[text] * qkv.stride + head * size;
      const bk_head h = {
          .length = length,
          .head_size = size,
          .query = query,
          .key = query + context.width,
          .value = query + 2 * context.width,
          .stride = qkv.stride,
          .score_scale = 1.0f / sqrtf((float)size),
          .out = context.values + starts[text] * context.stride + head * size,
          .out_stride = context.stride,
      };
      (is_int8 ? r->k->attend_s8 : r->k->attend_f32)(&h, scratch);
    }
    free(scratch);
  }
  record_matrix(r, name, "output", context);
}

// The last hidden states.
static matrix encode(const run *r) {
  const ptrdiff_t hidden = (ptrdiff_t)number("hidden_size");
  matrix x = make_matrix(hidden), qkv = make_matrix(3 * hidden), context = make_matrix(hidden);
  matrix wide = make_matrix((ptrdiff_t)number("intermediate_size"));
  const bk_embedding e = {hidden, tensor("embeddings.word", ""), tensor("embeddings.position", ""),
                          tensor("embeddings.token_type", "")};
  r->k->embed_rows(&e, ids, positions, types, tokens, x.values, x.stride);
  norm(r, "embeddings.norm", x);
  for (int layer = 0; layer < number("layer_count"); layer++) {
    char name[6][64];
    static const char *parts[] = {"attention.qkv", "attention.output", "attention.norm",
                                  "feed_forward.up", "feed_forward.down", "feed_forward.norm"};
    for (int i = 0; i < 6; i++) snprintf(name[i], sizeof name[i], "layer.%d.%s", layer, parts[i]);
    linear(r, name[0], x, qkv, BK_ACT_NONE, 0);
    attend(r, name[0], qkv, context);
    linear(r, name[1], context, x, BK_ACT_NONE, x.values);
    norm(r, name[2], x);
    linear(r, name[3], x, wide, (bk_activation)number("activation"), 0);
    linear(r, name[4], wide, x, BK_ACT_NONE, x.values);
    norm(r, name[5], x);
  }
  for (ptrdiff_t text = 0; text < texts; text++) {
    matrix mean = make_matrix(hidden);
    r->k->mean_rows(x.values + starts[text] * x.stride, x.stride, starts[text + 1] - starts[text],
                    hidden, mean.values);
    record(r, "pooling", "mean", mean.values, 1, 0, hidden * 4);
    r->k->normalize_row(mean.values, hidden);
    record(r, "pooling", "normalised", mean.values, 1, 0, hidden * 4);
    free(mean.values);
  }
  free(qkv.values), free(context.values), free(wide.values);
  return x;
}

static void write_states(const char *stem, const char *path, matrix x) {
  char name[4096];
  snprintf(name, sizeof name, "%s.%s", stem, path);
  FILE *f = fopen(name, "wb");
  if (!f) fail("cannot write", name);
  for (ptrdiff_t i = 0; i < tokens; i++) {
    fwrite(x.values + i * x.stride, 4, (size_t)x.width, f);
  }
  if (fclose(f)) fail("cannot write", name);
}

int main(int argc, char **argv) {
  int at = 1, failed = 0;
  for (; at + 1 < argc && strcmp(argv[at], "--require") == 0; at += 2) {
    int runs = 0;
    for (int i = 0; bk_kernels_at(i); i++) {
      runs |= bk_kernels_supported(i) && strcmp(bk_kernels_at(i)->name, argv[at + 1]) == 0;
    }
    if (!runs) {
      fprintf(stderr, "layers: the set %s did not run\n", argv[at + 1]);
      failed = 1;
    }
  }
  if (argc - at != 4) {
    fprintf(stderr, "usage: layers [--require NAME]... INDEX MODEL.bertq TEXTS STATES\n");
    return 64;
  }
  read_index(argv[at]), map_file(argv[at + 1]), read_texts(argv[at + 2]);
  static const char *paths[] = {"int8", "float"};
  for (int p = 0; p < 2; p++) {
    int is_first = 1;
    for (int i = 0; bk_kernels_at(i); i++) {
      if (!bk_kernels_supported(i)) continue;
      const run r = {bk_kernels_at(i), paths[p], is_first};
      stage = 0, differs = 0;
      matrix x = encode(&r);
      if (is_first) write_states(argv[at + 3], paths[p], x);
      free(x.values);
      failed |= differs;
      is_first = 0;
      fprintf(stderr, "%s with %s: %d stages%s\n", paths[p], r.k->name, stage,
              differs ? ", different" : "");
    }
    for (int i = 0; i < stage_count; i++) {
      printf("%s %016llx\n", stages[i].name, (unsigned long long)stages[i].digest);
    }
  }
  return failed;
}
