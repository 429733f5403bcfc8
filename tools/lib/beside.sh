# Runs commands beside each other, as many at once as there are cores. Sourced by bash scripts that stand in the repository's root
# and have made a folder of their own, $out.

begun=0

# beside HEADING COMMAND...: starts it; wait_for_all shows what it said, below the heading.
beside() {
  local log=$out/beside.$begun
  begun=$((begun + 1))
  if [ -n "$1" ]; then printf '%s\n' "$1"; fi > "$log"
  shift
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || :; done
  { code=0; "$@" >> "$log" 2>&1 || code=$?; echo "$code" > "$log.code"; } &
}

# wait_for_all: waits for all that was begun, shows what each said in the order in which they began, and fails when one failed.
wait_for_all() {
  local i failures=0
  wait
  for ((i = 0; i < begun; i++)); do
    cat "$out/beside.$i"
    [ "$(cat "$out/beside.$i.code")" = 0 ] || failures=$((failures + 1))
  done
  rm -f "$out"/beside.*
  begun=0
  [ $failures = 0 ]
}
