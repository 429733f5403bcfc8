// Switches over a number of rows, each with a function compiled for exactly that many.
#ifndef BK_SWITCH_H
#define BK_SWITCH_H

// A place that no input leads to. A debug build stops there; any other build may count on its never being reached.
#ifdef DEBUG
#define BK_NEVER __builtin_trap()
#else
#define BK_NEVER __builtin_unreachable()
#endif

// Calls NAME_<rows>(...). `rows` is 1...MOST, and MOST is a number that a set may give as BK_ROW_TILE or BK_FLOAT_ROWS.
#define BK_SWITCH_ROWS(MOST, ROWS, NAME, ...) BK_SWITCH_OF(MOST)(ROWS, NAME, __VA_ARGS__)
#define BK_SWITCH_OF(MOST) BK_SWITCH_JOIN(BK_SWITCH_TO_, MOST)
#define BK_SWITCH_JOIN(A, B) A##B

#define BK_SWITCH_TO_4(ROWS, NAME, ...)  switch (ROWS) { BK_CASES_TO_4(NAME, __VA_ARGS__) default: BK_NEVER; }
#define BK_SWITCH_TO_6(ROWS, NAME, ...)  switch (ROWS) { BK_CASES_TO_6(NAME, __VA_ARGS__) default: BK_NEVER; }
#define BK_SWITCH_TO_12(ROWS, NAME, ...) switch (ROWS) { BK_CASES_TO_12(NAME, __VA_ARGS__) default: BK_NEVER; }

#define BK_CASES_TO_4(NAME, ...)                                                                  \
  case 1: NAME##_1(__VA_ARGS__); break;                                                           \
  case 2: NAME##_2(__VA_ARGS__); break;                                                           \
  case 3: NAME##_3(__VA_ARGS__); break;                                                           \
  case 4: NAME##_4(__VA_ARGS__); break;
#define BK_CASES_TO_6(NAME, ...)                                                                  \
  BK_CASES_TO_4(NAME, __VA_ARGS__)                                                                \
  case 5: NAME##_5(__VA_ARGS__); break;                                                           \
  case 6: NAME##_6(__VA_ARGS__); break;
#define BK_CASES_TO_12(NAME, ...)                                                                 \
  BK_CASES_TO_6(NAME, __VA_ARGS__)                                                                \
  case 7: NAME##_7(__VA_ARGS__); break;                                                           \
  case 8: NAME##_8(__VA_ARGS__); break;                                                           \
  case 9: NAME##_9(__VA_ARGS__); break;                                                           \
  case 10: NAME##_10(__VA_ARGS__); break;                                                         \
  case 11: NAME##_11(__VA_ARGS__); break;                                                         \
  case 12: NAME##_12(__VA_ARGS__); break;

#endif
