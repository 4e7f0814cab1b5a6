"""deploy/compare: two servers, the names of a cluster, and what differs."""
import copy
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import unittest

import support

COMPARE = os.path.join(support.ROOT, "deploy/compare")


def service(name, cluster_ip, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"clusterIP": cluster_ip, "clusterIPs": [cluster_ip], "type": "ClusterIP",
                     "ports": [{"name": "http", "port": 80, "protocol": "TCP"}], **spec}}


def endpoints(name, *addresses):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name + "-1", "namespace": "shop",
                         "labels": {"kubernetes.io/service-name": name}},
            "endpoints": [{"addresses": [address], "hostname": host, "conditions": {"ready": True}}
                          for host, address in addresses],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}


CLUSTER = {"apiVersion": "v1", "kind": "List", "items": [
    service("web", "10.96.0.20"),
    service("db", "None"),
    endpoints("db", ("db-0", "10.244.0.1"), ("db-1", "10.244.0.2")),
    # More than a datagram holds.
    service("crowd", "None"),
    endpoints("crowd", *[(f"crowd-{i}", f"10.244.1.{i}") for i in range(1, 120)]),
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "outside", "namespace": "shop"},
     "spec": {"type": "ExternalName", "externalName": "db.example"}},
]}
# web: name 3, port 1, PTR 1; db: 3 + 1 + 2 x 2; crowd: 3 + 1 + 119 x 2; outside: 2; one that does not exist.
QUESTIONS = 5 + 8 + 242 + 2 + 1


class Program:
    """A server with these objects."""

    def __init__(self, objects):
        self.folder = tempfile.TemporaryDirectory()
        manifest = os.path.join(self.folder.name, "objects.json")
        with open(manifest, "w", encoding="utf-8") as file:
            json.dump(objects, file)
        self.log = os.path.join(self.folder.name, "log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [support.program(), "serve", "--manifests", manifest, "--listen", "127.0.0.1:0",
                 "--no-forward"], stdout=log, stderr=log)
        self.address = support.until("the server listens", self.listening)

    def listening(self):
        with open(self.log, encoding="utf-8") as log:
            text = log.read()
        if self.process.poll() is not None:
            self.fail(text)
        found = re.search(r"Listening on (\S+) ", text)
        return found and found.group(1)

    @staticmethod
    def fail(text):
        raise AssertionError(text)

    def close(self):
        self.process.terminate()
        self.process.wait(support.PATIENCE)
        self.folder.cleanup()


class Wavering:
    """Says NXDOMAIN to the first question for each name and type, then what another server says."""

    def __init__(self, server):
        host, port = server.split(":")
        self.server, self.seen = (host, int(port)), set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                query, client = self.socket.recvfrom(65535)
            except OSError:
                return
            if query[12:] not in self.seen:
                self.seen.add(query[12:])
                # The question and no OPT: it ends 11 octets earlier.
                self.socket.sendto(query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12:-11], client)
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
                upstream.settimeout(support.PATIENCE)
                upstream.sendto(query, self.server)
                self.socket.sendto(upstream.recv(65535), client)

    def close(self):
        self.socket.close()


