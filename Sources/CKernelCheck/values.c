// Seeded values, guarded buffers and records.
#define _DEFAULT_SOURCE  // anonymous mappings

#include "cases.h"

#include <sys/mman.h>

#pragma clang fp contract(off)

uint64_t next_random(random_source *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

ptrdiff_t next_between(random_source *r, ptrdiff_t low, ptrdiff_t high) {
  return low + (ptrdiff_t)(next_random(r) % (uint64_t)(high - low + 1));
}

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static float next_float(random_source *r, float_kind kind) {
  const uint64_t z = next_random(r);
  const float ordinary = (float)((int32_t)(z >> 40) - (1 << 23)) * 0x1p-21f;
  const uint32_t low = (uint32_t)z, sign = low & 0x80000000u;
  switch (kind) {
    case SPREAD: return ordinary * from_bits((127 - 20 + low % 41) << 23);
    case DENORMAL: return from_bits(low & 0x807fffffu);
    case ZEROS: return low % 7 == 0 ? 1.0f : from_bits(sign);
    case HUGE_ONES: return ordinary * 2.5e29f;
    case ANY_FINITE: return from_bits((low & 0x7f800000u) == 0x7f800000u ? low ^ 0x40000000u : low);
    case SPECIAL:
      if (low % 5 == 0) return from_bits(sign | 0x7f800000u);
      return low % 5 == 1 ? from_bits(0x7fc00000u) : ordinary;
    default: return ordinary;
  }
}

void fill_floats(random_source *r, float_kind kind, float *x, ptrdiff_t count) {
  const float first = next_float(r, ORDINARY);
  for (ptrdiff_t i = 0; i < count; i++) x[i] = kind == CONSTANT ? first : next_float(r, kind);
}

void fill_weights(random_source *r, byte_kind kind, int8_t *w, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const int8_t any = (int8_t)((int)(next_random(r) >> 33) % 255 - 127);
    switch (kind) {
      case ANY_BYTE: w[i] = any; break;
      case LEAST: w[i] = -127; break;
      case MOST: w[i] = 127; break;
      case NONE: w[i] = 0; break;
      case LOWEST: w[i] = -128; break;
    }
  }
}

void fill_bytes(random_source *r, byte_kind kind, uint8_t *q, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const uint8_t any = (uint8_t)(next_random(r) >> 56);
    q[i] = kind == ANY_BYTE ? any : kind == MOST ? 255 : 0;
  }
}

// MARK: Buffers

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXACT_ALLOCATION 1
#endif
#endif

enum { SLOTS = 32, MARGIN = 64, MARK_BEFORE = 0xC5 };

static struct {
  uint8_t *end;    // where the page that can not be touched begins
  uint8_t *start;  // of the buffer taken last
} slots[SLOTS];
static int taken;

static void *take_at(size_t size, size_t alignment) {
  if (taken == SLOTS) {
    fprintf(stderr, "kernel-check: a case takes more than %d buffers\n", SLOTS);
    exit(71);
  }
#if EXACT_ALLOCATION
  uint8_t *start = 0;
  if (posix_memalign((void **)&start, alignment < 8 ? 8 : alignment, size ? size : 1)) exit(71);
#else
  const size_t room = (size_t)64 << 20, page = 65536;
  if (size + MARGIN + alignment > room) exit(71);
  if (!slots[taken].end) {
    uint8_t *base = mmap(0, room + page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED || mprotect(base + room, page, PROT_NONE) != 0) {
      perror("kernel-check: mmap");
      exit(71);
    }
    slots[taken].end = base + room;
  }
  uint8_t *start = slots[taken].end - size;
  start -= (uintptr_t)start % alignment;
  memset(start - MARGIN, MARK_BEFORE, MARGIN);
#endif
  slots[taken++].start = start;
  memset(start, 0xA5, size);
  return start;
}

void *take(size_t size) { return take_at(size, 1); }
void *take_scratch(size_t size) { return take_at(size, 64); }

void release_all(void) {
  for (int i = 0; i < taken; i++) {
#if EXACT_ALLOCATION
    free(slots[i].start);
#else
    for (int j = 1; j <= MARGIN; j++) {
      if (slots[i].start[-j] != MARK_BEFORE) {
        fprintf(stderr, "kernel-check: written %d bytes before buffer %d\n", j, i);
        exit(1);
      }
    }
#endif
  }
  taken = 0;
}

// MARK: Results

void record_bytes(record *out, const void *p, size_t size) {
  if (out->size + size > out->room) {
    out->room = 2 * (out->size + size);
    out->bytes = realloc(out->bytes, out->room);
    if (!out->bytes) exit(71);
  }
  memcpy(out->bytes + out->size, p, size);
  out->size += size;
}

void record_floats(record *out, const float *p, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, p + i, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) bits = 0x7fc00000u;
    record_bytes(out, &bits, 4);
  }
}
