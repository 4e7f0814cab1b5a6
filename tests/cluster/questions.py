"""Questions about a cluster: every name its objects have, and names that are nearly those."""

import ipaddress
import random
import re

import wire

ZONE = "cluster.local."
# For names that exist: the types that answer, those that do not, and one that nobody knows.
TYPES = ["A", "AAAA", "SRV", "CNAME", "TXT", "PTR", "MX", "NS", "SOA", "HTTPS", 65280]
FEW = ["A", "AAAA", "SRV", "TXT"]
ADDRESSES = ["A", "AAAA"]


def reverse(address):
    return ipaddress.ip_address(address).reverse_pointer + "."


def dashed(address):
    """As pods and endpoints are named: `10-1-2-3`, `fd00--1`."""
    return address.replace(".", "-").replace(":", "-")


def mixed_case(text, rng):
    return "".join(c.upper() if rng.random() < 0.5 else c for c in text)


def of_service(item, slices, rng):
    """(name, type) about one service and what is below it."""
    where, name = item["metadata"]["namespace"], item["metadata"]["name"]
    base = f"{name}.{where}.svc.{ZONE}"
    for kind in TYPES:
        yield base, kind
    yield mixed_case(base, rng), "A"
    yield mixed_case(base, rng), "SRV"
    # Nearly it.
    for near in (f"x{base}", f"{base[1:]}", f"x.{base}", f"{name}.{where}.{ZONE}", f"{name}.{where}.pod.{ZONE}",
                 f"{name}.svc.{ZONE}", f"{where}.{name}.svc.{ZONE}", f"{name}-x.{where}.svc.{ZONE}",
                 f"{name}.x{where}.svc.{ZONE}", f"*.{base}", f"*.{where}.svc.{ZONE}", f"any.{where}.svc.{ZONE}",
                 f"{name}.*.svc.{ZONE}", f"{name}.{where}.svc.svc.{ZONE}", f"www.example.com.{where}.svc.{ZONE}",
                 f"{name}\\.{where}.svc.{ZONE}", f"{name}._tcp.{where}.svc.{ZONE}", f"a.b.{base}", f"a.b.c.{base}"):
        yield near, "A"
    yield f"x.{base}", "SRV"
    yield f"*.{base}", "SRV"
    # Ports.
    ports = {(p.get("name") or "", p["protocol"].lower()) for p in item["spec"].get("ports", ())}
    ports |= {(p.get("name") or "", (p.get("protocol") or "TCP").lower()) for s in slices for p in s.get("ports") or ()}
    for port, protocol in sorted(ports):
        label = f"_{port}._{protocol}.{base}"
        for kind in FEW:
            yield label, kind
        yield mixed_case(label, rng), "SRV"
        other = {"tcp": "udp", "udp": "tcp", "sctp": "tcp"}[protocol]
        for near in (f"{port}.{protocol}.{base}", f"_{port}.{protocol}.{base}", f"{port}._{protocol}.{base}",
                     f"_{port}._{other}.{base}", f"_x{port}._{protocol}.{base}", f"_*._{protocol}.{base}",
                     f"_{port}._*.{base}", f"*._{protocol}.{base}", f"x._{port}._{protocol}.{base}",
                     f"_{port}.{base}", f"_{port}._{protocol}.x.{base}"):
            if not near.startswith("."):
                yield near, "SRV"
                if rng.random() < 0.2:
                    yield near, "A"
    for protocol in ("tcp", "udp"):
        yield f"_{protocol}.{base}", "SRV"
        yield f"_{protocol}.{base}", "A"
    # By topology zone.
    zones = {e["zone"].lower() for s in slices for e in s.get("endpoints") or () if e.get("zone")}
    if zones or rng.random() < 0.2:
        for label in sorted(zones | {"nowhere", "no.where"}):
            for directive in ("pin", "prefer"):
                for kind in FEW:
                    yield f"{label}.{directive}._zone.{base}", kind
                yield mixed_case(f"{label}.{directive}._zone.{base}", rng), "A"
            for near in (f"{label}.florp._zone.{base}", f"{label}.pin._zones.{base}", f"{label}.pin.{base}",
                         f"{label}._zone.{base}"):
                yield near, "A"
        for above in (f"_zone.{base}", f"pin._zone.{base}", f"prefer._zone.{base}", f"florp._zone.{base}"):
            yield above, "A"
            yield above, "SRV"
    # Endpoints, by every name that one might have.
    for item_slice in slices:
        for endpoint in item_slice.get("endpoints") or ():
            names = [endpoint.get("hostname"), (endpoint.get("targetRef") or {}).get("name"),
                     *map(dashed, endpoint["addresses"])]
            for label in filter(None, names):
                for kind in FEW if rng.random() < 0.3 else ADDRESSES:
                    yield f"{label}.{base}", kind
                if rng.random() < 0.2:
                    yield mixed_case(f"{label}.{base}", rng), "A"
                    yield f"{label}x.{base}", "A"
                    yield f"x.{label}.{base}", "A"
                    yield f"_http._tcp.{label}.{base}", "SRV"
                    yield f"{label}.{where}.svc.{ZONE}", "A"
                    yield f"{label}.{where}.pod.{ZONE}", "A"


def of_address(address, rng):
    name = reverse(address)
    yield name, "PTR"
    yield mixed_case(name, rng), "PTR"
    if rng.random() < 0.2:
        for kind in ("A", "TXT", "ANY", "SOA"):
            yield name, kind
        yield f"x.{name}", "PTR"
        yield name.split(".", 1)[1], "PTR"
        yield name.split(".", 2)[2], "PTR"
    # A neighbour, which may have none.
    yield reverse(str(ipaddress.ip_address(address) + 1)), "PTR"


