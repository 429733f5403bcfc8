# Fetches Debian packages of any release and architecture into a folder, without installing them. Sourced by bash scripts.

# fetch_packages RELEASE ARCHITECTURE FOLDER [--with-dependencies] PACKAGE...: the archives, into FOLDER.
fetch_packages() {
  local release=$1 architecture=$2 folder=$3 work code=0
  shift 3
  work=$(mktemp -d)
  mkdir -p "$work"/{lists/partial,archives/partial,parts} "$folder"
  touch "$work/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main" > "$work/sources.list"
  # A mirror may be a frozen one, whose signatures have run out.
  cat > "$work/apt.conf" <<CONFIGURATION
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/parts";
Dir::Etc::preferencesparts "$work/parts";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
Acquire::Check-Valid-Until "false";
CONFIGURATION
  export APT_CONFIG=$work/apt.conf
  if ! apt-get -q update > "$work/log" 2>&1; then
    code=1
  elif [ "$1" = --with-dependencies ]; then
    apt-get -q -y --no-install-recommends --download-only install "${@:2}" > "$work/log" 2>&1 || code=1
    [ "$code" != 0 ] || mv "$work"/archives/*.deb "$folder"
  else
    (cd "$folder" && apt-get -q download "$@") > "$work/log" 2>&1 || code=1
  fi
  unset APT_CONFIG
  [ "$code" = 0 ] || cat "$work/log" >&2
  rm -rf "$work"
  return "$code"
}
