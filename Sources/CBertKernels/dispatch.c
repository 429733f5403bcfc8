// The kernel sets, best first, and what keeps this CPU or its operating system from running each.
#define _DEFAULT_SOURCE  // syscall

#include "CBertKernels.h"

// The one list: table, tests and benchmark follow it. A set that is built for another architecture
// has a name but no functions. Best first: of two sets that a CPU can run, the earlier has the faster products.
#define BK_EACH_SET(X)                                                                            \
  X(avx512amx) X(avx512vnni) X(avxvnni) X(avx2) X(neon_i8mm) X(neon_dot) X(neon) X(portable)

#define BK_COUNT(a) (int)(sizeof(a) / sizeof *(a))

static const char bk_elsewhere[] = "built for another architecture";

// MARK: x86-64

#if defined(__x86_64__)
#include <cpuid.h>

enum { BK_EAX, BK_EBX, BK_ECX, BK_EDX };

// A bit of CPUID and what to say when it is clear.
typedef struct {
  unsigned leaf, subleaf, reg, bit;
  const char *missing;
} bk_feature;

static const bk_feature bk_needs_avx2[] = {
    {1, 0, BK_ECX, 28, "this CPU lacks AVX"},
    {1, 0, BK_ECX, 12, "this CPU lacks FMA"},
    {7, 0, BK_EBX, 5, "this CPU lacks AVX2"},
};

static const bk_feature bk_needs_avx512vnni[] = {
    {1, 0, BK_ECX, 29, "this CPU lacks F16C"},       {7, 0, BK_EBX, 16, "this CPU lacks AVX512F"},
    {7, 0, BK_EBX, 17, "this CPU lacks AVX512DQ"},   {7, 0, BK_EBX, 30, "this CPU lacks AVX512BW"},
    {7, 0, BK_EBX, 31, "this CPU lacks AVX512VL"},   {7, 0, BK_ECX, 11, "this CPU lacks AVX512_VNNI"},
};

static const char *bk_missing(const bk_feature *features, int count) {
  for (int i = 0; i < count; i++) {
    const bk_feature *f = features + i;
    unsigned reg[4], last, unused;
    // What a CPU answers to a sub-leaf that it does not have means nothing; sub-leaf 0 says which is the last.
    if (!__get_cpuid_count(f->leaf, 0, &last, &unused, &unused, &unused)) return f->missing;
    if (f->subleaf > 0 && last < f->subleaf) return f->missing;
    __get_cpuid_count(f->leaf, f->subleaf, reg + BK_EAX, reg + BK_EBX, reg + BK_ECX, reg + BK_EDX);
    if ((reg[f->reg] >> f->bit & 1) == 0) return f->missing;
  }
  return 0;
}

// Parts of a thread's state in XCR0: those that the operating system saves and restores.
enum { BK_STATE_AVX = 0x6, BK_STATE_AVX512 = 0xe6, BK_STATE_AMX = 0x60000 };

static int bk_saves(unsigned mask) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c >> 27 & 1) == 0) return 0;  // OSXSAVE
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & mask) == mask;
}

static const char *bk_obstacle_avx2(void) {
  const char *missing = bk_missing(bk_needs_avx2, BK_COUNT(bk_needs_avx2));
  if (missing) return missing;
  return bk_saves(BK_STATE_AVX) ? 0 : "the operating system does not save AVX registers";
}

static const char *bk_obstacle_avx512vnni(void) {
  const char *avx2 = bk_obstacle_avx2();
  if (avx2) return avx2;
  const char *missing = bk_missing(bk_needs_avx512vnni, BK_COUNT(bk_needs_avx512vnni));
  if (missing) return missing;
  return bk_saves(BK_STATE_AVX512) ? 0 : "the operating system does not save AVX-512 registers";
}

#ifdef BK_EVEX_TWIN
static const char *bk_obstacle_avxvnni(void) { return bk_obstacle_avx512vnni(); }
#else
static const bk_feature bk_needs_avxvnni[] = {{7, 1, BK_EAX, 4, "this CPU lacks AVX-VNNI"}};

