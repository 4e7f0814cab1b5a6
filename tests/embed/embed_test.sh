#!/bin/bash
# Installs the package into a temporary prefix, builds deploy/examples/embed against it with
# find_package, runs it, and compares what it prints.
# Usage: embed_test.sh SOURCE_DIR BUILD_DIR [compiler flags of the build, for example a sanitizer]
set -euo pipefail
source_dir=$1 build_dir=$2 flags=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build_dir" --prefix "$work/prefix" >"$work/install.log"
test -x "$work/prefix/bin/clusterdns"
cmake -S "$source_dir/deploy/examples/embed" -B "$work/build" -G Ninja \
  -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS="$flags" >"$work/configure.log"
cmake --build "$work/build" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$work/build/embed" | tee "$work/out"
grep -q '^listening on 127.0.0.1:[0-9]*$' "$work/out"
diff <(tail -n +2 "$work/out") - <<'EXPECTED'
web.default.svc.cluster.local A: NOERROR 10.96.0.20
db-1.db.default.svc.cluster.local A: NOERROR 10.244.0.2
_sql._tcp.db.default.svc.cluster.local SRV: NOERROR 0 50 5432 db-0.db.default.svc.cluster.local. 0 50 5432 db-1.db.default.svc.cluster.local.
db.default.svc.cluster.local A: NOERROR 10.244.0.1
db-1.db.default.svc.cluster.local A: NXDOMAIN
EXPECTED
