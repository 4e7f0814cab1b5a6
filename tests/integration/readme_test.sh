#!/bin/bash
# README.md, docs/ and deploy/README.md are true: runs the blocks they mark.
#
#   ```console check     commands with what they print, see deploy/transcript. They ask the server of
#                        the page's last `corefile serve`, or one that serves deploy/examples
#   ```corefile check    `clusterdns check` has nothing to say against it
#   ```corefile serve    the same, and it is served from here on, for the page's commands
#   ```corefile upstream the same, and another server has it, for the `corefile serve` below it
#   ```TYPE file NAME    a file of that name, in the folder where the page's commands run
#
# Ports are written as a reader would choose them: 1053 and 1054 for DNS, 8080, 8181 and 9153 for
# HTTP. Here they are others, which are free. Every directive has a page, and `docs/corefile.md`
# names it.
#
# CLUSTERDNS_BINARY names the server, where the pages say build/release/clusterdns.
set -uo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${CLUSTERDNS_BINARY:?set it to the clusterdns binary}"
# Seconds until the server has to listen: sanitizers on a loaded machine.
START_LIMIT=120
# shellcheck source=deploy/transcript
. "$ROOT/deploy/transcript"
for command in dig curl; do
  if ! command -v $command >/dev/null; then
    echo "SKIPPED: $command is not installed (Debian packages bind9-dnsutils and curl)"
    exit 77
  fi
done

# As the pages have it, whichever build is tested. The paths in them are relative to the project.
WORK=$(mktemp -d)
SERVERS=()
stop_servers() {
  local server
  for server in "${SERVERS[@]}"; do kill -TERM "$server" 2>/dev/null; done
  for server in "${SERVERS[@]}"; do wait "$server" 2>/dev/null; done
  SERVERS=()
}
# shellcheck disable=SC2317 # the trap calls it
finish() {
  stop_servers
  rm -rf "$WORK"
}
trap finish EXIT

FAILED=0
failed() {
  echo "FAILED: $1"
  FAILED=1
}

# use_folder: a new folder for a page, which looks like the project's.
use_folder() {
  cd "$WORK" && rm -rf "$WORK/root" && mkdir -p "$WORK/root/build/release" \
    && ln -s "$CLUSTERDNS_BINARY" "$WORK/root/build/release/clusterdns" \
    && ln -s "$ROOT/deploy" "$WORK/root/deploy" && cd "$WORK/root" || exit 1
}

# start_server COMMAND…: 0 when it listens; its port is in PORT then. 1: it ended; see $WORK/log.
start_server() {
  local server deadline=$((SECONDS + START_LIMIT))
  rm -f "$WORK/log" # another server may still write to the one before
  : >"$WORK/log"    # it is read before the server has written
  "$@" >"$WORK/log" 2>&1 &
  server=$!
  SERVERS+=("$server")
  PORT=
  while kill -0 "$server" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
    PORT=$(sed -n '/Listening on 127\.0\.0\.1:/{s/.*1:\([0-9]*\) (udp, tcp)$/\1/p;q}' "$WORK/log")
    [ -z "$PORT" ] || return 0
    sleep 0.02
  done
  return 1
}

serve_examples() {
  OTHER_PORTS=()
  stop_servers
  start_server build/release/clusterdns serve --manifests deploy/examples --listen 127.0.0.1:0 \
    --no-forward || {
    failed "the server did not start"
    cat "$WORK/log"
    exit 1
  }
}

# with_ports: a filter that has the ports of the running server in place of those of the page.
with_ports() {
  local pair script=()
  for pair in "${OTHER_PORTS[@]}"; do script+=(-e "s/\b${pair%=*}\b/${pair#*=}/g"); done
  sed "${script[@]:--e}" "${script[@]:+-e}" ''
}

# start_corefile FILE: starts a server with it, at the ports in OTHER_PORTS.
start_corefile() {
  with_ports <"$1" >"$1.served"
  start_server build/release/clusterdns -conf "$1.served"
}

# serve_corefile FILE [UPSTREAM]: serves both, at ports that are free.
serve_corefile() {
  local base tries
  for ((tries = 0; tries < 20; ++tries)); do
    stop_servers
    base=$((20000 + RANDOM % 12000))
    OTHER_PORTS=("1053=$base" "1054=$((base + 1))" "8080=$((base + 2))" "8181=$((base + 3))"
      "9153=$((base + 4))")
    if { [ -z "${2:-}" ] || start_corefile "$2"; } && start_corefile "$1"; then
      # Ready means that what is asked now is answered from all there is.
      ! grep -q '^ *ready' "$1" || curl --silent --fail --output /dev/null --retry 600 \
        --retry-delay 0 --retry-all-errors --max-time $START_LIMIT \
        "http://127.0.0.1:$((base + 3))/ready" || return 1
      PORT=$base
      # The transcript knows of this one.
      OTHER_PORTS=("${OTHER_PORTS[@]:1}")
      return 0
    fi
    grep -qi 'already in use' "$WORK/log" || break
  done
  return 1
}

