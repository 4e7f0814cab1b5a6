#!/bin/bash
# Node's dns.Resolver, which is c-ares.
. "$(dirname "$0")/lib.sh"
need node nodejs
start_server 127.0.0.1:0 --manifests "$HERE/data" --no-forward --no-search
holds "Node resolver" limited node "$HERE/node_resolver.mjs" "$SERVER_HOST:$SERVER_PORT"
