// kernel-check [--full] [--only NAME | --require NAME...]
//
// Runs every kernel set that this CPU has over the same cases and prints one digest a set; with
// --full, then over every shape of a linear up to 40 rows, 100 outputs and a depth of 300. Exits 1
// when a bit differs from the portable set, when the digest is not the known one, or when a set
// named by --require did not run. --only runs one set alone, which the digests judge: for CPUs that
// are emulated, and so slowly that the same sets are not to be run on each of them.
#include "CKernelCheck.h"

#include "../../../Sources/CKernelCheck/cases.h"

// fma.c: compares the emulated fused multiply-add with the C library's; returns the number of differences.
long check_emulated_fma(void);

enum { MOST_SETS = 16 };

static const bk_kernels *sets[MOST_SETS];
static uint64_t digest[MOST_SETS];
static record results[MOST_SETS];
static int count;
static long cases, failures;

static void report(const test_case *c, int set, const record *a, const record *b) {
  size_t at = 0;
  while (at < a->size && at < b->size && a->bytes[at] == b->bytes[at]) at++;
  fprintf(stderr, "%s of %s differs from %s at byte %zu of %zu (shape %td %td %td %td, seed %llu)\n",
          c->what, sets[set]->name, sets[count - 1]->name, at, b->size, c->shape[0], c->shape[1],
          c->shape[2], c->shape[3], (unsigned long long)c->seed);
}

// The last set is the portable one; it goes first.
static void check(const test_case *c) {
  cases++;
  for (int i = count - 1; i >= 0; i--) {
    random_source r = {c->seed};
    results[i].size = 0;
    c->run(sets[i], &r, c->shape, results + i);
    release_all();
    add_to_digest(digest + i, results + i);
    const record *expected = results + count - 1;
    if (results[i].size == expected->size &&
        memcmp(results[i].bytes, expected->bytes, expected->size) == 0)
      continue;
    if (failures++ < 20) report(c, i, results + i, expected);
  }
}

static int ran(const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(sets[i]->name, name) == 0) return 1;
  return 0;
}

// Visits some cases with every set; each must give the known digest.
static void check_digests(const char *what, void (*visit_cases)(visitor), uint64_t known) {
  for (int i = 0; i < count; i++) digest[i] = DIGEST_START;
  visit_cases(check);
  for (int i = 0; i < count; i++) {
    printf("%s %016llx %s\n", what, (unsigned long long)digest[i], sets[i]->name);
    if (digest[i] == known) continue;
    fprintf(stderr, "kernel-check: the %s of %s is not %016llx\n", what, sets[i]->name, (unsigned long long)known);
    failures++;
  }
}

int main(int argc, char **argv) {
  const char *only = argc == 3 && strcmp(argv[1], "--only") == 0 ? argv[2] : NULL;
  for (int i = 0; bk_kernels_at(i) && count < MOST_SETS; i++) {
    const char *obstacle = bk_kernels_obstacle(i);
    printf("%-12s %s\n", bk_kernels_at(i)->name, obstacle ? obstacle : "runs");
    if (obstacle || (only && strcmp(only, bk_kernels_at(i)->name) != 0)) continue;
    sets[count++] = bk_kernels_at(i);
  }
  int full = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--full") == 0) {
      full = 1;
    } else if (strcmp(argv[i], only ? "--only" : "--require") == 0 && i + 1 < argc) {
      if (!ran(argv[++i])) {
        fprintf(stderr, "kernel-check: the set %s did not run\n", argv[i]);
        failures++;
      }
    } else {
      fprintf(stderr, "usage: kernel-check [--full] [--only NAME | --require NAME...]\n");
      return 64;
    }
  }
  failures += check_emulated_fma();
  check_digests("digest", visit_digest_cases, kernel_check_known_digest);
  check_digests("digest with biases", visit_biased_attention, kernel_check_known_bias_digest);
  check_digests("digest of relatives", visit_relatives, kernel_check_known_relatives_digest);
  check_digests("digest of windows", visit_windowed_attention, kernel_check_known_window_digest);
  check_digests("digest of relative terms", visit_relative_attention, kernel_check_known_term_digest);
  visit_lowest_weights(check);
  visit_deep_linears(check);
  if (full) visit_all_shapes(check);
  printf("%ld cases, %d sets, %ld failures\n", cases, count, failures);
  return failures ? 1 : 0;
}
