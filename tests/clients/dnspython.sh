#!/bin/bash
# Python's dnspython.
. "$(dirname "$0")/lib.sh"
PYTHON=
for candidate in /usr/bin/python3 python3; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import dns.resolver' 2>/dev/null; then
    PYTHON=$candidate
    break
  fi
done
[ -n "$PYTHON" ] || skip "no Python with dnspython (Debian package python3-dnspython)"
start_server 127.0.0.1:0 --manifests "$HERE/data" --no-forward --no-search
holds "dnspython" limited "$PYTHON" "$HERE/dnspython.py" "$SERVER_HOST" "$SERVER_PORT"
