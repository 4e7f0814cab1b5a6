"""The fixture clusters: Kubernetes objects, as the API server takes them. The same every time."""

import ipaddress
import random

# What the addresses of each kind of object begin with; none is in use twice unless that is the point.
PODS4 = ipaddress.ip_address("10.244.0.0")
PODS6 = ipaddress.ip_address("fd00:10:244::")


def pod4(number):
    return str(PODS4 + number)


def pod6(number):
    return str(PODS6 + number)


def namespace(name, **labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def port(number, name=None, protocol="TCP"):
    return {"port": number, "protocol": protocol, **({"name": name} if name else {})}


def service(where, name, ports=(), labels=None, **spec):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": where, "name": name, "labels": labels or {}},
            "spec": {**({"ports": list(ports)} if ports else {}), **spec}}


def headless(where, name, ports=(), **spec):
    return service(where, name, ports, clusterIP="None", **spec)


def endpoint(*addresses, hostname=None, ready=True, serving=None, terminating=None, pod=None, zone=None):
    result = {"addresses": list(addresses), "conditions": {}}
    for key, value in (("ready", ready), ("serving", serving), ("terminating", terminating)):
        if value is not None:
            result["conditions"][key] = value
    if hostname:
        result["hostname"] = hostname
    if pod:
        result["targetRef"] = {"kind": "Pod", "name": pod, "namespace": "default"}
    if zone:
        result["zone"] = zone
    return result


def endpoint_slice(where, of, suffix, endpoints, ports=(), family="IPv4", labels=None):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
            "metadata": {"namespace": where, "name": f"{of}-{suffix}",
                         "labels": {"kubernetes.io/service-name": of, **(labels or {})}},
            "endpoints": list(endpoints), "ports": list(ports)}


def pod(where, name, addresses, phase="Running", labels=None, host_network=False):
    item = {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": where, "name": name, "labels": labels or {}},
            "spec": {"containers": [{"name": "c", "image": "none.invalid/c"}]},
            "status": {"phase": phase, "podIP": addresses[0], "podIPs": [{"ip": a} for a in addresses]}}
    if host_network:
        item["spec"]["hostNetwork"] = True
        item["status"]["hostIP"] = addresses[0]
    return item


HTTP = port(80, "http")
SLICE_HTTP = {"name": "http", "port": 8080, "protocol": "TCP"}


