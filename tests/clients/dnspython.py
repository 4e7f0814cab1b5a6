"""dnspython asks the server at argv[1] port argv[2]; exit code 1 on the first wrong answer."""

import sys

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.resolver
import dns.reversename

HOST, PORT = sys.argv[1], int(sys.argv[2])
TIMEOUT = 60


def resolver():
    result = dns.resolver.Resolver(configure=False)
    result.nameservers = [HOST]
    result.port = PORT
    result.lifetime = TIMEOUT
    return result


def texts(answer):
    return sorted(record.to_text() for record in answer)


def same(what, expected, got):
    if expected != got:
        print(f"{what}: expected {expected}, got {got}", file=sys.stderr)
        sys.exit(1)


def raises(what, error, ask):
    try:
        got = ask()
    except error:
        return
    print(f"{what}: expected {error.__name__}, got {got}", file=sys.stderr)
    sys.exit(1)


r = resolver()
Z = "default.svc.cluster.local."
same("A", ["10.96.5.1"], texts(r.resolve("web." + Z, "A")))
same("TTL", 5, r.resolve("web." + Z, "A").rrset.ttl)
same("AAAA", ["fd00:10:96::502"], texts(r.resolve("dual." + Z, "AAAA")))
same("headless", ["10.244.5.1", "10.244.5.2", "10.244.5.3"], texts(r.resolve("peers." + Z, "A")))
srv = r.resolve("_db._tcp.peers." + Z, "SRV")
same("SRV", [f"0 33 5432 peer-{i}.peers.{Z}" for i in range(3)], texts(srv))
same("SRV glue", 3, sum(len(rrset) for rrset in srv.response.additional))
same("PTR", ["web." + Z], texts(r.resolve_address("10.96.5.1")))
same("PTR IPv6", ["dual." + Z], texts(r.resolve_address("fd00:10:96::502")))
same("TXT", ['"1.1.0"'], texts(r.resolve("dns-version.cluster.local.", "TXT")))
alias = r.resolve("alias." + Z, "A")
same("alias", ["10.96.5.1"], texts(alias))
same("canonical name", "web." + Z, alias.canonical_name.to_text())
same("zone of a name", "cluster.local.",
     dns.resolver.zone_for_name("web." + Z, resolver=r).to_text())
raises("NXDOMAIN", dns.resolver.NXDOMAIN, lambda: r.resolve("nothing." + Z, "A"))
raises("NODATA", dns.resolver.NoAnswer, lambda: r.resolve("web." + Z, "AAAA"))
raises("refused outside", dns.resolver.NoNameservers, lambda: r.resolve("example.com.", "A"))

# NODATA of an empty non-terminal has its SOA.
try:
    r.resolve("default.svc.cluster.local.", "A")
except dns.resolver.NoAnswer as error:
    same("minimum", 5, error.response().authority[0][0].minimum)

# Truncated: TCP by itself.
same("large", 60, len(r.resolve("many." + Z, "A")))
query = dns.message.make_query("many." + Z, "A")
udp = dns.query.udp(query, HOST, port=PORT, timeout=TIMEOUT)
same("TC", True, bool(udp.flags & dns.flags.TC))
same("a truncated answer has records", True, len(udp.answer[0]) > 20)
response, used_tcp = dns.query.udp_with_fallback(query, HOST, port=PORT, timeout=TIMEOUT)
same("fallback", (True, 60), (used_tcp, len(response.answer[0])))

# EDNS with options, DO; the response is a response to the query, letter case and all.
query = dns.message.make_query("wEb." + Z, "A", use_edns=0, payload=4096, want_dnssec=True,
                               options=[dns.edns.GenericOption(65001, b"\x01\x02")])
response = dns.query.udp(query, HOST, port=PORT, timeout=TIMEOUT)
same("is a response", True, query.is_response(response))
same("EDNS", (0, 1232), (response.edns, response.payload))
same("DO", True, bool(response.ednsflags & dns.flags.DO))
same("case", b"wEb", response.answer[0].name.labels[0])
same("flags", "QR AA RD", dns.flags.to_text(response.flags))

# Its own search list.
r.search = [dns.name.from_text(name) for name in (Z, "svc.cluster.local.", "cluster.local.")]
r.ndots = 5
same("search", ["10.96.5.1"], texts(r.resolve("web", "A", search=True)))
same("search in another namespace", ["10.96.5.3"], texts(r.resolve("api.shop", "A", search=True)))
print("dnspython: every answer was right")
