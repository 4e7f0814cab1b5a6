#!/bin/bash
# DNS over HTTPS: curl over HTTP/1.1 and HTTP/2, curl as a resolver, and kdig ask this server.
. "$(dirname "$0")/lib.sh"
need curl curl
need kdig knot-dnsutils
need openssl openssl
need python3 python3

# start_corefile FILE: sets HTTPS_PORT to what its listener is bound to.
start_corefile() {
  launch https -conf "$1"
  HTTPS_PORT=${LISTEN_PORT[https]}
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=dns.test" \
  -addext "subjectAltName=DNS:dns.test,IP:127.0.0.1" -keyout "$WORK/server.key" \
  -out "$WORK/server.pem" 2>>"$WORK/openssl" || skip "openssl makes no key"
cat >"$WORK/hosts" <<'TEXT'
192.0.2.1 a.test
127.0.0.1 here.test
TEXT
for i in $(seq 1 200); do echo "198.51.100.$i many.test"; done >>"$WORK/hosts"
cat >"$WORK/Corefile" <<TEXT
https://.:0 {
    bind 127.0.0.1
    tls server.pem server.key
    https {
        max_streams 100
    }
    root $WORK
    hosts hosts
    log
    health localhost:0
    prometheus localhost:0
}
TEXT
start_corefile "$WORK/Corefile"
URL="https://dns.test:$HTTPS_PORT/dns-query"
contains "how zones are listed" "https://.:$HTTPS_PORT on 127.0.0.1" "$(cat "$WORK/log")"

# A query for a.test, A.
QUERY=AAABAAABAAAAAAAAAWEEdGVzdAAAAQAB
python3 -c "import base64; open('$WORK/query', 'wb').write(base64.urlsafe_b64decode('$QUERY'))"
# fetch WORDS…: curl, which verifies the name; what it is told to write goes to standard output.
fetch() {
  limited curl -sS --max-time "$LIMIT" --cacert "$WORK/server.pem" \
    --resolve "dns.test:$HTTPS_PORT:127.0.0.1" -o "$WORK/body" \
    -w '%{http_code} %{http_version} %{content_type}\n' "$@"
}
address() { tail -c 4 "$WORK/body" | od -An -tu1 | tr -s ' ' | sed 's/^ //'; }
TYPE='Content-Type: application/dns-message'

for version in 1.1 2; do
  [ $version = 2 ] && http=--http2 || http=--http1.1
  # Over HTTP/1.1 each is a handshake, and those have 5 seconds together.
  [ $version = 2 ] && at_once=100 || at_once=20
  same "GET over HTTP/$version" "200 $version application/dns-message" "$(fetch $http "$URL?dns=$QUERY")"
  same "its answer" "192 0 2 1" "$(address)"
  same "POST over HTTP/$version" "200 $version application/dns-message" \
    "$(fetch $http -H "$TYPE" --data-binary "@$WORK/query" "$URL")"
  same "its answer" "192 0 2 1" "$(address)"
  same "chunks over HTTP/$version" "200 $version application/dns-message" \
    "$(fetch $http -H "$TYPE" -H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue' \
      --data-binary "@$WORK/query" "$URL")"
  # RFC 8484 4.2.1, 6.
  same "another path" "404 $version text/plain; charset=utf-8" "$(fetch $http "https://dns.test:$HTTPS_PORT/")"
  same "another method" 405 "$(fetch $http -X PUT -H "$TYPE" --data-binary x "$URL" | cut -c1-3)"
  same "another type" 415 "$(fetch $http -H 'Content-Type: text/plain' --data-binary x "$URL" | cut -c1-3)"
  same "no message" 400 "$(fetch $http "$URL?dns=AAAA" | cut -c1-3)"
  same "padded" 400 "$(fetch $http "$URL?dns=$QUERY=" | cut -c1-3)"
  head -c 70000 /dev/zero >"$WORK/large"
  same "too large" 413 \
    "$(fetch $http -H "$TYPE" -H 'Expect: 100-continue' --data-binary "@$WORK/large" "$URL" \
      | cut -c1-3)"
  # RFC 8484 5.1: hosts answers with a TTL of an hour.
  contains "how long it is fresh" "max-age=3600" "$(fetch $http -D "$WORK/head" "$URL?dns=$QUERY" >/dev/null
    tr A-Z a-z <"$WORK/head")"
  # 100, over HTTP/2 at once on a connection.
  for i in $(seq 1 100); do echo "next
url = \"$URL?dns=$QUERY\"
output = \"$WORK/many$i\"
cacert = \"$WORK/server.pem\"
resolve = \"dns.test:$HTTPS_PORT:127.0.0.1\"
silent"; done | sed 1d >"$WORK/config"
  limited curl -sS $http --parallel --parallel-max $at_once --max-time "$LIMIT" -K "$WORK/config"
  same "many over HTTP/$version" 100 "$(for i in $(seq 1 100); do
    tail -c 4 "$WORK/many$i" | od -An -tu1
  done | grep -c '192 *0 *2 *1')"
  rm -f "$WORK"/many*
done

secure() {
  limited kdig +timeout="$LIMIT" +retry=0 @127.0.0.1 -p "$HTTPS_PORT" +https=dns.test/dns-query \
    +tls-ca="$WORK/server.pem" +tls-hostname=dns.test "$@"
}
same "kdig" 192.0.2.1 "$(secure +short a.test)"
same "kdig by GET" 192.0.2.1 "$(secure +https-get +short a.test)"
counts "a large answer" 200 '^198\.51\.100\.' "$(secure +short many.test)"
same "several on one connection" $'192.0.2.1\n127.0.0.1' \
  "$(secure +keepopen +short -q a.test -q here.test | grep .)"

# curl asks for the address over HTTPS, and then goes there.
HEALTH=$(sed -n 's/.*Serving \/health on .*:\([0-9]*\)$/\1/p' "$WORK/log" | tail -n 1)
same "a resolver" OK "$(limited curl -sS --max-time "$LIMIT" --doh-insecure \
  --doh-url "https://127.0.0.1:$HTTPS_PORT/dns-query" "http://here.test:$HEALTH/health")"

METRICS=$(sed -n 's/.*Serving \/metrics on //p' "$WORK/log" | tail -n 1)
TEXT=$(limited curl -sS "http://$METRICS/metrics")
contains "responses are counted" \
  "coredns_dns_https_responses_total{server=\"https://127.0.0.1:0\",status=\"404\"} 2" "$TEXT"
contains "questions are counted" \
  "proto=\"tcp\",server=\"https://127.0.0.1:0\",type=\"A\"" "$TEXT"
contains "and logged" '"A IN a.test. tcp' "$(cat "$WORK/log")"
