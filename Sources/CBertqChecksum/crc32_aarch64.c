// CRC-32 by the CRC32 instructions of ARMv8, an option there until ARMv8.1.

#if defined(__aarch64__) && defined(__linux__)

#include <string.h>
#include <sys/auxv.h>

#include "crc32_variants.h"

bool bq_crc32_has_armv8(void) {
  return (getauxval(AT_HWCAP) & 1ul << 7) != 0;  // HWCAP_CRC32, arch/arm64/include/uapi/asm/hwcap.h
}

__attribute__((target("crc"))) uint32_t bq_crc32_armv8(
    uint32_t crc, const uint8_t *bytes, size_t count) {
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    crc = __builtin_arm_crc32d(crc, word);
  }
  for (; count > 0; bytes++, count--) {
    crc = __builtin_arm_crc32b(crc, *bytes);
  }
  return crc;
}

#endif
