# Runs checks one after another and counts them. Sourced by bash scripts that stand in the repository's root.
#
# A check ends with code 0 when it passed and with 77 when nothing of it could run; any other code is a failure. What it left
# out it says in lines "skipped: REASON".

passed=() failed=() skipped=()

# begin_steps FOLDER: where each step's log goes.
begin_steps() {
  logs=$1
  rm -rf "$logs"
  mkdir -p "$logs"
}

# step NAME COMMAND...: runs it, shows its last lines, keeps its log and result.
step() {
  local name=$1 log=$logs/${1// /-}.log begin=$SECONDS code=0 result
  shift
  printf '\n== %s\n' "$name"
  "$@" > "$log" 2>&1 || code=$?
  case $code in
    0) passed+=("$name") result=passed; tail -n 3 "$log" ;;
    77) skipped+=("$name") result=skipped; tail -n 3 "$log" ;;
    *) failed+=("$name") result=FAILED; tail -n 60 "$log" ;;
  esac
  printf -- '-- %s: %s (%s s)' "$name" "$result" $((SECONDS - begin))
  if [ $result = FAILED ]; then
    printf '; all of it is in %s\n' "$log"
    return 1
  fi
  printf '\n'
}

# not_reached NAME...: steps that need one that failed.
not_reached() {
  local name
  for name in "$@"; do failed+=("$name (not reached)"); done
}

# Every part that was left out, with its reason; a Swift test's reason stands in its own report.
skips() { grep -hiE '^ *(skipped|skip):|Test .* skipped' "$logs"/*.log 2> /dev/null | sort | uniq -c; }

# The steps' results in one line; fails when a step failed.
end_steps() {
  local parts name
  parts=$(skips)
  printf '\n== Skipped\n%s\n' "${parts:-nothing}"
  printf '\n== Result\n'
  for name in "${failed[@]}"; do printf 'FAILED: %s\n' "$name"; done
  printf '%s steps passed, %s failed, %s skipped whole; %s parts skipped (%s s)\n' ${#passed[@]} ${#failed[@]} ${#skipped[@]} \
    "$(printf '%s' "$parts" | awk '{ sum += $1 } END { print sum + 0 }')" $SECONDS
  [ ${#failed[@]} = 0 ]
}
