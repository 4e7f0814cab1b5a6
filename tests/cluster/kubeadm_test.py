#!/usr/bin/python3
"""kubeadm's own objects on a real API server, and the program started as its Deployment would start it.

The container's user, capability, read-only root, memory limit, files and arguments are read from the objects that
the API server returns. The node, the pods and the clients are network namespaces; the DNS service is 10.96.0.10:53.
"""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import yaml

import lab
import netns
import objects
import proxy
import wire

# The image's: deploy/ builds it so, and so does CoreDNS's.
USER = 65532
RATE = 2000
SERVICES = 40
UPSTREAM = "192.0.2.53"
# What the upstream answers to every A.
OUTSIDE = "198.51.100.7"
# From the deletion of a pod until the last node has heard of it.
PROPAGATION = 1.0

MUSL = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
  struct addrinfo hints, *list, *each;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = argc > 2 && argv[2][0] == '4' ? AF_INET : AF_UNSPEC;
  int code = getaddrinfo(argv[1], NULL, &hints, &list);
  if (code) { fprintf(stderr, "%s\n", gai_strerror(code)); return 2; }
  for (each = list; each; each = each->ai_next) {
    char text[INET6_ADDRSTRLEN];
    void *address = each->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)each->ai_addr)->sin_addr
                                               : (void *)&((struct sockaddr_in6 *)each->ai_addr)->sin6_addr;
    puts(inet_ntop(each->ai_family, address, text, sizeof text));
  }
  return 0;
}
"""


class Upstream(threading.Thread):
    """A resolver outside the cluster: A of what is below example.com is OUTSIDE, and other names do not exist."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.socket = node.listener(UPSTREAM, 53, socket.SOCK_DGRAM)
        self.start()

    def run(self):
        while True:
            try:
                message, client = self.socket.recvfrom(4096)
                if message == b"end":
                    return
            except OSError:
                return
            end = message.index(b"\0", 12) + 5
            exists = message[12:end - 4].lower().endswith(b"\x07example\x03com\0")
            answers = exists and message[end - 4:end - 2] == b"\0\1"
            head = message[:2] + (b"\x81\x80" if exists else b"\x81\x83") + b"\0\1" + (b"\0\1" if answers else b"\0\0") \
                + b"\0\0\0\0"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4" + socket.inet_aton(OUTSIDE) if answers else b""
            self.socket.sendto(head + message[12:end] + record, client)

    def close(self):
        self.socket.close()


