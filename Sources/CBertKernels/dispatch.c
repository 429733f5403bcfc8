// The kernel sets this program was built with, best first, and whether this CPU can run each.
#include "CBertKernels.h"

#if defined(__x86_64__)
extern const bk_kernels bk_set_avx512vnni;
#endif

typedef struct {
  const bk_kernels *set;
  int (*supported)(void);
} bk_entry;

#if defined(__x86_64__)
static int bk_has_avx512vnni(void) {
  // The compiler's check reads CPUID and XGETBV: the operating system's saved state counts.
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}
#endif

static const bk_entry bk_entries[] = {
#if defined(__x86_64__)
    {&bk_set_avx512vnni, bk_has_avx512vnni},
#endif
};

enum { BK_ENTRIES = sizeof bk_entries / sizeof *bk_entries };

const bk_kernels *bk_kernels_at(int index) {
  return index >= 0 && index < BK_ENTRIES ? bk_entries[index].set : 0;
}

int bk_kernels_supported(int index) {
  return index >= 0 && index < BK_ENTRIES ? bk_entries[index].supported() : 0;
}
