// Cases of every kernel with values from a seed, and the digest of what they give: one number for all kernel sets on all
// CPUs. Plain C, so that it can be cross-compiled and run under an emulator; bert-bench and the checks of the kernels run it.
#ifndef C_KERNEL_CHECK_H
#define C_KERNEL_CHECK_H

#include "CBertKernels.h"

// The digest that every set gives; it changes only with the numeric contract. And that of attention whose scores have
// biases by distance, of gates and turned rows, of attention in a window, and of attention whose scores have terms by
// distance, which came later and have cases of their own, so that the first could stay what it was.
static const uint64_t kernel_check_known_digest = 0x787d909e4dd5619du;
static const uint64_t kernel_check_known_bias_digest = 0xd8f4a7814139a396u;
static const uint64_t kernel_check_known_relatives_digest = 0xa583cefd9a8452d8u;
static const uint64_t kernel_check_known_window_digest = 0x260495ea0559f46fu;
static const uint64_t kernel_check_known_term_digest = 0x986d4752927e36d4u;

// The digest of what a set gives in all cases, some seconds of one thread's work. It must be able to run here. Not for two
// threads at a time. A process that has no memory for it, or whose kernels write outside theirs, ends.
uint64_t kernel_check_digest(const bk_kernels *set);
uint64_t kernel_check_bias_digest(const bk_kernels *set);
uint64_t kernel_check_relatives_digest(const bk_kernels *set);
uint64_t kernel_check_window_digest(const bk_kernels *set);
uint64_t kernel_check_term_digest(const bk_kernels *set);

#endif