# blocks_of PAGE: each marked block as a file in $WORK/blocks, by its number, with its marks in NUMBER.mark.
blocks_of() {
  rm -rf "$WORK/blocks"
  mkdir "$WORK/blocks"
  awk -v folder="$WORK/blocks" '
    !inside && /^ *```[a-z]+ (check|serve|upstream|file .+)$/ {
      name = sprintf("%s/%03d", folder, ++n)
      sub(/^ *```/, "")
      print > (name ".mark")
      printf "" > name
      inside = 1
      next
    }
    inside && /^ *```$/ { inside = 0; close(name); next }
    inside { print > name }' "$1"
}

check_corefile() {
  build/release/clusterdns check "$1" || failed "the Corefile above is not good"
}

check_page() {
  local page=$1 block mark before=$TRANSCRIPT_WRONG
  printf -- '---- %s\n' "${page#"$ROOT/"}"
  blocks_of "$page"
  use_folder
  local running='' upstream=''
  for block in "$WORK"/blocks/???; do
    [ -e "$block" ] || continue
    mark=$(cat "$block.mark")
    case $mark in
      'console check')
        [ -n "$running" ] || serve_examples
        running=yes
        with_ports <"$block" >"$WORK/console"
        run_transcript "$WORK/console" "$PORT"
        ;;
      'corefile check') cp "$block" Corefile && check_corefile Corefile ;;
      'corefile upstream')
        cp "$block" Upstream && check_corefile Upstream
        upstream=Upstream
        ;;
      'corefile serve')
        cp "$block" Corefile && check_corefile Corefile
        serve_corefile Corefile "$upstream" || {
          failed "the Corefile above is not served"
          cat "$WORK/log"
        }
        running=yes upstream=
        ;;
      *' file '*) cp "$block" "${mark#* file }" ;;
      *) failed "${page#"$ROOT/"} has a block '$mark', which nothing here runs" ;;
    esac
  done
  [ "$before" -eq "$TRANSCRIPT_WRONG" ] || failed "${page#"$ROOT/"} says what is not so"
}

mapfile -t PAGES < <(find "$ROOT/docs" -name '*.md' | sort)
PAGES+=("$ROOT/deploy/README.md")
for page in "$ROOT/README.md" "${PAGES[@]}"; do check_page "$page"; done
[ $TRANSCRIPT_RIGHT -gt 0 ] || failed "no page has a console block to check"

# The sample questions are those of the demo.
awk '/^```console check$/ { inside = 1; next } inside && /^```$/ { exit } inside' "$ROOT/docs/laptop.md" \
  | diff - "$ROOT/deploy/examples/questions.txt" \
  || failed "the sample questions of docs/laptop.md are not deploy/examples/questions.txt"

# options_of DIRECTIVE: what the program knows between its braces.
options_of() {
  local arguments=''
  case $1 in forward | proxy) arguments='. 192.0.2.53' ;; esac
  printf '.:1053 {\n%s %s {\n?\n}\n}\n' "$1" "$arguments" | "$CLUSTERDNS_BINARY" check stdin 2>&1 \
    | sed -n "s/.*'?' is not an option here; [a-z]* [a-z]*: //p" | tr -d ','
}

# Every directive of the program has a page, which names its options, and every page a directive.
[ "$(options_of kubernetes | wc -w)" -gt 10 ] || failed "the options of a directive are not found"
"$CLUSTERDNS_BINARY" -plugins >"$WORK/plugins" || failed "clusterdns -plugins"
while read -r directive; do
  [ -f "$ROOT/docs/directives/$directive.md" ] || failed "docs/directives/$directive.md is missing"
  grep -qF "(directives/$directive.md)" "$ROOT/docs/corefile.md" \
    || failed "docs/corefile.md does not name the directive $directive"
  for option in $(options_of "$directive"); do
    grep -qF "\`$option" "$ROOT/docs/directives/$directive.md" \
      || failed "docs/directives/$directive.md does not name the option $option"
  done
done <"$WORK/plugins"
for page in "$ROOT"/docs/directives/*.md; do
  directive=$(basename "$page" .md)
  grep -qx "$directive" "$WORK/plugins" || failed "${page#"$ROOT/"}: there is no such directive"
done

# Links between pages lead somewhere.
for page in "$ROOT/README.md" "${PAGES[@]}"; do
  while read -r target; do
    [ -e "$(dirname "$page")/$target" ] || failed "${page#"$ROOT/"} links to $target, which is not there"
  done < <(grep -oE '\]\([^)#:]+' "$page" | cut -c3-)
done

# Prose has 100 columns at most. Tables and what is copied from a terminal may be wider.
(cd "$ROOT" && find README.md CHANGELOG.md deploy docs -name '*.md' -print0 | xargs -0 python3 -c '
import sys
wrong = 0
for path in sys.argv[1:]:
    code = False
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.lstrip().startswith("```"):
            code = not code
        elif len(line) > 100 and not code and not line.startswith(("|", "    ")):
            print(f"FAILED: {path}:{number} has {len(line)} columns")
            wrong = 1
sys.exit(wrong)') || FAILED=1

# The tests that docs/rfcs.md names are there.
# shellcheck disable=SC2016 # the grave accents are Markdown's
while read -r suite; do
  grep -qrE "^TEST(_[FP])?\(${suite//\*/[A-Za-z0-9_]*}(Test)?, " "$ROOT/tests/conformance" "$ROOT/tests/integration" \
    || failed "docs/rfcs.md names the tests $suite, which are not there"
done < <(grep -oE '`(integration/)?[A-Z][A-Za-z0-9_]*(\*|\.\*)`' "$ROOT/docs/rfcs.md" \
  | sed -e 's/`//g' -e 's/^integration\///' -e 's/\.\*$//' | sort -u)

echo "$TRANSCRIPT_RIGHT right, $TRANSCRIPT_WRONG wrong"
exit $FAILED
