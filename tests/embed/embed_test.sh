#!/bin/bash
# Installs the package into a temporary prefix, builds deploy/examples/embed against it, once with
# find_package and once with pkg-config and a compiler, runs it, and compares what it prints.
# Usage: embed_test.sh SOURCE_DIR BUILD_DIR COMPILER [compiler flags of the build, for example a sanitizer]
set -euo pipefail
source_dir=$1 build_dir=$2 compiler=$3 flags=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

prefix=$work/prefix
cmake --install "$build_dir" --prefix "$prefix" >"$work/install.log"

for path in bin/clusterdns share/doc/clusterdns/{README.md,CHANGELOG.md,LICENSE,docs/corefile.md} \
  share/doc/clusterdns/examples/{20-my-service.yaml,embed/main.cpp} lib/systemd/system/clusterdns.service \
  share/man/man1/clusterdns.1 share/bash-completion/completions/clusterdns \
  share/zsh/site-functions/_clusterdns share/fish/vendor_completions.d/clusterdns.fish; do
  [ -s "$prefix/$path" ] || { echo "FAILED: $path is not installed"; exit 1; }
done
[ -x "$prefix/bin/clusterdns" ]
grep -qx "ExecStart=$prefix/bin/clusterdns -conf /etc/clusterdns/Corefile" "$prefix/lib/systemd/system/clusterdns.service" || {
  echo "FAILED: the unit starts another program"
  grep ExecStart "$prefix/lib/systemd/system/clusterdns.service"
  exit 1
}

# What bash completes, as it would: the words so far, the last one begun.
complete_words() {
  (
    # shellcheck disable=SC1091 # it is made by the installation
    . "$prefix/share/bash-completion/completions/clusterdns"
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _clusterdns || true
    echo "${COMPREPLY[*]}"
  )
}
completes() { # EXPECTED WORDS…
  local expected=$1 got
  shift
  got=$(complete_words "$@")
  [ "$got" == "$expected" ] && return
  echo "FAILED: bash completes '$*' as '$got'"
  exit 1
}
completes "serve services setup" clusterdns se
completes "unsetup" clusterdns uns
completes "--manifests" clusterdns serve --man
completes "json" clusterdns services -o j
completes "$prefix/bin" clusterdns check "$prefix/bi"
completes "" clusterdns serve --workers ''
# The manual page is one, as far as troff can tell.
if command -v groff >/dev/null; then
  warnings=$(groff -man -ww -z -Tutf8 "$prefix/share/man/man1/clusterdns.1" 2>&1)
  [ -z "$warnings" ] || { echo "FAILED: the manual page: $warnings"; exit 1; }
fi

# Every file is below the prefix, and a package is built in a folder of its own.
DESTDIR=$work/package cmake --install "$build_dir" --prefix /usr >"$work/install.log"
diff <(cd "$prefix" && find . -type f | sort) <(cd "$work/package/usr" && find . -type f | sort)
grep -qx "ExecStart=/usr/bin/clusterdns .*" "$work/package/usr/lib/systemd/system/clusterdns.service"

check() { # PROGRAM
  "$1" 2>"$work/queries" | tee "$work/out"
  grep -Eqx '127\.0\.0\.1:[0-9]+ asked for db\.default\.svc\.cluster\.local\. A: NOERROR, [0-9]+ ns' "$work/queries"
  grep -q '^listening on 127.0.0.1:[0-9]*$' "$work/out"
  diff <(tail -n +2 "$work/out") - <<'EXPECTED'
web.default.svc.cluster.local A: NOERROR 10.96.0.20
db-1.db.default.svc.cluster.local A: NOERROR 10.244.0.2
_sql._tcp.db.default.svc.cluster.local SRV: NOERROR 0 50 5432 db-0.db.default.svc.cluster.local. 0 50 5432 db-1.db.default.svc.cluster.local.
db.default.svc.cluster.local A: NOERROR 10.244.0.1
db-1.db.default.svc.cluster.local A: NXDOMAIN
5 queries, 0 failures
EXPECTED
}

cmake -S "$source_dir/deploy/examples/embed" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS="$flags" >"$work/configure.log"
cmake --build "$work/build" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
check "$work/build/embed"

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name clusterdns.pc)")
export PKG_CONFIG_PATH
version=$(pkg-config --modversion clusterdns)
[ "$("$prefix/bin/clusterdns" -version | head -n 1)" == "clusterdns-$version" ]
# As a Makefile would: the shell splits what pkg-config says.
eval "$compiler -std=c++20 $flags -o '$work/pkg-config' '$source_dir/deploy/examples/embed/main.cpp' \
  $(pkg-config --cflags --libs clusterdns)"
check "$work/pkg-config"