def written():
    """One of each case that a rule of the specification, or a habit of CoreDNS, speaks of."""
    yield namespace("alpha", team="a")
    yield namespace("beta", team="b")
    yield namespace("empty")
    # Names of namespaces and services that are words of the schema.
    yield namespace("svc")
    yield namespace("pod")

    # With a cluster IP.
    yield service("alpha", "plain", [HTTP], clusterIP="10.96.7.1")
    yield endpoint_slice("alpha", "plain", "a", [endpoint(pod4(1)), endpoint(pod4(2), hostname="first")], [SLICE_HTTP])
    yield service("alpha", "unnamed", [port(80)], clusterIP="10.96.7.2")
    yield endpoint_slice("alpha", "unnamed", "a", [endpoint(pod4(3))], [{"port": 8080, "protocol": "TCP"}])
    yield service("alpha", "ports", [port(53, "dns", "UDP"), port(53, "dns-tcp"), port(9153, "metrics"),
                                     port(132, "sctp", "SCTP")], clusterIP="10.96.7.3")
    yield service("alpha", "one-name-two-protocols", [port(53, "dns", "UDP"), port(5353, "dns-tcp")],
                  clusterIP="10.96.7.4")
    yield service("alpha", "no-endpoints", [HTTP], clusterIP="10.96.7.5", labels={"tier": "back"})
    yield service("alpha", "not-ready", [HTTP], clusterIP="10.96.7.6")
    yield endpoint_slice("alpha", "not-ready", "a", [endpoint(pod4(4), ready=False)], [SLICE_HTTP])
    yield service("alpha", "node-port", [port(80, "http")], type="NodePort", clusterIP="10.96.7.7")
    yield service("alpha", "balanced", [HTTP], type="LoadBalancer", clusterIP="10.96.7.8")
    yield service("beta", "plain", [HTTP], clusterIP="10.96.7.9", labels={"tier": "front"})
    yield service("beta", "alpha", [HTTP], clusterIP="10.96.7.10")
    yield service("svc", "svc", [HTTP], clusterIP="10.96.7.11")
    yield service("pod", "pod", [HTTP], clusterIP="10.96.7.12")
    yield service("alpha", "a" + "b" * 61 + "c", [port(80, "p" * 13 + "-x")], clusterIP="10.96.7.13")

    # Two families.
    yield service("beta", "dual", [HTTP], ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"],
                  clusterIP="10.96.7.20", clusterIPs=["10.96.7.20", "fd00:10:96::720"])
    yield endpoint_slice("beta", "dual", "4", [endpoint(pod4(20)), endpoint(pod4(21))], [SLICE_HTTP])
    yield endpoint_slice("beta", "dual", "6", [endpoint(pod6(20)), endpoint(pod6(21))], [SLICE_HTTP], "IPv6")
    yield service("beta", "six", [HTTP], ipFamilyPolicy="SingleStack", ipFamilies=["IPv6"],
                  clusterIP="fd00:10:96::721", clusterIPs=["fd00:10:96::721"])

    # Headless.
    yield headless("alpha", "db", [port(5432, "sql")])
    yield endpoint_slice("alpha", "db", "a", [endpoint(pod4(30 + i), hostname=f"db-{i}", pod=f"db-{i}")
                                              for i in range(3)], [{"name": "sql", "port": 5432, "protocol": "TCP"}])
    yield headless("alpha", "peers", [HTTP])
    yield endpoint_slice("alpha", "peers", "a", [endpoint(pod4(40), pod="peer-a"), endpoint(pod4(41), pod="peer-b")],
                         [SLICE_HTTP])
    yield endpoint_slice("alpha", "peers", "b", [endpoint(pod4(42), pod="peer-c"), endpoint(pod4(43), ready=False)],
                         [SLICE_HTTP])
    yield headless("alpha", "nobody", [HTTP])
    yield headless("alpha", "all-down", [HTTP])
    yield endpoint_slice("alpha", "all-down", "a", [endpoint(pod4(50), ready=False, hostname="down")], [SLICE_HTTP])
    yield headless("alpha", "eager", [HTTP], publishNotReadyAddresses=True)
    # The slice controller writes ready for these; nobody else has to.
    yield endpoint_slice("alpha", "eager", "a", [endpoint(pod4(51), ready=True, serving=False, hostname="early"),
                                                 endpoint(pod4(52), ready=False, serving=False, hostname="late")],
                         [SLICE_HTTP])
    yield headless("alpha", "leaving", [HTTP])
    yield endpoint_slice("alpha", "leaving", "a",
                         [endpoint(pod4(53), ready=False, serving=True, terminating=True, hostname="going"),
                          endpoint(pod4(54), ready=True, serving=True, terminating=False, hostname="staying"),
                          endpoint(pod4(55), ready=None, hostname="silent")], [SLICE_HTTP])
    yield headless("alpha", "overlap", [HTTP])
    yield endpoint_slice("alpha", "overlap", "a", [endpoint(pod4(60)), endpoint(pod4(61))], [SLICE_HTTP])
    yield endpoint_slice("alpha", "overlap", "b", [endpoint(pod4(61)), endpoint(pod4(62))], [SLICE_HTTP])
    yield headless("alpha", "several", [HTTP])
    yield endpoint_slice("alpha", "several", "a", [endpoint(pod4(63), pod4(64), hostname="two")], [SLICE_HTTP])
    yield headless("alpha", "shared-name", [HTTP])
    yield endpoint_slice("alpha", "shared-name", "a", [endpoint(pod4(65), hostname="same"),
                                                       endpoint(pod4(66), hostname="same")], [SLICE_HTTP])
    yield headless("alpha", "no-ports")
    yield endpoint_slice("alpha", "no-ports", "a", [endpoint(pod4(67))])
    yield headless("alpha", "unnamed-ports", [port(80)])
    yield endpoint_slice("alpha", "unnamed-ports", "a", [endpoint(pod4(68))], [{"name": "", "port": 8080,
                                                                                "protocol": "TCP"}])
    yield headless("alpha", "many-ports", [port(1, "one"), port(2, "two", "UDP"), port(3, "three", "SCTP")])
    yield endpoint_slice("alpha", "many-ports", "a", [endpoint(pod4(69), hostname="m-0"), endpoint(pod4(70))],
                         [{"name": "one", "port": 1001, "protocol": "TCP"},
                          {"name": "two", "port": 1002, "protocol": "UDP"},
                          {"name": "three", "port": 1003, "protocol": "SCTP"}])
    yield headless("alpha", "ports-differ", [HTTP])
    yield endpoint_slice("alpha", "ports-differ", "a", [endpoint(pod4(71))], [SLICE_HTTP])
    yield endpoint_slice("alpha", "ports-differ", "b", [endpoint(pod4(72))], [{"name": "http", "port": 9090,
                                                                               "protocol": "TCP"}])
    yield headless("beta", "twin", [HTTP], ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"])
    yield endpoint_slice("beta", "twin", "4", [endpoint(pod4(80 + i), hostname=f"t-{i}", zone=f"z{i}")
                                               for i in range(2)], [SLICE_HTTP])
    yield endpoint_slice("beta", "twin", "6", [endpoint(pod6(80 + i), hostname=f"t-{i}", zone=f"z{i}")
                                               for i in range(2)], [SLICE_HTTP], "IPv6")
    yield headless("beta", "beta", [HTTP])
    yield endpoint_slice("beta", "beta", "a", [endpoint(pod4(90), hostname="beta")], [SLICE_HTTP])
    # Two services with the same endpoint: two PTR records.
    yield headless("beta", "other-db", [port(5432, "sql")])
    yield endpoint_slice("beta", "other-db", "a", [endpoint(pod4(30), hostname="db-0")],
                         [{"name": "sql", "port": 5432, "protocol": "TCP"}])
    # More than UDP takes.
    yield headless("beta", "many", [HTTP])
    for part in range(3):
        yield endpoint_slice("beta", "many", str(part), [endpoint(pod4(1000 + 100 * part + i)) for i in range(40)],
                             [SLICE_HTTP])
    # Slices of nobody.
    yield endpoint_slice("beta", "gone", "a", [endpoint(pod4(95), hostname="ghost")], [SLICE_HTTP])
    stray = endpoint_slice("beta", "stray", "a", [endpoint(pod4(96))], [SLICE_HTTP])
    del stray["metadata"]["labels"]["kubernetes.io/service-name"]
    yield stray

    # Aliases.
    for name, target in (("outside", "www.example.com"), ("to-plain", "plain.alpha.svc.cluster.local"),
                         ("to-db", "db.alpha.svc.cluster.local"), ("to-endpoint", "db-0.db.alpha.svc.cluster.local"),
                         ("to-nothing", "nothing.alpha.svc.cluster.local"),
                         ("to-alias", "to-plain.alpha.svc.cluster.local"), ("loop-a", "loop-b.alpha.svc.cluster.local"),
                         ("loop-b", "loop-a.alpha.svc.cluster.local"), ("self", "self.alpha.svc.cluster.local"),
                         ("address", "192.0.2.7"), ("to-namespace", "alpha.svc.cluster.local"),
                         ("to-pod", "10-244-0-1.alpha.pod.cluster.local"),
                         ("to-nobody", "nobody.alpha.svc.cluster.local")):
        yield service("alpha", name, type="ExternalName", externalName=target)
    # An alias has a port list too, when somebody writes one.
    yield service("alpha", "alias-with-port", [HTTP], type="ExternalName", externalName="www.example.com")
    yield service("beta", "to-dual", type="ExternalName", externalName="dual.beta.svc.cluster.local")

    # Pods.
    yield pod("alpha", "web-0", [pod4(1)])
    yield pod("alpha", "web-1", [pod4(2), pod6(2)])
    yield pod("beta", "web-0", [pod4(20), pod6(20)])
    yield pod("beta", "done", [pod4(97)], phase="Succeeded")
    yield pod("beta", "failed", [pod4(98)], phase="Failed")
    yield pod("beta", "pending", [pod4(99)], phase="Pending")
    yield pod("beta", "on-host", ["192.0.2.50"], host_network=True)


def generated(seed, services):
    """Services of any shape."""
    rng = random.Random(seed)
    spaces = [f"gen-{seed}-{i}" for i in range(3)]
    for name in spaces:
        yield namespace(name, seed=str(seed), parity=rng.choice(["odd", "even"]))
    address = 4096 * (1 + seed)
    for number in range(services):
        where = rng.choice(spaces)
        name = f"{rng.choice(['api', 'web', 'x', 'db', 'svc', 'cache-node'])}-{number}"
        kind = rng.choices(["cluster", "headless", "alias"], [5, 5, 1])[0]
        if kind == "alias":
            target = rng.choice(["www.example.com", f"api-{rng.randrange(services)}.{where}.svc.cluster.local",
                                 f"web-{rng.randrange(services)}.{rng.choice(spaces)}.svc.cluster.local"])
            yield service(where, name, type="ExternalName", externalName=target)
            continue
        names = rng.sample(["http", "https", "grpc", "dns", "metrics", "sip", "h2c"], rng.randrange(0, 4))
        ports = [port(1000 + i, n, rng.choice(["TCP", "TCP", "UDP", "SCTP"])) for i, n in enumerate(names)]
        if not ports and (kind == "cluster" or rng.random() < 0.5):
            ports = [port(80)]
        slice_ports = [{"name": p.get("name", ""), "port": 8000 + p["port"], "protocol": p["protocol"]} for p in ports]
        families = rng.choice([["IPv4"], ["IPv4"], ["IPv6"], ["IPv4", "IPv6"]])
        spec = {"ipFamilies": families, "ipFamilyPolicy": "RequireDualStack" if len(families) == 2 else "SingleStack"}
        labels = {"tier": rng.choice(["front", "back"])}
        if kind == "cluster":
            own = {"IPv4": f"10.96.{16 + seed}.{number + 1}", "IPv6": f"fd00:10:96::{16 + seed:x}{number + 1:02x}"}
            ips = [own[f] for f in families]
            yield service(where, name, ports, labels, clusterIP=ips[0], clusterIPs=ips, **spec)
        else:
            yield headless(where, name, ports, labels=labels,
                           publishNotReadyAddresses=rng.random() < 0.2, **spec)
        hostnames = rng.random()
        for family in families:
            for part in range(rng.randrange(0, 4)):
                endpoints = []
                for i in range(rng.randrange(0, 5)):
                    address += rng.choice([0, 1, 1, 1, 1, 1, 7])
                    text = pod4(address) if family == "IPv4" else pod6(address)
                    endpoints.append(endpoint(
                        text, ready=rng.choice([True, True, True, False, None]),
                        serving=rng.choice([None, True, False]),
                        hostname=f"h-{part}-{i}" if rng.random() < hostnames else None,
                        pod=f"{name}-{part}-{i}" if rng.random() < 0.7 else None))
                if endpoints or rng.random() < 0.3:
                    # The controller of the slices copies the labels of the service.
                    yield endpoint_slice(where, name, f"{family[-1]}{part}", endpoints, slice_ports, family, labels)
    for number in range(8):
        address += 1
        yield pod(rng.choice(spaces), f"pod-{number}", [pod4(address)])


IMPORTS = "multicluster.x-k8s.io"


def imports_definition():
    """What a cluster set's operator installs (KEP-1645): the kind ServiceImport, and the right to read it."""
    yield {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
           "metadata": {"name": f"serviceimports.{IMPORTS}", "annotations": {
               "api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/pull/1646"}},
           "spec": {"group": IMPORTS, "scope": "Namespaced",
                    "names": {"plural": "serviceimports", "singular": "serviceimport", "kind": "ServiceImport"},
                    "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "coredns-imports"}}
    yield {**rbac, "kind": "ClusterRole",
           "rules": [{"apiGroups": [IMPORTS], "resources": ["serviceimports"], "verbs": ["list", "watch"]}]}
    yield {**rbac, "kind": "ClusterRoleBinding",
           "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "coredns-imports"},
           "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]}


def imported():
    """Services of other clusters: one with an address for all, one without, one without endpoints, one of both families."""
    def service_import(name, ports=(HTTP,), **spec):
        return {"apiVersion": f"{IMPORTS}/v1alpha1", "kind": "ServiceImport",
                "metadata": {"namespace": "alpha", "name": name}, "spec": {"ports": list(ports), **spec}}

    def import_slice(of, cluster, endpoints, family="IPv4"):
        labels = {"multicluster.kubernetes.io/service-name": of, "multicluster.kubernetes.io/source-cluster": cluster}
        return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
                "metadata": {"namespace": "alpha", "name": f"imported-{of}-{cluster}-{family.lower()}", "labels": labels},
                "endpoints": list(endpoints), "ports": [SLICE_HTTP]}

    yield service_import("set-web", type="ClusterSetIP", ips=["10.112.0.7"])
    yield import_slice("set-web", "east", [endpoint("10.113.0.1"), endpoint("10.113.0.2", ready=False)])
    yield import_slice("set-web", "west", [endpoint("10.114.0.1")])
    yield service_import("set-db", type="Headless")
    # The same hostname in two clusters is what the cluster's label is for.
    yield import_slice("set-db", "east", [endpoint("10.113.1.1", hostname="db-0"), endpoint("10.113.1.2", hostname="db-1")])
    yield import_slice("set-db", "west", [endpoint("10.114.1.1", hostname="db-0"), endpoint("10.114.1.9")])
    yield import_slice("set-db", "west", [endpoint("fd00:10:114::1", hostname="db-0")], family="IPv6")
    yield service_import("set-none", type="Headless")
    yield service_import("set-both", type="ClusterSetIP", ips=["10.112.0.8", "fd00:10:112::8"])


def load(api, items):
    """Puts objects into a cluster."""
    for item in items:
        api.put(item)


def read(api):
    """The objects that a DNS server sees, as the API server has them."""
    return [item for kind in ("Namespace", "Service", "EndpointSlice", "Pod") for item in api.all(kind)]
