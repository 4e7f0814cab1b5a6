#!/usr/bin/python3
"""Scrapes of /metrics before and after known traffic, of clusterdns and of CoreDNS: the same series, the same labels,
and the same values wherever traffic alone decides them. kubeadm's directives, on one API server."""

import collections
import contextlib
import http.client
import pathlib
import re
import socket
import tempfile
import threading
import unittest

import lab
import objects
import wire

# Names, types, transport, DNSSEC OK. What both answer alike (differences.py), several times each.
TRAFFIC = ([("s1.m.svc.cluster.local.", "A", "udp", False)] * 5 +
           [("s1.m.svc.cluster.local.", "AAAA", "udp", False)] * 3 +
           [("s2.m.svc.cluster.local.", "A", "tcp", False)] * 2 + [("s2.m.svc.cluster.local.", "A", "udp", True)] * 4 +
           [("_http._tcp.s1.m.svc.cluster.local.", "SRV", "udp", False)] * 2 +
           [("nothing.m.svc.cluster.local.", "A", "udp", False)] * 6 +
           [("1.70.96.10.in-addr.arpa.", "PTR", "udp", False)] * 2 +
           [("dns-version.cluster.local.", "TXT", "udp", False)] * 1 +
           [("s1.m.svc.cluster.local.", "MX", "udp", False), ("s1.m.svc.cluster.local.", "HTTPS", "udp", False),
            ("s1.m.svc.cluster.local.", 65280, "udp", False)] +
           [(f"host-{i}.example.com.", "A", "udp", False) for i in range(4)] * 2 +
           [("host-0.example.com.", "A", "tcp", False), ("host-0.example.com.", "AAAA", "udp", False)] * 2)

# Series whose value follows from the traffic. Cluster names never pass our cache, which counts fewer questions.
EXACT = re.compile(
    r"coredns_dns_(requests_total|responses_total|do_requests_total|request_size_bytes_(bucket|sum|count)|"
    r"response_size_bytes_(bucket|sum|count)|request_duration_seconds_count)|coredns_panics_total|coredns_plugin_enabled|"
    r"coredns_cache_drops_total|"
    r"coredns_forward_(max_concurrent_rejects_total|healthcheck_broken_total)|coredns_health_request_failures_total|"
    r"coredns_reload_failed_total|coredns_proxy_request_duration_seconds_count")
# Families of CoreDNS that are about its being a Go program, or that we leave out for a reason.
NOT_OURS = {
    # How Go's client library waits before it asks the API server; we do not throttle ourselves.
    "coredns_kubernetes_rest_client_rate_limiter_duration_seconds",
    # From the annotation that only the controllers of a real cluster write.
    "coredns_kubernetes_dns_programming_duration_seconds",
    # Of a directive that stands in no Corefile here.
    "coredns_local_localhost_requests_total",
    # UDP sockets to an upstream are not kept there.
    "coredns_proxy_conn_cache_hits_total", "coredns_proxy_conn_cache_misses_total",
}
NOT_OURS_PREFIX = ("go_", "promhttp_")

SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parse(text):
    """({family: type}, {(series, labels): value})"""
    kinds, values = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            kinds[name] = kind
        elif line and not line.startswith("#"):
            match = SAMPLE.match(line)
            if not match:
                raise AssertionError(f"no exposition format: {line!r}")
            values[match[1], frozenset(LABEL.findall(match[2] or ""))] = float(match[3])
    return kinds, values


class Upstream(threading.Thread):
    """Answers every A with one record and everything else with none, over both transports."""

    def __init__(self):
        super().__init__(daemon=True)
        while True:
            self.port = lab.free_port()
            self.udp, self.tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
            try:
                self.udp.bind(("127.0.0.1", self.port))
                self.tcp.bind(("127.0.0.1", self.port))
                self.tcp.listen(16)
                break
            except OSError:
                self.close()
        self.start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    @staticmethod
    def answer(message):
        end = message.index(b"\0", 12) + 5
        has = message[end - 4:end - 2] == b"\0\1"
        record = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc6\x33\x64\x07" if has else b""
        return message[:2] + b"\x81\x80\0\1" + (b"\0\1" if has else b"\0\0") + b"\0\0\0\0" + message[12:end] + record

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                message, client = self.udp.recvfrom(4096)
                self.udp.sendto(self.answer(message), client)

    def serve_tcp(self):
        def serve(connection):
            with connection, contextlib.suppress(OSError):
                stream = connection.makefile("rb")
                while head := stream.read(2):
                    reply = self.answer(stream.read(int.from_bytes(head, "big")))
                    connection.sendall(len(reply).to_bytes(2, "big") + reply)
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(self.tcp.accept()[0],), daemon=True).start()

    def close(self):
        self.udp.close()
        self.tcp.close()


