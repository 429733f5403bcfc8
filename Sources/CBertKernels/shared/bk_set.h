// The end of a kernel set: what all sets share, compiled for this one, and its table.
#ifndef BK_SET_H
#define BK_SET_H

#include "bk_attention_f32.h"
#include "bk_attention_s8.h"
#include "bk_peak.h"
#include "bk_relatives.h"

const bk_kernels BK_SET = {
    .name = BK_SET_NAME,
    .requires = BK_SET_REQUIRES,
    .linear_s8_scratch = bk_linear_s8_scratch,
    .linear_s8 = bk_linear_s8_rows,
    .linear_f32 = bk_linear_f32_rows,
    .quantize_rows = bk_quantize_rows,
    .rotate_row = bk_rotate_row,
    .norm_rows = bk_norm_rows,
    .embed_rows = bk_embed_rows,
    .gate_rows = bk_gate_rows,
    .turn_rows = bk_turn_rows,
    .attend_s8_scratch = bk_attend_s8_scratch,
    .attend_s8 = bk_attend_s8,
    .attend_f32_scratch = bk_attend_f32_scratch,
    .relative_scratch = bk_relative_scratch,
    .attend_f32 = bk_attend_f32,
    .mean_rows = bk_mean_rows,
    .normalize_row = bk_normalize_row,
    .tanh_row = bk_tanh_row,
    .peak_s8 = bk_peak_s8,
    .peak_f32 = bk_peak_f32,
};

#endif
