// The list of variants, and the choice among them at run time.

#include <stdatomic.h>

#include "CBertqChecksum.h"
#include "crc32_variants.h"

typedef struct {
  const char *name;
  bool (*available)(void);
  uint32_t (*run)(uint32_t, const uint8_t *, size_t);
} variant;

static bool always(void) { return true; }

static const variant variants[] = {
#if defined(__x86_64__)
    {"vpclmulqdq", bq_crc32_has_vpclmul, bq_crc32_vpclmul},
    {"pclmulqdq", bq_crc32_has_pclmul, bq_crc32_pclmul},
#elif defined(__aarch64__) && defined(__linux__)
    {"armv8-crc32", bq_crc32_has_armv8, bq_crc32_armv8},
#endif
    {"portable", always, bq_crc32_portable},
};

size_t bq_crc32_variant_count(void) { return sizeof variants / sizeof *variants; }

const char *bq_crc32_variant_name(size_t i) { return variants[i].name; }

bool bq_crc32_variant_available(size_t i) { return variants[i].available(); }

uint32_t bq_crc32_variant_run(size_t i, uint32_t crc, const void *bytes, size_t count) {
  return ~variants[i].run(~crc, bytes, count);
}

uint32_t bq_crc32(uint32_t crc, const void *bytes, size_t count) {
  // Asked of the CPU once: two threads that both ask find the same.
  static _Atomic(const variant *) chosen;
  const variant *use = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (!use) {
    use = variants;
    while (!use->available()) {
      use++;
    }
    atomic_store_explicit(&chosen, use, memory_order_relaxed);
  }
  return ~use->run(~crc, bytes, count);
}
