#!/bin/bash
# Knot's kdig: a second, stricter decoder of answers.
. "$(dirname "$0")/lib.sh"
need kdig knot-dnsutils
start_server 127.0.0.1:0 --manifests "$HERE/data" --no-forward --no-search
ask() { limited kdig +timeout="$LIMIT" +retry=0 "@$SERVER_HOST" -p "$SERVER_PORT" "$@"; }
Z=default.svc.cluster.local

same "A" 10.96.5.1 "$(ask +short web.$Z)"
same "AAAA" fd00:10:96::502 "$(ask +short dual.$Z AAAA)"
same_set "headless A" $'10.244.5.1\n10.244.5.2\n10.244.5.3' "$(ask +short peers.$Z)"
same "SRV at an endpoint" "0 100 5432 peer-1.peers.default.svc.cluster.local." \
  "$(ask +short peer-1.peers.$Z SRV)"
same "PTR" web.default.svc.cluster.local. "$(ask +short -x 10.96.5.1)"
same "NS" ns.dns.cluster.local. "$(ask +short cluster.local NS)"
contains "NXDOMAIN" "status: NXDOMAIN" "$(ask nothing.$Z)"
contains "NODATA" "status: NOERROR" "$(ask web.$Z HTTPS)"
same "TCP" 10.96.5.1 "$(ask +tcp +short web.$Z)"
counts "falls back to TCP" 60 '^10\.' "$(ask +noedns +short many.$Z 2>&1)"
same "several on one connection" $'10.96.5.1\n10.96.5.3' \
  "$(ask +tcp +keepopen +short -q web.$Z -q api.shop.svc.cluster.local | grep .)"
contains "BADVERS" "BADVERS" "$(ask +edns=1 web.$Z)"
contains "padding is ignored" "status: NOERROR" "$(ask +padding=128 web.$Z)"
contains "NOTIFY" "status: NOTIMPL" "$(ask cluster.local NOTIFY)"
same "no complaint" "" "$(ask web.$Z 2>&1 >/dev/null)"
same "no complaint about a large answer" "" "$(ask +tcp many.$Z SRV 2>&1 >/dev/null)"
