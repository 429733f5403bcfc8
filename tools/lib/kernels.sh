# Compiles the kernels into a C program of tools/. Sourced by bash scripts that stand in the repository's root.

# The C compiler of the Swift toolchain, unless CLANG names another.
if [ -z "${CLANG:-}" ]; then
  toolchain=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)\/lib\/swift".*/\1/p')
  CLANG=$toolchain/bin/clang
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

. tools/lib/beside.sh

kernel_flags=(-std=gnu11 -Wall -Werror)

# compile_with_kernels OUTPUT SOURCE-OR-OPTION...
compile_with_kernels() {
  local to=$1 options=("${kernel_flags[@]}") sources argument
  shift
  mapfile -t sources < <(find Sources/CBertKernels -name '*.c')
  for argument in "$@"; do
    case $argument in *.c) sources+=("$argument") ;; *) options+=("$argument") ;; esac
  done
  mapfile -t -O ${#options[@]} options < <(find Sources/CBertKernels -type d -printf '-I%p\n')
  mkdir "$to.objects"
  for argument in "${sources[@]}"; do
    beside "" "$CLANG" "${options[@]}" -Wno-unused-command-line-argument -c "$argument" -o "$to.objects/${argument//\//-}.o"
  done
  wait_for_all
  "$CLANG" "${options[@]}" -fuse-ld=lld "$to.objects"/*.o -lm -o "$to"
}

# compile_kernel_check OUTPUT OPTION...: the program that compares all sets, and checks their digests.
compile_kernel_check() {
  local to=$1
  shift
  compile_with_kernels "$to" "$@" -ISources/CKernelCheck/include Sources/CKernelCheck/*.c tools/check/kernel-check/*.c
}

# Options for sets whose instructions this CPU lacks, to be tested all the same: AVX-VNNI in the encoding of AVX-512, and
# AMX by a model of its instructions in C.
stand_ins=(-DBK_EVEX_TWIN -DBK_AMX_MODEL)

# What /proc/cpuinfo says of this CPU, so that a set that should have run cannot go missing: --require NAME ...
required_sets() {
  local features
  features=" $(sed -nE 's/^(flags|Features)[^:]*: //p;T;q' /proc/cpuinfo) "
  case $features in *" amx_int8 "*) echo --require avx512amx ;; esac
  case $features in *" avx512_vnni "*) echo --require avx512vnni ;; esac
  case $features in *" avx_vnni "*) echo --require avxvnni ;; esac
  case $features in *" avx2 "*) echo --require avx2 ;; esac
  case $features in *" i8mm "*) echo --require neon-i8mm ;; esac
  case $features in *" asimddp "*) echo --require neon-dot ;; esac
  case $features in *" asimd "*) echo --require neon ;; esac
  echo --require portable
}

# need COMMAND PACKAGE: ends with what to install when a command is missing.
need() {
  if ! command -v "$1" >/dev/null; then
    echo "$0: $1 is missing: apt-get install $2" >&2
    exit 69
  fi
}