def of_pod(address, where, rng):
    for space in (where, "alpha", "no-such-namespace"):
        name = f"{dashed(address)}.{space}.pod.{ZONE}"
        for kind in ADDRESSES:
            yield name, kind
    yield mixed_case(name, rng), "A"
    yield f"{dashed(address)}.{where}.pod.{ZONE}", "TXT"
    yield f"{dashed(address)}.{where}.pod.{ZONE}", "PTR"
    yield f"{address}.{where}.pod.{ZONE}", "A"
    yield f"x.{dashed(address)}.{where}.pod.{ZONE}", "A"
    yield f"{dashed(address)}x.{where}.pod.{ZONE}", "A"


def of_zone(namespaces):
    for name in (ZONE, f"svc.{ZONE}", f"pod.{ZONE}", f"dns-version.{ZONE}", f"ns.dns.{ZONE}", f"dns.{ZONE}", f"x.{ZONE}",
                 f"x.svc.{ZONE}", f"x.y.svc.{ZONE}", f"x.y.z.svc.{ZONE}", f"endpoint.{ZONE}", f"*.{ZONE}",
                 f"x.dns-version.{ZONE}", f"ns.{ZONE}", f"kubernetes.{ZONE}", f"default.{ZONE}", f"_tcp.{ZONE}",
                 f"kubernetes.default.{ZONE}", f"svc.default.{ZONE}", f"x.pod.{ZONE}", f"1-2-3-4.pod.{ZONE}",
                 f"a.b.c.d.e.f.svc.{ZONE}", "local.", "cluster.", "in-addr.arpa.", "ip6.arpa.", "10.in-addr.arpa.",
                 "96.10.in-addr.arpa.", "0.96.10.in-addr.arpa.", "1.2.3.4.5.in-addr.arpa.", "x.in-addr.arpa.",
                 "256.1.1.1.in-addr.arpa.", "1.ip6.arpa.", "g.ip6.arpa.", "www.example.com.", "example.com.",
                 f"{'x' * 63}.{ZONE}", "xcluster.local.", "cluster.localx."):
        for kind in TYPES:
            yield name, kind
    for space in [*namespaces, "no-such-namespace"]:
        for name in (f"{space}.svc.{ZONE}", f"{space}.pod.{ZONE}", f"{space}.{ZONE}", f"x.{space}.svc.{ZONE}",
                     f"1-2-3-4.{space}.pod.{ZONE}", f"1-2-3.{space}.pod.{ZONE}", f"fd00--1.{space}.pod.{ZONE}",
                     f"1-2-3-444.{space}.pod.{ZONE}", f"x.{space}.pod.{ZONE}", f"*.{space}.pod.{ZONE}",
                     f"001-2-3-4.{space}.pod.{ZONE}", f"fd00-0-0-0-0-0-0-1.{space}.pod.{ZONE}"):
            for kind in FEW:
                yield name, kind


def of_import(item, slices, rng):
    """About one service imported from other clusters; the same names as of a service, and endpoints by cluster."""
    yield from of_service(item, slices, rng)
    base = f"{item['metadata']['name']}.{item['metadata']['namespace']}.svc.{ZONE}"
    clusters = {s["metadata"]["labels"].get("multicluster.kubernetes.io/source-cluster") for s in slices} - {None}
    for cluster in sorted(clusters | {"elsewhere"}):
        for kind in FEW:
            yield f"{cluster}.{base}", kind
        for item_slice in slices:
            for endpoint in item_slice.get("endpoints") or ():
                for label in filter(None, [endpoint.get("hostname"), *map(dashed, endpoint["addresses"])]):
                    for kind in FEW:
                        yield f"{label}.{cluster}.{base}", kind
                    yield mixed_case(f"{label}.{cluster}.{base}", rng), "A"
                    yield f"x.{label}.{cluster}.{base}", "A"
                    yield f"_http._tcp.{label}.{cluster}.{base}", "SRV"


def everything(items, seed=1):
    """All of them, each once, in an order of its own."""
    rng = random.Random(seed)
    services = [i for i in items if i["kind"] == "Service"]
    slices = {}
    addresses = set()
    for item in items:
        if item["kind"] == "EndpointSlice":
            of = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
            slices.setdefault((item["metadata"]["namespace"], of), []).append(item)
            for endpoint in item.get("endpoints") or ():
                addresses |= set(endpoint["addresses"])
        if item["kind"] == "Service":
            addresses |= {a for a in item["spec"].get("clusterIPs", ()) if a != "None"}
            addresses |= {i["ip"] for i in item.get("status", {}).get("loadBalancer", {}).get("ingress", ())}
    result = []
    for item in services:
        result += of_service(item, slices.get((item["metadata"]["namespace"], item["metadata"]["name"]), []), rng)
    for address in sorted(addresses):
        result += of_address(address, rng)
    for item in items:
        if item["kind"] == "Pod" and item.get("status", {}).get("podIPs"):
            for each in item["status"]["podIPs"]:
                result += of_pod(each["ip"], item["metadata"]["namespace"], rng)
                result += of_address(each["ip"], rng)
    result += of_zone([i["metadata"]["name"] for i in items if i["kind"] == "Namespace"])
    result = [question for question in dict.fromkeys(result) if valid(question[0])]
    rng.shuffle(result)
    return result


def valid(name):
    """Some of the near misses are too long, or have an empty label, and cannot be sent."""
    try:
        wire.encode_name(name)
    except ValueError:
        return False
    return not re.search(r"(^|[^\\])\.\.", name)