class Compare(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.old = Program(CLUSTER)
        cls.addClassCleanup(cls.old.close)

    def program(self, objects):
        program = Program(objects)
        self.addCleanup(program.close)
        return program

    def compare(self, new, *options, objects=CLUSTER, old=None):
        """Exit code, standard output, standard error."""
        done = subprocess.run([COMPARE, old or self.old.address, new, "--again", "1", "--wait", "0.1",
                               "--rate", "5000", *options], input=json.dumps(objects), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=4 * support.PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def test_the_same_cluster(self):
        new = self.program(CLUSTER)
        self.assertEqual(self.compare(new.address),
                         (0, f"{QUESTIONS} questions, {QUESTIONS} the same, 0 different\n", ""))

    def test_over_tcp(self):
        class Connections(threading.Thread):
            """A port that takes TCP only, as `kubectl port-forward` does, and leads to a server."""

            def __init__(self, server):
                super().__init__(daemon=True)
                host, port = server.split(":")
                self.server = host, int(port)
                self.listener = socket.create_server(("127.0.0.1", 0))
                self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]

            def run(self):
                while True:
                    try:
                        client, _ = self.listener.accept()
                    except OSError:
                        return
                    with client, socket.create_connection(self.server) as upstream:
                        upstream.sendall(client.recv(65535))
                        while data := upstream.recv(65535):
                            client.sendall(data)
                            if len(data) > 2:
                                upstream.shutdown(socket.SHUT_WR)

        forward = Connections(self.old.address)
        self.addCleanup(forward.listener.close)
        forward.start()
        self.assertEqual(self.compare(forward.address, "--tcp", objects={"items": [service("web", "10.96.0.20")]}),
                         (0, "6 questions, 6 the same, 0 different\n", ""))

    def test_what_differs_is_shown(self):
        objects = copy.deepcopy(CLUSTER)
        objects["items"][0] = service("web", "10.96.0.21")
        objects["items"][2] = endpoints("db", ("db-0", "10.244.0.1"))
        code, text, _ = self.compare(self.program(objects).address)
        self.assertEqual(code, 1)
        self.assertIn("web.shop.svc.cluster.local. A\n  old: NOERROR  A 10.96.0.20\n"
                      "  new: NOERROR  A 10.96.0.21\n", text)
        self.assertIn("20.0.96.10.in-addr.arpa. PTR\n  old: NOERROR  PTR web.shop.svc.cluster.local.\n"
                      "  new: NXDOMAIN\n", text)
        self.assertIn("db.shop.svc.cluster.local. A\n  old: NOERROR  A 10.244.0.1  A 10.244.0.2\n"
                      "  new: NOERROR  A 10.244.0.1\n", text)
        self.assertIn("db-1.db.shop.svc.cluster.local. A\n  old: NOERROR  A 10.244.0.2\n"
                      "  new: NXDOMAIN\n", text)
        # web A and PTR; db A, SRV, port, db-1 and its PTR.
        self.assertTrue(text.endswith(f"{QUESTIONS} questions, {QUESTIONS - 7} the same, 7 different\n"), text)

    def test_the_end_of_a_large_answer(self):
        objects = copy.deepcopy(CLUSTER)
        objects["items"][4]["endpoints"][118]["addresses"] = ["10.244.2.1"]
        code, text, _ = self.compare(self.program(objects).address)
        self.assertEqual(code, 1)
        self.assertIn("crowd.shop.svc.cluster.local. A\n", text)

    def test_where_an_alias_outside_leads(self):
        objects = copy.deepcopy(CLUSTER)
        objects["items"][5]["spec"]["externalName"] = "other.example"
        code, text, _ = self.compare(self.program(objects).address)
        self.assertEqual(code, 1)
        self.assertIn("outside.shop.svc.cluster.local. CNAME\n  old: NOERROR  CNAME db.example.\n"
                      "  new: NOERROR  CNAME other.example.\n", text)

    def test_what_settles_is_no_difference(self):
        wavering = Wavering(self.old.address)
        self.addCleanup(wavering.close)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as names:
            names.write("web.shop.svc.cluster.local\ndb.shop.svc.cluster.local SRV # ports\n\n")
            names.flush()
            self.assertEqual(self.compare(wavering.address, "--names", names.name),
                             (0, "2 questions, 2 the same, 0 different\n", ""))
            # It did waver: asked once only, the first answers are what counts.
            again = Wavering(self.old.address)
            self.addCleanup(again.close)
            code, text, _ = self.compare(again.address, "--names", names.name, "--again", "0")
            self.assertEqual((code, text.count("  new: NXDOMAIN\n")), (1, 2))

    def test_a_server_that_is_not_there(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
            nobody.bind(("127.0.0.1", 0))  # takes questions, answers none
            code, text, _ = self.compare("127.0.0.1:%d" % nobody.getsockname()[1], "--timeout", "0.05",
                                         "--again", "0", objects={"items": [service("web", "10.96.0.20")]})
        self.assertEqual(code, 2)
        self.assertTrue(text.endswith("6 questions, 0 the same, 6 different; "
                                      "without an answer: 0 of old, 6 of new\n"), text)

    def test_what_cannot_be_compared(self):
        for options, objects, error in [
                ([], {"items": []}, "there is no Service and no EndpointSlice in the input"),
                (["--names", "/nonexistent"], CLUSTER, "No such file or directory"),
                (["--rate", "0"], CLUSTER, "must be greater than 0")]:
            code, text, said = self.compare(self.old.address, *options, objects=objects)
            self.assertEqual((code, text), (2, ""))
            self.assertIn(error, said)
        code, _, said = self.compare("dns.example")
        self.assertEqual((code, said), (2, "deploy/compare: 'dns.example' is not an address; write one such "
                                           "as 10.96.0.10 or [fd00::10]:53\n"))


if __name__ == "__main__":
    support.main()
