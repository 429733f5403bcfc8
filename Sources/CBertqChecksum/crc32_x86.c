// CRC-32 by carry-less multiplication on x86-64.
//
// The message is a polynomial over GF(2). A block that lies D bits before another counts x^D times as much,
// modulo the polynomial P, so it may be multiplied by x^D mod P and added to the other: "folding".
// V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009.
// In the reflected form the two halves of a 128-bit block need x^(D+32) and x^(D-32), bits reversed and shifted
// left by one, because the product of two reflected 64-bit numbers comes out one bit too low.

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include "crc32_variants.h"

#define FOLD_16 _mm_set_epi64x(0x0ccaa009e, 0x1751997d0)   // D = 128
#define FOLD_64 _mm_set_epi64x(0x1c6e41596, 0x154442bd4)   // D = 512
#define FOLD_256 _mm_set_epi64x(0x1322d1430, 0x11542778a)  // D = 2048
#define FOLD_8 _mm_set_epi64x(0, 0x163cd6124)              // x^64
#define BARRETT _mm_set_epi64x(0x1f7011641, 0x1db710641)   // floor(x^64 / P), P

#define PCLMUL __attribute__((target("pclmul,sse4.1")))
#define VPCLMUL __attribute__((target("pclmul,sse4.1,avx512f,vpclmulqdq")))

bool bq_crc32_has_pclmul(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_PCLMUL) && (c & bit_SSE4_1);
}

bool bq_crc32_has_vpclmul(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !bq_crc32_has_pclmul()) {
    return false;
  }
  // The operating system must save XMM, YMM, the masks and both halves of ZMM.
  unsigned saved, high;
  __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  if ((saved & 0xE6) != 0xE6) {
    return false;
  }
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX512F) && (c & 1u << 10);
}

PCLMUL static inline __m128i load16(const uint8_t *bytes) {
  return _mm_loadu_si128((const __m128i *)bytes);
}

PCLMUL static inline __m128i fold(__m128i block, __m128i by, __m128i onto) {
  __m128i low = _mm_clmulepi64_si128(block, by, 0x00);
  __m128i high = _mm_clmulepi64_si128(block, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), onto);
}

// The register that a last 128-bit block amounts to: to 96 bits, to 64, then Barrett's reduction to 32.
PCLMUL static inline uint32_t reduce(__m128i block) {
  const __m128i low32 = _mm_set_epi32(0, 0, 0, -1);
  block = _mm_xor_si128(_mm_srli_si128(block, 8), _mm_clmulepi64_si128(block, FOLD_16, 0x10));
  __m128i rest = _mm_srli_si128(block, 4);
  block = _mm_xor_si128(
      rest, _mm_clmulepi64_si128(_mm_and_si128(block, low32), FOLD_8, 0x00));
  __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(block, low32), BARRETT, 0x10);
  __m128i product = _mm_clmulepi64_si128(_mm_and_si128(quotient, low32), BARRETT, 0x00);
  return (uint32_t)_mm_extract_epi32(_mm_xor_si128(block, product), 1);
}

// Four blocks that follow each other, and what comes after them.
PCLMUL static inline uint32_t finish(__m128i blocks[4], const uint8_t *bytes, size_t count) {
  __m128i block = fold(blocks[0], FOLD_16, blocks[1]);
  block = fold(block, FOLD_16, blocks[2]);
  block = fold(block, FOLD_16, blocks[3]);
  for (; count >= 16; bytes += 16, count -= 16) {
    block = fold(block, FOLD_16, load16(bytes));
  }
  return bq_crc32_portable(reduce(block), bytes, count);
}

PCLMUL uint32_t bq_crc32_pclmul(uint32_t crc, const uint8_t *bytes, size_t count) {
  if (count < 64) {
    return bq_crc32_portable(crc, bytes, count);
  }
  __m128i blocks[4];
  for (int i = 0; i < 4; i++) {
    blocks[i] = load16(bytes + 16 * i);
  }
  blocks[0] = _mm_xor_si128(blocks[0], _mm_cvtsi32_si128((int)crc));
  bytes += 64;
  count -= 64;
  for (; count >= 64; bytes += 64, count -= 64) {
    for (int i = 0; i < 4; i++) {
      blocks[i] = fold(blocks[i], FOLD_64, load16(bytes + 16 * i));
    }
  }
  return finish(blocks, bytes, count);
}

VPCLMUL static inline __m512i fold_wide(__m512i block, __m512i by, __m512i onto) {
  __m512i low = _mm512_clmulepi64_epi128(block, by, 0x00);
  __m512i high = _mm512_clmulepi64_epi128(block, by, 0x11);
  return _mm512_ternarylogic_epi64(low, high, onto, 0x96);  // exclusive or of three
}

VPCLMUL uint32_t bq_crc32_vpclmul(uint32_t crc, const uint8_t *bytes, size_t count) {
  if (count < 256) {
    return bq_crc32_pclmul(crc, bytes, count);
  }
  __m512i wide[4];
  for (int i = 0; i < 4; i++) {
    wide[i] = _mm512_loadu_si512(bytes + 64 * i);
  }
  wide[0] = _mm512_xor_si512(wide[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc)));
  bytes += 256;
  count -= 256;
  const __m512i by_256 = _mm512_broadcast_i32x4(FOLD_256);
  for (; count >= 256; bytes += 256, count -= 256) {
    for (int i = 0; i < 4; i++) {
      wide[i] = fold_wide(wide[i], by_256, _mm512_loadu_si512(bytes + 64 * i));
    }
  }
  const __m512i by_64 = _mm512_broadcast_i32x4(FOLD_64);
  __m512i last = fold_wide(wide[0], by_64, wide[1]);
  last = fold_wide(last, by_64, wide[2]);
  last = fold_wide(last, by_64, wide[3]);
  for (; count >= 64; bytes += 64, count -= 64) {
    last = fold_wide(last, by_64, _mm512_loadu_si512(bytes));
  }
  __m128i blocks[4] = {
      _mm512_castsi512_si128(last), _mm512_extracti32x4_epi32(last, 1),
      _mm512_extracti32x4_epi32(last, 2), _mm512_extracti32x4_epi32(last, 3)};
  return finish(blocks, bytes, count);
}

#endif
