"""The node-local server: its address, and what resolvers do while it is away."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import support

ADDRESS = "169.254.20.10"
NAME = "my-service.default.svc.cluster.local"
# Seconds that glibc waits for a nameserver that is silent; more than these it does not take
# (resolv.conf(5), timeout). One that is refused is left at once: long before, whatever else the machine does.
SILENT = 30


class Address(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.need_root()
        cls.namespace = support.Namespace()
        cls.addClassCleanup(cls.namespace.close)

    def command(self, *words):
        return subprocess.run(["ip", "netns", "exec", self.namespace.name, support.program(),
                               "node-address", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)

    def has(self, interface, address):
        return f" {address} " in self.namespace.run("ip", "address", "show", "dev", interface)

    def test_dummy_interface(self):
        done = self.command(ADDRESS, "fd00:53::10", "--interface", "node-dns")
        if "no dummy interfaces" in done.stderr:
            self.assertIn("--interface lo", done.stderr)
            self.assertEqual(done.returncode, 1)
            self.skipTest("this kernel has no dummy interfaces")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, f"node-dns: {ADDRESS} added\nnode-dns: fd00:53::10 added\n")
        self.assertTrue(self.has("node-dns", ADDRESS + "/32"))
        self.assertTrue(self.has("node-dns", "fd00:53::10/128"))
        self.assertIn("UP", self.namespace.run("ip", "link", "show", "dev", "node-dns"))

    def test_loopback_and_again(self):
        done = self.command(ADDRESS, "fd00:53::11", "--interface", "lo")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, f"lo: {ADDRESS} added\nlo: fd00:53::11 added\n")
        self.assertTrue(self.has("lo", ADDRESS + "/32"))
        self.assertTrue(self.has("lo", "fd00:53::11/128"))
        done = self.command(ADDRESS, "--interface", "lo")
        self.assertEqual((done.returncode, done.stdout),
                         (0, f"lo: {ADDRESS} is already there\n"))

    def test_not_on_an_interface_that_leads_somewhere(self):
        self.namespace.run("ip", "link", "add", "node-a", "type", "veth", "peer", "node-b")
        done = self.command(ADDRESS, "--interface", "node-a")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "clusterdns node-address: node-a exists and is not a dummy "
                         "interface; choose another --interface\n")
        self.assertFalse(self.has("node-a", ADDRESS + "/32"))

    def test_without_the_capability(self):
        done = subprocess.run(["setpriv", "--bounding-set=-net_admin", "ip", "netns", "exec",
                               self.namespace.name, support.program(), "node-address", ADDRESS,
                               "--interface", "lo"], stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("NET_ADMIN", done.stderr)


class Away(unittest.TestCase):
    """A pod has two nameservers: the node's and the cluster's. The node's server ends, its address
    stays: the kernel refuses the query, and glibc asks the second one without waiting."""

    @classmethod
    def setUpClass(cls):
        support.need_root()
        support.need("dig", "ip", "getent")
        cls.addClassCleanup(shutil.rmtree, folder := tempfile.mkdtemp(), ignore_errors=True)
        cls.folder = folder
        cls.namespace = support.Namespace()
        cls.addClassCleanup(cls.namespace.close)
        # getaddrinfo() asks only for families of which there is an address beside loopback's.
        cls.namespace.run("ip", "address", "add", "192.0.2.10/32", "dev", "lo")
        # `ip netns exec` lays it over /etc/resolv.conf.
        etc = f"/etc/netns/{cls.namespace.name}"
        os.makedirs(etc)
        cls.addClassCleanup(shutil.rmtree, etc)
        with open(f"{etc}/resolv.conf", "w", encoding="utf-8") as file:
            file.write(f"nameserver {ADDRESS}\nnameserver 127.0.0.1\noptions timeout:{SILENT}\n")
        cls.namespace.run(support.program(), "node-address", ADDRESS, "--interface", "lo")

    def serve(self, address):
        log = open(os.path.join(self.folder, address), "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace.name, support.program(), "serve", "--listen",
             f"{address}:53", "--no-forward", "--manifests",
             os.path.join(support.ROOT, "deploy/examples")], stdout=log, stderr=log)
        self.addCleanup(process.wait, support.PATIENCE)
        self.addCleanup(process.terminate)
        support.until(f"{address} answers", lambda: self.namespace.ask(address, NAME))
        return process

    def resolve(self):
        """The address that glibc finds, and the seconds it took."""
        begin = time.monotonic()
        words = self.namespace.run("getent", "ahostsv4", NAME).split()
        return words[0], time.monotonic() - begin

    def test_second_nameserver_is_asked_at_once(self):
        self.serve("127.0.0.1")
        node = self.serve(ADDRESS)
        expected, _ = self.resolve()
        node.terminate()
        self.assertEqual(node.wait(support.PATIENCE), 0)
        address, seconds = self.resolve()
        self.assertEqual(address, expected)
        self.assertLess(seconds, SILENT / 2)


if __name__ == "__main__":
    support.main()
