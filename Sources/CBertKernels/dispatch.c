// The kernel sets, best first, and what keeps this CPU or its operating system from running each.
#include "CBertKernels.h"

// The one list: table, tests and benchmark follow it. A set that is built for another architecture
// has a name but no functions.
#define BK_EACH_SET(X) X(avx512vnni) X(avx2) X(neon_dot) X(neon) X(portable)

// MARK: x86-64

#if defined(__x86_64__)
#include <cpuid.h>

enum { BK_EBX, BK_ECX };

// A bit of CPUID and what to say when it is clear.
typedef struct {
  unsigned leaf, reg, bit;
  const char *missing;
} bk_feature;

static const bk_feature bk_needs_avx2[] = {
    {1, BK_ECX, 28, "this CPU lacks AVX"},
    {1, BK_ECX, 12, "this CPU lacks FMA"},
    {7, BK_EBX, 5, "this CPU lacks AVX2"},
};

static const bk_feature bk_needs_avx512vnni[] = {
    {1, BK_ECX, 29, "this CPU lacks F16C"},         {7, BK_EBX, 16, "this CPU lacks AVX512F"},
    {7, BK_EBX, 17, "this CPU lacks AVX512DQ"},     {7, BK_EBX, 30, "this CPU lacks AVX512BW"},
    {7, BK_EBX, 31, "this CPU lacks AVX512VL"},     {7, BK_ECX, 11, "this CPU lacks AVX512_VNNI"},
};

#define BK_COUNT(a) (int)(sizeof(a) / sizeof *(a))

static const char *bk_missing(const bk_feature *features, int count) {
  for (int i = 0; i < count; i++) {
    unsigned a, b, c, d;
    const bk_feature *f = features + i;
    if (!__get_cpuid_count(f->leaf, 0, &a, &b, &c, &d)) return f->missing;
    if (((f->reg == BK_EBX ? b : c) >> f->bit & 1) == 0) return f->missing;
  }
  return 0;
}

// Whether the operating system saves and restores all the state components in `mask` (XCR0).
static int bk_saves(unsigned mask) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c >> 27 & 1) == 0) return 0;  // OSXSAVE
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & mask) == mask;
}

static const char *bk_obstacle_avx2(void) {
  const char *missing = bk_missing(bk_needs_avx2, BK_COUNT(bk_needs_avx2));
  if (missing) return missing;
  return bk_saves(0x06) ? 0 : "the operating system does not save AVX registers";
}

static const char *bk_obstacle_avx512vnni(void) {
  const char *avx2 = bk_obstacle_avx2();
  if (avx2) return avx2;
  const char *missing = bk_missing(bk_needs_avx512vnni, BK_COUNT(bk_needs_avx512vnni));
  if (missing) return missing;
  return bk_saves(0xe6) ? 0 : "the operating system does not save AVX-512 registers";
}
#else
static const char *bk_obstacle_avx2(void) { return "built for another architecture"; }
static const char *bk_obstacle_avx512vnni(void) { return "built for another architecture"; }
#endif

// MARK: aarch64

#if defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>

// HWCAP_ASIMDDP: the kernel sets it when it saves the registers too.
static const char *bk_obstacle_neon_dot(void) {
  return getauxval(AT_HWCAP) & 1UL << 20 ? 0 : "this CPU lacks FEAT_DotProd";
}
#elif defined(__ARM_FEATURE_DOTPROD)
static const char *bk_obstacle_neon_dot(void) { return 0; }
#else
static const char *bk_obstacle_neon_dot(void) { return "no way to ask this system for FEAT_DotProd"; }
#endif
static const char *bk_obstacle_neon(void) { return 0; }
#else
static const char *bk_obstacle_neon_dot(void) { return "built for another architecture"; }
static const char *bk_obstacle_neon(void) { return "built for another architecture"; }
#endif

static const char *bk_obstacle_portable(void) { return 0; }

// MARK: The table

#define BK_DECLARE(NAME) extern const bk_kernels bk_set_##NAME;
BK_EACH_SET(BK_DECLARE)

typedef struct {
  const bk_kernels *set;
  const char *(*obstacle)(void);
} bk_entry;

#define BK_ENTRY(NAME) {&bk_set_##NAME, bk_obstacle_##NAME},
static const bk_entry bk_entries[] = {BK_EACH_SET(BK_ENTRY)};

enum { BK_ENTRIES = sizeof bk_entries / sizeof *bk_entries };

const bk_kernels *bk_kernels_at(int index) {
  return index >= 0 && index < BK_ENTRIES ? bk_entries[index].set : 0;
}

const char *bk_kernels_obstacle(int index) {
  return index >= 0 && index < BK_ENTRIES ? bk_entries[index].obstacle() : "there is no such set";
}

int bk_kernels_supported(int index) { return bk_kernels_obstacle(index) == 0; }
