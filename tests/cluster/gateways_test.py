#!/usr/bin/python3
"""Hosts of gateways from a real API server: kinds that are installed late, a battery over both sources, changes, and
a client that needs no hosts file.

The CRDs are minimal ones of our own: any object passes, and its status can be written with it.
"""

import contextlib
import http.server
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import yaml

import lab

# Group, version, plural, kind.
CRDS = [("networking.istio.io", "v1", "gateways", "Gateway"),
        ("networking.istio.io", "v1", "virtualservices", "VirtualService"),
        ("networking.istio.io", "v1", "destinationrules", "DestinationRule"),
        ("networking.istio.io", "v1", "serviceentries", "ServiceEntry"),
        ("networking.istio.io", "v1", "sidecars", "Sidecar"),
        ("gateway.networking.k8s.io", "v1", "gateways", "Gateway"),
        ("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")]
INGRESSES = "/apis/networking.k8s.io/v1"
# From the installation of a kind until it is noticed, as promised, and as much again for a loaded machine.
NOTICED = 120
QUESTIONS = [(name, kind)
             for name in ("example.com.", "shop.example.com.", "SHOP.example.COM.", "other.example.com.",
                          "a.b.example.com.", "waits.example.com.", "named.example.org.", "also.example.org.",
                          "mesh.example.org.", "database.example.org.", "blog.example.org.", "x.blog.example.org.",
                          "x.y.blog.example.org.", "app.route.example.org.", "none.route.example.org.",
                          "example.org.", "shop.default.svc.cluster.local.")
             for kind in ("A", "AAAA", "HTTPS", "TXT", "CNAME")]


def crd(group, version, plural, kind):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    meta = {"name": f"{plural}.{group}"}
    if group.endswith("k8s.io"):
        # Who defines a kind in a group of Kubernetes's has to name the proposal.
        meta["annotations"] = {"api-approved.kubernetes.io": "unapproved, for a test"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta,
            "spec": {"group": group, "scope": "Namespaced",
                     "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
                     "versions": [{"name": version, "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": schema}}]}}


def documents():
    return [item for item in yaml.safe_load_all((lab.HERE / "data" / "gateways.yaml").read_text()) if item]


def plural_of(item):
    group, _, _ = item["apiVersion"].partition("/")
    return next((p for g, _, p, k in CRDS if g == group and k == item["kind"]), "ingresses")


