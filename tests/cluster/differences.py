"""Where clusterdns answers otherwise than CoreDNS 1.15 with the same objects, and why.

Each rule explains a kind of difference, and no more than that: it looks at the question and at both answers.
differential_test.py fails on a difference without a rule, and on a rule without a difference.
"""

import collections
import ipaddress
import re

Case = collections.namedtuple("Case", "question them us items options")
Rule = collections.namedtuple("Rule", "name reason matches")
RULES = []


def rule(name, reason):
    def add(matches):
        RULES.append(Rule(name, reason, matches))
        return matches
    return add


def explain(case):
    """The rule, or None."""
    if case.us is None:
        return None
    seen = Seen(case)
    return next((r for r in RULES if r.matches(seen)), None)


# ---- what is compared ----

def _records(section):
    """Owners without their letters' case: which of them an answer repeats is not part of its meaning."""
    result = []
    for r in section:
        data = r.data
        if r.type == "SOA":
            # The serial is the server's own clock.
            primary, mailbox, _, *numbers = data.split()
            data = " ".join([primary, mailbox, *numbers])
        result.append((r.owner.lower(), r.type, r.ttl, data.lower()))
    return sorted(result)


def canonical(answer):
    """Everything but the order of records and the recursion-available flag."""
    return (answer.rcode, answer.aa, _records(answer.answer), _records(answer.authority), _records(answer.additional))


# ---- what rules ask ----

class Seen:
    """A difference, as rules want to speak of it."""

    def __init__(self, case):
        self.case, self.them, self.us = case, case.them, case.us
        self.name, self.kind = case.question[0].lower(), case.question[1]
        self.labels = self.name.rstrip(".").split(".")
        self.reverse = self.name.endswith((".in-addr.arpa.", ".ip6.arpa.")) or self.name in ("in-addr.arpa.", "ip6.arpa.")

    def shape(self, answer):
        """`NXDOMAIN`, `NODATA`, `DATA`, another rcode, or `SILENCE`."""
        if answer is None:
            return "SILENCE"
        return answer.rcode if answer.rcode != "NOERROR" else "DATA" if answer.answer else "NODATA"

    @property
    def shapes(self):
        """CoreDNS's, ours."""
        return self.shape(self.them), self.shape(self.us)

    def services(self):
        return {(i["metadata"]["name"], i["metadata"]["namespace"]): i for i in self.case.items
                if i["kind"] == "Service"}

    def service(self, depth=0):
        """The service whose name the question is, or is `depth` labels below; None when there is none."""
        if len(self.labels) == depth + 5 and self.labels[depth + 2:] == ["svc", "cluster", "local"]:
            return self.services().get((self.labels[depth], self.labels[depth + 1]))
        return None

    def is_alias(self):
        item = self.service()
        return bool(item) and item["spec"].get("type") == "ExternalName"

    def our_alias(self):
        return any(r.type == "CNAME" and r.owner.lower() == self.name for r in self.us.answer)


# ---- the rules ----

@rule("reverse names have one type", "A reverse name exists for every type: NODATA. A wrong NXDOMAIN would be cached for "
      "PTR too (RFC 2308, 5; RFC 8020).")
def _(c):
    return c.reverse and c.kind != "PTR" and c.shapes == ("NXDOMAIN", "NODATA")


@rule("between a reverse zone and its names", "The labels above an existing reverse name are empty non-terminals: "
      "NODATA (RFC 4592, 2.2.2). A resolver that minimises names (RFC 9156) loses everything below an NXDOMAIN.")
def _(c):
    return c.reverse and c.kind == "PTR" and c.shapes == ("NXDOMAIN", "NODATA")


@rule("a slice of nobody", "CoreDNS makes a reverse name of an EndpointSlice without a service, which cannot be put into "
      "a message, and so it sends none.")
def _(c):
    return c.shapes == ("SILENCE", "NXDOMAIN") and c.reverse and c.kind == "PTR"


