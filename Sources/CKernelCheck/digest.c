// The digest of all cases, of one set.
#include "CKernelCheck.h"

#include "cases.h"

void add_to_digest(uint64_t *digest, const record *r) {
  for (size_t i = 0; i < r->size; i++) *digest = (*digest ^ r->bytes[i]) * 0x100000001b3u;
}

void visit_digest_cases(visitor visit) {
  visit_rows(visit);
  visit_attention(visit);
  visit_linears(visit);
}

static struct {
  const bk_kernels *set;
  record result;
  uint64_t digest;
} checked;

static void run_case(const test_case *c) {
  random_source r = {c->seed};
  checked.result.size = 0;
  c->run(checked.set, &r, c->shape, &checked.result);
  release_all();
  add_to_digest(&checked.digest, &checked.result);
}

static uint64_t digest_of(const bk_kernels *set, void (*visit_cases)(visitor)) {
  checked.set = set;
  checked.digest = DIGEST_START;
  visit_cases(run_case);
  return checked.digest;
}

uint64_t kernel_check_digest(const bk_kernels *set) { return digest_of(set, visit_digest_cases); }
uint64_t kernel_check_bias_digest(const bk_kernels *set) { return digest_of(set, visit_biased_attention); }
uint64_t kernel_check_relatives_digest(const bk_kernels *set) { return digest_of(set, visit_relatives); }
uint64_t kernel_check_window_digest(const bk_kernels *set) { return digest_of(set, visit_windowed_attention); }
uint64_t kernel_check_term_digest(const bk_kernels *set) { return digest_of(set, visit_relative_attention); }
