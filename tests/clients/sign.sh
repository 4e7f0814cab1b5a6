#!/bin/bash
# What `sign` writes is judged by BIND's dnssec-verify, and what `file` says of it by delv.
. "$(dirname "$0")/lib.sh"
need delv bind9-dnsutils
need dnssec-keygen bind9-utils
need dnssec-verify bind9-utils

mkdir "$WORK/keys" "$WORK/out"
(cd "$WORK/keys" && dnssec-keygen -q -a ECDSAP256SHA256 -f KSK example.test) >"$WORK/key" \
  || skip "dnssec-keygen makes no key"
KEY=$WORK/keys/$(cat "$WORK/key")
printf 'trust-anchors { example.test. static-key %s "%s"; };\n' \
  "$(sed -n 's/.*DNSKEY \([0-9]* [0-9]* [0-9]*\) .*/\1/p' "$KEY.key")" \
  "$(sed -n 's/.*DNSKEY [0-9]* [0-9]* [0-9]* //p' "$KEY.key")" >"$WORK/anchor"
cat >"$WORK/db.example.test" <<'END'
$TTL 60
@ 3600 SOA ns1 Host 7 7200 3600 1209600 30
@ NS ns1
@ MX 10 Mail
@ CAA 0 issue "ca.test"
ns1 A 192.0.2.1
mail A 192.0.2.2
mail AAAA 2001:db8::2
b.c TXT "a \"b\"" \255
alias CNAME mail
*.w A 192.0.2.77
svc HTTPS 1 . alpn=h2
sip NAPTR 10 20 "S" "SIP+D2U" "" _sip._udp.Mail
odd TYPE65280 \# 3 010203
old DNAME new
sub NS ns.sub
ns.sub A 192.0.2.53
safe NS ns1
safe DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
END
cat >"$WORK/Corefile" <<END
example.test:0 {
    bind 127.0.0.1
    root $WORK
    file out/db.example.test.signed
    sign db.example.test {
        key directory keys
        directory out
    }
}
END
launch udp -conf "$WORK/Corefile"
SIGNED=$WORK/out/db.example.test.signed
ask() {
  limited delv -a "$WORK/anchor" +root=example.test @127.0.0.1 -p "${LISTEN_PORT[udp]}" "$@" 2>&1
}
believes() { ask "$@" | grep -q "fully validated"; }

eventually "it is signed, and served" believes mail.example.test
contains "dnssec-verify" "Zone fully signed" "$(dnssec-verify -z -o example.test "$SIGNED" 2>&1)"
same "CDS is the DS of the key" "$(dnssec-dsfromkey -2 "$KEY.key" | cut -d ' ' -f 4- | tr -d ' ' | tr A-F a-f)" \
  "$(awk '$4 == "CDS" { print $5 $6 $7 $8 $9; exit }' "$SIGNED" | tr A-F a-f)"
for question in "example.test SOA" "example.test NS" "example.test CAA" "example.test MX" \
  "example.test DNSKEY" "b.c.example.test TXT" "alias.example.test A" "q.w.example.test A" \
  "svc.example.test HTTPS" "sip.example.test NAPTR" "odd.example.test TYPE65280" "safe.example.test DS"; do
  # shellcheck disable=SC2086 # a name and a type
  contains "$question" "; fully validated" "$(ask $question)"
done
for question in "mail.example.test TXT" "nothing.example.test A" "a.b.c.example.test A" "c.example.test A" \
  "q.w.example.test TXT" "sub.example.test DS"; do
  # shellcheck disable=SC2086
  contains "no $question" "; negative response, fully validated" "$(ask $question)"
done

# A changed zone file is signed again; a broken one leaves what there is.
serial() { awk '$4 == "SOA" { print $7; exit }' "$SIGNED"; }
echo 'more A 192.0.2.99' >>"$WORK/db.example.test"
eventually "a change is signed, and served" believes more.example.test
BEFORE=$(serial)
echo 'broken A nonsense' >>"$WORK/db.example.test"
told() { grep -q 'Error signing "example.test."' "$WORK/log" "$WORK/stderr"; }
eventually "a mistake is told" told
same "a mistake changes nothing" "$BEFORE" "$(serial)"
contains "and is not served" "; fully validated" "$(ask more.example.test)"
same "nothing is left beside it" "db.example.test.signed" "$(ls "$WORK/out")"
