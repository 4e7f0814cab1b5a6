#!/bin/bash
# BIND's delv believes what `dnssec` signs, by nothing but the zone's key.
. "$(dirname "$0")/lib.sh"
need delv bind9-dnsutils
need dnssec-keygen bind9-utils
Z=default.svc.cluster.local

# key NAME ARGUMENTS…: makes a key of cluster.local, and has delv trust it.
key() {
  (cd "$WORK" && dnssec-keygen -q "$@" cluster.local) >"$WORK/key" || skip "dnssec-keygen makes no key"
  KEY=$(cat "$WORK/key")
  printf 'trust-anchors { cluster.local. static-key %s "%s"; };\n' \
    "$(sed -n 's/.*DNSKEY \([0-9]* [0-9]* [0-9]*\) .*/\1/p' "$WORK/$KEY.key")" \
    "$(sed -n 's/.*DNSKEY [0-9]* [0-9]* [0-9]* //p' "$WORK/$KEY.key")" >"$WORK/anchor"
}
# serve KEY…
serve() {
  cat >"$WORK/Corefile" <<END
cluster.local:0 {
    bind 127.0.0.1
    dnssec {
        key file $*
    }
    kubernetes {
        manifests $HERE/data
    }
}
END
  launch udp -conf "$WORK/Corefile"
}
ask() {
  limited delv -a "$WORK/anchor" +root=cluster.local @127.0.0.1 -p "${LISTEN_PORT[udp]}" "$@" 2>&1
}
believed() { # WHAT ARGUMENTS…
  local what=$1
  shift
  contains "$what" "; fully validated" "$(ask "$@")"
}

for algorithm in "ECDSAP256SHA256" "ECDSAP384SHA384" "ED25519" "RSASHA256 -b 2048"; do
  # shellcheck disable=SC2086 # its words
  key -a $algorithm -f KSK
  serve "$WORK/$KEY"
  believed "$algorithm: A" web.$Z
  believed "$algorithm: SRV" _db._tcp.peers.$Z SRV
done

believed "alias" alias.$Z
believed "SOA" cluster.local SOA
believed "DNSKEY" cluster.local DNSKEY
believed "from what is kept" web.$Z
contains "no such type" "; negative response, fully validated" "$(ask web.$Z AAAA)"
contains "no such name" "; negative response, fully validated" "$(ask nothing.$Z)"

# A key for the keys, and one for the rest.
key -a ECDSAP256SHA256
ZSK=$KEY
key -a ECDSAP256SHA256 -f KSK
serve "$WORK/$KEY" "$WORK/$ZSK"
believed "two keys" web.$Z
contains "two keys: no such name" "; negative response, fully validated" "$(ask nothing.$Z)"

# Another zone's key is none of this one's.
key -a ECDSAP256SHA256 -f KSK
contains "a stranger's key" "resolution failed" "$(ask web.$Z)"
