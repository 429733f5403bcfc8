// A set of another architecture: its name and what it requires, no functions.
#include "CBertKernels.h"

const bk_kernels BK_SET = {.name = BK_SET_NAME, .requires = BK_SET_REQUIRES};
