#!/bin/bash
# busybox nslookup: UDP only, no EDNS, asks A and AAAA together, strict about rcodes.
. "$(dirname "$0")/lib.sh"
need busybox busybox
busybox --list | grep -qx nslookup || skip "this busybox has no nslookup"
start_server 127.0.0.1:0 --manifests "$HERE/data" --no-forward --no-search
ask() { limited busybox nslookup "$@" "$SERVER_HOST:$SERVER_PORT"; }
answers() { ask "$@" | sed -n '4,$s/^Address: //p'; }
Z=default.svc.cluster.local

same "address" 10.96.5.1 "$(answers web.$Z)"
same_set "both families" $'10.96.5.2\nfd00:10:96::502' "$(answers dual.$Z)"
same_set "headless" $'10.244.5.1\n10.244.5.2\n10.244.5.3' "$(answers peers.$Z)"
holds "exit code 0 although there is no AAAA" ask web.$Z
same "no complaint about the missing family" "" "$(ask web.$Z 2>&1 | grep -iE "can't|error|NXDOMAIN")"
contains "NXDOMAIN" "NXDOMAIN" "$(ask nothing.$Z 2>&1)"
same "exit code of NXDOMAIN" 1 "$(ask nothing.$Z >/dev/null 2>&1; echo $?)"
contains "reverse" "name = web.default.svc.cluster.local" "$(ask 10.96.5.1)"
contains "SRV" "service = 0 33 5432 peer-0.peers.default.svc.cluster.local" \
  "$(ask -type=srv _db._tcp.peers.$Z)"
contains "TXT" '1.1.0' "$(ask -type=txt dns-version.cluster.local)"
contains "SOA" "hostmaster.cluster.local" "$(ask -type=soa cluster.local)"
contains "alias" "canonical name = web.default.svc.cluster.local" "$(ask alias.$Z)"

# It never uses TCP: the truncated answer must hold usable addresses, others each time.
first=$(answers many.$Z | grep -c '^10\.244\.6\.')
holds "a truncated answer has addresses" test "$first" -ge 20
seen=$(for _ in $(seq 60); do answers many.$Z; done | grep '^10\.244\.6\.' | sort -u | wc -l)
same "rotation shows all of them" 60 "$seen"