class Metrics(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.lab = self.stack.enter_context(lab.Lab())
        self.folder = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.lab.api.create(objects.namespace("m"))
        for number in (1, 2):
            self.lab.api.create(objects.service("m", f"s{number}", [objects.HTTP], clusterIP=f"10.96.70.{number}"))
        self.upstream = Upstream()
        self.stack.callback(self.upstream.close)

    def start(self, program):
        text = f""".:{{port}} {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:{lab.free_port()}
    ready 127.0.0.1:{lab.free_port()}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {self.lab.kubeconfig()} lab
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus 127.0.0.1:{{metrics}}
    forward . 127.0.0.1:{self.upstream.port} {{
        max_concurrent 1000
    }}
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    loop
    reload
    loadbalance
}}
"""
        port = lab.free_port()
        server = lab.Server(program, text.replace("{metrics}", str(port)), self.folder, program.name).start()
        self.stack.callback(server.stop)
        server.metrics = port
        # Also what is asked before the traffic is the same: nothing until it is ready, then once.
        server.wait_for("s1.m.svc.cluster.local.", "A", lambda a: a.addresses() == ["10.96.70.1"])
        server.wait_for("warm-up.example.com.", "A", lambda a: a.addresses())
        server.wait_for("nothing.m.svc.cluster.local.", "A", lambda a: a.rcode == "NXDOMAIN")
        return server

    def scrape(self, server):
        connection = http.client.HTTPConnection("127.0.0.1", server.metrics, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.getheader("Content-Type").startswith("text/plain; version=0.0.4"))
            kinds, values = parse(answer.read().decode())
        mapped = {}
        for (name, labels), value in values.items():
            # The port is the server's own; everything else must be the same text.
            mapped[name, frozenset((k, v.replace(str(server.port), "PORT").replace(str(self.upstream.port), "UPSTREAM"))
                                   for k, v in labels)] = value
        return kinds, mapped

    def ask(self, server):
        with contextlib.closing(server.client()) as client:
            for name, kind, transport, dnssec in TRAFFIC:
                if transport == "tcp":
                    self.assertIsNotNone(client.ask_tcp(name, kind))
                    continue
                message = wire.query(name, kind)
                if dnssec:
                    message = message[:-6] + b"\0\0\x80\0" + message[-2:]
                self.assertIsNotNone(client.exchange(message, 5), name)

    def deltas(self, server):
        kinds, before = self.scrape(server)
        self.ask(server)
        # A response is counted after it is sent.
        total = sum(1 for _ in TRAFFIC)

        def counted():
            _, values = self.scrape(server)
            count = sum(v - before.get(k, 0) for k, v in values.items() if k[0] == "coredns_dns_responses_total")
            return values if count >= total else None
        after = lab.until("every response is counted", counted)
        kinds, after = self.scrape(server)
        changes = {key: value - before.get(key, 0) for key, value in after.items()}
        return kinds, after, changes

    def test_same_as_coredns(self):
        ours, theirs = self.start(lab.clusterdns()), self.start(lab.coredns())
        _, our_values, our_changes = self.deltas(ours)
        their_kinds, their_values, their_changes = self.deltas(theirs)

        expected = {name: kind for name, kind in their_kinds.items()
                    if not name.startswith(NOT_OURS_PREFIX) and name not in NOT_OURS}

        def missing():
            kinds, _ = self.scrape(ours)
            return {name: kind for name, kind in expected.items() if kinds.get(name) != kind}
        # What the source of the API counts is told from time to time.
        lab.until(lambda: f"CoreDNS's families, with its types; missing: {missing()}", lambda: not missing())
        _, our_values = self.scrape(ours)

        def labels(values):
            result = collections.defaultdict(set)
            for name, pairs in values:
                result[name].add(frozenset(key for key, _ in pairs))
            return result
        our_labels, their_labels = labels(our_values), labels(their_values)
        wrong = {name: (sets, our_labels.get(name)) for name, sets in their_labels.items()
                 if re.sub("_(bucket|sum|count)$", "", name) in expected and our_labels.get(name) != sets}
        self.assertFalse(wrong, "series with other labels: CoreDNS's, ours")

        def exact(changes):
            result = collections.Counter()
            for (name, pairs), value in changes.items():
                if not EXACT.fullmatch(name):
                    continue
                # CoreDNS 1.15 names the first plugin behind `prometheus`, here always `errors`; ours is who answered.
                kept = frozenset(pair for pair in pairs if name != "coredns_dns_responses_total" or pair[0] != "plugin")
                result[name, kept] += value
            return result
        a, b = exact(our_changes), exact(their_changes)
        # A label value that nothing was counted for yet may be there or not.
        different = {f"{name}{dict(pairs)}": (b.get((name, pairs)), a.get((name, pairs)))
                     for name, pairs in a.keys() | b.keys() if a.get((name, pairs), 0) != b.get((name, pairs), 0)}
        print(f"{len(expected)} families, {len(b)} series compared by value", flush=True)
        self.assertFalse(different, "values: CoreDNS's, ours:\n" + "\n".join(
            f"{k}: {v[0]} {v[1]}" for k, v in sorted(different.items())))
        self.assertGreater(len(b), 40, "nothing was compared")


if __name__ == "__main__":
    lab.main(Metrics)
