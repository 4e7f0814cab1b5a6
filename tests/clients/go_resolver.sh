#!/bin/bash
# Go's own resolver (net.Resolver with PreferGo).
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/local/go/bin
need go golang-go
# Only the standard library: nothing to download. The compiler is the slow part.
export GOPROXY=off GOFLAGS=-mod=mod GOTOOLCHAIN=local
export GOCACHE=${GOCACHE:-${HOME:-$WORK}/.cache/go-build}
(cd "$HERE/go_resolver" && timeout 300 go build -o "$WORK/go_resolver" .) 2>"$WORK/build" \
  || skip "go cannot build here: $(tail -1 "$WORK/build")"
start_server 127.0.0.1:0 --manifests "$HERE/data" --no-forward --no-search
holds "Go resolver" limited "$WORK/go_resolver" "$SERVER_HOST:$SERVER_PORT"
