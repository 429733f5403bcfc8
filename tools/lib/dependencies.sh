# Says what is missing and installs it. Sourced by the scripts in tools/; needs bash.
#
# A dependency is "what shows that it is there | Debian package".

cache=${BERTQ_CACHE:-$HOME/.cache/bertq}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

build_dependencies=(
  "command -v pkg-config | pkg-config"
  "header protobuf-c/protobuf-c.h | libprotobuf-c-dev"
  "header zlib.h | zlib1g-dev"
  "command -v git | git"
)
python_dependencies=(
  "command -v python3 | python3"
  "python3 -m pip --version | python3-pip"
)
# Other processors are emulated, so that every kernel runs in the tests whatever this CPU is.
test_dependencies=(
  "command -v qemu-aarch64-static | qemu-user-static"
  "command -v objdump | binutils"
)
if [ "$(uname -m)" != aarch64 ]; then
  test_dependencies+=(
    "command -v aarch64-linux-gnu-gcc | gcc-aarch64-linux-gnu"
    "test -e /usr/aarch64-linux-gnu/include/stdio.h | libc6-dev-arm64-cross"
  )
fi

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]; }

# Runs a command as root.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    fail "needs root for: $*
Run that as root, or install sudo, then run this again."
  fi
}

# Installs the packages of the dependencies given that are not there; says so first.
install_missing() {
  local missing=() entry
  for entry in "$@"; do
    eval "${entry% | *}" > /dev/null 2>&1 || missing+=("${entry##* | }")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Missing: ${missing[*]}"
  command -v apt-get > /dev/null || fail "there is no apt-get here: install what these Debian packages hold by hand."
  say "Installing with apt-get: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "apt-get could not install: ${missing[*]}"
  fi
  rm -f "$log"
}

# Checks for Swift 6.1 or newer.
need_swift() {
  command -v swift > /dev/null || fail "there is no swift on the PATH. Swift 6.1 or newer is needed:
see https://www.swift.org/install/linux/, then open a new shell and run this again."
  local version
  version=$(swift --version 2> /dev/null | sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | head -n 1)
  [ -n "$version" ] || fail "'swift --version' names no version; is this Swift's own toolchain: $(command -v swift)?"
  local major=${version% *} minor=${version#* }
  if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 1 ]; }; then
    fail "this is Swift $major.$minor; 6.1 or newer is needed: see https://www.swift.org/install/linux/"
  fi
}

# Makes NumPy importable for the Python scripts of tools/: the system's own, or one in the cache folder.
need_numpy() {
  local numpy_folder=$cache/python-numpy
  export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}$numpy_folder"
  python3 -c 'import numpy' 2> /dev/null && return 0
  say "Missing: NumPy"
  say "Installing with pip into $numpy_folder: numpy"
  python3 -m pip install --quiet --target "$numpy_folder" 'numpy>=1.24' || fail "pip could not install NumPy"
  python3 -c 'import numpy' || fail "NumPy was installed but cannot be imported"
}
