// AVX-512 with VNNI, and AMX tiles for linears: tdpbusd adds 16 x 16 x 64 u8 x s8 products to int32, exactly.
//
// With BK_AMX_MODEL the tile instructions are a model of them in C (bk_amx_model.h).
#define BK_SET bk_set_avx512amx
#define BK_SET_NAME "avx512amx"
#define BK_SET_REQUIRES "x86-64 with AVX-512 F, BW, DQ, VL and VNNI, and AMX-INT8"

#if defined(__x86_64__)
#ifdef BK_AMX_MODEL
#define BK_AMX_TARGET ""
#else
#define BK_AMX_TARGET ",amx-tile,amx-int8"
#endif
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx,avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni" BK_AMX_TARGET))), \
    apply_to = function)

#define BK_OWN_LINEAR 1

#include "bk_avx512.h"
#include "bk_amx.h"

static uint64_t bk_peak_s8(uint64_t rounds) {
  bk_amx_configure(&bk_amx_whole_tiles);
  for (uint64_t n = 0; n < rounds; n++) {
    bk_amx_add_products(0, 4, 6);
    bk_amx_add_products(1, 4, 7);
    bk_amx_add_products(2, 5, 6);
    bk_amx_add_products(3, 5, 7);
  }
  bk_amx_release();
  return rounds * 4 * 16 * 16 * 64;
}

#include "bk_avx512_softmax.h"
#include "../shared/bk_set.h"

#pragma clang attribute pop
#else
#include "../shared/bk_absent.h"
#endif
