// Compares every variant of CRC-32 with the definition, bit by bit, and SHA-256 with FIPS 180-4's examples.
// Built for this machine and for aarch64 by tools/check/checksum; needs nothing but a C library.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CBertqChecksum.h"

static uint32_t definition(uint32_t crc, const uint8_t *bytes, size_t count) {
  crc = ~crc;
  for (size_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
  }
  return ~crc;
}

static int failures = 0;

static void check_crc(size_t variant) {
  enum { longest = 1400 };
  const char *name = bq_crc32_variant_name(variant);
  if (!bq_crc32_variant_available(variant)) {
    printf("%s: not on this CPU\n", name);
    return;
  }
  if (bq_crc32_variant_run(variant, 0, "123456789", 9) != 0xCBF43926u) {
    printf("%s: wrong check value\n", name), failures++;
  }
  uint64_t random = 1;
  for (size_t start = 0; start < 64; start++) {
    for (size_t count = 0; count <= longest; count += count < 320 ? 1 : 37) {
      uint8_t *bytes = malloc(start + count + 1);  // exact, so that a sanitizer sees a read past it
      for (size_t i = 0; i < start + count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(random >> 56);
      }
      uint32_t crc = start % 3 ? (uint32_t)(random >> 8) : 0;
      if (bq_crc32_variant_run(variant, crc, bytes + start, count) !=
          definition(crc, bytes + start, count)) {
        printf("%s: wrong at start %zu, length %zu\n", name, start, count), failures++;
      }
      free(bytes);
    }
  }
  printf("%s: checked\n", name);
}

static void check_sha(const char *text, size_t times, const char *expected) {
  bq_sha256 sha;
  uint8_t digest[32];
  char hex[65];
  bq_sha256_begin(&sha);
  for (size_t i = 0; i < times; i++) {
    bq_sha256_update(&sha, text, strlen(text));
  }
  bq_sha256_end(&sha, digest);
  for (int i = 0; i < 32; i++) {
    sprintf(hex + 2 * i, "%02x", digest[i]);
  }
  if (strcmp(hex, expected) != 0) {
    printf("SHA-256: %s, expected %s\n", hex, expected), failures++;
  }
}

int main(void) {
  for (size_t i = 0; i < bq_crc32_variant_count(); i++) {
    check_crc(i);
  }
  check_sha("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check_sha("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  check_sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  check_sha("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  printf("SHA-256: checked\n%d failures\n", failures);
  return failures != 0;
}
