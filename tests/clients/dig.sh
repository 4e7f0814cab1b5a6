#!/bin/bash
# BIND's dig.
. "$(dirname "$0")/lib.sh"
need dig bind9-dnsutils
start_server 127.0.0.1:0 --manifests "$HERE/data" --no-forward --no-search
ask() { limited dig +time="$LIMIT" +tries=1 "@$SERVER_HOST" -p "$SERVER_PORT" "$@"; }
Z=default.svc.cluster.local

same "A" 10.96.5.1 "$(ask +short web.$Z)"
same "AAAA" fd00:10:96::502 "$(ask +short dual.$Z AAAA)"
same_set "headless A" $'10.244.5.1\n10.244.5.2\n10.244.5.3' "$(ask +short peers.$Z)"
same "endpoint" 10.244.5.2 "$(ask +short peer-1.peers.$Z)"
same_set "SRV" \
  $'0 33 5432 peer-0.peers.default.svc.cluster.local.\n0 33 5432 peer-1.peers.default.svc.cluster.local.\n0 33 5432 peer-2.peers.default.svc.cluster.local.' \
  "$(ask +short _db._tcp.peers.$Z SRV)"
same "PTR" web.default.svc.cluster.local. "$(ask +short -x 10.96.5.1)"
same "PTR IPv6" dual.default.svc.cluster.local. "$(ask +short -x fd00:10:96::502)"
same "TXT" '"1.1.0"' "$(ask +short dns-version.cluster.local TXT)"
same "alias" $'web.default.svc.cluster.local.\n10.96.5.1' "$(ask +short alias.$Z)"
contains "NXDOMAIN" "status: NXDOMAIN" "$(ask nothing.$Z)"
contains "NXDOMAIN has the SOA" "SOA" "$(ask nothing.$Z +noall +authority)"
contains "NODATA" "status: NOERROR" "$(ask web.$Z AAAA)"
contains "outside is refused" "status: REFUSED" "$(ask www.example.com)"
contains "other classes are refused" "status: REFUSED" "$(ask version.bind CH TXT)"

# No complaint of dig about the message, such as trailing octets or a mismatch.
same "nothing to complain about" "" "$(ask web.$Z 2>&1 | grep -iE 'warning|malformed|mismatch|unexpected|extra' \
  | grep -vE 'reserved for Multicast|mDNS query is leaked|recursion requested but not available')"

# TC over UDP, then TCP by itself; or stay with what UDP carried.
counts "falls back to TCP" 60 '^10\.' "$(ask +noedns +short many.$Z 2>&1)"
contains "+ignore keeps the truncated answer" " tc " "$(ask +noedns +ignore many.$Z | grep flags:)"
same "TCP" 10.96.5.1 "$(ask +tcp +short web.$Z)"
same "several on one connection" $'10.96.5.1\n10.96.5.3' \
  "$(ask +tcp +keepopen +short web.$Z "@$SERVER_HOST" api.shop.svc.cluster.local)"

# EDNS as dig can ask it.
contains "EDNS size" "udp: 1232" "$(ask web.$Z +edns=0)"
contains "BADVERS" "status: BADVERS" "$(ask web.$Z +edns=1 +noednsnegotiation)"
contains "unknown option" "status: NOERROR" "$(ask web.$Z +ednsopt=65001:0102)"
contains "DO" "flags: do" "$(ask web.$Z +dnssec)"
contains "cookie is ignored" "status: NOERROR" "$(ask web.$Z +cookie)"
contains "client subnet is ignored" "status: NOERROR" "$(ask web.$Z +subnet=192.0.2.0/24)"
contains "case is kept" "WeB.default.svc.cluster.local. 5" \
  "$(ask +noall +answer WeB.$Z | tr -s '\t ' ' ')"
contains "opcode" "status: NOTIMP" "$(ask +opcode=STATUS web.$Z)"
contains "header only" "status: FORMERR" "$(ask +header-only web.$Z)"
contains "AXFR" "Transfer failed" "$(ask +tcp cluster.local AXFR)"
same "search list" 10.96.5.1 "$(ask +short +domain=$Z +search +ndots=5 web)"
