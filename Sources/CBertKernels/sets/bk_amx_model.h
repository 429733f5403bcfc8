// The AMX instructions that the set uses, in C: for machines without them, and for sanitizers. It is stricter than a CPU
// where that finds mistakes: sizes that do not agree stop the program, and so does a tile used without a configuration.
#ifndef BK_AMX_MODEL_H
#define BK_AMX_MODEL_H

#include <stdint.h>
#include <string.h>

enum { BK_MODEL_TILES = 8, BK_MODEL_ROWS = 16, BK_MODEL_BYTES = 64 };

// A thread's tiles: an instruction sees those of the thread that runs it.
static _Thread_local struct {
  bk_amx_config config;  // palette 0: none
  uint8_t tile[BK_MODEL_TILES][BK_MODEL_ROWS][BK_MODEL_BYTES];
} bk_model;

static void bk_model_demand(int holds) {
  if (!holds) __builtin_trap();
}

static void bk_amx_configure(const bk_amx_config *config) {
  bk_model_demand(config->palette == 1 && config->start_row == 0);
  for (int t = 0; t < BK_MODEL_TILES; t++) {
    bk_model_demand(config->rows[t] <= BK_MODEL_ROWS && config->bytes[t] <= BK_MODEL_BYTES);
  }
  memset(&bk_model, 0, sizeof bk_model);
  bk_model.config = *config;
}

static void bk_amx_release(void) { memset(&bk_model, 0, sizeof bk_model); }

static void bk_amx_zero(int t) {
  bk_model_demand(bk_model.config.palette == 1);
  memset(bk_model.tile[t], 0, sizeof bk_model.tile[t]);
}

static void bk_amx_load(int t, const void *from, ptrdiff_t stride) {
  bk_amx_zero(t);
  for (int r = 0; r < bk_model.config.rows[t]; r++) {
    memcpy(bk_model.tile[t][r], (const char *)from + r * stride, bk_model.config.bytes[t]);
  }
}

static void bk_amx_store(int t, void *to, ptrdiff_t stride) {
  bk_model_demand(bk_model.config.palette == 1);
  for (int r = 0; r < bk_model.config.rows[t]; r++) {
    memcpy((char *)to + r * stride, bk_model.tile[t][r], bk_model.config.bytes[t]);
  }
}

// sums[m][n] += a[m][4 k + i] * b[k][4 n + i], a unsigned and b signed, over k and i; modulo 2^32.
static void bk_amx_add_products(int sums, int a, int b) {
  const bk_amx_config *c = &bk_model.config;
  bk_model_demand(c->palette == 1 && sums != a && sums != b && a != b);
  bk_model_demand(c->rows[sums] == c->rows[a] && c->bytes[sums] == c->bytes[b] && c->bytes[a] == 4 * c->rows[b]);
  for (int m = 0; m < c->rows[sums]; m++) {
    for (int n = 0; n < c->bytes[sums] / 4; n++) {
      uint32_t sum;
      memcpy(&sum, &bk_model.tile[sums][m][4 * n], sizeof sum);
      for (int k = 0; k < c->rows[b]; k++) {
        for (int i = 0; i < 4; i++) {
          const int32_t w = (int8_t)bk_model.tile[b][k][4 * n + i];
          sum += (uint32_t)(bk_model.tile[a][m][4 * k + i] * w);
        }
      }
      memcpy(&bk_model.tile[sums][m][4 * n], &sum, sizeof sum);
    }
  }
}

#endif
