#!/bin/bash
# Who may have what: forwarding for private, loopback and link-local clients only, search-domain
# expansion for loopback clients only. Seen from addresses of a network namespace.
. "$(dirname "$0")/lib.sh"
need dig bind9-dnsutils
enter_namespace
ip netns exec "$NS" ip address add 10.1.2.3/32 dev lo
ip netns exec "$NS" ip address add 169.254.7.7/32 dev lo
ip netns exec "$NS" ip address add fd00::7/128 dev lo nodad 2>/dev/null

# The upstream is a server of the same program with another zone.
start_server 127.0.0.1:0 --manifests "$HERE/data" --zone example.com --no-forward --no-search
start_server 0.0.0.0:0 --manifests "$HERE/data" --forward "127.0.0.1:$SERVER_PORT"
# ask FROM NAME [OPTIONS…]: asks and is answered at the same address.
ask() {
  local from=$1
  shift
  limited ip netns exec "$NS" dig +time="$LIMIT" +tries=1 -b "$from" "@$from" -p "$SERVER_PORT" "$@"
}
OUTSIDE=web.default.svc.example.com
OURS=web.default.svc.cluster.local

for from in 127.0.0.1 127.7.7.7 10.1.2.3 169.254.7.7; do
  same "$from: forwarded" 10.96.5.1 "$(ask $from +short $OUTSIDE)"
  contains "$from: recursion is offered" " ra;" "$(ask $from $OURS | grep flags:)"
  same "$from: our own names" 10.96.5.1 "$(ask $from +short $OURS)"
done
contains "public client: not forwarded" "status: REFUSED" "$(ask 192.0.2.10 $OUTSIDE)"
same "public client: recursion is not offered" "" "$(ask 192.0.2.10 $OURS | grep flags: | grep ' ra')"
same "public client: our own names" 10.96.5.1 "$(ask 192.0.2.10 +short $OURS)"

contains "loopback client: expanded" 10.96.5.1 "$(ask 127.0.0.1 +short web)"
same "private client: not expanded" "" "$(ask 10.1.2.3 +short web)"
same "public client: not expanded" "" "$(ask 192.0.2.10 +short web)"
