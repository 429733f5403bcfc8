#include "CBertKernels.h"