static const char *bk_obstacle_avxvnni(void) {
  const char *avx2 = bk_obstacle_avx2();
  return avx2 ? avx2 : bk_missing(bk_needs_avxvnni, BK_COUNT(bk_needs_avxvnni));
}
#endif

// Whether this process may use tiles; asks the operating system for them.
#if defined(BK_AMX_MODEL)
static const char *bk_permit_amx(void) { return 0; }
#elif defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

static const bk_feature bk_needs_amx[] = {
    {7, 0, BK_EDX, 24, "this CPU lacks AMX-TILE"},
    {7, 0, BK_EDX, 25, "this CPU lacks AMX-INT8"},
};

// A process asks once before its first tile instruction; asking again changes nothing, so this needs no lock.
static const char *bk_permit_amx(void) {
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  const char *missing = bk_missing(bk_needs_amx, BK_COUNT(bk_needs_amx));
  if (missing) return missing;
  if (!bk_saves(BK_STATE_AMX)) return "the operating system does not save AMX tiles";
  if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0) return 0;
  return "the operating system does not let this process use AMX tiles (Linux 5.16 or newer does; a sandbox or a "
         "thread with a small signal stack can be in the way)";
}
#else
static const char *bk_permit_amx(void) { return "no way to ask this system for AMX tiles"; }
#endif

static const char *bk_obstacle_avx512amx(void) {
  const char *vnni = bk_obstacle_avx512vnni();
  return vnni ? vnni : bk_permit_amx();
}
#else
static const char *bk_obstacle_avx2(void) { return bk_elsewhere; }
static const char *bk_obstacle_avxvnni(void) { return bk_elsewhere; }
static const char *bk_obstacle_avx512vnni(void) { return bk_elsewhere; }
static const char *bk_obstacle_avx512amx(void) { return bk_elsewhere; }
#endif

// MARK: aarch64

#if defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>

// The kernel sets these bits when it saves the registers too.
enum { BK_HWCAP_ASIMDDP = 20, BK_HWCAP2_I8MM = 13 };

static const char *bk_obstacle_neon_dot(void) {
  return getauxval(AT_HWCAP) >> BK_HWCAP_ASIMDDP & 1 ? 0 : "this CPU lacks FEAT_DotProd";
}
static const char *bk_obstacle_neon_i8mm(void) {
  const char *dot = bk_obstacle_neon_dot();
  if (dot) return dot;
  return getauxval(AT_HWCAP2) >> BK_HWCAP2_I8MM & 1 ? 0 : "this CPU lacks FEAT_I8MM";
}
#else
// What the compiler was told that every CPU has.
static const char *bk_obstacle_neon_dot(void) {
#if defined(__ARM_FEATURE_DOTPROD)
  return 0;
#else
  return "no way to ask this system for FEAT_DotProd";
#endif
}
static const char *bk_obstacle_neon_i8mm(void) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
  return 0;
#else
  return "no way to ask this system for FEAT_I8MM";
#endif
}
#endif
static const char *bk_obstacle_neon(void) { return 0; }
#else
static const char *bk_obstacle_neon_i8mm(void) { return bk_elsewhere; }
static const char *bk_obstacle_neon_dot(void) { return bk_elsewhere; }
static const char *bk_obstacle_neon(void) { return bk_elsewhere; }
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

enum { BK_ENTRIES = BK_COUNT(bk_entries) };

const bk_kernels *bk_kernels_at(int index) {
  return index >= 0 && index < BK_ENTRIES ? bk_entries[index].set : 0;
}

const char *bk_kernels_obstacle(int index) {
  return index >= 0 && index < BK_ENTRIES ? bk_entries[index].obstacle() : "there is no such set";
}

int bk_kernels_supported(int index) { return bk_kernels_obstacle(index) == 0; }
