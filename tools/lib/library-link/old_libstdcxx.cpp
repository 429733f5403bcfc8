// What newer compilers call where an array's length overflows; libstdc++ before GCC 12 does not have it.
#include <new>

namespace std {
__attribute__((visibility("hidden"))) void __throw_bad_array_new_length() { throw bad_array_new_length(); }
}  // namespace std