@rule("empty non-terminals", "`_tcp.service`, `dns.cluster.local` and the like exist, since names below them do: NODATA "
      "(RFC 4592, 2.2.2; RFC 8020). So do the labels above names by topology zone, and clusters of an imported service.")
def _(c):
    return c.shapes == ("NXDOMAIN", "NODATA") and (
        c.labels[0] == "_zone" and c.service(1) is not None
        or c.labels[0] in ("pin", "prefer") and c.labels[1] == "_zone" and c.service(2) is not None
        or c.labels[0] in ("east", "west") and c.service(1) is not None and "multicluster" in str(c.case.options)
        or c.labels[0] in ("_tcp", "_udp", "_sctp") and (c.service(1) or c.service(2)) is not None
        or c.name == "dns.cluster.local.")


@rule("names that exist have every type", "A name with one type has no data for the others: NODATA (RFC 2308, 2.2). "
      "CoreDNS says NXDOMAIN for `dns-version`, `ns.dns`, the zone itself and `<namespace>.pod`.")
def _(c):
    own = {"cluster.local.", "dns-version.cluster.local.", "ns.dns.cluster.local.", "svc.cluster.local.",
           "pod.cluster.local.", "in-addr.arpa.", "ip6.arpa."}
    of_namespace = len(c.labels) == 4 and c.labels[1] in ("svc", "pod") and c.labels[2:] == ["cluster", "local"]
    return c.shapes == ("NXDOMAIN", "NODATA") and (c.name in own or of_namespace)


@rule("outside the zones", "The server does not serve the name: REFUSED. Nothing failed (SERVFAIL).")
def _(c):
    return c.shapes == ("SERVFAIL", "REFUSED")


@rule("pods have addresses", "Section 2.2.2 of the Kubernetes documentation gives pods A and AAAA; CoreDNS also makes an SRV "
      "record with port 0.")
def _(c):
    return c.kind == "SRV" and c.labels[-3:] == ["pod", "cluster", "local"] and c.shapes == ("DATA", "NODATA")


@rule("reverse names of what is not exposed", "What `namespace_labels` and `ignore empty_service` hide has no reverse name "
      "either. CoreDNS forgets them there.")
def _(c):
    ours = set(_records(c.us.answer)) if c.us else set()
    return c.reverse and c.kind == "PTR" and c.shapes in (("DATA", "NXDOMAIN"), ("DATA", "DATA")) \
        and ours < set(_records(c.them.answer)) \
        and re.search("namespace_labels|empty_service", str(c.case.options)) is not None


@rule("slices without their service", "A name exists below a service that does; CoreDNS points to one below a service that "
      "does not.")
def _(c):
    return c.reverse and c.kind == "PTR" and c.shapes == ("DATA", "NXDOMAIN") and all(
        (r.data.split(".")[1], r.data.split(".")[2]) not in c.services() for r in c.them.answer)


@rule("addresses in the names of pods have dashes", "`fd00::1.namespace.pod` has colons, and is the name of no pod.")
def _(c):
    return ":" in c.labels[0] and c.labels[-3:] == ["pod", "cluster", "local"] and c.shapes == ("NODATA", "NXDOMAIN")


@rule("the underscores are part of the name", "`_port._protocol` is the form of section 2.3.2 of the specification; "
      "`port.protocol` is another name, and does not exist.")
def _(c):
    first, second = (*c.labels, "")[:2]
    return c.service(2) is not None and not (first.startswith("_") and second.startswith("_")) \
        and c.shapes in (("DATA", "NXDOMAIN"), ("NODATA", "NXDOMAIN"))


@rule("an unnamed port has no name", "Section 2.3.2 of the specification: unnamed ports have no SRV record of their own, "
      "so that `_._tcp.service` does not exist.")
def _(c):
    return c.labels[0] == "_" and c.service(2) is not None and c.shapes in (("DATA", "NXDOMAIN"), ("NODATA", "NXDOMAIN"))


