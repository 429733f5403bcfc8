// hypotf of glibc 2.35 has a symbol version of its own. Swift's overlay of the C library refers to it and nothing calls
// that, so a definition of our own, hidden in the library, is what lets it load with an older glibc.
#include <math.h>

__attribute__((visibility("hidden"))) float hypotf(float x, float y) {
  return (float)sqrt((double)x * x + (double)y * y);
}
