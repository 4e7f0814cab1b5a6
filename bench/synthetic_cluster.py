"""A made-up cluster of any size: its manifests, its zone for other servers, and questions about it.

Everything follows from the parameters, so that two runs see the same cluster. bench/cluster.h makes
the same one as registry objects in C++.
"""

import dataclasses
import json
import pathlib
import random

ZONE = "cluster.local"
PER_NAMESPACE = 100       # services
HEADLESS_EVERY = 10       # one service in ten is headless
PORT_NAME, PORT = "http", 80
TARGET_PORT = 8080
TTL = 5                   # seconds; clusterdns's and CoreDNS's default
SERVICE_NET = 10 << 24 | 96 << 16    # 10.96.0.0/12: room for a million services
POD_NET = 10 << 24 | 128 << 16       # 10.128.0.0/9: room for eight million endpoints
FIRST_SERVICE_IP = 256


def dotted(address):
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


@dataclasses.dataclass(frozen=True)
class Service:
    number: int
    headless: bool
    endpoints: range  # numbers of its pods

    @property
    def name(self):
        return f"svc-{self.number:06d}"

    @property
    def namespace(self):
        return f"ns-{self.number // PER_NAMESPACE:04d}"

    @property
    def fqdn(self):
        return f"{self.name}.{self.namespace}.svc.{ZONE}"

    @property
    def cluster_ip(self):
        return dotted(SERVICE_NET + FIRST_SERVICE_IP + self.number)


