#!/bin/bash
# bench/clients/run itself: that it tells who survives from who does not, and counts queries. Only
# what ends at once and the same way each time.
. "$(dirname "$0")/lib.sh"
need dig bind9-dnsutils
need musl-gcc musl-tools
RUN=$HERE/../../bench/clients/run
run() { limited python3 "$RUN" --no-install --binary "$CLUSTERDNS_BINARY" --output "$WORK/out" "$@"; }

run --clients glibc,musl,dig,clusterdns --jobs 2 \
  --scenarios well,lame,tc,edns-formerr,nxdomain-aaaa,chain,large,spoof >"$WORK/lines" 2>&1
code=$?
[ $code -ne 77 ] || skip "$(grep SKIPPED "$WORK/lines")"
same "exit code" 0 $code
[ $code -eq 0 ] || cat "$WORK/lines"

# told CLIENT SCENARIO: verdicts, then queries, those over TCP, TCP after TC.
told() {
  python3 - "$WORK/out/results.json" "$@" <<'PYTHON'
import json, sys
cell = json.load(open(sys.argv[1]))["cells"][sys.argv[2]][sys.argv[3]]
seen = cell["evidence"]
print(*(each["verdict"] for each in cell["lookups"]), seen["queries"], seen["tcp"], seen["after_tc"])
PYTHON
}
for client in glibc musl dig clusterdns; do
  same "$client, nothing wrong" "all all all all all 10 0 0" "$(told $client well)"
  same "$client, chain" "all 2 0 0" "$(told $client chain)"
  same "$client, spoofed" "all 2 0 0" "$(told $client spoof)"
done
for client in glibc dig clusterdns; do
  same "$client, TC" "all 4 2 2" "$(told $client tc)"
  same "$client, NXDOMAIN for AAAA" "all 2 0 0" "$(told $client nxdomain-aaaa)"
done
same "glibc does without EDNS" "all 2 0 0" "$(told glibc edns-formerr)"
same "dig does not" "none 2 0 0" "$(told dig edns-formerr)"
same "dig, large" "all 3 1 1" "$(told dig large)"
# Clients that fail are told as that: musl takes NXDOMAIN for one type for both.
same "musl, NXDOMAIN for AAAA" "none 2 0 0" "$(told musl nxdomain-aaaa)"
case $(told musl lame) in "all all all all all "*) lame=yes ;; *) lame=no ;; esac
same "musl asks all servers" yes $lame
contains "the table" "| TC | ✓ " "$(cat "$WORK/out/CLIENTS.md")"
counts "a row a scenario" 1 '^\| NXDOMAIN for AAAA \| ✓ .* \| \*\*✗\*\* ' "$(cat "$WORK/out/CLIENTS.md")"

# An address that nobody gave is neither good nor nothing.
same "verdicts" "all some wrong none" "$(cd "$HERE/../../bench/clients" && python3 -c '
import cell, scenarios
large = scenarios.by_name("large")
right = sorted(large.expected(0))
print(*(cell.verdict(large, 0, found) for found in
        (right + ["2001:db8::1"], right[:9], right + ["192.0.2.66"], ["2001:db8::1"])))')"
# What is expected is what the program itself says.
same "expected" "$("$CLUSTERDNS_BINARY" synthetic a250.n0.bench.test | awk '{print $5}' | sort)" \
  "$(cd "$HERE/../../bench/clients" && python3 -c '
import scenarios
print(*scenarios.by_name("large").expected(0), sep="\n")' | sort)"
run --clients nobody >"$WORK/lines" 2>&1
same "a client that is not there" 2 $?
contains "it says which there are" "glibc, musl" "$(cat "$WORK/lines")"