class Gateways(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.folder = pathlib.Path(cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="gateways.")))
        cls.lab = cls.stack.enter_context(lab.Lab())
        api = cls.lab.api
        for item in yaml.safe_load_all((lab.ROOT / "deploy/kubernetes/extra-rbac/rbac.yaml").read_text()):
            api.put(item)
        account = lab.Api(cls.lab.port, cls.lab.pki / "ca.crt", (cls.lab.sa / "token").read_text())
        lab.until("the account may list ingresses",
                  lambda: account.request("GET", f"{INGRESSES}/ingresses?limit=1")[0] == 200)
        text = lab.corefile(cls.lab.kubeconfig(), more=["gateways", "log"])
        cls.of_api = cls.stack.enter_context(lab.Server(lab.clusterdns(), text, cls.folder, "api"))
        cls.of_api.wait_for("kubernetes.default.svc.cluster.local.", "A", lambda a: a.rcode == "NOERROR")
        # Only now: the kinds are installed behind the server's back.
        cls.log_without_kinds = cls.of_api.process.output()
        for each in CRDS:
            api.put(crd(*each))
        for item in documents():
            cls.create(item)

    @classmethod
    def path(cls, item):
        meta = item["metadata"]
        return f"/apis/{item['apiVersion']}/namespaces/{meta.get('namespace', 'default')}/{plural_of(item)}"

    @classmethod
    def create(cls, item):
        if item["kind"] == "Service":
            return cls.lab.api.create(item)
        # A kind is served some time after its definition is stored.
        lab.until(f"{item['kind']} is served",
                  lambda: cls.lab.api.request("POST", cls.path(item), item)[0] in (201, 409), every=0.2)
        if item["kind"] == "Ingress":
            cls.lab.api("PATCH", f"{cls.path(item)}/{item['metadata']['name']}/status", {"status": item["status"]},
                        content="application/merge-patch+json")

    def test_kinds_that_are_missing_are_told_and_found_later(self):
        self.assertIn("virtualservices", self.log_without_kinds)
        self.of_api.wait_for("shop.example.com.", "A", lambda a: len(a.answer) == 2, limit=NOTICED, every=0.2)
        self.of_api.wait_for("app.route.example.org.", "A", lambda a: len(a.answer) == 1, limit=NOTICED, every=0.2)
        self.of_api.wait_for("database.example.org.", "A", lambda a: len(a.answer) == 2, limit=NOTICED, every=0.2)

    def test_manifests_and_the_api_answer_alike(self):
        self.test_kinds_that_are_missing_are_told_and_found_later()
        manifests = self.folder / "manifests"
        manifests.mkdir()
        shutil.copy(lab.HERE / "data" / "gateways.yaml", manifests / "gateways.yaml")
        text = (".:{port} {\n    bind 127.0.0.1\n    gateways\n"
                f"    kubernetes cluster.local in-addr.arpa ip6.arpa {{\n        manifests {manifests}\n    }}\n}}\n")
        with lab.Server(lab.clusterdns(), text, self.folder, "files") as of_files:
            of_files.wait_for("shop.example.com.", "A", lambda a: len(a.answer) == 2)
            wrong, answered = [], 0

            def shape(answer):
                return (answer.rcode, answer.aa, sorted((r.owner.lower(), r.type, r.ttl, r.data) for r in answer.answer),
                        sorted((r.owner.lower(), r.type) for r in answer.authority), answer.ede)
            for name, kind in QUESTIONS:
                api, files = self.of_api.ask(name, kind), of_files.ask(name, kind)
                answered += bool(api and api.answer)
                if api is None or files is None or shape(api) != shape(files):
                    wrong.append(f"{name} {kind}\n    API       {api}\n    manifests {files}")
        self.assertGreater(answered, 12, "nothing was asked that exists")
        self.assertFalse(wrong, "\n".join(wrong))

    def test_a_change_is_answered(self):
        self.test_kinds_that_are_missing_are_told_and_found_later()
        waiting = self.of_api.ask("waits.example.com.", "A")
        self.assertEqual((waiting.rcode, waiting.answer), ("NOERROR", []))
        path = lab.Api.path("Service", "istio-system", "pending") + "/status"
        self.lab.api("PATCH", path, {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.99"}]}}},
                     content="application/merge-patch+json")
        self.of_api.wait_for("waits.example.com.", "A", lambda a: a.addresses() == ["203.0.113.99"])
        self.lab.api("PATCH", path, {"status": {"loadBalancer": {"ingress": None}}},
                     content="application/merge-patch+json")
        self.of_api.wait_for("waits.example.com.", "A", lambda a: a.rcode == "NOERROR" and not a.answer)

    def test_a_client_reaches_the_gateway_without_a_hosts_file(self):
        self.test_kinds_that_are_missing_are_told_and_found_later()
        if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
            self.skipTest("a mount namespace is needed for a resolv.conf of its own, and cannot be had here")
        if not shutil.which("curl"):
            self.skipTest("curl is not installed")

        class Gateway(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(f"gateway of {self.headers['Host']}\n".encode())

            def log_message(self, *_):
                pass
        # Addresses of loopback that nobody else has: ports 53 and 80 are free there.
        for _ in range(20):
            resolver, gateway = (f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"
                                 for _ in range(2))
            try:
                web = http.server.ThreadingHTTPServer((gateway, 80), Gateway)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind((resolver, 53))
                break
            except OSError:
                continue
        else:
            self.fail("no address of loopback has free ports 53 and 80")
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.addCleanup(web.shutdown)
        entry = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway",
                 "metadata": {"name": "here", "namespace": "default",
                              "annotations": {"external-dns.alpha.kubernetes.io/target": gateway}},
                 "spec": {"servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"},
                                       "hosts": ["here.example.net"]}]}}
        self.create(entry)
        text = lab.corefile(self.lab.kubeconfig(), more=["gateways"]).replace("bind 127.0.0.1", f"bind {resolver}")
        path = self.folder / "client.Corefile"
        path.write_text(text.replace("{port}", "53"))
        server = lab.Process("client", [lab.clusterdns(), "-conf", path], self.folder / "client.log")
        self.addCleanup(server.stop)
        server.wait_for("it listens", lambda: "Listening on" in server.output())
        resolv, nsswitch = self.folder / "resolv.conf", self.folder / "nsswitch.conf"
        resolv.write_text(f"nameserver {resolver}\n")
        nsswitch.write_text("hosts: dns\n")
        script = (f"mount --bind {resolv} $(readlink -f /etc/resolv.conf || echo /etc/resolv.conf) && "
                  f"mount --bind {nsswitch} /etc/nsswitch.conf && "
                  "exec curl --silent --show-error --max-time 20 --noproxy '*' http://here.example.net/")

        def fetch():
            done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True)
            return done.stdout == "gateway of here.example.net\n"
        server.wait_for("curl reaches the gateway", fetch, every=0.2)


if __name__ == "__main__":
    lab.main(Gateways)