@dataclasses.dataclass(frozen=True)
class Cluster:
    services: int
    endpoints: int = 10         # of a headless service
    cluster_ip_endpoints: int = 0  # of the others

    def service(self, number):
        headless = number % HEADLESS_EVERY == HEADLESS_EVERY - 1
        # Pods are numbered through: so many services of each kind stand before this one.
        before_headless = number // HEADLESS_EVERY
        first = before_headless * self.endpoints + (number - before_headless) * self.cluster_ip_endpoints
        count = self.endpoints if headless else self.cluster_ip_endpoints
        return Service(number, headless, range(first, first + count))

    def all(self):
        return map(self.service, range(self.services))

    def cluster_ips(self):
        return [s for s in self.all() if not s.headless]

    def headless(self):
        return [s for s in self.all() if s.headless]

    @property
    def namespaces(self):
        return [f"ns-{i:04d}" for i in range((self.services + PER_NAMESPACE - 1) // PER_NAMESPACE)]

    def endpoint_count(self):
        return sum(len(s.endpoints) for s in self.all())

    def pod_ip(self, number, revision=0):
        """`revision` moves all pods of a slice, so that an answer tells which state it is of."""
        return dotted(POD_NET + number + (revision << 20 & 0x700000))


# ---- manifests ----

def service_yaml(s):
    ip = "None" if s.headless else s.cluster_ip
    return (f"---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {s.name}\n  namespace: {s.namespace}\n"
            f"spec:\n  clusterIP: {ip}\n  ports:\n  - name: {PORT_NAME}\n    port: {PORT}\n"
            f"    targetPort: {TARGET_PORT}\n")


def slice_yaml(cluster, s, revision=0):
    if not s.endpoints:
        return ""
    text = (f"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: {s.name}-a\n"
            f"  namespace: {s.namespace}\n  labels:\n    kubernetes.io/service-name: {s.name}\n"
            f"addressType: IPv4\nports:\n- name: {PORT_NAME}\n  port: {TARGET_PORT}\n  protocol: TCP\nendpoints:\n")
    return text + "".join(f"- addresses: [{cluster.pod_ip(e, revision)}]\n  conditions: {{ready: true}}\n"
                          for e in s.endpoints)


def namespace_yaml(name):
    return f"---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n"


def file_name(namespace):
    return f"{namespace}.yaml"


def namespace_file(cluster, index, revision=0):
    """The manifest of one namespace; there is one file for each."""
    first = index * PER_NAMESPACE
    parts = [namespace_yaml(f"ns-{index:04d}")]
    for number in range(first, min(first + PER_NAMESPACE, cluster.services)):
        s = cluster.service(number)
        parts.append(service_yaml(s))
        parts.append(slice_yaml(cluster, s, revision))
    return "".join(parts)


def write_manifests(cluster, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("ns-*.yaml"):
        old.unlink()
    for index, namespace in enumerate(cluster.namespaces):
        (folder / file_name(namespace)).write_text(namespace_file(cluster, index))


def write_api_objects(cluster, path):
    """The same as API objects: one JSON document a line, as a watch of the API sends them."""
    with open(path, "w") as out:
        def put(api, kind, metadata, **rest):
            json.dump({"apiVersion": api, "kind": kind, "metadata": metadata, **rest}, out,
                      separators=(",", ":"))
            out.write("\n")
        for name in cluster.namespaces:
            put("v1", "Namespace", {"name": name})
        for s in cluster.all():
            ip = "None" if s.headless else s.cluster_ip
            put("v1", "Service", {"name": s.name, "namespace": s.namespace},
                spec={"clusterIP": ip, "clusterIPs": [ip],
                      "ports": [{"name": PORT_NAME, "protocol": "TCP", "port": PORT, "targetPort": TARGET_PORT}]})
            if s.endpoints:
                put("discovery.k8s.io/v1", "EndpointSlice",
                    {"name": f"{s.name}-a", "namespace": s.namespace,
                     "labels": {"kubernetes.io/service-name": s.name}},
                    addressType="IPv4", ports=[{"name": PORT_NAME, "protocol": "TCP", "port": TARGET_PORT}],
                    endpoints=[{"addresses": [cluster.pod_ip(e)], "conditions": {"ready": True}}
                               for e in s.endpoints])


# ---- the same names for servers that read zones ----

def endpoint_label(cluster, number):
    return cluster.pod_ip(number).replace(".", "-")


def zone_records(cluster):
    """(owner, type, rdata) of the cluster zone, without SOA and NS; what a client of the cluster sees."""
    for s in cluster.all():
        srv = f"_{PORT_NAME}._tcp.{s.fqdn}"
        if not s.headless:
            yield s.fqdn, "A", s.cluster_ip
            yield srv, "SRV", f"0 100 {PORT} {s.fqdn}."
            continue
        for e in s.endpoints:
            yield s.fqdn, "A", cluster.pod_ip(e)
        for e in s.endpoints:
            target = f"{endpoint_label(cluster, e)}.{s.fqdn}"
            yield target, "A", cluster.pod_ip(e)
            yield srv, "SRV", f"0 {100 // len(s.endpoints)} {TARGET_PORT} {target}."


def reverse(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


def pointer_records(cluster):
    for s in cluster.all():
        if not s.headless:
            yield reverse(s.cluster_ip), "PTR", f"{s.fqdn}."
        else:
            for e in s.endpoints:
                yield reverse(cluster.pod_ip(e)), "PTR", f"{endpoint_label(cluster, e)}.{s.fqdn}."


def write_zone(records, origin, path):
    soa = f"ns.dns.{ZONE}. hostmaster.{ZONE}. 1 7200 1800 86400 {TTL}"
    with open(path, "w") as out:
        out.write(f"$TTL {TTL}\n{origin}. IN SOA {soa}\n{origin}. IN NS ns.dns.{ZONE}.\n")
        if origin == ZONE:
            out.write(f"ns.dns.{ZONE}. IN A 127.0.0.1\n")
        for owner, rrtype, rdata in records:
            out.write(f"{owner}. IN {rrtype} {rdata}\n")


def write_zones(cluster, folder):
    write_zone(zone_records(cluster), ZONE, folder / "cluster.zone")
    write_zone(pointer_records(cluster), "10.in-addr.arpa", folder / "reverse.zone")


def write_unbound_data(cluster, path):
    with open(path, "w") as out:
        soa = f"ns.dns.{ZONE}. hostmaster.{ZONE}. 1 7200 1800 86400 {TTL}"
        out.write("server:\n")
        for zone in (ZONE, "10.in-addr.arpa"):
            out.write(f'local-zone: "{zone}." static\nlocal-data: "{zone}. {TTL} IN SOA {soa}"\n')
        for records in (zone_records(cluster), pointer_records(cluster)):
            for owner, rrtype, rdata in records:
                out.write(f'local-data: "{owner}. {TTL} IN {rrtype} {rdata}"\n')


def write_dnsmasq_data(cluster, folder):
    """Addresses as a hosts file, SRV as options: what dnsmasq has for each."""
    with open(folder / "dnsmasq.hosts", "w") as hosts, open(folder / "dnsmasq.srv", "w") as options:
        for owner, rrtype, rdata in zone_records(cluster):
            if rrtype == "A":
                hosts.write(f"{rdata} {owner}\n")
            else:
                priority, weight, port, target = rdata.split()
                options.write(f"srv-host={owner},{target.rstrip('.')},{port},{priority},{weight}\n")


# ---- questions ----

# Names of the world outside, as pods look for them: the resolver's search list comes first.
OUTSIDE = ["www.example.com", "api.github.com", "storage.googleapis.com", "db.internal.example.org"]


def question(workload, rng, cluster, cluster_ips, headless):
    s = rng.choice(cluster_ips)
    if workload == "hit":
        return s.fqdn, "A"
    if workload == "nodata":
        return s.fqdn, "AAAA"
    if workload == "headless":
        return rng.choice(headless).fqdn, "A"
    if workload == "nxdomain":  # what a search list asks before it finds
        suffix = rng.choice([f"{s.namespace}.svc.{ZONE}", f"svc.{ZONE}", ZONE])
        return f"{rng.choice(OUTSIDE)}.{suffix}", "A"
    if workload == "srv":
        return f"_{PORT_NAME}._tcp.{s.fqdn}", "SRV"
    if workload == "srv-headless":  # needs EDNS, or TCP: ten targets are more than 512 octets
        return f"_{PORT_NAME}._tcp.{rng.choice(headless).fqdn}", "SRV"
    if workload == "ptr":
        return reverse(s.cluster_ip), "PTR"
    raise ValueError(workload)


MIX = [("hit", 35), ("nodata", 25), ("nxdomain", 25), ("headless", 10), ("srv", 5)]  # per cent
WORKLOADS = ["hit", "headless", "mix", "nxdomain", "nodata", "srv", "srv-headless", "ptr"]


def questions(cluster, workload, count):
    rng = random.Random(f"{workload} {cluster.services}")
    cluster_ips, headless = cluster.cluster_ips(), cluster.headless()
    kinds, weights = zip(*MIX)
    for _ in range(count):
        kind = rng.choices(kinds, weights)[0] if workload == "mix" else workload
        yield question(kind, rng, cluster, cluster_ips, headless)


def write_queries(cluster, folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    for workload in WORKLOADS:
        with open(folder / workload, "w") as out:
            out.writelines(f"{name} {rrtype}\n" for name, rrtype in questions(cluster, workload, count))
