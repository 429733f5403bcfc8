// CRC-32 (IEEE 802.3, as zlib's crc32) and SHA-256 for .bertq files. No dependencies, no state.
#ifndef CBERTQCHECKSUM_H
#define CBERTQCHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Continues `crc` (0 to begin) over `count` bytes, with the fastest variant this CPU has.
uint32_t bq_crc32(uint32_t crc, const void *bytes, size_t count);

// Every variant this program was built with, fastest first; the last is portable C.
size_t bq_crc32_variant_count(void);
const char *bq_crc32_variant_name(size_t variant);
bool bq_crc32_variant_available(size_t variant);
// As bq_crc32, by one variant, which must be available.
uint32_t bq_crc32_variant_run(size_t variant, uint32_t crc, const void *bytes, size_t count);

// SHA-256 (FIPS 180-4) of bytes that come in pieces.
typedef struct {
  uint32_t state[8];
  uint64_t length;      // bytes so far
  uint8_t pending[64];  // the last length % 64 bytes
} bq_sha256;

void bq_sha256_begin(bq_sha256 *sha);
void bq_sha256_update(bq_sha256 *sha, const void *bytes, size_t count);
void bq_sha256_end(bq_sha256 *sha, uint8_t digest[32]);

#ifdef __cplusplus
}
#endif

#endif
