// The variants of CRC-32. All take and give the inverted register: 0xFFFFFFFF to begin.
#ifndef CRC32_VARIANTS_H
#define CRC32_VARIANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t bq_crc32_portable(uint32_t crc, const uint8_t *bytes, size_t count);

#if defined(__x86_64__)
bool bq_crc32_has_pclmul(void);
uint32_t bq_crc32_pclmul(uint32_t crc, const uint8_t *bytes, size_t count);
bool bq_crc32_has_vpclmul(void);
uint32_t bq_crc32_vpclmul(uint32_t crc, const uint8_t *bytes, size_t count);
#elif defined(__aarch64__) && defined(__linux__)
bool bq_crc32_has_armv8(void);
uint32_t bq_crc32_armv8(uint32_t crc, const uint8_t *bytes, size_t count);
#endif

#endif
