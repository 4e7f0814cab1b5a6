"""What goes wrong in front of clients. Each scenario is names to look up and what the servers do.

Most is said by the labels of the names (docs/directives/fault.md). What names cannot say, a server that
is dead or lame beside a good one, a server that comes and goes, is said by the Corefile and by a scenario of
`fault`."""

import dataclasses
import ipaddress

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
SEED = 42


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str        # of the table
    what: str         # in words
    labels: str = ""  # in front of the word that makes the name another one
    zone: str = "fault.test"
    lookups: int = 1
    servers: int = 1
    rule: str = ""      # what the first of two servers does to names below ZONE
    flap: bool = False  # the server comes and goes
    addresses: int = 1
    # Of resolvers A is asked when AAAA is answered, so that it shows what one does to the other.
    aaaa_first: bool = False
    quick: bool = False

    def names(self):
        """A name for each look-up. Their words are told apart, so no answer is in a cache."""
        return [".".join(part for part in (self.labels, f"n{i}", self.zone) if part) for i in range(self.lookups)]

    def expected(self, index):
        """The IPv4 addresses of the name with this index, as docs/directives/synthetic.md says."""
        number = fnv1a(f"n{index}")
        net = ipaddress.ip_network("198.18.0.0/15")
        return {str(net[(number + i) % net.num_addresses]) for i in range(self.addresses)}

    def corefile(self):
        return "".join(self._block(address) for address in (FIRST, SECOND)[:self.servers])

    def _block(self, address):
        rule = ""
        if self.rule and address == FIRST:
            rule = f"        rule first {{\n            name *.{self.zone}\n            do {self.rule}\n        }}\n"
        once = "    evidence\n    console 127.0.0.1:5380\n" if address == FIRST else ""
        return (f".:53 {{\n    bind {address}\n{once}    synthetic bench.test\n"
                f"    fault fault.test {{\n        seed {SEED}\n{rule}    }}\n}}\n")


# One second without answers, one with them, as long as anybody asks.
FLAPPING = f"seed: {SEED}\ntimeline:\n  - {{at 0s: flap 1s/1s for 600s}}\n"

SCENARIOS = [
    Scenario("well", "nothing wrong", "All answers come.", lookups=5, quick=True),
    Scenario("loss-5", "5 % loss", "One query of 20 is lost, by chance and at each try anew.", "p5-drop", lookups=20),
    Scenario("loss-20", "20 % loss", "One query of 5.", "p20-drop", lookups=20),
    Scenario("first-dead", "first of two dead", "The first server says nothing any more, the second answers.",
             zone="dead.bench.test", lookups=5, servers=2, rule="drop"),
    Scenario("lame", "first of two lame", "The first server says REFUSED to all of it, the second answers.",
             zone="lame.bench.test", lookups=5, servers=2, rule="refused", quick=True),
    Scenario("flapping", "flapping", "The server says nothing for a second, answers for a second, and so on.",
             zone="flap.bench.test", lookups=10, flap=True),
    Scenario("slow-aaaa", "AAAA 3 s late", "AAAA is answered after 3 s, A at once.", "aaaa-d3000", quick=True),
    Scenario("tc", "TC", "Over UDP all answers are truncated, and empty.", "tc", quick=True),
    Scenario("tc-dead-tcp", "TC and dead TCP", "The same, and over TCP nothing comes: only how soon a client gives up can differ.", "tc.tcpstall"),
    Scenario("edns-drop", "EDNS dropped", "No answer to queries with EDNS.", "edns-drop"),
    Scenario("edns-formerr", "FORMERR to EDNS", "FORMERR to queries with EDNS.", "noedns", quick=True),
    Scenario("nxdomain-aaaa", "NXDOMAIN for AAAA", "NXDOMAIN for AAAA, addresses for A.", "aaaa-nxdomain",
             aaaa_first=True, quick=True),
    Scenario("nodata-no-soa", "NODATA without SOA", "AAAA has no data and no SOA, A has addresses.", "nosoa.aaaa-nodata",
             aaaa_first=True, quick=True),
    Scenario("chain", "12 aliases", "A chain of 12 CNAMEs, in one message.", "chain12", quick=True),
    Scenario("large", "4 KB answer", "A has 250 addresses, some 4 KB; AAAA has none.", "a250.aaaa-nodata", addresses=250, quick=True),
    Scenario("spoof", "spoofed", "A wrong answer with a wrong id comes before the right one.", "spoof", quick=True),
    Scenario("wrong-case", "wrong case", "The question comes back in other letters. Who asks in mixed letters takes that for forged, and may.",
             "badcase", quick=True),
]


def fnv1a(text):
    """64 bits (docs/directives/synthetic.md)."""
    number = 0xCBF29CE484222325
    for octet in text.encode():
        number = (number ^ octet) * 0x100000001B3 % 2**64
    return number


def by_name(name):
    return next(each for each in SCENARIOS if each.name == name)
