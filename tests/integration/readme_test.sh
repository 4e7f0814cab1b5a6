#!/bin/bash
# README.md is true: runs the blocks it marks with `check` against a server with the examples.
#
#   ```console check     commands with what they print, see deploy/transcript
#   ```corefile check    `clusterdns check` has nothing to say against it
#
# CLUSTERDNS_BINARY names the server, where README says build/release/clusterdns.
set -uo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${CLUSTERDNS_BINARY:?set it to the clusterdns binary}"
# Seconds until the server has to listen: sanitizers on a loaded machine.
START_LIMIT=30
# shellcheck source=deploy/transcript
. "$ROOT/deploy/transcript"
if ! command -v dig >/dev/null; then
  echo "SKIPPED: dig is not installed (Debian package bind9-dnsutils)"
  exit 77
fi

# As README has it, whichever build is tested. The paths in it are relative to the project.
WORK=$(mktemp -d)
mkdir -p "$WORK/root/build/release"
ln -s "$CLUSTERDNS_BINARY" "$WORK/root/build/release/clusterdns"
ln -s "$ROOT/deploy" "$WORK/root/deploy"
cd "$WORK/root" || exit 1

: >"$WORK/log" # it is read before the server has written
build/release/clusterdns serve --manifests deploy/examples --listen 127.0.0.1:0 --no-forward \
  >"$WORK/log" 2>&1 &
SERVER=$!
finish() {
  kill -TERM "$SERVER" 2>/dev/null
  wait "$SERVER" 2>/dev/null
  rm -rf "$WORK"
}
trap finish EXIT
PORT=
deadline=$((SECONDS + START_LIMIT))
while [ -z "$PORT" ] && kill -0 "$SERVER" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
  PORT=$(sed -n '/Listening on 127\.0\.0\.1:/{s/.*1:\([0-9]*\) (udp, tcp)$/\1/p;q}' "$WORK/log")
  [ -n "$PORT" ] || sleep 0.02
done
if [ -z "$PORT" ]; then
  echo "FAILED: the server did not start"
  cat "$WORK/log"
  exit 1
fi

# blocks KIND: the lines of all blocks of this kind, an empty line behind each.
blocks() {
  awk -v fence="\`\`\`$1 check" '
    $0 == fence { inside = 1; next }
    inside && $0 == "```" { inside = 0; print ""; next }
    inside { print }' "$ROOT/README.md"
}

FAILED=0
blocks console >"$WORK/console"
blocks corefile >"$WORK/Corefile"
run_transcript "$WORK/console" "$PORT"
[ $TRANSCRIPT_WRONG -eq 0 ] || FAILED=1
[ $TRANSCRIPT_RIGHT -gt 0 ] || {
  echo "FAILED: README has no console block to check"
  FAILED=1
}
build/release/clusterdns check "$WORK/Corefile" || {
  echo "FAILED: README's Corefile is not good"
  FAILED=1
}
# The sample questions are those of the demo.
awk '/^```console check$/ { inside = 1; next } inside && /^```$/ { exit } inside' "$ROOT/README.md" \
  | diff - "$ROOT/deploy/examples/questions.txt" || {
  echo "FAILED: README's sample questions are not deploy/examples/questions.txt"
  FAILED=1
}
echo "$TRANSCRIPT_RIGHT right, $TRANSCRIPT_WRONG wrong"
exit $FAILED
