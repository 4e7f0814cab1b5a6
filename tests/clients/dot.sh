#!/bin/bash
# DNS over TLS: kdig and Python ask this server, and this server asks another one like it.
. "$(dirname "$0")/lib.sh"
need kdig knot-dnsutils
need openssl openssl
need python3 python3

# start_corefile FILE: sets TLS_PORT and DNS_PORT to what its listeners are bound to.
start_corefile() {
  launch "tls udp" -conf "$1"
  TLS_PORT=${LISTEN_PORT[tls]} DNS_PORT=${LISTEN_PORT[udp]}
}
# authority NAME; certificate NAME AUTHORITY SAN
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
    -keyout "$WORK/$1.key" -out "$WORK/$1.pem" 2>>"$WORK/openssl" || skip "openssl makes no key"
}
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -keyout "$WORK/$1.key" -out "$WORK/$1.csr" 2>>"$WORK/openssl"
  openssl x509 -req -in "$WORK/$1.csr" -CA "$WORK/$2.pem" -CAkey "$WORK/$2.key" -CAcreateserial \
    -days 30 -extfile <(echo "subjectAltName=$3") -out "$WORK/$1.pem" 2>>"$WORK/openssl"
}
# secure PORT [WORDS…]: kdig over TLS, which verifies the name.
secure() {
  local port=$1
  shift
  limited kdig +timeout="$LIMIT" +retry=0 "@127.0.0.1" -p "$port" +tls-ca="$WORK/ca.pem" \
    +tls-hostname=dns.test "$@"
}
plain() { limited kdig +timeout="$LIMIT" +retry=0 "@127.0.0.1" -p "$DNS_PORT" "$@"; }

authority ca
authority other
certificate server ca DNS:dns.test,IP:127.0.0.1
certificate client ca DNS:client.test
cat >"$WORK/hosts" <<'TEXT'
192.0.2.1 a.test
192.0.2.2 b.test
TEXT
for i in $(seq 1 200); do echo "198.51.100.$i many.test"; done >>"$WORK/hosts"
cp "$WORK/server.pem" "$WORK/shown.pem"
cp "$WORK/server.key" "$WORK/shown.key"
cat >"$WORK/upstream" <<TEXT
tls://.:0 .:0 {
    bind 127.0.0.1
    tls shown.pem shown.key
    root $WORK
    hosts hosts
    prometheus localhost:0
}
TEXT
start_corefile "$WORK/upstream"
UPSTREAM=$TLS_PORT UPSTREAM_DNS=$DNS_PORT

same "A" 192.0.2.1 "$(secure "$UPSTREAM" +short a.test)"
same "without TLS at the other port" 192.0.2.1 "$(plain +short a.test)"
same "several on one connection" $'192.0.2.1\n192.0.2.2' \
  "$(secure "$UPSTREAM" +keepopen +short -q a.test -q b.test | grep .)"
counts "a large answer" 200 '^198\.51\.100\.' "$(secure "$UPSTREAM" +short many.test)"
same "another name is not believed" "" \
  "$(limited kdig +retry=0 @127.0.0.1 -p "$UPSTREAM" +tls-ca="$WORK/ca.pem" \
    +tls-hostname=other.test +short a.test 2>/dev/null)"
contains "how zones are listed" "tls://.:$UPSTREAM on 127.0.0.1" "$(cat "$WORK/log")"

# Python's client: TLS 1.2 and 1.3, resumption, pipelining.
same "Python" "$(printf 'TLSv1.2 200 True\nTLSv1.3 200 True')" "$(limited python3 - "$UPSTREAM" "$WORK/ca.pem" <<'PYTHON'
import socket
import ssl
import struct
import sys

port, ca = int(sys.argv[1]), sys.argv[2]
query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\1a\4test\0" + struct.pack(">2H", 1, 1)


def read(stream, size):
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise SystemExit("closed early")
        data += more
    return data


for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = version
    session, answers = None, 0
    for connection in range(2):
        raw = socket.create_connection(("127.0.0.1", port), timeout=60)
        with context.wrap_socket(raw, server_hostname="dns.test", session=session) as stream:
            stream.sendall((struct.pack(">H", len(query)) + query) * 100)
            for _ in range(100):
                (size,) = struct.unpack(">H", read(stream, 2))
                reply = read(stream, size)
                answers += reply[:2] == query[:2] and reply[-4:] == b"\xc0\x00\x02\x01"
            session = stream.session
            print(*([stream.version(), answers, stream.session_reused] if connection else []),
                  end="\n" if connection else "")
PYTHON
)"

# This server as a client.
cat >"$WORK/forwarding" <<TEXT
.:0 tls://.:0 {
    bind 127.0.0.1
    root $WORK
    tls server.pem server.key ca.pem {
        client_auth require_and_verify
    }
    errors
    forward . tls://127.0.0.1%dns.test:$UPSTREAM {
        tls ca.pem
    }
    prometheus localhost:0
}
TEXT
start_corefile "$WORK/forwarding"
same "asked over TLS" 192.0.2.1 "$(plain +short a.test)"
counts "a large answer over TLS" 200 '^198\.51\.100\.' "$(plain +tcp +short many.test)"
for _ in $(seq 1 20); do plain +short b.test; done >"$WORK/twenty"
counts "one connection carries many" 20 '^192\.0\.2\.2$' "$(cat "$WORK/twenty")"
METRICS=$(sed -n 's/.*Serving \/metrics on //p' "$WORK/log" | tail -n 1)
METRICS_TEXT=$(limited python3 -c "import urllib.request as u; print(u.urlopen('http://$METRICS/metrics').read().decode())")
contains "metrics name the way" \
  "coredns_proxy_conn_cache_hits_total{proto=\"tcp-tls\",proxy_name=\"forward\",to=\"127.0.0.1:$UPSTREAM\"}" \
  "$METRICS_TEXT"
same "a client without a certificate" "" "$(secure "$TLS_PORT" +short a.test 2>/dev/null)"
same "a client with one" 192.0.2.1 \
  "$(secure "$TLS_PORT" +tls-certfile="$WORK/client.pem" +tls-keyfile="$WORK/client.key" +short a.test)"

# An upstream by a name that the hosts file has.
cat >"$WORK/named" <<TEXT
.:0 tls://.:0 {
    bind 127.0.0.1
    root $WORK
    tls server.pem server.key
    forward . localhost:$UPSTREAM_DNS
}
TEXT
start_corefile "$WORK/named"
same "asked by name" 192.0.2.1 "$(plain +short a.test)"

# An upstream whose certificate is of somebody else.
certificate stranger other DNS:dns.test,IP:127.0.0.1
cp "$WORK/stranger.key" "$WORK/shown.key"
cp "$WORK/stranger.pem" "$WORK/shown.pem"
refused() { ! secure "$UPSTREAM" +short a.test 2>/dev/null | grep -q 192.0.2.1; }
eventually "a new certificate is shown" refused
# What is no certificate changes nothing.
echo nonsense >"$WORK/shown.pem"
logged() { grep -q "plugin/tls: .*still using what was read before" "$WORK/log"; }
eventually "a bad one is told" logged
cp "$WORK/server.key" "$WORK/shown.key"
cp "$WORK/server.pem" "$WORK/shown.pem"
accepted() { secure "$UPSTREAM" +short a.test | grep -q 192.0.2.1; }
eventually "and a good one is shown again" accepted
