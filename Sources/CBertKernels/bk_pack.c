// Weights to the panels that every kernel set reads.
#include <string.h>

#include "CBertKernels.h"

void bk_pack_f32(const float *weights, ptrdiff_t outputs, ptrdiff_t depth, float *panels) {
  for (ptrdiff_t n = 0; n < outputs; n += BK_PANEL) {
    for (ptrdiff_t k = 0; k < depth; k++) {
      for (ptrdiff_t i = 0; i < BK_PANEL; i++) {
        *panels++ = n + i < outputs ? weights[(n + i) * depth + k] : 0.0f;
      }
    }
  }
}

void bk_pack_s8(const int8_t *weights, ptrdiff_t outputs, ptrdiff_t depth, int8_t *panels) {
  for (ptrdiff_t n = 0; n < outputs; n += BK_PANEL) {
    for (ptrdiff_t k = 0; k < depth; k += BK_GROUP) {
      for (ptrdiff_t i = 0; i < BK_PANEL; i++) {
        for (ptrdiff_t j = 0; j < BK_GROUP; j++) {
          *panels++ = n + i < outputs && k + j < depth ? weights[(n + i) * depth + k + j] : 0;
        }
      }
    }
  }
}