class Kubeadm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        try:
            cls.set_up()
        except BaseException:
            cls.stack.close()
            raise

    @classmethod
    def set_up(cls):
        cls.folder = pathlib.Path(cls.stack.enter_context(tempfile.TemporaryDirectory()))
        os.chmod(cls.folder, 0o755)
        cls.node = netns.Node(lab.DNS_ADDRESS)
        cls.stack.callback(cls.node.close)
        cls.lab = cls.stack.enter_context(lab.Lab())
        api = cls.lab.api
        for item in yaml.safe_load_all((lab.HERE / "data" / "kubeadm.yaml").read_text()):
            api.put(item)
        cls.deployment = api.get("Deployment", "kube-system", "coredns")
        cls.configuration = api.get("ConfigMap", "kube-system", "coredns")["data"]
        api.create(objects.namespace("shop"))
        for number in range(SERVICES):
            api.create(objects.service("shop", f"s{number}", [objects.HTTP], clusterIP=f"10.96.60.{number + 1}"))
        api.create(objects.headless("shop", "peers", [objects.HTTP]))
        api.create(objects.endpoint_slice("shop", "peers", "a", [
            objects.endpoint(objects.pod4(1024 + i), hostname=f"peer-{i}") for i in range(3)], [objects.SLICE_HTTP]))
        api.create(objects.service("shop", "dual", [objects.HTTP], ipFamilyPolicy="RequireDualStack",
                                   ipFamilies=["IPv4", "IPv6"], clusterIP="10.96.60.200",
                                   clusterIPs=["10.96.60.200", "fd00:10:96::60c8"]))
        # default/kubernetes is 10.96.0.1:443, and leads to the API server.
        cls.proxy = proxy.Proxy(cls.lab.port, cls.node.listener("10.96.0.1", 443))
        cls.stack.callback(cls.proxy.close)
        upstream = Upstream(cls.node)
        cls.stack.callback(upstream.close)
        cls.client = cls.node.add("client")
        cls.client.write_etc(resolv_conf=f"nameserver {lab.DNS_ADDRESS}\nsearch shop.svc.cluster.local "
                                         "svc.cluster.local cluster.local\noptions ndots:5 timeout:2 attempts:2\n",
                             nsswitch_conf="hosts: dns\n")
        # getaddrinfo() asks for AAAA only when there is an address of that family.
        cls.client.ip("address", "add", "fd00:10:244::c/128", "dev", "eth0", "nodad")
        cls.pods = [cls.node.add(name, serves=True) for name in ("a", "b")]

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    # ---- the kubelet's part ----

    def start(self, pod):
        """The container of kubeadm's Deployment, in `pod`."""
        spec = self.deployment["spec"]["template"]["spec"]
        container = spec["containers"][0]
        security = container["securityContext"]
        # What netns.Container does is what is asked for here.
        self.assertEqual(security["capabilities"], {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]})
        self.assertTrue(security["readOnlyRootFilesystem"])
        self.assertFalse(security["allowPrivilegeEscalation"])
        mount, volume = container["volumeMounts"][0], spec["volumes"][0]
        files = {f"{mount['mountPath']}/{i['path']}": self.configuration[i["key"]]
                 for i in volume["configMap"]["items"]}
        account = "/var/run/secrets/kubernetes.io/serviceaccount"
        files |= {f"{account}/{name}": (self.lab.sa / name).read_text() for name in ("token", "ca.crt", "namespace")}
        # dnsPolicy Default: the node's.
        files["/etc/resolv.conf"] = f"nameserver {UPSTREAM}\n"
        limit = container["resources"]["limits"]["memory"]
        self.assertTrue(limit.endswith("Mi"))
        made = netns.Container(pod, lab.clusterdns(), USER, container["args"], files,
                               {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"},
                               int(limit[:-2]) << 20, self.folder)
        self.addCleanup(made.stop)
        return made

    def get(self, pod, port, path):
        """(status, text) over HTTP from the node; (None, reason) when nobody answers."""
        def ask():
            connection = http.client.HTTPConnection(pod.address, port, timeout=5)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            except OSError as e:
                return None, str(e)
            finally:
                connection.close()
        return self.node.ns.call(ask)

    def probe(self, name):
        """(port, path) of a probe of the Deployment."""
        container = self.deployment["spec"]["template"]["spec"]["containers"][0]
        action = container[f"{name}Probe"]["httpGet"]
        port = next(p["containerPort"] for p in container["ports"] if p["name"] == action["port"])
        return port, action["path"]

    def is_ready(self, pod):
        return self.get(pod, *self.probe("readiness"))[0] == 200

    def start_ready(self, pod):
        made = self.start(pod)
        made.process.wait_for("it is ready", lambda: self.is_ready(pod))
        return made

    def ask(self, name, kind="A", host=None, **more):
        client = self.client.call(lambda: wire.Client(53, host or lab.DNS_ADDRESS))
        with contextlib.closing(client):
            return client.ask(name, kind, **more)

    def in_client(self, *command):
        return subprocess.run([*self.client.prefix(), *map(str, command)], capture_output=True, text=True, timeout=60)

    # ---- what must be shown ----

    def test_clients(self):
        made = self.start_ready(self.pods[0])
        self.node.route(self.pods[0])
        self.assertEqual(self.get(self.pods[0], *self.probe("liveness")), (200, "OK"))
        self.assertEqual(self.get(self.pods[0], 9153, "/metrics")[0], 200)
        status = pathlib.Path(f"/proc/{made.process.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        self.assertEqual(fields["Uid"].split(), [str(USER)] * 4)
        # CAP_NET_BIND_SERVICE is bit 10.
        self.assertEqual({int(fields[f"Cap{kind}"], 16) for kind in ("Prm", "Eff", "Bnd")}, {1 << 10})
        self.assertEqual(fields["NoNewPrivs"], "1")

        cases = [("s0", ["10.96.60.1"]), ("s1.shop", ["10.96.60.2"]), ("s2.shop.svc", ["10.96.60.3"]),
                 ("s3.shop.svc.cluster.local", ["10.96.60.4"]), ("s4.shop.svc.cluster.local.", ["10.96.60.5"]),
                 ("kubernetes.default", ["10.96.0.1"]), ("kube-dns.kube-system", ["10.96.0.10"]),
                 ("peers", [objects.pod4(1024 + i) for i in range(3)]), ("peer-2.peers", [objects.pod4(1026)]),
                 ("10-1-2-3.shop.pod.cluster.local", ["10.1.2.3"]), ("www.example.com", [OUTSIDE])]
        both = [("dual", ["10.96.60.200", "fd00:10:96::60c8"])]

        def check(client, command, parse):
            for name, right in cases + both:
                family = "0" if (name, right) in both else "4"
                done = self.in_client(*command(name, family))
                self.assertEqual(sorted(set(parse(done.stdout))), sorted(right), f"{client}: {name}: {done}")
            # Not one of them: every domain of the search list, and no other error than that.
            self.assertNotEqual(self.in_client(*command("nothing", "4")).returncode, 0, client)

        check("glibc", lambda name, family: ["getent", "ahostsv4" if family == "4" else "ahosts", name],
              lambda out: [line.split()[0] for line in out.splitlines()])
        with self.subTest("musl"):
            if not shutil.which("musl-gcc"):
                self.skipTest("musl-gcc is not installed (Debian package musl-tools)")
            source, program = self.folder / "resolve.c", self.folder / "resolve"
            source.write_text(MUSL)
            netns.run("musl-gcc", "-static", "-O1", "-o", program, source)
            check("musl", lambda name, family: [program, name, family], str.split)
        with self.subTest("busybox"):
            if not shutil.which("busybox"):
                self.skipTest("busybox is not installed")

            def answers(out):
                lines = out.split("\n\n", 1)[-1].splitlines()
                return [line.split()[-1] for line in lines if line.startswith("Address")]
            for name, right in [("s0.shop.svc.cluster.local", ["10.96.60.1"]),
                                ("peers.shop.svc.cluster.local", [objects.pod4(1024 + i) for i in range(3)]),
                                ("www.example.com", [OUTSIDE])]:
                done = self.in_client("busybox", "nslookup", name, lab.DNS_ADDRESS)
                self.assertEqual(sorted(set(answers(done.stdout))), sorted(right), f"busybox: {name}: {done}")
        peak = made.memory.peak()
        print(f"memory peak {peak and peak / (1 << 20):.1f} MiB of 170", flush=True)
        self.assertEqual(made.stop(), 0, made.process.tail())

    def test_ready_only_when_synced(self):
        self.proxy.refuse()
        self.addCleanup(self.proxy.pass_through)
        pod = self.pods[0]
        made = self.start(pod)
        # Alive and listening, but not ready: names outside are answered, those of the cluster are not there yet.
        made.process.wait_for("/health", lambda: self.get(pod, *self.probe("liveness"))[0] == 200)
        answer = made.process.wait_for("it listens", lambda: self.ask("www.example.com.", host=pod.address, timeout=1,
                                                                      tries=1))
        self.assertEqual(answer.addresses(), [OUTSIDE])
        answer = self.ask("s0.shop.svc.cluster.local.", host=pod.address)
        self.assertEqual((answer.rcode, answer.ede), ("SERVFAIL", [14]))
        status, text = self.get(pod, *self.probe("readiness"))
        self.assertEqual(status, 503)
        self.assertIn("kubernetes", text)
        self.proxy.pass_through()
        made.process.wait_for("it is ready", lambda: self.is_ready(pod), every=0.001)
        # At the first 200, every name is there.
        for number in range(SERVICES):
            answer = self.ask(f"s{number}.shop.svc.cluster.local.", host=pod.address, tries=1)
            self.assertEqual(answer and answer.addresses(), [f"10.96.60.{number + 1}"])

    @contextlib.contextmanager
    def load(self):
        asked = [[f"s{i}.shop.svc.cluster.local.", "A", [f"10.96.60.{i + 1}"]] for i in range(SERVICES)]
        asked.append(["peers.shop.svc.cluster.local.", "A", [objects.pod4(1024 + i) for i in range(3)]])
        child = subprocess.Popen([*self.client.prefix(), sys.executable, lab.HERE / "load.py", lab.DNS_ADDRESS, "53",
                                  str(RATE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            child.stdin.write(json.dumps(asked))
            child.stdin.close()
            self.assertEqual(child.stdout.readline(), "asking\n")
            yield
            child.send_signal(signal.SIGTERM)
            result = json.loads(child.stdout.read())
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        print(f"{result['asked']} questions, {result['lost']} lost, {result['wrong'] or 'none wrong'}, the slowest "
              f"{result['slowest_ms']} ms", flush=True)
        self.assertEqual((result["lost"], result["wrong"]), (0, []))
        self.assertGreater(result["right"], RATE)

    def test_rolling_replacement(self):
        """Each of the two pods is replaced, one after the other, as the Deployment's controller does it."""
        running = {pod.name: self.start_ready(pod) for pod in self.pods}
        self.node.route(*self.pods)
        with self.load():
            time.sleep(1)
            for pod in self.pods:
                other = next(p for p in self.pods if p is not pod)
                # The API server marks the pod as going, and the kubelet tells it to, at the same time.
                old = running[pod.name]
                old.process.send(signal.SIGTERM)
                heard = time.monotonic() + PROPAGATION
                lab.until("/ready says no at once", lambda: not self.is_ready(pod), PROPAGATION)
                time.sleep(max(0.0, heard - time.monotonic()))
                self.assertTrue(old.process.running(), "it did not wait until the last node had heard of it")
                self.node.route(other)
                self.assertEqual(old.process.child.wait(60), 0, old.process.tail())
                old.stop()
                running[pod.name] = self.start_ready(pod)
                self.node.route(*self.pods)
            time.sleep(1)
        for made in running.values():
            made.stop()


if __name__ == "__main__":
    lab.main(Kubeadm)
