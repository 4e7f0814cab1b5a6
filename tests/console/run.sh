#!/bin/bash
# run.sh types | TEST.mjs: the console's page, type-checked, or in a real Chromium. 77: skipped, and
# why. npm installs what package-lock.json names, once, below build/.
set -euo pipefail
HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)

skip() {
  echo "skipped: $*"
  exit 77
}

command -v node >/dev/null || skip "node is not installed (Debian package nodejs)"
command -v npm >/dev/null || skip "npm is not installed (Debian package npm)"
CLUSTERDNS_NODE=${CLUSTERDNS_NODE:-$ROOT/build/console-node}
export CLUSTERDNS_NODE
mkdir -p "$CLUSTERDNS_NODE"
(
  # Tests that start together install once.
  flock 9
  cmp -s "$HERE/package-lock.json" "$CLUSTERDNS_NODE/installed" && exit 0
  rm -f "$CLUSTERDNS_NODE/installed"
  cp "$HERE/package.json" "$HERE/package-lock.json" "$CLUSTERDNS_NODE"
  cd "$CLUSTERDNS_NODE"
  timeout 240 npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1 || exit 1
  cp package-lock.json installed
) 9>"$CLUSTERDNS_NODE/lock" || skip "npm cannot install what the tests use: $(tail -n 1 "$CLUSTERDNS_NODE/npm.log" 2>/dev/null)"

if [ "$1" = types ]; then
  exec node "$CLUSTERDNS_NODE/node_modules/typescript/bin/tsc" -p "$HERE/tsconfig.json"
fi
CHROMIUM=$(command -v chromium-headless-shell || command -v chromium || true)
export CHROMIUM
[ -n "$CHROMIUM" ] || skip "chromium is not installed (Debian package chromium-headless-shell)"
command -v python3 >/dev/null || skip "python3 is not installed"
# Pictures of what was seen.
export CLUSTERDNS_SCREENSHOTS=${CLUSTERDNS_SCREENSHOTS:-$ROOT/build/console-screenshots}
mkdir -p "$CLUSTERDNS_SCREENSHOTS"
exec node --test --test-reporter=spec "$HERE/$1"