@rule("SOA of a name that does not exist", "NXDOMAIN is for the name, whatever the type (RFC 2308, 2.1).")
def _(c):
    return c.kind == "SOA" and c.shapes == ("NODATA", "NXDOMAIN")


@rule("nothing is below a pod", "Labels in front of a pod's name make another name, which does not exist.")
def _(c):
    return len(c.labels) == 6 and c.labels[3:] == ["pod", "cluster", "local"] \
        and c.shapes in (("DATA", "NXDOMAIN"), ("NODATA", "NXDOMAIN"))


@rule("an alias is one for every type", "CNAME stands for all types (RFC 1034, 3.6.2). CoreDNS has it for A, AAAA and "
      "CNAME only.")
def _(c):
    return c.is_alias() and c.kind not in ("A", "AAAA", "CNAME") and c.our_alias() and not c.them.answer


def _weights(answer):
    return sorted((r.owner.lower(), r.ttl, r.data.split()[0], *r.data.lower().split()[2:]) for r in answer.answer
                  if r.type == "SRV")


@rule("aliases whose target has no such record", "The CNAME stays, and the rcode is that of the target (RFC 6604, 3; "
      "RFC 2308, 2.1 and 2.2), also at the end of a loop. CoreDNS leaves the CNAME out: as if the alias had no data.")
def _(c):
    return c.is_alias() and c.kind in ("A", "AAAA") and c.our_alias() and c.shapes in (
        ("NODATA", "NXDOMAIN"), ("NODATA", "DATA")) and not c.us.addresses()


@rule("aliases to an address", "`externalName: 192.0.2.7` is a name like any other to the API server, and so to us. CoreDNS "
      "says NXDOMAIN.")
def _(c):
    return c.is_alias() and re.fullmatch(r"[\d.]+", c.service()["spec"]["externalName"]) is not None \
        and c.shapes == ("NXDOMAIN", "DATA") and c.our_alias()


@rule("a nibble too many", "32 nibbles are an address (RFC 3596, 2.5); a label more is another name.")
def _(c):
    return c.name.endswith(".ip6.arpa.") and len(c.labels) == 35 and c.shapes == ("DATA", "NXDOMAIN")


@rule("a zone has name servers", "NS at the apex, with its address, also when the server is bound to loopback only "
      "(RFC 1034, 4.2.1). CoreDNS then has none.")
def _(c):
    return c.kind == "NS" and c.name in ("cluster.local.", "in-addr.arpa.", "ip6.arpa.") and c.shapes == ("NODATA", "DATA")


@rule("the name server has an address", "`ns.dns` has the address that the NS record of the zone needs, also on loopback.")
def _(c):
    return c.name == "ns.dns.cluster.local." and c.kind == "A" and c.shapes[1] == "DATA" and c.shapes[0] != "DATA"


@rule("weights of SRV records", "They count the records of the answer, so that what a client sees adds up to 100. CoreDNS "
      "divides by the number of addresses: of both families, and of slices that overlap.")
def _(c):
    ours = [int(r.data.split()[1]) for r in c.us.answer if r.type == "SRV"]
    return c.kind == "SRV" and ours and _weights(c.us) == _weights(c.them) and c.us.rcode == c.them.rcode \
        and set(ours) == {max(1, 100 // len(ours))} and _records(c.us.additional) == _records(c.them.additional)


@rule("addresses of SRV targets that do not fit", "They are left out, whole RRsets of them, without TC (RFC 2181, 9): the client "
      "asks for those it wants. CoreDNS sets TC, so that clients come back over TCP for what they may not need.")
def _(c):
    ours, theirs = set(_records(c.us.additional)), set(_records(c.them.additional))
    return c.kind == "SRV" and c.us.answer and _weights(c.us) == _weights(c.them) and ours < theirs and c.us.size > 1100
